//! Where one worker puts packed records until all is read: spread over partitions, in memory up to a limit, beyond it
//! on disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::packed::{Narrow, Packed, Wide};
use super::spill::{Chunk, SpillError, SpillFile};

/// Into how many partitions records are spread. Fixed, so that results depend neither on the thread count nor on the
/// memory there is.
pub(crate) const PARTITIONS: usize = 512;

/// Bytes per block. Blocks keep growing partitions from copying (and doubling) what they hold, and are used again
/// after they were written to disk.
const BLOCK_BYTES: usize = 4 << 10;

/// Blocks that memory is asked for at a time, and what an allocator may need for each. Together below the 128 KiB from
/// which on glibc neither takes memory from where blocks come from nor keeps it when it is given back.
const TOGETHER: usize = 28;
const BLOCK_OVERHEAD: usize = 64;

/// The records of one layout.
#[derive(Debug)]
pub(crate) struct Shelf<T> {
    /// By partition: the block that is being filled.
    open: Vec<Vec<T>>,
    /// By partition: blocks that are full.
    full: Vec<Vec<Vec<T>>>,
    free: Vec<Vec<T>>,
    /// By partition: what is on disk.
    spilled: Vec<Vec<Chunk>>,
    blocks: usize,
}

impl<T: Packed> Shelf<T> {
    const BLOCK: usize = BLOCK_BYTES / size_of::<T>();

    fn new() -> Self {
        let lists = || (0..PARTITIONS).map(|_| Vec::new()).collect();
        Self {
            open: lists(),
            full: (0..PARTITIONS).map(|_| Vec::new()).collect(),
            free: Vec::new(),
            spilled: (0..PARTITIONS).map(|_| Vec::new()).collect(),
            blocks: 0,
        }
    }

    #[inline]
    fn push(&mut self, partition: usize, record: T) {
        let open = &mut self.open[partition];
        if open.len() == open.capacity() {
            self.next_block(partition);
        }
        self.open[partition].push(record);
    }

    /// Pushes records of one partition.
    fn extend(&mut self, partition: usize, mut records: impl ExactSizeIterator<Item = T>) {
        while records.len() > 0 {
            let open = &mut self.open[partition];
            let room = open.capacity() - open.len();
            if room == 0 {
                self.next_block(partition);
            } else {
                open.extend(records.by_ref().take(room));
            }
        }
    }

    #[cold]
    fn next_block(&mut self, partition: usize) {
        self.blocks += 1;
        let block = self.free.pop().unwrap_or_else(|| self.new_block());
        let full = std::mem::replace(&mut self.open[partition], block);
        if !full.is_empty() {
            self.full[partition].push(full);
        }
    }

    /// A block that was not used before.
    fn new_block(&self) -> Vec<T> {
        if self.blocks.is_multiple_of(TOGETHER) {
            // Asked for and given back at once. glibc asks the system for more memory for each block of a thread other than
            // the first, and that takes longer than to fill the block; now it has some at hand for the next ones.
            drop(std::hint::black_box(Vec::<u8>::with_capacity(TOGETHER * (BLOCK_BYTES + BLOCK_OVERHEAD))));
        }
        Vec::with_capacity(Self::BLOCK)
    }

    /// Bytes of the blocks in use.
    fn held(&self) -> usize {
        self.blocks * BLOCK_BYTES
    }

    /// Takes all blocks of a partition.
    fn take(&mut self, partition: usize) -> Vec<Vec<T>> {
        let mut blocks = std::mem::take(&mut self.full[partition]);
        let open = std::mem::take(&mut self.open[partition]);
        if !open.is_empty() {
            blocks.push(open);
        }
        blocks
    }

    /// Writes everything to disk.
    fn spill(&mut self, file: &mut SpillFile, scratch: &mut Vec<T>) -> Result<(), SpillError> {
        for partition in 0..PARTITIONS {
            scratch.clear();
            for mut block in self.take(partition) {
                scratch.extend_from_slice(&block);
                block.clear();
                self.free.push(block);
            }
            if !scratch.is_empty() {
                self.spilled[partition].push(file.append(scratch)?);
            }
        }
        self.blocks = 0;
        Ok(())
    }
}

/// How much a worker may hold, and where the rest goes.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    /// Bytes in memory.
    pub bytes: usize,
    /// Directory of the spill file.
    pub directory: PathBuf,
    /// Bytes beside, for whoever of those who share them is first.
    pub spare: Arc<AtomicUsize>,
}

/// What is taken of spare room at a time.
const MORE: usize = 1 << 20;

impl Room {
    /// Room for each of some workers. To each most of its share, since memory that one has freed is of little use to the
    /// others; but no two read the same amount, and the rest is for those who read more, lest they go to disk while there is
    /// room.
    pub fn shared(bytes: usize, workers: usize, directory: &Path) -> Self {
        let own = bytes / workers.max(1) / 4 * 3;
        let spare = bytes - own * workers.max(1);
        Self { bytes: own, directory: directory.to_owned(), spare: Arc::new(spare.into()) }
    }

    /// Room for one alone.
    pub fn new(bytes: usize, directory: &Path) -> Self {
        Self { bytes, directory: directory.to_owned(), spare: Arc::default() }
    }

    /// Takes of the spare room. False if there is none.
    fn grow(&mut self) -> bool {
        let take = |spare: usize| spare.checked_sub(MORE);
        let grown = self.spare.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok();
        self.bytes += if grown { MORE } else { 0 };
        grown
    }
}

/// Records on their way to the shelf. Put one by one, nearly every record would go to another page of memory than those
/// before, and the processor has no room to remember where 512 pages are, beside the rest. So they wait for the end of the
/// batch, and those of one partition go together.
#[derive(Debug, Default)]
struct Waiting {
    records: Vec<Narrow>,
    /// Of each record.
    partitions: Vec<u16>,
    /// Numbers of records, by partition.
    order: Vec<u32>,
}

impl Waiting {
    fn put_away(&mut self, shelf: &mut Shelf<Narrow>) {
        let Self { records, partitions, order } = self;
        let mut ends = [0_u32; PARTITIONS];
        for &partition in &*partitions {
            ends[usize::from(partition) % PARTITIONS] += 1;
        }
        let mut sum = 0;
        for end in &mut ends {
            sum += std::mem::replace(end, sum);
        }
        order.resize(records.len(), 0);
        // Each entry moves from the beginning of its partition to its end.
        for (number, &partition) in (0..).zip(&*partitions) {
            let place = &mut ends[usize::from(partition) % PARTITIONS];
            order[*place as usize] = number;
            *place += 1;
        }
        let mut from = 0;
        for (partition, end) in ends.into_iter().enumerate() {
            let end = end as usize;
            shelf.extend(partition, order[from..end].iter().map(|&number| records[number as usize]));
            from = end;
        }
        records.clear();
        partitions.clear();
    }
}

/// One worker's records.
#[derive(Debug)]
pub(crate) struct Shelves {
    room: Room,
    waiting: Waiting,
    narrow: Shelf<Narrow>,
    wide: Shelf<Wide>,
    file: Option<SpillFile>,
}

/// The records of one partition that one worker leaves, of one layout.
pub(crate) struct Left<T> {
    pub blocks: Vec<Vec<T>>,
    pub spilled: Vec<Chunk>,
}

/// The records of one partition that one worker leaves.
pub(crate) type LeftBoth = (Left<Narrow>, Left<Wide>);

impl Shelves {
    pub fn new(room: Room) -> Self {
        Self { room, waiting: Waiting::default(), narrow: Shelf::new(), wide: Shelf::new(), file: None }
    }

    /// To be followed by [`Shelves::put_away`] before anything else is asked.
    #[inline]
    pub fn push_narrow(&mut self, partition: usize, record: Narrow) {
        self.waiting.records.push(record);
        // There are fewer partitions than that.
        self.waiting.partitions.push(partition as u16);
    }

    /// To be called after each batch.
    pub fn put_away(&mut self) {
        self.waiting.put_away(&mut self.narrow);
    }

    pub fn push_wide(&mut self, partition: usize, record: Wide) {
        self.wide.push(partition, record);
    }

    /// To be called now and then: lets go of everything if there is no more room.
    pub fn make_room(&mut self) -> Result<(), SpillError> {
        let held = self.narrow.held() + self.wide.held();
        while held >= self.room.bytes && self.room.grow() {}
        if held < self.room.bytes {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            empty => empty.insert(SpillFile::create(&self.room.directory)?),
        };
        self.narrow.spill(file, &mut Vec::new())?;
        self.wide.spill(file, &mut Vec::new())
    }

    /// What is left, partition by partition, and the file that the chunks refer to.
    pub fn finish(mut self) -> (Vec<LeftBoth>, Option<SpillFile>) {
        fn left<T: Packed>(shelf: &mut Shelf<T>, partition: usize) -> Left<T> {
            let blocks = shelf.take(partition);
            Left { blocks, spilled: std::mem::take(&mut shelf.spilled[partition]) }
        }
        let parts = (0..PARTITIONS).map(|p| (left(&mut self.narrow, p), left(&mut self.wide, p))).collect();
        (parts, self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_needs_more_room_has_what_the_others_leave() {
        let total = 64 << 20;
        let mut one = Room::shared(total, 2, Path::new("/"));
        let mut other = one.clone();
        assert_eq!(one.bytes + other.bytes, total / 4 * 3);
        while one.grow() {}
        assert_eq!(one.bytes, total / 8 * 5);
        assert!(!other.grow(), "all is taken");
        assert_eq!(one.bytes + other.bytes, total);
        assert!(!Room::new(total, Path::new("/")).grow());
    }
}
