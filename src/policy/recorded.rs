//! A timeline with AWS Config history, compiled for questions about the interfaces of one run.
//!
//! Thousands of changes do not mean thousands of compilations: every version of a group is compiled once, every
//! interface, group, network ACL and subnet has its own lane of states ([`super::lane`]), and a question looks each of
//! them up by binary search. Members of groups are looked up by the remote address, so that interfaces may come and go
//! without any rule being touched.
//!
//! Where several states of one thing may have held, each combination of them is a configuration that may have held.
//! They need not be built: a rule belongs to one group, so what holds in every combination, in some, or in none of them
//! follows from the groups one by one.

mod decide;
mod groups;
mod members;
mod reach;
mod removal;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashMap;

use super::acl::CompiledAcl;
use super::compile::RuleBook;
use super::lane::{Candidate, Lane, lane};
use super::strangers::Inside;
use crate::flow::{Nets, address_bits};
use crate::inventory::{NetworkAcl, NetworkInterface, Timeline, Track, Trust};
use groups::{Compiler, GroupHistory};
use members::Members;
use reach::Reach;
pub(super) use removal::Removal;

/// Where an interface was in one state: groups and subnet by number.
#[derive(Debug, PartialEq, Eq)]
struct Attached {
    groups: Vec<u32>,
    subnet: Option<u32>,
    /// Private addresses, sorted.
    addresses: Vec<u128>,
    prefixes: Nets,
}

impl Attached {
    fn holds(&self, bits: u128) -> bool {
        self.addresses.binary_search(&bits).is_ok() || self.prefixes.contains(bits)
    }
}

/// A subnet over time.
#[derive(Debug)]
struct SubnetHistory {
    /// Its blocks, empty where they are not known.
    blocks: Lane<Nets>,
    /// The network ACL associated with it, `None` if none is known.
    acl: Lane<Option<Arc<AclState>>>,
}

/// A network ACL in one state.
#[derive(Debug)]
struct AclState {
    acl: CompiledAcl,
    subnets: BTreeSet<String>,
}

/// See the module's description.
#[derive(Debug)]
pub(crate) struct Recorded {
    /// The run's interfaces: number in the run to index in `interfaces`. `None` for those that nothing recorded
    /// concerns: they are judged by observations.
    run: Vec<Option<u32>>,
    interfaces: Vec<Lane<Option<Arc<Attached>>>>,
    groups: Vec<GroupHistory>,
    subnets: Vec<SubnetHistory>,
    members: Members,
    inside: Inside,
}

impl Recorded {
    pub fn new(timeline: &Timeline, run: &[String], book: &mut RuleBook) -> Self {
        number_rules(timeline, book);
        let group_numbers = numbers(group_ids(timeline));
        let subnet_numbers = numbers(subnet_ids(timeline));
        let interface_ids = timeline.ids(|h| &h.interfaces, |i| &i.interfaces);
        let interface_numbers = numbers(interface_ids.iter().copied().collect());

        let interfaces: Vec<Lane<Option<Arc<Attached>>>> = interface_ids
            .iter()
            .map(|id| {
                let anchors = timeline.anchors(id, |h| &h.interfaces, |i| &i.interfaces);
                let attached =
                    |state: &NetworkInterface| Arc::new(attached(state, &group_numbers, &subnet_numbers));
                lane(&anchors, |state| state.map(attached))
            })
            .collect();
        let mut compiler = Compiler::new(timeline, book, &group_numbers);
        let mut in_order: Vec<(&str, u32)> = group_numbers.iter().map(|(id, n)| (*id, *n)).collect();
        in_order.sort_unstable_by_key(|(_, number)| *number);
        let groups: Vec<GroupHistory> = in_order.iter().map(|(id, _)| compiler.group(id)).collect();
        let members = Members::new(&interfaces);
        let reach = Reach::new(timeline);
        let number = |id: &String| interface_numbers.get(id.as_str()).copied().filter(|_| reach.concerns(id));
        Self {
            run: run.iter().map(number).collect(),
            interfaces,
            groups,
            subnets: subnets(timeline, &subnet_numbers),
            members,
            inside: inside(timeline),
        }
    }

    /// True when the history has a say in this interface's traffic.
    pub fn concerns(&self, interface: u32) -> bool {
        self.run.get(interface as usize).is_some_and(Option::is_some)
    }

    /// True when any state of the timeline has the interface.
    pub fn knows(&self, interface: u32) -> bool {
        self.lane_of(interface).is_some_and(|lane| lane.values().any(Option::is_some))
    }
}

/// Blocks of VPCs and subnets, whenever they had them.
fn inside(timeline: &Timeline) -> Inside {
    let history = timeline.history();
    let vpcs = history.vpcs.values().flat_map(Track::configurations);
    let vpcs = vpcs.chain(timeline.observations().iter().flat_map(|o| o.vpcs.values()));
    let subnets = history.subnets.values().flat_map(Track::configurations);
    let subnets = subnets.chain(timeline.observations().iter().flat_map(|o| o.subnets.values()));
    Inside::of(&vpcs.flat_map(|v| &v.cidrs).chain(subnets.flat_map(|s| &s.cidrs)).collect())
}

fn numbers(ids: BTreeSet<&str>) -> HashMap<&str, u32> {
    ids.into_iter().zip(0..).collect()
}

/// Every state of every interface, in no particular order.
fn interface_states(timeline: &Timeline) -> impl Iterator<Item = &NetworkInterface> {
    let recorded = timeline.history().interfaces.values().flat_map(Track::configurations);
    recorded.chain(timeline.observations().iter().flat_map(|o| o.interfaces.values()))
}

/// Groups that are known to exist: they were described, or an interface was ever in them.
fn group_ids(timeline: &Timeline) -> BTreeSet<&str> {
    let mut all = timeline.ids(|h| &h.security_groups, |i| &i.security_groups);
    all.extend(interface_states(timeline).flat_map(|i| &i.groups).map(String::as_str));
    all
}

fn subnet_ids(timeline: &Timeline) -> BTreeSet<&str> {
    let mut all = timeline.ids(|h| &h.subnets, |i| &i.subnets);
    all.extend(interface_states(timeline).filter_map(|i| i.subnet.as_deref()));
    all
}

/// Numbers all rules; the latest state is last and describes them.
fn number_rules(timeline: &Timeline, book: &mut RuleBook) {
    let observed = timeline.observations().iter().flat_map(|o| o.security_groups.values());
    let recorded = timeline.history().security_groups.values().flat_map(Track::configurations);
    let latest = timeline.latest().into_iter().flat_map(|o| o.security_groups.values());
    for rule in observed.chain(recorded).chain(latest).flat_map(|group| &group.rules) {
        book.number(rule);
    }
}

fn attached(state: &NetworkInterface, groups: &HashMap<&str, u32>, subnets: &HashMap<&str, u32>) -> Attached {
    let mut addresses: Vec<u128> = state.addresses.iter().map(|a| address_bits(*a)).collect();
    addresses.sort_unstable();
    addresses.dedup();
    Attached {
        groups: state.groups.iter().filter_map(|id| groups.get(id.as_str()).copied()).collect(),
        subnet: state.subnet.as_deref().and_then(|id| subnets.get(id).copied()),
        addresses,
        prefixes: state.prefixes.iter().collect(),
    }
}

fn subnets(timeline: &Timeline, numbers: &HashMap<&str, u32>) -> Vec<SubnetHistory> {
    // Network ACLs in descending order of their ids: should two claim a subnet, the last one counts.
    let mut claims: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut acls: Vec<Lane<Option<Arc<AclState>>>> = Vec::new();
    for id in timeline.ids(|h| &h.network_acls, |i| &i.network_acls).into_iter().rev() {
        let anchors = timeline.anchors(id, |h| &h.network_acls, |i| &i.network_acls);
        for subnet in anchors.iter().filter_map(|a| a.state).flat_map(|acl| &acl.subnets) {
            let claims = claims.entry(subnet).or_default();
            if claims.last() != Some(&acls.len()) {
                claims.push(acls.len());
            }
        }
        let compiled = |acl: &NetworkAcl| {
            Arc::new(AclState { acl: CompiledAcl::new(acl), subnets: acl.subnets.iter().cloned().collect() })
        };
        acls.push(lane(&anchors, |state| state.map(compiled)));
    }
    let mut in_order: Vec<(&str, u32)> = numbers.iter().map(|(id, number)| (*id, *number)).collect();
    in_order.sort_unstable_by_key(|(_, number)| *number);
    let subnet = |(id, _): (&str, u32)| {
        let anchors = timeline.anchors(id, |h| &h.subnets, |i| &i.subnets);
        let claiming: Vec<&Lane<_>> = claims.get(id).into_iter().flatten().map(|&i| &acls[i]).collect();
        SubnetHistory {
            blocks: lane(&anchors, |state| state.map(|s| s.cidrs.iter().collect()).unwrap_or_default()),
            acl: associated(id, &claiming),
        }
    };
    in_order.into_iter().map(subnet).collect()
}

/// The network ACL of a subnet over time, out of those that ever claimed it.
fn associated(subnet: &str, claiming: &[&Lane<Option<Arc<AclState>>>]) -> Lane<Option<Arc<AclState>>> {
    let starts: BTreeSet<i64> = claiming.iter().flat_map(|lane| lane.starts()).chain([i64::MIN]).collect();
    let changes: BTreeMap<i64, bool> =
        claiming.iter().flat_map(|lane| lane.changes().iter().copied()).collect();
    let spans = starts.into_iter().map(|start| {
        let mut found: Vec<Candidate<Option<Arc<AclState>>>> = Vec::new();
        let mut settled = false;
        for lane in claiming {
            let states = lane.at(start);
            let before = found.len();
            let nominal_open = !found.iter().any(|c| c.nominal);
            let mine = states.iter().filter(|s| s.value.as_ref().is_some_and(|a| a.subnets.contains(subnet)));
            found.extend(mine.map(|s| Candidate { nominal: s.nominal && nominal_open, ..s.clone() }));
            settled = found.len() - before == states.len() && !states.is_empty();
            if settled {
                break;
            }
        }
        if !settled {
            let nominal = !found.iter().any(|c| c.nominal);
            found.push(Candidate { value: None, trust: Trust::Sure, nominal });
        }
        (start, found)
    });
    Lane::new(spans, changes.into_iter().collect())
}
