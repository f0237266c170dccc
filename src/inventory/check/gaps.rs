//! The gaps, one function a theme.

mod history;

use std::collections::{BTreeMap, BTreeSet};

use super::{Gap, GapSeverity, SUBJECTS_SHOWN, references};
use crate::inventory::kind::Kind;
use crate::inventory::load::{Loaded, ObservationReport, SkipReason};
use crate::inventory::{Inventory, RulePeer};

use GapSeverity::{High, Info, Low, Medium};

/// A gap while it is put together from several observations.
struct Draft {
    severity: GapSeverity,
    observed_at: Vec<Option<i64>>,
    subjects: BTreeSet<String>,
    message: &'static str,
    next: String,
}

/// Gaps by code.
#[derive(Default)]
struct Gaps(BTreeMap<&'static str, Draft>);

impl Gaps {
    /// Adds a gap about a whole observation.
    fn whole(
        &mut self,
        code: &'static str,
        severity: GapSeverity,
        at: Option<i64>,
        message: &'static str,
        next: String,
    ) {
        let new = Draft { severity, observed_at: Vec::new(), subjects: BTreeSet::new(), message, next };
        self.0.entry(code).or_insert(new).observed_at.push(at);
    }

    /// Adds a gap about certain objects, if there are any.
    fn about(
        &mut self,
        code: &'static str,
        severity: GapSeverity,
        at: Option<i64>,
        subjects: impl IntoIterator<Item = String>,
        message: &'static str,
        next: &str,
    ) {
        let mut subjects = subjects.into_iter().peekable();
        if subjects.peek().is_none() {
            return;
        }
        self.whole(code, severity, at, message, next.to_owned());
        if let Some(draft) = self.0.get_mut(code) {
            draft.subjects.extend(subjects);
        }
    }

    fn finish(self) -> Vec<Gap> {
        let gap = |(code, draft): (&'static str, Draft)| {
            let subject_count = draft.subjects.len();
            let message = match subject_count {
                0 => draft.message.to_owned(),
                n => format!("{n} {}", draft.message),
            };
            Gap {
                code,
                severity: draft.severity,
                observed_at: draft.observed_at,
                subjects: draft.subjects.into_iter().take(SUBJECTS_SHOWN).collect(),
                subject_count,
                message,
                next: draft.next,
            }
        };
        let mut gaps: Vec<Gap> = self.0.into_iter().map(gap).collect();
        gaps.sort_by_key(|gap| (std::cmp::Reverse(gap.severity), gap.code));
        gaps
    }
}

/// Everything that is missing.
pub(super) fn find(loaded: &Loaded, observations: &[(&ObservationReport, &Inventory)]) -> Vec<Gap> {
    let report = &loaded.report;
    let mut gaps = Gaps::default();
    if loaded.timeline.is_empty() {
        let message = "No inventory was found, so nothing can be said about rules.";
        gaps.whole("empty", High, None, message, run(Kind::SecurityGroups));
    }
    let recorded = !loaded.timeline.history().is_empty();
    for (read, inventory) in observations.iter().filter(|(_, inventory)| !inventory.is_empty()) {
        read_gaps(&mut gaps, read);
        if !recorded {
            object_gaps(&mut gaps, read, inventory);
        }
    }
    if let Some(latest) = loaded.timeline.latest().filter(|_| recorded) {
        // Dumps and AWS Config complete each other, so that only their sum can lack something.
        object_gaps(&mut gaps, &described(loaded, latest), latest);
        history::find(&mut gaps, loaded);
    }
    let skipped = |reason: SkipReason| {
        let files = report.skipped.iter().filter(move |file| file.reason == reason);
        files.map(|file| file.path.display().to_string())
    };
    let keep = "Nothing, if they were not meant as inventory.";
    let message = "file(s) hold JSON of other shapes and were not used.";
    gaps.about("skipped-files", Info, None, skipped(SkipReason::OtherShape), message, keep);
    let message = "file(s) are no JSON and were not used.";
    gaps.about("not-json-files", Info, None, skipped(SkipReason::NotJson), message, keep);
    let message = "file(s) hold the reply of an API call that failed; what it asked for is missing.";
    gaps.about("error-replies", Low, None, skipped(SkipReason::ErrorReply), message, "Repeat the calls.");
    let message =
        "file(s) hold entries of a prefix list without saying of which; rules that use it can't be resolved.";
    let rename = "Rename each file (or its directory) after its list, e.g. pl-0123456789abcdef0.json.";
    let unnamed = skipped(SkipReason::UnnamedPrefixList);
    gaps.about("unnamed-prefix-list-entries", Medium, None, unnamed, message, rename);
    let message = "bad file(s) were left out; what they hold is missing.";
    let bad = report.bad.iter().map(ToString::to_string);
    gaps.about("bad-files", High, None, bad, message, "Repair or replace the files.");
    gaps.finish()
}

/// What the objects of one time lack.
fn object_gaps(gaps: &mut Gaps, read: &ObservationReport, inventory: &Inventory) {
    kinds(gaps, read, inventory);
    rule_gaps(gaps, inventory);
    interface_gaps(gaps, inventory);
    flow_log_gaps(gaps, inventory);
}

/// The last observation's report, as if AWS Config had been part of it.
fn described(loaded: &Loaded, latest: &Inventory) -> ObservationReport {
    let mut read = ObservationReport { observed_at: latest.observed_at, ..ObservationReport::default() };
    for observation in &loaded.report.observations {
        read.kinds.extend(&observation.kinds);
    }
    loaded.timeline.history().each(|kind, _, _| *read.kinds.entry(kind).or_default() += 1);
    read
}

fn run(kind: Kind) -> String {
    format!("Run `{}`.", kind.command())
}

/// Kinds that nobody described.
fn kinds(gaps: &mut Gaps, read: &ObservationReport, inventory: &Inventory) {
    let at = read.observed_at;
    let described = |kind: Kind| read.kinds.contains_key(&kind);
    let mut missing = |there: bool, code, severity, kind: Kind, message| {
        if !there {
            gaps.whole(code, severity, at, message, run(kind));
        }
    };
    missing(
        !inventory.security_groups.is_empty(),
        "no-security-groups",
        High,
        Kind::SecurityGroups,
        "There are no security groups, so no accepted or rejected connection can be explained by a rule.",
    );
    missing(
        !inventory.interfaces.is_empty(),
        "no-interfaces",
        High,
        Kind::NetworkInterfaces,
        "There are no network interfaces, so records can't be matched with security groups.",
    );
    missing(
        described(Kind::NetworkAcls),
        "no-network-acls",
        Medium,
        Kind::NetworkAcls,
        "There are no network ACLs, so rejects can't be attributed to them.",
    );
    missing(
        described(Kind::Subnets),
        "no-subnets",
        Medium,
        Kind::Subnets,
        "There are no subnets, so traffic inside of a subnet, which network ACLs don't see, can't be told from traffic that crosses its border.",
    );
    missing(
        described(Kind::Vpcs),
        "no-vpcs",
        Low,
        Kind::Vpcs,
        "There are no VPCs, so addresses inside of a VPC can't be told from outside ones.",
    );
    missing(
        described(Kind::FlowLogs),
        "no-flow-logs",
        Low,
        Kind::FlowLogs,
        "There are no flow log definitions, so an interface without records can't be told from one that is not logged.",
    );
}

/// What was noticed while reading.
fn read_gaps(gaps: &mut Gaps, read: &ObservationReport) {
    let at = read.observed_at;
    gaps.about(
        "truncated-output",
        High,
        at,
        read.truncated.iter().map(|(directory, kind)| format!("{}: {kind}", directory.display())),
        "output(s) say that there is more, which was not found; what is missing will look as if it did not exist.",
        "Run the command again without `--max-items` or `--no-paginate`.",
    );
    gaps.about(
        "truncated-prefix-lists",
        Medium,
        at,
        read.truncated_lists.iter().cloned(),
        "prefix list(s) lack their last page, so rules that use them can't be evaluated.",
        "Run `aws ec2 get-managed-prefix-list-entries --prefix-list-id ID > ID.json` for each, without `--max-items`.",
    );
    gaps.about(
        "conflicts",
        Medium,
        at,
        read.conflicts.iter().map(|conflict| conflict.id.clone()),
        "object(s) are described differently by two files of the same time; the later file in path order was used.",
        "Remove the older files, or put each state into a directory named by its time, e.g. 2026-03-01T000000Z.",
    );
    if !read.kinds.contains_key(&Kind::NetworkInterfaces) {
        gaps.about(
            "interfaces-from-instances",
            Medium,
            at,
            read.interfaces_from_instances.iter().cloned(),
            "interface(s) are known from instances only; those of load balancers, NAT gateways, endpoints and functions are missing.",
            &run(Kind::NetworkInterfaces),
        );
    }
    gaps.about(
        "groups-from-rules",
        Low,
        at,
        read.groups_from_rules.iter().cloned(),
        "security group(s) are known from their rules only, so their names and VPCs are missing.",
        &run(Kind::SecurityGroups),
    );
}

/// Rules that can't be evaluated, or not fully.
fn rule_gaps(gaps: &mut Gaps, inventory: &Inventory) {
    let at = inventory.observed_at;
    let mut unknown_groups = BTreeSet::new();
    let mut unreadable = BTreeSet::new();
    let mut stale = BTreeSet::new();
    let mut unknown_peerings = BTreeSet::new();
    for (rule, peer) in references(inventory) {
        match peer {
            RulePeer::Cidr(_) => {}
            RulePeer::PrefixList(id) => {
                if inventory.prefix_lists.get(id).is_none_or(|list| list.entries.is_none()) {
                    unreadable.insert(id.clone());
                }
            }
            RulePeer::Group { id, account, peering, status } => {
                if status.as_ref().is_some_and(|status| status != "active") {
                    stale.insert(rule.to_owned());
                } else if !inventory.security_groups.contains_key(id) {
                    unknown_groups.insert(match account {
                        Some(account) => format!("{account}/{id}"),
                        None => id.clone(),
                    });
                }
                if let Some(peering) = peering.as_ref().filter(|id| !inventory.peerings.contains_key(*id)) {
                    unknown_peerings.insert(peering.clone());
                }
            }
        }
    }
    gaps.about(
        "unknown-groups",
        Medium,
        at,
        unknown_groups,
        "security group(s) that rules refer to are not in the inventory; their members are unknown, so those rules may explain more than can be shown.",
        "Run `aws ec2 describe-security-groups` and `aws ec2 describe-network-interfaces` in the accounts that own them.",
    );
    gaps.about(
        "unreadable-prefix-lists",
        Medium,
        at,
        unreadable,
        "prefix list(s) that rules refer to have no entries in the inventory, so those rules can't be evaluated.",
        "Run `aws ec2 get-managed-prefix-list-entries --prefix-list-id ID > ID.json` for each.",
    );
    gaps.about(
        "stale-references",
        Low,
        at,
        stale,
        "rule(s) refer to a security group over a peering connection that is not active; they match nothing.",
        "Run `aws ec2 describe-stale-security-groups --vpc-id VPC` and remove what it lists.",
    );
    gaps.about(
        "unknown-peerings",
        Low,
        at,
        unknown_peerings,
        "VPC peering connection(s) that rules rely on are not in the inventory, so their state is unknown.",
        &run(Kind::Peerings),
    );
    let nameless = inventory
        .security_groups
        .values()
        .filter(|group| !group.rules.is_empty() && group.rules.iter().all(|rule| rule.synthetic));
    gaps.about(
        "no-rule-ids",
        Low,
        at,
        nameless.map(|group| group.id.clone()),
        "security group(s) have no rule ids of AWS, so their rules go by made-up ids (`sgr-x…`) and commands that change them must spell them out.",
        &run(Kind::SecurityGroupRules),
    );
    // Where some rules have ids, the rest are newer or older than them.
    let mixed = inventory.security_groups.values().filter(|group| {
        group.rules.iter().any(|rule| rule.synthetic) && group.rules.iter().any(|rule| !rule.synthetic)
    });
    gaps.about(
        "rules-disagree",
        Medium,
        at,
        mixed.map(|group| group.id.clone()),
        "security group(s) have rules that describe-security-group-rules does not list; the two outputs are of different times or one is filtered. All rules of both were used.",
        "Run `aws ec2 describe-security-groups` and `aws ec2 describe-security-group-rules` again, one right after the other.",
    );
}

/// Interfaces that can't be judged, or not fully, and groups without any.
fn interface_gaps(gaps: &mut Gaps, inventory: &Inventory) {
    let at = inventory.observed_at;
    let mut used = BTreeSet::new();
    let mut dangling = BTreeSet::new();
    let mut no_subnet = BTreeSet::new();
    let mut no_acl = BTreeSet::new();
    let with_acl: BTreeSet<&String> = inventory.network_acls.values().flat_map(|acl| &acl.subnets).collect();
    for interface in inventory.interfaces.values() {
        for group in &interface.groups {
            used.insert(group);
            if !inventory.security_groups.contains_key(group) {
                dangling.insert(group.clone());
            }
        }
        // Without any subnet or network ACL there is a gap about that already.
        let known = interface.subnet.as_ref().is_some_and(|subnet| inventory.subnets.contains_key(subnet));
        if !known && (interface.subnet.is_none() || !inventory.subnets.is_empty()) {
            no_subnet.insert(interface.id.clone());
        }
        if let Some(subnet) = &interface.subnet
            && !inventory.network_acls.is_empty()
            && !with_acl.contains(subnet)
        {
            no_acl.insert(subnet.clone());
        }
    }
    if !inventory.security_groups.is_empty() {
        gaps.about(
            "dangling-groups",
            High,
            at,
            dangling,
            "security group(s) of interfaces are not in the inventory; what they permit will look unexplained.",
            "Run `aws ec2 describe-security-groups` without filters, in the accounts that own the groups (a shared VPC has several).",
        );
    }
    gaps.about(
        "interfaces-without-subnet",
        Medium,
        at,
        no_subnet,
        "interface(s) are in a subnet that is not in the inventory; whether their traffic crosses its border is unknown.",
        "Run `aws ec2 describe-subnets` without filters.",
    );
    gaps.about(
        "subnets-without-acl",
        Medium,
        at,
        no_acl,
        "subnet(s) of interfaces have no network ACL in the inventory; rejects there can't be attributed to one.",
        "Run `aws ec2 describe-network-acls` without filters, in the account that owns the VPC.",
    );
    if !inventory.interfaces.is_empty() {
        let unused = inventory.security_groups.keys().filter(|id| !used.contains(id)).cloned();
        gaps.about(
            "groups-without-interfaces",
            Info,
            at,
            unused,
            "security group(s) have no interface at that time, so no traffic can show whether their rules are used.",
            "Nothing, if the groups are meant for later; otherwise check whether `aws ec2 describe-network-interfaces` was complete.",
        );
    }
}

/// Flow logs that do not record everything.
fn flow_log_gaps(gaps: &mut Gaps, inventory: &Inventory) {
    let at = inventory.observed_at;
    let failed = inventory.flow_logs.values().filter(|log| {
        log.deliver_error.is_some() || log.deliver_status.as_ref().is_some_and(|status| status != "SUCCESS")
    });
    gaps.about(
        "flow-log-delivery",
        Medium,
        at,
        failed.map(|log| log.id.clone()),
        "flow log(s) report that delivery fails; records of what they watch are missing.",
        "Run `aws ec2 describe-flow-logs` and see DeliverLogsErrorMessage.",
    );
    let partial =
        |log: &&crate::inventory::FlowLog| log.traffic_type.as_ref().is_some_and(|kind| kind != "ALL");
    gaps.about(
        "flow-log-traffic-type",
        Low,
        at,
        inventory.flow_logs.values().filter(partial).map(|log| log.id.clone()),
        "flow log(s) record accepted or rejected traffic only: without accepts nothing can be said about the use of rules, without rejects nothing about spikes.",
        "Create a flow log with traffic type ALL.",
    );
}
