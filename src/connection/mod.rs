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
mod local;
mod opener;
mod overlap;
mod pairing;
mod record;
mod segment;

pub use buckets::BucketSet;
pub use coverage::Coverage;
pub use ingest::InterfaceFacts;
pub use opener::{Evidence, Fit, Strength};
pub use pairing::Connection;
pub use record::RejectReason;
pub use segment::Part;

pub(crate) use coverage::{COVERAGE_BUCKET, mix64};
pub(crate) use fanin::FanIn;
pub(crate) use ingest::{Collected, Ingest, Interner, PartitionRecords, Share, Wanted, collect};
pub(crate) use local::{LocalSide, is_private};
pub(crate) use overlap::{Election, StreamInfo};
pub(crate) use pairing::{Pairing, SortedPartition};
