//! Decisions as of a time.

use hashbrown::HashMap;

use super::acl::AclVerdict;
use super::compile::{Compiled, Groups, Place, RuleBook};
use super::recorded::{Recorded, Removal};
use super::scope::{Opening, Scope};
use super::tracking::Tracker;
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
    /// The network ACL's word on the reply; `None` also where a verdict did not depend on it.
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
    traits: Vec<Traits>,
    observations: Vec<Compiled>,
    /// All of time, in order.
    spans: Vec<Span>,
    /// By number in the run: what decides on an interface's traffic.
    subjects: Vec<Subject>,
    /// By posture, then observation; see [`Subject`].
    places: Vec<Option<Place>>,
    /// In place of the observations, for interfaces that AWS Config has something to say about.
    recorded: Option<Recorded>,
    /// By number in the run.
    trackers: Vec<Tracker>,
}

/// Equal for interfaces on whose traffic the same decides. The number of a posture: of the same security groups,
/// network ACL and subnet in every observation. Or, with [`Subject::RECORDED`], that of an interface with a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subject(u32);

impl Subject {
    const RECORDED: u32 = 1 << 31;

    pub fn number(self) -> u32 {
        self.0
    }
}

/// What is asked of a rule that permits.
#[derive(Clone, Copy, Debug)]
struct Traits {
    /// It was made for a particular service.
    specific: bool,
    /// It certainly permits what it matched, whatever its ICMP type.
    sure: bool,
}

/// A stretch of time for which the same observations speak.
#[derive(Clone, Copy, Debug)]
struct Span {
    /// Unix seconds; it ends where the next begins.
    from: i64,
    /// The observation before, or the only one there is.
    first: Option<usize>,
    /// The observation after.
    second: Option<usize>,
    /// It lies before everything that was observed.
    before_all: bool,
    /// `first` was made so shortly before that what held before it still explains.
    fresh: bool,
}

impl Policy {
    /// Compiles. `interfaces` are the ids of the run, in the order of their numbers.
    #[must_use]
    pub fn new(timeline: &Timeline, interfaces: &[String]) -> Self {
        let mut book = RuleBook::default();
        let recorded =
            (!timeline.history().is_empty()).then(|| Recorded::new(timeline, interfaces, &mut book));
        let mut compile = |interfaces: &[String]| -> Vec<(Compiled, Vec<Option<Place>>)> {
            let all = timeline.observations();
            let near = |at: usize| [at.checked_sub(1).map(|before| &all[before]), all.get(at + 1)];
            let each = all.iter().enumerate();
            each.map(|(at, one)| Compiled::new(one, near(at), interfaces, &mut book)).collect()
        };
        let compiled = match &recorded {
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
        let traits = |rule: &Rule| Traits {
            specific: is_specific(rule),
            sure: rule.icmp.is_none_or(|(kind, _)| kind < 0),
        };
        let traits = book.rules().iter().map(traits).collect();
        let (observations, of_interface): (Vec<_>, Vec<_>) = compiled.into_iter().unzip();
        let mut postures: HashMap<Vec<Option<Place>>, u32> = HashMap::new();
        let mut places = Vec::new();
        let subject = |interface: u32| {
            if recorded.as_ref().is_some_and(|recorded| recorded.concerns(interface)) {
                return Subject(Subject::RECORDED | interface);
            }
            let posture: Vec<Option<Place>> =
                of_interface.iter().map(|places: &Vec<_>| places[interface as usize]).collect();
            let next = u32::try_from(postures.len()).unwrap_or(u32::MAX);
            Subject(*postures.entry(posture).or_insert_with_key(|posture| {
                places.extend_from_slice(posture);
                next
            }))
        };
        let subjects = (0..).zip(interfaces).map(|(number, _)| number).map(subject).collect();
        let spans = spans(&observations);
        let trackers = interfaces.iter().map(|id| Tracker::of(id, timeline)).collect();
        Self { book, traits, observations, spans, subjects, places, recorded, trackers }
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
        rules.iter().any(|&r| self.traits.get(r as usize).is_some_and(|t| t.sure))
    }

    /// True when any observation has the interface.
    #[must_use]
    pub fn knows(&self, interface: u32) -> bool {
        match self.recorded(interface) {
            Some(recorded) => recorded.knows(interface),
            None => {
                let mut places = (0..self.observations.len()).filter_map(|at| self.place(interface, at));
                places.any(|place| !place.borrowed)
            }
        }
    }

    fn recorded(&self, interface: u32) -> Option<&Recorded> {
        if self.subject(interface).0 & Subject::RECORDED == 0 { None } else { self.recorded.as_ref() }
    }

    pub(super) fn tracker(&self, interface: u32) -> Tracker {
        self.trackers[interface as usize]
    }

    /// The rules that would permit an opening at a time, were their peers known. Each of a group whose rules are not
    /// known is missing.
    pub(super) fn unresolved_rules(&self, opening: &Opening, time: i64) -> Vec<u32> {
        let mut rules = Vec::new();
        match self.recorded(opening.interface) {
            Some(recorded) => recorded.unresolved(opening, time, &mut rules),
            None => {
                let (span, _) = self.around(time);
                for at in [span.first, span.second].into_iter().flatten() {
                    if let Some(place) = self.place(opening.interface, at) {
                        self.observations[at].unresolved(place, opening, &mut rules);
                    }
                }
            }
        }
        rules.sort_unstable();
        rules.dedup();
        rules
    }

    pub(super) fn subject(&self, interface: u32) -> Subject {
        self.subjects[interface as usize]
    }

    /// Where an interface that nothing recorded concerns is in an observation, or in one beside it; `None` if in none
    /// of them.
    fn place(&self, interface: u32, observation: usize) -> Option<Place> {
        self.places[self.subject(interface).0 as usize * self.observations.len() + observation]
    }

    /// The observations that speak for a time, and the last second for which they do.
    fn around(&self, time: i64) -> (Span, i64) {
        let after = match self.spans.as_slice() {
            [_] => 1,
            spans => spans.partition_point(|span| span.from <= time),
        };
        let last = self.spans.get(after).map_or(i64::MAX, |next| next.from - 1);
        (self.spans[after - 1], last)
    }

    /// The decision on an opening in `direction`, as of the connection's start.
    #[must_use]
    pub fn decide(&self, connection: &Connection, direction: Direction) -> Decision {
        let opening = Opening::with_reply(connection, direction);
        let mut scope = Scope::around(opening.remote);
        self.decide_opening(&opening, i64::from(connection.first), &mut scope, Vec::new())
    }

    /// The decision as of a time; `scope` is narrowed to where it holds. `spare` is an empty list to put rules in.
    pub(super) fn decide_opening(
        &self,
        opening: &Opening,
        time: i64,
        scope: &mut Scope,
        spare: Vec<u32>,
    ) -> Decision {
        if let Some(recorded) = self.recorded(opening.interface) {
            return recorded.decide(opening, time, scope, spare);
        }
        let (span, last) = self.around(time);
        scope.within((span.from, last));
        let Some(first) = span.first else { return Decision::default() };
        let mut decision = self.decide_between(opening, first, span.second, scope, spare);
        decision.weak |= span.before_all;
        if span.fresh && !decision.permits() {
            let earlier = self.decide_between(opening, first - 1, Some(first), scope, Vec::new());
            if earlier.permits() {
                return Decision { weak: true, ..earlier };
            }
        }
        decision
    }

    #[inline]
    fn decide_between(
        &self,
        opening: &Opening,
        first: usize,
        second: Option<usize>,
        scope: &mut Scope,
        spare: Vec<u32>,
    ) -> Decision {
        let one = self.decide_at(opening, first, scope, spare);
        match second {
            None if !one.known => Decision::default(),
            None => one,
            Some(second) => join(one, self.decide_at(opening, second, scope, Vec::new())),
        }
    }

    #[inline]
    fn decide_at(
        &self,
        opening: &Opening,
        observation: usize,
        scope: &mut Scope,
        mut rules: Vec<u32>,
    ) -> Decision {
        let Some(place) = self.place(opening.interface, observation) else {
            return Decision { rules, ..Decision::default() };
        };
        let compiled = &self.observations[observation];
        let groups = compiled.groups(place, opening, scope, &mut rules);
        let (acl_open, acl_reply) = compiled.acl(place, opening, scope);
        Decision {
            known: !place.borrowed,
            has_groups: groups != Groups::NotApplicable,
            rules,
            unresolved: groups == Groups::Unresolved,
            weak: false,
            acl_open: Some(acl_open),
            acl_reply,
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
        let time = i64::from(connection.first);
        let opening = Opening::of(connection, direction);
        if let Some(recorded) = self.recorded(connection.interface) {
            return recorded.removal(&opening, time);
        }
        let earlier = self.around(time).0.first?;
        let mut scope = Scope::around(opening.remote);
        let (at, before) = (0..earlier).rev().find_map(|at| {
            let decision = self.decide_at(&opening, at, &mut scope, Vec::new());
            decision.permits().then_some((at, decision))
        })?;
        // It was gone at the latest by the next observation.
        let time = self.observations.get(at + 1).and_then(|o| o.observed_at)?;
        Some(Removal { time, exact: false, rules: before.rules })
    }

    /// How well the configuration explains that a connection was opened in `direction`. For more than one answer see
    /// [`Judge::fit`](super::Judge::fit).
    #[must_use]
    pub fn fit(&self, connection: &Connection, direction: Direction) -> Fit {
        self.fit_of(&self.decide(connection, direction))
    }

    /// How well a decision explains an opening.
    pub(super) fn fit_of(&self, decision: &Decision) -> Fit {
        if !decision.known || (decision.unresolved && decision.rules.is_empty()) {
            Fit::Unknown
        } else if !decision.permits() {
            Fit::Refused
        } else if decision.rules.iter().any(|&r| self.traits[r as usize].specific) {
            Fit::Specific
        } else {
            Fit::Broad
        }
    }
}

/// Which observations speak for which time: the one before and the one after, or the only one there is.
fn spans(observations: &[Compiled]) -> Vec<Span> {
    let at = |o: &Compiled| o.observed_at.unwrap_or(i64::MAX);
    let span = |from: i64| {
        let (first, second, before_all) = match observations.iter().rposition(|o| at(o) <= from) {
            Some(i) if i + 1 < observations.len() => (Some(i), Some(i + 1), false),
            Some(i) => (Some(i), None, false),
            None => {
                // A single undated inventory is taken to hold throughout; a dated one says nothing about before.
                let before_all = observations.first().is_some_and(|o| o.observed_at.is_some());
                ((!observations.is_empty()).then_some(0), None, before_all)
            }
        };
        let since = |first: usize| from - observations[first].observed_at.unwrap_or(from);
        let fresh = first.is_some_and(|first| first > 0 && since(first) <= CHANGE_BAND);
        Span { from, first, second, before_all, fresh }
    };
    let dated = observations.iter().filter_map(|o| o.observed_at);
    let mut starts: Vec<i64> =
        dated.flat_map(|time| [time, time.saturating_add(CHANGE_BAND + 1)]).chain([i64::MIN]).collect();
    starts.sort_unstable();
    starts.dedup();
    // No time is that late.
    starts.retain(|start| *start < i64::MAX);
    starts.into_iter().map(span).collect()
}

/// What two neighbouring observations say about the time between them: what both permit held; what only one
/// permits may have.
fn join(one: Decision, two: Decision) -> Decision {
    if !one.known || !two.known {
        let (known, other) = if one.known { (one, two) } else { (two, one) };
        if !known.known {
            return Decision::default();
        }
        // It came or went in between, and so may the rules: it may have met those of either observation.
        let other = Decision { known: true, ..other };
        let met = if !known.permits() && other.permits() { other } else { known };
        return Decision { weak: true, ..met };
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
