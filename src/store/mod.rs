//! What do we keep between runs?
//!
//! A store is a directory of Parquet files and a manifest that names them. `flowgate ingest` fills it; `flowgate
//! analyze` reads it in place of the logs.
//!
//! # What is kept, and why
//!
//! **The records as they were delivered are the truth.** What a connection is, who opened it and which flow log counts
//! where several overlap follows from *all* records of a tuple, of all files: a late file, another inventory or a better
//! rule for openers may change what was concluded from the others. So the store keeps every record with what a decoder
//! made of it, the number of the object it came in, and which optional fields its log had, and from these `analyze` does
//! exactly what it does with logs. Duplicates are kept, too: the judge drops them, of a store as of logs, since
//! an overlapping flow log may cover what the elected one does not. An object, however, is kept once: see below.
//!
//! **Connections are derived**: judged as of the ingest, sorted for lookups, replaced day by day when records of a day
//! come in. A connection that goes on over midnight (UTC) has a row each day, so that a day's rows follow from that
//! day's records and what came just before and after, and a connection of months does not hold all of them. They are for
//! questions; no finding rests on them.
//!
//! | folder | one row for | sorted by | read by |
//! |---|---|---|---|
//! | `records/dt=…` | a record, or a NODATA or SKIPDATA row | as delivered | `analyze` |
//! | `objects` | an object that was read, or could not be | number | `ingest`, `analyze` |
//! | `contexts` | what records say of an interface, once a commit and flow log | origin, interface | `analyze` |
//! | `connections/dt=…` | a connection, a day of it | interface in row groups, remote address within | people, queries |
//! | `rule_usage/dt=…`, `rejects/dt=…`, `coverage/dt=…` | what connections and records sum up to, a day | rule; interface and time; interface | the same |
//! | `rules`, `interfaces` | what was configured, as long as it stayed the same | id, time | the same |
//! | `findings` | what was concluded, if it is kept | as in `findings.jsonl` | the same |
//!
//! Columns are in `docs/store.md`. Every file says `flowgate.schema`: `flowgate.TABLE/v1`.
//!
//! # What is new
//!
//! An object is known by where it lies, its size and its version (ETag; the time of a file's last change). A copy of a
//! delivered object elsewhere, of the same size, is known, too. If size or version differ it is read anew and takes the
//! place of what was read of it: rows of its old number don't count any more ([`Manifest::dead`]). What could not be read to
//! its end counts as far as it goes, makes runs incomplete, and is tried again by every ingest.
//!
//! # How nothing is lost, and nothing twice
//!
//! A commit writes its files under temporary names and makes them last (fsync), gives them names that were never used
//! before, makes the names last, and then exchanges the manifest the same way, which is one rename. What the manifest does
//! not name is no part of the store; the next run removes it. A run that is killed thus leaves the store before the
//! commit or after it. An ingest has two commits: of the records, which notes the days whose connections are stale, and of
//! the connections of these days with what they sum up to; a third of the configuration, if that changed, and a fourth
//! where many small files become a few ([`Join`]). One process at a time may write ([`Lock`]); readers need no lock: the
//! files that they have read of in a manifest are never changed, and removed only by a later commit.
//!
//! # Memory
//!
//! Reading takes a batch a thread. Writing takes up to three open row groups a thread (some 15 MB each), 512 Ki rows of
//! connections that wait (32 MB), as many in each file that is being written, which are as few as `--memory` says, and 60 bytes
//! for each object of the store. Sums take 8 MB a thread and a share of what the run may take, beyond which they wait on disk;
//! coverage takes 60 bytes for each interface and day that is derived, a thread. The configuration takes what its rows take.

mod address;
mod columns;
mod configured;
mod connections;
mod contexts;
mod disk;
mod encode;
mod error;
mod files;
mod join;
mod kept;
mod known;
mod lock;
mod manifest;
mod need;
mod objects;
mod open;
mod records;
mod sums;
mod table_scan;
mod tables;

pub use configured::{InterfaceRow, Period, RuleRow};
pub use connections::{
    ConnectionRow, ConnectionWriter, Cutter, Meanings, Names, Part, Rows as ConnectionRows, Shortener,
};
pub use contexts::{Contexts, Origin};
pub use disk::Disk;
pub use error::StoreError;
pub use join::Join;
pub use kept::{FindingRow, KeptFindings};
pub use known::{Known, Offer, Offered};
pub use lock::{Lock, holder};
pub use manifest::{ConnectionsPart, MANIFEST, Manifest, StoredFile};
pub use need::Need;
pub use objects::{Counts, Details, ObjectRow, Problem};
pub use open::{DayFiles, NewRecords, Original, Publish, Store, StoreWriter, clean};
pub use records::{Group, Piece, RecordWriter, Scan};
pub use sums::{CoverageSums, DayJobs, DaySums, DayTables};
pub use table_scan::{Extent, TableScan, Want, Wanted};
pub use tables::{Column, DAY_COLUMN, Table};

/// Version of the schema that this program writes, and the latest that it reads.
pub const SCHEMA_VERSION: u64 = 1;

/// Folders below the store's directory.
const FOLDERS: [&str; 10] = [
    "objects",
    "contexts",
    "records",
    "connections",
    "rule_usage",
    "rejects",
    "coverage",
    "rules",
    "interfaces",
    "findings",
];

/// Seconds of a day.
const DAY: i64 = 86_400;

/// Whether a file with this path below a store's directory may be one that we made: `records/dt=2026-03-01/00000001-000.parquet`.
#[must_use]
pub fn is_file_of_ours(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    let (folder, name) = match parts[..] {
        [folder, name] => (folder, name),
        [folder, day, name] if day.starts_with("dt=") => (folder, name),
        _ => return false,
    };
    let numbered = name.len() > 8 && name.bytes().take(8).all(|b| b.is_ascii_digit());
    FOLDERS.contains(&folder) && numbered && name.ends_with(".parquet")
}

/// `1970-01-02` for 1.
#[must_use]
pub fn day_name(day: u32) -> String {
    files::day_name(day)
}
