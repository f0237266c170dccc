//! From a destination port to the claims that can matter: mostly very few, whatever the number of rules.

use std::collections::BTreeSet;

use super::ranges::{Claim, Key};
use super::scope::Scope;

/// Ports with more claims than this have no list here: a lookup by address is faster.
const FEW: usize = 8;
/// In all there are at most so many entries for each claim; the ports above that have no list.
const ENTRIES: usize = 8;

/// Set where an elementary interval has more claims than fit.
const MANY: u32 = 1 << 31;

/// The claims of one protocol by destination port: blocks (first and last address) and rules.
#[derive(Debug)]
pub(super) struct ByPort<K> {
    /// Where elementary intervals begin, the first at 0.
    starts: Vec<u16>,
    /// Where the claims of each elementary interval begin, or [`MANY`]; and where the last ones end.
    firsts: Vec<u32>,
    claims: Vec<(K, K, u32)>,
}

impl<K: Key> ByPort<K> {
    pub fn new(all: &[(K, K, Claim)], protocol: u8) -> Self {
        let meant = all.iter().filter(|(.., claim)| claim.protocol.is_none_or(|p| p == protocol));
        let ranged: Vec<(u16, u16, (K, K, u32))> = meant
            .map(|(low, high, claim)| {
                let all_ports = claim.protocol.is_none();
                let (from, to) = if all_ports { (0, u16::MAX) } else { (claim.low, claim.high) };
                (from, to, (*low, *high, claim.rule))
            })
            .filter(|(from, to, _)| from <= to)
            .collect();
        let mut ends: Vec<(u16, usize)> = Vec::new();
        let mut begins: Vec<(u16, usize)> = Vec::new();
        for (n, (from, to, _)) in ranged.iter().enumerate() {
            begins.push((*from, n));
            ends.extend(to.checked_add(1).map(|after| (after, n)));
        }
        begins.sort_unstable();
        ends.sort_unstable();
        let mut starts: Vec<u16> = begins.iter().chain(&ends).map(|(at, _)| *at).chain([0]).collect();
        starts.sort_unstable();
        starts.dedup();

        let mut table = Self { starts: Vec::new(), firsts: Vec::new(), claims: Vec::new() };
        let mut open: BTreeSet<usize> = BTreeSet::new();
        let (mut begins, mut ends) = (begins.into_iter().peekable(), ends.into_iter().peekable());
        for start in starts {
            while let Some((_, n)) = ends.next_if(|(at, _)| *at <= start) {
                open.remove(&n);
            }
            while let Some((_, n)) = begins.next_if(|(at, _)| *at <= start) {
                open.insert(n);
            }
            let first = u32::try_from(table.claims.len()).unwrap_or(MANY).min(MANY);
            let few = open.len() <= FEW && table.claims.len() + open.len() <= all.len() * ENTRIES;
            if few {
                table.claims.extend(open.iter().map(|&n| ranged[n].2));
            } else if table.firsts.last().is_some_and(|first| first & MANY != 0) {
                continue;
            }
            table.starts.push(start);
            table.firsts.push(if few { first } else { first | MANY });
        }
        table.firsts.push(u32::try_from(table.claims.len()).unwrap_or(MANY).min(MANY));
        table.starts.shrink_to_fit();
        table.firsts.shrink_to_fit();
        table.claims.shrink_to_fit();
        table
    }

    /// Appends the rules that claim this address and port; false if that is not known here.
    pub fn collect(&self, address: K, port: u16, scope: &mut Scope, out: &mut Vec<u32>) -> bool {
        let after = self.starts.partition_point(|&s| s <= port);
        let Some(at) = after.checked_sub(1) else { return false };
        let (first, end) = (self.firsts[at], self.firsts[after] & !MANY);
        if first & MANY != 0 {
            return false;
        }
        let last = self.starts.get(after).map_or(u16::MAX, |next| next - 1);
        scope.port_in(port, (self.starts[at], last));
        let (mut from, mut to) = (K::FIRST, K::LAST);
        for &(low, high, rule) in &self.claims[first as usize..end as usize] {
            if address < low {
                to = to.min(low.before());
            } else if high < address {
                from = from.max(high.next().unwrap_or(K::LAST));
            } else {
                from = from.max(low);
                to = to.min(high);
                out.push(rule);
            }
        }
        scope.remote_in(address.bits(), (from.bits(), to.bits()));
        true
    }
}
