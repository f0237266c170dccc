//! The user's lists of addresses, and what is to be said about them.

use std::path::PathBuf;
use std::sync::Arc;

use crate::finding::{Limitation, WatchedList};
use crate::rollup::Rollups;
use crate::watchlist::{self, WatchList, WatchListError};

/// Reads the lists, if there are any.
pub(super) fn load(paths: &[PathBuf]) -> Result<Option<Arc<WatchList>>, WatchListError> {
    if paths.is_empty() {
        return Ok(None);
    }
    Ok(Some(Arc::new(watchlist::read(paths)?)))
}

/// Lines that could not be read, and entries that the user may not have meant. What a list lacks is not lacking in the
/// logs: the run stays complete.
pub(super) fn limitations(list: &WatchList) -> Vec<Limitation> {
    let note = |code: &str, object: &str, message: String| Limitation {
        incomplete: false,
        code: code.to_owned(),
        object: object.to_owned(),
        message,
    };
    let bad = list.sources.iter().filter_map(|source| {
        let first = source.first_bad.as_ref()?;
        let (count, plural) = (source.bad, if source.bad == 1 { "line is" } else { "lines are" });
        let message = format!(
            "{count} {plural} no address, CIDR or range and not watched; first: line {}, column {}: {:?}",
            first.line, first.column, first.text
        );
        Some(note("watchlist-lines", &source.name, message))
    });
    let broad = list.warnings.iter().map(|warning| note("watchlist-entries", "", warning.to_string()));
    bad.chain(broad).collect()
}

/// What the summary tells of each list.
pub(super) fn lists(list: &WatchList, rollups: &Rollups) -> Vec<WatchedList> {
    let total = |n: usize| rollups.watched.lists.get(n).copied().unwrap_or_default();
    let told = list.sources.iter().enumerate().map(|(n, source)| WatchedList {
        name: source.name.clone(),
        entries: source.entries,
        bad_lines: source.bad,
        accepted: total(n).accepted,
        rejected: total(n).rejected,
    });
    told.collect()
}
