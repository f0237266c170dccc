//! Which files of a store somebody reads, so that no others have to be fetched.

use std::collections::BTreeSet;

use super::manifest::StoredFile;
use super::tables::Table;

/// What is to be read: some folders, and of files that have a day those of a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    folders: Vec<&'static str>,
    /// From the first on and before the second, Unix seconds.
    window: (Option<i64>, Option<i64>),
    /// Paths of files, whatever their folders.
    files: BTreeSet<String>,
}

impl Need {
    fn of(folders: Vec<&'static str>, window: (Option<i64>, Option<i64>)) -> Self {
        Self { folders, window, files: BTreeSet::new() }
    }

    /// Nothing but the manifest.
    #[must_use]
    pub fn nothing() -> Self {
        Self::of(Vec::new(), (None, None))
    }

    /// What was read, to know what is new.
    #[must_use]
    pub fn objects() -> Self {
        Self::of(vec!["objects"], (None, None))
    }

    /// Records of a time and what it takes to judge them.
    #[must_use]
    pub fn records(window: (Option<i64>, Option<i64>)) -> Self {
        Self::of(vec!["objects", "contexts", "records"], window)
    }

    /// What records say of interfaces.
    #[must_use]
    pub fn contexts() -> Self {
        Self::of(vec!["contexts"], (None, None))
    }

    /// What tells which rules and interfaces there are.
    #[must_use]
    pub fn configuration() -> Self {
        Self::of(vec!["contexts", "coverage", "interfaces", "rules"], (None, None))
    }

    /// These files.
    #[must_use]
    pub fn files<'f>(files: impl IntoIterator<Item = &'f StoredFile>) -> Self {
        let files = files.into_iter().map(|file| file.path.clone()).collect();
        Self { files, ..Self::nothing() }
    }

    /// Tables, of this time where they have days.
    #[must_use]
    pub fn tables(tables: &[Table], window: (Option<i64>, Option<i64>)) -> Self {
        Self::of(tables.iter().map(|table| table.name()).collect(), window)
    }

    /// Whether this file is needed.
    #[must_use]
    pub fn wants(&self, file: &StoredFile) -> bool {
        let folder = file.path.split('/').next().unwrap_or_default();
        self.files.contains(&file.path) || self.folders.contains(&folder) && file.is_within(self.window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_days() {
        let file = |path: &str, day| StoredFile { path: path.to_owned(), bytes: 1, rows: 1, day };
        let record = |day| file("records/dt=x/00000001.parquet", Some(day));
        let need = Need::records((Some(86_400), Some(2 * 86_400)));
        let wanted: Vec<u32> = (0..4).filter(|day| need.wants(&record(*day))).collect();
        assert_eq!(wanted, [1]);
        assert!(need.wants(&file("objects/00000001.parquet", None)));
        assert!(!need.wants(&file("connections/dt=x/00000001.parquet", Some(1))));
        assert!(!Need::nothing().wants(&record(1)) && !Need::objects().wants(&record(1)));
        let tables = Need::tables(&[Table::Connections], (None, None));
        assert!(
            tables.wants(&file("connections/dt=x/00000001.parquet", Some(1))) && !tables.wants(&record(1))
        );
    }
}
