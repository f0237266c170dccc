//! Service fan-in: how many tuples meet at an endpoint.
//!
//! A service's (address, port) is met by many (peer, port); a client's is met by one. Meetings are gathered as hashes of
//! endpoints, spread over shelves that go to disk when they are too many; then each shelf is sorted and counted. What is
//! kept are the endpoints that two tuples or more meet at: every other one counts as one. Should these be more than
//! [`MOST`], only those with at least 4 count, or 8, and so on, until few enough are left: services are the last to go.
//! The bound does not depend on the memory there is, since decisions depend on the counts.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::record::Endpoint;
use super::shelf::Room;
use super::spill::{Chunk, SpillError, SpillFile};

/// Shelves that meetings are spread over.
pub(crate) const SHELVES: usize = 256;

/// Endpoints whose counts are kept, at 24 bytes each.
const MOST: usize = 2 << 20;

/// Bits of an entry that hold the count; the others are the endpoint's hash. Of a million endpoints one in a hundred
/// million looks like another.
const COUNT: u64 = 0xffff;

/// The hash of an endpoint. Endpoints of different VPCs are kept apart by `scope`.
fn hash(scope: u64, end: &Endpoint, protocol: u8) -> u64 {
    let mut hash =
        scope ^ (u64::from(end.port) << 16 | u64::from(protocol)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for part in [(end.packet >> 64) as u64, end.packet as u64] {
        hash = (hash ^ part).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash ^= hash >> 32;
    }
    // All bits depend on all: shelves take the upper ones, places in the table the middle ones.
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 29)
}

/// Meetings, gathered by any number of threads.
#[derive(Debug)]
pub(crate) struct Meetings {
    shelves: Vec<Mutex<Shelf>>,
    /// Bytes in memory.
    held: AtomicUsize,
    room: Room,
    file: Mutex<Option<SpillFile>>,
    counted: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Shelf {
    hashes: Vec<u64>,
    spilled: Vec<Chunk>,
}

/// Entries: hash and count of endpoints that at least `least` tuples meet at.
#[derive(Debug)]
struct Counted {
    entries: Vec<u64>,
    least: u64,
    most: usize,
}

impl Counted {
    fn take(&mut self, entries: &[u64]) {
        self.entries.extend(entries.iter().filter(|entry| *entry & COUNT >= self.least));
        while self.entries.len() > self.most {
            // Whatever came first: there would be too many in the end, too.
            self.least *= 2;
            let least = self.least;
            self.entries.retain(|entry| entry & COUNT >= least);
        }
    }
}

/// The meetings of one partition. Used again and again.
#[derive(Debug, Default)]
pub(crate) struct Met(Vec<u64>);

impl Met {
    /// One more tuple at this endpoint.
    pub fn add(&mut self, scope: u64, end: &Endpoint, protocol: u8) {
        self.0.push(hash(scope, end, protocol));
    }
}

impl Meetings {
    /// None yet; `room` for those that wait.
    pub fn new(room: Room) -> Self {
        Self::with_most(room, MOST)
    }

    fn with_most(room: Room, most: usize) -> Self {
        Self {
            shelves: (0..SHELVES).map(|_| Mutex::default()).collect(),
            held: AtomicUsize::new(0),
            room,
            file: Mutex::default(),
            counted: Mutex::new(Counted { entries: Vec::new(), least: 2, most }),
        }
    }

    /// Takes the meetings of a partition, and leaves none.
    pub fn gather(&self, met: &mut Met) -> Result<(), SpillError> {
        met.0.sort_unstable();
        for of_shelf in met.0.chunk_by(|a, b| a >> 56 == b >> 56) {
            let mut shelf = lock(&self.shelves[(of_shelf[0] >> 56) as usize]);
            shelf.hashes.extend_from_slice(of_shelf);
            let held = self.held.fetch_add(size_of_val(of_shelf), Ordering::Relaxed);
            if held > self.room.bytes {
                self.spill(&mut shelf)?;
            }
        }
        met.0.clear();
        Ok(())
    }

    fn spill(&self, shelf: &mut Shelf) -> Result<(), SpillError> {
        let mut file = lock(&self.file);
        let file = match &mut *file {
            Some(file) => file,
            empty => empty.insert(SpillFile::create(&self.room.directory)?),
        };
        shelf.spilled.push(file.append(&shelf.hashes)?);
        self.held.fetch_sub(size_of_val(&shelf.hashes[..]), Ordering::Relaxed);
        shelf.hashes = Vec::new();
        Ok(())
    }

    /// Counts one of the [`SHELVES`], once all are filled.
    pub fn count(&self, shelf: usize) -> Result<(), SpillError> {
        let Shelf { mut hashes, spilled } = std::mem::take(&mut *lock(&self.shelves[shelf]));
        if let Some(file) = &*lock(&self.file) {
            for chunk in &spilled {
                file.read(chunk, |hash: u64| hashes.push(hash))?;
            }
        }
        hashes.sort_unstable();
        let several = hashes.chunk_by(|a, b| a == b).filter(|run| run.len() > 1);
        let entries: Vec<u64> =
            several.map(|run| (run[0] & !COUNT) | (run.len() as u64).min(COUNT)).collect();
        lock(&self.counted).take(&entries);
        Ok(())
    }

    /// The counts.
    pub fn finish(self) -> FanIn {
        let Counted { entries, least, .. } =
            self.counted.into_inner().unwrap_or_else(PoisonError::into_inner);
        // A third to two thirds are taken: a table of twice the size would be twice as far away.
        let places = (entries.len() / 2 * 3).next_power_of_two().max(2);
        // One bit in 8 to 16 is set.
        let words = (entries.len() / 8).next_power_of_two();
        let mut fan = FanIn {
            table: vec![0; places],
            shift: 64 - places.trailing_zeros(),
            some: vec![0; words],
            least,
        };
        for entry in entries {
            fan.insert(entry);
        }
        fan
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts of tuples per endpoint: open addressing, entries as in [`Counted`], 0 for an empty place.
#[derive(Debug)]
pub(crate) struct FanIn {
    table: Vec<u64>,
    shift: u32,
    /// A bit for every entry, which some share. Most endpoints that are asked for are those of clients and have none: for
    /// them this is enough, and it is a sixteenth of the table or less. A power of two of words.
    some: Vec<u64>,
    least: u64,
}

impl FanIn {
    /// Endpoints that fewer tuples meet at count as met by one; `None` if that is only what it is, and all are exact.
    pub fn coarser_than(&self) -> Option<u64> {
        (self.least > 2).then_some(self.least)
    }

    fn places(&self, hash: u64) -> impl Iterator<Item = usize> + use<> {
        let first = (hash >> self.shift) as usize;
        let places = self.table.len();
        (0..places).map(move |step| (first + step) & (places - 1))
    }

    /// Word and bit of an endpoint: other bits of its hash than those of the count and of the place.
    #[inline]
    fn bit(&self, hash: u64) -> (usize, u32) {
        ((hash >> 22) as usize & (self.some.len() - 1), (hash >> 16) as u32 & 63)
    }

    fn insert(&mut self, entry: u64) {
        let (word, bit) = self.bit(entry);
        self.some[word] |= 1 << bit;
        for place in self.places(entry) {
            let there = self.table[place];
            if there == 0 {
                self.table[place] = entry;
                return;
            }
            if there & !COUNT == entry & !COUNT {
                self.table[place] = there.max(entry);
                return;
            }
        }
    }

    /// What an endpoint is asked for by.
    #[inline]
    pub fn question(scope: u64, end: &Endpoint, protocol: u8) -> Question {
        Question(hash(scope, end, protocol))
    }

    /// Asks for endpoints without looking at the answers, so that nobody waits for them: the table is larger than caches are,
    /// and of many questions one after the other the answers are fetched at the same time. First the bits of all, then the
    /// places of all, for the fewer steps lie between two of them the more are under way.
    pub fn ask(&self, questions: &[[Question; 2]], asked: &mut Vec<[Asked; 2]>) {
        asked.clear();
        asked.extend(questions.iter().map(|pair| {
            pair.map(|Question(hash)| {
                let (word, bit) = self.bit(hash);
                // Without a branch: which of the two endpoints is a client's, nobody can foretell.
                Asked { hash, first: (self.some[word] >> bit & 1).wrapping_neg() }
            })
        }));
        for Asked { hash, first } in asked.as_flattened_mut() {
            *first &= self.table[((*hash & *first) >> self.shift) as usize];
        }
    }

    /// Tuples that were accepted both ways at the endpoint asked for, at least 1; at most 65,535.
    #[inline]
    pub fn count(&self, asked: &Asked) -> u32 {
        let Asked { hash, first } = *asked;
        if first == 0 {
            return 1;
        }
        if first & !COUNT == hash & !COUNT {
            return (first & COUNT) as u32;
        }
        for place in self.places(hash).skip(1) {
            let entry = self.table[place];
            if entry == 0 {
                break;
            }
            if entry & !COUNT == hash & !COUNT {
                return (entry & COUNT) as u32;
            }
        }
        1
    }
}

/// An endpoint that is to be asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question(u64);

/// An endpoint that was asked for, and what stands at the first place where it may stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    hash: u64,
    first: u64,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn end(address: u32, port: u16) -> Endpoint {
        let address = (0xffff << 32) | u128::from(address);
        Endpoint { address, packet: address, port }
    }

    /// 3,000 services, met by 1 to 30 tuples each, with a client endpoint for each of these.
    fn tuples() -> Vec<(Endpoint, Endpoint)> {
        let mut tuples = Vec::new();
        for service in 0..3000_u32 {
            for client in 0..=service % 30 {
                tuples.push((end(service, 443), end(1_000_000 + service * 64 + client, 40_000)));
            }
        }
        tuples
    }

    fn count(tuples: &[(Endpoint, Endpoint)], room: usize, most: usize) -> FanIn {
        let room = Room::new(room, &std::env::temp_dir());
        let meetings = Meetings::with_most(room, most);
        let mut met = Met::default();
        for part in tuples.chunks(1000) {
            for (service, client) in part {
                met.add(1, service, 6);
                met.add(1, client, 6);
            }
            meetings.gather(&mut met).unwrap();
        }
        (0..SHELVES).for_each(|shelf| meetings.count(shelf).unwrap());
        meetings.finish()
    }

    fn told(fan: &FanIn, scope: u64, end: &Endpoint, protocol: u8) -> u32 {
        let mut asked = Vec::new();
        fan.ask(&[[FanIn::question(scope, end, protocol); 2]], &mut asked);
        fan.count(&asked[0][1])
    }

    #[test]
    fn counts_are_exact_in_memory_and_on_disk() {
        for room in [usize::MAX, 0, 100_000] {
            let fan = count(&tuples(), room, MOST);
            for service in 0..3000 {
                assert_eq!(told(&fan, 1, &end(service, 443), 6), service % 30 + 1);
                assert_eq!(told(&fan, 2, &end(service, 443), 6), 1, "other VPCs are apart");
                assert_eq!(told(&fan, 1, &end(service, 443), 17), 1, "other protocols are apart");
            }
            assert!(tuples().iter().all(|(_, client)| told(&fan, 1, client, 6) == 1));
        }
    }

    #[test]
    fn small_counts_go_first_whatever_the_order() {
        let mut tuples = tuples();
        assert_eq!(count(&tuples, 0, MOST).coarser_than(), None);
        let sorted = count(&tuples, 0, 1500);
        assert_eq!(sorted.coarser_than(), Some(16));
        tuples.reverse();
        let reversed = count(&tuples, usize::MAX, 1500);
        let mut by_count: BTreeMap<u32, u32> = BTreeMap::new();
        for service in 0..3000 {
            let counts = [&sorted, &reversed].map(|fan| told(fan, 1, &end(service, 443), 6));
            assert_eq!(counts[0], counts[1]);
            *by_count.entry(counts[0]).or_default() += 1;
        }
        // 2,300 have 8 or more, 1,500 have 16 or more.
        assert_eq!(by_count.remove(&1), Some(1500));
        assert_eq!(by_count.into_keys().collect::<Vec<_>>(), (16..=30).collect::<Vec<_>>());
    }

    #[test]
    fn counting_stops_at_the_ceiling() {
        let many = vec![(end(1, 1), end(2, 2)); 70_000];
        assert_eq!(told(&count(&many, usize::MAX, MOST), 1, &end(1, 1), 6), 65_535);
    }
}
