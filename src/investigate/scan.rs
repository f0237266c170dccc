//! Reads what is wanted of a table with all threads, and adds up in the order of the table.

use std::collections::BTreeMap;
use std::sync::mpsc::sync_channel;
use std::thread;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;

use crate::store::{Store, StoreError, Table, TableScan, Wanted};

/// Sums up each part of a table in a thread of its own, and hands the sums on in the order of the parts, whichever
/// thread is done first.
pub(super) fn parts<S: Send>(
    scan: &TableScan,
    table: Table,
    threads: usize,
    sum: impl Fn(&[RecordBatch]) -> Result<S, ArrowError> + Sync,
    mut merge: impl FnMut(S),
) -> Result<(), StoreError> {
    let (sender, receiver) = sync_channel(threads.max(1) * 2);
    let work = |sender: std::sync::mpsc::SyncSender<Result<(usize, S), StoreError>>| {
        loop {
            let summed = match scan.next() {
                Ok(None) => return,
                Ok(Some((number, batches))) => {
                    sum(&batches).map(|sum| (number, sum)).map_err(|error| damaged(table, &error))
                }
                Err(error) => Err(error),
            };
            let ends = summed.is_err();
            // Nobody listens after the first error.
            if sender.send(summed).is_err() || ends {
                return;
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            let sender = sender.clone();
            scope.spawn(|| work(sender));
        }
        drop(sender);
        let (mut waiting, mut due) = (BTreeMap::new(), 0);
        // The receiver goes with the first error, so that the threads stop.
        for summed in receiver {
            let (number, sum) = summed?;
            waiting.insert(number, sum);
            while let Some(sum) = waiting.remove(&due) {
                merge(sum);
                due += 1;
            }
        }
        // Numbers of parts need not be without gaps.
        waiting.into_values().for_each(&mut merge);
        Ok(())
    })
}

fn damaged(table: Table, error: &ArrowError) -> StoreError {
    StoreError::Damaged { path: table.name().to_owned(), message: error.to_string() }
}

/// Hands on the batches of a small table, in order.
pub(super) fn small(
    store: &Store,
    table: Table,
    columns: &[&str],
    wanted: Wanted,
    mut take: impl FnMut(&RecordBatch) -> Result<(), ArrowError>,
) -> Result<(), StoreError> {
    let scan = TableScan::new(store, table, columns, wanted)?;
    while let Some((_, batches)) = scan.next()? {
        batches.iter().try_for_each(&mut take).map_err(|error| damaged(table, &error))?;
    }
    Ok(())
}
