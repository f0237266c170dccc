//! Which rows of the connections table are the subject's.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::configured::{Configuration, may_hold};
use super::model::Request;
use super::rows::{Named, Row};
use super::scan::small;
use super::subject::Subject;
use super::traffic::End;
use crate::flow::{address_bits, address_from_bits, is_private, is_v4};
use crate::store::{DAY_COLUMN, Period, Store, StoreError, Table, Want, Wanted};

/// Rows that are seen from one end.
#[derive(Clone, Debug)]
pub(super) struct Selection {
    pub end: End,
    /// What the table is asked for.
    pub wanted: Wanted,
    pub also: Also,
}

/// What rows must be besides.
#[derive(Clone, Debug)]
pub(super) enum Also {
    Nothing,
    /// Not also at the interface: those are the other end's.
    NotLocal(IpNet),
    /// At an interface while it belonged to the subject; where nothing tells of the interface, of this instance.
    While(BTreeMap<String, Vec<Period>>, Option<String>),
    /// At an interface that has the address, not at a gateway that packets with it pass; or the reverse.
    At(Gateways, bool),
}

impl Also {
    pub fn fits(&self, row: &Row<'_>) -> bool {
        match self {
            Self::Nothing => true,
            Self::NotLocal(network) => !network.contains(&address_from_bits(row.local)),
            Self::While(periods, instance) => match periods.get(row.interface) {
                Some(periods) => periods.iter().any(|period| may_hold(period, row.opened)),
                None => instance.is_some() && row.context[3] == instance.as_deref(),
            },
            Self::At(gateways, passing) => gateways.is_passed(row) == *passing,
        }
    }
}

/// Interfaces that forward packets: their records tell the addresses of packets, which others have (domain A.5).
#[derive(Clone, Debug)]
pub(super) struct Gateways {
    /// Of gateways their own addresses, of all others nothing.
    interfaces: BTreeMap<String, Option<BTreeSet<u128>>>,
}

impl Gateways {
    fn new(configuration: &Configuration) -> Self {
        let mut interfaces: BTreeMap<String, Option<BTreeSet<u128>>> = BTreeMap::new();
        for state in configuration.interfaces_that(|state| state.in_inventory) {
            let own = interfaces.entry(state.id.clone()).or_default();
            if state.kind.as_ref().is_some_and(|kind| kind.contains("gateway")) {
                let addresses = state.addresses.iter().chain(&state.public_addresses);
                let bits = addresses.filter_map(|text| text.parse::<IpAddr>().ok()).map(address_bits);
                own.get_or_insert_default().extend(bits);
            }
        }
        Self { interfaces }
    }

    fn is_passed(&self, row: &Row<'_>) -> bool {
        match self.interfaces.get(row.interface) {
            Some(Some(own)) => !own.contains(&row.local),
            Some(None) => false,
            // Records of an interface name its private address: a public one is somebody else's.
            None => row.interface.starts_with("nat-") || (is_v4(row.local) && !is_private(row.local)),
        }
    }
}

/// What was found out of a subject before its rows are read.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    pub selections: Vec<Selection>,
    /// Nothing tells who was in the group: only what its rules permitted is told.
    pub by_rules: bool,
}

/// Decides which rows are read.
pub(super) fn select(
    store: &Store,
    request: &Request,
    configuration: &Configuration,
) -> Result<Found, StoreError> {
    let among = |id: &str| Want::Among(BTreeSet::from([id.to_owned()]));
    let window = window(request);
    let one = |wanted: Wanted, also: Also| {
        Ok(Found { selections: vec![Selection { end: End::Own, wanted, also }], by_rules: false })
    };
    match &request.subject {
        Subject::Address(address) => {
            let text = address.to_string();
            Ok(ends(&window, || among(&text), (*address).into(), configuration))
        }
        Subject::Network(network) => {
            Ok(ends(&window, || Want::Networks(vec![*network]), *network, configuration))
        }
        Subject::Interface(id) => one(window.and("interface", among(id)), Also::Nothing),
        Subject::Instance(id) => {
            let mut periods: BTreeMap<String, Vec<Period>> = BTreeMap::new();
            // Of interfaces that were ever attached to it, their whole story counts.
            for state in configuration.interfaces.iter().flatten().filter(|state| state.instance.is_some()) {
                let own = periods.entry(state.id.clone()).or_default();
                own.extend((state.instance.as_deref() == Some(id)).then_some(state.period));
            }
            let mut interfaces: BTreeSet<String> =
                periods.iter().filter(|(_, own)| !own.is_empty()).map(|(id, _)| id.clone()).collect();
            let of_rows = window.clone().and("instance", among(id));
            small(store, Table::Connections, &["interface"], of_rows, |batch| {
                let ids = Named(batch).texts("interface")?;
                for row in 0..batch.num_rows() {
                    if let Some(id) = ids.get(row).filter(|id| !interfaces.contains(*id)) {
                        interfaces.insert(id.to_owned());
                    }
                }
                Ok(())
            })?;
            one(window.and("interface", Want::Among(interfaces)), Also::While(periods, Some(id.clone())))
        }
        Subject::Group(id) => {
            if configuration.interfaces.is_none() {
                let wanted = window.and("rules", Want::Among(rules_of(store, id, configuration)?));
                let selections = vec![Selection { end: End::Own, wanted, also: Also::Nothing }];
                return Ok(Found { selections, by_rules: true });
            }
            let mut periods: BTreeMap<String, Vec<Period>> = BTreeMap::new();
            for state in configuration.interfaces_that(|state| state.groups.contains(id)) {
                periods.entry(state.id.clone()).or_default().push(state.period);
            }
            let interfaces = periods.keys().cloned().collect();
            one(window.and("interface", Want::Among(interfaces)), Also::While(periods, None))
        }
        Subject::Rule(id) => one(window.and("rules", among(id)), Also::Nothing),
    }
}

/// The ends of addresses.
fn ends(window: &Wanted, want: impl Fn() -> Want, network: IpNet, configuration: &Configuration) -> Found {
    let gateways = Gateways::new(configuration);
    let local = || window.clone().and("local", want());
    let remote = window.clone().and("remote", want());
    let selections = vec![
        Selection { end: End::Own, wanted: local(), also: Also::At(gateways.clone(), false) },
        Selection { end: End::Others, wanted: remote, also: Also::NotLocal(network) },
        Selection { end: End::Passing, wanted: local(), also: Also::At(gateways, true) },
    ];
    Found { selections, by_rules: false }
}

/// What starts in the window.
fn window(request: &Request) -> Wanted {
    if request.from.is_none() && request.to.is_none() {
        return Wanted::default();
    }
    let first = request.from.unwrap_or(0);
    // Times of the table are of 32 bits.
    let last = request.to.map_or(i64::from(u32::MAX), |to| to.saturating_sub(1));
    let micro = |time: i64| time.saturating_mul(1_000_000);
    Wanted::default().and("start", Want::Within(micro(first), micro(last))).and(
        DAY_COLUMN,
        Want::Within(first.div_euclid(super::clock::DAY), last.div_euclid(super::clock::DAY)),
    )
}

/// The rules of a group, as far as anything tells.
fn rules_of(
    store: &Store,
    group: &str,
    configuration: &Configuration,
) -> Result<BTreeSet<String>, StoreError> {
    let mut rules: BTreeSet<String> =
        configuration.rules_that(|rule| rule.group == group).map(|rule| rule.id.clone()).collect();
    let wanted = Wanted::default().and("security_group", Want::Among(BTreeSet::from([group.to_owned()])));
    small(store, Table::RuleUsage, &["rule_id"], wanted, |batch| {
        let ids = Named(batch).texts("rule_id")?;
        rules.extend((0..batch.num_rows()).filter_map(|row| ids.get(row)).map(str::to_owned));
        Ok(())
    })?;
    Ok(rules)
}
