//! Requests about one store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use tokio::sync::OnceCell;

use super::error::{Doing, refused};
use super::{Address, Options};
use crate::aws::{Connect, Failure, FailureKind};
use crate::source::S3Source;
use crate::source::s3::{Page, Requests};
use crate::store::StoreError;

/// An answer to what goes up begins when all of it is there, which takes longer than that to a question.
const PATIENCE: Duration = Duration::from_secs(300);

/// A store's bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    pub address: Address,
    connect: Connect,
    options: Options,
    requests: Arc<Requests>,
    /// Those of what goes up.
    uploads: OnceCell<Requests>,
}

/// Under which condition an object is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// None: nobody else knows the name.
    Always,
    /// There is no such object.
    Absent,
    /// The object has this ETag.
    Is(String),
}

/// A small object.
#[derive(Clone, Debug)]
pub(super) struct Small {
    pub bytes: Bytes,
    pub tag: String,
    /// Seconds since 1970, by S3's clock.
    pub modified: Option<i64>,
}

/// What a listing says of an object.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub bytes: u64,
    pub tag: String,
    /// Seconds since 1970, by S3's clock.
    pub modified: Option<i64>,
}

impl Bucket {
    pub async fn new(address: Address, options: &Options) -> Result<Self, StoreError> {
        let requests = Requests::new(&options.s3, &options.connect).await;
        let requests = requests.map_err(|error| super::error::unread(&address, "", error))?;
        Ok(Self {
            address,
            connect: options.connect.clone(),
            options: options.clone(),
            requests: Arc::new(requests),
            uploads: OnceCell::new(),
        })
    }

    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Reads files of the store, tries again, goes on where it broke off, and compares checksums.
    pub fn source(&self) -> S3Source {
        S3Source::sharing(Arc::clone(&self.requests), self.address.url(), self.connect.clone())
    }

    /// For what goes up.
    pub async fn uploads(&self) -> Result<&Requests, StoreError> {
        let connect =
            Connect { read_timeout: self.connect.read_timeout.max(PATIENCE), ..self.connect.clone() };
        let make = || async { Requests::new(&self.options.s3, &connect).await };
        let made = self.uploads.get_or_try_init(make).await;
        made.map_err(|error| super::error::unread(&self.address, "", error))
    }

    /// Whether there is such an object.
    pub async fn has(&self, path: &str) -> Result<bool, Failure> {
        let (name, key) = (self.address.name(path), self.address.key(path));
        let answer = self
            .requests
            .ask(&self.address.bucket, &name, |client| {
                let request = client.get_object().bucket(&self.address.bucket).key(&key).range("bytes=0-0");
                request.set_request_payer(self.requests.payer()).send()
            })
            .await;
        match answer {
            Ok(_) => Ok(true),
            Err(failure) if failure.kind == FailureKind::Missing => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// An object, whole; `None` if there is none.
    pub async fn get(&self, path: &str) -> Result<Option<Small>, StoreError> {
        let name = self.address.name(path);
        let mut failed = 0;
        loop {
            let failure = match self.attempt(path).await {
                Ok(small) => return Ok(Some(small)),
                Err(failure) => failure,
            };
            let is_missing = failure.kind == FailureKind::Missing;
            if is_missing && failure.code.as_deref() != Some("NoSuchBucket") {
                return Ok(None);
            }
            let again = self.requests.pause(&failure, &mut failed, &name).await;
            again.map_err(|failure| refused(&self.address, path, Doing::Reading, &failure))?;
        }
    }

    async fn attempt(&self, path: &str) -> Result<Small, Failure> {
        let mut answer =
            self.requests.open(&self.address.bucket, &self.address.key(path), None, None).await?;
        let mut bytes = Vec::new();
        loop {
            let next = tokio::time::timeout(self.connect.read_timeout, answer.body.next()).await;
            match next.map_err(|_| Failure::broken("nothing arrived any more"))? {
                Some(chunk) => bytes.extend_from_slice(&chunk.map_err(|e| Failure::broken_by(&e))?),
                None => break,
            }
        }
        if answer.content_length.is_some_and(|length| length != bytes.len() as i64) {
            return Err(Failure::broken(format!("the answer ended after {} bytes", bytes.len())));
        }
        let modified = answer.last_modified.map(|time| time.secs());
        Ok(Small { bytes: bytes.into(), tag: answer.e_tag.unwrap_or_default(), modified })
    }

    /// Writes an object; returns its ETag. If the condition does not hold, the failure is [`FailureKind::Changed`].
    pub async fn put(
        &self,
        path: &str,
        bytes: &Bytes,
        condition: &Condition,
    ) -> Result<Result<String, Failure>, StoreError> {
        let requests = self.uploads().await?;
        let (name, key) = (self.address.name(path), self.address.key(path));
        let (absent, tag) = match condition {
            Condition::Always => (None, None),
            Condition::Absent => (Some("*".to_owned()), None),
            Condition::Is(tag) => (None, Some(tag.clone())),
        };
        let answer = requests
            .ask(&self.address.bucket, &name, |client| {
                let request = client.put_object().bucket(&self.address.bucket).key(&key);
                request
                    .body(ByteStream::from(bytes.clone()))
                    .content_length(bytes.len() as i64)
                    .set_if_none_match(absent.clone())
                    .set_if_match(tag.clone())
                    .set_request_payer(requests.payer())
                    .send()
            })
            .await;
        Ok(match answer {
            Ok(answer) => Ok(answer.e_tag.unwrap_or_default()),
            // What should have been there has gone.
            Err(failure) if failure.kind == FailureKind::Missing && tag.is_some() => {
                Err(Failure { kind: FailureKind::Changed, ..failure })
            }
            Err(failure) => Err(failure),
        })
    }

    /// Removes an object; it may be gone already.
    pub async fn remove(&self, path: &str) -> Result<(), StoreError> {
        let (name, key) = (self.address.name(path), self.address.key(path));
        let answer = self
            .requests
            .ask(&self.address.bucket, &name, |client| {
                let request = client.delete_object().bucket(&self.address.bucket).key(&key);
                request.set_request_payer(self.requests.payer()).send()
            })
            .await;
        match answer {
            Ok(_) => Ok(()),
            Err(failure)
                if failure.kind == FailureKind::Missing
                    && failure.code.as_deref() != Some("NoSuchBucket") =>
            {
                Ok(())
            }
            Err(failure) => Err(refused(&self.address, path, Doing::Removing, &failure)),
        }
    }

    /// All objects below the store's prefix, by their path in the store.
    pub async fn list(&self) -> Result<BTreeMap<String, Listed>, StoreError> {
        let mut found = BTreeMap::new();
        let mut token: Option<String> = None;
        loop {
            let page = Page {
                bucket: &self.address.bucket,
                prefix: &self.address.prefix,
                folders: false,
                after: None,
                token: token.as_deref(),
            };
            let answer = self.requests.list(&page).await;
            let answer = answer.map_err(|f| refused(&self.address, "", Doing::Listing, &f))?;
            for object in answer.contents.unwrap_or_default() {
                let key = object.key.unwrap_or_default();
                let Some(path) = key.strip_prefix(&self.address.prefix) else { continue };
                let listed = Listed {
                    bytes: object.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
                    tag: object.e_tag.unwrap_or_default(),
                    modified: object.last_modified.map(|time| time.secs()),
                };
                found.insert(path.to_owned(), listed);
            }
            let next = answer.next_continuation_token.filter(|_| answer.is_truncated == Some(true));
            // The same again would go on for ever.
            if next.is_none() || next == token {
                return Ok(found);
            }
            token = next;
        }
    }
}
