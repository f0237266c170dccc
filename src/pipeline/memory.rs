//! How much memory a run may take, and what for.

/// Shares out the memory that a run may take.
///
/// What a run holds does not grow with its input: records beyond a fixed share go to disk, rollups are capped. The limit
/// is a ceiling and no aim: what more memory would not make faster is not used, however much there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    records: u64,
    objects: u64,
}

/// Records that wait for all others, in bytes: some 11 million of them. Disks take them as fast as they come.
const ENOUGH_RECORDS: u64 = 328 << 20;

/// A thread needs some to fill its blocks before they go to disk.
const RECORDS_OF_THREAD: u64 = 24 << 20;

/// An object that is inflated in one go, with its plain bytes: AWS closes files at 75 MB before compression.
const ENOUGH_OBJECT: u64 = 96 << 20;

impl MemoryPlan {
    /// The least that a run can do with: what the program itself takes, the fan-in counts and the caps of the rollups,
    /// which are the same whatever the limit is, so that results are.
    pub const LEAST: u64 = 384 << 20;

    /// A plan for at most so many bytes.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        let limit = limit.max(Self::LEAST);
        Self { records: limit / 4, objects: limit / 8 }
    }

    /// A plan under which everything goes to disk and comes back in the smallest of pieces. It saves nothing; it is for
    /// tests, since results must be the same.
    #[must_use]
    pub fn starving() -> Self {
        Self { records: 0, objects: 0 }
    }

    /// Bytes for records that wait for all others to be read.
    pub(crate) fn records(self, threads: usize) -> usize {
        let enough = ENOUGH_RECORDS.max(RECORDS_OF_THREAD * threads as u64);
        usize::try_from(self.records.min(enough)).unwrap_or(usize::MAX)
    }

    /// Records that each thread may load at a time while it judges.
    pub(crate) fn loaded_records(self, threads: usize) -> usize {
        self.records(threads) / 4 / 32 / threads.max(1)
    }

    /// Connections that may be on their way into a store at a time, of some 100 bytes each.
    pub(crate) fn waiting_rows(self) -> usize {
        self.records(1) / 100
    }

    /// Bytes for endpoints that wait to be counted.
    pub(crate) fn meetings(self) -> usize {
        self.records(1) / 6
    }

    /// Bytes for what a day of a store is summed up from, beyond what each thread has at hand.
    pub(crate) fn day_sums(self) -> usize {
        self.records(1) / 4
    }

    /// Bytes for an object that a thread inflates in one go.
    pub(crate) fn whole_object(self, threads: usize) -> u64 {
        (self.objects / threads.max(1) as u64).min(ENOUGH_OBJECT)
    }
}

impl Default for MemoryPlan {
    fn default() -> Self {
        Self::new(2 << 30)
    }
}
