//! Which prefixes to list, so that what a selection leaves out is never listed.
//!
//! Pure: from a prefix and a selection to the prefixes below it. The layouts are those of the VPC User Guide,
//! "Amazon S3 path" (see [`crate::source::KeyParts`]):
//!
//! ```text
//! {prefix}/AWSLogs/{account}/vpcflowlogs/{region}/{yyyy}/{MM}/{dd}/[{HH}/]
//! {prefix}/AWSLogs/aws-account-id={account}/aws-service=vpcflowlogs/aws-region={region}/year={yyyy}/month={MM}/day={dd}/[hour={HH}/]
//! ```
//!
//! Whatever is not laid out exactly like this is listed and never pruned by its folder.

use chrono::{DateTime, Datelike, Days, NaiveDate};

use crate::source::{PADDING_AFTER, PADDING_BEFORE, Selection};

/// Folders above `AWSLogs` are looked into one by one down to this depth, so that `AWSLogs` below is found
/// and pruned; what lies deeper is listed flat.
const DEPTH: usize = 4;

/// Days of a window that are asked for by name. A longer window walks years and months down: most
/// of its days exist, and asking for a day that does not costs a request.
const DAYS_BY_NAME: u64 = 31;

/// A prefix to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// Of the keys.
    pub prefix: String,
    /// Stop at the next `/` (a folder), or list everything below.
    pub folders: bool,
    /// Folders above, from the user's prefix on.
    pub depth: usize,
    /// How delivered files in it begin, up to the flow log's id, if only some flow logs are wanted.
    pub files: Option<String>,
    /// Only keys behind this one.
    pub after: Option<String>,
}

impl Node {
    /// A folder, to be listed with what lies directly in it.
    pub fn folder(prefix: impl Into<String>, depth: usize) -> Self {
        Self { prefix: prefix.into(), folders: true, depth, files: None, after: None }
    }

    fn flat(prefix: impl Into<String>, depth: usize) -> Self {
        Self { prefix: prefix.into(), folders: false, depth, files: None, after: None }
    }
}

/// What to list in place of a folder, in the order of keys: itself, or what is known to lie in it.
pub(super) fn expand(folder: &str, depth: usize, selection: &Selection) -> Vec<Node> {
    let Some(place) = Place::of(folder) else {
        return vec![if depth < DEPTH { Node::folder(folder, depth) } else { Node::flat(folder, depth) }];
    };
    let below = |names: Vec<String>| {
        let expanded = names.into_iter().flat_map(|name| {
            let next = format!("{folder}{name}/");
            if wanted(&next, selection) { expand(&next, depth, selection) } else { Vec::new() }
        });
        expanded.collect()
    };
    let labelled = |label: &str, values: &[String]| {
        let mut names: Vec<String> =
            values.iter().map(|v| if place.hive { format!("{label}={v}") } else { v.clone() }).collect();
        names.sort();
        names.dedup();
        names
    };
    match place.level() {
        Level::Root if !selection.accounts.is_empty() => {
            let hive = selection.accounts.iter().map(|account| format!("aws-account-id={account}"));
            let mut names: Vec<String> = selection.accounts.iter().cloned().chain(hive).collect();
            names.sort();
            names.dedup();
            below(names)
        }
        Level::Account if place.hive => {
            // Transit gateways say `service=`; their logs are listed, so that the report can say so.
            below(vec!["aws-service=vpcflowlogs".to_owned(), "service=vpcflowlogs".to_owned()])
        }
        Level::Account => below(vec!["vpcflowlogs".to_owned()]),
        Level::Service if !selection.regions.is_empty() => below(labelled("aws-region", &selection.regions)),
        Level::Region => match days_by_name(selection) {
            Some(days) => {
                let days = days.into_iter().flat_map(|day| {
                    let (y, m, d) = (day.year(), day.month(), day.day());
                    let day = if place.hive {
                        format!("{folder}year={y:04}/month={m:02}/day={d:02}/")
                    } else {
                        format!("{folder}{y:04}/{m:02}/{d:02}/")
                    };
                    expand(&day, depth, selection)
                });
                days.collect()
            }
            None => vec![Node::folder(folder, depth)],
        },
        Level::Day | Level::Hour if !selection.flow_logs.is_empty() => {
            let node = if place.level() == Level::Day { Node::folder } else { Node::flat }(folder, depth);
            vec![Node { files: Some(format!("{folder}{}", place.file_prefix())), ..node }]
        }
        Level::Hour => vec![Node::flat(folder, depth)],
        Level::Root | Level::Service | Level::Year | Level::Month | Level::Day => {
            vec![Node::folder(folder, depth)]
        }
    }
}

/// What to list in place of the files of a folder, when they are more than fit a page: those of the wanted flow
/// logs, then whatever lies behind the files. Most folders have no more than that, and are listed with one request
/// whether their files lie in hours or not.
pub(super) fn narrower(node: &Node, files: &str, selection: &Selection) -> Vec<Node> {
    let mut ids: Vec<&str> = selection.flow_logs.iter().map(String::as_str).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut nodes: Vec<Node> = ids.iter().map(|id| Node::flat(format!("{files}{id}_"), node.depth)).collect();
    // `files` ends with `_`; no name of a file is behind the next character and before the rest of the folder.
    let behind = files.strip_suffix('_').map(|files| format!("{files}`"));
    nodes.push(Node { files: None, after: behind, ..node.clone() });
    nodes
}

/// Whether anything below this folder can be of the selection, as far as its name tells.
pub(super) fn wanted(folder: &str, selection: &Selection) -> bool {
    if service(folder).is_some_and(|service| service != "vpcflowlogs") {
        return false;
    }
    let Some(place) = Place::of(folder) else { return true };
    let is_one_of = |values: &[String], value: &str| values.is_empty() || values.iter().any(|v| v == value);
    if place.account().is_some_and(|account| !is_one_of(&selection.accounts, account)) {
        return false;
    }
    if place.region().is_some_and(|region| !is_one_of(&selection.regions, region)) {
        return false;
    }
    let Some((first, last)) = place.span() else { return true };
    let early = selection.from.is_some_and(|from| last < from.saturating_sub(PADDING_BEFORE));
    let late = selection.to.is_some_and(|to| first > to.saturating_add(PADDING_AFTER));
    !(early || late)
}

/// Folders below `AWSLogs`, and below the organization there that trails put in between
/// (`AWSLogs/o-…/{account}/CloudTrail/`, CloudTrail User Guide).
fn below_root(folder: &str) -> Option<Vec<&str>> {
    let mut parts: Vec<&str> = folder.strip_suffix('/')?.split('/').collect();
    let root = parts.iter().rposition(|part| *part == "AWSLogs")?;
    let mut below = parts.split_off(root + 1);
    let organization = |part: &str| part.strip_prefix("o-").is_some_and(|id| id.len() >= 10);
    if below.first().is_some_and(|first| organization(first)) {
        below.remove(0);
    }
    Some(below)
}

/// The service of AWS that wrote what lies in a folder: it follows the account, however deep the folder is and whatever
/// the layout below (that of AWS Config has months and days of one digit).
fn service(folder: &str) -> Option<&str> {
    let below = below_root(folder)?;
    let (account, service) = (*below.first()?, *below.get(1)?);
    let id = account.strip_prefix("aws-account-id=").unwrap_or(account);
    let known = id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit());
    known.then(|| service.split_once('=').map_or(service, |(_, value)| value))
}

fn days_by_name(selection: &Selection) -> Option<Vec<NaiveDate>> {
    let day = |seconds: i64| DateTime::from_timestamp(seconds, 0).map(|time| time.date_naive());
    let first = day(selection.from?.saturating_sub(PADDING_BEFORE))?;
    let last = day(selection.to?.saturating_add(PADDING_AFTER))?;
    let count = u64::try_from((last - first).num_days()).ok()?;
    if count >= DAYS_BY_NAME {
        return None;
    }
    (0..=count).map(|n| first.checked_add_days(Days::new(n))).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Root,
    Account,
    Service,
    Region,
    Year,
    Month,
    Day,
    Hour,
}

/// Where a folder is below `AWSLogs/`.
#[derive(Debug)]
struct Place<'a> {
    hive: bool,
    /// Values of the folders below `AWSLogs`, without Hive's labels.
    values: Vec<&'a str>,
}

impl<'a> Place<'a> {
    /// `None` if there is no `AWSLogs`, or what follows is not laid out as AWS does it.
    fn of(folder: &'a str) -> Option<Self> {
        let below = below_root(folder)?;
        let hive = below.first().is_some_and(|first| first.starts_with("aws-account-id="));
        const LABELS: [&[&str]; 7] = [
            &["aws-account-id"],
            &["aws-service", "service"],
            &["aws-region"],
            &["year"],
            &["month"],
            &["day"],
            &["hour"],
        ];
        if below.len() > LABELS.len() {
            return None;
        }
        let mut values = Vec::with_capacity(below.len());
        for (part, labels) in below.into_iter().zip(LABELS) {
            let value = match part.split_once('=') {
                Some((label, value)) if hive && labels.contains(&label) => value,
                None if !hive => part,
                _ => return None,
            };
            values.push(value);
        }
        let digits = |at: usize, len: usize| {
            values.get(at).is_none_or(|v| v.len() == len && v.bytes().all(|b| b.is_ascii_digit()))
        };
        let fits = digits(0, 12) && digits(3, 4) && digits(4, 2) && digits(5, 2) && digits(6, 2);
        fits.then_some(Self { hive, values })
    }

    fn level(&self) -> Level {
        match self.values.len() {
            0 => Level::Root,
            1 => Level::Account,
            2 => Level::Service,
            3 => Level::Region,
            4 => Level::Year,
            5 => Level::Month,
            6 => Level::Day,
            _ => Level::Hour,
        }
    }

    fn account(&self) -> Option<&'a str> {
        self.values.first().copied()
    }

    fn region(&self) -> Option<&'a str> {
        self.values.get(2).copied()
    }

    /// How delivered files begin, up to the flow log's id.
    fn file_prefix(&self) -> String {
        let (account, region) = (self.account().unwrap_or_default(), self.region().unwrap_or_default());
        format!("{account}_vpcflowlogs_{region}_")
    }

    /// First and last second of the folder's year, month, day or hour.
    fn span(&self) -> Option<(i64, i64)> {
        let number = |at: usize| self.values.get(at).and_then(|v| v.parse::<u32>().ok());
        let year = i32::try_from(number(3)?).ok()?;
        let first = NaiveDate::from_ymd_opt(year, number(4).unwrap_or(1), number(5).unwrap_or(1))?;
        let next = match (number(4), number(5)) {
            (None, _) => NaiveDate::from_ymd_opt(year + 1, 1, 1)?,
            (Some(12), None) => NaiveDate::from_ymd_opt(year + 1, 1, 1)?,
            (Some(month), None) => NaiveDate::from_ymd_opt(year, month + 1, 1)?,
            (Some(_), Some(_)) => first.succ_opt()?,
        };
        let seconds = |day: NaiveDate| Some(day.and_hms_opt(0, 0, 0)?.and_utc().timestamp());
        match number(6) {
            Some(hour) if hour < 24 => {
                let first = seconds(first)? + i64::from(hour) * 3600;
                Some((first, first + 3599))
            }
            _ => Some((seconds(first)?, seconds(next)? - 1)),
        }
    }
}

#[cfg(test)]
mod tests;
