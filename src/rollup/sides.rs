//! Which interfaces belong together, and to which of them an address belongs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use hashbrown::HashMap;

use crate::connection::InterfaceFacts;
use crate::flow::{address_bits, address_from_bits, is_v4, net_range};
use crate::inventory::{NetworkInterface, Timeline, Track};

/// One end of a contact, as coarse as it is compared over time: addresses come and go, what they are for does not.
///
/// A group of interfaces (same VPC, same security groups); a subnet, for an address in it that no known interface has
/// (instances that are gone); or a prefix, /24 or /56, for everything else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Side(u64);

/// What a [`Side`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SideKind {
    /// Number among [`Sides::groups`].
    Group(u32),
    /// Number among [`Sides::subnets`].
    Subnet(u32),
    /// First address and length of a block.
    Prefix(IpAddr, u8),
}

const TAG: u32 = 56;
const GROUP: u64 = 1;
const SUBNET: u64 = 2;
const V4: u64 = 3;
const V6: u64 = 4;

impl Side {
    pub(super) fn group(number: u32) -> Self {
        Self((GROUP << TAG) | u64::from(number))
    }

    fn subnet(number: u32) -> Self {
        Self((SUBNET << TAG) | u64::from(number))
    }

    /// The prefix of an address: /24, or /56 of IPv6.
    #[must_use]
    pub fn prefix(bits: u128) -> Self {
        if is_v4(bits) {
            Self((V4 << TAG) | u64::from(bits as u32 >> 8))
        } else {
            Self((V6 << TAG) | (bits >> 72) as u64)
        }
    }

    /// What it is.
    #[must_use]
    pub fn kind(self) -> SideKind {
        let value = self.0 & ((1 << TAG) - 1);
        match self.0 >> TAG {
            GROUP => SideKind::Group(value as u32),
            SUBNET => SideKind::Subnet(value as u32),
            V4 => SideKind::Prefix(address_from_bits((0xffff << 32) | u128::from(value << 8)), 24),
            _ => SideKind::Prefix(address_from_bits(u128::from(value) << 72), 56),
        }
    }

    /// The lowest of `2^bits` neighbours.
    pub(super) fn merged(self, bits: u32) -> Self {
        Self(self.0 >> bits << bits)
    }

    pub(super) fn bits(self) -> u64 {
        self.0
    }
}

/// What an interface is there for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Somebody's workload, or unknown.
    #[default]
    Host,
    /// AWS runs what is behind it: load balancers, endpoints, databases.
    Managed,
    /// Passes on what others say: NAT and transit gateways. Who speaks is seen at the interface of its own.
    Middlebox,
}

/// Interfaces of the same VPC with the same security groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Ids, sorted.
    pub security_groups: Vec<String>,
    /// VPC.
    pub vpc: Option<String>,
    /// Numbers of the run's interfaces that are in it, ascending.
    pub members: Vec<u32>,
    subnets: BTreeSet<u32>,
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.security_groups.as_slice() {
            [] => {
                let place = self.vpc.as_deref().unwrap_or("unknown VPCs");
                write!(f, "interfaces of {place} without security group")
            }
            groups => f.write_str(&groups.join("+")),
        }
    }
}

/// Groups of interfaces, subnets, and whose an address is.
#[derive(Debug, Default)]
pub struct Sides {
    /// Groups by number.
    pub groups: Vec<Group>,
    /// Ids of subnets by number.
    pub subnets: Vec<String>,
    /// By interface of the run.
    own: Vec<(Option<Side>, Role)>,
    /// Groups by private address; `None` where interfaces of several groups had it.
    addresses: HashMap<u128, Option<u32>>,
    /// Ranges of subnets, by their first address.
    ranges: Vec<(u128, u128, u32)>,
}

impl Sides {
    pub(super) fn new(timeline: &Timeline, interfaces: &[InterfaceFacts]) -> Self {
        let mut sides = Self::default();
        sides.learn_subnets(timeline);
        let mut known: BTreeSet<&str> = interfaces.iter().map(|i| i.id.as_str()).collect();
        known.extend(timeline.observations().iter().flat_map(|o| o.interfaces.keys()).map(String::as_str));
        known.extend(timeline.history().interfaces.keys().map(String::as_str));
        let facts: Vec<(&str, &NetworkInterface)> =
            known.into_iter().filter_map(|id| Some((id, timeline.interface(id)?))).collect();
        // An interface is what it was last: a change of its groups must not make all that it does new.
        let key = |i: &NetworkInterface| (i.vpc.clone(), i.groups.clone());
        let numbers: BTreeSet<_> = facts.iter().map(|(_, i)| key(i)).collect();
        sides.groups = numbers
            .iter()
            .map(|(vpc, groups)| Group {
                security_groups: groups.clone(),
                vpc: vpc.clone(),
                ..Group::default()
            })
            .collect();
        let places: BTreeMap<_, u32> = numbers.iter().zip(0..).collect();
        let subnets: BTreeMap<String, u32> = sides.subnets.iter().cloned().zip(0..).collect();
        let mut groups: HashMap<&str, u32> = HashMap::new();
        for (id, interface) in facts {
            let group = places[&key(interface)];
            groups.insert(id, group);
            if let Some(&subnet) = interface.subnet.as_ref().and_then(|s| subnets.get(s)) {
                sides.groups[group as usize].subnets.insert(subnet);
            }
            for version in timeline.interface_versions(id) {
                for &address in &version.addresses {
                    let owner = sides.addresses.entry(address_bits(address)).or_insert(Some(group));
                    if *owner != Some(group) {
                        *owner = None;
                    }
                }
            }
        }
        sides.own = interfaces
            .iter()
            .map(|i| {
                (groups.get(i.id.as_str()).map(|&g| Side::group(g)), role(&i.id, timeline.interface(&i.id)))
            })
            .collect();
        for (interface, (side, _)) in (0..).zip(&sides.own) {
            if let Some(SideKind::Group(group)) = side.map(Side::kind) {
                sides.groups[group as usize].members.push(interface);
            }
        }
        sides
    }

    fn learn_subnets(&mut self, timeline: &Timeline) {
        let observed = timeline.observations().iter().flat_map(|o| o.subnets.values());
        let recorded = timeline.history().subnets.values().flat_map(Track::configurations);
        let mut blocks: BTreeMap<&str, BTreeSet<(u128, u128)>> = BTreeMap::new();
        for subnet in observed.chain(recorded) {
            blocks.entry(&subnet.id).or_default().extend(subnet.cidrs.iter().map(net_range));
        }
        for (number, (id, ranges)) in (0..).zip(blocks) {
            self.subnets.push(id.to_owned());
            self.ranges.extend(ranges.into_iter().map(|(low, high)| (low, high, number)));
        }
        // Of subnets with the same block (in different VPCs) the first is meant.
        self.ranges.sort_unstable();
        self.ranges.dedup_by_key(|(low, ..)| *low);
    }

    /// What an interface of the run is there for.
    #[must_use]
    pub fn role(&self, interface: u32) -> Role {
        self.own.get(interface as usize).map_or(Role::Host, |(_, role)| *role)
    }

    /// The side of an interface; of one that no inventory knows, the side of its address.
    pub(super) fn local(&self, interface: u32, address: u128) -> Side {
        let own = self.own.get(interface as usize).and_then(|(side, _)| *side);
        own.unwrap_or_else(|| self.of_place(address))
    }

    /// The side of an interface of the run, if an inventory knows it.
    #[must_use]
    pub fn known(&self, interface: u32) -> Option<Side> {
        self.own.get(interface as usize)?.0
    }

    /// The group of an interface of the run, if an inventory knows it.
    #[must_use]
    pub fn group_of(&self, interface: u32) -> Option<&Group> {
        match self.own.get(interface as usize)?.0?.kind() {
            SideKind::Group(number) => self.groups.get(number as usize),
            _ => None,
        }
    }

    /// The side of a remote address: its prefix if it is public.
    #[must_use]
    pub fn peer(&self, address: u128, public: bool) -> Side {
        if public { Side::prefix(address) } else { self.inside(address) }
    }

    fn inside(&self, address: u128) -> Side {
        match self.addresses.get(&address) {
            Some(Some(group)) => Side::group(*group),
            _ => self.of_place(address),
        }
    }

    fn of_place(&self, address: u128) -> Side {
        let after = self.ranges.partition_point(|(low, ..)| *low <= address);
        match after.checked_sub(1).map(|at| self.ranges[at]) {
            Some((_, high, subnet)) if address <= high => Side::subnet(subnet),
            _ => Side::prefix(address),
        }
    }

    /// The side of addresses in a subnet that no known interface has.
    #[must_use]
    pub fn somebody_in(subnet: u32) -> Side {
        Side::subnet(subnet)
    }

    /// The subnets in which a side has or had interfaces.
    pub fn places(&self, side: Side) -> impl Iterator<Item = u32> {
        let (group, subnet) = match side.kind() {
            SideKind::Group(number) => (self.groups.get(number as usize), None),
            SideKind::Subnet(number) => (None, Some(number)),
            SideKind::Prefix(..) => (None, None),
        };
        group.into_iter().flat_map(|g| g.subnets.iter().copied()).chain(subnet)
    }

    /// Words for a side: security groups, a subnet, a block.
    #[must_use]
    pub fn name(&self, side: Side) -> String {
        match side.kind() {
            SideKind::Group(number) => {
                self.groups.get(number as usize).map(ToString::to_string).unwrap_or_default()
            }
            SideKind::Subnet(number) => {
                self.subnets.get(number as usize).map(|id| format!("hosts in {id}")).unwrap_or_default()
            }
            SideKind::Prefix(address, length) => format!("{address}/{length}"),
        }
    }
}

/// Told by `InterfaceType` and, where that is just `interface`, by what the service writes into the description (EC2
/// API reference, "NetworkInterface"; descriptions as AWS services set them).
fn role(id: &str, interface: Option<&NetworkInterface>) -> Role {
    if id.starts_with("nat-") {
        return Role::Middlebox;
    }
    let Some(interface) = interface else { return Role::Host };
    match interface.kind.as_str() {
        "nat_gateway" | "transit_gateway" | "gateway_load_balancer" | "gateway_load_balancer_endpoint" => {
            Role::Middlebox
        }
        ""
        | "interface"
        | "efa"
        | "efa-only"
        | "trunk"
        | "branch"
        | "lambda"
        | "quicksight"
        | "aws_codestar_connections_managed" => {
            // Containers and functions are workloads, though their service manages the interface.
            let workload = ["arn:aws", "AWS Lambda", "AWS CodeBuild", "aws-K8S"]
                .iter()
                .any(|words| interface.description.starts_with(words));
            let managed = interface.requester_managed && interface.kind != "lambda" && !workload;
            if managed || interface.description.starts_with("ELB ") { Role::Managed } else { Role::Host }
        }
        _ => Role::Managed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Inventory, Subnet};

    fn bits(text: &str) -> u128 {
        address_bits(text.parse().unwrap())
    }

    fn interface(id: &str, address: &str, group: &str) -> (String, NetworkInterface) {
        let of = NetworkInterface {
            id: id.into(),
            kind: "interface".into(),
            subnet: Some("subnet-a".into()),
            groups: vec![group.into()],
            addresses: vec![address.parse().unwrap()],
            ..NetworkInterface::default()
        };
        (id.into(), of)
    }

    fn sides() -> Sides {
        let subnet = Subnet {
            id: "subnet-a".into(),
            cidrs: vec!["10.0.0.0/20".parse().unwrap()],
            ..Subnet::default()
        };
        let mut inventory = Inventory::default();
        inventory.subnets.insert("subnet-a".into(), subnet);
        inventory.interfaces.extend([
            interface("eni-1", "10.0.0.1", "sg-web"),
            interface("eni-2", "10.0.0.2", "sg-web"),
            interface("eni-3", "10.0.0.3", "sg-db"),
        ]);
        let seen = ["eni-1", "eni-2", "eni-9"];
        let seen = seen.map(|id| InterfaceFacts { id: id.into(), ..InterfaceFacts::default() });
        Sides::new(&Timeline::new(vec![inventory]), &seen)
    }

    #[test]
    fn addresses_are_groups_then_subnets_then_prefixes() {
        let sides = sides();
        let name = |address: &str| sides.name(sides.peer(bits(address), false));
        assert_eq!(name("10.0.0.1"), name("10.0.0.2"));
        assert_eq!(name("10.0.0.1"), "sg-web");
        assert_eq!(name("10.0.0.3"), "sg-db");
        assert_eq!(name("10.0.15.9"), "hosts in subnet-a");
        assert_eq!(name("10.0.16.9"), "10.0.16.0/24");
        assert_eq!(Side::prefix(bits("2001:db8:1:234::9")).kind(), {
            SideKind::Prefix("2001:db8:1:200::".parse().unwrap(), 56)
        });
        assert_eq!(
            sides.name(sides.local(2, bits("10.0.0.77"))),
            "hosts in subnet-a",
            "not in the inventory"
        );
        assert_eq!(sides.group_of(1).map(|g| g.members.clone()), Some(vec![0, 1]));
    }

    #[test]
    fn gateways_pass_on_and_services_are_managed() {
        let of = |kind: &str, managed: bool, description: &str| {
            let interface = NetworkInterface {
                kind: kind.into(),
                requester_managed: managed,
                description: description.into(),
                ..NetworkInterface::default()
            };
            role("eni-1", Some(&interface))
        };
        assert_eq!(of("nat_gateway", true, ""), Role::Middlebox);
        assert_eq!(role("nat-1", None), Role::Middlebox);
        assert_eq!(of("interface", true, "ELB app/front/1"), Role::Managed);
        assert_eq!(of("vpc_endpoint", true, ""), Role::Managed);
        assert_eq!(of("interface", true, "RDSNetworkInterface"), Role::Managed);
        assert_eq!(of("interface", true, "arn:aws:ecs:eu-west-1:1:attachment/2"), Role::Host);
        assert_eq!(of("lambda", true, ""), Role::Host);
        assert_eq!(of("interface", false, "web"), Role::Host);
    }
}
