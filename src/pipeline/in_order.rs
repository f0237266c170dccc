//! Connections are taken in the order of their partitions, whichever is done first, so that what is written does not
//! depend on threads. What makes up a file of a store is cut in that order, and written by whoever cut it.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::AnalyzeError;
use super::export::{Chunk, Exporter, Handed};
use crate::store::StoredFile;

/// Takes the connections of partitions in their order.
pub(super) struct InOrder<'a> {
    state: Mutex<State<'a>>,
    /// Something was taken or written.
    changed: Condvar,
    /// Rows that may be on their way into files at a time.
    most: usize,
}

struct State<'a> {
    next: usize,
    ready: BTreeMap<usize, Handed>,
    exporter: Exporter<'a>,
    /// Rows that are being written.
    writing: usize,
    files: Vec<StoredFile>,
}

/// A look at whether the run is over, now and then.
const LOOK: Duration = Duration::from_millis(100);

impl<'a> InOrder<'a> {
    /// `most` rows may be on their way into files at a time, and those of one file in any case.
    pub fn new(exporter: Exporter<'a>, most: usize) -> Self {
        let state = State { next: 0, ready: BTreeMap::new(), exporter, writing: 0, files: Vec::new() };
        Self { state: Mutex::new(state), changed: Condvar::new(), most }
    }

    fn state(&self) -> MutexGuard<'_, State<'a>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a partition may be begun: rows that are not written yet take memory.
    pub fn wait_for(&self, at: usize, threads: usize, is_over: &dyn Fn() -> bool) {
        let mut guard = self.state();
        // Whoever has the next partition waits for writers only, and these for nobody, so this ends, unless the run does.
        while (at > guard.next + threads || guard.writing > self.most) && !is_over() {
            guard = self.changed.wait_timeout(guard, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes a partition in, and writes what is full then.
    pub fn hand_in(&self, at: usize, rows: Handed) -> Result<(), AnalyzeError> {
        let mut full = Vec::new();
        let mut guard = self.state();
        let State { next, ready, exporter, writing, .. } = &mut *guard;
        ready.insert(at, rows);
        while let Some(rows) = ready.remove(next) {
            full.extend(exporter.take(rows));
            *next += 1;
        }
        *writing += full.iter().map(Chunk::rows).sum::<usize>();
        self.changed.notify_all();
        drop(guard);
        for chunk in full {
            let rows = chunk.rows();
            let written = chunk.write();
            let mut guard = self.state();
            guard.writing -= rows;
            self.changed.notify_all();
            guard.files.push(written?);
        }
        Ok(())
    }

    /// What was written, in no order, and what is left to write.
    pub fn finish(self) -> Result<(Vec<StoredFile>, Vec<Chunk<'a>>), AnalyzeError> {
        let State { exporter, files, .. } = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok((files, exporter.finish()?))
    }
}
