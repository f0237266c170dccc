//! Table `rule_usage`: what used which rule.

use std::collections::BTreeSet;

use arrow::array::ArrayRef;
use hashbrown::HashMap;

use super::super::address;
use super::super::columns::{large, small, text, time};
use super::super::connections::ConnectionRow;
use super::super::{Names, StoreError};
use super::merge::Merge;
use super::runs::{Part, Runs, read_words, write_words};
use super::{Sheet, Stamp, join, split};

/// What used a rule at an interface, by protocol and service port, on a day. Some sums of one thread, or all of all.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Use {
    /// day (16) | rule (32) | interface (32) | inbound (1) | protocol (8) | port (16)
    key: u128,
    bytes: u64,
    packets: u64,
    connections: u64,
    sole: u64,
    first: u32,
    last: u32,
}

/// Where the day begins in a key.
const DAY_AT: u32 = 89;

impl Part for Use {
    type Key = u128;
    const BYTES: usize = 56;

    fn key(&self) -> u128 {
        self.key
    }

    fn day(&self) -> u32 {
        (self.key >> DAY_AT) as u32
    }

    #[inline]
    fn add(&mut self, other: &Self) -> bool {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.packets = self.packets.saturating_add(other.packets);
        self.connections += other.connections;
        self.sole += other.sole;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        true
    }

    fn write(&self, out: &mut Vec<u8>) {
        let [a, b] = split(self.key);
        let times = u64::from(self.first) << 32 | u64::from(self.last);
        write_words(&[a, b, self.bytes, self.packets, self.connections, self.sole, times], out);
    }

    fn read(from: &[u8]) -> Self {
        let [a, b, bytes, packets, connections, sole, times] = read_words(from);
        let (first, last) = ((times >> 32) as u32, times as u32);
        Self { key: join(a, b), bytes, packets, connections, sole, first, last }
    }
}

/// A remote address of a [`Use`]: counted once however often it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Remote {
    key: u128,
    remote: u128,
}

impl Part for Remote {
    type Key = Self;
    const BYTES: usize = 32;

    fn key(&self) -> Self {
        *self
    }

    fn day(&self) -> u32 {
        (self.key >> DAY_AT) as u32
    }

    fn add(&mut self, _: &Self) -> bool {
        true
    }

    fn write(&self, out: &mut Vec<u8>) {
        let ([a, b], [c, d]) = (split(self.key), split(self.remote));
        write_words(&[a, b, c, d], out);
    }

    fn read(from: &[u8]) -> Self {
        let [a, b, c, d] = read_words(from);
        Self { key: join(a, b), remote: join(c, d) }
    }
}

/// As [`Remote`], in half the room, of an IPv4 address and numbers that are not too large: nearly all are such.
/// day (16) | rule (28) | interface (27) | inbound (1) | protocol (8) | port (16) | address (32)
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Narrow(u128);

impl Narrow {
    #[inline]
    fn of(key: u128, remote: u128) -> Option<Self> {
        let remote = address::narrow(remote)?;
        let (day, rule, interface) = (key >> DAY_AT, (key >> 57) as u32, (key >> 25) as u32);
        let fits = rule < 1 << 28 && interface < 1 << 27;
        let rest = key & ((1 << 25) - 1);
        fits.then_some(Self(
            day << 112
                | u128::from(rule) << 84
                | u128::from(interface) << 57
                | rest << 32
                | u128::from(remote),
        ))
    }

    /// The key that it is of.
    fn of_key(self) -> u128 {
        let (rule, interface) = ((self.0 >> 84) & ((1 << 28) - 1), (self.0 >> 57) & ((1 << 27) - 1));
        (self.0 >> 112) << DAY_AT | rule << 57 | interface << 25 | (self.0 >> 32) & ((1 << 25) - 1)
    }
}

impl Part for Narrow {
    type Key = u128;
    const BYTES: usize = 16;

    #[inline]
    fn key(&self) -> u128 {
        self.0
    }

    fn day(&self) -> u32 {
        (self.0 >> 112) as u32
    }

    fn add(&mut self, _: &Self) -> bool {
        true
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_words(&split(self.0), out);
    }

    fn read(from: &[u8]) -> Self {
        let [a, b] = read_words(from);
        Self(join(a, b))
    }
}

/// Sums that a thread has at hand: there are few, and most connections find theirs among them.
const AT_HAND: usize = 16 * 1024;

/// What one thread sums up.
pub(super) struct UseSums {
    /// Places in `at_hand`.
    places: HashMap<u128, u32, foldhash::fast::FixedState>,
    at_hand: Vec<Use>,
    /// The latest place.
    last: usize,
    latest: Option<Remote>,
    uses: Runs<Use>,
    narrow: Runs<Narrow>,
    wide: Runs<Remote>,
}

impl UseSums {
    pub fn new() -> Self {
        Self {
            places: HashMap::default(),
            at_hand: Vec::new(),
            last: 0,
            latest: None,
            uses: Runs::new(),
            narrow: Runs::new(),
            wide: Runs::new(),
        }
    }

    /// Adds a connection, or a day of one, to the rules that permitted it.
    pub fn push(&mut self, row: &ConnectionRow<'_>, inbound: bool, sheet: &Sheet) -> Result<(), StoreError> {
        let begins = u64::from(!row.continued());
        let sole = if row.rules.len() == 1 { begins } else { 0 };
        let port = if inbound { row.local_port } else { row.remote_port };
        for &rule in row.rules.iter() {
            let key = u128::from(row.day() & 0xffff) << DAY_AT
                | u128::from(sheet.rules.rank(rule)) << 57
                | u128::from(sheet.interfaces.rank(row.interface)) << 25
                | u128::from(inbound) << 24
                | u128::from(row.protocol) << 16
                | u128::from(port);
            let part = Use {
                key,
                bytes: row.bytes[0].saturating_add(row.bytes[1]),
                packets: row.packets[0].saturating_add(row.packets[1]),
                connections: begins,
                sole,
                first: row.start,
                last: row.end,
            };
            self.add(&part, sheet)?;
            self.meet(Remote { key, remote: row.remote }, sheet)?;
        }
        Ok(())
    }

    #[inline]
    fn add(&mut self, part: &Use, sheet: &Sheet) -> Result<(), StoreError> {
        if let Some(sum) = self.at_hand.get_mut(self.last).filter(|sum| sum.key == part.key) {
            sum.add(part);
            return Ok(());
        }
        if let Some(&place) = self.places.get(&part.key) {
            self.last = place as usize;
            self.at_hand[self.last].add(part);
            return Ok(());
        }
        if self.at_hand.len() >= AT_HAND {
            self.put_away(sheet)?;
        }
        self.last = self.at_hand.len();
        self.places.insert(part.key, self.last as u32);
        self.at_hand.push(*part);
        Ok(())
    }

    fn put_away(&mut self, sheet: &Sheet) -> Result<(), StoreError> {
        self.places.clear();
        self.at_hand.drain(..).try_for_each(|sum| self.uses.push(sum, &sheet.room))
    }

    #[inline]
    fn meet(&mut self, remote: Remote, sheet: &Sheet) -> Result<(), StoreError> {
        // One after the other come those of the same two addresses.
        if self.latest == Some(remote) {
            return Ok(());
        }
        self.latest = Some(remote);
        match Narrow::of(remote.key, remote.remote) {
            Some(narrow) => self.narrow.push(narrow, &sheet.room),
            None => self.wide.push(remote, &sheet.room),
        }
    }

    /// No more connections come.
    pub fn settle(&mut self, sheet: &Sheet) -> Result<(), StoreError> {
        self.put_away(sheet)?;
        self.uses.settle();
        self.narrow.settle();
        self.wide.settle();
        Ok(())
    }

    /// Days that it has sums of.
    pub fn days(&self, into: &mut BTreeSet<u32>) {
        self.uses.days(into);
    }
}

/// A row of the table.
pub(super) struct UseRow {
    sums: Use,
    remotes: u64,
}

/// Hands on the rows of a day.
pub(super) fn each_row<'s>(
    all: impl Iterator<Item = &'s UseSums> + Clone,
    day: u32,
    sheet: &Sheet,
    mut take: impl FnMut(UseRow) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut uses = Merge::new(all.clone().map(|sums| &sums.uses), day, &sheet.room)?;
    let mut narrow = Merge::new(all.clone().map(|sums| &sums.narrow), day, &sheet.room)?;
    let mut wide = Merge::new(all.map(|sums| &sums.wide), day, &sheet.room)?;
    let mut next_narrow = narrow.next()?;
    let mut next_wide = wide.next()?;
    while let Some(sums) = uses.next()? {
        let mut row = UseRow { sums, remotes: 0 };
        while next_narrow.is_some_and(|remote| remote.of_key() == sums.key) {
            row.remotes += 1;
            next_narrow = narrow.next()?;
        }
        while next_wide.is_some_and(|remote| remote.key == sums.key) {
            row.remotes += 1;
            next_wide = wide.next()?;
        }
        take(row)?;
    }
    Ok(())
}

/// For tests, of a row: connections, sole ones, bytes and packets; first and last time; addresses.
#[cfg(test)]
pub(super) type SumsOfRow = ([u64; 4], (u32, u32), usize);

/// For tests: the rows of a day.
#[cfg(test)]
pub(super) fn sums_of_day<'s>(
    all: impl Iterator<Item = &'s UseSums> + Clone,
    day: u32,
    sheet: &Sheet,
) -> Result<Vec<SumsOfRow>, StoreError> {
    let mut rows = Vec::new();
    each_row(all, day, sheet, |UseRow { sums, remotes }| {
        let Use { connections, sole, bytes, packets, first, last, .. } = sums;
        rows.push(([connections, sole, bytes, packets], (first, last), remotes as usize));
        Ok(())
    })?;
    Ok(rows)
}

/// In the order of [`Table::columns`](super::super::Table::columns).
pub(super) fn columns(rows: &[UseRow], sheet: &Sheet) -> Vec<ArrayRef> {
    let Names { interfaces, rules, groups } = &sheet.names;
    let rule = |row: &UseRow| sheet.rules.number((row.sums.key >> 57) as u32) as usize;
    let interface = |row: &UseRow| sheet.interfaces.number((row.sums.key >> 25) as u32) as usize;
    let inbound = |row: &UseRow| row.sums.key >> 24 & 1 == 1;
    vec![
        text(rows.iter().map(|row| rules.get(rule(row)).map(String::as_str))),
        text(rows.iter().map(|row| groups.get(rule(row)).map(String::as_str))),
        text(rows.iter().map(|row| Some(if inbound(row) { "inbound" } else { "outbound" }))),
        text(rows.iter().map(|row| interfaces.get(interface(row)).map(|(id, _)| id.as_str()))),
        small(rows.iter().map(|row| Some((row.sums.key >> 16) as u8 as i32))),
        small(rows.iter().map(|row| Some(i32::from(row.sums.key as u16)))),
        large(rows.iter().map(|row| row.sums.connections)),
        large(rows.iter().map(|row| row.sums.sole)),
        large(rows.iter().map(|row| row.sums.bytes)),
        large(rows.iter().map(|row| row.sums.packets)),
        large(rows.iter().map(|row| row.remotes)),
        time(rows.iter().map(|row| Stamp(row.sums.first).seconds())),
        time(rows.iter().map(|row| Stamp(row.sums.last).seconds())),
    ]
}
