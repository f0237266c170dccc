//! Keys as AWS delivers them, and which of them a selection wants: written down from the documentation, naively.

use std::fmt;

use chrono::{DateTime, Utc};
use flowgate::source::Selection;

/// The four layouts (VPC User Guide, "Amazon S3 path").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    Daily,
    Hourly,
    Hive,
    HiveHourly,
}

pub const LAYOUTS: [Layout; 4] = [Layout::Daily, Layout::Hourly, Layout::Hive, Layout::HiveHourly];

/// A delivered file.
#[derive(Clone, Debug)]
pub struct File<'a> {
    /// Folder of the flow log's destination, with its slash.
    pub prefix: &'a str,
    pub layout: Layout,
    pub account: &'a str,
    pub region: &'a str,
    pub flow_log: &'a str,
    /// Seconds since 1970.
    pub time: i64,
    pub ending: &'a str,
    pub hash: u64,
}

pub const ACCOUNT: &str = "123456789012";
pub const REGION: &str = "eu-west-1";
pub const FLOW_LOG: &str = "fl-0123456789abcdef0";

impl File<'_> {
    pub fn at(time: i64) -> File<'static> {
        File {
            prefix: "",
            layout: Layout::Daily,
            account: ACCOUNT,
            region: REGION,
            flow_log: FLOW_LOG,
            time,
            ending: ".log.gz",
            hash: time as u64,
        }
    }
}

/// The key.
impl fmt::Display for File<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = when(self.time);
        let (account, region) = (self.account, self.region);
        let folder = match self.layout {
            Layout::Daily => format!("{account}/vpcflowlogs/{region}/{}", time.format("%Y/%m/%d")),
            Layout::Hourly => format!("{account}/vpcflowlogs/{region}/{}", time.format("%Y/%m/%d/%H")),
            Layout::Hive | Layout::HiveHourly => format!(
                "aws-account-id={account}/aws-service=vpcflowlogs/aws-region={region}/{}{}",
                time.format("year=%Y/month=%m/day=%d"),
                if self.layout == Layout::Hive { String::new() } else { time.format("/hour=%H").to_string() }
            ),
        };
        let stamp = time.format("%Y%m%dT%H%MZ");
        write!(
            f,
            "{}AWSLogs/{folder}/{account}_vpcflowlogs_{region}_{}_{stamp}_{:08x}{}",
            self.prefix, self.flow_log, self.hash, self.ending
        )
    }
}

pub fn when(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

/// Seconds since 1970 of `2026-07-01T00:00Z`.
pub fn at(text: &str) -> i64 {
    DateTime::parse_from_rfc3339(text).unwrap().timestamp()
}

/// Whether a selection wants an object, by its key alone: one look at every key, no folders skipped.
pub fn is_wanted(key: &str, selection: &Selection) -> bool {
    let (folder, file) = key.rsplit_once('/').unwrap_or(("", key));
    if file.starts_with('.') || ![".gz", ".log", ".parquet", ".json"].iter().any(|end| file.ends_with(end)) {
        return false;
    }
    // `AWSLogs/{account}/{service}/`, or with an organization in between.
    let folders: Vec<&str> = folder.split('/').collect();
    if let Some(root) = folders.iter().position(|folder| *folder == "AWSLogs") {
        let mut below = &folders[root + 1..];
        if below.first().is_some_and(|first| first.starts_with("o-")) {
            below = &below[1..];
        }
        if below.len() >= 2 && !below[1].ends_with("vpcflowlogs") {
            return false;
        }
    }
    let parts: Vec<&str> = file.split('.').next().unwrap_or_default().split('_').collect();
    let [account, "vpcflowlogs", region, flow_log, stamp, _] = parts[..] else { return true };
    let has = |wanted: &[String], is: &str| wanted.is_empty() || wanted.iter().any(|w| w == is);
    let stamp = chrono::NaiveDateTime::parse_from_str(stamp, "%Y%m%dT%H%MZ").unwrap().and_utc().timestamp();
    has(&selection.accounts, account)
        && has(&selection.regions, region)
        && has(&selection.flow_logs, flow_log)
        // A quarter of an hour before, two hours behind.
        && selection.from.is_none_or(|from| stamp >= from - 900)
        && selection.to.is_none_or(|to| stamp <= to + 7200)
}
