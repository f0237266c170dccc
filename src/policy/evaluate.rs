//! Decisions as of a time.

use super::acl::AclVerdict;
use super::compile::{Compiled, Groups, RuleBook};
use super::recorded::{Opening, Recorded, Removal};
use crate::connection::{Connection, Fit};
use crate::flow::{Direction, Protocol};
use crate::inventory::{Rule, Timeline};

/// Rule changes take effect within this many seconds, and records' times are good to as many: around a change
/// either side explains (domain C.2).
const CHANGE_BAND: i64 = 60;

/// A rule whose port range is wider than this says nothing about a particular service.
const SPECIFIC_PORTS: u32 = 1024;

/// What the configuration says to one opening as of its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// The interface is in the inventory.
    pub known: bool,
    /// The interface has security groups.
    pub has_groups: bool,
    /// Numbers of the rules that permit it, sorted; see [`Policy::rule`].
    pub rules: Vec<u32>,
    /// Something that cannot be resolved might permit it: an unreadable prefix list, a group of another
    /// account.
    pub unresolved: bool,
    /// The neighbouring observations disagree, or none was made before: the decision holds only perhaps.
    pub weak: bool,
    /// The network ACL's word on the opening packet.
    pub acl_open: Option<AclVerdict>,
    /// The network ACL's word on the reply.
    pub acl_reply: Option<AclVerdict>,
}

impl Decision {
    /// The security groups let it pass.
    #[must_use]
    pub fn groups_permit(&self) -> bool {
        self.known && (!self.has_groups || !self.rules.is_empty())
    }

    /// The network ACL stops the opening packet.
    #[must_use]
    pub fn acl_denies(&self) -> bool {
        self.acl_open.is_some_and(AclVerdict::denies)
    }

    /// Security groups and network ACL let the opening pass.
    #[must_use]
    pub fn permits(&self) -> bool {
        self.groups_permit() && !self.acl_denies()
    }
}

/// A timeline compiled for the interfaces of one run.
#[derive(Debug)]
pub struct Policy {
    book: RuleBook,
    specific: Vec<bool>,
    observations: Vec<Compiled>,
    /// In place of the observations, for interfaces that AWS Config has something to say about.
    recorded: Option<Recorded>,
}

impl Policy {
    /// Compiles. `interfaces` are the ids of the run, in the order of their numbers.
    #[must_use]
    pub fn new(timeline: &Timeline, interfaces: &[String]) -> Self {
        let mut book = RuleBook::default();
        let recorded =
            (!timeline.history().is_empty()).then(|| Recorded::new(timeline, interfaces, &mut book));
        let mut compile = |interfaces: &[String]| -> Vec<Compiled> {
            timeline.observations().iter().map(|o| Compiled::new(o, interfaces, &mut book)).collect()
        };
        let observations = match &recorded {
            None => compile(interfaces),
            Some(recorded) => {
                // The others are not asked for; without a name they are not compiled.
                let asked = |(number, id): (u32, &String)| {
                    if recorded.concerns(number) { String::new() } else { id.clone() }
                };
                let rest: Vec<String> = (0..).zip(interfaces).map(asked).collect();
                if rest.iter().all(String::is_empty) { Vec::new() } else { compile(&rest) }
            }
        };
        let specific = book.rules().iter().map(is_specific).collect();
        Self { book, specific, observations, recorded }
    }

    /// Every rule of every observation; a rule's number is its index.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        self.book.rules()
    }

    /// The rule with this number.
    #[must_use]
    pub fn rule(&self, number: u32) -> Option<&Rule> {
        self.book.rules().get(number as usize)
    }

    /// The number of a rule.
    #[must_use]
    pub fn rule_number(&self, id: &str) -> Option<u32> {
        self.book.find(id)
    }

    /// True if one of these rules certainly permits what it matched, whatever its ICMP type.
    pub(crate) fn any_sure(&self, rules: &[u32]) -> bool {
        rules.iter().any(|&r| self.rule(r).is_some_and(|rule| rule.icmp.is_none_or(|(kind, _)| kind < 0)))
    }

    /// True when any observation has the interface.
    #[must_use]
    pub fn knows(&self, interface: u32) -> bool {
        match self.recorded(interface) {
            Some(recorded) => recorded.knows(interface),
            None => self.observations.iter().any(|o| o.knows(interface)),
        }
    }

    fn recorded(&self, interface: u32) -> Option<&Recorded> {
        self.recorded.as_ref().filter(|recorded| recorded.concerns(interface))
    }

    /// The observations that speak for a time: the one before and the one after, or the only one there is;
    /// and whether the time lies before everything that was observed.
    fn around(&self, time: i64) -> (Option<usize>, Option<usize>, bool) {
        let at = |o: &Compiled| o.observed_at.unwrap_or(i64::MAX);
        match self.observations.iter().rposition(|o| at(o) <= time) {
            Some(i) if i + 1 < self.observations.len() => (Some(i), Some(i + 1), false),
            Some(i) => (Some(i), None, false),
            None => {
                // A single undated inventory is taken to hold throughout; a dated one says nothing about before.
                let before_all = self.observations.first().is_some_and(|o| o.observed_at.is_some());
                ((!self.observations.is_empty()).then_some(0), None, before_all)
            }
        }
    }

    /// The decision on an opening in `direction`, as of the connection's start.
    #[must_use]
    pub fn decide(&self, connection: &Connection, direction: Direction) -> Decision {
        let time = i64::from(connection.first);
        if let Some(recorded) = self.recorded(connection.interface) {
            return recorded.decide(&opening(connection, direction), time);
        }
        let (first, second, before_all) = self.around(time);
        let Some(first) = first else { return Decision::default() };
        let mut decision = self.decide_between(connection, direction, first, second);
        decision.weak |= before_all;
        if !decision.permits() && first > 0 {
            let since = time - self.observations[first].observed_at.unwrap_or(time);
            if since <= CHANGE_BAND {
                let earlier = self.decide_between(connection, direction, first - 1, Some(first));
                if earlier.permits() {
                    return Decision { weak: true, ..earlier };
                }
            }
        }
        decision
    }

    fn decide_between(
        &self,
        connection: &Connection,
        direction: Direction,
        first: usize,
        second: Option<usize>,
    ) -> Decision {
        let one = decide_at(&self.observations[first], connection, direction);
        match second {
            None => one,
            Some(second) => join(one, decide_at(&self.observations[second], connection, direction)),
        }
    }

    /// Since when, or by when, what was permitted before the connection's time no longer is: the rule was removed, or
    /// the interface left the group.
    #[must_use]
    pub(crate) fn was_permitted_before(
        &self,
        connection: &Connection,
        direction: Direction,
    ) -> Option<Removal> {
        if let Some(recorded) = self.recorded(connection.interface) {
            return recorded.removal(&opening(connection, direction), i64::from(connection.first));
        }
        let (first, ..) = self.around(i64::from(connection.first));
        let earlier = self.observations.get(..first?)?;
        let (at, before) = (0..earlier.len()).rev().find_map(|at| {
            let decision = decide_at(&earlier[at], connection, direction);
            decision.permits().then_some((at, decision))
        })?;
        // It was gone at the latest by the next observation.
        let time = self.observations.get(at + 1).and_then(|o| o.observed_at)?;
        Some(Removal { time, exact: false, rules: before.rules })
    }

    /// How well the configuration explains an opening in `direction`.
    #[must_use]
    pub(crate) fn fit(&self, connection: &Connection, direction: Direction) -> Fit {
        let decision = self.decide(connection, direction);
        if !decision.known || (decision.unresolved && decision.rules.is_empty()) {
            Fit::Unknown
        } else if !decision.permits() {
            Fit::Refused
        } else if decision.rules.iter().any(|&r| self.specific[r as usize]) {
            Fit::Specific
        } else {
            Fit::Broad
        }
    }
}

fn opening(connection: &Connection, direction: Direction) -> Opening {
    let (port, reply_port) = match direction {
        Direction::Inbound => (connection.local_port, connection.remote_port),
        Direction::Outbound => (connection.remote_port, connection.local_port),
    };
    Opening {
        interface: connection.interface,
        direction,
        remote: connection.remote,
        protocol: connection.protocol.0,
        port,
        reply_port,
    }
}

fn decide_at(compiled: &Compiled, connection: &Connection, direction: Direction) -> Decision {
    let interface = connection.interface;
    if !compiled.knows(interface) {
        return Decision::default();
    }
    let protocol = connection.protocol.0;
    let (port, reply_port) = match direction {
        Direction::Inbound => (connection.local_port, connection.remote_port),
        Direction::Outbound => (connection.remote_port, connection.local_port),
    };
    let mut rules = Vec::new();
    let groups = compiled.groups(interface, direction, connection.remote, protocol, port, &mut rules);
    let acl = |direction, port| Some(compiled.acl(interface, direction, connection.remote, protocol, port));
    Decision {
        known: true,
        has_groups: groups != Groups::NotApplicable,
        rules,
        unresolved: groups == Groups::Unresolved,
        weak: false,
        acl_open: acl(direction, port),
        acl_reply: acl(direction.reverse(), reply_port),
    }
}

/// What two neighbouring observations say about the time between them: what both permit held; what only one
/// permits may have.
fn join(one: Decision, two: Decision) -> Decision {
    if !one.known || !two.known {
        let known = if one.known { one } else { two };
        return Decision { weak: known.known, ..known };
    }
    let common: Vec<u32> = one.rules.iter().copied().filter(|r| two.rules.contains(r)).collect();
    let weak = one.rules.is_empty() != two.rules.is_empty();
    let rules = if common.is_empty() {
        let mut all = one.rules;
        all.extend(two.rules);
        all.sort_unstable();
        all.dedup();
        all
    } else {
        common
    };
    let both = |a: Option<AclVerdict>, b: Option<AclVerdict>| match (a, b) {
        (Some(a), Some(b)) => Some(a.both(b)),
        (a, b) => a.or(b),
    };
    Decision {
        known: true,
        has_groups: one.has_groups && two.has_groups,
        rules,
        unresolved: one.unresolved || two.unresolved,
        weak,
        acl_open: both(one.acl_open, two.acl_open),
        acl_reply: both(one.acl_reply, two.acl_reply),
    }
}

fn is_specific(rule: &Rule) -> bool {
    match (rule.protocol, rule.ports) {
        (None, _) => false,
        (Some(Protocol::TCP | Protocol::UDP), None) => false,
        (Some(Protocol::TCP | Protocol::UDP), Some((low, high))) => {
            u32::from(high) - u32::from(low) < SPECIFIC_PORTS
        }
        (Some(_), _) => true,
    }
}
