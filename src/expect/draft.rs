//! A first file, from what is there: who may reach databases, administration and monitoring today, and what the internet
//! may.
//!
//! Roles are guessed from ports and names of security groups; sources are those of their rules. What is open to everyone
//! becomes a comment where it should not be so, so that the first run tells who made use of it.

mod roles;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use roles::{Role, everyone, is_load_balancer, narrow};
use write::{Draft, comment, quoted, strings};

use super::Service;
use super::words::SERVICES;
use crate::flow::{Direction, is_private};
use crate::inventory::{Inventory, Rule, RulePeer, SecurityGroup};

/// Drafts a file. It is valid, and none of its tiers stands for nothing.
#[must_use]
pub fn draft(inventory: &Inventory) -> String {
    let mut drafter =
        Drafter { inventory, tiers: BTreeMap::new(), names: BTreeMap::new(), draft: Draft::default() };
    drafter.load_balancers();
    drafter.nat_gateways();
    drafter.open_to_everyone();
    drafter.partners();
    drafter.draft.expect(
        "nothing else is reached from the internet",
        &["Whomever no may-from or only-from names."],
        &[("to", quoted("everything")), ("never-from", quoted("internet"))],
    );
    drafter.role(&roles::DATABASE);
    drafter.administration();
    drafter.role(&roles::MONITORING);
    let Drafter { tiers, draft, .. } = drafter;
    draft.finish(&tiers)
}

/// A tier of the draft: security groups that share a name.
struct GroupTier {
    ids: BTreeSet<String>,
    group_name: String,
}

struct Drafter<'a> {
    inventory: &'a Inventory,
    /// By name of the tier.
    tiers: BTreeMap<String, GroupTier>,
    /// Names of groups with the tier they became.
    names: BTreeMap<String, String>,
    draft: Draft,
}

/// Who may, as far as the file can name them.
#[derive(Default)]
struct Sources {
    words: BTreeSet<String>,
    /// Rules that let everyone in.
    everyone: BTreeSet<String>,
    /// Groups and prefix lists that the inventory does not hold.
    unknown: BTreeSet<String>,
    /// One of them is not a group of the same VPC.
    elsewhere: bool,
}

impl<'a> Drafter<'a> {
    /// The tier of a group.
    fn tier(&mut self, group: &SecurityGroup) -> String {
        let key = if group.name.is_empty() { &group.id } else { &group.name };
        let name = self.names.get(key).cloned().unwrap_or_else(|| {
            let base = write::slug(key);
            let mut name = base.clone();
            let mut n = 2;
            while self.tiers.contains_key(&name) || ["load-balancers", "nat-gateways"].contains(&&*name) {
                name = format!("{base}-{n}");
                n += 1;
            }
            self.names.insert(key.clone(), name.clone());
            name
        });
        let tier = self
            .tiers
            .entry(name.clone())
            .or_insert_with(|| GroupTier { ids: BTreeSet::new(), group_name: group.name.clone() });
        tier.ids.insert(group.id.clone());
        name
    }

    fn inbound(&self) -> impl Iterator<Item = (&'a SecurityGroup, &'a Rule)> + use<'a> {
        let groups = self.inventory.security_groups.values();
        groups.flat_map(|g| g.rules.iter().filter(|r| r.direction == Direction::Inbound).map(move |r| (g, r)))
    }

    fn source(&mut self, sources: &mut Sources, group: &SecurityGroup, rule: &Rule) {
        match &rule.peer {
            RulePeer::Cidr(net) if everyone(net) => {
                sources.everyone.insert(rule.id.clone());
                sources.elsewhere = true;
            }
            RulePeer::Cidr(net) => {
                sources.words.insert(net.to_string());
                sources.elsewhere = true;
            }
            RulePeer::PrefixList(id) => {
                let list = self.inventory.prefix_lists.get(id);
                let known = list.is_some_and(|l| l.entries.as_ref().is_some_and(|e| !e.is_empty()));
                if known { &mut sources.words } else { &mut sources.unknown }.insert(id.clone());
                sources.elsewhere = true;
            }
            RulePeer::Group { id, peering, .. } => match self.inventory.security_groups.get(id) {
                Some(other) => {
                    let name = self.tier(other);
                    sources.words.insert(name);
                    sources.elsewhere |= peering.is_some() || other.vpc != group.vpc;
                }
                None => _ = sources.unknown.insert(id.clone()),
            },
        }
    }

    fn load_balancers(&mut self) {
        let found: Vec<_> = self.inventory.interfaces.values().filter(|i| is_load_balancer(i)).collect();
        if found.is_empty() {
            return;
        }
        let by_description = found.iter().any(|i| i.description.starts_with("ELB "));
        let how =
            if by_description { ("description", "ELB *") } else { ("interface-type", "*load_balancer*") };
        let groups: BTreeSet<&String> = found.iter().flat_map(|i| &i.groups).collect();
        let open =
            self.inbound().filter(|(g, r)| groups.contains(&g.id) && opens_to_everyone(r) && narrow(r));
        let services: BTreeSet<String> = open.flat_map(|(_, rule)| told(rule)).collect();
        if services.is_empty() {
            return;
        }
        self.draft.tier("load-balancers", "Application, network and classic load balancers.", how);
        let services: Vec<String> = services.into_iter().collect();
        self.draft.expect(
            "load balancers serve the internet",
            &[],
            &[("to", quoted("load-balancers")), ("on", strings(&services)), ("may-from", quoted("internet"))],
        );
    }

    /// They take what comes from the internet, and forward nothing but answers.
    fn nat_gateways(&mut self) {
        if self.inventory.interfaces.values().any(|i| i.kind == "nat_gateway") {
            self.draft.tier("nat-gateways", "NAT gateways.", ("interface-type", "nat_gateway"));
            self.draft.expect(
                "scans end at NAT gateways",
                &["Logged as accepted, but a NAT gateway forwards nothing that was not asked for."],
                &[("to", quoted("nat-gateways")), ("may-from", quoted("internet"))],
            );
        }
    }

    /// Public addresses that rules name, but for administration, databases and monitoring.
    fn partners(&mut self) {
        let mut found: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
        for (group, rule) in self.inbound().filter(|(_, rule)| !roles::is_sensitive(rule)) {
            let public = match &rule.peer {
                RulePeer::Cidr(net) => !everyone(net) && !self.is_inside(net),
                RulePeer::PrefixList(_) => true,
                RulePeer::Group { .. } => false,
            };
            if public {
                let mut sources = Sources::default();
                self.source(&mut sources, group, rule);
                let tier = self.tier(group);
                for source in sources.words {
                    found.entry((tier.clone(), source)).or_default().extend(told(rule));
                }
            }
        }
        let mut together: BTreeMap<(String, BTreeSet<String>), Vec<String>> = BTreeMap::new();
        for ((tier, source), services) in found {
            together.entry((tier, services)).or_default().push(source);
        }
        for ((tier, services), sources) in together {
            let mut keys = vec![("to", quoted(&tier))];
            if !services.contains(ALL_TRAFFIC) {
                keys.push(("on", strings(&services.into_iter().collect::<Vec<_>>())));
            }
            keys.push(("may-from", strings(&sources)));
            self.draft.expect(&format!("{tier} serves those that its rules name"), &[], &keys);
        }
    }

    /// Private, or of one of the VPCs.
    fn is_inside(&self, net: &ipnet::IpNet) -> bool {
        let bits = crate::flow::address_bits(net.network());
        let blocks = self.inventory.vpcs.values().flat_map(|vpc| &vpc.cidrs);
        is_private(bits) || blocks.into_iter().any(|block| block.contains(net))
    }

    /// Groups, not of load balancers, that everyone may reach.
    fn open_to_everyone(&mut self) {
        let mut attached: BTreeMap<&str, bool> = BTreeMap::new();
        for interface in self.inventory.interfaces.values() {
            for group in &interface.groups {
                *attached.entry(group).or_default() |= !is_load_balancer(interface);
            }
        }
        let mut services: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut wide: Vec<String> = Vec::new();
        for (group, rule) in self.inbound().filter(|(_, rule)| opens_to_everyone(rule)) {
            if attached.get(group.id.as_str()) != Some(&true) {
                continue;
            }
            if narrow(rule) && !roles::is_sensitive(rule) {
                let tier = self.tier(group);
                services.entry(tier).or_default().extend(told(rule));
            } else {
                let what = told(rule).join(", ");
                wide.push(format!("{} of {} ({}): {what}", rule.id, group.id, comment(&group.name)));
            }
        }
        for (tier, services) in services {
            let services: Vec<String> = services.into_iter().collect();
            self.draft.expect(
                &format!("{tier} serves the internet"),
                &["Its rules let everyone in today. Remove this if they should not."],
                &[("to", quoted(&tier)), ("on", strings(&services)), ("may-from", quoted("internet"))],
            );
        }
        if !wide.is_empty() {
            self.draft.remark(&[
                "These rules let everyone in where hardly anybody should be. Who comes will be told:",
            ]);
            wide.sort();
            let lines: Vec<&str> = wide.iter().map(String::as_str).collect();
            self.draft.remark(&lines);
        }
    }

    /// Groups that serve one of a role's ports, each with who may come today.
    fn role(&mut self, role: &Role) {
        let mut found: BTreeMap<String, (BTreeSet<String>, Sources)> = BTreeMap::new();
        for (group, rule) in self.inbound().filter(|(_, rule)| role.is_served_by(rule)) {
            let tier = self.tier(group);
            let (services, sources) = found.entry(tier).or_default();
            services.extend(told(rule));
            let mut mine = std::mem::take(sources);
            self.source(&mut mine, group, rule);
            if let Some((_, sources)) = found.get_mut(&self.tier(group)) {
                *sources = mine;
            }
        }
        for (tier, (services, sources)) in found {
            let services: Vec<String> = services.into_iter().collect();
            self.only(&format!("{tier} {}", role.says), &tier, &services, &sources);
        }
    }

    fn administration(&mut self) {
        let mut sources = Sources::default();
        let rules: Vec<_> =
            self.inbound().filter(|(_, rule)| roles::ADMINISTRATION.is_served_by(rule)).collect();
        for (group, rule) in rules {
            self.source(&mut sources, group, rule);
        }
        sources.elsewhere = true;
        let services = ["ssh", "rdp"].map(str::to_owned);
        self.only(roles::ADMINISTRATION.says, "everything", &services, &sources);
    }

    fn only(&mut self, name: &str, tier: &str, services: &[String], sources: &Sources) {
        let mut remarks = Vec::new();
        let list = |of: &BTreeSet<String>| of.iter().cloned().collect::<Vec<_>>().join(", ");
        if !sources.everyone.is_empty() {
            remarks.push(format!(
                "Open to everyone today by {}: who comes will be told.",
                list(&sources.everyone)
            ));
        }
        if !sources.unknown.is_empty() {
            remarks.push(format!("Rules also name {}, not in the inventory.", list(&sources.unknown)));
        }
        let remarks: Vec<&str> = remarks.iter().map(String::as_str).collect();
        let words: Vec<String> = sources.words.iter().cloned().collect();
        let peers = if words.is_empty() {
            ("never-from", quoted("internet"))
        } else {
            ("only-from", strings(&words))
        };
        let mut keys = vec![("to", quoted(tier)), ("on", strings(services)), peers];
        if !sources.elsewhere && !words.is_empty() {
            keys.push(("same-vpc", "true".to_owned()));
        }
        self.draft.expect(name, &remarks, &keys);
    }
}

/// In comments only.
const ALL_TRAFFIC: &str = "all traffic";

fn opens_to_everyone(rule: &Rule) -> bool {
    matches!(&rule.peer, RulePeer::Cidr(net) if everyone(net))
}

/// A rule's service in words that the file knows.
fn told(rule: &Rule) -> Vec<String> {
    let Some(protocol) = rule.protocol else { return vec![ALL_TRAFFIC.to_owned()] };
    let ports = rule.ports.unwrap_or((0, u16::MAX));
    let service = Service { protocol: Some(protocol).filter(|p| !p.is_icmp()), ports };
    // `ssh` rather than `tcp 22`.
    let named = SERVICES.iter().find(|(_, services)| **services == [service]);
    vec![named.map_or_else(|| service.to_string(), |(name, _)| (*name).to_owned())]
}

#[cfg(test)]
mod tests;
