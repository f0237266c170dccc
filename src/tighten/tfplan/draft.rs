//! The inventory on its way to what the plan makes of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::apply::key;
use super::refs::{Configuration, id_of};
use super::rules::{Parsed, Peer, of_block, of_blocks, rule};
use super::values::{Change, Told, number, texts};
use crate::flow::Direction;
use crate::inventory::{AclEntry, Inventory, Rule, SecurityGroup};

const DIRECTIONS: [(&str, Direction); 2] = [("ingress", Direction::Inbound), ("egress", Direction::Outbound)];

/// Network ACL, direction, IPv6, number.
pub(super) type EntryKey = (String, Direction, bool, u32);

pub(super) struct Draft<'p> {
    current: &'p Inventory,
    pub after: Inventory,
    pub configuration: Configuration<'p>,
    /// Rules that come and go, by key. What comes is there, whatever else goes: a rule may move from one resource to
    /// another.
    comes: BTreeMap<String, Rule>,
    goes: BTreeMap<String, (Rule, String)>,
    pub entries_put: BTreeSet<EntryKey>,
    gaps: BTreeSet<String>,
}

impl<'p> Draft<'p> {
    pub fn new(current: &'p Inventory, configuration: Configuration<'p>) -> Self {
        Self {
            current,
            after: current.clone(),
            configuration,
            comes: BTreeMap::new(),
            goes: BTreeMap::new(),
            entries_put: BTreeSet::new(),
            gaps: BTreeSet::new(),
        }
    }

    pub fn gap(&mut self, sentence: String) {
        self.gaps.insert(sentence);
    }

    /// The inventory, and what it may lack.
    pub fn finish(mut self) -> (Inventory, Vec<String>) {
        for (key_of, (rule, address)) in &self.goes {
            let there = self.current.security_groups.get(&rule.group);
            match there {
                None => {
                    self.gaps.insert(format!(
                        "{address}: {} is not in the inventory: what the plan does to it is not followed",
                        rule.group
                    ));
                }
                Some(group) if !group.rules.iter().any(|rule| key(rule) == *key_of) => {
                    self.gaps.insert(format!(
                        "{address}: the rule that it takes out is not in the inventory: fetch that anew"
                    ));
                }
                Some(_) => {}
            }
            if !self.comes.contains_key(key_of)
                && let Some(group) = self.after.security_groups.get_mut(&rule.group)
            {
                group.rules.retain(|rule| key(rule) != *key_of);
            }
        }
        for (key_of, rule) in self.comes {
            let Some(group) = self.after.security_groups.get_mut(&rule.group) else {
                self.gaps.insert(format!(
                    "{} is not in the inventory: a rule that the plan adds to it is not followed",
                    rule.group
                ));
                continue;
            };
            if !group.rules.iter().any(|rule| key(rule) == key_of) {
                group.rules.push(rule);
                group.rules.sort_by(|a, b| (a.direction, &a.id).cmp(&(b.direction, &b.id)));
            }
        }
        (self.after, self.gaps.into_iter().collect())
    }

    fn take(&mut self, change: &Change<'_>, parsed: Vec<Parsed>, comes: bool) {
        for rule in parsed {
            match rule {
                Ok(rule) if comes => _ = self.comes.insert(key(&rule), rule),
                Ok(rule) => _ = self.goes.insert(key(&rule), (rule, change.address.to_owned())),
                Err(what) => self.gap(format!("{}: {what} can't be understood", change.address)),
            }
        }
    }

    /// The id that an attribute will have, followed through the configuration where it is not known yet.
    pub fn one_id(&mut self, change: &Change<'_>, name: &str, kinds: &[&str]) -> Option<String> {
        match change.will(name) {
            Told::Known(Value::String(id)) if !id.is_empty() => return Some(id.clone()),
            Told::Unknown => {
                if let Some(ids) = self.configuration.ids(change, name, kinds)
                    && let [id] = ids.as_slice()
                {
                    return Some(id.clone());
                }
                self.gap(format!("{}: `{name}` is known after apply only", change.address));
            }
            _ => self.gap(format!("{}: it has no `{name}`", change.address)),
        }
        None
    }

    pub fn group(&mut self, change: &Change<'_>) {
        if change.idle || change.forgotten {
            return;
        }
        let old = change.was_text("id").map(str::to_owned);
        if let Some(old) = old.as_ref().filter(|_| change.after.is_none() || change.replaced)
            && let Some(group) = self.after.security_groups.get_mut(old)
        {
            // Kept without rules, so that what was in it is known to be permitted nothing by it.
            group.rules.clear();
        }
        if change.after.is_none() {
            return;
        }
        let id = id_of(change);
        if change.before.is_none() || change.replaced {
            let text = |name: &str| match change.will(name) {
                Told::Known(value) => value.as_str().map(str::to_owned),
                _ => None,
            };
            let group = SecurityGroup {
                id: id.clone(),
                name: text("name").unwrap_or_default(),
                description: text("description").unwrap_or_default(),
                vpc: text("vpc_id"),
                ..SecurityGroup::default()
            };
            self.after.security_groups.insert(id.clone(), group);
        }
        if let Some(old) = old.filter(|_| change.replaced) {
            self.move_members(change, &old, &id);
        }
        self.inline_rules(change, &id);
    }

    /// A group that is replaced gets another id; whoever was in it will mostly be put into the new one, through
    /// references that a plan does not spell out.
    fn move_members(&mut self, change: &Change<'_>, old: &str, new: &str) {
        let mut moved = 0_u32;
        for interface in self.after.interfaces.values_mut() {
            for group in interface.groups.iter_mut().filter(|group| *group == old) {
                new.clone_into(group);
                moved += 1;
            }
            interface.groups.sort_unstable();
        }
        if moved > 0 {
            self.gap(format!(
                "{}: it is replaced; its {moved} interfaces are taken to move to the new group",
                change.address
            ));
        }
    }

    /// Adopts the default group of a VPC, and with it takes out every rule that is not in the configuration. Deleting the
    /// resource changes nothing.
    pub fn default_group(&mut self, change: &Change<'_>) {
        if change.idle || change.forgotten || change.after.is_none() {
            return;
        }
        let known = match change.will("id") {
            Told::Known(id) => id.as_str(),
            _ => change.was_text("id"),
        };
        let vpc = match change.will("vpc_id") {
            Told::Known(vpc) => vpc.as_str(),
            _ => None,
        };
        let is_it = |group: &&SecurityGroup| {
            Some(group.id.as_str()) == known
                || (known.is_none()
                    && group.name == "default"
                    && vpc.is_some()
                    && group.vpc.as_deref() == vpc)
        };
        let Some(group) = self.current.security_groups.values().find(is_it) else {
            return self.gap(format!("{}: the group that it adopts is not known", change.address));
        };
        let id = group.id.clone();
        if change.before.is_none() {
            let rules: Vec<Parsed> = group.rules.iter().cloned().map(Ok).collect();
            self.take(change, rules, false);
        }
        self.inline_rules(change, &id);
    }

    fn inline_rules(&mut self, change: &Change<'_>, id: &str) {
        for (name, direction) in DIRECTIONS {
            let was = change.was(name).filter(|_| !change.replaced);
            match change.will(name) {
                Told::Unknown if !self.configuration.sets(change, name) => {}
                Told::Unknown => {
                    self.gap(format!("{}: its {name} rules are known after apply only", change.address));
                }
                // Not inline, or the same: the provider shows what is there.
                Told::Known(value) if was == Some(value) => {}
                Told::Known(value) => {
                    self.take(change, of_blocks(id, direction, was), false);
                    self.take(change, of_blocks(id, direction, Some(value)), true);
                }
                Told::Absent => self.take(change, of_blocks(id, direction, was), false),
            }
        }
    }

    pub fn group_rule(&mut self, change: &Change<'_>) {
        if change.idle || change.forgotten {
            return;
        }
        let direction = |kind: Option<&Value>| match kind.and_then(Value::as_str) {
            Some("egress") => Direction::Outbound,
            _ => Direction::Inbound,
        };
        if let (Some(before), Some(id)) = (change.before, change.was_text("security_group_id")) {
            self.take(change, of_block(id, direction(before.get("type")), before), false);
        }
        let Some(after) = change.after else { return };
        let kinds = ["aws_security_group", "aws_default_security_group"];
        let Some(id) = self.one_id(change, "security_group_id", &kinds) else { return };
        let mut block = after.clone();
        if !self.all_known(
            change,
            &["type", "protocol", "from_port", "to_port", "cidr_blocks", "ipv6_cidr_blocks"],
        ) {
            return;
        }
        for (name, kinds) in
            [("source_security_group_id", &kinds[..]), ("prefix_list_ids", &["aws_ec2_managed_prefix_list"])]
        {
            if change.will(name) == Told::Unknown && self.configuration.sets(change, name) {
                let Some(ids) = self.configuration.ids(change, name, kinds) else {
                    return self.gap(format!("{}: `{name}` is known after apply only", change.address));
                };
                block[name] = ids.into();
            }
        }
        self.take(change, of_block(&id, direction(after.get("type")), &block), true);
    }

    /// False, and a gap, if one of these attributes is set and not known.
    fn all_known(&mut self, change: &Change<'_>, names: &[&str]) -> bool {
        for name in names {
            if change.will(name) == Told::Unknown && self.configuration.sets(change, name) {
                self.gap(format!("{}: `{name}` is known after apply only", change.address));
                return false;
            }
        }
        true
    }

    pub fn vpc_rule(&mut self, change: &Change<'_>) {
        if change.idle || change.forgotten {
            return;
        }
        let direction = match change.kind.contains("_ingress_") {
            true => Direction::Inbound,
            false => Direction::Outbound,
        };
        if let (Some(before), Some(id)) = (change.before, change.was_text("security_group_id")) {
            let peer = peer_of(|name| before.get(name).and_then(Value::as_str).map(str::to_owned));
            self.take(change, vec![single(id, direction, before, peer)], false);
        }
        let Some(after) = change.after else { return };
        let kinds = ["aws_security_group", "aws_default_security_group"];
        let Some(id) = self.one_id(change, "security_group_id", &kinds) else { return };
        if !self.all_known(change, &["ip_protocol", "from_port", "to_port", "cidr_ipv4", "cidr_ipv6"]) {
            return;
        }
        let mut found: BTreeMap<&str, String> = BTreeMap::new();
        for name in ["cidr_ipv4", "cidr_ipv6", "prefix_list_id", "referenced_security_group_id"] {
            let kinds: &[&str] =
                if name == "prefix_list_id" { &["aws_ec2_managed_prefix_list"] } else { &kinds };
            match change.will(name) {
                Told::Known(value) => {
                    found.extend(value.as_str().filter(|t| !t.is_empty()).map(|t| (name, t.to_owned())));
                }
                Told::Unknown if self.configuration.sets(change, name) => {
                    match self.one_id(change, name, kinds) {
                        Some(id) => _ = found.insert(name, id),
                        None => return,
                    }
                }
                Told::Unknown | Told::Absent => {}
            }
        }
        let peer = peer_of(|name| found.get(name).cloned());
        self.take(change, vec![single(&id, direction, after, peer)], true);
    }

    /// Takes out every rule that it does not name.
    pub fn exclusive(&mut self, change: &Change<'_>) {
        if !change.idle && !change.forgotten && change.after.is_some() {
            self.gap(format!("{}: rules that it takes out are not told by the plan", change.address));
        }
    }

    pub fn attachment(&mut self, change: &Change<'_>) {
        if change.idle || change.forgotten {
            return;
        }
        if let (Some(interface), Some(group)) =
            (change.was_text("network_interface_id"), change.was_text("security_group_id"))
            && let Some(interface) = self.after.interfaces.get_mut(interface)
        {
            interface.groups.retain(|id| id != group);
        }
        if change.after.is_none() {
            return;
        }
        let kinds = ["aws_security_group", "aws_default_security_group"];
        let Some(group) = self.one_id(change, "security_group_id", &kinds) else { return };
        // An interface that is not there yet has no traffic to replay.
        let Told::Known(Value::String(id)) = change.will("network_interface_id") else { return };
        match self.after.interfaces.get_mut(id) {
            Some(interface) => {
                interface.groups.push(group);
                interface.groups.sort_unstable();
                interface.groups.dedup();
            }
            None => self.gap(format!("{}: {id} is not in the inventory", change.address)),
        }
    }

    /// Resources that put interfaces into groups.
    pub fn other(&mut self, change: &Change<'_>) {
        const NAMES: [&str; 3] = ["vpc_security_group_ids", "security_groups", "security_group_ids"];
        // What is not there yet has no traffic to replay, and what goes loses nothing by its rules.
        if change.idle
            || change.before.is_none()
            || change.after.is_none()
            || !change.kind.starts_with("aws_")
        {
            return;
        }
        if change.same(&NAMES) || change.replaced {
            return;
        }
        let id = match change.kind {
            "aws_network_interface" => change.was_text("id"),
            "aws_instance" => change.was_text("primary_network_interface_id"),
            _ => None,
        };
        let name = match change.kind {
            "aws_network_interface" => "security_groups",
            _ => "vpc_security_group_ids",
        };
        let kinds = ["aws_security_group", "aws_default_security_group"];
        let groups: Option<Vec<String>> = match change.will(name) {
            Told::Known(value) => Some(texts(value).into_iter().map(str::to_owned).collect()),
            Told::Unknown => self.configuration.ids(change, name, &kinds),
            Told::Absent => None,
        };
        let interface = id.and_then(|id| self.after.interfaces.get_mut(id));
        match (interface, groups) {
            (Some(interface), Some(mut groups)) => {
                groups.sort_unstable();
                groups.dedup();
                interface.groups = groups;
            }
            _ => self.gap(format!(
                "{}: it changes security groups of interfaces that are not known",
                change.address
            )),
        }
    }

    pub fn delete_acl(&mut self, id: &str) {
        let Some(acl) = self.after.network_acls.remove(id) else { return };
        let default =
            self.after.network_acls.values_mut().find(|other| other.is_default && other.vpc == acl.vpc);
        match default {
            Some(default) => default.subnets.extend(acl.subnets),
            None if acl.subnets.is_empty() => {}
            None => self.gap(format!("{id} is deleted, and the default network ACL of its VPC is not known")),
        }
    }

    pub fn clear_entries(&mut self, id: &str, direction: Direction) {
        if let Some(acl) = self.after.network_acls.get_mut(id) {
            // The catch-all denies can't be taken out.
            let stays = |entry: &AclEntry| entry.direction != direction || entry.number >= 32_767;
            acl.entries.retain(stays);
        }
    }

    pub fn leave_subnets<'s>(&mut self, id: &str, subnets: impl Iterator<Item = &'s str>) {
        let Some(acl) = self.after.network_acls.get_mut(id) else { return };
        let vpc = acl.vpc.clone();
        let mut left: Vec<String> = Vec::new();
        for subnet in subnets {
            if let Some(at) = acl.subnets.iter().position(|s| s == subnet) {
                left.push(acl.subnets.remove(at));
            }
        }
        if left.is_empty() {
            return;
        }
        match self.after.network_acls.values_mut().find(|other| other.is_default && other.vpc == vpc) {
            Some(default) => default.subnets.extend(left),
            None => {
                self.gap(format!("subnets leave {id}, and the default network ACL of its VPC is not known"));
            }
        }
    }

    pub fn join_subnet(&mut self, id: &str, subnet: &str) {
        for acl in self.after.network_acls.values_mut() {
            acl.subnets.retain(|s| s != subnet);
        }
        match self.after.network_acls.get_mut(id) {
            Some(acl) => acl.subnets.push(subnet.to_owned()),
            None => {
                self.gap(format!("{id} is not in the inventory: what the plan does to it is not followed"));
            }
        }
    }
}

/// The peer of a rule resource of the new style.
fn peer_of(value: impl Fn(&str) -> Option<String>) -> Option<(&'static str, String)> {
    ["cidr_ipv4", "cidr_ipv6", "prefix_list_id", "referenced_security_group_id"]
        .into_iter()
        .find_map(|name| value(name).filter(|text| !text.is_empty()).map(|text| (name, text)))
}

fn single(group: &str, direction: Direction, object: &Value, peer: Option<(&'static str, String)>) -> Parsed {
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    let (name, value) = peer.ok_or("a rule without a peer")?;
    let peer = match name {
        "prefix_list_id" => Peer::List(value),
        "referenced_security_group_id" => Peer::Group(value),
        _ => Peer::Cidr(&value),
    };
    let service = (
        text("ip_protocol").ok_or("no protocol")?,
        number(object.get("from_port")),
        number(object.get("to_port")),
    );
    rule(group, direction, service, peer, text("description"))
}
