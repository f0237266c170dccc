//! Table `rejects`: what was rejected, in stretches of 5 minutes.

use std::collections::BTreeSet;

use super::super::address::{self, Text};
use super::super::connections::ConnectionRow;
use super::super::{DAY, StoreError};
use super::merge::Merge;
use super::runs::{Part, Runs, read_words, write_words};
use super::{Sheet, join, split};

/// Seconds of a stretch.
const STRETCH: u32 = 300;

/// Lowest bits of a key, which number the outcome: numbers are given as outcomes come and tell nothing of an order.
const OUTCOME: u128 = 0xff;

/// By their numbers.
pub(super) const DIRECTIONS: [Option<&str>; 3] = [None, Some("inbound"), Some("outbound")];

/// What was rejected at an interface, by direction, protocol, service port and outcome, in 5 minutes:
/// day (16) | interface (32) | stretch (9) | direction (2) | protocol (8) | port (16) | outcome (8)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct What(u128);

impl What {
    fn day(self) -> u32 {
        (self.0 >> 75) as u32
    }

    pub fn interface(self) -> u32 {
        (self.0 >> 43) as u32
    }

    /// Unix seconds.
    pub fn start(self) -> i64 {
        i64::from(self.day()) * DAY + i64::from((self.0 >> 34) as u32 & 0x1ff) * i64::from(STRETCH)
    }

    /// Place in [`DIRECTIONS`].
    pub fn direction(self) -> usize {
        (self.0 >> 32) as usize & 3
    }

    pub fn protocol(self) -> u8 {
        (self.0 >> 24) as u8
    }

    pub fn port(self) -> u16 {
        (self.0 >> 8) as u16
    }

    pub fn outcome(self) -> u8 {
        self.0 as u8
    }
}

/// What one remote address attempted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wide {
    what: What,
    remote: u128,
    attempts: u64,
    packets: u64,
}

impl Part for Wide {
    type Key = (What, u128);
    const BYTES: usize = 48;

    fn key(&self) -> Self::Key {
        (self.what, self.remote)
    }

    fn day(&self) -> u32 {
        self.what.day()
    }

    fn add(&mut self, other: &Self) -> bool {
        self.attempts += other.attempts;
        self.packets = self.packets.saturating_add(other.packets);
        true
    }

    fn write(&self, out: &mut Vec<u8>) {
        let ([a, b], [c, d]) = (split(self.what.0), split(self.remote));
        write_words(&[a, b, c, d, self.attempts, self.packets], out);
    }

    fn read(from: &[u8]) -> Self {
        let [a, b, c, d, attempts, packets] = read_words(from);
        Self { what: What(join(a, b)), remote: join(c, d), attempts, packets }
    }
}

/// As [`Wide`], in a third of the room, of an IPv4 address and numbers that are not too large: nearly all are such.
/// day (16) | interface (24) | stretch (9) | direction (2) | protocol (8) | port (16) | outcome (5) | address (32) |
/// attempts (4) | packets (12)
#[derive(Clone, Copy, Debug)]
struct Narrow(u128);

/// Attempts and packets of a narrow part are less.
const ATTEMPTS: u64 = 1 << 4;
const PACKETS: u64 = 1 << 12;

/// Bits of attempts and packets.
const COUNTS: u32 = 16;

impl Narrow {
    #[inline]
    fn of(part: &Wide) -> Option<Self> {
        let what = part.what;
        let remote = address::narrow(part.remote)?;
        let fits = what.interface() < 1 << 24
            && what.outcome() < 1 << 5
            && part.attempts < ATTEMPTS
            && part.packets < PACKETS;
        let high = u64::from(what.day()) << 24 | u64::from(what.interface());
        // From the stretch to the outcome.
        let low = (what.0 >> 8 & ((1 << 35) - 1)) as u64;
        let counts = part.attempts << 12 | part.packets;
        fits.then_some(Self(
            u128::from(high) << 88
                | u128::from(low << 5 | u64::from(what.outcome())) << 48
                | u128::from(remote) << COUNTS
                | u128::from(counts),
        ))
    }

    #[inline]
    fn widen(self) -> Wide {
        let (day, interface) = (self.0 >> 112, self.0 >> 88 & 0xff_ffff);
        let (low, outcome) = (self.0 >> 53 & ((1 << 35) - 1), self.0 >> 48 & 0x1f);
        Wide {
            what: What(day << 75 | interface << 43 | low << 8 | outcome),
            remote: address::widen((self.0 >> COUNTS) as u32),
            attempts: (self.0 >> 12) as u64 & (ATTEMPTS - 1),
            packets: self.0 as u64 & (PACKETS - 1),
        }
    }
}

impl Part for Narrow {
    type Key = u128;
    const BYTES: usize = 16;

    #[inline]
    fn key(&self) -> u128 {
        self.0 >> COUNTS
    }

    fn day(&self) -> u32 {
        (self.0 >> 112) as u32
    }

    #[inline]
    fn add(&mut self, other: &Self) -> bool {
        let counts = |part: &Self| (part.0 as u64 >> 12 & (ATTEMPTS - 1), part.0 as u64 & (PACKETS - 1));
        let ((attempts, packets), (more, more_packets)) = (counts(self), counts(other));
        let fits = attempts + more < ATTEMPTS && packets + more_packets < PACKETS;
        if fits {
            self.0 += u128::from(more << 12 | more_packets);
        }
        fits
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_words(&split(self.0), out);
    }

    fn read(from: &[u8]) -> Self {
        let [a, b] = read_words(from);
        Self(join(a, b))
    }
}

/// What one thread sums up.
pub(super) struct RejectSums {
    narrow: Runs<Narrow>,
    wide: Runs<Wide>,
}

impl RejectSums {
    pub fn new() -> Self {
        Self { narrow: Runs::new(), wide: Runs::new() }
    }

    /// Adds a rejected connection, or a day of one: of this direction, and with an outcome of this number.
    #[inline]
    pub fn push(
        &mut self,
        row: &ConnectionRow<'_>,
        (direction, outcome): (u8, u8),
        sheet: &Sheet,
    ) -> Result<(), StoreError> {
        let port = [0, row.local_port, row.remote_port][usize::from(direction)];
        let low = u64::from(row.start % DAY as u32 / STRETCH) << 34
            | u64::from(direction) << 32
            | u64::from(row.protocol) << 24
            | u64::from(port) << 8
            | u64::from(outcome);
        let high = u64::from(row.day() & 0xffff) << 32 | u64::from(sheet.interfaces.rank(row.interface));
        let part = Wide {
            what: What(u128::from(high) << 43 | u128::from(low)),
            remote: row.remote,
            attempts: u64::from(!row.continued()),
            packets: row.rejected[0].saturating_add(row.rejected[1]),
        };
        match Narrow::of(&part) {
            Some(narrow) => self.narrow.push(narrow, &sheet.room),
            None => self.wide.push(part, &sheet.room),
        }
    }

    /// No more connections come.
    pub fn settle(&mut self) {
        self.narrow.settle();
        self.wide.settle();
    }

    /// Days that it has sums of.
    pub fn days(&self, into: &mut BTreeSet<u32>) {
        self.narrow.days(into);
        self.wide.days(into);
    }
}

/// All parts of a day, narrow and wide ones, in the order of their keys, each key once.
struct Parts<'a> {
    narrow: Merge<'a, Narrow>,
    wide: Merge<'a, Wide>,
    next_narrow: Option<Wide>,
    next_wide: Option<Wide>,
}

impl<'a> Parts<'a> {
    fn new(
        all: impl Iterator<Item = &'a RejectSums> + Clone,
        day: u32,
        sheet: &'a Sheet,
    ) -> Result<Self, StoreError> {
        let mut narrow = Merge::new(all.clone().map(|sums| &sums.narrow), day, &sheet.room)?;
        let mut wide = Merge::new(all.map(|sums| &sums.wide), day, &sheet.room)?;
        let (next_narrow, next_wide) = (narrow.next()?.map(Narrow::widen), wide.next()?);
        Ok(Self { narrow, wide, next_narrow, next_wide })
    }

    #[inline]
    fn take(&mut self) -> Result<Option<Wide>, StoreError> {
        let is_wide = match (&self.next_narrow, &self.next_wide) {
            (Some(narrow), Some(wide)) => wide.key() < narrow.key(),
            (None, wide) => wide.is_some(),
            (Some(_), None) => false,
        };
        if is_wide {
            Ok(std::mem::replace(&mut self.next_wide, self.wide.next()?))
        } else {
            Ok(std::mem::replace(&mut self.next_narrow, self.narrow.next()?.map(Narrow::widen)))
        }
    }

    #[inline]
    fn next(&mut self) -> Result<Option<Wide>, StoreError> {
        let Some(mut sum) = self.take()? else { return Ok(None) };
        let same = |next: &Option<Wide>, sum: &Wide| next.is_some_and(|next| next.key() == sum.key());
        while same(&self.next_narrow, &sum) || same(&self.next_wide, &sum) {
            if let Some(more) = self.take()? {
                sum.add(&more);
            }
        }
        Ok(Some(sum))
    }
}

/// A row of the table.
#[derive(Clone, Copy)]
pub(super) struct RejectRow {
    pub what: What,
    pub attempts: u64,
    pub packets: u64,
    pub remotes: u64,
    /// The remote address with the most attempts, and these.
    pub top: (u128, u64),
}

impl RejectRow {
    fn of(part: &Wide) -> Self {
        let Wide { what, remote, attempts, packets } = *part;
        Self { what, attempts, packets, remotes: 1, top: (remote, attempts) }
    }

    /// What another remote address did.
    fn add(&mut self, part: &Wide) {
        self.attempts += part.attempts;
        self.packets = self.packets.saturating_add(part.packets);
        self.remotes += 1;
        let (top, most) = self.top;
        if part.attempts > most || part.attempts == most && Text::of(part.remote) < Text::of(top) {
            self.top = (part.remote, part.attempts);
        }
    }
}

/// The rows of a day, in their order.
pub(super) struct RejectRows<'a> {
    parts: Parts<'a>,
    next: Option<Wide>,
    sheet: &'a Sheet,
    /// Made already.
    waiting: Vec<RejectRow>,
}

impl<'a> RejectRows<'a> {
    /// Of what all threads have summed up.
    pub fn new(
        all: impl Iterator<Item = &'a RejectSums> + Clone,
        day: u32,
        sheet: &'a Sheet,
    ) -> Result<Self, StoreError> {
        let mut parts = Parts::new(all, day, sheet)?;
        let next = parts.next()?;
        Ok(Self { parts, next, sheet, waiting: Vec::new() })
    }

    /// The next rows, so many unless there are no more.
    pub fn take(&mut self, count: usize) -> Result<Vec<RejectRow>, StoreError> {
        let mut rows = std::mem::take(&mut self.waiting);
        rows.reserve(count.saturating_sub(rows.len()));
        // First of the rows that differ in their outcome alone.
        let mut alike = rows.len();
        while let Some(part) = self.next {
            if rows.last().is_none_or(|last| last.what.0 | OUTCOME != part.what.0 | OUTCOME) {
                self.order(&mut rows[alike..]);
                alike = rows.len();
                if alike >= count {
                    break;
                }
            }
            let mut row = RejectRow::of(&part);
            self.next = self.parts.next()?;
            while let Some(of_remote) = self.next.filter(|part| part.what == row.what) {
                row.add(&of_remote);
                self.next = self.parts.next()?;
            }
            rows.push(row);
        }
        self.order(&mut rows[alike..]);
        if rows.len() > count {
            self.waiting = rows.split_off(count);
        }
        Ok(rows)
    }

    /// Whether there are no more.
    pub fn is_empty(&self) -> bool {
        self.next.is_none() && self.waiting.is_empty()
    }

    fn order(&self, alike: &mut [RejectRow]) {
        if alike.len() > 1 {
            alike.sort_by_key(|row| self.sheet.outcome(row.what.outcome()));
        }
    }
}
