//! Requests to S3, tried again as long as that can help.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, Region, StalledStreamProtectionConfig};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::{ChecksumMode, RequestPayer};
use aws_types::service_config::ServiceConfigKey;

use super::S3Options;
use super::whole::Whole;
use crate::aws::{Backoff, Connect, Failure, FailureKind};
use crate::source::SourceError;

/// A bucket may be named as elsewhere this often before that is taken for a loop.
const MOVES: u32 = 3;

/// The clients of one run: one per region that a bucket turned out to be in.
#[derive(Debug)]
pub(crate) struct Requests {
    config: SdkConfig,
    options: S3Options,
    pub backoff: Backoff,
    /// For stalls of listings.
    watch: StalledStreamProtectionConfig,
    clients: Mutex<BTreeMap<String, Client>>,
    homes: Mutex<BTreeMap<String, String>>,
}

/// One page of a listing.
pub(crate) struct Page<'a> {
    pub bucket: &'a str,
    pub prefix: &'a str,
    pub folders: bool,
    /// Only keys behind this one.
    pub after: Option<&'a str>,
    pub token: Option<&'a str>,
}

impl Requests {
    /// Nothing is asked yet.
    pub async fn new(options: &S3Options, connect: &Connect) -> Result<Self, SourceError> {
        let config = connect.load().await?;
        let path_style = options.path_style || has_own_endpoint(&config);
        Ok(Self {
            config,
            options: S3Options { path_style, ..*options },
            backoff: connect.backoff,
            watch: connect.watch(),
            clients: Mutex::default(),
            homes: Mutex::default(),
        })
    }

    /// One page of keys, tried again while that can help.
    pub async fn list(&self, page: &Page<'_>) -> Result<ListObjectsV2Output, Failure> {
        let name = format!("s3://{}/{}{}", page.bucket, page.prefix, page.token.unwrap_or_default());
        let mut failed = 0;
        loop {
            let answer = self
                .at_home(page.bucket, |client| {
                    client
                        .list_objects_v2()
                        .bucket(page.bucket)
                        .set_prefix((!page.prefix.is_empty()).then(|| page.prefix.to_owned()))
                        .set_delimiter(page.folders.then(|| "/".to_owned()))
                        .set_start_after(page.after.map(str::to_owned))
                        .set_continuation_token(page.token.map(str::to_owned))
                        .set_request_payer(self.payer())
                        .customize()
                        .config_override(Builder::new().stalled_stream_protection(self.watch.clone()))
                        .send()
                })
                .await;
            match answer {
                Ok(page) => return Ok(page),
                Err(failure) => self.pause(&failure, &mut failed, &name).await?,
            }
        }
    }

    /// Makes a request in the region of the bucket, and again while that can help. `name` is what it is about.
    pub async fn ask<T, E, F>(
        &self,
        bucket: &str,
        name: &str,
        request: impl Fn(Client) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, aws_sdk_s3::error::SdkError<E, aws_sdk_s3::config::http::HttpResponse>>>,
        E: aws_sdk_s3::error::ProvideErrorMetadata + std::error::Error + 'static,
    {
        let mut failed = 0;
        loop {
            match self.at_home(bucket, &request).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => self.pause(&failure, &mut failed, name).await?,
            }
        }
    }

    /// One attempt to open an object, or a part of it (`bytes=…`).
    pub async fn open(
        &self,
        bucket: &str,
        key: &str,
        range: Option<String>,
        version: Option<&str>,
    ) -> Result<GetObjectOutput, Failure> {
        // The stored checksum is of the whole object.
        let whole = range.is_none();
        self.at_home(bucket, |client| {
            client
                .get_object()
                .bucket(bucket)
                .key(key)
                .set_range(range.clone())
                .set_if_match(version.map(str::to_owned))
                .set_checksum_mode(whole.then_some(ChecksumMode::Enabled))
                .set_request_payer(self.payer())
                .send()
        })
        .await
    }

    /// Waits before the next attempt, or hands the failure back if there should be none.
    pub async fn pause(&self, failure: &Failure, failed: &mut u32, name: &str) -> Result<(), Failure> {
        *failed += 1;
        match failure.wait(&self.backoff, *failed, name) {
            Some(wait) => {
                tokio::time::sleep(wait).await;
                Ok(())
            }
            None => Err(failure.clone()),
        }
    }

    /// To be sent with every request.
    pub fn payer(&self) -> Option<RequestPayer> {
        self.options.requester_pays.then_some(RequestPayer::Requester)
    }

    /// Makes a request in the region of the bucket, which S3 names when it is asked in another.
    async fn at_home<T, E, F>(&self, bucket: &str, request: impl Fn(Client) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, aws_sdk_s3::error::SdkError<E, aws_sdk_s3::config::http::HttpResponse>>>,
        E: aws_sdk_s3::error::ProvideErrorMetadata + std::error::Error + 'static,
    {
        let mut moves = 0;
        loop {
            let home = self.home(bucket);
            let failure = match request(self.client(&home)).await {
                Ok(answer) => return Ok(answer),
                Err(error) => Failure::of(&error),
            };
            match &failure.region {
                Some(region) if failure.kind == FailureKind::Elsewhere => {
                    // Asked there, it is refused for another reason.
                    if *region == home {
                        return Err(Failure { kind: FailureKind::Other, ..failure });
                    }
                    if moves == MOVES {
                        return Err(failure);
                    }
                    moves += 1;
                    lock(&self.homes).insert(bucket.to_owned(), region.clone());
                }
                _ => return Err(failure),
            }
        }
    }

    /// The region of a bucket, as far as it is known.
    fn home(&self, bucket: &str) -> String {
        let home = lock(&self.homes).get(bucket).cloned();
        home.unwrap_or_else(|| Connect::region_of(&self.config))
    }

    fn client(&self, region: &str) -> Client {
        let mut clients = lock(&self.clients);
        let client = clients.entry(region.to_owned()).or_insert_with(|| {
            let config = aws_sdk_s3::config::Builder::from(&self.config)
                .region(Region::new(region.to_owned()))
                .force_path_style(self.options.path_style)
                // Reading watches for stalls itself: there, waiting for the decoder is no stall.
                .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
                .interceptor(Whole)
                .build();
            Client::from_conf(config)
        });
        client.clone()
    }
}

/// Whether the user named an endpoint, by whatever way: not every one has a host for each bucket (botocore takes the
/// path there, too).
fn has_own_endpoint(config: &SdkConfig) -> bool {
    let key = ServiceConfigKey::builder().service_id("S3").env("AWS_ENDPOINT_URL").profile("endpoint_url");
    let of_service = || config.service_config()?.load_config(key.build().ok()?);
    config.endpoint_url().is_some() || of_service().is_some()
}

/// Only whole assignments happen under these locks, so that a poisoned one is as good as new.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a refused listing means to the user.
pub(super) fn listing_failed(bucket: &str, prefix: &str, failure: Failure) -> SourceError {
    let next = match failure.kind {
        FailureKind::Denied => format!(
            "allow s3:ListBucket on arn:aws:s3:::{bucket}; if the requester pays for this bucket, add --requester-pays"
        ),
        FailureKind::Missing => "check the bucket's name".to_owned(),
        _ => next_step(&failure),
    };
    SourceError::Aws { name: format!("s3://{bucket}/{prefix}"), failure: Box::new(failure), next }
}

/// What a refused object means to the user.
pub(super) fn reading_failed(name: &str, bucket: &str, key: &str, failure: Failure) -> SourceError {
    let code = failure.code.as_deref().unwrap_or_default();
    let next = match failure.kind {
        FailureKind::Missing if code != "NoSuchBucket" => {
            return SourceError::Vanished { name: name.to_owned() };
        }
        FailureKind::Changed => return SourceError::Replaced { name: name.to_owned() },
        _ if failure.is_about_kms() => {
            "allow kms:Decrypt on the key that the object is encrypted with, in the key's policy, too, if it is of \
             another account"
                .to_owned()
        }
        // S3 says so with status 403.
        _ if code == "InvalidObjectState" => {
            "it is archived: restore it (`aws s3api restore-object`) or leave its time out".to_owned()
        }
        FailureKind::Denied => {
            let folder = key.rsplit_once('/').map_or("", |(folder, _)| folder);
            let slash = if folder.is_empty() { "" } else { "/" };
            format!("allow s3:GetObject on arn:aws:s3:::{bucket}/{folder}{slash}*")
        }
        _ => next_step(&failure),
    };
    SourceError::Aws { name: name.to_owned(), failure: Box::new(failure), next }
}

/// What to do next where that does not depend on what was asked for.
pub(crate) fn next_step(failure: &Failure) -> String {
    if let (FailureKind::Elsewhere, Some(region)) = (failure.kind, &failure.region) {
        return format!("the bucket is in {region}: set AWS_REGION to it");
    }
    match failure.kind {
        FailureKind::Throttled => "run again with a lower --max-requests",
        FailureKind::Credentials => {
            "name a profile with --profile, log in (`aws sso login`), or set AWS_PROFILE; \
             `aws sts get-caller-identity` must work; a public bucket needs --no-sign-request"
        }
        kind => kind.next().unwrap_or("check the bucket, the key and the endpoint"),
    }
    .to_owned()
}
