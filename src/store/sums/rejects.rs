//! Table `rejects`: what was rejected, in stretches of 5 minutes.

use arrow::array::ArrayRef;

use super::super::columns::{Rows, large, small, text, time};
use super::super::connections::ConnectionRow;
use super::super::{DAY, StoreError};
use super::runs::{Key, Part, Runs};
use super::usage::{join, split};
use super::{Outcome, Sheet};
use crate::flow::address_from_bits;

/// Seconds of a stretch.
const STRETCH: u32 = 300;

/// Lowest bits of a key, which number the outcome: numbers are given as outcomes come and tell nothing of an order.
const OUTCOME: u128 = 0xff;

const DIRECTIONS: [Option<&str>; 3] = [None, Some("inbound"), Some("outbound")];

/// What one remote address attempted at an interface, by direction, protocol, service port and outcome, in 5 minutes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RejectPart {
    key: Key,
    attempts: u64,
    packets: u64,
}

impl Part for RejectPart {
    fn key(&self) -> Key {
        self.key
    }

    fn add(&mut self, other: &Self) {
        self.attempts += other.attempts;
        self.packets = self.packets.saturating_add(other.packets);
    }

    fn words(&self) -> [u64; 8] {
        let [a, b] = split(self.key.0);
        let [c, d] = split(self.key.1);
        [a, b, c, d, self.attempts, self.packets, 0, 0]
    }

    fn from_words([a, b, c, d, attempts, packets, ..]: [u64; 8]) -> Self {
        Self { key: (join(a, b), join(c, d)), attempts, packets }
    }
}

/// Adds a rejected connection, or a day of one.
pub(super) fn push(
    runs: &mut Runs<RejectPart>,
    row: &ConnectionRow<'_>,
    sheet: &Sheet,
    outcome: impl FnOnce(Outcome) -> u8,
) -> Result<(), StoreError> {
    // Late packets are no attempts.
    if row.accepted || row.reason == "late-packet" {
        return Ok(());
    }
    let direction = DIRECTIONS.iter().position(|direction| *direction == row.direction).unwrap_or(0);
    let port = [0, row.local_port, row.remote_port][direction];
    let key = u128::from(row.day() & 0xffff) << 112
        | u128::from(sheet.interfaces.rank(row.interface)) << 80
        | u128::from(row.start % DAY as u32 / STRETCH) << 64
        | (direction as u128) << 40
        | u128::from(row.protocol) << 32
        | u128::from(port) << 8
        | u128::from(outcome((row.verdict, row.reason)));
    let part = RejectPart {
        key: (key, row.remote),
        attempts: u64::from(!row.continued()),
        packets: row.rejected[0].saturating_add(row.rejected[1]),
    };
    runs.push(part, &sheet.room)
}

/// A row of the table.
pub(super) struct RejectRow {
    key: u128,
    outcome: Outcome,
    attempts: u64,
    packets: u64,
    remotes: u64,
    top: Option<(u64, String)>,
}

/// Writes a day.
pub(super) fn write(
    mut next: impl FnMut() -> Result<Option<RejectPart>, StoreError>,
    rows: &mut Rows<RejectRow>,
    sheet: &Sheet,
) -> Result<(), StoreError> {
    // Rows that differ in their outcome alone.
    let mut alike: Vec<RejectRow> = Vec::new();
    let mut part = next()?;
    loop {
        let key = part.map(|part| part.key.0);
        let goes_on =
            alike.last().is_some_and(|row| key.is_some_and(|key| key | OUTCOME == row.key | OUTCOME));
        if !goes_on {
            alike.sort_by_key(|row| row.outcome);
            alike.drain(..).try_for_each(|row| rows.push(row, |rows| columns(rows, sheet)))?;
        }
        let Some(key) = key else { return Ok(()) };
        let outcome = sheet.outcome((key & OUTCOME) as u8);
        let mut row = RejectRow { key, outcome, attempts: 0, packets: 0, remotes: 0, top: None };
        while let Some(of_remote) = part.filter(|part| part.key.0 == key) {
            row.add(&of_remote);
            part = next()?;
        }
        alike.push(row);
    }
}

impl RejectRow {
    /// What another remote address did.
    fn add(&mut self, part: &RejectPart) {
        self.attempts += part.attempts;
        self.packets = self.packets.saturating_add(part.packets);
        self.remotes += 1;
        let is_less = self.top.as_ref().is_some_and(|(attempts, _)| part.attempts < *attempts);
        if !is_less {
            let text = address_from_bits(part.key.1).to_string();
            let is_top = self.top.as_ref().is_none_or(|(most, first)| part.attempts > *most || text < *first);
            if is_top {
                self.top = Some((part.attempts, text));
            }
        }
    }

    fn start(&self) -> i64 {
        let (day, stretch) = ((self.key >> 112) as i64, (self.key >> 64) as u16);
        day * DAY + i64::from(stretch) * i64::from(STRETCH)
    }
}

/// In the order of [`Table::columns`](super::super::Table::columns).
pub(super) fn columns(rows: &[RejectRow], sheet: &Sheet) -> Vec<ArrayRef> {
    let interface = |row: &RejectRow| {
        let number = sheet.interfaces.number((row.key >> 80) as u32) as usize;
        sheet.names.interfaces.get(number).map(|(id, _)| id.as_str())
    };
    let direction = |row: &RejectRow| DIRECTIONS[(row.key >> 40) as usize & 3];
    let port = |row: &RejectRow| direction(row).map(|_| i32::from((row.key >> 8) as u16));
    vec![
        time(rows.iter().map(|row| Some(row.start()))),
        text(rows.iter().map(interface)),
        text(rows.iter().map(direction)),
        small(rows.iter().map(|row| Some(i32::from((row.key >> 32) as u8)))),
        small(rows.iter().map(port)),
        text(rows.iter().map(|row| Some(row.outcome.0))),
        text(rows.iter().map(|row| Some(row.outcome.1))),
        large(rows.iter().map(|row| row.attempts)),
        large(rows.iter().map(|row| row.packets)),
        large(rows.iter().map(|row| row.remotes)),
        text(rows.iter().map(|row| row.top.as_ref().map(|(_, text)| text.as_str()))),
        large(rows.iter().map(|row| row.top.as_ref().map_or(0, |(attempts, _)| *attempts))),
    ]
}
