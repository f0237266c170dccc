//! What an inventory says becomes the tables of the configuration of a store.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::AsArray;

use crate::flow::{InterfaceContext, Protocol};
use crate::inventory::{NetworkInterface, Rule, SecurityGroup, Stretch, Timeline};
use crate::store::{
    DAY_COLUMN, InterfaceRow, Period, RuleRow, Store, StoreError, StoreWriter, Table, TableScan, Want, Wanted,
};

/// Keeps what the inventory says, and of which interfaces only records tell. `days` were derived by this ingest.
pub(super) fn keep(writer: &mut StoreWriter, timeline: &Timeline, days: &[u32]) -> Result<(), StoreError> {
    let rules =
        timeline.rules_over_time().into_iter().map(|(group, rule, stretch)| of_rule(group, rule, stretch));
    let rules = rules.collect();
    let mut interfaces: Vec<InterfaceRow> = timeline
        .interfaces_over_time()
        .into_iter()
        .map(|(one, stretch)| of_interface(one, stretch))
        .collect();
    let known: BTreeSet<&str> = interfaces.iter().map(|row| row.id.as_str()).collect();
    let told = told_of(writer.store(), days)?;
    let only_told = told.into_iter().filter(|(id, _)| !known.contains(id.as_str()));
    let only_told: Vec<InterfaceRow> = only_told.map(|(id, context)| of_records(id, context)).collect();
    interfaces.extend(only_told);
    writer.commit_configuration(rules, interfaces)
}

/// Interfaces that records tell of.
fn told_of(store: &Store, days: &[u32]) -> Result<BTreeMap<String, InterfaceContext>, StoreError> {
    let mut told = store.contexts()?.by_interface(|_| true);
    // Formats need not have a field that says more than the id. Days that were not derived now are in the table already.
    let mut wanted = Wanted::default();
    if store.table_files(Table::Interfaces).next().is_some() {
        note_ids(&TableScan::new(store, Table::Interfaces, &["interface"], wanted.clone())?, &mut told)?;
        let (Some(first), Some(last)) = (days.iter().min(), days.iter().max()) else { return Ok(told) };
        wanted = wanted.and(DAY_COLUMN, Want::Within(i64::from(*first), i64::from(*last)));
    }
    note_ids(&TableScan::new(store, Table::Coverage, &["interface"], wanted)?, &mut told)?;
    Ok(told)
}

fn note_ids(scan: &TableScan, told: &mut BTreeMap<String, InterfaceContext>) -> Result<(), StoreError> {
    while let Some((_, batches)) = scan.next()? {
        for batch in &batches {
            for id in batch.column(0).as_string::<i32>().iter().flatten() {
                if !told.contains_key(id) {
                    told.insert(id.to_owned(), InterfaceContext::default());
                }
            }
        }
    }
    Ok(())
}

fn period(stretch: Stretch) -> Period {
    let Stretch { appeared_after, seen_from, seen_to, gone_by } = stretch;
    Period { appeared_after, seen_from, seen_to, gone_by }
}

pub(super) fn of_rule(group: &SecurityGroup, rule: &Rule, stretch: Stretch) -> RuleRow {
    let has_ports = rule.protocol.is_none_or(Protocol::has_ports);
    RuleRow {
        id: rule.id.clone(),
        group: group.id.clone(),
        group_name: Some(group.name.clone()).filter(|name| !name.is_empty()),
        account: group.account.clone(),
        region: group.region.clone(),
        vpc: group.vpc.clone(),
        direction: rule.direction.as_str().to_owned(),
        protocol: rule.protocol_text(),
        port_range: rule.port_text(),
        ports: rule.ports.or(has_ports.then_some((0, u16::MAX))),
        peer: rule.peer_text(group.account.as_deref()),
        description: rule.description.clone(),
        period: period(stretch),
    }
}

pub(super) fn of_interface(interface: &NetworkInterface, stretch: Stretch) -> InterfaceRow {
    let given = |text: &String| (!text.is_empty()).then(|| text.clone());
    let texts = |all: &[std::net::IpAddr]| all.iter().map(ToString::to_string).collect();
    InterfaceRow {
        id: interface.id.clone(),
        account: interface.account.clone(),
        region: interface.region.clone(),
        vpc: interface.vpc.clone(),
        subnet: interface.subnet.clone(),
        instance: interface.instance.clone(),
        kind: given(&interface.kind),
        description: given(&interface.description),
        name: interface.tags.get("Name").cloned(),
        addresses: texts(&interface.addresses),
        public_addresses: texts(&interface.public_addresses),
        groups: interface.groups.clone(),
        in_inventory: true,
        period: period(stretch),
    }
}

fn of_records(id: String, context: InterfaceContext) -> InterfaceRow {
    let InterfaceContext { account, vpc, subnet, instance, region } = context;
    InterfaceRow { id, account, region, vpc, subnet, instance, ..InterfaceRow::default() }
}
