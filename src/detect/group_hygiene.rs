//! Security groups that are full, left behind, not described, or the default one.
//!
//! ## What it finds
//! - `near-quota`: groups whose rules reach 54 of the 60 that a direction and address family may have, or 90 % of what a
//!   raised quota can be. One finding for each group.
//! - `default-group-in-use`: the default group of a VPC is attached to interfaces; `default-group-has-rules`: it is not,
//!   but has rules. One finding for each group.
//! - `unattached`: groups that no interface has and no rule refers to. One finding for each VPC.
//! - `no-description`: rules without a description. One finding for each VPC, with the groups that have most of them.
//!
//! ## Why it matters
//! At the quota the next rule fails, in the middle of a deployment. Whatever is launched without a group gets the
//! default one. Unattached groups and rules that nobody can explain are what nobody dares to remove later.
//!
//! ## How it decides
//! By the latest inventory. A rule weighs 1 for IPv4 or IPv6; one that names a group weighs 1 in both; one that names a
//! prefix list, its `MaxEntries`, or AWS's own weight (Amazon VPC user guide, "Amazon VPC quotas", "Available
//! AWS-managed prefix lists"). The quota of 60 can be raised, as long as rules per group x groups per interface stay
//! within 1,000; so what has more than 60 already is measured by 200, which leaves room for 5 groups per interface.
//!
//! Controls: EC2.2, "VPC default security groups should not allow inbound or outbound traffic", fails for any rule in
//! the default group. EC2.22, "Unused Amazon EC2 security groups should be removed", is part of the service-managed
//! standard of AWS Control Tower only, since Security Hub took it out of the others in September 2023.
//!
//! ## When it is wrong
//! A group without interfaces may belong to something that is scaled to zero, to a launch template, or to an account
//! whose interfaces are not in the inventory: one that an interface had while the logs ran is listed apart. Quotas are
//! those of AWS's defaults.
//!
//! ## Tuning
//! There is nothing to set. `--skip group-hygiene` turns it off.
//!
//! ## What to do
//! Near the quota: `duplicate-rule`, `redundant-rule` and `unused-rule` say what can go; a prefix list makes one rule of
//! many only for whoever reads it, not for the quota. Take interfaces out of the default group, then remove its rules.

use std::collections::BTreeMap;

use serde_json::json;

use super::groups::{self, LISTED};
use super::{Detector, Input, Meta, counted, finish};
use crate::finding::{Finding, FindingBuilder, Grade, Kind, Severity};
use crate::flow::Direction;
use crate::rollup::GroupFacts;

/// See the file's manual.
pub(super) struct GroupHygiene;

static META: Meta = Meta {
    id: "group-hygiene",
    kind: Kind::GroupHygiene,
    title: "security groups near the quota, left behind, not described, or default",
    manual: include_str!("group_hygiene.rs"),
};

/// Rules per direction and family by default (Amazon VPC quotas).
const QUOTA: u32 = 60;
/// Rules per group x groups per interface at most.
const PRODUCT: u32 = 1000;
/// Groups per interface by default.
const PER_INTERFACE: u32 = 5;

impl Detector for GroupHygiene {
    fn meta(&self) -> &'static Meta {
        &META
    }

    fn detect(&self, input: &Input<'_>) -> Vec<Finding> {
        let all = &input.rollups.groups;
        let of_group = all.iter().flat_map(|group| {
            let told = [near_quota(group), default_group(input, group)];
            told.into_iter().flatten().map(move |builder| groups::about(builder, input, group))
        });
        let mut vpcs: BTreeMap<Place<'_>, Vec<&GroupFacts>> = BTreeMap::new();
        for group in all {
            let place = (group.account.as_deref(), group.region.as_deref(), group.vpc.as_deref());
            vpcs.entry(place).or_default().push(group);
        }
        let of_vpc = vpcs.iter().flat_map(|(place, groups)| {
            let told = [unattached(groups), undescribed(input, groups)];
            told.into_iter().flatten().map(|builder| at(builder, *place))
        });
        of_group.chain(of_vpc).filter_map(finish).collect()
    }
}

/// Account, region, VPC.
type Place<'a> = (Option<&'a str>, Option<&'a str>, Option<&'a str>);

fn at(builder: FindingBuilder, (account, region, vpc): Place<'_>) -> FindingBuilder {
    let parts = [account, region, vpc].map(|part| part.unwrap_or_default().to_owned());
    let builder = parts.into_iter().fold(builder, FindingBuilder::about);
    builder.with(|f| {
        f.account = account.map(str::to_owned);
        f.region = region.map(str::to_owned);
        f.vpc = vpc.map(str::to_owned);
    })
}

fn near_quota(group: &GroupFacts) -> Option<FindingBuilder> {
    let weight = &group.weight;
    let most = weight.most();
    let quota = if most > QUOTA { PRODUCT / PER_INTERFACE } else { QUOTA };
    if most * 10 < quota * 9 {
        return None;
    }
    let [in4, in6] = weight.of(Direction::Inbound);
    let [out4, out6] = weight.of(Direction::Outbound);
    let raised = if most > QUOTA {
        format!(
            "More than the default of {QUOTA}, so the quota was raised; groups per interface x rules may be {PRODUCT}: \
             with {most}, at most {} groups.",
            PRODUCT / most.max(1)
        )
    } else {
        format!("The default quota is {QUOTA} for each direction and address family.")
    };
    let reasons: Vec<&str> = match weight.incomplete {
        true => vec!["how many entries a prefix list may have is not known, and it counts as one rule"],
        false => Vec::new(),
    };
    Some(
        FindingBuilder::new(META.id, META.kind, "near-quota")
            .rated(Severity::Low, if weight.incomplete { Grade::Weak } else { Grade::Reliable })
            .told(
                format!("{} has {most} of {quota} rules", groups::name(group)),
                format!("Inbound IPv4 {in4}, IPv6 {in6}; outbound IPv4 {out4}, IPv6 {out6}. {raised}"),
            )
            .count("rules", group.rules.len() as u64)
            .count("weight", u64::from(most))
            .count("quota", u64::from(quota))
            .evidence("inbound_weight", json!({"ipv4": in4, "ipv6": in6}))
            .evidence("outbound_weight", json!({"ipv4": out4, "ipv6": out6}))
            .evidence("grade_reasons", reasons)
            .next(format!("remove what {} does not need, or ask AWS for a higher quota", group.id)),
    )
}

fn default_group(input: &Input<'_>, group: &GroupFacts) -> Option<FindingBuilder> {
    let in_use = !group.interfaces.is_empty();
    if !group.is_default || (group.rules.is_empty() && !in_use) {
        return None;
    }
    let cause = if in_use { "default-group-in-use" } else { "default-group-has-rules" };
    let listed: Vec<_> =
        groups::rules(input, group).take(LISTED).map(|(rule, row)| groups::told(rule, row)).collect();
    let connections: u64 = groups::rules(input, group).map(|(_, row)| row.connections).sum();
    let builder = FindingBuilder::new(META.id, META.kind, cause)
        .rated(if in_use { Severity::Low } else { Severity::Informational }, Grade::Reliable)
        .told(
            match in_use {
                true => format!(
                    "the default group {} is attached to {}",
                    group.id,
                    counted(group.interfaces.len() as u64, "interface")
                ),
                false => format!("the default group {} has rules", group.id),
            },
            format!(
                "It has {}, which {} used; {}.",
                counted(group.rules.len() as u64, "rule"),
                counted(connections, "connection"),
                groups::attached(group)
            ),
        )
        .count("rules", group.rules.len() as u64)
        .count("connections", connections)
        .evidence("rules", listed)
        .next(match in_use {
            true => format!("give its interfaces groups of their own, then remove the rules of {}", group.id),
            false => format!("remove the rules of {}: what gets it by mistake is then cut off", group.id),
        });
    Some(if group.rules.is_empty() { builder } else { builder.control("EC2.2") })
}

/// `sg-1 (web), sg-2 (app) and 3 more`
fn names(groups: &[&GroupFacts]) -> String {
    let shown: Vec<String> = groups.iter().take(3).map(|group| groups::name(group)).collect();
    match groups.len().saturating_sub(3) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn unattached(groups: &[&GroupFacts]) -> Option<FindingBuilder> {
    let alone = |group: &&&GroupFacts| {
        group.interfaces.is_empty() && group.referenced_by.is_empty() && !group.is_default
    };
    let found: Vec<&GroupFacts> = groups.iter().filter(alone).copied().collect();
    if found.is_empty() {
        return None;
    }
    let (left, never): (Vec<&GroupFacts>, Vec<&GroupFacts>) =
        found.iter().partition(|group| group.had_interfaces);
    let ids = |some: &[&GroupFacts]| -> Vec<String> {
        some.iter().take(LISTED).map(|group| groups::name(group)).collect()
    };
    let builder = FindingBuilder::new(META.id, META.kind, "unattached")
        .rated(Severity::Informational, Grade::Reliable)
        .told(
            match found.len() {
                1 => format!("{} is attached to no interface, and no rule refers to it", names(&found)),
                n => format!("{n} groups are attached to no interface, and no rule refers to them: {}", names(&found)),
            },
            format!(
                "{} had no interface while the logs ran, {} had one and has none now (scaled to zero, or left behind).",
                never.len(),
                left.len()
            ),
        )
        .count("groups", found.len() as u64)
        .count("had_interfaces", left.len() as u64)
        .evidence("groups", ids(&never))
        .evidence("groups_that_had_interfaces", ids(&left))
        .control("EC2.22")
        .next("ask the owners, and whether a launch template or a scaled-down service names them; then delete them");
    Some(match found[..] {
        [one] => builder.with(|f| f.security_group = Some(one.id.clone())),
        _ => builder,
    })
}

fn undescribed(input: &Input<'_>, groups: &[&GroupFacts]) -> Option<FindingBuilder> {
    let count = |group: &GroupFacts| groups::rules(input, group).filter(|(rule, _)| !rule.described).count();
    let mut found: Vec<(usize, &GroupFacts)> =
        groups.iter().map(|group| (count(group), *group)).filter(|(n, _)| *n > 0).collect();
    // The default group comes with its rules.
    found.retain(|(_, group)| !group.is_default);
    found.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.id.cmp(&b.1.id)));
    let total: usize = found.iter().map(|(n, _)| n).sum();
    let rules: usize = groups.iter().map(|group| group.rules.len()).sum();
    let most: Vec<&GroupFacts> = found.iter().map(|(_, group)| *group).collect();
    if most.is_empty() {
        return None;
    }
    let listed: Vec<_> = found
        .iter()
        .take(LISTED)
        .map(|(n, group)| json!({"security_group": group.id, "name": group.name, "rules": n}))
        .collect();
    let builder = FindingBuilder::new(META.id, META.kind, "no-description")
        .rated(Severity::Informational, Grade::Reliable)
        .told(
            format!(
                "{total} of {} have no description, in {}",
                counted(rules as u64, "rule"),
                counted(most.len() as u64, "group")
            ),
            format!("Most of them: {}.", names(&most)),
        )
        .count("rules", rules as u64)
        .count("rules_without_description", total as u64)
        .count("groups", most.len() as u64)
        .evidence("groups", listed)
        .next("write into each rule what it is for and whom to ask, the next time it is touched");
    Some(match most[..] {
        [one] => builder.with(|f| f.security_group = Some(one.id.clone())),
        _ => builder,
    })
}
