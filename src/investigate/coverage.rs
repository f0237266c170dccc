//! How much of the time the logs speak for.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::Array as _;

use super::rows::Named;
use super::scan::small;
use crate::store::{DAY_COLUMN, Store, StoreError, Table, Want, Wanted};

/// More interfaces than this are not asked for one by one.
const INTERFACES: usize = 2_000;

/// What the table of coverage says of some interfaces, by day.
#[derive(Clone, Debug, Default)]
pub(super) struct Covered {
    /// The table was asked.
    pub known: bool,
    /// By day since 1970: SKIPDATA rows of the interfaces.
    pub days: BTreeMap<u32, u64>,
}

impl Covered {
    /// Asks the table.
    pub fn of(
        store: &Store,
        interfaces: &BTreeSet<String>,
        (first, last): (i64, i64),
    ) -> Result<Self, StoreError> {
        let there = store.table_files(Table::Coverage).next().is_some();
        if !there || interfaces.is_empty() || interfaces.len() > INTERFACES {
            return Ok(Self::default());
        }
        let mut covered = Self { known: true, ..Self::default() };
        let wanted = Wanted::default()
            .and("interface", Want::Among(interfaces.clone()))
            .and(DAY_COLUMN, Want::Within(first, last));
        small(store, Table::Coverage, &["skipdata", DAY_COLUMN], wanted, |batch| {
            let named = Named(batch);
            let (lost, days) = (named.large("skipdata")?, named.days()?);
            for row in 0..batch.num_rows() {
                let lost = if lost.is_valid(row) { lost.value(row) } else { 0 };
                let day = u32::try_from(days.value(row)).unwrap_or(0);
                *covered.days.entry(day).or_default() += u64::try_from(lost).unwrap_or(0);
            }
            Ok(())
        })?;
        Ok(covered)
    }

    /// SKIPDATA rows of all days.
    pub fn skipdata(&self) -> u64 {
        self.days.values().sum()
    }
}

/// Days of which the store has records.
pub(super) fn recorded(store: &Store) -> BTreeSet<u32> {
    let manifest = store.manifest();
    let records = manifest.records.iter().filter_map(|file| file.day);
    records.chain(manifest.connections.files.iter().filter_map(|file| file.day)).collect()
}
