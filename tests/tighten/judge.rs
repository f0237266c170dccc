//! A slow judge of plans: which openings do the rules of an interface's groups permit?

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

use flowgate::flow::Direction;
use flowgate::inventory::{Inventory, Rule, RulePeer};
use flowgate::tighten::Plan;
use ipnet::IpNet;

/// What a connection asked for.
#[derive(Debug)]
pub struct Opening {
    pub interface: String,
    pub direction: Direction,
    pub remote: IpAddr,
    pub port: u16,
    pub protocol: u8,
}

/// Changes that are applied, by their places.
pub type Subset = BTreeSet<usize>;

/// Every accepted and permitted connection that the truth of a world tells of.
pub fn openings(world: &Path) -> Vec<Opening> {
    let text = std::fs::read_to_string(world.join("truth/connections.jsonl")).unwrap();
    let all = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let ours = all.filter(|c| {
        c["action"] == "accept" && c["permitted"] == true && !c["rules"].as_array().unwrap().is_empty()
    });
    ours.map(|c| {
        let inbound = c["direction"] == "inbound";
        let port = if inbound { &c["local_port"] } else { &c["remote_port"] };
        Opening {
            interface: c["interface"].as_str().unwrap().to_owned(),
            direction: if inbound { Direction::Inbound } else { Direction::Outbound },
            remote: c["remote"].as_str().unwrap().parse().unwrap(),
            port: port.as_u64().unwrap() as u16,
            protocol: c["protocol"].as_u64().unwrap() as u8,
        }
    })
    .collect()
}

fn permits(rule: &Rule, opening: &Opening, inventory: &Inventory) -> bool {
    if rule.direction != opening.direction || rule.protocol.is_some_and(|p| p.0 != opening.protocol) {
        return false;
    }
    if let Some((low, high)) = rule.ports
        && rule.protocol.is_some()
        && (opening.port < low || high < opening.port)
    {
        return false;
    }
    match &rule.peer {
        RulePeer::Cidr(net) => net.contains(&opening.remote),
        RulePeer::PrefixList(id) => {
            let entries = inventory.prefix_lists.get(id).and_then(|list| list.entries.as_ref());
            entries.is_some_and(|entries| entries.iter().any(|net| net.contains(&opening.remote)))
        }
        RulePeer::Group { id, .. } => inventory
            .interfaces
            .values()
            .any(|eni| eni.groups.contains(id) && eni.addresses.contains(&opening.remote)),
    }
}

/// The rules of every group after some of the changes.
fn rules_after(inventory: &Inventory, plan: &Plan, subset: &Subset) -> BTreeMap<String, Vec<Rule>> {
    let mut rules: BTreeMap<String, Vec<Rule>> =
        inventory.security_groups.iter().map(|(id, group)| (id.clone(), group.rules.clone())).collect();
    for change in subset.iter().map(|at| &plan.changes[*at]) {
        let group = rules.get_mut(&change.group).unwrap();
        for gone in &change.remove {
            let before = group.len();
            group.retain(|rule| rule != gone);
            assert_eq!(group.len() + 1, before, "{} is to be removed and not there", gone.id);
        }
    }
    for change in subset.iter().map(|at| &plan.changes[*at]) {
        let group = rules.get_mut(&change.group).unwrap();
        for new in &change.add {
            assert!((&new.group, new.direction) == (&change.group, change.direction));
            let same = |rule: &&Rule| {
                (rule.direction, rule.protocol, rule.ports, rule.icmp, &rule.peer)
                    == (new.direction, new.protocol, new.ports, new.icmp, &new.peer)
            };
            // AWS refuses to authorise what is there.
            assert!(!group.iter().any(|rule| same(&rule)), "{new:?} is there already");
            group.push(new.clone());
        }
    }
    rules
}

/// Which openings are permitted after some of the changes.
pub fn permitted(inventory: &Inventory, plan: &Plan, subset: &Subset, openings: &[Opening]) -> Vec<bool> {
    let rules = rules_after(inventory, plan, subset);
    let allowed = |opening: &Opening| {
        let groups = inventory.interfaces.get(&opening.interface).map(|eni| eni.groups.as_slice());
        let mut mine = groups.unwrap_or_default().iter().flat_map(|group| &rules[group]);
        mine.any(|rule| permits(rule, opening, inventory))
    };
    openings.iter().map(allowed).collect()
}

/// Blocks that a peer stands for now.
fn blocks(peer: &RulePeer, inventory: &Inventory) -> Vec<IpNet> {
    match peer {
        RulePeer::Cidr(net) => vec![*net],
        RulePeer::PrefixList(id) => {
            inventory.prefix_lists.get(id).and_then(|list| list.entries.clone()).unwrap_or_default()
        }
        RulePeer::Group { id, .. } => {
            let members = inventory.interfaces.values().filter(|eni| eni.groups.contains(id));
            members.flat_map(|eni| eni.addresses.iter().map(|a| IpNet::from(*a))).collect()
        }
    }
}

/// No added rule permits what the removed ones together did not.
pub fn assert_no_wider(inventory: &Inventory, plan: &Plan) {
    for change in &plan.changes {
        for new in &change.add {
            let within = |old: &Rule, net: &IpNet| {
                let ports = |rule: &Rule| rule.ports.unwrap_or((0, u16::MAX));
                let ((low, high), (from, to)) = (ports(old), ports(new));
                old.protocol.is_none_or(|p| new.protocol == Some(p))
                    && (old.protocol.is_none() || (low <= from && to <= high))
                    && blocks(&old.peer, inventory).iter().any(|block| block.contains(net))
                    || old.peer == new.peer
            };
            // What neighbours say together no single one of them has to.
            let joined = change.remove.len() > 1;
            let nets = blocks(&new.peer, inventory);
            assert!(
                joined || nets.iter().all(|net| change.remove.iter().any(|old| within(old, net))),
                "{change:#?}"
            );
        }
    }
}

/// No group has more than 60 rules of a direction and family, unless it had.
pub fn assert_quotas(inventory: &Inventory, plan: &Plan) {
    let everything: Subset = (0..plan.changes.len()).collect();
    let after = rules_after(inventory, plan, &everything);
    for (group, rules) in &after {
        for direction in [Direction::Inbound, Direction::Outbound] {
            for six in [false, true] {
                let count = |rules: &[Rule]| {
                    let mine = rules.iter().filter(|rule| rule.direction == direction);
                    mine.filter(|rule| match &rule.peer {
                        RulePeer::Cidr(net) => matches!(net, IpNet::V6(_)) == six,
                        _ => true,
                    })
                    .count()
                };
                let before = count(&inventory.security_groups[group].rules);
                assert!(count(rules) <= 60.max(before), "{group}: {} after {before}", count(rules));
            }
        }
    }
}
