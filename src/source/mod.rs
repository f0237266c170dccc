//! Where do bytes come from?
//!
//! Async, as little else is. A [`Source`] says what there is ([`Listing`]) and sends the bytes of one
//! [`Object`] through a bounded channel. It never looks into them: what they mean is the business of
//! `decode`, which in turn knows nothing of files, buckets or log groups.
//!
//! What cannot be read does not stop the rest: [`Listing::errors`] names it and the next step, and the
//! pipeline makes the run incomplete.
//!
//! To add a source: implement the two methods of [`Source`] in a file beside [`local`], build the
//! listing with [`Listing::build`] so that selection, duplicates and order are the same everywhere, and
//! end `fetch` with [`check_length`].

pub mod cloudwatch;
mod error;
mod key;
mod listing;
pub mod local;
pub mod memory;
mod name;
pub mod s3;
mod selection;

use std::future::Future;
use std::ops::Range;
use std::pin::Pin;

use bytes::Bytes;
use tokio::sync::mpsc::Sender;

pub use cloudwatch::{CloudWatchOptions, CloudWatchSource, LogGroup};
pub use error::SourceError;
pub use key::KeyParts;
pub(crate) use key::identity;
pub(crate) use listing::Sieve;
pub use listing::{Listing, SkipReason, Skipped};
pub use local::LocalSource;
pub use memory::MemorySource;
pub use s3::{S3Options, S3Source, S3Url};
pub use selection::{PADDING_AFTER, PADDING_BEFORE, Pruned, Selection};

/// What the methods of [`Source`] return: boxed, so that the trait can be used as `dyn Source`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The name of standard input, on the command line and in every report.
pub const STDIN: &str = "-";

/// Bytes of one chunk sent by [`Source::fetch`]: large enough that the channel costs nothing, small
/// enough that a handful in flight is no memory to speak of. The last chunk of an object is shorter.
pub const CHUNK_BYTES: usize = 512 * 1024;

/// A place that objects can be listed in and fetched from.
///
/// Must be called from within a tokio runtime.
pub trait Source: Send + Sync {
    /// Finds the objects of the selection, sorted by name, each once.
    ///
    /// Never fails as a whole: what could not be listed is in [`Listing::errors`], and so is an empty
    /// result.
    fn list<'a>(&'a self, selection: &'a Selection) -> BoxFuture<'a, Listing>;

    /// Finds the same objects as [`list`](Self::list), in the same order, and sends each as soon as it is
    /// known; the listing that is returned has none. A dropped receiver ends the search.
    fn walk<'a>(&'a self, selection: &'a Selection, to: Sender<Object>) -> BoxFuture<'a, Listing> {
        Box::pin(async move {
            let mut listing = self.list(selection).await;
            for object in std::mem::take(&mut listing.objects) {
                if to.send(object).await.is_err() {
                    break;
                }
            }
            listing
        })
    }

    /// Whether [`fetch_range`](Self::fetch_range) works for this object: its size is known, and any part
    /// of it can be asked for.
    fn has_ranges(&self, object: &Object) -> bool {
        let _ = object;
        false
    }

    /// Returns these bytes of an object that [`has_ranges`](Self::has_ranges): all of them.
    ///
    /// # Errors
    ///
    /// As [`fetch`](Self::fetch), and if the range reaches beyond the end.
    fn fetch_range<'a>(
        &'a self,
        object: &'a Object,
        range: Range<u64>,
    ) -> BoxFuture<'a, Result<Bytes, SourceError>> {
        let _ = range;
        Box::pin(async move { Err(SourceError::UnknownObject { name: object.name.clone() }) })
    }

    /// Sends the bytes of one object in order and returns how many were sent.
    ///
    /// The channel is bounded, so a slow receiver holds the reading back. A dropped receiver is no
    /// error: the transfer stops and the number of bytes received so far is returned.
    ///
    /// # Errors
    ///
    /// When the object can't be opened, or fails or ends early while it is read. Chunks sent before the
    /// failure stay sent: the receiver must treat what it has as a part of the object.
    fn fetch<'a>(&'a self, object: &'a Object, to: Sender<Bytes>) -> BoxFuture<'a, Result<u64, SourceError>>;
}

/// Something with bytes in it: a file, standard input, an S3 object, a slice of a log group.
///
/// Sorts by name, and the name is unique within a [`Listing`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Object {
    /// How the user sees it: the path, [`STDIN`], `s3://bucket/key`, or `cloudwatch:group` with a time.
    pub name: String,
    /// Bytes as stored (compressed), where known before reading.
    pub size: Option<u64>,
    /// Which version of it was listed (the ETag of S3), so that parts of two versions are never mixed.
    pub version: Option<String>,
    /// What the name says about its origin, if it is laid out the way AWS delivers flow logs.
    pub key: Option<KeyParts>,
    /// What the name says about its content. A hint: decoders look at the first bytes.
    pub content: ContentHint,
}

impl Object {
    /// An object whose origin and content are read off its name.
    #[must_use]
    pub fn new(name: impl Into<String>, size: Option<u64>) -> Self {
        let name = name.into();
        let key = KeyParts::parse(&name);
        let content = name::content_hint(&name);
        Self { name, size, version: None, key, content }
    }
}

/// What the name of an object promises about its content, compression aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContentHint {
    /// Lines of text: flow log records, with or without a header.
    Text,
    /// Apache Parquet.
    Parquet,
    /// JSON or JSON lines: an export of CloudWatch Logs events, or an inventory dump that lies beside
    /// the logs. Only the content tells.
    Json,
    /// The name does not say.
    Unknown,
}

/// The last step of every `fetch`: refuses a body that ended before its listed size, which is what an
/// interrupted transfer looks like. A body that grew is accepted: it was still being written.
///
/// # Errors
///
/// [`SourceError::Short`] if fewer bytes were read than the object was listed with.
pub fn check_length(object: &Object, read: u64) -> Result<u64, SourceError> {
    match object.size {
        Some(expected) if read < expected => {
            Err(SourceError::Short { name: object.name.clone(), expected, got: read })
        }
        _ => Ok(read),
    }
}
