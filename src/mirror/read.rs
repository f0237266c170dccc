//! A store in S3, to read from.

use std::collections::BTreeMap;

use tokio::runtime::Runtime;

use super::bucket::{Bucket, Listed};
use super::copy::Copy;
use super::error::internal;
use super::fetch::{Unfetched, fetch};
use super::{Address, Options};
use crate::source::S3Url;
use crate::store::{MANIFEST, Manifest, Need, Store, StoreError};

/// A run that commits while we read makes us begin anew; so many in a row are no accident.
const ATTEMPTS: usize = 5;

pub(super) fn runtime() -> Result<Runtime, StoreError> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().map_err(internal)
}

/// Whether there is a store at this place. `None` if that can't be told: no leave, no credentials, no way.
#[must_use]
pub fn is_at(url: &S3Url, options: &Options) -> Option<bool> {
    let runtime = runtime().ok()?;
    runtime.block_on(async {
        let bucket = Bucket::new(Address::new(url), options).await.ok()?;
        bucket.has(MANIFEST).await.ok()
    })
}

/// Opens a store and fetches what is needed of it and not here yet. Only that may be read of the store.
///
/// # Errors
/// When there is none, it is damaged or newer than this program, can't be reached, or the copy can't be kept.
pub fn open(url: &S3Url, options: &Options, need: &Need) -> Result<Store, StoreError> {
    let runtime = runtime()?;
    let address = Address::new(url);
    let mut copy = Copy::open(options, &address)?;
    runtime.block_on(async {
        let bucket = Bucket::new(address, options).await?;
        let mut left = ATTEMPTS;
        loop {
            left -= 1;
            let (manifest, tag) = manifest(&bucket).await?;
            let done = match prepare(&bucket, &mut copy, &manifest, &tag).await {
                Ok(()) => fetch(&bucket, &copy, &manifest, need).await,
                Err(error) => Err(error),
            };
            match done {
                Ok(()) => return Ok(Store::of_copy(&copy.directory, Some(copy.held.clone()), manifest)),
                // Somebody committed: what we know of is a past that may have been removed.
                Err(Unfetched::Gone(_)) if left > 0 && self::manifest(&bucket).await?.1 != tag => {}
                Err(error) => return Err(error.into()),
            }
        }
    })
}

/// The manifest and its ETag.
async fn manifest(bucket: &Bucket) -> Result<(Manifest, String), StoreError> {
    let missing = || StoreError::Missing { directory: bucket.address.to_string() };
    let small = bucket.get(MANIFEST).await?.ok_or_else(missing)?;
    let name = bucket.address.name(MANIFEST);
    let manifest = Manifest::parse(&small.bytes, &name, &bucket.address.to_string())?;
    Ok((manifest, small.tag))
}

/// Makes sure that what lies in the copy is of this manifest.
async fn prepare(bucket: &Bucket, copy: &mut Copy, manifest: &Manifest, tag: &str) -> Result<(), Unfetched> {
    if !copy.knows(tag) {
        let listed = bucket.list().await.map_err(Unfetched::Failed)?;
        compare(bucket, copy, manifest, tag, &listed)?;
    }
    copy.share(manifest).map_err(Unfetched::Failed)
}

/// Checks that everything is there that the manifest names, and notes which it is.
pub(super) fn compare(
    bucket: &Bucket,
    copy: &Copy,
    manifest: &Manifest,
    tag: &str,
    listed: &BTreeMap<String, Listed>,
) -> Result<(), Unfetched> {
    let mut files = BTreeMap::new();
    for file in manifest.files() {
        let damaged = |message: String| {
            let path = bucket.address.name(&file.path);
            Unfetched::Gone(StoreError::Damaged { path, message })
        };
        let there = listed.get(&file.path).ok_or_else(|| damaged("the file is missing".to_owned()))?;
        if there.bytes != file.bytes {
            return Err(damaged(format!("it has {} bytes in place of {}", there.bytes, file.bytes)));
        }
        files.insert(file.path.clone(), there.tag.clone());
    }
    copy.compare(tag, files).map_err(Unfetched::Failed)
}
