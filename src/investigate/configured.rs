//! What was configured, as the store's tables or an inventory tell.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use arrow::array::{Array as _, Int64Array, RecordBatch};
use arrow::error::ArrowError;
use ipnet::IpNet;

use super::rows::{Named, Times};
use super::scan::small;
pub use crate::store::{InterfaceRow as InterfaceState, RuleRow as RuleState};
use crate::store::{Period, Store, StoreError, Table, Wanted};

/// 9999-12-31T23:59:59Z: as of a dump without a date.
pub(super) const UNDATED: i64 = 253_402_300_799;

/// Whether it may have been so: changes at unknown times count for both sides.
pub(super) fn may_hold(period: &Period, time: i64) -> bool {
    period.appeared_after.is_none_or(|after| time >= after) && period.gone_by.is_none_or(|by| time < by)
}

impl InterfaceState {
    /// Whether one of its addresses lies in a network.
    #[must_use]
    pub fn is_in(&self, network: &IpNet) -> bool {
        let all = self.addresses.iter().chain(&self.public_addresses);
        all.filter_map(|text| text.parse::<IpAddr>().ok()).any(|address| network.contains(&address))
    }

    /// What people call it: its tag `Name`, else its description.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        let texts = [self.name.as_deref(), self.description.as_deref()];
        texts.into_iter().flatten().find(|text| !text.trim().is_empty())
    }
}

/// A subnet of the inventory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubnetState {
    /// `subnet-…`.
    pub id: String,
    /// Its VPC.
    pub vpc: Option<String>,
    /// Its tag `Name`.
    pub name: Option<String>,
    /// Its blocks.
    pub networks: Vec<IpNet>,
}

/// What was configured over time. Sorted by id and time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configuration {
    /// Interfaces; `None` if nothing tells of them.
    pub interfaces: Option<Vec<InterfaceState>>,
    /// Rules; `None` if nothing tells of them.
    pub rules: Option<Vec<RuleState>>,
    /// Subnets; the store keeps none.
    pub subnets: Vec<SubnetState>,
}

impl Configuration {
    /// Puts states in order.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        if let Some(states) = &mut self.interfaces {
            states.sort_by(|a, b| (&a.id, order(&a.period)).cmp(&(&b.id, order(&b.period))));
        }
        if let Some(states) = &mut self.rules {
            states.sort_by(|a, b| (&a.id, order(&a.period)).cmp(&(&b.id, order(&b.period))));
        }
        self
    }

    /// As the store's tables tell, if it was judged by an inventory.
    ///
    /// # Errors
    /// When a file can't be read.
    pub fn of_store(store: &Store) -> Result<Self, StoreError> {
        let mut configuration = Self::default();
        if store.table_files(Table::Interfaces).next().is_some() {
            let mut states = Vec::new();
            let columns = names(Table::Interfaces);
            small(store, Table::Interfaces, &columns, Wanted::default(), |batch| {
                interfaces(batch, &mut states)
            })?;
            configuration.interfaces = Some(states);
        }
        if store.table_files(Table::Rules).next().is_some() {
            let mut states = Vec::new();
            let columns = names(Table::Rules);
            small(store, Table::Rules, &columns, Wanted::default(), |batch| rules(batch, &mut states))?;
            configuration.rules = Some(states);
        }
        let told = configuration.interfaces.iter().flatten().any(|state| state.in_inventory);
        if !told && configuration.rules.is_none() {
            // Only records tell of interfaces: nothing of what was configured.
            configuration.interfaces = None;
        } else {
            // A table without rows has no file.
            configuration.rules.get_or_insert_default();
            configuration.interfaces.get_or_insert_default();
        }
        Ok(configuration.sorted())
    }

    /// States of interfaces that fit.
    pub fn interfaces_that<'a>(
        &'a self,
        fits: impl Fn(&InterfaceState) -> bool + 'a,
    ) -> impl Iterator<Item = &'a InterfaceState> + 'a {
        self.interfaces.iter().flatten().filter(move |state| fits(state))
    }

    /// States of rules that fit.
    pub fn rules_that<'a>(
        &'a self,
        fits: impl Fn(&RuleState) -> bool + 'a,
    ) -> impl Iterator<Item = &'a RuleState> + 'a {
        self.rules.iter().flatten().filter(move |state| fits(state))
    }

    /// The last known state of an interface.
    #[must_use]
    pub fn interface(&self, id: &str) -> Option<&InterfaceState> {
        let states = self.interfaces.as_deref()?;
        let end = states.partition_point(|state| state.id.as_str() <= id);
        states[..end].last().filter(|state| state.id == id)
    }

    /// The last known state of a rule.
    #[must_use]
    pub fn rule(&self, id: &str) -> Option<&RuleState> {
        let states = self.rules.as_deref()?;
        let end = states.partition_point(|state| state.id.as_str() <= id);
        states[..end].last().filter(|state| state.id == id)
    }

    /// Names of groups, as far as their rules tell.
    #[must_use]
    pub fn group_names(&self) -> BTreeMap<&str, &str> {
        let name = |state: &'_ RuleState| state.group_name.is_some();
        let named = self.rules.iter().flatten().filter(|state| name(state));
        named.map(|state| (state.group.as_str(), state.group_name.as_deref().unwrap_or_default())).collect()
    }

    /// The interface that has an address: of several the one that had it last.
    #[must_use]
    pub fn owners(&self) -> BTreeMap<IpAddr, &InterfaceState> {
        let mut owners: BTreeMap<IpAddr, &InterfaceState> = BTreeMap::new();
        for state in self.interfaces.iter().flatten() {
            for text in state.addresses.iter().chain(&state.public_addresses) {
                let Ok(address) = text.parse::<IpAddr>() else { continue };
                // What still holds counts before what is gone.
                let last = |state: &InterfaceState| (state.period.gone_by.is_none(), state.period.seen_to);
                let known = owners.entry(address).or_insert(state);
                if last(state) > last(known) {
                    *known = state;
                }
            }
        }
        owners
    }

    /// Ids of groups that some interface is in, or some rule belongs to.
    #[must_use]
    pub fn groups(&self) -> BTreeSet<&str> {
        let of_rules = self.rules.iter().flatten().map(|state| state.group.as_str());
        let of_interfaces = self.interfaces.iter().flatten().flat_map(|state| &state.groups);
        of_rules.chain(of_interfaces.map(String::as_str)).collect()
    }
}

/// Stretches in the order of time, whatever is not known of them.
fn order(period: &Period) -> (i64, i64) {
    (period.appeared_after.unwrap_or(i64::MIN), period.seen_from.unwrap_or(UNDATED))
}

fn names(table: Table) -> Vec<&'static str> {
    table.columns().into_iter().map(|column| column.name).collect()
}

fn interfaces(batch: &RecordBatch, states: &mut Vec<InterfaceState>) -> Result<(), ArrowError> {
    let named = Named(batch);
    let text = |name: &str| named.texts(name);
    let (id, account, region, vpc) = (text("interface")?, text("account")?, text("region")?, text("vpc")?);
    let (subnet, instance, kind) = (text("subnet")?, text("instance")?, text("kind")?);
    let (description, name) = (text("description")?, text("name")?);
    let lists =
        [named.lists("addresses")?, named.lists("public_addresses")?, named.lists("security_groups")?];
    let in_inventory = named.flags("in_inventory")?;
    let periods = Periods::new(&named)?;
    for row in 0..batch.num_rows() {
        let list = |at: usize| lists[at].get(row).into_iter().map(str::to_owned).collect();
        states.push(InterfaceState {
            id: id.get(row).unwrap_or_default().to_owned(),
            period: periods.get(row),
            account: account.get(row).map(str::to_owned),
            region: region.get(row).map(str::to_owned),
            vpc: vpc.get(row).map(str::to_owned),
            subnet: subnet.get(row).map(str::to_owned),
            instance: instance.get(row).map(str::to_owned),
            kind: kind.get(row).map(str::to_owned),
            description: description.get(row).map(str::to_owned),
            name: name.get(row).map(str::to_owned),
            addresses: list(0),
            public_addresses: list(1),
            groups: list(2),
            in_inventory: in_inventory.is_valid(row) && in_inventory.value(row),
        });
    }
    Ok(())
}

fn rules(batch: &RecordBatch, states: &mut Vec<RuleState>) -> Result<(), ArrowError> {
    let named = Named(batch);
    let text = |name: &str| named.texts(name);
    let (id, group, group_name) = (text("rule_id")?, text("security_group")?, text("group_name")?);
    let (account, region, vpc) = (text("account")?, text("region")?, text("vpc")?);
    let (direction, protocol) = (text("direction")?, text("protocol")?);
    let (port_range, peer, description) = (text("port_range")?, text("peer")?, text("description")?);
    let (from, to) = (named.large("from_port")?, named.large("to_port")?);
    let periods = Periods::new(&named)?;
    for row in 0..batch.num_rows() {
        let always = |of: &super::rows::Texts| of.get(row).unwrap_or_default().to_owned();
        states.push(RuleState {
            id: always(&id),
            period: periods.get(row),
            group: always(&group),
            group_name: group_name.get(row).filter(|name| !name.is_empty()).map(str::to_owned),
            account: account.get(row).map(str::to_owned),
            region: region.get(row).map(str::to_owned),
            vpc: vpc.get(row).map(str::to_owned),
            direction: always(&direction),
            protocol: always(&protocol),
            port_range: always(&port_range),
            ports: port(&from, row).zip(port(&to, row)),
            peer: always(&peer),
            description: description.get(row).map(str::to_owned),
        });
    }
    Ok(())
}

fn port(column: &Int64Array, row: usize) -> Option<u16> {
    column.is_valid(row).then(|| column.value(row)).and_then(|port| u16::try_from(port).ok())
}

struct Periods([Times; 4]);

impl Periods {
    fn new(named: &Named<'_>) -> Result<Self, ArrowError> {
        Ok(Self([
            named.times("appeared_after")?,
            named.times("seen_from")?,
            named.times("seen_to")?,
            named.times("gone_by")?,
        ]))
    }

    fn get(&self, row: usize) -> Period {
        let [appeared_after, seen_from, seen_to, gone_by] = self.0.each_ref().map(|times| times.get(row));
        Period { appeared_after, seen_from, seen_to, gone_by }
    }
}
