//! Which objects a run wants, as far as their names can tell.

use std::fmt;

use chrono::{DateTime, SecondsFormat};

use super::KeyParts;

/// Seconds before `from` that a file may be stamped and still be wanted.
///
/// A file stamped T holds records that ended in T..T+5 min, so a record that ends at `from` lies in a
/// file stamped from - 5 min at the earliest. AWS also describes the content as that of the *previous*
/// five minutes and calls the delivery best effort, so ten minutes are added. Stamps are hints only:
/// the records themselves are filtered by their own times.
pub const PADDING_BEFORE: i64 = 15 * 60;

/// Seconds after `to` that a file may be stamped and still be wanted.
///
/// A record that starts before `to` ends up to one aggregation interval (10 min) later and typically
/// reaches S3 some 10 min after that. AWS calls the delivery best effort and gives no bound, so two
/// hours are a choice, not a guarantee: a file delivered later still is missed unless `to` is moved.
pub const PADDING_AFTER: i64 = 2 * 60 * 60;

/// What a run wants. The default is everything.
///
/// Objects are pruned by what their names say ([`KeyParts`]). An object whose name does not say is
/// never pruned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Records from this time on, seconds since 1970 in UTC.
    pub from: Option<i64>,
    /// Records up to this time, seconds since 1970 in UTC.
    pub to: Option<i64>,
    /// Accounts that created the flow logs; empty means all.
    pub accounts: Vec<String>,
    /// Monitored regions; empty means all.
    pub regions: Vec<String>,
    /// Flow log ids (`fl-…`); empty means all.
    pub flow_logs: Vec<String>,
    /// Interfaces (`eni-…`); empty means all. Files hold those of a whole flow log, so that only sources
    /// with a stream per interface can leave any out; records are chosen after decoding.
    pub interfaces: Vec<String>,
}

/// Why a selection leaves an object out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PruneReason {
    Time,
    Account,
    Region,
    FlowLog,
}

impl Selection {
    /// Whether it asks for anything that the names of objects tell.
    pub(super) fn names_objects(&self) -> bool {
        let everything = Self { interfaces: self.interfaces.clone(), ..Self::default() };
        *self != everything
    }

    /// Whether something is asked for that this key can't answer.
    pub(super) fn is_lost_on(&self, key: Option<&KeyParts>) -> bool {
        let place = !self.accounts.is_empty() || !self.regions.is_empty();
        let flow_log = !self.flow_logs.is_empty();
        match key {
            None => place || flow_log,
            Some(key) => flow_log && key.flow_log.is_none(),
        }
    }

    /// Whether the object with this key is wanted, as far as it tells; notes why if not.
    pub(crate) fn sift(&self, key: Option<&KeyParts>, pruned: &mut Pruned) -> bool {
        match self.prunes(key) {
            Some(reason) => {
                pruned.add(reason);
                false
            }
            None => true,
        }
    }

    /// Why the object with this key is not wanted, or `None` if it is or may be.
    pub(super) fn prunes(&self, key: Option<&KeyParts>) -> Option<PruneReason> {
        let key = key?;
        let unwanted = |wanted: &[String], is: &str| !wanted.is_empty() && wanted.iter().all(|w| w != is);
        if unwanted(&self.accounts, &key.account) {
            return Some(PruneReason::Account);
        }
        if unwanted(&self.regions, &key.region) {
            return Some(PruneReason::Region);
        }
        if key.flow_log.as_deref().is_some_and(|id| unwanted(&self.flow_logs, id)) {
            return Some(PruneReason::FlowLog);
        }
        let stamp = key.stamp?;
        let early = self.from.is_some_and(|from| stamp < from.saturating_sub(PADDING_BEFORE));
        let late = self.to.is_some_and(|to| stamp > to.saturating_add(PADDING_AFTER));
        (early || late).then_some(PruneReason::Time)
    }
}

/// `time from … to …, account …`, or `anything` for the default.
impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.from.map(|from| format!("time from {}", time(from))));
        parts.extend(self.to.map(|to| format!("time to {}", time(to))));
        for (what, wanted) in
            [("account", &self.accounts), ("region", &self.regions), ("flow log", &self.flow_logs)]
        {
            if !wanted.is_empty() {
                parts.push(format!("{what} {}", wanted.join(" or ")));
            }
        }
        if parts.is_empty() { f.write_str("anything") } else { f.write_str(&parts.join(", ")) }
    }
}

fn time(seconds: i64) -> String {
    match DateTime::from_timestamp(seconds, 0) {
        Some(time) => time.to_rfc3339_opts(SecondsFormat::Secs, true),
        None => seconds.to_string(),
    }
}

/// How many objects a [`Selection`] left out, by the first reason that applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Stamped outside of the wanted time.
    pub time: u64,
    /// Of another account.
    pub account: u64,
    /// Of another region.
    pub region: u64,
    /// Of another flow log.
    pub flow_log: u64,
}

impl Pruned {
    /// All objects left out.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.time + self.account + self.region + self.flow_log
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.time += other.time;
        self.account += other.account;
        self.region += other.region;
        self.flow_log += other.flow_log;
    }

    pub(super) fn add(&mut self, reason: PruneReason) {
        match reason {
            PruneReason::Time => self.time += 1,
            PruneReason::Account => self.account += 1,
            PruneReason::Region => self.region += 1,
            PruneReason::FlowLog => self.flow_log += 1,
        }
    }
}

/// `3 by time, 1 by region`, or `none`.
impl fmt::Display for Pruned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (self.time, "time"),
            (self.account, "account"),
            (self.region, "region"),
            (self.flow_log, "flow log"),
        ];
        let parts: Vec<_> =
            counts.iter().filter(|(n, _)| *n > 0).map(|(n, by)| format!("{n} by {by}")).collect();
        if parts.is_empty() { f.write_str("none") } else { f.write_str(&parts.join(", ")) }
    }
}
