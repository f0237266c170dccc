//! Log groups of Amazon CloudWatch Logs.
//!
//! Only looked up, and read: [`ACTIONS`]. A log group is read in slices of time, each an object of lines without a
//! header, one per event. The slices are disjoint to the millisecond, and several can be read at once, at the rate that
//! the account's quota allows in that region. What is read is a page at a time, whole, so that a page that breaks off
//! counts nothing.
//!
//! An event is stamped with the `start` of its record, so that reading begins [`PADDING`] before the wanted time. Without
//! a beginning, the last 24 hours are read ([`DEFAULT_WINDOW`]). What is delivered later than it is asked for (usually 5
//! minutes, on top of the aggregation interval of up to 10) is missed: end a window 20 minutes ago to be sure.

mod client;
mod find;
mod group;
mod pages;
mod rate;
mod read;
mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OnceCell;
use tokio::sync::mpsc::Sender;

use super::{BoxFuture, ContentHint, Listing, Object, Selection, Source, SourceError, check_length};
use crate::aws::Connect;
use client::{Requests, lock};
use find::{Outcome, Search, Slice};
use read::Read;

pub use group::{Home, LogGroup};
pub use window::{DEFAULT_WINDOW, PADDING};

/// Every action of AWS that this source calls: what a policy must allow.
pub const ACTIONS: &[&str] = &["logs:DescribeLogGroups", "logs:DescribeLogStreams", "logs:FilterLogEvents"];

/// Requests in flight unless said otherwise. An answer takes some 300 ms, so that this is enough for the largest quota,
/// 25 a second, and keeps no more pages of 1 MB in memory than needed.
pub const MAX_REQUESTS: usize = 8;

/// Length of a slice unless said otherwise. A page holds 10,000 events, so that much smaller slices would cost more
/// requests than pages.
pub const SLICE: Duration = Duration::from_secs(15 * 60);

/// How to read log groups.
#[derive(Clone, Debug, PartialEq)]
pub struct CloudWatchOptions {
    /// The time now, in seconds since 1970 in UTC: where a window ends that has no other end.
    pub now: i64,
    /// Regions to read each group in that is not named by its ARN; empty means the one of the user's configuration.
    pub regions: Vec<String>,
    /// Length of a slice, longer for windows of more than 2,000 of them.
    pub slice: Duration,
    /// Requests in flight, of all regions; at least 1 is used.
    pub max_requests: usize,
    /// Requests a second in a region at most, for each action, in place of the documented quota: other tools share it.
    /// Without throttling this is the rate, with it where the rate comes back to.
    pub max_requests_per_second: Option<f64>,
    /// Events of a page at most, 1 to 10,000. For tests; fewer only cost more requests.
    pub page_events: u16,
}

impl CloudWatchOptions {
    /// The usual options at this time (seconds since 1970).
    #[must_use]
    pub fn new(now: i64) -> Self {
        Self {
            now,
            regions: Vec::new(),
            slice: SLICE,
            max_requests: MAX_REQUESTS,
            max_requests_per_second: None,
            page_events: 10_000,
        }
    }
}

/// Events of some log groups.
#[derive(Debug)]
pub struct CloudWatchSource {
    groups: BTreeSet<LogGroup>,
    connect: Connect,
    options: CloudWatchOptions,
    requests: OnceCell<Arc<Requests>>,
    /// What the names that were listed stand for.
    slices: Mutex<BTreeMap<String, Slice>>,
}

impl CloudWatchSource {
    /// A source of these groups. Their order and repetitions don't matter. Nothing is asked of AWS yet.
    #[must_use]
    pub fn new(
        groups: impl IntoIterator<Item = LogGroup>,
        connect: Connect,
        options: CloudWatchOptions,
    ) -> Self {
        let groups = groups.into_iter().collect();
        Self { groups, connect, options, requests: OnceCell::new(), slices: Mutex::default() }
    }

    async fn requests(&self) -> Result<&Arc<Requests>, SourceError> {
        let make = || async { Requests::new(&self.options, &self.connect).await.map(Arc::new) };
        self.requests.get_or_try_init(make).await
    }

    /// Where to look for a group.
    fn regions(&self, group: &LogGroup, requests: &Requests) -> Result<Vec<String>, SourceError> {
        if let Some(home) = &group.home {
            return Ok(vec![home.region.clone()]);
        }
        if !self.options.regions.is_empty() {
            return Ok(self.options.regions.clone());
        }
        requests.configured_region().map(|region| vec![region]).ok_or_else(|| SourceError::Unusable {
            name: group.to_string(),
            problem: "nothing says which region it is in".to_owned(),
            next: "name it with --region, or set AWS_REGION".to_owned(),
        })
    }

    async fn find(&self, selection: &Selection) -> Result<Outcome, SourceError> {
        let requests = self.requests().await?;
        let mut found = Outcome::default();
        for group in &self.groups {
            let regions = match self.regions(group, requests) {
                Ok(regions) => regions,
                Err(error) => {
                    found.errors.push(error);
                    continue;
                }
            };
            for region in &regions {
                let search = Search { requests, options: &self.options, selection, group, region };
                search.run(&mut found).await;
            }
        }
        Ok(found)
    }
}

impl Source for CloudWatchSource {
    fn list<'a>(&'a self, selection: &'a Selection) -> BoxFuture<'a, Listing> {
        Box::pin(async move {
            let looked_in = self.groups.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let found = self.find(selection).await;
            let found = found.unwrap_or_else(|error| Outcome { errors: vec![error], ..Outcome::default() });
            let Outcome { slices, notes, mut errors, .. } = found;
            if slices.is_empty() && errors.is_empty() {
                let (problem, next) = if selection.interfaces.is_empty() {
                    let why: String = notes.iter().map(|note| format!(" ({note})")).collect();
                    (format!("it can hold no event of {selection}{why}"), "ask for another time".to_owned())
                } else {
                    let streams = selection.interfaces.join(" or ");
                    let next = "check the interfaces and the region: `aws logs describe-log-streams`";
                    (format!("no log stream is of {streams}"), next.to_owned())
                };
                errors.push(SourceError::Unusable { name: looked_in.clone(), problem, next });
            }
            let object = |name: &String| Object {
                name: name.clone(),
                size: None,
                version: None,
                key: None,
                content: ContentHint::Text,
            };
            let objects = slices.iter().map(|(name, _)| object(name)).collect();
            lock(&self.slices).extend(slices);
            // The regions were asked one by one; of the rest, a log group says nothing.
            let rest = Selection { regions: Vec::new(), ..selection.clone() };
            let mut listing = Listing::build(objects, Vec::new(), errors, &rest, &looked_in);
            listing.notes.extend(notes);
            listing
        })
    }

    fn fetch<'a>(&'a self, object: &'a Object, to: Sender<Bytes>) -> BoxFuture<'a, Result<u64, SourceError>> {
        Box::pin(async move {
            let slice = lock(&self.slices).get(&object.name).cloned();
            let slice = slice.ok_or_else(|| SourceError::UnknownObject { name: object.name.clone() })?;
            let requests = self.requests().await?;
            let page = i32::from(self.options.page_events.clamp(1, 10_000));
            let sent = Read { requests, slice: &slice, name: &object.name, page }.stream(&to).await?;
            check_length(object, sent)
        })
    }
}
