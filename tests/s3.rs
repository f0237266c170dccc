//! Buckets: what is listed, what is read, and what happens when the service or the way to it fails.
//!
//! A real S3 server in this process, and between it and the program a proxy of ours that writes down every request and
//! spoils answers.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests; clippy exempts only the test functions themselves, not their helpers"
)]

#[path = "s3/bucket.rs"]
mod bucket;
#[path = "s3/columns.rs"]
mod columns;
#[path = "s3/end_to_end.rs"]
mod end_to_end;
#[path = "s3/fault.rs"]
mod fault;
#[path = "s3/faults.rs"]
mod faults;
#[cfg(unix)]
#[path = "s3/interrupt.rs"]
mod interrupt;
#[path = "s3/layouts.rs"]
mod layouts;
#[path = "s3/paging.rs"]
mod paging;
#[path = "s3/prefixes.rs"]
mod prefixes;
#[path = "s3/proxy.rs"]
mod proxy;
#[path = "s3/ranges.rs"]
mod ranges;
#[path = "s3/read.rs"]
mod read;
#[path = "s3/refusals.rs"]
mod refusals;
#[path = "world/rng.rs"]
#[allow(dead_code, reason = "shared with the simulator, which uses all of it")]
mod rng;
#[path = "s3/seeds.rs"]
mod seeds;
#[path = "s3/server.rs"]
mod server;
#[path = "s3/store/mod.rs"]
mod store;
