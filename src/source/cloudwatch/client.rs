//! Requests to CloudWatch Logs: paced by region, a few at a time, tried again as long as that can help.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::config::Region;
use aws_sdk_cloudwatchlogs::config::http::HttpResponse;
use aws_sdk_cloudwatchlogs::error::{ProvideErrorMetadata, SdkError};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::CloudWatchOptions;
use super::rate::{Limiter, USUAL, allowed};
use crate::aws::{Backoff, Connect, Failure, FailureKind};
use crate::source::SourceError;

/// Tries of a request, and what it takes to make them.
#[derive(Debug)]
pub(super) struct Requests {
    config: SdkConfig,
    backoff: Backoff,
    /// The longest that a request may take as a whole: a page is small, and its body can stall, too.
    patience: Duration,
    most_per_second: Option<f64>,
    began: Instant,
    places: Mutex<BTreeMap<String, Arc<Place>>>,
    permits: Semaphore,
}

/// A region, with the pace that all requests there share: quotas are per account and region, and all requests of a run
/// are of one account.
#[derive(Debug)]
pub(super) struct Place {
    pub region: String,
    pub client: Client,
    /// For FilterLogEvents.
    pub filter: Mutex<Limiter>,
    /// For DescribeLogGroups and DescribeLogStreams, which have quotas of their own.
    pub describe: Mutex<Limiter>,
}

impl Requests {
    pub async fn new(options: &CloudWatchOptions, connect: &Connect) -> Result<Self, SourceError> {
        Ok(Self {
            config: connect.load().await?,
            backoff: connect.backoff,
            patience: connect.connect_timeout + 4 * connect.read_timeout,
            most_per_second: options.max_requests_per_second,
            began: Instant::now(),
            places: Mutex::default(),
            permits: Semaphore::new(options.max_requests.max(1)),
        })
    }

    /// The region of the user's configuration. Unlike buckets, log groups are not found from any other.
    pub fn configured_region(&self) -> Option<String> {
        self.config.region().map(ToString::to_string)
    }

    pub fn place(&self, region: &str) -> Arc<Place> {
        let make = || {
            let config = aws_sdk_cloudwatchlogs::config::Builder::from(&self.config)
                .region(Region::new(region.to_owned()))
                .build();
            let limiter = |quota: f64| Mutex::new(Limiter::new(self.most_per_second.unwrap_or(quota)));
            Arc::new(Place {
                region: region.to_owned(),
                client: Client::from_conf(config),
                filter: limiter(allowed(region)),
                describe: limiter(USUAL),
            })
        };
        Arc::clone(lock(&self.places).entry(region.to_owned()).or_insert_with(make))
    }

    /// One attempt, when it is its turn.
    pub async fn once<T, E>(
        &self,
        limiter: &Mutex<Limiter>,
        request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, Failure>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        // Never closed, so that there always is one to come.
        let _permit = self.permits.acquire().await.ok();
        let wait = lock(limiter).turn(self.began.elapsed());
        tokio::time::sleep(wait).await;
        let answer = match tokio::time::timeout(self.patience, request).await {
            Ok(answer) => answer.map_err(|error| Failure::of(&error)),
            Err(_) => Err(Failure::broken("the answer did not arrive in time")),
        };
        match &answer {
            Ok(_) => lock(limiter).answered(),
            Err(failure) if failure.kind == FailureKind::Throttled => {
                lock(limiter).throttled(self.began.elapsed());
            }
            Err(_) => {}
        }
        answer
    }

    /// Attempts until one is answered, or until trying again does not help. `who` spreads those who wait.
    pub async fn again<T, E, F>(
        &self,
        limiter: &Mutex<Limiter>,
        who: &str,
        request: impl Fn() -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let mut failed = 0;
        loop {
            match self.once(limiter, request()).await {
                Ok(answer) => return Ok(answer),
                Err(failure) if failure.is_transient() => self.pause(failure, &mut failed, who).await?,
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Waits before the next attempt, or hands the failure back if there were enough.
    pub async fn pause(&self, failure: Failure, failed: &mut u32, who: &str) -> Result<(), Failure> {
        *failed += 1;
        // An expired token is no passing failure, and yet worth another attempt.
        let wait = match failure.is_transient() {
            true => failure.wait(&self.backoff, *failed, who),
            false => self.backoff.after(*failed, who),
        };
        match wait {
            Some(wait) => {
                tokio::time::sleep(wait).await;
                Ok(())
            }
            None => Err(failure),
        }
    }
}

/// Only whole steps happen under these locks, so that a poisoned one is as good as new.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A refused request: which action it was, and on what.
pub(super) struct Refused<'a> {
    /// The object, or the group.
    pub name: &'a str,
    pub region: &'a str,
    pub group: &'a str,
    /// As `logs:FilterLogEvents`.
    pub action: &'static str,
    /// As a policy names it.
    pub resource: &'a str,
}

impl Refused<'_> {
    /// What it means to the user.
    pub fn error(&self, failure: Failure) -> SourceError {
        let said = failure.message.to_ascii_lowercase();
        if failure.kind == FailureKind::Other
            && ["infrequent", "log class", "log group class"].iter().any(|word| said.contains(word))
        {
            return infrequent(self.name, self.region, self.group);
        }
        let Self { action, resource, .. } = self;
        let next = match failure.kind {
            _ if failure.is_about_kms() => {
                "allow kms:Decrypt on the key that the log group is encrypted with".to_owned()
            }
            FailureKind::Denied => format!("allow {action} on {resource}"),
            FailureKind::Missing => {
                "the log group is gone: check its name and region with `aws logs describe-log-groups`".to_owned()
            }
            FailureKind::Throttled => {
                "others use up the account's quota: run again with a lower --max-requests-per-second, or later"
                    .to_owned()
            }
            FailureKind::Credentials => {
                "name a profile with --profile, log in (`aws sso login`), or set AWS_PROFILE; \
                 `aws sts get-caller-identity` must work"
                    .to_owned()
            }
            kind => kind.next().unwrap_or("check the log group, the region and the endpoint").to_owned(),
        };
        SourceError::Aws { name: self.name.to_owned(), failure: Box::new(failure), next }
    }
}

/// Groups of this class answer neither FilterLogEvents nor GetLogEvents (CloudWatch Logs User Guide, "Log classes").
pub(super) fn infrequent(name: &str, region: &str, group: &str) -> SourceError {
    SourceError::Unusable {
        name: name.to_owned(),
        problem: "its log class is Infrequent Access, which can't be read event by event".to_owned(),
        next: format!(
            "export it to a bucket: `aws logs create-export-task --region {region} --log-group-name '{group}' \
             --from FROM --to TO --destination BUCKET --destination-prefix flowgate` (times in milliseconds), then \
             `flowgate analyze s3://BUCKET/flowgate/`; for single questions, Logs Insights reads it: `aws logs start-query`"
        ),
    }
}
