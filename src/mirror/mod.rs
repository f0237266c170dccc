//! Where does a store lie that is not here?
//!
//! A store in S3 is a prefix with the same files below it as in a directory: files that never change and whose names are
//! never used again, and a manifest that says which of them belong to it. So the store is read from a copy: a
//! directory of this machine that holds the files that somebody needed here before, and is given those that are needed now.
//!
//! # Reading
//!
//! The manifest is fetched each time. If it is not the one of the last time (by its ETag), the bucket is listed: what
//! the manifest names must be there, as long as it says, and of the copy stays what has the ETag of then. What is needed and
//! not there is fetched, several files at once, and checked by length and by the checksum that S3 keeps. What the manifest does
//! not name any more leaves the copy as soon as nobody else uses it: the copy is never larger than the store.
//!
//! # Writing
//!
//! New files go up first, each with a checksum, then the manifest, under the condition that the one that this run began with is
//! still there (`If-Match`; of a new store that there is none, `If-None-Match`). Whoever loses such a race is told, and has
//! changed nothing: names of new files hold a number that no other run has. What such a run left, or one that was killed, is
//! removed by the next that writes, once it is six hours old. A lock object refuses a second writer
//! early (`lease`); that nothing is lost does not depend on it.

mod bucket;
mod copy;
mod error;
mod fetch;
mod lease;
mod read;
mod upload;
mod write;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::aws::Connect;
use crate::source::{S3Options, S3Url};
use crate::store::{Disk, StoreError};

pub use read::{is_at, open};
pub use write::{Writing, open_to_write};

/// Every action of AWS that is called to read a store.
pub const READ_ACTIONS: &[&str] = &["s3:GetObject", "s3:ListBucket"];

/// Every action of AWS that is called to write to a store.
pub const WRITE_ACTIONS: &[&str] =
    &["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:ListBucket", "s3:PutObject"];

/// Files larger than this go up in parts of this size, each on its own.
pub const PART_BYTES: u64 = 8 << 20;

/// How to get at a store in S3.
#[derive(Clone, Debug)]
pub struct Options {
    /// Credentials, endpoint, patience.
    pub connect: Connect,
    /// Options of S3.
    pub s3: S3Options,
    /// Where copies of stores are kept, a folder for each; none if nobody said and the system has no place for such.
    pub copies: Option<PathBuf>,
    /// The time now, seconds since 1970.
    pub now: i64,
    /// Files that are fetched at the same time.
    pub max_requests: usize,
    /// Files larger than this go up in parts of this size.
    pub part_bytes: u64,
    /// How the file system is changed.
    pub disk: Disk,
    /// When to stop.
    pub stop: Stop,
}

/// Says whether somebody wants a transfer to end.
#[derive(Clone, Default)]
pub struct Stop(Option<Arc<dyn Fn() -> bool + Send + Sync>>);

impl std::fmt::Debug for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Stop").field(&self.0.is_some()).finish()
    }
}

impl Stop {
    /// How often it is asked.
    const EVERY: Duration = Duration::from_millis(50);

    /// Stops as soon as this is true.
    #[must_use]
    pub fn when(is_wanted: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(is_wanted)))
    }

    /// What the work comes to, or that it was stopped.
    async fn or<T, E: From<StoreError>>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let Some(is_wanted) = &self.0 else { return work.await };
        let stopped = async {
            while !is_wanted() {
                tokio::time::sleep(Self::EVERY).await;
            }
        };
        tokio::select! {
            done = work => done,
            () = stopped => {
                Err(StoreError::Elsewhere { message: "stopped".to_owned(), help: "run again".to_owned() }.into())
            }
        }
    }
}

/// Where a store lies: a bucket, and a prefix that is empty or ends with a slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub bucket: String,
    pub prefix: String,
}

impl Address {
    pub fn new(url: &S3Url) -> Self {
        let prefix = match url.prefix.trim_end_matches('/') {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        Self { bucket: url.bucket.clone(), prefix }
    }

    /// The key of a file of the store.
    pub fn key(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// How a file of the store is called in messages.
    pub fn name(&self, path: &str) -> String {
        format!("s3://{}/{}{path}", self.bucket, self.prefix)
    }

    /// All of it.
    pub fn url(&self) -> S3Url {
        S3Url { bucket: self.bucket.clone(), prefix: self.prefix.clone() }
    }
}

/// `s3://bucket/prefix`.
impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name("").trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let of = |text: &str| Address::new(&S3Url::parse(text).unwrap().unwrap());
        for text in ["s3://logs/a/store", "s3://logs/a/store/", "s3://logs/a/store//"] {
            assert_eq!(of(text).key("x/y"), "a/store/x/y");
            assert_eq!(of(text).to_string(), "s3://logs/a/store");
        }
        assert_eq!(
            (of("s3://logs").key("x"), of("s3://logs/").to_string()),
            ("x".into(), "s3://logs".into())
        );
    }
}
