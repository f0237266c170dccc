//! Connections that wait to be written, in as few bytes as most of them need.

use super::meaning::{Meanings, Met};
use super::{ConnectionRow, DAY};
use crate::store::address::{narrow, widen};

/// A connection. One cache line, since they are sorted, and so read here and there.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
pub(super) struct Short {
    pub interface: u32,
    /// An IPv4 address; of a wide row the place of the rest.
    local: u32,
    remote: u32,
    /// Number of what is said of it.
    pub meaning: u32,
    pub opened: u32,
    pub start: u32,
    pub end: u32,
    pub ports: [u16; 2],
    bytes: [u32; 2],
    packets: [u32; 2],
    rejected: [u32; 2],
    late: u16,
    pub protocol: u8,
    is_wide: bool,
}

/// Of a connection, what is too large for a short row in some: IPv6 addresses, many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Wide {
    pub local: u128,
    pub remote: u128,
    pub bytes: [u64; 2],
    pub packets: [u64; 2],
    pub rejected: [u64; 2],
    pub late: u64,
}

/// Connections, in the order in which they came.
#[derive(Debug, Default)]
pub struct Rows {
    pub(super) short: Vec<Short>,
    pub(super) wide: Vec<Wide>,
}

/// Turns connections into [`Rows`]; each thread has one.
#[derive(Debug, Default)]
pub struct Shortener {
    met: Met,
}

fn narrow_both(numbers: [u64; 2]) -> Option<[u32; 2]> {
    Some([u32::try_from(numbers[0]).ok()?, u32::try_from(numbers[1]).ok()?])
}

impl Shortener {
    /// With meanings that all threads share.
    #[must_use]
    pub fn new(meanings: &Meanings) -> Self {
        Self { met: Met::of(meanings) }
    }

    /// Adds a connection to others.
    pub fn push(&mut self, row: &ConnectionRow<'_>, into: &mut Rows) {
        let meaning = self.met.number(row);
        let wide = Wide {
            local: row.local,
            remote: row.remote,
            bytes: row.bytes,
            packets: row.packets,
            rejected: row.rejected,
            late: row.late,
        };
        let rest = Short {
            interface: row.interface,
            meaning,
            opened: row.opened,
            start: row.start,
            end: row.end,
            ports: [row.local_port, row.remote_port],
            protocol: row.protocol,
            ..Short::default()
        };
        into.short.push(wide.shorten(rest).unwrap_or_else(|| {
            into.wide.push(wide);
            Short { local: into.wide.len() as u32 - 1, is_wide: true, ..rest }
        }));
    }
}

impl Wide {
    fn shorten(&self, rest: Short) -> Option<Short> {
        Some(Short {
            local: narrow(self.local)?,
            remote: narrow(self.remote)?,
            bytes: narrow_both(self.bytes)?,
            packets: narrow_both(self.packets)?,
            rejected: narrow_both(self.rejected)?,
            late: u16::try_from(self.late).ok()?,
            ..rest
        })
    }
}

impl Short {
    pub fn day(&self) -> u32 {
        self.start / DAY as u32
    }

    /// The remote address if it is an IPv4 address in a short row.
    pub fn remote(&self) -> Option<u32> {
        (!self.is_wide).then_some(self.remote)
    }
}

impl Rows {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.short.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.short.is_empty()
    }

    /// Takes all of them. As many are likely to come again.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let room = Self { short: Vec::with_capacity(self.short.len()), wide: Vec::new() };
        std::mem::replace(self, room)
    }

    /// Adds some of the rows of others.
    pub(super) fn extend(&mut self, others: &[Short], wide: &[Wide]) {
        let from = self.short.len();
        self.short.extend_from_slice(others);
        if wide.is_empty() {
            return;
        }
        for row in self.short[from..].iter_mut().filter(|row| row.is_wide) {
            self.wide.push(wide[row.local as usize]);
            row.local = self.wide.len() as u32 - 1;
        }
    }

    /// What a short row may have no room for.
    #[inline]
    pub(super) fn rest(&self, row: &Short) -> Wide {
        if row.is_wide {
            return self.wide[row.local as usize];
        }
        let both = |numbers: [u32; 2]| numbers.map(u64::from);
        Wide {
            local: widen(row.local),
            remote: widen(row.remote),
            bytes: both(row.bytes),
            packets: both(row.packets),
            rejected: both(row.rejected),
            late: row.late.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_room_is_kept_beside() {
        let v4 = widen;
        let small = ConnectionRow { local: v4(1), remote: v4(2), ..ConnectionRow::default() };
        let big = u64::from(u32::MAX) + 1;
        let all = [
            small.clone(),
            ConnectionRow { bytes: [u64::from(u32::MAX); 2], ..small.clone() },
            ConnectionRow { remote: 1 << 100, ..small.clone() },
            ConnectionRow { local: 3, ..small.clone() },
            ConnectionRow { bytes: [0, big], ..small.clone() },
            ConnectionRow { packets: [big, 0], ..small.clone() },
            ConnectionRow { rejected: [0, u64::MAX], ..small.clone() },
            ConnectionRow { late: 1 << 16, ..small.clone() },
            ConnectionRow { late: 65_535, ..small },
        ];
        let (mut rows, mut shortener) = (Rows::default(), Shortener::default());
        all.iter().for_each(|row| shortener.push(row, &mut rows));
        assert_eq!((rows.len(), rows.wide.len()), (9, 6));
        let mut twice = Rows::default();
        twice.extend(&rows.short[2..3], &rows.wide);
        twice.extend(&rows.short, &rows.wide);
        twice.extend(&[], &[]);
        let expected = all[2..3].iter().chain(&all);
        assert_eq!(twice.len(), 10);
        for (short, row) in twice.short.iter().zip(expected) {
            let Wide { local, remote, bytes, packets, rejected, late } = twice.rest(short);
            let found = ConnectionRow { local, remote, bytes, packets, rejected, late, ..row.clone() };
            assert_eq!(found, *row);
        }
        assert_eq!(size_of::<Short>(), 64);
    }
}
