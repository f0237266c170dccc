//! One rule becomes narrower ones.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::super::openness::{service_bits, sum};
use super::super::plan::Action;
use super::sources::{self, Piece};
use super::usage::{Usage, distinct};
use super::{Draft, Proposer, counted, ports};
use crate::flow::Protocol;
use crate::inventory::{Rule, RulePeer};
use crate::rollup::ObservedPeer;

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
        if let Some(known) = &known
            && !self.is_of_aws(&rule.peer)
        {
            // Where the public comes, it still may.
            let mut closed = Vec::new();
            for (at, piece) in pieces.iter().enumerate() {
                let inside = |net: &IpNet| self.is_inside(net);
                match sources::public(known, rule.direction, &piece.users, self.fresh(), inside) {
                    Some(why) => reasons.push(format!("sources of {} are left: {why}", piece.text())),
                    None => closed.push(at),
                }
            }
            let narrower: Vec<Piece> = closed.iter().map(|at| pieces[*at].clone()).collect();
            // A rule's blocks are of one family.
            let family = usize::from(matches!(known.first(), Some(IpNet::V6(_))));
            let room = limit[family].saturating_sub((pieces.len() - closed.len()) * own[family]);
            let chosen = sources::blocks(&narrower, known, room, self.options());
            let users: Vec<ObservedPeer> = narrower.iter().flat_map(|piece| piece.users.clone()).collect();
            let instead = sources::instead(&distinct(&users), chosen.as_ref(), &rule.group, known, estate);
            let instead =
                instead.filter(|peer| *peer != rule.peer && fits(pieces.len(), estate.weight(peer)));
            if let Some(peer) = instead {
                action = match peer {
                    RulePeer::PrefixList(_) => Action::ReplaceByPrefixList,
                    _ => Action::ReplaceByGroup,
                };
                reasons.extend(reference_reason(&peer));
                closed.iter().for_each(|at| peers[*at] = vec![peer.clone()]);
            } else if let Some(chosen) = chosen {
                if let Some(wanted) = chosen.wanted {
                    reasons.push(format!(
                        "blocks for a range of ports: {} instead of {wanted}, since a group may have 60 rules of a direction and family, and an interface 1,000",
                        chosen.most
                    ));
                }
                curve = chosen.curve;
                for (at, nets) in closed.iter().zip(chosen.blocks) {
                    peers[*at] = nets.into_iter().map(RulePeer::Cidr).collect();
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
                let mut users = usage.users(protocol, range);
                let mut peers = Vec::new();
                if let Some(known) = &known {
                    // Those that an earlier form of the rule let in are none of its.
                    users.retain(|user| known.iter().any(|b| b.contains(&user.net) || user.net.contains(b)));
                    if users.is_empty() {
                        continue;
                    }
                    peers =
                        sources::round_up(distinct(&users), self.options().addresses, known, &self.estate);
                }
                let whole = !protocol.has_ports() || range == (0, u16::MAX);
                let ports = if whole && rule.ports.is_none() { None } else { Some(range) };
                let ports = ports.filter(|_| protocol.has_ports());
                let any = protocol.is_icmp().then_some((-1, -1));
                let icmp = if rule.protocol.is_some() { rule.icmp } else { any };
                let bits = service_bits(Some(protocol), ports);
                pieces.push(Piece { protocol, ports, icmp, users, peers, bits });
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
            by_protocol.entry(piece.protocol).or_default().push(ports);
        }
        let services: Vec<String> =
            by_protocol.iter().map(|(protocol, ranges)| ports::text(*protocol, ranges)).collect();
        let peers = usage.distinct() as u64;
        let peers = match usage.folded {
            true => format!("some {}", counted(peers, "block")),
            false => counted(peers, "peer"),
        };
        let used =
            format!("{} of {peers} used {}", counted(usage.connections, "connection"), services.join(", "));
        let owner = self.estate.inventory.security_groups.get(&rule.group).and_then(|g| g.account.as_deref());
        let permits = permits(rule, owner);
        let reference = add.iter().find(|added| added.peer != rule.peer);
        match (action, reference) {
            (Action::ReplaceByGroup, Some(added)) => {
                format!("{used}, all members of {}; it permits {permits}", added.peer_text(owner))
            }
            (Action::ReplaceByPrefixList, Some(added)) => {
                format!("{used}, all in {}; it permits {permits}", added.peer_text(owner))
            }
            _ => format!("{used}; it permits {permits}"),
        }
    }
}

/// `tcp 443 of 10.0.0.0/8`, `everything of 0.0.0.0/0`.
fn permits(rule: &Rule, owner: Option<&str>) -> String {
    let what = match (rule.protocol, rule.ports) {
        (None, _) => "everything".to_owned(),
        (Some(protocol), None) if protocol.has_ports() => format!("{protocol} on all ports"),
        (Some(protocol), None) if !protocol.is_icmp() => format!("protocol {protocol}"),
        (Some(_), None) if rule.icmp.is_none_or(|(kind, _)| kind < 0) => rule.protocol_text(),
        _ => format!("{} {}", rule.protocol_text(), rule.port_text()),
    };
    format!("{what} of {}", rule.peer_text(owner))
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
        protocol: Some(piece.protocol),
        ports: piece.ports,
        icmp: piece.icmp,
        peer,
        description: Some(super::description(&from.id)),
    };
    rule.id = rule.synthetic_id();
    rule
}
