//! One rule becomes narrower ones.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::super::breadth::{service_bits, sum};
use super::super::plan::Action;
use super::sources::{self, Piece};
use super::usage::Usage;
use super::{Draft, Proposer, ports};
use crate::flow::Protocol;
use crate::inventory::{Rule, RulePeer};

/// Ranges of ports of a protocol at most: fewer ports beside are worth fewer rules.
const RANGES: [usize; 4] = [8, 4, 2, 1];

/// Half as open, log2: less is not worth a change.
const WORTH: f64 = 1.0;

/// What narrowing comes to.
pub(super) enum Narrowed {
    Change(Draft),
    /// It stays as it is, and why somebody might have thought otherwise.
    Left(String),
    /// It fits its use.
    Fits,
}

impl<'a> Proposer<'a> {
    /// A narrower form of a rule that was used.
    pub fn narrow(&self, rule: &'a Rule, usage: &Usage) -> Narrowed {
        let estate = &self.estate;
        let limit = self.room.limit(rule, estate);
        let known = estate.blocks_of(&rule.peer);
        let own = estate.weight(&rule.peer);
        let fits = |pieces: usize, each: [usize; 2]| (0..2).all(|f| pieces * each[f] <= limit[f].max(own[f]));
        let mut reasons = Vec::new();
        let Some(pieces) = RANGES.iter().map(|most| self.pieces(rule, usage, *most)).find(|pieces| {
            let each = if known.is_some() { own.map(|w| w.min(1)) } else { own };
            fits(pieces.len(), each)
        }) else {
            return Narrowed::Left(
                "its group has no room for the rules that would take its place".to_owned(),
            );
        };
        if pieces.is_empty() {
            return Narrowed::Left("what it was used for, it no longer permits".to_owned());
        }
        let mut action = Action::Narrow;
        let mut curve = Vec::new();
        let mut peers: Vec<Vec<RulePeer>> = vec![vec![rule.peer.clone()]; pieces.len()];
        if let Some(known) = &known {
            match sources::public(known, usage, self.fresh(), |net| self.is_inside(net)) {
                Some(why) => reasons.push(format!("sources are left: {why}")),
                None => {
                    // A rule's blocks are of one family.
                    let family = usize::from(matches!(known.first(), Some(IpNet::V6(_))));
                    let chosen = sources::blocks(&pieces, known, limit[family], self.options());
                    let everybody: Vec<IpNet> = usage.everybody().into_iter().map(|(net, _)| net).collect();
                    let instead = sources::instead(&everybody, chosen.as_ref(), &rule.group, known, estate)
                        .filter(|peer| *peer != rule.peer && fits(pieces.len(), estate.weight(peer)));
                    if let Some(peer) = instead {
                        action = match peer {
                            RulePeer::PrefixList(_) => Action::ReplaceByPrefixList,
                            _ => Action::ReplaceByGroup,
                        };
                        reasons.extend(reference_reason(&peer));
                        peers = vec![vec![peer]; pieces.len()];
                    } else if let Some(chosen) = chosen.filter(|_| !self.is_of_aws(&rule.peer)) {
                        if let Some(wanted) = chosen.wanted {
                            reasons.push(format!(
                                "{} blocks of {wanted} that would be best: a group may have 60 rules of a direction and family",
                                chosen.most
                            ));
                        }
                        curve = chosen.curve;
                        let nets = chosen.blocks.into_iter();
                        peers = nets.map(|nets| nets.into_iter().map(RulePeer::Cidr).collect()).collect();
                    }
                }
            }
        }
        if !fits_together(&peers, limit, own, |peer| estate.weight(peer)) {
            return Narrowed::Left(
                "its group has no room for the rules that would take its place".to_owned(),
            );
        }
        let mut add: Vec<Rule> = Vec::new();
        for (piece, peers) in pieces.iter().zip(peers) {
            add.extend(peers.into_iter().map(|peer| made(rule, piece, peer)));
        }
        let before = estate.openness(rule);
        let after = sum(add.iter().map(|rule| estate.openness(rule))).unwrap_or_default();
        if after > before - WORTH {
            return match reasons.into_iter().next() {
                Some(reason) if before > after + 1e-9 || rule_is_open(rule) => Narrowed::Left(reason),
                _ => Narrowed::Fits,
            };
        }
        if usage.folded {
            reasons.push("too many ports or addresses to keep apart: it is wider than its use".to_owned());
        }
        let why = self.why(rule, &pieces, usage, action, &add);
        Narrowed::Change(Draft { reasons, curve, ..Draft::new(action, vec![rule.clone()], add, why) })
    }

    /// What a rule was used for, by protocol and ranges of ports.
    fn pieces(&self, rule: &Rule, usage: &Usage, most: usize) -> Vec<Piece> {
        let mut seen: BTreeMap<Protocol, Vec<(u16, u16)>> = BTreeMap::new();
        for &(protocol, range) in &usage.services {
            if rule.protocol.is_none_or(|own| own == protocol) {
                seen.entry(protocol).or_default().push(range);
            }
        }
        let within = rule.ports.unwrap_or((0, u16::MAX));
        let known = self.estate.blocks_of(&rule.peer);
        let mut pieces = Vec::new();
        for (protocol, seen) in seen {
            let ranges = match protocol.has_ports() {
                true => ports::ranges(seen, within, most, self.options().services),
                false => vec![(0, u16::MAX)],
            };
            for range in ranges {
                let mut peers = usage.peers(protocol, range);
                if let Some(known) = &known {
                    // Those that an earlier form of the rule let in are none of its.
                    peers.retain(|peer| known.iter().any(|b| b.contains(peer) || peer.contains(b)));
                    peers = sources::round_up(peers, self.options().addresses, known, &self.estate);
                    if peers.is_empty() {
                        continue;
                    }
                }
                let whole = !protocol.has_ports() || range == (0, u16::MAX);
                let ports = if whole && rule.ports.is_none() { None } else { Some(range) };
                let ports = ports.filter(|_| protocol.has_ports());
                let any = protocol.is_icmp().then_some((-1, -1));
                let icmp = if rule.protocol.is_some() { rule.icmp } else { any };
                let bits = service_bits(Some(protocol), ports);
                pieces.push(Piece { protocol: Some(protocol), ports, icmp, peers, bits });
            }
        }
        pieces
    }

    /// Managed by AWS: its entries change, and it says more than they do.
    fn is_of_aws(&self, peer: &RulePeer) -> bool {
        let RulePeer::PrefixList(id) = peer else { return false };
        let list = self.estate.inventory.prefix_lists.get(id);
        list.is_none_or(|list| list.account.as_deref() == Some("AWS"))
    }

    fn why(&self, rule: &Rule, pieces: &[Piece], usage: &Usage, action: Action, add: &[Rule]) -> String {
        let mut by_protocol: BTreeMap<Protocol, Vec<(u16, u16)>> = BTreeMap::new();
        for piece in pieces {
            let ports = piece.ports.unwrap_or((0, u16::MAX));
            by_protocol.entry(piece.protocol.unwrap_or(Protocol(0))).or_default().push(ports);
        }
        let services: Vec<String> =
            by_protocol.iter().map(|(protocol, ranges)| ports::text(*protocol, ranges)).collect();
        let peers = usage.everybody().len();
        let connections = usage.connections;
        let plural = |n: u64, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
        let used = format!(
            "{} of {} used {}",
            plural(connections, "connection"),
            if usage.folded {
                format!("some {}", plural(peers as u64, "block"))
            } else {
                plural(peers as u64, "peer")
            },
            services.join(", ")
        );
        let owner = self.estate.inventory.security_groups.get(&rule.group).and_then(|g| g.account.as_deref());
        let permits = format!("{} {} with {}", rule.protocol_text(), rule.port_text(), rule.peer_text(owner));
        match (action, add.first()) {
            (Action::ReplaceByGroup, Some(first)) => {
                format!("{used}, all members of {}; it permits {permits}", first.peer_text(owner))
            }
            (Action::ReplaceByPrefixList, Some(first)) => {
                format!("{used}, all in {}; it permits {permits}", first.peer_text(owner))
            }
            _ => format!("{used}; it permits {permits}"),
        }
    }
}

/// Open to everybody: worth a word when it stays so.
fn rule_is_open(rule: &Rule) -> bool {
    matches!(&rule.peer, RulePeer::Cidr(net) if net.prefix_len() == 0)
}

fn fits_together(
    peers: &[Vec<RulePeer>],
    limit: [usize; 2],
    own: [usize; 2],
    weight: impl Fn(&RulePeer) -> [usize; 2],
) -> bool {
    let mut all = [0; 2];
    for more in peers.iter().flatten().map(weight) {
        all = [all[0] + more[0], all[1] + more[1]];
    }
    (0..2).all(|family| all[family] <= limit[family].max(own[family]))
}

/// What has to be known of a reference: it means private addresses, and of interfaces only (domain C.3).
fn reference_reason(peer: &RulePeer) -> Option<String> {
    match peer {
        RulePeer::Group { peering: Some(peering), .. } => Some(format!(
            "a reference over {peering} holds while the peering is active and within one region"
        )),
        _ => None,
    }
}

/// A rule for a piece. Its description says where it comes from.
fn made(from: &Rule, piece: &Piece, peer: RulePeer) -> Rule {
    let mut rule = Rule {
        id: String::new(),
        synthetic: true,
        group: from.group.clone(),
        direction: from.direction,
        protocol: piece.protocol,
        ports: piece.ports,
        icmp: piece.icmp,
        peer,
        description: Some(super::description(&from.id)),
    };
    rule.id = rule.synthetic_id();
    rule
}
