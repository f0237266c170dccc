//! Table `rule_usage`: what used which rule.

use arrow::array::ArrayRef;

use super::super::columns::{Rows, large, small, text, time};
use super::super::connections::ConnectionRow;
use super::super::{Names, StoreError};
use super::runs::{Key, Part, Runs};
use super::{Sheet, Stamp};

/// What one remote address had to do with a rule at an interface, by protocol and service port, on a day.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct UsePart {
    key: Key,
    bytes: u64,
    packets: u64,
    connections: u32,
    sole: u32,
    first: u32,
    last: u32,
}

impl Part for UsePart {
    fn key(&self) -> Key {
        self.key
    }

    fn add(&mut self, other: &Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.packets = self.packets.saturating_add(other.packets);
        self.connections = self.connections.saturating_add(other.connections);
        self.sole = self.sole.saturating_add(other.sole);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }

    fn words(&self) -> [u64; 8] {
        let [a, b] = split(self.key.0);
        let [c, d] = split(self.key.1);
        let pair = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
        let counts = pair(self.connections, self.sole);
        [a, b, c, d, self.bytes, self.packets, counts, pair(self.first, self.last)]
    }

    fn from_words([a, b, c, d, bytes, packets, counts, times]: [u64; 8]) -> Self {
        Self {
            key: (join(a, b), join(c, d)),
            bytes,
            packets,
            connections: (counts >> 32) as u32,
            sole: counts as u32,
            first: (times >> 32) as u32,
            last: times as u32,
        }
    }
}

pub(super) fn split(wide: u128) -> [u64; 2] {
    [(wide >> 64) as u64, wide as u64]
}

pub(super) fn join(high: u64, low: u64) -> u128 {
    u128::from(high) << 64 | u128::from(low)
}

/// Adds a connection, or a day of one, to the rules that permitted it.
pub(super) fn push(runs: &mut Runs<UsePart>, row: &ConnectionRow<'_>, sheet: &Sheet) -> Result<(), StoreError> {
    // As `rules.jsonl` counts: what was rejected, or escaped, used no rule.
    if row.verdict != "permitted" {
        return Ok(());
    }
    let Some(inbound) = row.direction.map(|direction| direction == "inbound") else { return Ok(()) };
    let begins = u32::from(!row.continued());
    let sole = if row.rules.len() == 1 { begins } else { 0 };
    let port = if inbound { row.local_port } else { row.remote_port };
    for &rule in row.rules.iter() {
        let key = u128::from(row.day() & 0xffff) << 112
            | u128::from(sheet.rules.rank(rule)) << 80
            | u128::from(sheet.interfaces.rank(row.interface)) << 48
            | u128::from(inbound) << 47
            | u128::from(row.protocol) << 16
            | u128::from(port);
        let part = UsePart {
            key: (key, row.remote),
            bytes: row.bytes[0].saturating_add(row.bytes[1]),
            packets: row.packets[0].saturating_add(row.packets[1]),
            connections: begins,
            sole,
            first: row.start,
            last: row.end,
        };
        runs.push(part, &sheet.room)?;
    }
    Ok(())
}

/// A row of the table.
#[derive(Default)]
pub(super) struct UseRow {
    key: u128,
    connections: u64,
    sole: u64,
    bytes: u64,
    packets: u64,
    remotes: u64,
    first: u32,
    last: u32,
}

/// Writes a day.
pub(super) fn write(
    mut next: impl FnMut() -> Result<Option<UsePart>, StoreError>,
    rows: &mut Rows<UseRow>,
    sheet: &Sheet,
) -> Result<(), StoreError> {
    let mut part = next()?;
    while let Some(UsePart { key: (key, _), first, .. }) = part {
        let mut row = UseRow { key, first, ..UseRow::default() };
        while let Some(of_remote) = part.filter(|part| part.key.0 == key) {
            row.connections += u64::from(of_remote.connections);
            row.sole += u64::from(of_remote.sole);
            row.bytes = row.bytes.saturating_add(of_remote.bytes);
            row.packets = row.packets.saturating_add(of_remote.packets);
            row.remotes += 1;
            row.first = row.first.min(of_remote.first);
            row.last = row.last.max(of_remote.last);
            part = next()?;
        }
        rows.push(row, |rows| columns(rows, sheet))?;
    }
    Ok(())
}

/// In the order of [`Table::columns`](super::super::Table::columns).
pub(super) fn columns(rows: &[UseRow], sheet: &Sheet) -> Vec<ArrayRef> {
    let Names { interfaces, rules, groups } = &sheet.names;
    let rule = |row: &UseRow| sheet.rules.number((row.key >> 80) as u32) as usize;
    let interface = |row: &UseRow| sheet.interfaces.number((row.key >> 48) as u32) as usize;
    let inbound = |row: &UseRow| row.key >> 47 & 1 == 1;
    vec![
        text(rows.iter().map(|row| rules.get(rule(row)).map(String::as_str))),
        text(rows.iter().map(|row| groups.get(rule(row)).map(String::as_str))),
        text(rows.iter().map(|row| Some(if inbound(row) { "inbound" } else { "outbound" }))),
        text(rows.iter().map(|row| interfaces.get(interface(row)).map(|(id, _)| id.as_str()))),
        small(rows.iter().map(|row| Some((row.key >> 16) as u8 as i32))),
        small(rows.iter().map(|row| Some(i32::from(row.key as u16)))),
        large(rows.iter().map(|row| row.connections)),
        large(rows.iter().map(|row| row.sole)),
        large(rows.iter().map(|row| row.bytes)),
        large(rows.iter().map(|row| row.packets)),
        large(rows.iter().map(|row| row.remotes)),
        time(rows.iter().map(|row| Stamp(row.first).seconds())),
        time(rows.iter().map(|row| Stamp(row.last).seconds())),
    ]
}
