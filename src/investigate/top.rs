//! Sums by key, of any number of keys in bounded memory.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::traffic::Traffic;

/// Sums by key. Exact up to a number of keys; beyond it the small ones are let go of, and it is said.
#[derive(Clone, Debug)]
pub(super) struct Top<K> {
    sums: BTreeMap<K, Traffic>,
    most: usize,
    trimmed: bool,
}

/// The keys that come first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranked<K> {
    /// Those with the most connections first; of several the one with the most bytes, then the smallest key.
    pub by_connections: Vec<(K, Traffic)>,
    /// Those with the most bytes first.
    pub by_bytes: Vec<(K, Traffic)>,
    /// How many there are.
    pub distinct: u64,
    /// There were more than memory is for: there are at least as many, and those shown may have had more.
    pub approximate: bool,
}

impl<K: Ord + Clone> Top<K> {
    /// Holds up to twice this many keys.
    pub fn new(most: usize) -> Self {
        Self { sums: BTreeMap::new(), most: most.max(1), trimmed: false }
    }

    pub fn of(&mut self, key: K) -> &mut Traffic {
        self.sums.entry(key).or_default()
    }

    /// Adds to the sums of a key that is made only when it is new.
    pub fn add<Q>(&mut self, key: &Q, add: impl FnOnce(&mut Traffic))
    where
        K: std::borrow::Borrow<Q> + for<'q> From<&'q Q>,
        Q: Ord + ?Sized,
    {
        if let Some(sum) = self.sums.get_mut(key) {
            add(sum);
        } else {
            add(self.sums.entry(K::from(key)).or_default());
        }
    }

    /// Adds the sums of another. Always in the same order, so that what is let go of is always the same.
    pub fn merge(&mut self, other: Self) {
        self.trimmed |= other.trimmed;
        for (key, sum) in other.sums {
            self.sums.entry(key).or_default().merge(&sum);
        }
        if self.sums.len() > 2 * self.most {
            self.trim();
        }
    }

    /// Keeps those with the most connections, and those with the most bytes.
    fn trim(&mut self) {
        self.trimmed = true;
        let kept = |rank: &dyn Fn(&Traffic) -> (u64, u64), most: usize, sums: &BTreeMap<K, Traffic>| {
            let mut all: Vec<(Reverse<(u64, u64)>, &K)> =
                sums.iter().map(|(key, sum)| (Reverse(rank(sum)), key)).collect();
            all.sort_unstable();
            all.into_iter().take(most).map(|(_, key)| key.clone()).collect::<Vec<K>>()
        };
        let mut keep = kept(&by_connections, self.most - self.most / 4, &self.sums);
        keep.extend(kept(&by_bytes, self.most / 4, &self.sums));
        keep.sort_unstable();
        self.sums.retain(|key, _| keep.binary_search(key).is_ok());
    }

    pub fn get<Q>(&self, key: &Q) -> Option<&Traffic>
    where
        K: std::borrow::Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.sums.get(key)
    }

    pub fn each(&self) -> impl Iterator<Item = (&K, &Traffic)> {
        self.sums.iter()
    }

    pub fn ranked(&self, shown: usize) -> Ranked<K> {
        let best = |rank: &dyn Fn(&Traffic) -> (u64, u64)| {
            let mut all: Vec<(Reverse<(u64, u64)>, &K)> =
                self.sums.iter().map(|(key, sum)| (Reverse(rank(sum)), key)).collect();
            all.sort_unstable();
            all.truncate(shown);
            all.into_iter().filter_map(|(_, key)| Some((key.clone(), *self.sums.get(key)?))).collect()
        };
        Ranked {
            by_connections: best(&by_connections),
            by_bytes: best(&by_bytes),
            distinct: self.sums.len() as u64,
            approximate: self.trimmed,
        }
    }
}

fn by_connections(sum: &Traffic) -> (u64, u64) {
    (sum.connections, sum.all_bytes())
}

fn by_bytes(sum: &Traffic) -> (u64, u64) {
    (sum.all_bytes(), sum.connections)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(connections: u64, bytes: u64) -> Traffic {
        Traffic { connections, bytes: [bytes, 0], ..Traffic::default() }
    }

    fn part(range: std::ops::Range<u32>) -> Top<u32> {
        let mut part = Top::new(8);
        range.for_each(|key| *part.of(key) = sum(u64::from(key), u64::from(1000 - key)));
        part
    }

    #[test]
    fn few_keys_are_exact() {
        let mut top = part(0..4);
        top.merge(part(2..6));
        let ranked = top.ranked(2);
        assert!(!ranked.approximate);
        assert_eq!(ranked.distinct, 6);
        assert_eq!(ranked.by_connections, [(3, sum(6, 1994)), (5, sum(5, 995))]);
        assert_eq!(ranked.by_bytes, [(2, sum(4, 1996)), (3, sum(6, 1994))]);
    }

    #[test]
    fn of_too_many_the_greatest_stay_and_it_is_said() {
        let mut top = part(0..1);
        for from in [0, 30, 60] {
            top.merge(part(from..from + 30));
        }
        assert!(top.each().count() <= 16);
        let ranked = top.ranked(3);
        assert!(ranked.approximate && ranked.distinct < 90);
        let keys: Vec<u32> = ranked.by_connections.iter().map(|(key, _)| *key).collect();
        assert_eq!(keys, [89, 88, 87]);
        assert_eq!(ranked.by_bytes[0].0, 0, "those with the most bytes stay, too");
    }

    #[test]
    fn a_borrowed_key_is_the_same() {
        let mut top: Top<String> = Top::new(4);
        top.add("a", |sum| sum.connections += 1);
        top.add("a", |sum| sum.connections += 1);
        assert_eq!(top.ranked(1).by_connections[0].1.connections, 2);
    }
}
