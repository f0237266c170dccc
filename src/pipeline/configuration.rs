//! An inventory for an investigation, as the store's tables would have it.

use std::path::PathBuf;

use super::AnalyzeError;
use super::configured::{of_interface, of_rule};
use crate::inventory::{LoadOptions, Timeline, load};
use crate::investigate::{Configuration, InterfaceState, RuleState, SubnetState};

/// Reads an inventory.
///
/// # Errors
/// When a file can't be used.
pub fn configuration(paths: &[PathBuf]) -> Result<Configuration, AnalyzeError> {
    let loaded = load(paths, &LoadOptions::default())?;
    Ok(of_timeline(&loaded.timeline))
}

fn of_timeline(timeline: &Timeline) -> Configuration {
    let interfaces = timeline.interfaces_over_time().into_iter().map(|(interface, stretch)| {
        let row = of_interface(interface, stretch);
        InterfaceState {
            id: row.interface,
            period: row.period,
            account: row.account,
            region: row.region,
            vpc: row.vpc,
            subnet: row.subnet,
            instance: row.instance,
            kind: row.kind,
            description: row.description,
            name: row.name,
            addresses: row.addresses,
            public_addresses: row.public_addresses,
            groups: row.security_groups,
            in_inventory: row.in_inventory,
        }
    });
    let rules = timeline.rules_over_time().into_iter().map(|(group, rule, stretch)| {
        let row = of_rule(group, rule, stretch);
        RuleState {
            id: row.rule_id,
            period: row.period,
            group: row.security_group,
            group_name: Some(row.group_name).filter(|name| !name.is_empty()),
            account: row.account,
            region: row.region,
            vpc: row.vpc,
            direction: row.direction.to_owned(),
            protocol: row.protocol,
            port_range: row.port_range,
            peer: row.peer,
            description: row.description,
        }
    });
    let subnets = timeline.latest().into_iter().flat_map(|latest| latest.subnets.values());
    let subnets = subnets.map(|subnet| SubnetState {
        id: subnet.id.clone(),
        vpc: subnet.vpc.clone(),
        name: subnet.tags.get("Name").cloned(),
        networks: subnet.cidrs.clone(),
    });
    Configuration {
        interfaces: Some(interfaces.collect()),
        rules: Some(rules.collect()),
        subnets: subnets.collect(),
    }
}
