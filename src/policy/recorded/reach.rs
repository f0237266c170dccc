//! Which interfaces does the history concern?
//!
//! An account whose configuration only dumps describe is judged by its dumps, whatever AWS Config tells of another.

use std::collections::BTreeSet;

use crate::inventory::{NetworkInterface, Rule, RulePeer, SecurityGroup, Timeline, Track};

/// What AWS Config recorded, with everything that depends on it.
pub(super) struct Reach<'a> {
    timeline: &'a Timeline,
    groups: BTreeSet<&'a str>,
    subnets: BTreeSet<&'a str>,
}

impl<'a> Reach<'a> {
    pub fn new(timeline: &'a Timeline) -> Self {
        let history = timeline.history();
        let recorded_interfaces = history.interfaces.values().flat_map(Track::configurations);
        // Groups that AWS Config recorded, and those whose members it recorded.
        let mut known: BTreeSet<&str> = history.security_groups.keys().map(String::as_str).collect();
        known.extend(recorded_interfaces.flat_map(|i| &i.groups).map(String::as_str));
        let depends = |rule: &Rule| match &rule.peer {
            RulePeer::Cidr(_) => false,
            RulePeer::PrefixList(id) => history.prefix_lists.contains_key(id),
            RulePeer::Group { id, peering, .. } => {
                known.contains(id.as_str())
                    || peering.as_ref().is_some_and(|p| history.peerings.contains_key(p))
            }
        };
        let observed = timeline.observations().iter().flat_map(|o| o.security_groups.values());
        let dependent = observed.filter(|group: &&SecurityGroup| group.rules.iter().any(depends));
        let mut groups: BTreeSet<&str> = history.security_groups.keys().map(String::as_str).collect();
        groups.extend(dependent.map(|group| group.id.as_str()));

        let acls = history.network_acls.keys();
        let claims = acls.flat_map(|id| {
            let recorded = history.network_acls[id].configurations();
            recorded.chain(timeline.observations().iter().filter_map(|o| o.network_acls.get(id)))
        });
        let mut subnets: BTreeSet<&str> = history.subnets.keys().map(String::as_str).collect();
        subnets.extend(claims.flat_map(|acl| &acl.subnets).map(String::as_str));
        Self { timeline, groups, subnets }
    }

    /// True if what AWS Config recorded has a say in this interface's traffic.
    pub fn concerns(&self, interface: &str) -> bool {
        let says = |state: &NetworkInterface| {
            state.groups.iter().any(|group| self.groups.contains(group.as_str()))
                || state.subnet.as_deref().is_some_and(|subnet| self.subnets.contains(subnet))
        };
        self.timeline.history().interfaces.contains_key(interface)
            || self.timeline.interface_versions(interface).any(says)
    }
}
