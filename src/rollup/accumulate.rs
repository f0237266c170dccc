//! Judged connections go in, mergeable sums come out. One [`Rollup`] per partition; merged in partition
//! order, so that the thread count does not matter.

use std::collections::{BTreeMap, BTreeSet};

use super::peers::Peers;
use super::rejects::RejectTable;
use crate::connection::{Connection, Evidence, Strength};
use crate::flow::{Action, Direction, Protocol};
use crate::policy::{Cause, EscapeReason, Judged, Verdict};

/// Seconds per bucket of rejected attempts.
pub(crate) const REJECT_BUCKET: u32 = 300;

/// How many removed rules an [`OddCell`] names.
const FORMER: usize = 16;

/// Observed use of one rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleUse {
    /// Accepted connections it permits, in its direction.
    pub connections: u64,
    /// Those that no other rule permits.
    pub sole_connections: u64,
    /// Those whose opener is weakly known, or whose decision rests on one of two disagreeing observations.
    pub weak_connections: u64,
    /// Accepted connections of unknown opener that it may have permitted. Not credited.
    pub undecided: u64,
    /// Accepted bytes, both directions.
    pub bytes: u64,
    /// First use, Unix seconds.
    pub first: Option<u32>,
    /// Last packet of a connection that used it.
    pub last: Option<u32>,
    /// Remote addresses.
    pub peers: Peers,
    /// Connections by service port.
    pub ports: BTreeMap<u16, u64>,
}

impl RuleUse {
    fn add(&mut self, connection: &Connection, sole: bool, weak: bool) {
        self.connections += 1;
        self.sole_connections += u64::from(sole);
        self.weak_connections += u64::from(weak);
        self.bytes += connection.bytes();
        self.first = Some(self.first.map_or(connection.first, |f| f.min(connection.first)));
        self.last = Some(self.last.map_or(connection.last, |l| l.max(connection.last)));
        self.peers.add(connection.remote, 1);
        if connection.protocol.has_ports() {
            *self.ports.entry(connection.service_port()).or_default() += 1;
        }
    }

    fn merge(&mut self, other: &Self) {
        self.connections += other.connections;
        self.sole_connections += other.sole_connections;
        self.weak_connections += other.weak_connections;
        self.undecided += other.undecided;
        self.bytes += other.bytes;
        self.first = [self.first, other.first].into_iter().flatten().min();
        self.last = self.last.max(other.last);
        self.peers.merge(&other.peers);
        for (&port, &count) in &other.ports {
            *self.ports.entry(port).or_default() += count;
        }
    }
}

/// What accepted but unexplained (or rejected but permitted) connections have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OddKey {
    /// Index of the interface.
    pub interface: u32,
    /// Direction, `None` where the opener is unknown.
    pub direction: Option<Direction>,
    /// Protocol.
    pub protocol: Protocol,
    /// Service port.
    pub port: u16,
    /// `Escaped(…)` or `Misdropped`.
    pub verdict: Verdict,
}

/// Connections under one [`OddKey`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OddCell {
    /// Connections.
    pub connections: u64,
    /// Those with a proven or inferred opener.
    pub certain: u64,
    /// Bytes, both directions, accepted.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// First packet, Unix seconds.
    pub first: Option<u32>,
    /// Last packet.
    pub last: Option<u32>,
    /// Remote addresses.
    pub remotes: Peers,
    /// Connections by evidence that decided the opener.
    pub evidence: BTreeMap<Evidence, u64>,
    /// The network ACL denies it, though a security group rule permits it.
    pub acl_denies: u64,
    /// By when the rule that had permitted it was gone, latest.
    pub removed_by: Option<i64>,
    /// AWS Config did not record the removal itself, for some of these connections.
    pub removed_vaguely: bool,
    /// Numbers of rules that had permitted some of them, at most `FORMER`.
    pub former: BTreeSet<u32>,
}

impl OddCell {
    /// Keeps the lowest numbers, so that the order in which connections come does not matter.
    fn name_former(&mut self, rules: impl Iterator<Item = u32>) {
        self.former.extend(rules);
        while self.former.len() > FORMER {
            self.former.pop_last();
        }
    }
}

/// Sums over judged connections.
#[derive(Debug, Default)]
pub struct Rollup {
    /// By rule number; only rules with connections, so that many rules cost nothing per partition.
    pub(crate) rules: BTreeMap<u32, RuleUse>,
    /// Which rules permitted connections together: rule numbers to connections.
    pub(crate) sets: BTreeMap<Vec<u32>, u64>,
    pub(crate) odd: BTreeMap<OddKey, OddCell>,
    pub(crate) rejects: RejectTable,
    pub(crate) verdicts: BTreeMap<Verdict, u64>,
    pub(crate) openers: BTreeMap<Evidence, u64>,
    pub(crate) connections: u64,
    pub(crate) blocked_replies: u64,
    pub(crate) late_records: u64,
}

impl Rollup {
    /// Takes a judged connection in.
    pub fn add(&mut self, connection: &Connection, judged: &Judged) {
        let late_only = judged.verdict == Verdict::Rejected(Cause::LatePacket);
        *self.verdicts.entry(judged.verdict).or_default() += 1;
        self.late_records += u64::from(connection.late.records);
        if late_only {
            return;
        }
        self.connections += 1;
        *self.openers.entry(connection.evidence).or_default() += 1;
        for &rule in &judged.possible {
            self.rules.entry(rule).or_default().undecided += 1;
        }
        let weak_opener = connection.evidence.strength() >= Strength::Weak;
        match judged.verdict {
            Verdict::Permitted => self.credit(connection, judged, weak_opener),
            Verdict::Escaped(_) | Verdict::Misdropped => self.odd(connection, judged, weak_opener),
            Verdict::Rejected(cause) => self.reject(connection, cause),
            Verdict::NotEvaluable(_) if connection.action() == Action::Reject => {
                self.reject_unjudged(connection);
            }
            Verdict::NotEvaluable(_) => {}
        }
        if let Some(cause) = judged.blocked_reply {
            self.blocked_replies += 1;
            self.reject(connection, cause);
        }
    }

    fn credit(&mut self, connection: &Connection, judged: &Judged, weak_opener: bool) {
        let rules = &judged.decision.rules;
        if rules.is_empty() {
            return;
        }
        let weak = weak_opener || judged.decision.weak;
        for &rule in rules {
            self.rules.entry(rule).or_default().add(connection, rules.len() == 1, weak);
        }
        // Single rules are counted by their use already; only combinations need the table.
        if rules.len() > 1 {
            match self.sets.get_mut(rules.as_slice()) {
                Some(count) => *count += 1,
                None => {
                    self.sets.insert(rules.clone(), 1);
                }
            }
        }
    }

    fn odd(&mut self, connection: &Connection, judged: &Judged, weak_opener: bool) {
        let key = OddKey {
            interface: connection.interface,
            direction: connection.opener,
            protocol: connection.protocol,
            // Without an opener there is no service port; the tuples would not group by either.
            port: if connection.opener.is_some() { connection.service_port() } else { 0 },
            verdict: judged.verdict,
        };
        let cell = self.odd.entry(key).or_default();
        cell.removed_vaguely |= judged.removed_by.is_some() && !judged.removed_exactly;
        cell.name_former(judged.former.iter().copied());
        let acl_denies = judged.verdict == Verdict::Escaped(EscapeReason::NoRule)
            && judged.decision.groups_permit()
            && judged.decision.acl_denies();
        cell.connections += 1;
        cell.certain += u64::from(!weak_opener && connection.opener.is_some());
        cell.bytes += connection.bytes();
        cell.packets += connection.packets();
        cell.first = Some(cell.first.map_or(connection.first, |f| f.min(connection.first)));
        cell.last = Some(cell.last.map_or(connection.last, |l| l.max(connection.last)));
        cell.remotes.add(connection.remote, 1);
        *cell.evidence.entry(connection.evidence).or_default() += 1;
        cell.acl_denies += u64::from(acl_denies);
        cell.removed_by = cell.removed_by.max(judged.removed_by);
    }

    fn reject(&mut self, connection: &Connection, cause: Cause) {
        self.rejects.push(connection, cause.as_str());
    }

    fn reject_unjudged(&mut self, connection: &Connection) {
        self.rejects.push(connection, "unknown");
    }

    /// Adds the sums of the next partition.
    pub fn merge(&mut self, other: Self) {
        for (rule, usage) in other.rules {
            match self.rules.get_mut(&rule) {
                Some(into) => into.merge(&usage),
                None => {
                    self.rules.insert(rule, usage);
                }
            }
        }
        for (set, count) in other.sets {
            *self.sets.entry(set).or_default() += count;
        }
        for (key, cell) in other.odd {
            let into = self.odd.entry(key).or_default();
            into.removed_vaguely |= cell.removed_vaguely;
            into.name_former(cell.former.iter().copied());
            into.connections += cell.connections;
            into.certain += cell.certain;
            into.bytes += cell.bytes;
            into.packets += cell.packets;
            into.first = [into.first, cell.first].into_iter().flatten().min();
            into.last = into.last.max(cell.last);
            into.remotes.merge(&cell.remotes);
            for (evidence, count) in cell.evidence {
                *into.evidence.entry(evidence).or_default() += count;
            }
            into.acl_denies += cell.acl_denies;
            into.removed_by = into.removed_by.max(cell.removed_by);
        }
        self.rejects.append(other.rejects);
        for (verdict, count) in other.verdicts {
            *self.verdicts.entry(verdict).or_default() += count;
        }
        for (evidence, count) in other.openers {
            *self.openers.entry(evidence).or_default() += count;
        }
        self.connections += other.connections;
        self.blocked_replies += other.blocked_replies;
        self.late_records += other.late_records;
    }
}
