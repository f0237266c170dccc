//! The sums of a run with the facts that give them meaning.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::accumulate::Rollup;
use super::acls::{AclFacts, acl_facts, open_acls};
use super::admitted::Admitted;
use super::baseline::Baseline;
use super::changes::{Change, changes};
use super::contacts::Contacts;
use super::ends::EndsSums;
use super::exposed::Exposure;
use super::groups::{GroupFacts, group_facts};
use super::odd::OddCells;
use super::rejects::RejectTable;
use super::rule_facts::{RuleFacts, rule_facts};
use super::scene::Scene;
use super::sets::RuleSets;
use super::sides::Sides;
use super::traffic::Traffic;
use super::unmet::Expectations;
use super::watched::WatchSums;
use crate::connection::{COVERAGE_BUCKET, Coverage, Evidence, InterfaceFacts};
use crate::inventory::{Inventory, RulePeer, Timeline};
use crate::policy::{Cause, Policy, Verdict};

/// An interface of the run.
#[derive(Clone, Debug, Default)]
pub struct InterfaceRow {
    /// Interface id.
    pub id: String,
    /// From the inventory, else from the records.
    pub account: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// VPC.
    pub vpc: Option<String>,
    /// Subnet.
    pub subnet: Option<String>,
    /// Instance.
    pub instance: Option<String>,
    /// `Name` tag of the interface, else its description.
    pub label: Option<String>,
    /// Security groups.
    pub groups: Vec<String>,
    /// Those whose rules the inventory does not hold.
    pub undescribed_groups: Vec<String>,
    /// The network ACL of its subnet.
    pub network_acl: Option<String>,
    /// The latest inventory has it.
    pub in_inventory: bool,
    /// What was watched.
    pub coverage: Coverage,
    /// `accept`, `reject`, `all` or `none`: which traffic its log holds.
    pub traffic: &'static str,
}

/// Everything detectors may look at.
#[derive(Debug, Default)]
pub struct Rollups {
    /// First and last second of any record, NODATA or SKIPDATA row.
    pub window: Option<(u32, u32)>,
    /// What of the logs could not be read, in words: `2 objects`. Nothing that did not happen is certain then.
    pub unread: Option<String>,
    /// Rules of the latest inventory, sorted by (group, direction, id).
    pub rules: Vec<RuleFacts>,
    /// Groups of the latest inventory, by id.
    pub groups: Vec<GroupFacts>,
    /// Network ACLs of the latest inventory, by id.
    pub acls: Vec<AclFacts>,
    /// Rules that permitted connections together, by number; combinations of two or more only.
    pub sets: RuleSets,
    /// Escaped and misdropped connections.
    pub odd: OddCells,
    /// What became of the expectations.
    pub expectations: Expectations,
    /// Accepted connections whose replies were rejected, by what.
    pub blocked: OddCells<Cause>,
    /// Connections from the internet to services that do not belong there.
    pub exposed: OddCells<Exposure>,
    /// Network ACLs that let anybody reach port 22 or 3389, with the number of the entry.
    pub open_acls: BTreeMap<String, u32>,
    /// Connections with watched addresses.
    pub watched: WatchSums,
    /// Where the logs of both ends agree, and where they do not.
    pub ends: EndsSums,
    /// Rejected attempts.
    pub rejects: RejectTable,
    /// Who talked to whom, how often and how much.
    pub contacts: Contacts,
    /// Which interfaces belong together.
    pub sides: Sides,
    /// What the user takes for normal; see [`Rollups::baseline`].
    pub given_baseline: Option<Baseline>,
    /// Who was accepted where.
    pub admitted: Admitted,
    /// Connections over time.
    pub traffic: Traffic,
    /// What was changed in the configuration, and when, sorted by time.
    pub changes: Vec<Change>,
    /// Verdict matrix.
    pub verdicts: BTreeMap<Verdict, u64>,
    /// How openers were decided.
    pub openers: BTreeMap<Evidence, u64>,
    /// Connections.
    pub connections: u64,
    /// Connections whose reply a network ACL rejected.
    pub blocked_replies: u64,
    /// Records of late packets.
    pub late_records: u64,
    /// Nothing tells when the inventory held: there is one, without a date.
    pub undated: bool,
    /// Interfaces of the run, by number.
    pub interfaces: Vec<InterfaceRow>,
    /// Private or VPC address blocks, to tell inside from outside.
    pub vpc_blocks: Vec<IpNet>,
    /// Ids of the rules that [`rules`](super::OddCell::rules) names; some of them are gone.
    pub named_rules: BTreeMap<u32, String>,
    /// What would have to be known to say what these rules permit.
    pub missing: BTreeMap<u32, String>,
    /// Numbers of rules with their places among the rules, sorted.
    numbers: Vec<(u32, usize)>,
}

impl Rollups {
    /// Joins sums and facts.
    #[must_use]
    pub fn new(
        rollup: Rollup,
        interfaces: Vec<InterfaceFacts>,
        timeline: &Timeline,
        policy: &Policy,
    ) -> Self {
        let empty = Inventory::default();
        let latest = timeline.latest().unwrap_or(&empty);
        let rows: Vec<InterfaceRow> = interfaces.into_iter().map(|f| interface_row(f, latest)).collect();
        let first = rows.iter().filter_map(|r| r.coverage.first).min();
        let last = rows.iter().filter_map(|r| r.coverage.last).max();
        let window = first.zip(last);
        let (verdicts, openers) = (rollup.verdicts(), rollup.openers());
        let uses = rollup.rules.finish();
        let rules = rule_facts(&uses, &rows, timeline, latest, policy, window);
        let (odd, blocked) = (rollup.odd.finish(), rollup.blocked.finish());
        let expectations = rollup.expectations.finish();
        let (exposed, watched, ends) =
            (rollup.exposed.finish(), rollup.watched.finish(), rollup.ends.finish());
        let cells = odd.iter().map(|(_, cell)| cell).chain(blocked.iter().map(|(_, cell)| cell));
        let cells = cells.chain(expectations.unmet.iter().map(|(_, cell)| cell));
        let cells = cells.chain(exposed.iter().map(|(_, cell)| cell));
        let cells = cells.chain(watched.accepted.iter().map(|(_, cell)| cell));
        let named =
            cells.flat_map(|cell| &cell.rules).chain(ends.cells.values().flat_map(|cell| &cell.rules));
        let named: BTreeSet<u32> = named.copied().collect();
        let named_rules = named.iter().filter_map(|&n| Some((n, policy.rule(n)?.id.clone()))).collect();
        let missing = named.iter().filter_map(|&n| Some((n, missing(&policy.rule(n)?.peer, timeline)?)));
        Self {
            window,
            unread: None,
            numbers: numbers(&rules),
            groups: group_facts(latest, &rules),
            acls: acl_facts(latest, &rows),
            rules,
            named_rules,
            missing: missing.collect(),
            sets: rollup.sets.finish(),
            odd,
            expectations,
            blocked,
            exposed,
            open_acls: open_acls(latest),
            watched,
            ends,
            rejects: rollup.rejects.finish(),
            contacts: rollup.contacts.finish(),
            sides: Sides::default(),
            given_baseline: None,
            admitted: rollup.admitted.finish(),
            traffic: rollup.traffic.finish(),
            changes: changes(timeline, &rows),
            verdicts,
            openers,
            connections: rollup.connections,
            blocked_replies: rollup.blocked_replies,
            late_records: rollup.late_records,
            undated: timeline.history().is_empty()
                && matches!(timeline.observations(), [only] if only.observed_at.is_none()),
            interfaces: rows,
            vpc_blocks: latest.vpcs.values().flat_map(|v| v.cidrs.iter().copied()).collect(),
        }
    }

    /// The same, with what the scene says about its sums: the names of watched addresses.
    #[must_use]
    pub fn told_by(mut self, scene: &Scene) -> Self {
        if let Some(list) = scene.watch_list() {
            self.watched = self.watched.named_by(list);
        }
        self
    }

    /// 10-minute buckets of the run's window.
    #[must_use]
    pub fn expected_buckets(&self) -> u64 {
        self.window.map_or(0, |(first, last)| {
            u64::from(last / COVERAGE_BUCKET) - u64::from(first / COVERAGE_BUCKET) + 1
        })
    }

    /// The rule with this number.
    #[must_use]
    pub fn rule(&self, number: u32) -> Option<&RuleFacts> {
        let at = self.numbers.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        self.rules.get(self.numbers[at].1)
    }

    /// The interface row with this id.
    #[must_use]
    pub fn interface(&self, id: &str) -> Option<&InterfaceRow> {
        self.interfaces.binary_search_by(|row| row.id.as_str().cmp(id)).ok().map(|i| &self.interfaces[i])
    }
}

/// What is not known of a rule's peer.
fn missing(peer: &RulePeer, timeline: &Timeline) -> Option<String> {
    let observations = timeline.observations();
    match peer {
        RulePeer::Cidr(_) => None,
        RulePeer::PrefixList(id) => {
            let known = |i: &Inventory| i.prefix_lists.get(id).is_some_and(|list| list.entries.is_some());
            (!observations.iter().any(known) && !timeline.history().prefix_lists.contains_key(id))
                .then(|| format!("the entries of {id}"))
        }
        RulePeer::Group { id, .. } => {
            let known = |i: &Inventory| i.security_groups.contains_key(id);
            let described =
                observations.iter().any(known) || timeline.history().security_groups.contains_key(id);
            Some(match described {
                true => format!("an interface with the remote address, which may be a member of {id}"),
                false => format!("the members of {id}"),
            })
        }
    }
}

fn numbers(rules: &[RuleFacts]) -> Vec<(u32, usize)> {
    let mut numbers: Vec<(u32, usize)> = rules.iter().enumerate().map(|(at, r)| (r.number, at)).collect();
    numbers.sort_unstable();
    // Of several with one number the first is meant.
    numbers.dedup_by_key(|(number, _)| *number);
    numbers
}

fn interface_row(facts: InterfaceFacts, latest: &Inventory) -> InterfaceRow {
    let known = latest.interfaces.get(&facts.id);
    let pick = |inventory: Option<&Option<String>>, record: Option<String>| {
        inventory.and_then(Clone::clone).or(record)
    };
    let subnet = pick(known.map(|i| &i.subnet), facts.context.subnet);
    let vpc = pick(known.map(|i| &i.vpc), facts.context.vpc);
    let traffic = traffic(&facts.id, subnet.as_deref(), vpc.as_deref(), &facts.coverage, latest);
    InterfaceRow {
        account: pick(known.map(|i| &i.account), facts.context.account),
        region: pick(known.map(|i| &i.region), facts.context.region),
        vpc,
        instance: pick(known.map(|i| &i.instance), facts.context.instance),
        label: known.and_then(|i| {
            let description = Some(&i.description).filter(|d| !d.is_empty());
            i.tags.get("Name").or(description).cloned()
        }),
        undescribed_groups: known
            .map(|i| {
                i.groups.iter().filter(|id| !latest.security_groups.contains_key(*id)).cloned().collect()
            })
            .unwrap_or_default(),
        groups: known.map(|i| i.groups.clone()).unwrap_or_default(),
        network_acl: subnet.as_deref().and_then(|s| latest.network_acl_of(s)).map(|acl| acl.id.clone()),
        in_inventory: known.is_some(),
        traffic,
        coverage: facts.coverage,
        subnet,
        id: facts.id,
    }
}

/// Which traffic the logs of an interface hold: what its flow logs are defined to log, else what was seen.
pub(super) fn traffic(
    id: &str,
    subnet: Option<&str>,
    vpc: Option<&str>,
    seen: &Coverage,
    latest: &Inventory,
) -> &'static str {
    let watches = |resource: &str| resource == id || subnet == Some(resource) || vpc == Some(resource);
    let types = || {
        latest.flow_logs.values().filter(|f| watches(&f.resource)).filter_map(|f| f.traffic_type.as_deref())
    };
    let logs = |kind: &str| types().any(|t| t == "ALL" || t == kind);
    let (accepts, rejects) = if types().next().is_some() {
        (logs("ACCEPT") || seen.accepts > 0, logs("REJECT") || seen.rejects > 0)
    } else {
        (seen.accepts > 0, seen.rejects > 0)
    };
    match (accepts, rejects) {
        (true, true) => "all",
        (true, false) => "accept",
        (false, true) => "reject",
        (false, false) => "none",
    }
}
