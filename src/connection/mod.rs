//! Who opened it?
//!
//! Records of both directions become [`Connection`]s: packed and partitioned as they come in, sorted by
//! 5-tuple once everything is read, cut at closes and idle timeouts, and given an opener with the evidence
//! that decided it. Nothing here depends on the order of files, batches or threads.

mod buckets;
mod common;
mod coverage;
mod fanin;
mod ingest;
mod interfaces;
mod local;
mod opener;
mod overlap;
mod packed;
mod pairing;
mod partition;
mod record;
mod segment;
mod shelf;
mod spill;

pub use buckets::BucketSet;
pub use coverage::Coverage;
pub use interfaces::InterfaceFacts;
pub use opener::{Evidence, Fit, Strength};
pub use pairing::Connection;
pub use record::RejectReason;
pub use segment::Part;

pub(crate) use coverage::COVERAGE_BUCKET;
pub(crate) use fanin::{Meetings, Met, SHELVES};
pub(crate) use ingest::{Ingest, Share, Wanted, collect};
pub(crate) use interfaces::Interner;
pub(crate) use local::LocalSide;
pub(crate) use overlap::{Election, StreamInfo};
pub(crate) use pairing::{Pairing, gather_meetings};
pub(crate) use partition::{Collected, Loading, Partition, Sorted};
pub(crate) use shelf::Room;
pub(crate) use spill::{Chunk, SpillError, SpillFile, Words};
