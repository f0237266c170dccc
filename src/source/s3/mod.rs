//! Buckets of Amazon S3 and of what speaks its protocol.
//!
//! Only listed, and read: `s3:ListBucket`, `s3:GetObject`. What a selection leaves out by account, region,
//! flow log or day is not even listed (see `plan`). Objects come in the order of their keys, while later
//! folders are being listed.

mod checksum;
mod client;
mod get;
mod list;
mod page;
mod plan;
mod url;
mod whole;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OnceCell;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::channel;

use super::listing::Sieve;
use super::{BoxFuture, Listing, Object, Selection, Source, SourceError};
use crate::aws::Connect;
use get::Get;

pub(crate) use client::{Page, Requests, next_step};
pub use url::S3Url;

/// Every action of AWS that this source calls: what a policy must allow.
pub const ACTIONS: &[&str] = &["s3:GetObject", "s3:ListBucket"];

/// Objects to fetch at the same time unless said otherwise: S3 answers after some 100 ms, so that one connection moves some tens of
/// MB a second at most ("Performance guidelines for Amazon S3").
pub const MAX_REQUESTS: usize = 32;

/// How to read buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct S3Options {
    /// Whoever reads pays for the transfer (requester pays buckets).
    pub requester_pays: bool,
    /// Name the bucket in the path, not in the host. Always so at an endpoint that the user named, as in the AWS CLI.
    pub path_style: bool,
}

/// Objects below some `s3://` URLs.
#[derive(Debug)]
pub struct S3Source {
    urls: Vec<S3Url>,
    connect: Connect,
    options: S3Options,
    requests: OnceCell<Arc<Requests>>,
}

impl S3Source {
    /// A source of these URLs. Their order and repetitions don't matter. Nothing is asked of AWS yet.
    #[must_use]
    pub fn new(urls: impl IntoIterator<Item = S3Url>, connect: Connect, options: S3Options) -> Self {
        let mut urls: Vec<S3Url> = urls.into_iter().collect();
        urls.sort();
        urls.dedup();
        Self { urls, connect, options, requests: OnceCell::new() }
    }

    /// A source of one URL that shares its connections with others.
    pub(crate) fn sharing(requests: Arc<Requests>, url: S3Url, connect: Connect) -> Self {
        let options = S3Options::default();
        Self { urls: vec![url], connect, options, requests: OnceCell::from(requests) }
    }

    async fn requests(&self) -> Result<&Arc<Requests>, SourceError> {
        let make = || async { Requests::new(&self.options, &self.connect).await.map(Arc::new) };
        self.requests.get_or_try_init(make).await
    }

    fn stall(&self) -> Duration {
        self.connect.read_timeout
    }
}

impl Source for S3Source {
    fn list<'a>(&'a self, selection: &'a Selection) -> BoxFuture<'a, Listing> {
        Box::pin(async move {
            let (to, mut found) = channel(1000);
            let collect = async {
                let mut objects = Vec::new();
                while let Some(object) = found.recv().await {
                    objects.push(object);
                }
                objects
            };
            let (listing, objects) = tokio::join!(self.walk(selection, to), collect);
            Listing { objects, ..listing }
        })
    }

    fn walk<'a>(&'a self, selection: &'a Selection, to: Sender<Object>) -> BoxFuture<'a, Listing> {
        Box::pin(async move {
            let looked_in = self.urls.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let mut sieve = Sieve::new(selection);
            sieve.lists_only_the_selection();
            match self.requests().await {
                Ok(requests) => {
                    list::walk(requests, &self.urls, selection, &mut sieve, &to).await;
                }
                Err(error) => sieve.error(error),
            }
            sieve.finish(&looked_in)
        })
    }

    fn has_ranges(&self, object: &Object) -> bool {
        object.size.is_some()
    }

    fn fetch<'a>(&'a self, object: &'a Object, to: Sender<Bytes>) -> BoxFuture<'a, Result<u64, SourceError>> {
        Box::pin(async move { self.get(object).await?.stream(&to).await })
    }

    fn fetch_range<'a>(
        &'a self,
        object: &'a Object,
        range: Range<u64>,
    ) -> BoxFuture<'a, Result<Bytes, SourceError>> {
        Box::pin(async move { self.get(object).await?.range(&range).await })
    }
}

impl S3Source {
    async fn get<'a>(&'a self, object: &'a Object) -> Result<Get<'a>, SourceError> {
        let unknown = || SourceError::UnknownObject { name: object.name.clone() };
        let rest = object.name.strip_prefix("s3://").ok_or_else(unknown)?;
        // Of the URLs' buckets, because an access point's name holds a slash.
        let bucket = self
            .urls
            .iter()
            .map(|url| url.bucket.as_str())
            .find(|bucket| rest.strip_prefix(bucket).is_some_and(|key| key.starts_with('/')));
        let bucket = bucket.ok_or_else(unknown)?;
        let key = &rest[bucket.len() + 1..];
        let requests = self.requests().await?;
        Ok(Get { requests, bucket, key, object, stall: self.stall() })
    }
}
