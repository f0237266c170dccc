//! Runs that were spilled and merged, against sums in one map.

use std::collections::BTreeMap;

use super::super::merge::Merge;
use super::*;

type Key = (u128, u128);

#[derive(Clone, Copy, Debug, PartialEq)]
struct Count(Key, u64);

impl Part for Count {
    type Key = Key;
    const BYTES: usize = 40;

    fn key(&self) -> Key {
        self.0
    }

    fn day(&self) -> u32 {
        (self.0.0 >> 112) as u32
    }

    fn add(&mut self, other: &Self) -> bool {
        self.1 += other.1;
        true
    }

    fn write(&self, out: &mut Vec<u8>) {
        let Self((a, b), count) = *self;
        write_words(&[(a >> 64) as u64, a as u64, (b >> 64) as u64, b as u64, count], out);
    }

    fn read(bytes: &[u8]) -> Self {
        let [a, b, c, d, count] = read_words(bytes);
        Self((u128::from(a) << 64 | u128::from(b), u128::from(c) << 64 | u128::from(d)), count)
    }
}

/// Numbers that follow from the last one.
fn step(number: &mut u64) -> u64 {
    *number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *number >> 33
}

/// Pushes the same parts to some threads and tells what each day comes to, and how many parts had to wait on disk.
fn summed(rooms: usize, threads: usize, keys: u64) -> (BTreeMap<u32, Vec<Count>>, usize) {
    let directory = tempfile::tempdir().unwrap();
    let room = Room::new(rooms, directory.path());
    let mut all: Vec<Runs<Count>> = (0..threads).map(|_| Runs::new()).collect();
    let mut number = 7;
    for at in 0..400_000 {
        let (day, key) = (u128::from(step(&mut number) % 3 + 20_000), u128::from(step(&mut number) % keys));
        let part = Count((day << 112 | key << 64 | key, u128::MAX - key), step(&mut number) % 5);
        all[at * 31 % threads].push(part, &room).unwrap();
    }
    all.iter_mut().for_each(Runs::settle);
    let mut days = BTreeSet::new();
    all.iter().for_each(|runs| runs.days(&mut days));
    let of_day = |day: u32| {
        let mut merge = Merge::new(all.iter(), day, &room).unwrap();
        (day, std::iter::from_fn(|| merge.next().unwrap()).collect())
    };
    let spilled = all.iter().flat_map(|runs| &runs.spilled).flat_map(|spilled| &spilled.sections);
    let spilled = spilled.map(|section| section.parts).sum();
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "files have no names");
    (days.into_iter().map(of_day).collect(), spilled)
}

#[test]
fn sums_depend_on_neither_threads_nor_memory() {
    for keys in [100, 150_000] {
        let mut expected: BTreeMap<u32, BTreeMap<Key, u64>> = BTreeMap::new();
        let mut number = 7;
        for _ in 0..400_000 {
            let (day, key) = (step(&mut number) % 3 + 20_000, u128::from(step(&mut number) % keys));
            let key = (u128::from(day) << 112 | key << 64 | key, u128::MAX - key);
            *expected.entry(day as u32).or_default().entry(key).or_default() += step(&mut number) % 5;
        }
        let counts =
            |sums: &BTreeMap<Key, u64>| sums.iter().map(|(k, n)| Count(*k, *n)).collect::<Vec<Count>>();
        let expected: BTreeMap<u32, Vec<Count>> =
            expected.iter().map(|(day, sums)| (*day, counts(sums))).collect();
        for (room, threads) in [(usize::MAX, 1), (usize::MAX, 3), (0, 1), (0, 2), (5 << 20, 1), (5 << 20, 2)]
        {
            let (told, spilled) = summed(room, threads, keys);
            assert!(told == expected, "{keys} keys, {room} bytes, {threads} threads");
            // Few keys are added up where they are; with some room some go to disk, and some don't.
            assert_eq!(spilled > 0, keys > 100 && room != usize::MAX, "{spilled}");
            assert!(spilled < 400_000);
        }
    }
}

#[test]
fn a_disk_that_takes_nothing_is_an_error() {
    let room = Room::new(0, Path::new("/nowhere/at/all"));
    let mut runs = Runs::new();
    let pushed = (0..BUFFER as u128).try_for_each(|key| runs.push(Count((key, 0), 1), &room));
    assert!(pushed.unwrap_err().to_string().starts_with("/nowhere/at/all: "));
}
