//! How much memory a run may take, and what for.

/// Shares out the memory that a run may take.
///
/// What a run holds does not grow with its input: records beyond a fixed share go to disk, rollups are capped. More
/// memory than [`MemoryPlan::ENOUGH`] is not used, since it does not make a run faster by much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    records: usize,
}

impl MemoryPlan {
    /// The least that a run can do with: what the program itself takes, the fan-in counts and the caps of the rollups,
    /// which are the same whatever the limit is, so that results are.
    pub const LEAST: u64 = 384 << 20;

    /// More than this is not used.
    pub const ENOUGH: u64 = 1536 << 20;

    /// A plan for at most so many bytes.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        let limit = limit.clamp(Self::LEAST, Self::ENOUGH);
        Self { records: usize::try_from(limit / 4).unwrap_or(usize::MAX) }
    }

    /// A plan under which everything goes to disk and comes back in the smallest of pieces. It saves nothing; it is for
    /// tests, since results must be the same.
    #[must_use]
    pub fn starving() -> Self {
        Self { records: 0 }
    }

    /// Bytes for records that wait for all others to be read.
    pub(crate) fn records(self) -> usize {
        self.records
    }

    /// Records that each thread may load at a time while it judges.
    pub(crate) fn loaded_records(self, threads: usize) -> usize {
        self.records / 4 / 32 / threads.max(1)
    }
}

impl Default for MemoryPlan {
    fn default() -> Self {
        Self::new(Self::ENOUGH)
    }
}
