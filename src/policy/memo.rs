//! Decisions that were made before, each with how far it reaches.
//!
//! Connections come in the order of interfaces and peers, so the same few questions come again and again: a service is
//! asked for by one peer from many ports, a client's own port is refused whatever it is. A fixed number of answers
//! is kept, in small sets by what decides and protocol; within a set the one that was not used for longest goes,
//! approximately (CLOCK: Corbató, "A Paging Experiment with the Multics System", 1968).

use super::evaluate::{Decision, Policy};
use super::scope::{Opening, Scope};
use crate::connection::Fit;

/// Answers in a set.
const WAYS: usize = 8;

/// An answer with all that it depends on.
#[derive(Debug)]
struct Entry {
    /// Subject, direction and protocol; `None` before the first answer.
    key: Option<u64>,
    scope: Scope,
    /// Asked for since the hand last passed.
    used: bool,
    fit: Fit,
    decision: Decision,
}

impl Entry {
    fn answers(&self, key: u64, opening: &Opening, time: i64) -> bool {
        let Scope { remote, port, time: times } = &self.scope;
        self.key == Some(key)
            && port.0 <= opening.port
            && opening.port <= port.1
            && remote.0 <= opening.remote
            && opening.remote <= remote.1
            && times.0 <= time
            && time <= times.1
    }
}

/// See the module's description.
#[derive(Debug)]
pub(super) struct Memo {
    entries: Vec<Entry>,
    /// Where the hand of each set stands.
    hands: Vec<u8>,
    /// The entry that answered last, by direction.
    last: [usize; 2],
}

impl Memo {
    /// Room for eight answers a set. The number of sets is a power of two.
    pub fn new(sets: usize) -> Self {
        let empty = || Entry {
            key: None,
            scope: Scope::around(0),
            used: false,
            fit: Fit::Unknown,
            decision: Decision::default(),
        };
        Self {
            entries: std::iter::repeat_with(empty).take(sets * WAYS).collect(),
            hands: vec![0; sets],
            last: [0; 2],
        }
    }

    /// Finds or makes the decision on an opening, about whose reply nothing is asked; returns its place.
    pub fn find(&mut self, policy: &Policy, opening: &Opening, time: i64) -> usize {
        let subject = u64::from(policy.subject(opening.interface).number());
        let key = subject << 16 | (opening.direction as u64) << 8 | u64::from(opening.protocol);
        let last = self.last[opening.direction as usize];
        if self.entries[last].answers(key, opening, time) {
            return last;
        }
        // Fibonacci hashing: neighbouring subjects lie in different sets.
        let hash = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let set = hash as usize & (self.hands.len() - 1);
        let ways = &mut self.entries[set * WAYS..][..WAYS];
        let way = match ways.iter().position(|entry| entry.answers(key, opening, time)) {
            Some(way) => {
                ways[way].used = true;
                way
            }
            None => {
                let way = spare(ways, &mut self.hands[set]);
                ways[way].fill(policy, key, opening, time);
                way
            }
        };
        let place = set * WAYS + way;
        self.last[opening.direction as usize] = place;
        place
    }

    /// The decision at a place that [`Memo::find`] returned last.
    pub fn decision(&self, place: usize) -> &Decision {
        &self.entries[place].decision
    }

    /// How well it explains the opening.
    pub fn fit(&self, place: usize) -> Fit {
        self.entries[place].fit
    }
}

impl Entry {
    fn fill(&mut self, policy: &Policy, key: u64, opening: &Opening, time: i64) {
        let mut scope = Scope::around(opening.remote);
        let mut spare = std::mem::take(&mut self.decision.rules);
        spare.clear();
        self.decision = policy.decide_opening(opening, time, &mut scope, spare);
        self.fit = policy.fit_of(&self.decision);
        self.scope = scope;
        self.key = Some(key);
        self.used = false;
    }
}

/// The way to give up: the first from the hand on that was not used since the hand passed.
fn spare(ways: &mut [Entry], hand: &mut u8) -> usize {
    loop {
        let way = usize::from(*hand);
        *hand = (*hand + 1) % WAYS as u8;
        if !std::mem::replace(&mut ways[way].used, false) {
            return way;
        }
    }
}
