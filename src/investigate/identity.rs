//! Who the subject is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::changes::{Concerned, overlap};
use super::configured::{Configuration, InterfaceState, RuleState};
use super::model::{GroupNote, Identity, Request};
use super::subject::Subject;
use super::sums::Sums;
use super::traffic::{End, Traffic};
use crate::flow::{LINK_LOCAL, NETWORKS, PRIVATE_USE, SHARED};

/// Lines of a group's own rules; more are rare.
const RULES: usize = 60;

/// Who it is, and what else is asked because of that.
pub(super) struct Known {
    pub identity: Identity,
    /// Its interfaces.
    pub interfaces: BTreeSet<String>,
    pub concerned: Concerned,
}

pub(super) fn identify(request: &Request, configuration: &Configuration, sums: &[(End, Sums)]) -> Known {
    let subject = &request.subject;
    let network = subject.network();
    let of_rows = |end: End| {
        let of_end = sums.iter().filter(move |(known, _)| *known == end);
        of_end.flat_map(|(_, sums)| sums.interfaces.each().map(|(id, _)| id.clone()))
    };
    let configured = |state: &InterfaceState| match subject {
        Subject::Address(_) | Subject::Network(_) => network.is_some_and(|network| state.is_in(&network)),
        Subject::Interface(id) => state.id == *id,
        Subject::Instance(id) => state.instance.as_deref() == Some(id),
        Subject::Group(id) => state.groups.contains(id),
        Subject::Rule(_) => false,
    };
    let mut interfaces: BTreeSet<String> =
        configuration.interfaces_that(configured).map(|state| state.id.clone()).collect();
    if !matches!(subject, Subject::Rule(_)) {
        interfaces.extend(of_rows(End::Own));
    }
    let mut identity = Identity::default();
    if let Some(network) = network {
        let holds = |own: &IpNet| own.contains(&network) || network.contains(own);
        let in_subnet = configuration.subnets.iter().filter(|subnet| subnet.networks.iter().any(holds));
        identity.subnets = in_subnet.take(request.shown).cloned().collect();
        identity.inside = Some(!interfaces.is_empty() || !identity.subnets.is_empty());
        identity.scope = Some(scope(&network));
    }
    let groups = groups(subject, configuration, &interfaces);
    identity.more_groups = groups.len().saturating_sub(request.shown) as u64;
    let own_groups: BTreeSet<String> = groups.iter().map(|group| group.id.clone()).collect();
    identity.groups = groups.into_iter().take(request.shown).collect();
    rules(request, configuration, sums, &mut identity);
    show_interfaces(request, configuration, sums, &interfaces, &mut identity);
    let others = || sums.iter().filter(|(end, _)| *end == End::Others);
    let mut concerned = Concerned {
        interfaces: interfaces.clone(),
        network,
        rules: others().flat_map(|(_, sums)| sums.rules.each().map(|(id, _)| id.clone())).collect(),
        groups_of_peers: of_rows(End::Others)
            .filter_map(|id| configuration.interface(&id))
            .flat_map(|state| state.groups.clone())
            .collect(),
        groups: BTreeSet::new(),
    };
    match subject {
        Subject::Rule(id) => _ = concerned.rules.insert(id.clone()),
        _ => concerned.groups = own_groups,
    }
    Known { identity, interfaces, concerned }
}

/// Which kind of addresses these are.
fn scope(network: &IpNet) -> &'static str {
    let lies_in = |blocks: &[&str]| {
        blocks.iter().filter_map(|block| block.parse::<IpNet>().ok()).any(|block| block.contains(network))
    };
    let of = |blocks: &[IpNet]| blocks.iter().any(|block| block.contains(network));
    if of(&PRIVATE_USE) {
        "private"
    } else if of(&[SHARED]) {
        "shared"
    } else if of(&LINK_LOCAL) {
        "link-local"
    } else if lies_in(&["127.0.0.0/8", "::1/128"]) {
        "loopback"
    } else if lies_in(&["224.0.0.0/4", "ff00::/8"]) {
        "multicast"
    } else if lies_in(&["0.0.0.0/8", "240.0.0.0/4"]) || (!network.addr().is_ipv4() && !lies_in(&["2000::/3"]))
    {
        "other"
    } else if NETWORKS.iter().any(|block| overlap(block, network)) {
        // Public ones, and others.
        "other"
    } else {
        "public"
    }
}

/// Groups of its interfaces at any time, or itself.
fn groups(subject: &Subject, configuration: &Configuration, interfaces: &BTreeSet<String>) -> Vec<GroupNote> {
    let mut current: BTreeMap<String, bool> = BTreeMap::new();
    match subject {
        Subject::Group(id) => _ = current.insert(id.clone(), true),
        Subject::Rule(id) => {
            current.extend(configuration.rule(id).map(|rule| (rule.group.clone(), true)));
        }
        _ => {
            for state in configuration.interfaces_that(|state| interfaces.contains(&state.id)) {
                for group in &state.groups {
                    *current.entry(group.clone()).or_default() |= state.period.gone_by.is_none();
                }
            }
        }
    }
    let of_groups = configuration.rules.iter().flatten().filter(|rule| current.contains_key(&rule.group));
    let about: BTreeMap<&str, &RuleState> = of_groups.map(|rule| (rule.group.as_str(), rule)).collect();
    let note = |(id, current): (String, bool)| {
        let rule = about.get(id.as_str());
        GroupNote {
            name: rule.and_then(|rule| rule.group_name.clone()),
            vpc: rule.and_then(|rule| rule.vpc.clone()),
            account: rule.and_then(|rule| rule.account.clone()),
            id,
            current,
        }
    };
    current.into_iter().map(note).collect()
}

/// The rule, or the rules of the group and those that name it.
fn rules(request: &Request, configuration: &Configuration, sums: &[(End, Sums)], identity: &mut Identity) {
    let used = |id: &str| -> Traffic {
        sums.iter().find_map(|(_, sums)| sums.rules.get(id)).copied().unwrap_or_default()
    };
    let last = |fits: &dyn Fn(&RuleState) -> bool| -> Vec<RuleState> {
        let fitting: BTreeSet<&str> =
            configuration.rules_that(|rule| fits(rule)).map(|rule| rule.id.as_str()).collect();
        fitting.into_iter().filter_map(|id| configuration.rule(id)).cloned().collect()
    };
    match &request.subject {
        Subject::Rule(id) => {
            identity.rules = last(&|rule| rule.id == *id).into_iter().map(|rule| (rule, used(id))).collect();
        }
        Subject::Group(id) => {
            let mut own: Vec<(RuleState, Traffic)> = last(&|rule| rule.group == *id)
                .into_iter()
                .map(|rule| {
                    let used = used(&rule.id);
                    (rule, used)
                })
                .collect();
            own.sort_by(|(a, used_a), (b, used_b)| {
                let key = |rule: &RuleState, used: &Traffic| {
                    (rule.direction.clone(), std::cmp::Reverse(used.connections), rule.id.clone())
                };
                key(a, used_a).cmp(&key(b, used_b))
            });
            identity.more_rules = own.len().saturating_sub(RULES) as u64;
            own.truncate(RULES);
            identity.rules = own;
            let names =
                |rule: &RuleState| rule.group != *id && rule.peer.rsplit('/').next() == Some(id.as_str());
            let mut naming = last(&names);
            identity.more_references = naming.len().saturating_sub(request.shown) as u64;
            naming.truncate(request.shown);
            identity.referenced_by = naming;
        }
        _ => {}
    }
}

/// Its interfaces as they were last, those with the most connections first; those of which only records tell, too.
fn show_interfaces(
    request: &Request,
    configuration: &Configuration,
    sums: &[(End, Sums)],
    interfaces: &BTreeSet<String>,
    identity: &mut Identity,
) {
    let own = sums.iter().find(|(end, _)| *end == End::Own).map(|(_, sums)| sums);
    let used = |id: &str| own.and_then(|sums| sums.interfaces.get(id)).map_or(0, |sum| sum.connections);
    let mut order: Vec<&String> = interfaces.iter().collect();
    order.sort_by_key(|id| (std::cmp::Reverse(used(id)), *id));
    identity.more_interfaces = order.len().saturating_sub(request.shown) as u64;
    for id in order.into_iter().take(request.shown) {
        let state = configuration.interface(id).cloned().unwrap_or_else(|| {
            let context = own.and_then(|sums| sums.contexts.get(id)).map(|(_, context)| context.clone());
            let [account, vpc, subnet, instance] = context.unwrap_or_default();
            InterfaceState { id: id.clone(), account, vpc, subnet, instance, ..InterfaceState::default() }
        });
        identity.interfaces.push(state);
    }
}

/// The block around an address that is looked at when there is nothing of the address.
pub(super) fn block_around(address: IpAddr) -> Option<IpNet> {
    let length = if address.is_ipv4() { 24 } else { 64 };
    IpNet::new(address, length).ok().map(|block| block.trunc())
}
