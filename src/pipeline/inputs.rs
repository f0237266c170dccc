//! What the user named becomes sources, and the inventory that lies among the logs is taken out.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::runtime::Runtime;

use super::stores::StorePlace;
use super::{AnalyzeConfig, AnalyzeError};
use crate::aws::Connect;
use crate::inventory::{self, LoadOptions, Timeline};
use crate::mirror::PART_BYTES;
use crate::source::cloudwatch;
use crate::source::s3::MAX_REQUESTS;
use crate::source::{
    CloudWatchOptions, CloudWatchSource, ContentHint, Listing, LocalSource, LogGroup, S3Options, S3Source,
    S3Url, STDIN, SkipReason, Skipped, Source,
};

/// Bytes of objects that are fetched and not decoded yet, unless said otherwise.
pub const MAX_INFLIGHT_BYTES: u64 = 128 << 20;

/// One thing to read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Input {
    /// A file, a directory or a pattern; `-` is standard input.
    Local(PathBuf),
    /// A store: what was ingested into it.
    Store(StorePlace),
    /// `s3://bucket/prefix`.
    S3(S3Url),
    /// `cloudwatch:log-group`.
    CloudWatch(LogGroup),
}

impl Input {
    /// What the user typed.
    ///
    /// # Errors
    /// What is wrong with an URL, for people.
    pub fn parse(text: &OsStr) -> Result<Self, String> {
        let Some(words) = text.to_str() else { return Ok(Self::Local(PathBuf::from(text))) };
        if let Some(url) = S3Url::parse(words) {
            return url.map(Self::S3);
        }
        match LogGroup::parse(words) {
            Some(group) => group.map(Self::CloudWatch),
            None => Ok(Self::Local(PathBuf::from(text))),
        }
    }

    fn is_path(&self, name: &str) -> bool {
        matches!(self, Self::Local(path) if path.as_os_str() == name)
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => path.display().fmt(f),
            Self::Store(place) => place.fmt(f),
            Self::S3(url) => url.fmt(f),
            Self::CloudWatch(group) => group.fmt(f),
        }
    }
}

/// How to read what is not on this machine.
#[derive(Clone, Debug)]
pub struct Remote {
    /// Credentials, endpoint, patience.
    pub connect: Connect,
    /// Options of S3.
    pub s3: S3Options,
    /// Requests a second to CloudWatch Logs at most, in place of the documented quota.
    pub requests_per_second: Option<f64>,
    /// The time now, seconds since 1970 in UTC: where reading a log group ends that has no other end.
    pub now: i64,
    /// Objects that are fetched at the same time, at least 1.
    pub max_requests: usize,
    /// Bytes of objects that are fetched and not decoded yet. An object takes its size, or half of this.
    pub max_inflight_bytes: u64,
    /// Where copies of stores in S3 are kept, a folder for each.
    pub copies: Option<PathBuf>,
    /// Files of a store that are larger than this go to S3 in parts of this size: at least 5 MiB, but for tests.
    pub part_bytes: u64,
}

impl Default for Remote {
    fn default() -> Self {
        Self {
            connect: Connect::default(),
            s3: S3Options::default(),
            requests_per_second: None,
            now: 0,
            max_requests: MAX_REQUESTS,
            max_inflight_bytes: MAX_INFLIGHT_BYTES,
            copies: None,
            part_bytes: PART_BYTES,
        }
    }
}

/// A source and what is known of its objects.
pub(super) enum Feed {
    /// Listed already.
    Listed(Arc<dyn Source>, Listing),
    /// To be walked while it is read.
    Remote(Arc<dyn Source>),
}

/// The local inputs, listed.
pub(super) struct Local {
    source: Option<Arc<dyn Source>>,
    pub listing: Listing,
}

/// Lists the local inputs, which takes no time and shows the inventory among them.
pub(super) fn local(config: &AnalyzeConfig, stdin: Option<Box<dyn Read + Send>>, runtime: &Runtime) -> Local {
    let paths: Vec<PathBuf> = config
        .inputs
        .iter()
        .filter_map(|input| match input {
            Input::Local(path) => Some(path.clone()),
            _ => None,
        })
        .collect();
    if paths.is_empty() {
        return Local { source: None, listing: Listing::default() };
    }
    let mut source = LocalSource::new(paths);
    if let Some(stdin) = stdin {
        source = source.with_stdin(stdin);
    }
    let listing = runtime.block_on(source.list(&config.selection));
    Local { source: Some(Arc::new(source)), listing }
}

/// Everything to read, in the order of reading.
pub(super) fn feeds(config: &AnalyzeConfig, local: Local) -> Vec<Feed> {
    let mut feeds = Vec::new();
    if let Some(source) = local.source {
        feeds.push(Feed::Listed(source, local.listing));
    }
    let urls: Vec<S3Url> = config
        .inputs
        .iter()
        .filter_map(|input| match input {
            Input::S3(url) => Some(url.clone()),
            _ => None,
        })
        .collect();
    if !urls.is_empty() {
        let (connect, options) = (config.remote.connect.clone(), config.remote.s3);
        feeds.push(Feed::Remote(Arc::new(S3Source::new(urls, connect, options))));
    }
    let groups: Vec<LogGroup> = config
        .inputs
        .iter()
        .filter_map(|input| match input {
            Input::CloudWatch(group) => Some(group.clone()),
            _ => None,
        })
        .collect();
    if !groups.is_empty() {
        let options = CloudWatchOptions {
            regions: config.selection.regions.clone(),
            max_requests_per_second: config.remote.requests_per_second,
            max_requests: config.remote.max_requests.min(cloudwatch::MAX_REQUESTS),
            ..CloudWatchOptions::new(config.remote.now)
        };
        let source = CloudWatchSource::new(groups, config.remote.connect.clone(), options);
        feeds.push(Feed::Remote(Arc::new(source)));
    }
    feeds
}

/// The first bytes of a local file, to see what it holds. `None` if it cannot be read: reading it for real
/// will say why.
fn head(path: &str) -> Option<Vec<u8>> {
    const HEAD: u64 = 64 * 1024;
    let mut head = Vec::new();
    File::open(path).ok()?.take(HEAD).read_to_end(&mut head).ok()?;
    Some(head)
}

/// Where the inventory came from and what was odd about it.
#[derive(Debug, Default)]
pub(super) struct InventoryOutcome {
    pub paths: Vec<String>,
    /// Dumps among the inputs that were left out because `--inventory` names others.
    pub ignored: Vec<String>,
    pub gaps: Vec<inventory::Gap>,
    pub counts: std::collections::BTreeMap<String, u64>,
}

/// Takes the inventory dumps out of the listing and loads what is to be used.
pub(super) fn load_inventory(
    config: &AnalyzeConfig,
    listing: &mut Listing,
) -> Result<(Timeline, InventoryOutcome), AnalyzeError> {
    let mut found = Vec::new();
    let mut foreign = Vec::new();
    listing.objects.retain(|object| {
        if !matches!(object.content, ContentHint::Json) || object.name == STDIN {
            return true;
        }
        let Some(head) = head(&object.name) else { return true };
        if inventory::looks_like_inventory(&head) {
            found.push(object.name.clone());
            return false;
        }
        // JSON that lies about in a directory is a log only if it wraps messages; a file named by the user is
        // taken at his word.
        let named = config.inputs.iter().any(|input| input.is_path(&object.name));
        let compressed = head.starts_with(&[0x1f, 0x8b]) || head.starts_with(&[0x28, 0xb5]);
        let holds = |text: &[u8]| memchr::memmem::find(&head, text).is_some();
        // flowgate's own output may lie there, too.
        if named || compressed || (holds(b"\"message\"") && !holds(b"\"flowgate.")) {
            return true;
        }
        foreign.push(Skipped { name: object.name.clone(), reason: SkipReason::NotALog });
        false
    });
    listing.skipped.append(&mut foreign);
    listing.skipped.sort();
    let mut outcome = InventoryOutcome::default();
    let paths: Vec<PathBuf> = if config.inventories.is_empty() {
        outcome.paths = common_directories(&found);
        found.iter().map(PathBuf::from).collect()
    } else {
        let named = |name: &String| config.inventories.iter().any(|p| Path::new(name).starts_with(p));
        outcome.ignored = found.into_iter().filter(|name| !named(name)).collect();
        outcome.paths = config.inventories.iter().map(|p| p.display().to_string()).collect();
        config.inventories.clone()
    };
    if paths.is_empty() {
        return Ok((Timeline::default(), outcome));
    }
    let loaded = inventory::load(&paths, &LoadOptions::default())?;
    outcome.gaps = inventory::check(&loaded).gaps;
    if let Some(latest) = loaded.timeline.latest() {
        let rules: usize = latest.security_groups.values().map(|g| g.rules.len()).sum();
        for (name, count) in [
            ("security-groups", latest.security_groups.len()),
            ("rules", rules),
            ("interfaces", latest.interfaces.len()),
            ("network-acls", latest.network_acls.len()),
            ("subnets", latest.subnets.len()),
            ("vpcs", latest.vpcs.len()),
            ("prefix-lists", latest.prefix_lists.len()),
            ("observations", loaded.timeline.observations().len()),
        ] {
            outcome.counts.insert(name.to_owned(), count as u64);
        }
    }
    Ok((loaded.timeline, outcome))
}

/// The directories that the found dumps lie in, each once, in order.
fn common_directories(found: &[String]) -> Vec<String> {
    let mut directories: Vec<String> = found
        .iter()
        .map(|name| {
            let parent = Path::new(name).parent();
            parent
                .filter(|p| !p.as_os_str().is_empty())
                .map_or_else(|| name.clone(), |p| p.display().to_string())
        })
        .collect();
    directories.sort();
    directories.dedup();
    directories
}
