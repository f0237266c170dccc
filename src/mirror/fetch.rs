//! Files of a store come here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tokio::fs;
use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::channel;
use tokio::task::JoinSet;

use super::bucket::Bucket;
use super::copy::{Copy, failed, unique};
use super::error::{internal, unread};
use crate::source::{ContentHint, Object, S3Source, Source, SourceError};
use crate::store::{Manifest, Need, StoreError, StoredFile};

/// Why a file is not here now.
#[derive(Debug)]
pub(super) enum Unfetched {
    /// It is not there any more, or not the one that was listed: somebody wrote meanwhile, or it is damaged.
    Gone(StoreError),
    /// Anything else.
    Failed(StoreError),
}

impl From<StoreError> for Unfetched {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl From<Unfetched> for StoreError {
    fn from(error: Unfetched) -> Self {
        match error {
            Unfetched::Gone(error) | Unfetched::Failed(error) => error,
        }
    }
}

/// Fetches what is needed and not here, several files at once. The first failure ends it; what is here stays.
pub(super) async fn fetch(
    bucket: &Bucket,
    copy: &Copy,
    manifest: &Manifest,
    need: &Need,
) -> Result<(), Unfetched> {
    let source = Arc::new(bucket.source());
    let permits = Arc::new(Semaphore::new(bucket.options().max_requests.max(1)));
    let mut tasks = JoinSet::new();
    for file in manifest.files().filter(|file| need.wants(file) && copy.lacks(file)) {
        let one = One {
            source: Arc::clone(&source),
            address: bucket.address.clone(),
            object: Object {
                name: bucket.address.name(&file.path),
                size: Some(file.bytes),
                version: copy.tag(file),
                key: None,
                content: ContentHint::Parquet,
            },
            path: copy.directory.join(&file.path),
            file: file.clone(),
        };
        let permits = Arc::clone(&permits);
        tasks.spawn(async move {
            let _permit = permits.acquire().await;
            one.fetch().await
        });
    }
    let all = async {
        while let Some(done) = tasks.join_next().await {
            done.map_err(|error| Unfetched::Failed(internal(error)))??;
        }
        Ok(())
    };
    bucket.options().stop.or(all).await
}

/// One file to fetch.
struct One {
    source: Arc<S3Source>,
    address: super::Address,
    object: Object,
    path: PathBuf,
    file: StoredFile,
}

impl One {
    async fn fetch(self) -> Result<(), Unfetched> {
        let of_disk = |path: &Path, error: &std::io::Error| Unfetched::Failed(failed(path, error));
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).await.map_err(|e| of_disk(folder, &e))?;
        }
        // Others may fetch the same.
        let temporary = self.path.with_extension(format!("{}.part", unique()));
        let result = self.fetch_to(&temporary).await;
        let result = match result {
            Ok(()) => fs::rename(&temporary, &self.path).await.map_err(|e| of_disk(&self.path, &e)),
            Err(error) => Err(error),
        };
        if result.is_err() {
            _ = fs::remove_file(&temporary).await;
        }
        result
    }

    async fn fetch_to(&self, temporary: &Path) -> Result<(), Unfetched> {
        let of_disk = |error: &std::io::Error| Unfetched::Failed(failed(temporary, error));
        let mut out = fs::File::create(temporary).await.map_err(|e| of_disk(&e))?;
        let (to, mut from) = channel::<Bytes>(2);
        let write = async {
            while let Some(chunk) = from.recv().await {
                out.write_all(&chunk).await?;
            }
            out.flush().await?;
            // What has the right length counts as fetched, also after a loss of power.
            out.sync_all().await
        };
        let (fetched, written) = tokio::join!(self.source.fetch(&self.object, to), write);
        written.map_err(|e| of_disk(&e))?;
        let bytes = fetched.map_err(|error| match &error {
            SourceError::Vanished { .. } | SourceError::Replaced { .. } => {
                Unfetched::Gone(unread(&self.address, &self.file.path, error))
            }
            _ => Unfetched::Failed(unread(&self.address, &self.file.path, error)),
        })?;
        if bytes != self.file.bytes {
            let message = format!("it has {bytes} bytes in place of {}", self.file.bytes);
            return Err(Unfetched::Gone(StoreError::Damaged { path: self.object.name.clone(), message }));
        }
        Ok(())
    }
}
