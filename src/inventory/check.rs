//! What was found, what is missing, and what each gap costs the analysis.

mod gaps;

use std::collections::{BTreeMap, BTreeSet};

use super::kind::Kind;
use super::load::{Loaded, ObservationReport};
use super::{HistoryReport, Inventory, RulePeer};

/// How many subjects a gap names. The count is always exact.
pub const SUBJECTS_SHOWN: usize = 20;

/// What an inventory holds and lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// One per time of observation, oldest first, undated last.
    pub observations: Vec<ObservationSummary>,
    /// What AWS Config recorded, if anything.
    pub history: Option<HistorySummary>,
    /// What is missing, the most severe first, then by code.
    pub gaps: Vec<Gap>,
}

/// What AWS Config recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistorySummary {
    /// Files with configuration items.
    pub files: usize,
    /// Items read, repeated ones included.
    pub items: usize,
    /// Items that repeat others.
    pub repeated: usize,
    /// Resources and their changes per kind. The first item of a resource is no change.
    pub kinds: BTreeMap<Kind, (usize, usize)>,
    /// Times of the first and the last item, Unix seconds.
    pub span: Option<(i64, i64)>,
}

/// What one observation holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservationSummary {
    /// As in [`Inventory::observed_at`].
    pub observed_at: Option<i64>,
    /// Files used.
    pub files: usize,
    /// Distinct objects per kind. Rules are counted under [`Kind::SecurityGroupRules`], with and
    /// without ids; readable prefix lists under [`Kind::PrefixListEntries`]; interfaces that were
    /// only seen inside of instances under [`Kind::Instances`] and under
    /// [`Kind::NetworkInterfaces`].
    pub counts: BTreeMap<Kind, usize>,
    /// Owners of anything in it.
    pub accounts: BTreeSet<String>,
    /// Regions of anything in it.
    pub regions: BTreeSet<String>,
}

/// How much a gap costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GapSeverity {
    /// Worth knowing.
    Info,
    /// Conclusions are less precise.
    Low,
    /// Some conclusions can't be drawn.
    Medium,
    /// Most conclusions can't be drawn, or would be wrong.
    High,
}

impl GapSeverity {
    /// `info`, `low`, `medium` or `high`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// Something an inventory lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Stable name, kebab-case.
    pub code: &'static str,
    /// How much it costs.
    pub severity: GapSeverity,
    /// The observations it is in, oldest first, undated last.
    pub observed_at: Vec<Option<i64>>,
    /// Ids (or files) it is about, sorted, the first [`SUBJECTS_SHOWN`] of them.
    pub subjects: Vec<String>,
    /// How many there are in all. 0 for a gap that is about the whole observation.
    pub subject_count: usize,
    /// What it costs, a sentence.
    pub message: String,
    /// What to do or to run next.
    pub next: String,
}

/// Says what was found, what is missing and what that costs.
#[must_use]
pub fn check(loaded: &Loaded) -> CheckReport {
    let empty = Inventory::default();
    let inventories = loaded.timeline.observations();
    let pairs: Vec<(&ObservationReport, &Inventory)> = loaded
        .report
        .observations
        .iter()
        .map(|report| {
            // The timeline leaves empty observations out.
            let inventory = inventories.iter().find(|i| i.observed_at == report.observed_at);
            (report, inventory.unwrap_or(&empty))
        })
        .collect();
    CheckReport {
        observations: pairs.iter().map(|(report, inventory)| summary(report, inventory)).collect(),
        history: history(loaded),
        gaps: gaps::find(loaded, &pairs),
    }
}

fn history(loaded: &Loaded) -> Option<HistorySummary> {
    let report = &loaded.report.history;
    if report.files == 0 {
        return None;
    }
    let mut kinds: BTreeMap<Kind, (usize, usize)> = BTreeMap::new();
    let mut span: Option<(i64, i64)> = None;
    loaded.timeline.history().each(|kind, _, versions| {
        let (resources, changes) = kinds.entry(kind).or_default();
        *resources += 1;
        *changes += versions.len().saturating_sub(1);
        for version in versions {
            let (first, last) = span.unwrap_or((version.from, version.from));
            span = Some((first.min(version.from), last.max(version.from)));
        }
    });
    let HistoryReport { files, items, repeated, .. } = *report;
    Some(HistorySummary { files, items, repeated, kinds, span })
}

fn summary(report: &ObservationReport, inventory: &Inventory) -> ObservationSummary {
    let rules = inventory.security_groups.values().map(|group| group.rules.len()).sum();
    let readable = inventory.prefix_lists.values().filter(|list| list.entries.is_some()).count();
    let counts = BTreeMap::from([
        (Kind::SecurityGroups, inventory.security_groups.len()),
        (Kind::SecurityGroupRules, rules),
        (Kind::NetworkInterfaces, inventory.interfaces.len()),
        (Kind::Instances, report.interfaces_from_instances.len()),
        (Kind::NetworkAcls, inventory.network_acls.len()),
        (Kind::Subnets, inventory.subnets.len()),
        (Kind::Vpcs, inventory.vpcs.len()),
        (Kind::PrefixLists, inventory.prefix_lists.len()),
        (Kind::PrefixListEntries, readable),
        (Kind::Peerings, inventory.peerings.len()),
        (Kind::FlowLogs, inventory.flow_logs.len()),
    ]);
    let groups = inventory.security_groups.values();
    let interfaces = inventory.interfaces.values();
    let subnets = inventory.subnets.values();
    let accounts = (groups.clone().map(|g| &g.account))
        .chain(interfaces.clone().map(|i| &i.account))
        .chain(subnets.clone().map(|s| &s.account))
        .chain(inventory.network_acls.values().map(|a| &a.account))
        .chain(inventory.vpcs.values().map(|v| &v.account));
    let regions =
        (groups.map(|g| &g.region)).chain(interfaces.map(|i| &i.region)).chain(subnets.map(|s| &s.region));
    ObservationSummary {
        observed_at: report.observed_at,
        files: report.files.len(),
        counts,
        accounts: accounts.flatten().cloned().collect(),
        regions: regions.flatten().cloned().collect(),
    }
}

/// Groups, lists and peerings that rules refer to.
fn references(inventory: &Inventory) -> impl Iterator<Item = (&str, &RulePeer)> {
    let rules = inventory.security_groups.values().flat_map(|group| &group.rules);
    rules.map(|rule| (rule.id.as_str(), &rule.peer))
}
