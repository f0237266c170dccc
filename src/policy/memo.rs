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

/// Which questions an answer is for: a [`Scope`] for one subject, direction and protocol, in 64 bytes.
#[derive(Clone, Copy, Debug)]
struct Reach {
    remote: (u128, u128),
    /// Subject, direction and protocol; [`NOTHING`] before the first answer.
    key: u64,
    time: (u32, u32),
    port: (u16, u16),
    /// Asked for since the hand last passed.
    used: bool,
}

/// No subject, direction and protocol.
const NOTHING: u64 = u64::MAX;

impl Reach {
    fn new(key: u64, scope: &Scope) -> Self {
        // Connections have times of 32 bits.
        let time = |at: i64| u32::try_from(at.max(0)).unwrap_or(u32::MAX);
        let Scope { remote, port, time: (from, to) } = *scope;
        Self { remote, key, time: (time(from), time(to)), port, used: false }
    }

    fn answers(&self, key: u64, opening: &Opening, time: u32) -> bool {
        self.key == key
            && self.port.0 <= opening.port
            && opening.port <= self.port.1
            && self.remote.0 <= opening.remote
            && opening.remote <= self.remote.1
            && self.time.0 <= time
            && time <= self.time.1
    }
}

#[derive(Debug, Default)]
struct Answer {
    decision: Decision,
    fit: Option<Fit>,
}

/// See the module's description.
#[derive(Debug)]
pub(super) struct Memo {
    reaches: Vec<Reach>,
    /// To each reach.
    answers: Vec<Answer>,
    /// Where the hand of each set stands.
    hands: Vec<u8>,
    /// The entry that answered last, by direction.
    last: [usize; 2],
}

impl Memo {
    /// Room for eight answers a set. The number of sets is a power of two.
    pub fn new(sets: usize) -> Self {
        let nothing = Reach::new(NOTHING, &Scope::around(0));
        Self {
            reaches: vec![nothing; sets * WAYS],
            answers: std::iter::repeat_with(Answer::default).take(sets * WAYS).collect(),
            hands: vec![0; sets],
            last: [0; 2],
        }
    }

    /// Finds or makes the decision on an opening, about whose reply nothing is asked; returns its place.
    pub fn find(&mut self, policy: &Policy, opening: &Opening, time: u32) -> usize {
        let subject = u64::from(policy.subject(opening.interface).number());
        let key = subject << 16 | (opening.direction as u64) << 8 | u64::from(opening.protocol);
        let last = self.last[opening.direction as usize];
        if self.reaches[last].answers(key, opening, time) {
            return last;
        }
        // Fibonacci hashing: neighbouring subjects lie in different sets.
        let hash = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let set = hash as usize & (self.hands.len() - 1);
        let ways = &mut self.reaches[set * WAYS..][..WAYS];
        let place = match ways.iter().position(|reach| reach.answers(key, opening, time)) {
            Some(way) => {
                ways[way].used = true;
                set * WAYS + way
            }
            None => {
                let place = set * WAYS + spare(ways, &mut self.hands[set]);
                let scope = self.answers[place].make(policy, opening, time);
                self.reaches[place] = Reach::new(key, &scope);
                place
            }
        };
        self.last[opening.direction as usize] = place;
        place
    }

    /// The decision at a place that [`Memo::find`] returned last.
    pub fn decision(&self, place: usize) -> &Decision {
        &self.answers[place].decision
    }

    /// How well it explains the opening.
    pub fn fit(&mut self, policy: &Policy, place: usize) -> Fit {
        let Answer { decision, fit } = &mut self.answers[place];
        *fit.get_or_insert_with(|| policy.fit_of(decision))
    }
}

impl Answer {
    /// Takes the place of an older answer, and its list.
    fn make(&mut self, policy: &Policy, opening: &Opening, time: u32) -> Scope {
        let mut scope = Scope::around(opening.remote);
        let mut spare = std::mem::take(&mut self.decision.rules);
        spare.clear();
        self.decision = policy.decide_opening(opening, i64::from(time), &mut scope, spare);
        self.fit = None;
        scope
    }
}

/// The way to give up: the first from the hand on that was not used since the hand passed.
fn spare(ways: &mut [Reach], hand: &mut u8) -> usize {
    loop {
        let way = usize::from(*hand);
        *hand = (*hand + 1) % WAYS as u8;
        if !std::mem::replace(&mut ways[way].used, false) {
            return way;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reach_fits_a_cache_line() {
        assert_eq!(size_of::<Reach>(), 64);
    }
}
