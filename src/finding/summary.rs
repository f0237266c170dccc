//! What the run read, what it did not, and what that means: `summary.json`.

use std::collections::BTreeMap;

use super::{Finding, Ignored, Picture, RuleRow};
use crate::flow::Tally;

/// A half-open time window, Unix seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// First second.
    pub start: i64,
    /// Last second.
    pub end: i64,
}

/// Coverage of one interface.
#[derive(Clone, Debug, PartialEq)]
pub struct InterfaceCoverage {
    /// Interface id.
    pub interface: String,
    /// Account, VPC, subnet, instance: from the inventory, else from the records.
    pub account: Option<String>,
    /// VPC.
    pub vpc: Option<String>,
    /// Subnet.
    pub subnet: Option<String>,
    /// Instance.
    pub instance: Option<String>,
    /// True when the inventory has the interface.
    pub in_inventory: bool,
    /// First and last second any row speaks of.
    pub first: Option<i64>,
    /// Last second.
    pub last: Option<i64>,
    /// Flow records used or dropped as duplicates.
    pub records: u64,
    /// NODATA rows.
    pub nodata: u64,
    /// SKIPDATA rows: capture lost records.
    pub skipdata: u64,
    /// `skipdata` is an estimate, good to 4 %: there were more than 1,024.
    pub skipdata_approximate: bool,
    /// 10-minute buckets of the run's window in which the interface was heard of.
    pub buckets_seen: u64,
    /// 10-minute buckets of the run's window.
    pub buckets_expected: u64,
    /// Which traffic its log holds: `all`, `accept`, `reject` or `none`.
    pub traffic: &'static str,
}

/// A format that lines without a header were taken for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FormatUse {
    /// As AWS spells it: `${version} ${account-id} …`.
    pub format: String,
    /// Where it is known from, for people: a flow log, `--log-format`, wide use.
    pub origin: String,
    /// Lines taken for it.
    pub lines: u64,
}

/// One cell of the verdict matrix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VerdictCount {
    /// `permitted`, `escaped`, `rejected`, `misdropped` or `not-evaluable`.
    pub verdict: &'static str,
    /// Escape reason, reject cause or the reason why it can't be judged; empty for permitted.
    pub reason: &'static str,
    /// Connections.
    pub connections: u64,
}

/// How openers were decided.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OpenerCount {
    /// `tcp-flags`, `one-way`, …, `none`.
    pub evidence: &'static str,
    /// `proven`, `inferred`, `weak`, `unknown`.
    pub strength: &'static str,
    /// Connections.
    pub connections: u64,
}

/// Connections between interfaces of the run, whose logs were both read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndsCounts {
    /// Both ends have them.
    pub joined: u64,
    /// Both ends have them and agree.
    pub agreeing: u64,
    /// The ends contradict each other.
    pub disagreeing: u64,
    /// The same by cause.
    pub by_cause: Vec<(&'static str, u64)>,
    /// Only one end has them, and rejected them.
    pub rejected_at_one_end: u64,
    /// They could not be compared.
    pub not_compared: u64,
    /// The same by reason.
    pub not_compared_by: Vec<(&'static str, u64)>,
}

/// A list of addresses that the user looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedList {
    /// The file's name.
    pub name: String,
    /// Entries that were read.
    pub entries: u64,
    /// Lines that could not be read.
    pub bad_lines: u64,
    /// Accepted connections with its addresses.
    pub accepted: u64,
    /// Rejected connections with its addresses.
    pub rejected: u64,
}

/// Something that was not read, or that the analysis could not use, and what it means.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Limitation {
    /// True if it could change a conclusion: the run is then incomplete.
    pub incomplete: bool,
    /// Kebab-case code.
    pub code: String,
    /// The object (file, interface, field) it is about; may be empty.
    pub object: String,
    /// What happened and what to do, one or two sentences.
    pub message: String,
}

/// What was read and what was not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// Inputs as the user named them.
    pub inputs: Vec<String>,
    /// Inventory paths used.
    pub inventories: Vec<String>,
    /// What lines without a header were taken for.
    pub formats: Vec<FormatUse>,
    /// Objects read, and their compressed bytes.
    pub objects: u64,
    /// Bytes read (as stored, before decompression).
    pub bytes: u64,
    /// From the first to the last record.
    pub window: Option<Window>,
    /// Lines, by what became of them.
    pub tally: Tally,
    /// Counts of the inventory: kind (`security-groups`, …) to number.
    pub inventory: BTreeMap<String, u64>,
    /// Connections found.
    pub connections: u64,
    /// Verdict matrix, sorted.
    pub verdicts: Vec<VerdictCount>,
    /// How openers were decided, strongest evidence first.
    pub openers: Vec<OpenerCount>,
    /// The user's lists of addresses, in the order of the command line.
    pub watchlists: Vec<WatchedList>,
    /// What the logs of both ends say of connections between interfaces of the run.
    pub ends: EndsCounts,
    /// Per interface, sorted by id.
    pub coverage: Vec<InterfaceCoverage>,
    /// What was skipped or missing and why, sorted.
    pub limitations: Vec<Limitation>,
    /// What the ignore list left out, by entry.
    pub ignored: Vec<Ignored>,
    /// Assumptions the user should know of.
    pub assumptions: Vec<String>,
}

/// Everything a run concludes; what renderers get.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conclusions {
    /// Sorted: severity descending, then kind, then id.
    pub findings: Vec<Finding>,
    /// Sorted by (security group, direction, rule id).
    pub rules: Vec<RuleRow>,
    /// What was read and what was not.
    pub summary: Summary,
    /// What a picture of the network needs beside them.
    pub picture: Picture,
}

impl Conclusions {
    /// True when something was not read or not understood that could change a conclusion.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.summary.limitations.iter().any(|l| l.incomplete)
    }
}
