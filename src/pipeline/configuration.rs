//! An inventory for an investigation, as the store's tables would have it.

use std::path::PathBuf;

use super::AnalyzeError;
use super::configured::{of_interface, of_rule};
use crate::inventory::{LoadOptions, Timeline, load};
use crate::investigate::{Configuration, SubnetState};

/// Reads an inventory.
///
/// # Errors
/// When a file can't be used.
pub fn configuration(paths: &[PathBuf]) -> Result<Configuration, AnalyzeError> {
    let loaded = load(paths, &LoadOptions::default())?;
    Ok(of_timeline(&loaded.timeline))
}

fn of_timeline(timeline: &Timeline) -> Configuration {
    let interfaces = timeline.interfaces_over_time().into_iter();
    let interfaces = interfaces.map(|(interface, stretch)| of_interface(interface, stretch));
    let rules = timeline.rules_over_time().into_iter();
    let rules = rules.map(|(group, rule, stretch)| of_rule(group, rule, stretch));
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
