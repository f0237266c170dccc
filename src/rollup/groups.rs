//! Security groups as wholes: how full they are, who has them, who refers to them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use ipnet::IpNet;

use super::rule_facts::{RuleFacts, referenced};
use crate::flow::Direction;
use crate::inventory::{Inventory, PrefixList, RulePeer, SecurityGroup};

/// A security group of the latest inventory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupFacts {
    /// `sg-…`.
    pub id: String,
    /// Name. Hostile text.
    pub name: String,
    /// VPC.
    pub vpc: Option<String>,
    /// Account.
    pub account: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// The default group of its VPC, which can't be deleted.
    pub is_default: bool,
    /// Places of its rules in [`super::Rollups::rules`].
    pub rules: Range<usize>,
    /// Interfaces that have it.
    pub interfaces: Arc<[String]>,
    /// An interface had it while the logs ran, and none has it now.
    pub had_interfaces: bool,
    /// Other groups whose rules reference it.
    pub referenced_by: BTreeSet<String>,
    /// What its rules count against the quota, by direction and family.
    pub weight: Weight,
}

/// Rules as the quota counts them (Amazon VPC quotas, "Inbound or outbound rules per security group"): each direction
/// and address family for itself, 60 by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    counts: [[u32; 2]; 2],
    /// The weight of a prefix list is not known and was taken for 1.
    pub incomplete: bool,
}

impl Weight {
    /// Rules of a direction that count for IPv4, and for IPv6.
    #[must_use]
    pub fn of(&self, direction: Direction) -> [u32; 2] {
        self.counts[usize::from(direction == Direction::Outbound)]
    }

    /// The largest of the four.
    #[must_use]
    pub fn most(&self) -> u32 {
        self.counts.iter().flatten().copied().max().unwrap_or(0)
    }

    fn of_group(group: &SecurityGroup, lists: &BTreeMap<String, PrefixList>) -> Self {
        let mut weight = Self::default();
        for rule in &group.rules {
            // What names no addresses counts for both families.
            let (v4, v6) = match &rule.peer {
                RulePeer::Cidr(IpNet::V4(_)) => (1, 0),
                RulePeer::Cidr(IpNet::V6(_)) => (0, 1),
                RulePeer::Group { .. } => (1, 1),
                RulePeer::PrefixList(id) => match lists.get(id).and_then(of_list) {
                    Some(all) => all,
                    None => {
                        weight.incomplete = true;
                        (1, 1)
                    }
                },
            };
            let counts = &mut weight.counts[usize::from(rule.direction == Direction::Outbound)];
            counts[0] = counts[0].saturating_add(v4);
            counts[1] = counts[1].saturating_add(v6);
        }
        weight
    }
}

/// A prefix list counts as many rules as it may have entries; those of AWS have weights (VPC user guide, "Available
/// AWS-managed prefix lists").
fn of_list(list: &PrefixList) -> Option<(u32, u32)> {
    let managed = || {
        let weights = [
            ("cloudfront.origin-facing", 55),
            ("route53-healthchecks", 25),
            ("secretsmanager-managed-external-secrets", 20),
            ("vpc-lattice", 10),
            ("s3express", 6),
            ("groundstation", 5),
            ("ec2-instance-connect", 2),
        ];
        let found = weights.iter().find(|(name, _)| list.name.contains(name));
        found.map_or(1, |(_, weight)| *weight)
    };
    let weight = if list.account.as_deref() == Some("AWS") { managed() } else { list.max_entries? };
    let entries = list.entries.as_deref().unwrap_or_default();
    Some(match entries.first() {
        Some(IpNet::V4(_)) => (weight, 0),
        Some(IpNet::V6(_)) => (0, weight),
        None => (weight, weight),
    })
}

/// Every group; `rules` are sorted by group.
pub(super) fn group_facts(latest: &Inventory, rules: &[RuleFacts]) -> Vec<GroupFacts> {
    let mut attached: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for interface in latest.interfaces.values() {
        for group in &interface.groups {
            attached.entry(group).or_default().push(interface.id.clone());
        }
    }
    let referenced = referenced(latest);
    let facts = latest.security_groups.values().map(|group| {
        let first = rules.partition_point(|rule| rule.group < group.id);
        let count = rules[first..].partition_point(|rule| rule.group == group.id);
        let own = &rules[first..first + count];
        let by = referenced.get(group.id.as_str()).into_iter().flatten();
        let interfaces: Arc<[String]> = attached.remove(group.id.as_str()).unwrap_or_default().into();
        GroupFacts {
            id: group.id.clone(),
            name: group.name.clone(),
            vpc: group.vpc.clone(),
            account: group.account.clone(),
            region: group.region.clone(),
            // The name is reserved (VPC user guide, "Default security groups for your VPCs").
            is_default: group.name == "default",
            rules: first..first + count,
            had_interfaces: interfaces.is_empty() && own.iter().any(|rule| rule.watch.attached > 0),
            interfaces,
            referenced_by: by.map(|id| (*id).to_owned()).collect(),
            weight: Weight::of_group(group, &latest.prefix_lists),
        }
    });
    facts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Rule;

    fn rule(direction: Direction, peer: RulePeer) -> Rule {
        Rule {
            id: String::new(),
            synthetic: true,
            group: "sg-1".into(),
            direction,
            protocol: None,
            ports: None,
            icmp: None,
            peer,
            description: None,
        }
    }

    #[test]
    fn rules_weigh_what_the_quota_says() {
        let cidr = |text: &str| RulePeer::Cidr(text.parse().unwrap());
        let list = |id: &str| RulePeer::PrefixList(id.to_owned());
        let other = RulePeer::Group { id: "sg-2".into(), account: None, peering: None, status: None };
        let named = |name: &str, account: &str, entries: Option<&str>, most| PrefixList {
            name: name.to_owned(),
            account: Some(account.to_owned()),
            entries: entries.map(|net| vec![net.parse().unwrap()]),
            max_entries: most,
            ..PrefixList::default()
        };
        let lists = [
            ("pl-own".to_owned(), named("offices", "111122223333", Some("192.0.2.0/24"), Some(20))),
            (
                "pl-cdn".to_owned(),
                named("com.amazonaws.global.cloudfront.origin-facing", "AWS", Some("192.0.2.0/24"), None),
            ),
            (
                "pl-six".to_owned(),
                named(
                    "com.amazonaws.global.ipv6.cloudfront.origin-facing",
                    "AWS",
                    Some("2001:db8::/32"),
                    None,
                ),
            ),
            ("pl-s3".to_owned(), named("com.amazonaws.eu-west-1.s3", "AWS", None, None)),
        ];
        let lists: BTreeMap<String, PrefixList> = lists.into();
        use Direction::{Inbound, Outbound};
        let mut rules = vec![
            rule(Inbound, cidr("10.0.0.0/8")),
            rule(Inbound, cidr("2001:db8::/32")),
            rule(Inbound, other),
            rule(Inbound, list("pl-own")),
            rule(Inbound, list("pl-cdn")),
            rule(Inbound, list("pl-six")),
            rule(Outbound, list("pl-s3")),
        ];
        let group = |rules: &[Rule]| SecurityGroup { rules: rules.to_vec(), ..SecurityGroup::default() };
        let weight = Weight::of_group(&group(&rules), &lists);
        assert_eq!(weight.of(Inbound), [1 + 1 + 20 + 55, 1 + 1 + 55]);
        assert_eq!((weight.of(Outbound), weight.most(), weight.incomplete), ([1, 1], 77, false));
        rules.push(rule(Outbound, list("pl-unknown")));
        let weight = Weight::of_group(&group(&rules), &lists);
        assert_eq!((weight.of(Outbound), weight.incomplete), ([2, 2], true));
    }
}
