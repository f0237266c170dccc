//! All sums over the connections of a view, part by part.

use std::collections::BTreeMap;

use super::clock::Clock;
use super::rows::Row;
use super::top::Top;
use super::traffic::{End, Opener, Service, Traffic, opener, service};
use crate::flow::Direction;

/// Keys of one kind that are always told apart; up to twice as many are.
const KEYS: usize = 128 * 1024;

/// One connection as the table has it, or the part of one day of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionNote {
    /// First packet of the day's records, Unix seconds.
    pub start: i64,
    /// Last packet of the day's records.
    pub end: i64,
    /// At which interface.
    pub interface: String,
    /// Address at the interface, as 128 bits, IPv4 mapped.
    pub local: u128,
    /// Its port, 0 for protocols without.
    pub local_port: u16,
    /// Address of the other side.
    pub remote: u128,
    /// Its port.
    pub remote_port: u16,
    /// IANA number.
    pub protocol: u8,
    /// Who opened it, seen from the interface; `None` if that can't be told.
    pub direction: Option<Direction>,
    /// Who opened it, seen from the subject.
    pub opener: Opener,
    /// The opening was accepted.
    pub accepted: bool,
    /// The verdict.
    pub verdict: String,
    /// Its reason, empty where none is needed.
    pub reason: String,
    /// Rules that permit it.
    pub rules: Vec<String>,
    /// It goes on from a day before.
    pub continued: bool,
    /// Accepted bytes: by the subject, to it.
    pub bytes: [u64; 2],
}

impl ConnectionNote {
    fn new(row: &Row<'_>, end: End) -> Self {
        let [inward, outward] = row.bytes;
        Self {
            start: row.start,
            end: row.end,
            interface: row.interface.to_owned(),
            local: row.local,
            local_port: row.local_port,
            remote: row.remote,
            remote_port: row.remote_port,
            protocol: row.protocol,
            direction: row.direction,
            opener: opener(row, end),
            accepted: row.accepted,
            verdict: row.verdict.to_owned(),
            reason: row.reason.to_owned(),
            rules: row.rules.iter().map(|&rule| rule.to_owned()).collect(),
            continued: row.continued,
            bytes: if end == End::Others { [inward, outward] } else { [outward, inward] },
        }
    }
}

/// The connections nearest to a time.
#[derive(Clone, Debug, Default)]
pub(super) struct Nearest {
    most: usize,
    held: Vec<(u64, ConnectionNote)>,
}

impl Nearest {
    pub fn new(most: usize) -> Self {
        Self { most, held: Vec::new() }
    }

    fn offer(&mut self, distance: u64, note: impl FnOnce() -> ConnectionNote) {
        let full = self.held.len() >= self.most;
        if full && self.held.last().is_none_or(|(farthest, _)| *farthest < distance) {
            return;
        }
        let entry = (distance, note());
        let place = self.held.partition_point(|held| *held < entry);
        self.held.insert(place, entry);
        self.held.truncate(self.most);
    }

    fn merge(&mut self, other: Self) {
        for (distance, note) in other.held {
            self.offer(distance, || note);
        }
    }

    /// In the order of time.
    pub fn in_order(self) -> Vec<ConnectionNote> {
        let mut notes: Vec<ConnectionNote> = self.held.into_iter().map(|(_, note)| note).collect();
        notes.sort_unstable();
        notes
    }
}

/// Account, VPC, subnet and instance of an interface.
pub(super) type Context = [Option<String>; 4];

/// What is added up, and how.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub end: End,
    pub clock: Clock,
    /// Connections told one by one.
    pub notes: usize,
}

/// All sums of a view.
#[derive(Clone, Debug)]
pub(super) struct Sums {
    pub total: Traffic,
    /// By verdict and reason.
    pub reasons: Vec<((String, String), u64)>,
    /// Connections by what rejected their replies.
    pub blocked_replies: Vec<(String, u64)>,
    /// By address of the other side.
    pub peers: Top<u128>,
    /// By address of the subject's side.
    pub addresses: Top<u128>,
    pub services: Top<Service>,
    pub rules: Top<String>,
    pub interfaces: Top<String>,
    /// Account, VPC, subnet, instance of interfaces, with the time as of which that is so: the latest.
    pub contexts: BTreeMap<String, (i64, Context)>,
    /// By step of the clock.
    pub steps: BTreeMap<i64, Traffic>,
    pub before: Traffic,
    pub after: Traffic,
    /// Days of connections that went on at the time that is looked at.
    pub under_way: u64,
    /// Accepted, and no rule explains them.
    pub escapes: Nearest,
    /// Around the time that is looked at.
    pub near: Nearest,
}

impl Sums {
    pub fn new(frame: &Frame) -> Self {
        Self {
            total: Traffic::default(),
            reasons: Vec::new(),
            blocked_replies: Vec::new(),
            peers: Top::new(KEYS),
            addresses: Top::new(KEYS),
            services: Top::new(KEYS),
            rules: Top::new(KEYS),
            interfaces: Top::new(KEYS),
            contexts: BTreeMap::new(),
            steps: BTreeMap::new(),
            before: Traffic::default(),
            after: Traffic::default(),
            under_way: 0,
            escapes: Nearest::new(frame.notes),
            near: Nearest::new(frame.notes),
        }
    }

    pub fn push(&mut self, row: &Row<'_>, frame: &Frame) {
        let end = frame.end;
        self.total.add(row, end);
        let (peer, address) =
            if end == End::Others { (row.local, row.remote) } else { (row.remote, row.local) };
        self.peers.of(peer).add(row, end);
        self.addresses.of(address).add(row, end);
        self.services.of(service(row, end)).add(row, end);
        // As everywhere: what was dropped all the same was no use of the rule.
        for &rule in row.rules.iter().filter(|_| row.verdict == "permitted") {
            self.rules.add(rule, |sum| sum.add(row, end));
        }
        self.interfaces.add(row.interface, |sum| sum.add(row, end));
        self.note_context(row);
        if !row.continued {
            count(
                &mut self.reasons,
                |(verdict, reason)| verdict == row.verdict && reason == row.reason,
                || (row.verdict.to_owned(), row.reason.to_owned()),
            );
            if let Some(cause) = row.blocked_reply {
                count(&mut self.blocked_replies, |known| known == cause, || cause.to_owned());
            }
        }
        if let Some(step) = frame.clock.step_of(row.start) {
            self.steps.entry(step).or_default().add(row, end);
        }
        let Some(at) = frame.clock.at else {
            if row.verdict == "escaped" {
                self.escapes.offer(row.start.unsigned_abs(), || ConnectionNote::new(row, end));
            }
            return;
        };
        let distance = row.start.abs_diff(at);
        if row.verdict == "escaped" {
            self.escapes.offer(distance, || ConnectionNote::new(row, end));
        }
        self.under_way += u64::from(row.start < at && row.end >= at);
        if frame.clock.holds(row.start) {
            let side = if row.start < at { &mut self.before } else { &mut self.after };
            side.add(row, end);
            self.near.offer(distance, || ConnectionNote::new(row, end));
        }
    }

    fn note_context(&mut self, row: &Row<'_>) {
        let context = || row.context.map(|text| text.map(str::to_owned));
        match self.contexts.get_mut(row.interface) {
            Some((time, known)) => {
                let same = known.iter().map(Option::as_deref).eq(row.context);
                if !same && (row.start, row.context) > (*time, known.each_ref().map(Option::as_deref)) {
                    *known = context();
                }
                *time = row.start.max(*time);
            }
            None => _ = self.contexts.insert(row.interface.to_owned(), (row.start, context())),
        }
    }

    pub fn merge(&mut self, other: Self) {
        self.total.merge(&other.total);
        for ((verdict, reason), n) in other.reasons {
            match self.reasons.iter_mut().find(|((v, r), _)| *v == verdict && *r == reason) {
                Some((_, sum)) => *sum += n,
                None => self.reasons.push(((verdict, reason), n)),
            }
        }
        for (cause, n) in other.blocked_replies {
            match self.blocked_replies.iter_mut().find(|(known, _)| *known == cause) {
                Some((_, sum)) => *sum += n,
                None => self.blocked_replies.push((cause, n)),
            }
        }
        self.peers.merge(other.peers);
        self.addresses.merge(other.addresses);
        self.services.merge(other.services);
        self.rules.merge(other.rules);
        self.interfaces.merge(other.interfaces);
        for (interface, context) in other.contexts {
            match self.contexts.get_mut(&interface) {
                Some(known) if *known < context => *known = context,
                Some(_) => {}
                None => _ = self.contexts.insert(interface, context),
            }
        }
        for (step, sum) in other.steps {
            self.steps.entry(step).or_default().merge(&sum);
        }
        self.before.merge(&other.before);
        self.after.merge(&other.after);
        self.under_way += other.under_way;
        self.escapes.merge(other.escapes);
        self.near.merge(other.near);
    }
}

fn count<K>(counts: &mut Vec<(K, u64)>, is: impl Fn(&K) -> bool, key: impl FnOnce() -> K) {
    match counts.iter_mut().find(|(known, _)| is(known)) {
        Some((_, n)) => *n += 1,
        None => counts.push((key(), 1)),
    }
}
