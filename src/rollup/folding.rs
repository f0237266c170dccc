//! Cells of connections by interface, direction, service and peer, which fold where there are too many.

use std::collections::BTreeMap;
use std::hash::Hash;

use hashbrown::HashMap;
use ipnet::IpNet;

use crate::flow::{Direction, Protocol, address_from_bits, is_v4};

/// How many rules a cell names.
const NAMED: usize = 16;

/// What tells cells apart beside the place.
pub trait Folding: Copy + Eq + Ord + Hash {}

impl<W: Copy + Eq + Ord + Hash> Folding for W {}

/// Connections that are told as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellKey<W> {
    /// Index of the interface; the lowest of those that were folded.
    pub interface: u32,
    /// Direction, `None` where the opener is unknown.
    pub direction: Option<Direction>,
    /// Protocol.
    pub protocol: Protocol,
    /// Service port; the lowest of those that were folded. 0 where the opener is unknown.
    pub port: u16,
    /// Remote address; the lowest of the block.
    pub remote: u128,
    /// Why.
    pub why: W,
}

/// What is known of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoldedCell {
    /// Connections.
    pub connections: u64,
    /// Those that rest on memberships observed later only, or by one of two observations.
    pub weak: u64,
    /// Accepted bytes, both directions.
    pub bytes: u64,
    /// First packet, Unix seconds.
    pub first: u32,
    /// Last packet.
    pub last: u32,
    /// Numbers of the rules that permit some of them, ascending, the 16 lowest.
    pub rules: Vec<u32>,
}

impl FoldedCell {
    fn name_rules(&mut self, rules: &[u32]) {
        if rules.iter().all(|rule| self.rules.contains(rule)) {
            return;
        }
        // The lowest numbers stay, so that the order in which connections come does not matter.
        self.rules.extend(rules);
        self.rules.sort_unstable();
        self.rules.dedup();
        self.rules.truncate(NAMED);
    }
}

/// Prefix lengths of remote addresses by step: IPv4, IPv6.
const PREFIXES: [(u32, u32); 5] = [(32, 128), (24, 64), (16, 48), (8, 32), (0, 0)];
const REMOTE_STEPS: u32 = PREFIXES.len() as u32 - 1;
const PORT_STEPS: u32 = 16;
const INTERFACE_STEPS: u32 = 32;
const STEPS: u32 = REMOTE_STEPS + PORT_STEPS + INTERFACE_STEPS;

/// Cells by key, at most so many.
///
/// Where there are more, they fold, step by step: remote addresses into blocks of /24 (IPv6 /64), /16 (/48), /8 (/32) and
/// all, then ports into ranges of 2, 4, 8 …, then neighbouring interfaces. Nothing is dropped, and every count stays
/// exact. The step is the first at which the keys fit, so it follows from the data alone.
#[derive(Debug)]
pub(super) struct CellTable<W> {
    cells: HashMap<CellKey<W>, FoldedCell>,
    step: u32,
    most: usize,
}

impl<W: Folding> CellTable<W> {
    pub fn within(most: usize) -> Self {
        Self { cells: HashMap::new(), step: 0, most }
    }

    /// Adds (connections, weak ones, bytes).
    pub fn put(&mut self, key: CellKey<W>, counts: (u64, u64, u64), span: (u32, u32), rules: &[u32]) {
        let cell = self.cells.entry(folded(key, self.step)).or_default();
        let is_new = cell.connections == 0;
        cell.connections += counts.0;
        cell.weak += counts.1;
        cell.bytes += counts.2;
        cell.first = if is_new { span.0 } else { cell.first.min(span.0) };
        cell.last = cell.last.max(span.1);
        cell.name_rules(rules);
        while self.cells.len() > self.most && self.step < STEPS {
            self.go_to(self.step + 1);
        }
    }

    fn go_to(&mut self, step: u32) {
        self.step = step;
        // What is folded never takes more cells, so this does not go further.
        for (key, cell) in std::mem::take(&mut self.cells) {
            let counts = (cell.connections, cell.weak, cell.bytes);
            let into = self.cells.entry(folded(key, step)).or_default();
            let is_new = into.connections == 0;
            into.connections += counts.0;
            into.weak += counts.1;
            into.bytes += counts.2;
            into.first = if is_new { cell.first } else { into.first.min(cell.first) };
            into.last = into.last.max(cell.last);
            into.name_rules(&cell.rules);
        }
    }

    pub fn merge(&mut self, other: Self) {
        if other.step > self.step {
            self.go_to(other.step);
        }
        for (key, cell) in other.cells {
            let counts = (cell.connections, cell.weak, cell.bytes);
            self.put(key, counts, (cell.first, cell.last), &cell.rules);
        }
    }

    pub fn heap_bytes(&self) -> usize {
        let rules = self.cells.values().map(|cell| cell.rules.capacity() * 4);
        self.cells.allocation_size() + rules.sum::<usize>()
    }

    pub fn finish(self) -> Cells<W> {
        Cells { step: self.step, cells: self.cells.into_iter().collect() }
    }
}

fn folded<W: Folding>(mut key: CellKey<W>, step: u32) -> CellKey<W> {
    if step == 0 {
        return key;
    }
    key.remote = masked(key.remote, step);
    let ports = step.saturating_sub(REMOTE_STEPS).min(PORT_STEPS);
    key.port = (u32::from(key.port) >> ports << ports) as u16;
    let interfaces = step.saturating_sub(REMOTE_STEPS + PORT_STEPS);
    key.interface = (u64::from(key.interface) >> interfaces << interfaces) as u32;
    key
}

fn prefix(v4: bool, step: u32) -> u32 {
    let (four, six) = PREFIXES[step.min(REMOTE_STEPS) as usize];
    if v4 { four } else { six }
}

fn masked(bits: u128, step: u32) -> u128 {
    let v4 = is_v4(bits);
    // IPv4 lies in the lowest 32 bits, and the family must stay.
    let low = if v4 { 32 } else { 128 } - prefix(v4, step);
    bits.checked_shr(low).and_then(|high| high.checked_shl(low)).unwrap_or(0)
}

/// Cells of one kind, with how they are folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cells<W> {
    step: u32,
    cells: BTreeMap<CellKey<W>, FoldedCell>,
}

impl<W> Default for Cells<W> {
    fn default() -> Self {
        Self { step: 0, cells: BTreeMap::new() }
    }
}

impl<W: Folding> Cells<W> {
    /// The cells, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&CellKey<W>, &FoldedCell)> {
        self.cells.iter()
    }

    /// The block of remote addresses that a key stands for: one, unless there were too many cells.
    #[must_use]
    pub fn block(&self, key: &CellKey<W>) -> IpNet {
        let length = prefix(is_v4(key.remote), self.step) as u8;
        let address = address_from_bits(key.remote);
        IpNet::new(address, length).unwrap_or_else(|_| address.into())
    }

    /// The ports that a key stands for, first and last.
    #[must_use]
    pub fn ports(&self, key: &CellKey<W>) -> (u16, u16) {
        let shift = self.step.saturating_sub(REMOTE_STEPS).min(PORT_STEPS);
        (key.port, (u32::from(key.port) | ((1 << shift) - 1)) as u16)
    }

    /// How many interfaces that are neighbours by name are told as one.
    #[must_use]
    pub fn interfaces_folded(&self) -> u64 {
        1 << self.step.saturating_sub(REMOTE_STEPS + PORT_STEPS).min(32)
    }

    /// True where cells stand for more than one peer, port or interface each.
    #[must_use]
    pub fn is_folded(&self) -> bool {
        self.step > 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::flow::address_bits;

    fn key(interface: u32, port: u16, remote: u128) -> CellKey<u8> {
        let direction = Some(Direction::Inbound);
        CellKey { interface, direction, protocol: Protocol::TCP, port, remote, why: 0 }
    }

    #[test]
    fn blocks_keep_their_family() {
        for text in ["10.1.2.3", "2001:db8::1", "::1", "0.0.0.0", "ff02::1"] {
            let bits = address_bits(text.parse().unwrap());
            for step in 0..=STEPS {
                let cells = Cells::<u8> { step, cells: BTreeMap::new() };
                let folded = folded(key(7, 443, bits), step);
                let block = cells.block(&folded);
                let address: std::net::IpAddr = text.parse().unwrap();
                // `::/0` of a folded address lies below the mapped IPv4 addresses, yet is IPv6.
                assert!(block.contains(&address), "{text} in {block} at step {step}");
                let (low, high) = cells.ports(&folded);
                assert!(low <= 443 && 443 <= high);
            }
        }
    }

    proptest! {
        /// Whatever the order and the split, the same cells; and the first step at which they fit.
        #[test]
        fn order_and_split_do_not_matter(
            rows in prop::collection::vec((0..40_u32, 0..2_000_u16, 0..5_000_u32, 0..30_u32), 1..300),
            cut in any::<prop::sample::Index>(),
            most in 4..80_usize,
        ) {
            let put = |table: &mut CellTable<u8>, &(interface, port, remote, rule): &(u32, u16, u32, u32)| {
                let bits = address_bits(std::net::Ipv4Addr::from(0x0a00_0000 + remote * 77).into());
                table.put(key(interface, port, bits), (1, 0, 10), (remote, remote + 5), &[rule]);
            };
            let mut whole = CellTable::within(most);
            rows.iter().for_each(|row| put(&mut whole, row));
            let (mut one, mut two) = (CellTable::within(most), CellTable::within(most));
            let cut = cut.index(rows.len());
            rows[cut..].iter().rev().for_each(|row| put(&mut one, row));
            rows[..cut].iter().for_each(|row| put(&mut two, row));
            one.merge(two);
            let (whole, parts) = (whole.finish(), one.finish());
            prop_assert_eq!(&whole, &parts);
            let total: u64 = whole.iter().map(|(_, cell)| cell.connections).sum();
            prop_assert_eq!(total, rows.len() as u64);
            prop_assert!(whole.iter().count() <= most);
            if whole.step > 0 {
                let mut before: Vec<CellKey<u8>> = rows.iter().map(|&(interface, port, remote, _)| {
                    let bits = address_bits(std::net::Ipv4Addr::from(0x0a00_0000 + remote * 77).into());
                    folded(key(interface, port, bits), whole.step - 1)
                }).collect();
                before.sort_unstable();
                before.dedup();
                prop_assert!(before.len() > most);
            }
        }
    }
}
