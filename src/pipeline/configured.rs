//! From an inventory to what an investigation asks of it: what was so from when to when.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::AnalyzeError;
use crate::inventory::{Anchor, By, LoadOptions, NetworkInterface, Rule, SecurityGroup, Timeline, load};
use crate::investigate::{Configuration, InterfaceState, Period, RuleState, SubnetState};

/// AWS Config notices a change up to this many seconds late (domain D.9).
const LAG: i64 = 300;
const DAY: i64 = 86_400;

/// Reads an inventory. `now` is the time of undated files, Unix seconds.
///
/// # Errors
/// When a file can't be used.
pub fn configuration(paths: &[PathBuf], now: i64) -> Result<Configuration, AnalyzeError> {
    let loaded = load(paths, &LoadOptions::default())?;
    Ok(of_timeline(&loaded.timeline, now))
}

fn of_timeline(timeline: &Timeline, now: i64) -> Configuration {
    let (mut interfaces, mut rules) = (Vec::new(), Vec::new());
    for id in timeline.ids(|h| &h.interfaces, |i| &i.interfaces) {
        let anchors = timeline.anchors(id, |h| &h.interfaces, |i| &i.interfaces);
        let one = |interface: &NetworkInterface| BTreeMap::from([(id.to_owned(), of_interface(interface))]);
        let all = stretches(&anchors, one, now);
        interfaces.extend(all.into_iter().map(|(state, period)| InterfaceState { period, ..state }));
    }
    for id in timeline.ids(|h| &h.security_groups, |i| &i.security_groups) {
        let anchors = timeline.anchors(id, |h| &h.security_groups, |i| &i.security_groups);
        let each = |group: &SecurityGroup| {
            group.rules.iter().map(|rule| (rule.id.clone(), of_rule(rule, group))).collect()
        };
        let all = stretches(&anchors, each, now);
        rules.extend(all.into_iter().map(|(state, period)| RuleState { period, ..state }));
    }
    let subnets = timeline.latest().into_iter().flat_map(|latest| latest.subnets.values());
    let subnets = subnets.map(|subnet| SubnetState {
        id: subnet.id.clone(),
        vpc: subnet.vpc.clone(),
        name: subnet.tags.get("Name").cloned(),
        networks: subnet.cidrs.clone(),
    });
    Configuration { interfaces: Some(interfaces), rules: Some(rules), subnets: subnets.collect() }.sorted()
}

/// For each thing that a resource holds, the stretches of time in which it stayed the same.
fn stretches<T: PartialEq, S: PartialEq + Clone>(
    anchors: &[Anchor<'_, T>],
    things: impl Fn(&T) -> BTreeMap<String, S>,
    now: i64,
) -> Vec<(S, Period)> {
    let dated = |time: i64| if time == i64::MAX { now } else { time };
    let held: Vec<BTreeMap<String, S>> =
        anchors.iter().map(|anchor| anchor.state.map(&things).unwrap_or_default()).collect();
    let mut keys: Vec<&String> = held.iter().flat_map(BTreeMap::keys).collect();
    keys.sort_unstable();
    keys.dedup();
    let mut all = Vec::new();
    for key in keys {
        let mut at = 0;
        while at < anchors.len() {
            let Some(state) = held[at].get(key) else {
                at += 1;
                continue;
            };
            let end = (at..anchors.len()).find(|&i| held[i].get(key) != Some(state)).unwrap_or(anchors.len());
            let appeared_after = at.checked_sub(1).map(|before| match anchors[at].by {
                By::Snapshot => dated(anchors[before].confirmed),
                By::Item => anchors[at].time - LAG,
                By::DailyItem => anchors[at].time - DAY,
            });
            let period = Period {
                appeared_after,
                seen_from: Some(dated(anchors[at].time)),
                seen_to: Some(dated(anchors[end - 1].confirmed)),
                gone_by: anchors.get(end).map(|next| dated(next.time)),
            };
            all.push((state.clone(), period));
            at = end;
        }
    }
    all
}

fn of_interface(interface: &NetworkInterface) -> InterfaceState {
    let texts = |addresses: &[std::net::IpAddr]| addresses.iter().map(ToString::to_string).collect();
    InterfaceState {
        id: interface.id.clone(),
        period: Period::default(),
        account: interface.account.clone(),
        region: interface.region.clone(),
        vpc: interface.vpc.clone(),
        subnet: interface.subnet.clone(),
        instance: interface.instance.clone(),
        kind: Some(interface.kind.clone()).filter(|kind| !kind.is_empty()),
        description: Some(interface.description.clone()).filter(|text| !text.is_empty()),
        name: interface.tags.get("Name").cloned(),
        addresses: texts(&interface.addresses),
        public_addresses: texts(&interface.public_addresses),
        groups: interface.groups.clone(),
        in_inventory: true,
    }
}

fn of_rule(rule: &Rule, group: &SecurityGroup) -> RuleState {
    RuleState {
        id: rule.id.clone(),
        period: Period::default(),
        group: group.id.clone(),
        group_name: Some(group.name.clone()).filter(|name| !name.is_empty()),
        account: group.account.clone(),
        region: group.region.clone(),
        vpc: group.vpc.clone(),
        direction: rule.direction.as_str().to_owned(),
        protocol: rule.protocol_text(),
        port_range: rule.port_text(),
        peer: rule.peer_text(group.account.as_deref()),
        description: rule.description.clone(),
    }
}
