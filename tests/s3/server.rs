//! A real S3 server in this process: s3s speaks the protocol, the objects lie in memory.
//!
//! Not s3s-fs, because it ignores `If-Match` of reads, lists no ETags, and can't keep checksums for keys as long as those of
//! flow logs; conditions of writes are looked at under the same lock as they are made, as S3 does. [`Server::of_directory`] serves one for the test that both look the same.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use bytes::Bytes;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, ChecksumType, CommonPrefix,
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, DeleteObjectInput, DeleteObjectOutput, ETag, ETagCondition, GetObjectInput,
    GetObjectOutput, ListObjectsV2Input, ListObjectsV2Output, Object, PutObjectInput, PutObjectOutput,
    StreamingBlob, Timestamp, UploadPartInput, UploadPartOutput,
};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::stream::ByteStream;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Which checksum an object is stored with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sum {
    None,
    Crc64,
    Crc32,
    Crc32c,
    Sha256,
    /// Of a multipart upload: a checksum of checksums.
    Composite,
}

#[derive(Clone)]
struct Stored {
    bytes: Bytes,
    tag: String,
    sum: Sum,
    modified: SystemTime,
}

/// Parts of multipart uploads, by upload.
type Uploads = BTreeMap<String, BTreeMap<i32, Bytes>>;

/// Buckets that tests and servers share.
#[derive(Clone, Default)]
pub struct Store {
    buckets: Arc<Mutex<BTreeMap<String, BTreeMap<String, Stored>>>>,
    uploads: Arc<Mutex<Uploads>>,
    /// Keys a page holds at most; 0 for 1,000.
    page: usize,
}

type Answer<'f, T> = Pin<Box<dyn Future<Output = S3Result<S3Response<T>>> + Send + 'f>>;

impl Store {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, BTreeMap<String, Stored>>> {
        self.buckets.lock().unwrap()
    }

    /// One whose listings have so many keys on a page.
    pub fn paged(page: usize) -> Self {
        Self { page, ..Self::default() }
    }

    pub fn bucket(&self, bucket: &str) {
        self.lock().entry(bucket.to_owned()).or_default();
    }

    pub fn put(&self, bucket: &str, key: &str, bytes: impl Into<Bytes>) {
        self.put_with(bucket, key, bytes, Sum::Crc64);
    }

    pub fn put_with(&self, bucket: &str, key: &str, bytes: impl Into<Bytes>, sum: Sum) {
        let stored = Stored::new(bytes.into(), sum, SystemTime::UNIX_EPOCH);
        self.lock().entry(bucket.to_owned()).or_default().insert(key.to_owned(), stored);
    }

    pub fn delete(&self, bucket: &str, key: &str) {
        self.lock().entry(bucket.to_owned()).or_default().remove(key);
    }

    /// Makes an object as old as can be.
    pub fn age(&self, bucket: &str, key: &str) {
        let mut buckets = self.lock();
        let stored = buckets.get_mut(bucket).and_then(|keys| keys.get_mut(key)).unwrap();
        stored.modified = SystemTime::UNIX_EPOCH;
    }

    /// Multipart uploads that were begun and not ended.
    pub fn uploads(&self) -> usize {
        self.uploads.lock().unwrap().len()
    }

    /// The same objects in buckets of their own.
    pub fn fork(&self) -> Self {
        let buckets = self.lock().clone();
        Self { buckets: Arc::new(Mutex::new(buckets)), uploads: Arc::default(), page: self.page }
    }

    pub fn keys(&self, bucket: &str) -> Vec<String> {
        self.lock().get(bucket).map(|keys| keys.keys().cloned().collect()).unwrap_or_default()
    }

    pub fn bytes(&self, bucket: &str, key: &str) -> Bytes {
        self.lock()[bucket][key].bytes.clone()
    }

    fn get(&self, input: &GetObjectInput) -> S3Result<S3Response<GetObjectOutput>> {
        let buckets = self.lock();
        let keys = buckets.get(&input.bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
        let stored = keys.get(&input.key).ok_or_else(|| s3_error!(NoSuchKey))?.clone();
        let tag = ETag::Strong(stored.tag.clone());
        if let Some(ETagCondition::ETag(wanted)) = &input.if_match
            && !wanted.strong_cmp(&tag)
        {
            return Err(s3_error!(PreconditionFailed));
        }
        let size = stored.bytes.len() as u64;
        let (bytes, content_range) = match &input.range {
            None => (stored.bytes.clone(), None),
            Some(range) => {
                let range = range.check(size)?;
                let part = stored.bytes.slice(range.start as usize..range.end as usize);
                (part, Some(format!("bytes {}-{}/{size}", range.start, range.end - 1)))
            }
        };
        let mut output = GetObjectOutput {
            content_length: Some(bytes.len() as i64),
            content_range,
            e_tag: Some(tag),
            last_modified: Some(Timestamp::from(stored.modified)),
            body: Some(StreamingBlob::from(s3s::Body::from(bytes))),
            ..GetObjectOutput::default()
        };
        // As S3 does: only who asks is told, and only of whole objects.
        if input.checksum_mode.is_some() && input.range.is_none() {
            let mut sum = ChecksumHasher::default();
            match stored.sum {
                Sum::None => {}
                Sum::Crc64 => sum.crc64nvme = Some(Default::default()),
                Sum::Crc32 => sum.crc32 = Some(Default::default()),
                Sum::Crc32c | Sum::Composite => sum.crc32c = Some(Default::default()),
                Sum::Sha256 => sum.sha256 = Some(Default::default()),
            }
            sum.update(if stored.sum == Sum::Composite { b"parts" } else { &stored.bytes[..] });
            let sum = sum.finalize();
            let parts = if stored.sum == Sum::Composite { "-3" } else { "" };
            output.checksum_crc64nvme = sum.checksum_crc64nvme;
            output.checksum_crc32 = sum.checksum_crc32;
            output.checksum_crc32c = sum.checksum_crc32c.map(|sum| sum + parts);
            output.checksum_sha256 = sum.checksum_sha256;
            output.checksum_type = match stored.sum {
                Sum::None => None,
                Sum::Composite => Some(ChecksumType::from_static(ChecksumType::COMPOSITE)),
                _ => Some(ChecksumType::from_static(ChecksumType::FULL_OBJECT)),
            };
        }
        Ok(S3Response::new(output))
    }

    /// Writes an object, if that is the time for it.
    fn write(
        &self,
        (bucket, key): (&str, &str),
        stored: Stored,
        (absent, wanted): (Option<&ETagCondition>, Option<&ETagCondition>),
    ) -> S3Result<ETag> {
        let mut buckets = self.lock();
        let keys = buckets.get_mut(bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
        let there = keys.get(key).map(|stored| ETag::Strong(stored.tag.clone()));
        if absent.is_some() && there.is_some() {
            return Err(s3_error!(PreconditionFailed));
        }
        if let Some(ETagCondition::ETag(wanted)) = wanted {
            // As S3 does (User Guide, "How to prevent object overwrites with conditional writes").
            let there = there.ok_or_else(|| s3_error!(NoSuchKey))?;
            if !wanted.strong_cmp(&there) {
                return Err(s3_error!(PreconditionFailed));
            }
        }
        let tag = ETag::Strong(stored.tag.clone());
        keys.insert(key.to_owned(), stored);
        Ok(tag)
    }

    async fn put_object_now(&self, input: PutObjectInput) -> S3Result<S3Response<PutObjectOutput>> {
        let bytes = collect(input.body).await?;
        check_sum(&bytes, input.checksum_crc32.as_deref())?;
        let sum = if input.checksum_crc32.is_some() { Sum::Crc32 } else { Sum::None };
        let stored = Stored::new(bytes, sum, SystemTime::now());
        let conditions = (input.if_none_match.as_ref(), input.if_match.as_ref());
        let tag = self.write((&input.bucket, &input.key), stored, conditions)?;
        Ok(S3Response::new(PutObjectOutput { e_tag: Some(tag), ..PutObjectOutput::default() }))
    }

    async fn upload_part_now(&self, input: UploadPartInput) -> S3Result<S3Response<UploadPartOutput>> {
        let bytes = collect(input.body).await?;
        check_sum(&bytes, input.checksum_crc32.as_deref())?;
        let tag = Stored::new(bytes.clone(), Sum::None, SystemTime::UNIX_EPOCH).tag;
        let mut uploads = self.uploads.lock().unwrap();
        let upload = uploads.get_mut(&input.upload_id).ok_or_else(|| s3_error!(NoSuchUpload))?;
        upload.insert(input.part_number, bytes);
        Ok(S3Response::new(UploadPartOutput {
            e_tag: Some(ETag::Strong(tag)),
            checksum_crc32: input.checksum_crc32,
            ..UploadPartOutput::default()
        }))
    }

    fn complete(
        &self,
        input: &CompleteMultipartUploadInput,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let mut uploads = self.uploads.lock().unwrap();
        let upload = uploads.get(&input.upload_id).ok_or_else(|| s3_error!(NoSuchUpload))?;
        let parts = input.multipart_upload.as_ref().and_then(|upload| upload.parts.as_ref());
        let mut bytes = Vec::new();
        for part in parts.ok_or_else(|| s3_error!(InvalidPart))? {
            let number = part.part_number.unwrap_or_default();
            bytes.extend_from_slice(upload.get(&number).ok_or_else(|| s3_error!(InvalidPart))?);
        }
        if input.mpu_object_size.is_some_and(|size| size != bytes.len() as i64) {
            return Err(s3_error!(InvalidRequest));
        }
        let mut stored = Stored::new(bytes.into(), Sum::Crc32, SystemTime::now());
        stored.tag = format!("{}-{}", stored.tag, upload.len());
        let tag = self.write((&input.bucket, &input.key), stored, (None, None))?;
        uploads.remove(&input.upload_id);
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            e_tag: Some(tag),
            ..CompleteMultipartUploadOutput::default()
        }))
    }

    fn list(&self, input: ListObjectsV2Input) -> S3Result<S3Response<ListObjectsV2Output>> {
        let buckets = self.lock();
        let keys = buckets.get(&input.bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
        let prefix = input.prefix.clone().unwrap_or_default();
        // Tokens are opaque: here the last key or folder of the page before, in hexadecimal.
        let token = match &input.continuation_token {
            Some(token) => Some(unhex(token).ok_or_else(|| s3_error!(InvalidArgument))?),
            None => input.start_after.clone(),
        };
        let page = if self.page == 0 { 1000 } else { self.page };
        let (mut contents, mut folders) = (Vec::new(), Vec::new());
        let (mut last, mut truncated) = (String::new(), false);
        for (key, stored) in keys.iter().filter(|(key, _)| key.starts_with(&prefix)) {
            let folder = input.delimiter.as_deref().and_then(|delimiter| {
                let at = key[prefix.len()..].find(delimiter)?;
                Some(key[..prefix.len() + at + delimiter.len()].to_owned())
            });
            let shown = folder.as_ref().unwrap_or(key);
            // A folder lies behind a token of its own, and so does all that is in it.
            if token.as_ref().is_some_and(|token| shown <= token) || *shown == last {
                continue;
            }
            if contents.len() + folders.len() == page {
                truncated = true;
                break;
            }
            last.clone_from(shown);
            match folder {
                Some(prefix) => folders.push(CommonPrefix { prefix: Some(prefix) }),
                None => contents.push(Object {
                    key: Some(key.clone()),
                    size: Some(stored.bytes.len() as i64),
                    e_tag: Some(ETag::Strong(stored.tag.clone())),
                    last_modified: Some(Timestamp::from(stored.modified)),
                    ..Object::default()
                }),
            }
        }
        Ok(S3Response::new(ListObjectsV2Output {
            key_count: Some((contents.len() + folders.len()) as i32),
            max_keys: Some(page as i32),
            is_truncated: Some(truncated),
            next_continuation_token: truncated.then(|| hex(&last)),
            contents: Some(contents),
            common_prefixes: Some(folders),
            name: Some(input.bucket),
            prefix: Some(prefix),
            delimiter: input.delimiter,
            ..ListObjectsV2Output::default()
        }))
    }
}

impl Stored {
    fn new(bytes: Bytes, sum: Sum, modified: SystemTime) -> Self {
        let tag = Md5::checksum(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { bytes, tag, sum, modified }
    }
}

/// All of a body.
async fn collect(body: Option<StreamingBlob>) -> S3Result<Bytes> {
    let Some(mut body) = body else { return Ok(Bytes::new()) };
    let mut bytes = Vec::new();
    while let Some(chunk) = next(&mut body).await {
        bytes.extend_from_slice(&chunk.map_err(|_| s3_error!(IncompleteBody))?);
    }
    Ok(bytes.into())
}

async fn next<S: ByteStream + Unpin>(stream: &mut S) -> Option<S::Item> {
    std::future::poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}

fn check_sum(bytes: &[u8], expected: Option<&str>) -> S3Result<()> {
    let mut sum = ChecksumHasher { crc32: Some(Default::default()), ..ChecksumHasher::default() };
    sum.update(bytes);
    match expected.is_some() && sum.finalize().checksum_crc32.as_deref() != expected {
        true => Err(s3_error!(BadDigest)),
        false => Ok(()),
    }
}

impl S3 for Store {
    fn put_object<'s, 'f>(&'s self, request: S3Request<PutObjectInput>) -> Answer<'f, PutObjectOutput>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin(self.put_object_now(request.input))
    }

    fn delete_object<'s, 'f>(
        &'s self,
        request: S3Request<DeleteObjectInput>,
    ) -> Answer<'f, DeleteObjectOutput>
    where
        's: 'f,
        Self: 'f,
    {
        self.delete(&request.input.bucket, &request.input.key);
        Box::pin(async move { Ok(S3Response::new(DeleteObjectOutput::default())) })
    }

    fn create_multipart_upload<'s, 'f>(
        &'s self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> Answer<'f, CreateMultipartUploadOutput>
    where
        's: 'f,
        Self: 'f,
    {
        let mut uploads = self.uploads.lock().unwrap();
        let id = format!("upload-{}-{}", uploads.len(), request.input.key.replace('/', "-"));
        uploads.insert(id.clone(), BTreeMap::new());
        let output = CreateMultipartUploadOutput { upload_id: Some(id), ..Default::default() };
        Box::pin(async move { Ok(S3Response::new(output)) })
    }

    fn upload_part<'s, 'f>(&'s self, request: S3Request<UploadPartInput>) -> Answer<'f, UploadPartOutput>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin(self.upload_part_now(request.input))
    }

    fn complete_multipart_upload<'s, 'f>(
        &'s self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> Answer<'f, CompleteMultipartUploadOutput>
    where
        's: 'f,
        Self: 'f,
    {
        let answer = self.complete(&request.input);
        Box::pin(async move { answer })
    }

    fn abort_multipart_upload<'s, 'f>(
        &'s self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> Answer<'f, AbortMultipartUploadOutput>
    where
        's: 'f,
        Self: 'f,
    {
        self.uploads.lock().unwrap().remove(&request.input.upload_id);
        Box::pin(async move { Ok(S3Response::new(AbortMultipartUploadOutput::default())) })
    }

    fn get_object<'s, 'f>(&'s self, request: S3Request<GetObjectInput>) -> Answer<'f, GetObjectOutput>
    where
        's: 'f,
        Self: 'f,
    {
        let answer = self.get(&request.input);
        Box::pin(async move { answer })
    }

    fn list_objects_v2<'s, 'f>(
        &'s self,
        request: S3Request<ListObjectsV2Input>,
    ) -> Answer<'f, ListObjectsV2Output>
    where
        's: 'f,
        Self: 'f,
    {
        let answer = self.list(request.input);
        Box::pin(async move { answer })
    }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<String> {
    let digits: Vec<u8> = text
        .as_bytes()
        .chunks(2)
        .map(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok())
        .collect::<Option<_>>()?;
    String::from_utf8(digits).ok()
}

/// A server on a free port of this machine; it stops when dropped.
pub struct Server {
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    /// Serves a store. With credentials (key id, secret) requests must be signed by them, without they must not be signed.
    pub fn start(store: Store, credentials: Option<(&str, &str)>) -> Self {
        let mut builder = S3ServiceBuilder::new(store);
        if let Some((id, secret)) = credentials {
            builder.set_auth(SimpleAuth::from_single(id, secret));
        }
        Self::serve(builder.build())
    }

    /// Serves the folders of a directory as buckets.
    pub fn of_directory(root: &Path) -> Self {
        let files = s3s_fs::FileSystem::new(root).unwrap();
        Self::serve(S3ServiceBuilder::new(files).build())
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn serve(service: S3Service) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<Infallible>();
        let thread = std::thread::spawn(move || {
            runtime.spawn(async move {
                while let Ok((socket, _)) = listener.accept().await {
                    let service = service.clone();
                    tokio::spawn(async move {
                        let server = hyper::server::conn::http1::Builder::new();
                        // Clients go when they like.
                        let _ = server.serve_connection(TokioIo::new(socket), service).await;
                    });
                }
            });
            let _ = runtime.block_on(stopped);
        });
        Self { address, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
