//! Network ACLs and prefix lists of a plan.

use serde_json::Value;

use super::draft::{Draft, EntryKey};
use super::refs::id_of;
use super::rules::protocol;
use super::values::{Change, Told, number, texts};
use crate::flow::{Direction, Protocol};
use crate::inventory::{AclEntry, NetworkAcl, PrefixList};

const DIRECTIONS: [(&str, Direction); 2] = [("ingress", Direction::Inbound), ("egress", Direction::Outbound)];

/// An entry from an inline block (`rule_no`, `action`) or from a resource of its own (`rule_number`, `rule_action`).
fn entry(block: &Value, direction: Direction) -> Result<AclEntry, String> {
    let text = |keys: [&str; 2]| keys.iter().find_map(|key| block.get(*key)).and_then(Value::as_str);
    let whole = |keys: [&str; 2]| number(keys.iter().find_map(|key| block.get(*key)));
    let rule_number = whole(["rule_no", "rule_number"]).and_then(|n| u32::try_from(n).ok());
    let cidr = ["cidr_block", "ipv6_cidr_block"]
        .iter()
        .find_map(|key| block.get(*key).and_then(Value::as_str).filter(|text| !text.is_empty()));
    let cidr = cidr.ok_or("no CIDR")?;
    let written = block
        .get("protocol")
        .and_then(|p| p.as_str().map(str::to_owned).or_else(|| p.as_i64().map(|number| number.to_string())));
    let protocol = protocol(&written.ok_or("no protocol")?)?;
    let range = whole(["from_port"; 2]).zip(whole(["to_port"; 2]));
    let ports = match range {
        Some((from, to)) if protocol.is_some_and(Protocol::has_ports) => {
            let port = |n: i64| u16::try_from(n).map_err(|_| format!("port {n}"));
            Some((port(from)?, port(to)?)).filter(|ports| *ports != (0, u16::MAX))
        }
        _ => None,
    };
    let icmp = protocol.filter(|p| p.is_icmp()).map(|_| {
        let of = |key: &str| number(block.get(key)).and_then(|n| i16::try_from(n).ok()).unwrap_or(-1);
        (of("icmp_type"), of("icmp_code"))
    });
    Ok(AclEntry {
        number: rule_number.ok_or("no rule number")?,
        direction,
        protocol,
        allow: text(["action", "rule_action"]).is_some_and(|word| word.eq_ignore_ascii_case("allow")),
        cidr: cidr.parse::<ipnet::IpNet>().map_err(|_| format!("CIDR `{cidr}`"))?.trunc(),
        ports,
        icmp,
    })
}

impl Draft<'_> {
    pub fn acl(&mut self, change: &Change<'_>) {
        let old = change.was_text("id").map(str::to_owned);
        let new = change.after.map(|_| id_of(change));
        if change.idle || change.forgotten {
            return;
        }
        if let Some(old) = old.as_ref().filter(|_| change.after.is_none() || change.replaced) {
            // Its subnets fall back to the default one of the VPC, unless another takes them.
            self.delete_acl(old);
        }
        let Some(id) = new else { return };
        if change.replaced || change.before.is_none() {
            let vpc = match change.will("vpc_id") {
                Told::Known(vpc) => vpc.as_str().map(str::to_owned),
                _ => None,
            };
            self.after
                .network_acls
                .insert(id.clone(), NetworkAcl { id: id.clone(), vpc, ..NetworkAcl::default() });
        }
        self.inline_entries(change, &id, false);
        self.acl_subnets(change, &id);
    }

    /// Adopts the default network ACL of a VPC, and with it takes out every entry that is not in the configuration.
    pub fn default_acl(&mut self, change: &Change<'_>) {
        if change.idle || change.forgotten || change.after.is_none() {
            return;
        }
        let id = match change.will("default_network_acl_id") {
            Told::Known(id) => id.as_str().map(str::to_owned),
            _ => change.was_text("id").map(str::to_owned),
        };
        let Some(id) = id.filter(|id| self.after.network_acls.contains_key(id)) else {
            return self.gap(format!("{}: the network ACL that it adopts is not known", change.address));
        };
        self.inline_entries(change, &id, change.before.is_none());
        self.acl_subnets(change, &id);
    }

    fn inline_entries(&mut self, change: &Change<'_>, id: &str, adopts: bool) {
        for (key, direction) in DIRECTIONS {
            let blocks = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
            let then = match change.will(key) {
                Told::Known(value) => blocks(Some(value)),
                Told::Absent => Vec::new(),
                Told::Unknown if !self.configuration.sets(change, key) => continue,
                Told::Unknown => {
                    self.gap(format!("{}: its {key} entries are known after apply only", change.address));
                    continue;
                }
            };
            let was = if change.replaced { Vec::new() } else { blocks(change.was(key)) };
            if was == then && !adopts {
                continue;
            }
            if adopts {
                self.clear_entries(id, direction);
            }
            for (list, comes) in [(&was, false), (&then, true)] {
                for block in list {
                    match entry(block, direction) {
                        Ok(entry) => self.put_entry(id, entry, comes),
                        Err(what) => {
                            self.gap(format!("{}: {key}: {what} can't be understood", change.address));
                        }
                    }
                }
            }
        }
    }

    fn acl_subnets(&mut self, change: &Change<'_>, id: &str) {
        match change.will("subnet_ids") {
            Told::Known(value) => {
                let was =
                    change.was("subnet_ids").filter(|_| !change.replaced).map(texts).unwrap_or_default();
                let will = texts(value);
                if was != will {
                    self.leave_subnets(id, was.iter().filter(|s| !will.contains(s)).copied());
                    will.iter().filter(|s| !was.contains(s)).for_each(|subnet| self.join_subnet(id, subnet));
                }
            }
            Told::Unknown if self.configuration.sets(change, "subnet_ids") => {
                self.gap(format!("{}: its subnets are known after apply only", change.address));
            }
            Told::Unknown | Told::Absent => {}
        }
    }

    pub fn acl_rule(&mut self, change: &Change<'_>) {
        if change.idle || change.forgotten {
            return;
        }
        let direction = |egress: Option<&Value>| match egress.and_then(Value::as_bool) {
            Some(true) => Direction::Outbound,
            _ => Direction::Inbound,
        };
        if let (Some(before), Some(id)) = (change.before, change.was_text("network_acl_id")) {
            match entry(before, direction(before.get("egress"))) {
                Ok(entry) => self.put_entry(id, entry, false),
                Err(what) => self.gap(format!("{}: {what} can't be understood", change.address)),
            }
        }
        let Some(after) = change.after else { return };
        let kinds = ["aws_network_acl", "aws_default_network_acl"];
        let Some(id) = self.one_id(change, "network_acl_id", &kinds) else { return };
        for key in ["rule_number", "egress", "protocol", "rule_action", "cidr_block", "from_port", "to_port"]
        {
            if change.will(key) == Told::Unknown && self.configuration.sets(change, key) {
                return self.gap(format!("{}: `{key}` is known after apply only", change.address));
            }
        }
        match entry(after, direction(after.get("egress"))) {
            Ok(entry) => self.put_entry(&id, entry, true),
            Err(what) => self.gap(format!("{}: {what} can't be understood", change.address)),
        }
    }

    pub fn acl_association(&mut self, change: &Change<'_>) {
        if change.idle || change.forgotten {
            return;
        }
        if let (Some(id), Some(subnet)) = (change.was_text("network_acl_id"), change.was_text("subnet_id")) {
            self.leave_subnets(id, [subnet].into_iter());
        }
        if change.after.is_none() {
            return;
        }
        let kinds = ["aws_network_acl", "aws_default_network_acl"];
        let Some(id) = self.one_id(change, "network_acl_id", &kinds) else { return };
        // A subnet that is not there yet has no traffic to replay.
        if let Told::Known(Value::String(subnet)) = change.will("subnet_id") {
            self.join_subnet(&id, subnet);
        }
    }

    pub fn prefix_list(&mut self, change: &Change<'_>) {
        if change.idle || change.forgotten {
            return;
        }
        let old = change.was_text("id").map(str::to_owned);
        if let Some(old) = old.filter(|_| change.after.is_none() || change.replaced) {
            self.after.prefix_lists.insert(
                old.clone(),
                PrefixList { id: old, entries: Some(Vec::new()), ..PrefixList::default() },
            );
        }
        if change.after.is_none() {
            return;
        }
        let id = id_of(change);
        let list = self.after.prefix_lists.entry(id.clone()).or_insert_with(|| PrefixList {
            id: id.clone(),
            entries: Some(Vec::new()),
            ..PrefixList::default()
        });
        let cidrs = |value: Option<&Value>| -> Vec<ipnet::IpNet> {
            let entries = value.and_then(Value::as_array).into_iter().flatten();
            let nets = entries.filter_map(|entry| entry.get("cidr")?.as_str()?.parse::<ipnet::IpNet>().ok());
            nets.map(|net| net.trunc()).collect()
        };
        match change.will("entry") {
            Told::Unknown if !self.configuration.sets(change, "entry") => {}
            Told::Unknown => {
                list.entries = None;
                self.gap(format!("{}: its entries are known after apply only", change.address));
            }
            Told::Known(value) if change.was("entry") != Some(value) => {
                let was = if change.replaced { Vec::new() } else { cidrs(change.was("entry")) };
                let entries = list.entries.get_or_insert_default();
                entries.retain(|net| !was.contains(net));
                entries.extend(cidrs(Some(value)));
            }
            Told::Known(_) => {}
            Told::Absent => {
                let was = cidrs(change.was("entry"));
                list.entries.get_or_insert_default().retain(|net| !was.contains(net));
            }
        }
    }

    pub fn prefix_list_entry(&mut self, change: &Change<'_>) {
        if change.idle || change.forgotten {
            return;
        }
        let net = |text: &str| text.parse::<ipnet::IpNet>().ok().map(|net| net.trunc());
        if let (Some(id), Some(gone)) =
            (change.was_text("prefix_list_id"), change.was_text("cidr").and_then(net))
            && let Some(entries) = self.after.prefix_lists.get_mut(id).and_then(|list| list.entries.as_mut())
        {
            entries.retain(|net| *net != gone);
        }
        if change.after.is_none() {
            return;
        }
        let Some(id) = self.one_id(change, "prefix_list_id", &["aws_ec2_managed_prefix_list"]) else {
            return;
        };
        let comes = match change.will("cidr") {
            Told::Known(value) => value.as_str().and_then(net),
            _ => None,
        };
        let (Some(comes), Some(list)) = (comes, self.after.prefix_lists.get_mut(&id)) else {
            return self.gap(format!("{}: what it adds to which list is not known", change.address));
        };
        match &mut list.entries {
            Some(entries) => entries.push(comes),
            None => self.gap(format!("{}: the other entries of {id} are not known", change.address)),
        }
    }

    /// Puts an entry in, or takes it out unless another change has put it in.
    fn put_entry(&mut self, id: &str, entry: AclEntry, comes: bool) {
        let family = matches!(entry.cidr, ipnet::IpNet::V6(_));
        let key: EntryKey = (id.to_owned(), entry.direction, family, entry.number);
        let Some(acl) = self.after.network_acls.get_mut(id) else {
            return self
                .gap(format!("{id} is not in the inventory: what the plan does to it is not followed"));
        };
        if !comes && self.entries_put.contains(&key) {
            return;
        }
        let same = |e: &AclEntry| {
            e.number == entry.number
                && e.direction == entry.direction
                && matches!(e.cidr, ipnet::IpNet::V6(_)) == family
        };
        acl.entries.retain(|e| !same(e));
        if comes {
            acl.entries.push(entry);
            self.entries_put.insert(key);
        }
    }
}
