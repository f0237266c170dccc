//! What a candidate would have done to the traffic, summed up.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::folding::{CellKey, CellTable, Cells, Folding};
use crate::connection::Connection;
use crate::flow::Direction;
use crate::policy::{Cause, Consequence, Undecided, Weighed};

/// Connections of one consequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayCount {
    /// Connections.
    pub connections: u64,
    /// Those that rest on memberships observed later only, or by one of two observations.
    pub weak: u64,
    /// Accepted bytes, both directions.
    pub bytes: u64,
}

impl ReplayCount {
    fn add(&mut self, weak: bool, bytes: u64) {
        self.connections += 1;
        self.weak += u64::from(weak);
        self.bytes += bytes;
    }

    fn merge(&mut self, other: Self) {
        self.connections += other.connections;
        self.weak += other.weak;
        self.bytes += other.bytes;
    }
}

/// What became of the connections that some rules permit now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleOutcome {
    /// Still permitted.
    pub permitted: u64,
    /// Would be blocked.
    pub blocked: u64,
    /// It can't be said.
    pub undecided: u64,
}

/// What a consequence is about, in words; the key of counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lot {
    /// Accepted, permitted now, and still permitted.
    Permitted,
    /// Accepted, permitted now, and would be stopped.
    Blocked,
    /// Accepted, and permitted neither now nor then.
    Unexplained,
    /// Accepted, not permitted now, but then.
    Admitted,
    /// Rejected, and would pass.
    Opened,
    /// Rejected, and no different.
    StillRejected,
    /// It can't be said.
    Undecided,
}

impl Lot {
    /// Every lot, in the order of reports.
    pub const ALL: [Self; 7] = [
        Self::Permitted,
        Self::Blocked,
        Self::Opened,
        Self::Undecided,
        Self::Unexplained,
        Self::Admitted,
        Self::StillRejected,
    ];

    /// Kebab-case word of the outputs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Permitted => "still-permitted",
            Self::Blocked => "newly-blocked",
            Self::Unexplained => "unexplained",
            Self::Admitted => "permitted-again",
            Self::Opened => "newly-opened",
            Self::StillRejected => "still-rejected",
            Self::Undecided => "undecided",
        }
    }

    fn of(consequence: Consequence) -> Self {
        match consequence {
            Consequence::Kept => Self::Permitted,
            Consequence::Blocked(_) => Self::Blocked,
            Consequence::Unexplained => Self::Unexplained,
            Consequence::Admitted => Self::Admitted,
            Consequence::Opened(_) => Self::Opened,
            Consequence::StillRejected => Self::StillRejected,
            Consequence::Undecided(_) => Self::Undecided,
        }
    }
}

/// Which rules belong to which change, and which connections count.
#[derive(Clone, Debug, Default)]
pub struct ReplayScope {
    /// Only connections that began at this second or later.
    pub from: Option<i64>,
    /// Only connections that began before this second.
    pub to: Option<i64>,
    /// By number of a standing rule: the changes that take it out.
    pub changes_of: BTreeMap<u32, Vec<u32>>,
    /// Changes.
    pub changes: usize,
}

impl ReplayScope {
    fn holds(&self, connection: &Connection) -> bool {
        let first = i64::from(connection.first);
        self.from.is_none_or(|from| first >= from) && self.to.is_none_or(|to| first < to)
    }
}

/// Sums over weighed connections, within bounds: about 16,000 cells of what would be blocked, 8,000 of what would be
/// opened and 4,000 of what is undecided are told exactly; see [`Cells`] for what happens beyond. They do not depend on
/// the order of connections, nor on how they are spread over threads.
#[derive(Debug)]
pub struct ReplaySums {
    counts: HashMap<Lot, ReplayCount>,
    undecided: HashMap<Undecided, u64>,
    changes: Vec<RuleOutcome>,
    /// Changes that the connection at hand concerns.
    touched: Vec<u32>,
    blocked: CellTable<Cause>,
    opened: CellTable<Cause>,
    unsure: CellTable<Undecided>,
}

/// Cells of what would be blocked.
const BLOCKED: usize = 1 << 14;

impl ReplaySums {
    /// Nothing yet, for so many changes.
    #[must_use]
    pub fn new(scope: &ReplayScope) -> Self {
        Self::within(scope, BLOCKED)
    }

    pub(super) fn within(scope: &ReplayScope, cells: usize) -> Self {
        Self {
            counts: HashMap::new(),
            undecided: HashMap::new(),
            changes: vec![RuleOutcome::default(); scope.changes],
            touched: Vec::new(),
            blocked: CellTable::within(cells),
            opened: CellTable::within(cells / 2),
            unsure: CellTable::within(cells / 4),
        }
    }

    /// Takes in what would become of a connection.
    pub fn add(&mut self, connection: &Connection, weighed: &Weighed<'_>, scope: &ReplayScope) {
        if !scope.holds(connection) {
            return;
        }
        let Weighed { consequence, weak, now, then } = *weighed;
        self.counts.entry(Lot::of(consequence)).or_default().add(weak, connection.bytes());
        let direction = connection.opener;
        match consequence {
            Consequence::Blocked(cause) => self.blocked.add(connection, direction, cause, weak, now),
            Consequence::Opened(cause) => self.opened.add(connection, direction, cause, weak, then),
            Consequence::Undecided(why) => {
                *self.undecided.entry(why).or_default() += 1;
                self.unsure.add(connection, direction, why, weak, now);
            }
            _ => {}
        }
        let counts: fn(&mut RuleOutcome) -> &mut u64 = match consequence {
            Consequence::Kept => |outcome| &mut outcome.permitted,
            Consequence::Blocked(_) => |outcome| &mut outcome.blocked,
            Consequence::Undecided(_) => |outcome| &mut outcome.undecided,
            _ => return,
        };
        self.touched.clear();
        self.touched.extend(now.iter().filter_map(|rule| scope.changes_of.get(rule)).flatten());
        self.touched.sort_unstable();
        self.touched.dedup();
        for &change in &self.touched {
            if let Some(outcome) = self.changes.get_mut(change as usize) {
                *counts(outcome) += 1;
            }
        }
    }

    /// Adds the sums of another.
    pub fn merge(&mut self, other: Self) {
        for (lot, count) in other.counts {
            self.counts.entry(lot).or_default().merge(count);
        }
        for (why, count) in other.undecided {
            *self.undecided.entry(why).or_default() += count;
        }
        for (into, outcome) in self.changes.iter_mut().zip(other.changes) {
            into.permitted += outcome.permitted;
            into.blocked += outcome.blocked;
            into.undecided += outcome.undecided;
        }
        self.blocked.merge(other.blocked);
        self.opened.merge(other.opened);
        self.unsure.merge(other.unsure);
    }

    /// The result.
    #[must_use]
    pub fn finish(self) -> Replayed {
        Replayed {
            counts: self.counts.into_iter().collect(),
            undecided: self.undecided.into_iter().collect(),
            changes: self.changes,
            blocked: self.blocked.finish(),
            opened: self.opened.finish(),
            unsure: self.unsure.finish(),
        }
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.blocked.heap_bytes()
            + self.opened.heap_bytes()
            + self.unsure.heap_bytes()
            + self.changes.capacity() * size_of::<RuleOutcome>()
    }
}

/// What a candidate would have done to the traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Connections by what would become of them.
    pub counts: BTreeMap<Lot, ReplayCount>,
    /// Undecided connections by reason.
    pub undecided: BTreeMap<Undecided, u64>,
    /// What became of the connections that the rules of each change permit now.
    pub changes: Vec<RuleOutcome>,
    /// Who would be cut off.
    pub blocked: Cells<Cause>,
    /// Who would be let in.
    pub opened: Cells<Cause>,
    /// For whom it can't be said.
    pub unsure: Cells<Undecided>,
}

impl Replayed {
    /// How many connections have this lot.
    #[must_use]
    pub fn count(&self, lot: Lot) -> ReplayCount {
        self.counts.get(&lot).copied().unwrap_or_default()
    }
}

impl<W: Folding> CellTable<W> {
    fn add(
        &mut self,
        connection: &Connection,
        direction: Option<Direction>,
        why: W,
        weak: bool,
        rules: &[u32],
    ) {
        let key = CellKey {
            interface: connection.interface,
            direction,
            protocol: connection.protocol,
            // Without an opener there is no service port; the tuples would not group by either.
            port: if direction.is_some() { connection.service_port() } else { 0 },
            remote: connection.remote,
            why,
        };
        let span = (connection.first, connection.last);
        self.put(key, (1, u64::from(weak), connection.bytes()), span, rules);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Cause;
    use crate::rollup::tests::connection;

    /// The table of the room says 8 MB.
    #[test]
    fn whatever_comes_takes_a_few_megabytes() {
        let scope = ReplayScope { changes: 60, ..ReplayScope::default() };
        let mut sums = ReplaySums::new(&scope);
        let rules: Vec<u32> = (0..16).collect();
        let consequences = [
            Consequence::Blocked(Cause::SecurityGroup),
            Consequence::Opened(Cause::Both),
            Consequence::Undecided(Undecided::OpenerUnknown),
        ];
        let mut most = 0;
        for n in 0..300_000_u32 {
            let mut one = connection(
                n % 7_000,
                0xffff_0000_0000 | u128::from(n.wrapping_mul(2_654_435_761)),
                (n % 60_000) as u16,
                n,
            );
            one.opener = Some(crate::flow::Direction::Inbound);
            for consequence in consequences {
                let weighed = Weighed { consequence, weak: n % 2 == 0, now: &rules, then: &rules };
                sums.add(&one, &weighed, &scope);
            }
            if n % 1_000 == 0 {
                most = most.max(sums.heap_bytes());
            }
        }
        assert!(most < 8 << 20, "{most}");
        let told = sums.finish();
        assert_eq!(told.count(Lot::Blocked).connections, 300_000);
        let cells: u64 = told.blocked.iter().map(|(_, cell)| cell.connections).sum();
        assert_eq!(cells, 300_000, "nothing is dropped");
        assert!(told.blocked.is_folded());
    }
}
