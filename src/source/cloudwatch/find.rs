//! Finds log groups and streams, and cuts what is wanted of them into slices.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use aws_sdk_cloudwatchlogs::types::{LogGroup as Described, LogGroupClass, OrderBy};
use tokio::task::JoinSet;

use super::CloudWatchOptions;
use super::client::{Place, Refused, Requests, infrequent};
use super::group::LogGroup;
use super::window::{Facts, MOST_SLICES, slices, text, window};
use crate::aws::{Failure, FailureKind};
use crate::source::{Selection, SourceError};

/// Streams that FilterLogEvents takes by name at most (API Reference).
const BATCH: usize = 100;

/// What is fetched as one object.
#[derive(Clone, Debug)]
pub(super) struct Slice {
    pub group: Arc<Found>,
    /// Milliseconds; ends before its end.
    pub range: Range<i64>,
    /// Only these streams; empty means all.
    pub streams: Arc<[String]>,
}

/// A log group in a region.
#[derive(Debug)]
pub(super) struct Found {
    pub place: Arc<Place>,
    pub group: String,
    /// Its ARN, if that is how it must be asked for: it may be of another account.
    pub identifier: Option<String>,
    /// As policies name it: `arn:…:log-group:NAME:*`.
    pub resource: String,
}

impl Found {
    /// The group in the way requests name it: by name or by ARN.
    pub fn naming(&self) -> (Option<String>, Option<String>) {
        match &self.identifier {
            Some(arn) => (None, Some(arn.clone())),
            None => (Some(self.group.clone()), None),
        }
    }
}

/// What was found, with what the user should know.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Each with its name.
    pub slices: Vec<(String, Slice)>,
    pub notes: Vec<String>,
    pub errors: Vec<SourceError>,
    /// Groups that were looked at: one may be named plainly and by its ARN.
    pub done: BTreeSet<String>,
}

/// One log group in one region.
pub(super) struct Search<'a> {
    pub requests: &'a Arc<Requests>,
    pub options: &'a CloudWatchOptions,
    pub selection: &'a Selection,
    pub group: &'a LogGroup,
    pub region: &'a str,
}

/// What DescribeLogGroups said.
enum Told {
    Own(Described),
    /// Of an account that this one may look into.
    Linked(Described),
    /// It may not be asked.
    Silent,
}

impl Search<'_> {
    /// Everything of the selection.
    pub async fn run(&self, to: &mut Outcome) {
        if let Err(error) = self.search(to).await {
            to.errors.push(error);
        }
    }

    async fn search(&self, to: &mut Outcome) -> Result<(), SourceError> {
        let mut name = self.name();
        let place = self.requests.place(self.region);
        let answer = self.describe(&place).await?;
        // Another group may have the same name here.
        if let (Told::Linked(_), Some(home)) = (&answer, &self.group.home) {
            name = format!("cloudwatch:{}:{}:{}", self.region, home.account, self.group.name);
        }
        if !to.done.insert(name.clone()) {
            if matches!(answer, Told::Silent) {
                to.notes.push(format!("{name}: was named twice, taken as the same, and is read once"));
            }
            return Ok(());
        }
        let (told, identifier) = match answer {
            // By name, because not every endpoint knows the other way.
            Told::Own(told) => (Some(told), None),
            Told::Linked(told) => (Some(told), self.group.arn()),
            Told::Silent => {
                to.notes.push(format!(
                    "{name}: logs:DescribeLogGroups is not allowed, so its class, age and retention are not known"
                ));
                (None, self.group.arn())
            }
        };
        if told.as_ref().and_then(Described::log_group_class) == Some(&LogGroupClass::InfrequentAccess) {
            return Err(infrequent(&name, self.region, &self.group.name));
        }
        let facts = Facts {
            created: told.as_ref().and_then(Described::creation_time),
            retention_days: told.as_ref().and_then(Described::retention_in_days),
        };
        let account = told.as_ref().and_then(account_of);
        let found = Arc::new(Found {
            place,
            group: self.group.name.clone(),
            identifier,
            resource: self.resource(&self.group.name, account.as_deref()),
        });

        let window = window(self.selection, self.options.now, &facts);
        to.notes.extend(window.notes.into_iter().map(|note| format!("{name}: {note}")));
        if let Some((problem, next)) = window.problem {
            to.errors.push(SourceError::Unusable { name: name.clone(), problem, next });
        }
        if window.range.is_empty() {
            return Ok(());
        }
        let batches = self.batches(&found, to).await?;
        let length = i64::try_from(self.options.slice.as_millis()).unwrap_or(i64::MAX);
        for range in slices(&window.range, length, MOST_SLICES / batches.len().max(1)) {
            for (number, streams) in batches.iter().enumerate() {
                let mut name = format!("{name}/{}--{}", text(range.start), text(range.end));
                if batches.len() > 1 {
                    name.push_str(&format!("#{:05}", number + 1));
                }
                let (group, streams) = (Arc::clone(&found), Arc::clone(streams));
                to.slices.push((name, Slice { group, range: range.clone(), streams }));
            }
        }
        Ok(())
    }

    fn name(&self) -> String {
        format!("cloudwatch:{}:{}", self.region, self.group.name)
    }

    /// The group, as policies name it.
    fn resource(&self, group: &str, account: Option<&str>) -> String {
        let home = self.group.home.as_ref();
        let partition = home.map_or_else(|| partition(self.region), |home| &home.partition);
        let account = account.or(home.map(|home| home.account.as_str())).unwrap_or("*");
        format!("arn:{partition}:logs:{}:{account}:log-group:{group}:*", self.region)
    }

    async fn describe(&self, place: &Place) -> Result<Told, SourceError> {
        let refused = |failure: Failure| {
            let resource = self.resource("*", None);
            let (name, action) = (self.name(), "logs:DescribeLogGroups");
            let (region, group) = (self.region, self.group.name.as_str());
            Refused { name: &name, region, group, action, resource: &resource }.error(failure)
        };
        let account = self.group.home.as_ref().map(|home| home.account.as_str());
        // The same name may exist in both accounts.
        let meant =
            |told: &Described| account.is_none_or(|account| account_of(told).is_none_or(|of| of == account));
        match self.page_for(place, None).await {
            Ok(Some(told)) if meant(&told) => return Ok(Told::Own(told)),
            Ok(_) => {}
            Err(failure) if failure.kind == FailureKind::Denied => return Ok(Told::Silent),
            Err(failure) => return Err(refused(failure)),
        }
        if let Some(account) = account
            && let Ok(Some(told)) = self.page_for(place, Some(account)).await
            && meant(&told)
        {
            return Ok(Told::Linked(told));
        }
        let whose = account.map_or_else(
            || "there is no such log group in this account and region".to_owned(),
            |account| {
                format!("there is no such log group in account {account}, or it is not shared with this one")
            },
        );
        let next = match account {
            None => "check the name with `aws logs describe-log-groups`, and the region (--region)",
            Some(_) => "check the ARN, or assume a role of that account with --assume-role",
        };
        Err(SourceError::Unusable { name: self.name(), problem: whose, next: next.to_owned() })
    }

    /// The group of exactly this name, among those of this account or of a linked one.
    async fn page_for(&self, place: &Place, linked: Option<&str>) -> Result<Option<Described>, Failure> {
        let mut token: Option<String> = None;
        loop {
            let request = || {
                place
                    .client
                    .describe_log_groups()
                    .log_group_name_prefix(&self.group.name)
                    .set_include_linked_accounts(linked.map(|_| true))
                    .set_account_identifiers(linked.map(|account| vec![account.to_owned()]))
                    .set_next_token(token.clone())
                    .send()
            };
            let answer = self.requests.again(&place.describe, &self.name(), request).await?;
            let exact = |told: &Described| told.log_group_name() == Some(&self.group.name);
            if let Some(told) = answer.log_groups.unwrap_or_default().into_iter().find(exact) {
                return Ok(Some(told));
            }
            match answer.next_token {
                Some(next) if token.as_ref() != Some(&next) => token = Some(next),
                _ => return Ok(None),
            }
        }
    }

    /// The streams to ask for, as many at once as the service takes. One empty batch means all streams; no batch
    /// means that there are none.
    async fn batches(&self, found: &Arc<Found>, to: &mut Outcome) -> Result<Vec<Arc<[String]>>, SourceError> {
        let interfaces: BTreeSet<&String> = self.selection.interfaces.iter().collect();
        if interfaces.is_empty() {
            return Ok(vec![Arc::from(Vec::new())]);
        }
        let mut lookups = JoinSet::new();
        for interface in interfaces {
            let (requests, found, interface) =
                (Arc::clone(self.requests), Arc::clone(found), interface.clone());
            lookups.spawn(async move {
                let streams = streams_of(&requests, &found, &interface).await;
                (interface, streams)
            });
        }
        let mut names = BTreeSet::new();
        let mut without = Vec::new();
        while let Some(looked) = lookups.join_next().await {
            let (interface, streams) = looked.map_err(|_| SourceError::Interrupted { name: self.name() })?;
            let streams = streams.map_err(|failure| {
                let (name, action) = (self.name(), "logs:DescribeLogStreams");
                let (region, group) = (self.region, self.group.name.as_str());
                Refused { name: &name, region, group, action, resource: &found.resource }.error(failure)
            })?;
            if streams.is_empty() {
                without.push(interface);
            }
            names.extend(streams);
        }
        without.sort();
        if !without.is_empty() {
            to.notes.push(format!(
                "{}: no log stream of {}: nothing of it was ever logged here",
                self.name(),
                without.join(", ")
            ));
        }
        let names: Vec<String> = names.into_iter().collect();
        Ok(names.chunks(BATCH).map(Arc::from).collect())
    }
}

/// The names of an interface's streams: `eni-…-all`, or with another word behind it.
async fn streams_of(requests: &Requests, found: &Found, interface: &str) -> Result<Vec<String>, Failure> {
    let mut names = Vec::new();
    let mut token: Option<String> = None;
    let (name, identifier) = found.naming();
    loop {
        let request = || {
            found
                .place
                .client
                .describe_log_streams()
                .set_log_group_name(name.clone())
                .set_log_group_identifier(identifier.clone())
                .log_stream_name_prefix(interface)
                .order_by(OrderBy::LogStreamName)
                .set_next_token(token.clone())
                .send()
        };
        let answer = requests.again(&found.place.describe, interface, request).await?;
        let streams = answer.log_streams.unwrap_or_default();
        names.extend(streams.into_iter().filter_map(|stream| stream.log_stream_name).filter(|name| {
            // Ids are of two lengths, so that one can begin another.
            name.strip_prefix(interface)
                .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
        }));
        match answer.next_token {
            Some(next) if token.as_ref() != Some(&next) => token = Some(next),
            _ => return Ok(names),
        }
    }
}

/// The account in a group's ARN.
fn account_of(told: &Described) -> Option<String> {
    let arn = told.log_group_arn().or(told.arn())?;
    arn.split(':').nth(4).filter(|account| !account.is_empty()).map(str::to_owned)
}

/// The partition of a region (AWS General Reference, "Amazon Resource Names").
fn partition(region: &str) -> &'static str {
    match region.split('-').next() {
        Some("cn") => "aws-cn",
        Some("us") if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}
