//! Why there is no snapshot.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::calls::Call;
use crate::aws::{ConnectError, Failure, FailureKind};

/// Why nothing was fetched. No snapshot is written then, not even a part of one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// AWS can't even be tried.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Nothing says which region to ask.
    #[error("no region is known; name it with --region, or set AWS_REGION or the profile's region")]
    NoRegion,
    /// Not the name of a region.
    #[error("{region:?} is no region; name one as in eu-west-1")]
    BadRegion {
        /// As given.
        region: String,
    },
    /// The time can't name a directory.
    #[error("{at} seconds since 1970 is no time that can name a snapshot; use one from the years 0 to 9999")]
    BadTime {
        /// Unix seconds, as given.
        at: i64,
    },
    /// There is a snapshot of that name.
    #[error("{}: is there already; snapshots are never overwritten: wait a second, or choose another directory", .path.display())]
    Exists {
        /// What is there.
        path: PathBuf,
    },
    /// A file or directory can't be written.
    #[error("{}: can't be written: {source}; check the free space and the permissions of its directory", .path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Calls that failed: all of them, in the order of the regions and of the calls.
    #[error("{}", Calls(.0))]
    Calls(Vec<CallFailure>),
}

/// A call that failed, although a snapshot needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallFailure {
    /// The permission it needs, which is also its name.
    pub action: &'static str,
    /// Where.
    pub region: String,
    /// What it was about: the prefix list.
    pub subject: Option<String>,
    /// What was said.
    pub failure: Failure,
    /// True if the answers never came to an end.
    pub endless: bool,
}

impl CallFailure {
    pub(super) fn new(call: &Call, region: &str, subject: Option<&str>, stop: Stop) -> Self {
        let (failure, endless) = match stop {
            Stop::Failed(failure) => (failure, false),
            Stop::Endless => (Failure::broken("the answers never come to an end"), true),
        };
        Self {
            action: call.action,
            region: region.to_owned(),
            subject: subject.map(str::to_owned),
            failure,
            endless,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn next(&self) -> String {
        if self.endless {
            return "the endpoint repeats its pages: check --endpoint-url".to_owned();
        }
        match self.failure.kind {
            FailureKind::Denied => {
                format!("allow {} on all resources, see docs/permissions.md", self.action)
            }
            FailureKind::Throttled => "run again when fewer tools ask this account".to_owned(),
            FailureKind::Credentials => "name a profile with --profile, log in (`aws sso login`), or set AWS_PROFILE; \
                                         `aws sts get-caller-identity` must work; a region may have to be enabled \
                                         for the account first"
                .to_owned(),
            kind => kind.next().unwrap_or("check the region and the endpoint").to_owned(),
        }
    }
}

impl CallFailure {
    /// `ec2:DescribeVpcs`, or `ec2:GetManagedPrefixListEntries for pl-…`.
    fn name(&self) -> String {
        match &self.subject {
            Some(subject) => format!("{} for {subject}", self.action),
            None => self.action.to_owned(),
        }
    }
}

/// Names, where, why, what next.
impl fmt::Display for CallFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}: {}; {}", self.name(), self.region, said(&self.failure), self.next())
    }
}

/// What the service said, without the blob that only `aws sts decode-authorization-message` can read.
pub(super) fn said(failure: &Failure) -> String {
    let text = failure.to_string();
    text.split(" Encoded authorization failure message").next().unwrap_or_default().to_owned()
}

/// Why a call did not come to its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// It was refused, or broke off for good.
    Failed(Failure),
    /// There is always another page.
    Endless,
}

/// One cause a line, with the calls that failed of it: without a network, all of them do.
struct Calls<'a>(&'a [CallFailure]);

impl fmt::Display for Calls<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut causes: Vec<(Vec<String>, &CallFailure)> = Vec::new();
        for call in self.0 {
            let same = |other: &CallFailure| {
                (&other.region, &other.failure, other.next()) == (&call.region, &call.failure, call.next())
            };
            match causes.iter_mut().find(|(_, other)| same(other)) {
                Some((names, _)) => names.push(call.name()),
                None => causes.push((vec![call.name()], call)),
            }
        }
        if let [call] = self.0 {
            return write!(f, "no snapshot was written: {call}");
        }
        write!(f, "no snapshot was written, {} calls failed:", self.0.len())?;
        causes.iter().try_for_each(|(names, call)| {
            let said = said(&call.failure);
            write!(f, "\n  {} in {}: {said}; {}", names.join(", "), call.region, call.next())
        })
    }
}
