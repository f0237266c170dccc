//! What the judge says of connections, as numbers: it says the same of many.

use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::{HashMap, HashTable};

use super::ConnectionRow;

/// Words of a meaning.
const WORDS: usize = 6;

/// Places of the words.
pub(super) const DIRECTION: usize = 0;
pub(super) const EVIDENCE: usize = 1;
pub(super) const STRENGTH: usize = 2;
pub(super) const VERDICT: usize = 3;
pub(super) const REASON: usize = 4;
pub(super) const BLOCKED_REPLY: usize = 5;

/// What is said of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Meaning {
    pub words: [Option<&'static str>; WORDS],
    pub accepted: bool,
    /// Numbers of rules.
    pub rules: Box<[u32]>,
}

/// All meanings of a run, each once.
#[derive(Clone, Debug, Default)]
pub struct Meanings {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    meanings: Vec<Arc<Meaning>>,
    numbers: HashMap<Arc<Meaning>, u32>,
}

impl Meanings {
    /// All that there are so far.
    pub(super) fn all(&self) -> Vec<Arc<Meaning>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).meanings.clone()
    }

    fn number(&self, meaning: &Meaning) -> u32 {
        let mut guard = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let Shared { meanings, numbers } = &mut *guard;
        if let Some(number) = numbers.get(meaning) {
            return *number;
        }
        let (number, meaning) = (meanings.len() as u32, Arc::new(meaning.clone()));
        meanings.push(Arc::clone(&meaning));
        numbers.insert(meaning, number);
        number
    }
}

/// The meanings that one thread has met.
#[derive(Debug, Default)]
pub(super) struct Met {
    all: Meanings,
    known: HashTable<(u64, u32, Meaning)>,
    hasher: foldhash::fast::FixedState,
}

impl Met {
    pub fn of(all: &Meanings) -> Self {
        Self { all: all.clone(), ..Self::default() }
    }

    /// The number of what is said of a connection.
    pub fn number(&mut self, row: &ConnectionRow<'_>) -> u32 {
        let words = words(row);
        let hash = self.hash(&words, row);
        let Self { all, known, .. } = self;
        let same = |(of, _, meaning): &(u64, u32, Meaning)| {
            *of == hash
                && meaning.accepted == row.accepted
                && *meaning.rules == *row.rules
                && meaning.words.iter().zip(&words).all(|(known, word)| are_one(*known, *word))
        };
        if let Some((_, number, _)) = known.find(hash, same) {
            return *number;
        }
        let meaning = Meaning { words, accepted: row.accepted, rules: Box::from(&*row.rules) };
        let number = all.number(&meaning);
        known.insert_unique(hash, (hash, number, meaning), |(hash, ..)| *hash);
        number
    }

    /// Of words their places in memory: the few that there are lie where they lie. The same word at two places is met twice,
    /// and has one number nevertheless.
    fn hash(&self, words: &[Option<&'static str>; WORDS], row: &ConnectionRow<'_>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        for word in words {
            hasher.write_usize(word.map_or(0, |word| word.as_ptr().addr() ^ word.len()));
        }
        hasher.write_u8(row.accepted.into());
        row.rules.iter().for_each(|rule| hasher.write_u32(*rule));
        hasher.finish()
    }
}

/// Whether two words are the same at the same place.
fn are_one(a: Option<&'static str>, b: Option<&'static str>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => std::ptr::eq(a, b),
        (a, b) => a.is_none() && b.is_none(),
    }
}

fn words(row: &ConnectionRow<'_>) -> [Option<&'static str>; WORDS] {
    let mut words = [None; WORDS];
    words[DIRECTION] = row.direction;
    words[EVIDENCE] = Some(row.evidence);
    words[STRENGTH] = Some(row.strength);
    words[VERDICT] = Some(row.verdict);
    words[REASON] = Some(row.reason);
    words[BLOCKED_REPLY] = row.blocked_reply;
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_give_the_same_number_to_the_same_meaning() {
        let all = Meanings::default();
        let [mut one, mut other] = [Met::of(&all), Met::of(&all)];
        let row = |verdict, rules: &'static [u32]| ConnectionRow {
            verdict,
            rules: rules.into(),
            ..ConnectionRow::default()
        };
        let rows =
            [row("permitted", &[1]), row("permitted", &[1, 2]), row("rejected", &[]), row("rejected", &[])];
        let numbers = rows.each_ref().map(|row| one.number(row));
        assert_eq!(numbers, [0, 1, 2, 2]);
        let mut backwards: Vec<u32> = rows.iter().rev().map(|row| other.number(row)).collect();
        backwards.reverse();
        assert_eq!(backwards, numbers);
        // Text from elsewhere that says the same.
        let elsewhere: &'static str = String::from("permitted").leak();
        assert_eq!(one.number(&row(elsewhere, &[1])), 0);
        assert_eq!(all.all().len(), 3);
        assert_eq!(*all.all()[1].rules, [1, 2]);
    }
}
