//! `flowgate inventory fetch`.

mod against_moto;
mod botocore;
mod faults;
mod stub;
mod world;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flowgate::aws::{Backoff, Connect};
use flowgate::inventory::live::Fetch;
use flowgate::inventory::{LoadOptions, Loaded, Timeline, load};

use crate::moto;

/// 2026-11-22T12:00:00Z.
pub const AT: i64 = 1_795_348_800;
/// The directory of that time.
pub const NAME: &str = "2026-11-22T12-00-00Z";

/// What to fetch from an endpoint, with little patience.
pub fn options(endpoint: &str, out: &Path, region: &str) -> Fetch {
    let backoff =
        Backoff { base: Duration::from_millis(1), cap: Duration::from_millis(5), ..Backoff::default() };
    let connect =
        Connect { endpoint_url: Some(endpoint.to_owned()), backoff, ..moto::with_test_credentials(region) };
    Fetch { connect, regions: Vec::new(), out: out.to_owned(), at: AT }
}

pub fn loaded(directory: &Path) -> Loaded {
    load(&[directory.to_owned()], &LoadOptions::default()).unwrap()
}

pub fn timeline(directory: &Path) -> Timeline {
    loaded(directory).timeline
}

/// Every file below a directory, relative to it, sorted.
pub fn files(directory: &Path) -> Vec<String> {
    fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    walk(directory, &mut found);
    let relative = |path: PathBuf| path.strip_prefix(directory).unwrap().to_string_lossy().replace('\\', "/");
    let mut names: Vec<String> = found.into_iter().map(relative).collect();
    names.sort();
    names
}
