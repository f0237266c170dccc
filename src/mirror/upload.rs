//! Files of a store go up: small ones at once, large ones in parts.

use std::collections::BTreeMap;
use std::io::SeekFrom;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::bucket::{Bucket, Condition};
use super::copy::failed;
use super::error::{Doing, internal, refused};
use crate::aws::Failure;
use crate::source::s3::Requests;
use crate::store::{StoreError, StoredFile};

/// Bodies that are in memory at once.
const BODIES: usize = 8;

/// Most parts of an object (S3 User Guide, "Amazon S3 multipart upload limits").
const PARTS: u64 = 10_000;

/// Puts files that lie in a directory into the bucket; returns their ETags. The first failure ends it.
pub(super) async fn upload(
    bucket: &Arc<Bucket>,
    directory: &Path,
    files: &[StoredFile],
) -> Result<BTreeMap<String, String>, StoreError> {
    let permits = Arc::new(Semaphore::new(BODIES));
    let mut tasks = JoinSet::new();
    for file in files {
        let one = One {
            bucket: Arc::clone(bucket),
            permits: Arc::clone(&permits),
            local: directory.join(&file.path),
            path: file.path.clone(),
        };
        let bytes = file.bytes;
        tasks.spawn(async move { one.upload(bytes).await.map(|tag| (one.path.clone(), tag)) });
    }
    let all = async {
        let mut tags = BTreeMap::new();
        while let Some(done) = tasks.join_next().await {
            let (path, tag) = done.map_err(internal)??;
            tags.insert(path, tag);
        }
        Ok(tags)
    };
    bucket.options().stop.or(all).await
}

/// One file that goes up.
#[derive(Clone)]
struct One {
    bucket: Arc<Bucket>,
    permits: Arc<Semaphore>,
    local: PathBuf,
    /// In the store.
    path: String,
}

impl One {
    async fn upload(&self, bytes: u64) -> Result<String, StoreError> {
        let part = self.bucket.options().part_bytes.max(bytes.div_ceil(PARTS)).max(1);
        if bytes > part {
            return self.in_parts(bytes, part).await;
        }
        let _permit = self.permits.acquire().await;
        // A step of which a test can end the program.
        self.bucket.options().disk.pass();
        let body = self.read(0, bytes).await?;
        let tag = self.bucket.put(&self.path, &body, &Condition::Always).await?;
        tag.map_err(|failure| self.refused(&failure))
    }

    fn refused(&self, failure: &Failure) -> StoreError {
        refused(&self.bucket.address, &self.path, Doing::Writing, failure)
    }

    async fn read(&self, from: u64, bytes: u64) -> Result<Bytes, StoreError> {
        let of_disk = |error: std::io::Error| failed(&self.local, &error);
        let mut file = File::open(&self.local).await.map_err(of_disk)?;
        file.seek(SeekFrom::Start(from)).await.map_err(of_disk)?;
        let mut body = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)];
        file.read_exact(&mut body).await.map_err(of_disk)?;
        Ok(body.into())
    }

    async fn in_parts(&self, bytes: u64, part: u64) -> Result<String, StoreError> {
        let requests = self.bucket.uploads().await?;
        let (name, key) = (self.bucket.address.name(&self.path), self.bucket.address.key(&self.path));
        let begun = requests
            .ask(&self.bucket.address.bucket, &name, |client| {
                let request = client.create_multipart_upload().bucket(&self.bucket.address.bucket).key(&key);
                request
                    // S3 makes one checksum of those of the parts, so that whoever fetches the file can compare it.
                    .checksum_algorithm(ChecksumAlgorithm::Crc32)
                    .checksum_type(ChecksumType::FullObject)
                    .set_request_payer(requests.payer())
                    .send()
            })
            .await
            .map_err(|failure| self.refused(&failure))?;
        let id = begun.upload_id.unwrap_or_default();
        let result = self.parts(requests, &id, bytes, part).await;
        if result.is_err() {
            // What can't be removed is left to the bucket's lifecycle rule, as after a kill.
            _ = requests
                .ask(&self.bucket.address.bucket, &name, |client| {
                    let request = client.abort_multipart_upload().bucket(&self.bucket.address.bucket);
                    request.key(&key).upload_id(&id).set_request_payer(requests.payer()).send()
                })
                .await;
        }
        result
    }

    async fn parts(
        &self,
        requests: &Requests,
        id: &str,
        bytes: u64,
        part: u64,
    ) -> Result<String, StoreError> {
        let mut tasks = JoinSet::new();
        for (number, from) in (1..).zip((0..bytes).step_by(usize::try_from(part).unwrap_or(usize::MAX))) {
            let (one, id) = (self.clone(), id.to_owned());
            tasks.spawn(async move { one.part(&id, number, from, part.min(bytes - from)).await });
        }
        let mut parts = Vec::new();
        while let Some(done) = tasks.join_next().await {
            parts.push(done.map_err(internal)??);
        }
        parts.sort_by_key(|part: &CompletedPart| part.part_number);
        let upload = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let (name, key) = (self.bucket.address.name(&self.path), self.bucket.address.key(&self.path));
        let answer = requests
            .ask(&self.bucket.address.bucket, &name, |client| {
                let request =
                    client.complete_multipart_upload().bucket(&self.bucket.address.bucket).key(&key);
                request
                    .upload_id(id)
                    .multipart_upload(upload.clone())
                    .checksum_type(ChecksumType::FullObject)
                    .mpu_object_size(i64::try_from(bytes).unwrap_or(i64::MAX))
                    .set_request_payer(requests.payer())
                    .send()
            })
            .await;
        match answer {
            Ok(answer) => Ok(answer.e_tag.unwrap_or_default()),
            // The answer to an earlier attempt was lost, and the upload is done: nobody else knows its name.
            Err(failure) if failure.code.as_deref() == Some("NoSuchUpload") => {
                self.there(bytes, &failure).await
            }
            Err(failure) => Err(self.refused(&failure)),
        }
    }

    /// The ETag of the file, if it is there whole.
    async fn there(&self, bytes: u64, failure: &Failure) -> Result<String, StoreError> {
        match self.bucket.list().await?.remove(&self.path) {
            Some(there) if there.bytes == bytes => Ok(there.tag),
            _ => Err(self.refused(failure)),
        }
    }

    async fn part(&self, id: &str, number: i32, from: u64, bytes: u64) -> Result<CompletedPart, StoreError> {
        let _permit = self.permits.acquire().await;
        self.bucket.options().disk.pass();
        let requests = self.bucket.uploads().await?;
        let body = self.read(from, bytes).await?;
        let (name, key) = (self.bucket.address.name(&self.path), self.bucket.address.key(&self.path));
        let answer = requests
            .ask(&self.bucket.address.bucket, &name, |client| {
                let request = client.upload_part().bucket(&self.bucket.address.bucket).key(&key);
                request
                    .upload_id(id)
                    .part_number(number)
                    .body(ByteStream::from(body.clone()))
                    .content_length(body.len() as i64)
                    .checksum_algorithm(ChecksumAlgorithm::Crc32)
                    .set_request_payer(requests.payer())
                    .send()
            })
            .await
            .map_err(|failure| self.refused(&failure))?;
        Ok(CompletedPart::builder()
            .part_number(number)
            .set_e_tag(answer.e_tag)
            .set_checksum_crc32(answer.checksum_crc32)
            .build())
    }
}
