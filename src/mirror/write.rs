//! A store in S3, to write to.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::bucket::{Bucket, Condition, Listed};
use super::copy::{Copy, unique};
use super::error::{Doing, internal, refused};
use super::fetch::fetch;
use super::lease::{LOCK, Lease};
use super::read::{compare, runtime};
use super::upload::upload;
use super::{Address, Options};
use crate::aws::FailureKind;
use crate::source::S3Url;
use crate::store::{
    Lock, MANIFEST, Manifest, Need, Original, StoreError, StoreWriter, StoredFile, is_file_of_ours,
};

/// Seconds after which a file that no manifest names is not that of a run that goes on, but garbage: 6 hours.
pub const GARBAGE_AGE: i64 = 6 * 3600;

/// Removals at the same time.
const REMOVALS: usize = 16;

/// The lock of a local store: a copy by `aws s3 sync` brings it along.
const LOCAL_LOCK: &str = "lock";

/// A store in S3 that is ours to change, until this is dropped.
pub struct Writing {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Writing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writing").field("address", &self.shared.bucket.address).finish_non_exhaustive()
    }
}

struct Shared {
    runtime: Runtime,
    bucket: Arc<Bucket>,
    copy: Copy,
    /// ETag of the manifest as we know it; none if there is none.
    tag: Mutex<Option<String>>,
    lease: tokio::sync::Mutex<Lease>,
}

impl Writing {
    /// Fetches what is needed of the store and not here yet.
    ///
    /// # Errors
    /// When it can't be fetched.
    pub fn fetch(&self, manifest: &Manifest, need: &Need) -> Result<(), StoreError> {
        let Shared { runtime, bucket, copy, .. } = &*self.shared;
        Ok(runtime.block_on(fetch(bucket, copy, manifest, need))?)
    }
}

impl Drop for Writing {
    /// Lets go of the lock.
    fn drop(&mut self) {
        let Shared { runtime, bucket, lease, .. } = &*self.shared;
        bucket.options().disk.pass();
        runtime.block_on(async { lease.lock().await.release().await });
    }
}

/// What another run did in the meantime.
pub(super) fn raced(address: &Address) -> StoreError {
    StoreError::Elsewhere {
        message: format!(
            "{address}: another run wrote to this store in the meantime: it is as that run left it"
        ),
        help: "run again: what the store does not hold is read again, and nothing is lost".to_owned(),
    }
}

/// What another run does now.
pub(super) fn taken_over(address: &Address) -> StoreError {
    StoreError::Elsewhere {
        message: format!(
            "{address}: nothing was heard of this run for too long, and another one writes to this store now"
        ),
        help:
            "run again when that run is done: what the store does not hold is read again, and nothing is lost"
                .to_owned(),
    }
}

/// Opens a store to write to it; with `make`, begins one where there is none. Garbage of other runs is removed, and `need`
/// is fetched.
///
/// # Errors
/// When somebody else writes to it, when it is damaged or newer than this program, when something else lies there, or when it
/// can't be reached.
pub fn open_to_write(
    url: &S3Url,
    options: &Options,
    make: bool,
    need: &Need,
) -> Result<(StoreWriter, Writing), StoreError> {
    let runtime = runtime()?;
    let address = Address::new(url);
    let mut copy = Copy::open(options, &address)?;
    let local = Lock::take(&copy.directory).map_err(|error| match error {
        StoreError::Busy { holder, .. } => StoreError::Busy { directory: address.to_string(), holder },
        other => other,
    })?;
    let (bucket, lease, manifest, tag) = runtime.block_on(async {
        let bucket = Arc::new(Bucket::new(address, options).await?);
        let before = bucket.get(MANIFEST).await?;
        if before.is_none() {
            let missing = StoreError::Missing { directory: bucket.address.to_string() };
            if !make {
                return Err(missing);
            }
            refuse_foreign(&bucket, &bucket.list().await?)?;
        }
        options.disk.pass();
        let mut lease = Lease::take(&bucket, &copy.id()).await?;
        match begin(&bucket, &mut copy, need).await {
            Ok((manifest, tag)) => Ok((bucket, lease, manifest, tag)),
            Err(error) => {
                lease.release().await;
                Err(error)
            }
        }
    })?;
    let (directory, held) = (copy.directory.clone(), Arc::clone(&copy.held));
    let shared = Arc::new(Shared {
        runtime,
        bucket,
        copy,
        tag: Mutex::new(tag),
        lease: tokio::sync::Mutex::new(lease),
    });
    let writing = Writing { shared: Arc::clone(&shared) };
    let publish = {
        let directory = directory.clone();
        Box::new(move |manifest: &Manifest, added: &[StoredFile]| shared.publish(&directory, manifest, added))
    };
    let original = Original { tag: format!("-{}", unique()), publish };
    let disk = options.disk.clone();
    let writer = StoreWriter::of_copy(local, &directory, disk, Some(held), manifest, original)?;
    Ok((writer, writing))
}

/// The manifest as it is now that nobody else changes it, without the garbage of others, and with what is needed.
async fn begin(
    bucket: &Arc<Bucket>,
    copy: &mut Copy,
    need: &Need,
) -> Result<(Manifest, Option<String>), StoreError> {
    let (manifest, tag) = match bucket.get(MANIFEST).await? {
        Some(small) => {
            let name = bucket.address.name(MANIFEST);
            let manifest = Manifest::parse(&small.bytes, &name, &bucket.address.to_string())?;
            (manifest, Some(small.tag))
        }
        None => (Manifest::new(), None),
    };
    let listed = bucket.list().await?;
    compare(bucket, copy, &manifest, tag.as_deref().unwrap_or_default(), &listed)?;
    copy.share(&manifest)?;
    remove_garbage(bucket, &manifest, &listed).await?;
    fetch(bucket, copy, &manifest, need).await?;
    Ok((manifest, tag))
}

/// A prefix without a manifest may be empty, or hold what a run left that was killed before its first commit.
fn refuse_foreign(bucket: &Bucket, listed: &BTreeMap<String, Listed>) -> Result<(), StoreError> {
    let ours = |path: &str| path == LOCK || path == LOCAL_LOCK || path.is_empty() || is_file_of_ours(path);
    match listed.keys().find(|path| !ours(path)) {
        Some(found) => {
            Err(StoreError::Foreign { directory: bucket.address.to_string(), found: format!("`{found}`") })
        }
        None => Ok(()),
    }
}

/// Removes files of ours that the manifest does not name and that are too old to be on their way into it.
async fn remove_garbage(
    bucket: &Arc<Bucket>,
    manifest: &Manifest,
    listed: &BTreeMap<String, Listed>,
) -> Result<(), StoreError> {
    let named: std::collections::BTreeSet<&str> = manifest.files().map(|file| file.path.as_str()).collect();
    let is_old = |listed: &Listed| {
        listed.modified.is_some_and(|modified| bucket.options().now - modified > GARBAGE_AGE)
    };
    let garbage = listed
        .iter()
        .filter(|(path, listed)| is_file_of_ours(path) && !named.contains(path.as_str()) && is_old(listed));
    let mut tasks = JoinSet::new();
    for (path, _) in garbage {
        if tasks.len() >= REMOVALS
            && let Some(done) = tasks.join_next().await
        {
            done.map_err(internal)??;
        }
        let (bucket, path) = (Arc::clone(bucket), path.clone());
        tasks.spawn(async move {
            bucket.options().disk.pass();
            bucket.remove(&path).await
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.map_err(internal)??;
    }
    Ok(())
}

impl Shared {
    /// New files go up, then the manifest that names them.
    fn publish(&self, directory: &Path, manifest: &Manifest, added: &[StoredFile]) -> Result<(), StoreError> {
        let bytes: Bytes = manifest.text()?.into();
        let known = || self.tag.lock().unwrap_or_else(PoisonError::into_inner);
        let condition = known().clone().map_or(Condition::Absent, Condition::Is);
        let (tag, tags) = self.runtime.block_on(async {
            let lease = self.lease.lock().await;
            lease.assert_held().await?;
            let tags = upload(&self.bucket, directory, added).await?;
            lease.assert_held().await?;
            self.bucket.options().disk.pass();
            let tag = self.exchange(&bytes, &condition).await?;
            self.bucket.options().disk.pass();
            Ok::<_, StoreError>((tag, tags))
        })?;
        *known() = Some(tag.clone());
        // It is done. What can't be noted is fetched again one day.
        _ = self.copy.publish(&tag, tags);
        Ok(())
    }

    /// Puts the manifest in the place of the one that is there, if that is the one we know.
    async fn exchange(&self, bytes: &Bytes, condition: &Condition) -> Result<String, StoreError> {
        match self.bucket.put(MANIFEST, bytes, condition).await? {
            Ok(tag) => Ok(tag),
            // Of an attempt whose answer was lost.
            Err(failure) if failure.kind == FailureKind::Changed => match self.bucket.get(MANIFEST).await? {
                Some(there) if there.bytes == *bytes => Ok(there.tag),
                _ => Err(raced(&self.bucket.address)),
            },
            Err(failure) => Err(refused(&self.bucket.address, MANIFEST, Doing::Writing, &failure)),
        }
    }
}
