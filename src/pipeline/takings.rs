//! What one worker makes of the records that it reads.

use arrow::error::ArrowError;

use crate::connection::{Ingest, Share, SpillError};
use crate::flow::FlowBatch;
use crate::store::CoverageSums;

/// Packed records, and what they speak for day by day where that is to be told.
pub(super) struct Takings<'a> {
    ingest: Ingest<'a>,
    coverage: Option<CoverageSums>,
}

impl<'a> Takings<'a> {
    pub fn new(ingest: Ingest<'a>, by_day: bool) -> Self {
        Self { ingest, coverage: by_day.then(CoverageSums::default) }
    }

    /// Takes a batch of a flow log in.
    pub fn push(&mut self, batch: &FlowBatch, stream: u16) -> Result<(), ArrowError> {
        self.ingest.push(batch, stream)?;
        self.coverage.as_mut().map_or(Ok(()), |coverage| coverage.push(batch))
    }

    /// Lets go of records if there are too many in memory.
    pub fn make_room(&mut self) -> Result<(), SpillError> {
        self.ingest.make_room()
    }

    /// Records left out because of their time or interface.
    pub fn out_of_range(&self) -> u64 {
        self.ingest.out_of_range
    }
}

/// What all workers have.
pub(super) fn put_together(all: Vec<Takings<'_>>) -> (Vec<Share>, CoverageSums) {
    let mut coverage = CoverageSums::default();
    let share = |takings: Takings<'_>| {
        takings.coverage.iter().for_each(|sums| coverage.merge(sums));
        takings.ingest.finish()
    };
    (all.into_iter().map(share).collect(), coverage)
}
