//! Calls to EC2, page by page, tried again as long as that can help.

use std::collections::{BTreeMap, BTreeSet};

use aws_config::{Region, SdkConfig};
use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use serde_json::Value;
use tokio::sync::Semaphore;

use super::calls::{Call, Need};
use super::error::Stop;
use crate::aws::{Backoff, Failure};

/// Requests in flight: an account shares its rate with every other tool (domain D.8).
const AT_ONCE: usize = 4;

/// Pages of one call. A thousand objects a page, so that no account comes near.
const MAX_PAGES: usize = 10_000;

/// One region.
pub(super) struct Asker {
    pub client: Client,
    pub region: String,
    backoff: Backoff,
    permits: Semaphore,
}

/// One page of an answer.
pub(super) struct Page {
    pub next: Option<String>,
    pub elements: Vec<Value>,
}

/// The elements of an answer by what tells them apart, each written as JSON: half the memory of the values.
pub(super) type Elements = BTreeMap<String, String>;

impl Asker {
    pub fn new(config: &SdkConfig, region: &str, backoff: Backoff) -> Self {
        let config =
            aws_sdk_ec2::config::Builder::from(config).region(Region::new(region.to_owned())).build();
        let permits = Semaphore::new(AT_ONCE);
        Self { client: Client::from_conf(config), region: region.to_owned(), backoff, permits }
    }

    /// All pages of a call. `request` asks for the page of a token, `read` takes its answer apart.
    pub async fn all<T, E, F>(
        &self,
        call: &Call,
        request: impl Fn(Option<String>) -> F,
        read: impl Fn(T) -> Page,
    ) -> Result<Elements, Stop>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let mut elements = Elements::new();
        let mut tokens = BTreeSet::new();
        let mut token: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let page = read(self.page(call, token.as_deref(), &request).await.map_err(Stop::Failed)?);
            for element in page.elements {
                let text = element.to_string();
                let id = identity(call, &element).unwrap_or_else(|| text.clone());
                elements.insert(id, text);
            }
            token = page.next.filter(|token| !token.is_empty());
            match &token {
                None => return Ok(elements),
                Some(token) if tokens.insert(token.clone()) => {}
                Some(_) => return Err(Stop::Endless),
            }
        }
        Err(Stop::Endless)
    }

    async fn page<T, E, F>(
        &self,
        call: &Call,
        token: Option<&str>,
        request: impl Fn(Option<String>) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        // Spreads those who wait.
        let who = format!("{} {} {}", self.region, call.action, token.unwrap_or_default());
        let mut failed = 0;
        loop {
            let answer = {
                // Never closed, so that it is always a permit. Not held while waiting.
                let _permit = self.permits.acquire().await;
                request(token.map(str::to_owned)).await
            };
            let failure = match answer {
                Ok(page) => return Ok(page),
                Err(error) => Failure::of(&error),
            };
            failed += 1;
            let known = !is_unknown(call, &failure);
            match failure.wait(&self.backoff, failed, &who).filter(|_| known) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(failure),
            }
        }
    }
}

/// True if the endpoint seems not to know the call at all: an answer that is an error, but none of EC2.
fn is_unknown(call: &Call, failure: &Failure) -> bool {
    call.need == Need::IfSupported && failure.code.is_none() && failure.status.is_some_and(|s| s >= 400)
}

/// What tells an element from the others of its kind.
fn identity(call: &Call, element: &Value) -> Option<String> {
    let parts: Option<Vec<&str>> =
        call.ids.iter().map(|id| element.get(id).and_then(Value::as_str)).collect();
    parts.map(|parts| parts.join(" "))
}
