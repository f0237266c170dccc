//! Who a narrower rule permits: the same as before, a group, a list, or the best blocks.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::super::block::Block;
use super::super::cover::{Cover, MOST_BLOCKS};
use super::super::estate::Estate;
use super::super::openness::{address_bits, sum};
use super::super::options::{Headroom, Options};
use super::super::plan::CurvePoint;
use crate::flow::{self, Direction, Protocol, is_private};
use crate::inventory::RulePeer;
use crate::rollup::ObservedPeer;

/// How much narrower, log2, a further rule has to make it on the average to be worth its while: the slope at the knee.
const WORTH: f64 = 0.5;
/// More public blocks (/24 of IPv4, /48 of IPv6) than this are the public: of those who come in, of those who are gone out to.
const PUBLIC_BLOCKS: [u64; 2] = [8, 32];
/// Fewer public blocks tell nothing about whether new ones keep coming.
const FEW_BLOCKS: u64 = 4;
/// Connections of a block, on the average, from which on it is taken for one that comes back.
const COMES_BACK: u64 = 3;
/// A group or a list may hold so many times as many addresses as were seen (or as the best blocks hold).
const LOOSE: u128 = 4;

/// A protocol and range of ports of a narrower rule, and who uses it.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub protocol: Protocol,
    pub ports: Option<(u16, u16)>,
    pub icmp: Option<(i16, i16)>,
    /// As seen.
    pub users: Vec<ObservedPeer>,
    /// With head-room, within what the rule permits; nobody where that is a reference.
    pub peers: Vec<IpNet>,
    /// log2 of (ports x protocols).
    pub bits: f64,
}

impl Piece {
    /// `tcp 443`.
    pub fn text(&self) -> String {
        match self.ports {
            None if self.protocol.has_ports() => self.protocol.to_string(),
            ports => super::ports::text(self.protocol, &[ports.unwrap_or_default()]),
        }
    }
}

/// Blocks for each of some pieces.
#[derive(Debug)]
pub(super) struct Chosen {
    pub blocks: Vec<Vec<IpNet>>,
    pub curve: Vec<CurvePoint>,
    /// What would have been chosen but for the quota.
    pub wanted: Option<usize>,
    /// Blocks of a piece at most.
    pub most: usize,
}

/// Rounds peers up, within what `blocks` permit.
pub(super) fn round_up(peers: Vec<IpNet>, to: Headroom, blocks: &[IpNet], estate: &Estate<'_>) -> Vec<IpNet> {
    let round = |net: IpNet| {
        let wide = match to {
            Headroom::Exact => return net,
            Headroom::Neighbours => {
                let length = if matches!(net, IpNet::V4(_)) { 24 } else { 64 };
                IpNet::new(net.addr(), length.min(net.prefix_len())).map_or(net, |n| n.trunc())
            }
            Headroom::Subnets => estate.known_block(&net).unwrap_or(net),
        };
        // Never wider than the rule: the part of it that the peer is in.
        blocks.iter().find(|block| block.contains(&net) && wide.contains(*block)).copied().unwrap_or(wide)
    };
    let mut rounded: Vec<IpNet> = peers.into_iter().map(round).collect();
    rounded.sort_unstable();
    rounded.dedup();
    rounded
}

/// Why what is open to the public has to stay so, `None` if it need not. `fresh` is the second from which on a peer seen for
/// the first time is a new one.
pub(super) fn public(
    blocks: &[IpNet],
    direction: Direction,
    users: &[ObservedPeer],
    fresh: Option<u32>,
    is_inside: impl Fn(&IpNet) -> bool,
) -> Option<String> {
    let private = |net: &IpNet| is_private(flow::address_bits(net.addr()));
    let wide = |block: &IpNet| {
        let length = if matches!(block, IpNet::V4(_)) { 8 } else { 16 };
        block.prefix_len() <= length && !(block.prefix_len() > 0 && private(block))
    };
    if !blocks.iter().any(wide) {
        return None;
    }
    let most = PUBLIC_BLOCKS[direction as usize];
    let (mut before, mut after) = (BTreeSet::new(), BTreeSet::new());
    // Folded blocks may be many.
    let (mut folded, mut connections) = (0, 0_u64);
    for user in users.iter().filter(|user| !private(&user.net) && !is_inside(&user.net)) {
        let length = if matches!(user.net, IpNet::V4(_)) { 24 } else { 48 };
        if user.net.prefix_len() < length {
            folded += most;
        }
        let block = IpNet::new(user.net.addr(), length.min(user.net.prefix_len()));
        let into = if fresh.is_some_and(|fresh| user.first >= fresh) { &mut after } else { &mut before };
        into.insert(block.map_or(user.net, |net| net.trunc()));
        connections += u64::from(user.connections);
    }
    let new = after.difference(&before).count() as u64;
    let all = before.len() as u64 + new + folded;
    let size = "public blocks (/24, of IPv6 /48)";
    if all > most {
        Some(format!("peers come from {all} {size}, too many and too spread to narrow"))
    } else if all >= FEW_BLOCKS && new * 5 > all {
        Some(format!("new peers keep coming: {new} of {all} {size} in the last fifth of the time"))
    } else if direction == Direction::Inbound && all > 1 && connections < COMES_BACK * all {
        Some(format!("{connections} connections from {all} {size} don't tell who comes back"))
    } else {
        None
    }
}

/// Best blocks for each piece, with no more than `limit` rules together; `None` if that can't be.
pub(super) fn blocks(pieces: &[Piece], within: &[IpNet], limit: usize, options: &Options) -> Option<Chosen> {
    let covers: Option<Vec<Cover>> =
        pieces.iter().map(|piece| Cover::new(&piece.peers, within, MOST_BLOCKS)).collect();
    let covers = covers?;
    let least = covers.iter().map(Cover::least).max()?;
    let most = covers.iter().map(Cover::most).max()?;
    let services = sum(pieces.iter().map(|piece| piece.bits))?;
    let point = |blocks: usize| {
        let rules: usize = covers.iter().filter_map(|cover| cover.needed(blocks)).sum();
        let bits = covers.iter().zip(pieces);
        let bits =
            bits.filter_map(|(cover, piece)| Some(address_bits(cover.addresses(blocks)?) + piece.bits));
        let openness = sum(bits).unwrap_or_default();
        CurvePoint { blocks: blocks as u32, rules: rules as u32, address_bits: openness - services, openness }
    };
    let mut curve: Vec<CurvePoint> = (least..=most).map(point).collect();
    // A block more that changes nothing is no choice.
    curve.dedup_by(|next, last| next.rules == last.rules);
    let asked = options.blocks.map_or(MOST_BLOCKS, usize::from);
    let best = |limit: usize| {
        let mut possible = curve.iter().filter(|p| p.rules as usize <= limit);
        let cost = |p: &CurvePoint| p.openness + WORTH * f64::from(p.rules);
        if options.blocks.is_some() {
            return possible.rfind(|p| p.blocks as usize <= asked);
        }
        possible.min_by(|a, b| cost(a).total_cmp(&cost(b)).then(a.rules.cmp(&b.rules)))
    };
    let chosen = best(limit)?.blocks as usize;
    let wanted = best(usize::MAX).map(|p| p.blocks as usize).filter(|wanted| *wanted != chosen);
    let blocks = covers.iter().map(|cover| cover.blocks(chosen)).collect();
    Some(Chosen { blocks, curve, wanted, most: chosen })
}

/// A group that all peers are members of, or a list that holds them all, where these are no wider than `blocks` and not
/// much wider than the peers.
pub(super) fn instead(
    peers: &[IpNet],
    chosen: Option<&Chosen>,
    from: &str,
    blocks: &[IpNet],
    estate: &Estate<'_>,
) -> Option<RulePeer> {
    if peers.is_empty() {
        return None;
    }
    let seen = peers.len() as u128;
    if let Some(group) = estate.group_of(peers, from, blocks, seen.saturating_mul(LOOSE)) {
        return Some(group);
    }
    // A list that takes the place of one block is no gain.
    let chosen = chosen?;
    let together: Vec<IpNet> = chosen.blocks.iter().flatten().copied().collect();
    let held = IpNet::aggregate(&together);
    if held.len() < 2 {
        return None;
    }
    let addresses = held.iter().fold(0_u128, |sum, b| sum.saturating_add(Block::of(b).addresses()));
    estate.list_of(peers, blocks, addresses.saturating_mul(LOOSE))
}
