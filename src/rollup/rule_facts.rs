//! The rules of the latest inventory, each with its use and what is known of its life.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;

use super::facts::InterfaceRow;
use super::lives::{Lives, Since};
use super::other_side::{Doubt, OtherSide};
use super::rule_use::RuleUse;
use super::watch::{Attachments, Watch};
use crate::flow::{Direction, Protocol};
use crate::inventory::{Inventory, RulePeer, Timeline};
use crate::policy::Policy;

/// A rule of the latest inventory with its observed use.
#[derive(Clone, Debug)]
pub struct RuleFacts {
    /// Number in the run; the numbers of [`Rollups::sets`](super::Rollups::sets).
    pub number: u32,
    /// `sgr-…` or synthetic.
    pub id: String,
    /// Security group.
    pub group: String,
    /// Name of the group.
    pub group_name: String,
    /// VPC, account and region of the group.
    pub vpc: Option<String>,
    /// Account.
    pub account: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// Direction it governs.
    pub direction: Direction,
    /// `None` is all protocols.
    pub protocol: Option<Protocol>,
    /// Words for the outputs: protocol, ports, peer.
    pub protocol_text: String,
    /// `443`, `1000-2000`, `all`.
    pub port_text: String,
    /// CIDR, `pl-…`, `sg-…`.
    pub peer_text: String,
    /// Inclusive destination ports; `None` is all.
    pub ports: Option<(u16, u16)>,
    /// ICMP (type, code), -1 for any; `None` for other protocols.
    pub icmp: Option<(i16, i16)>,
    /// The blocks it permits where they are known: the CIDR, or a prefix list's entries.
    pub blocks: Option<Vec<IpNet>>,
    /// True if the peer is a reference to a security group.
    pub references_group: bool,
    /// Interfaces the group is attached to by the latest inventory.
    pub interfaces: Arc<[String]>,
    /// Places in [`Rollups::interfaces`](super::Rollups::interfaces) of those that the run knows.
    pub places: Arc<[u32]>,
    /// Other groups have rules that reference this rule's group.
    pub group_is_referenced: bool,
    /// Only traffic that flow logs never carry can use it (domain C.1): why.
    pub invisible: Option<&'static str>,
    /// Where it did not exist throughout the logs: since when it does.
    pub since: Option<Since>,
    /// From when on it is known to have existed without a break, Unix seconds; `i64::MAX` if no time is known, because
    /// the only inventory has no date.
    pub known_from: i64,
    /// How its group's interfaces were watched while it existed.
    pub watch: Arc<Watch>,
    /// Interfaces of its VPC with accepted traffic that no inventory knows: they may have had its group.
    pub strangers: u32,
    /// Whether the other side of it can be anybody at all.
    pub other_side: OtherSide,
    /// Seconds of its life in which some interface was in the group it names; `None` if it names none.
    pub peer_seconds: Option<u32>,
    /// It has a description.
    pub described: bool,
    /// Observed use.
    pub usage: Arc<RuleUse>,
}

pub(super) fn rule_facts(
    uses: &BTreeMap<u32, Arc<RuleUse>>,
    rows: &[InterfaceRow],
    timeline: &Timeline,
    latest: &Inventory,
    policy: &Policy,
    window: Option<(u32, u32)>,
) -> Vec<RuleFacts> {
    let mut attached: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for interface in latest.interfaces.values() {
        for group in &interface.groups {
            attached.entry(group).or_default().push(interface.id.clone());
        }
    }
    let referenced = referenced(latest);
    let lives = Lives::new(timeline, window);
    let attachments = Attachments::new(timeline, rows, window);
    let doubt = Doubt { timeline, latest, attachments: &attachments };
    let mut facts = Vec::new();
    for group in latest.security_groups.values() {
        let lives = lives.of_group(group);
        // Shared by the rules of a group: there may be many of these, with many interfaces.
        let interfaces: Arc<[String]> = attached.remove(group.id.as_str()).unwrap_or_default().into();
        let place = |id: &String| rows.binary_search_by(|row| row.id.cmp(id)).ok();
        let places: Arc<[u32]> = interfaces.iter().filter_map(|id| u32::try_from(place(id)?).ok()).collect();
        let strangers = attachments.strangers(group.vpc.as_deref());
        // Rules of a group begin at a handful of times.
        let mut watches: BTreeMap<Option<i64>, Arc<Watch>> = BTreeMap::new();
        for rule in &group.rules {
            let life = lives.of_rule(&rule.id);
            let from = life.since.map(Since::time);
            let watch = || Arc::new(attachments.watch(&group.id, from));
            let watch = Arc::clone(watches.entry(from).or_insert_with(watch));
            let number = policy.rule_number(&rule.id).unwrap_or(u32::MAX);
            let blocks = match &rule.peer {
                RulePeer::Cidr(net) => Some(vec![*net]),
                RulePeer::PrefixList(id) => latest.prefix_lists.get(id).and_then(|l| l.entries.clone()),
                RulePeer::Group { .. } => None,
            };
            facts.push(RuleFacts {
                number,
                id: rule.id.clone(),
                group: group.id.clone(),
                group_name: group.name.clone(),
                vpc: group.vpc.clone(),
                account: group.account.clone(),
                region: group.region.clone(),
                direction: rule.direction,
                protocol: rule.protocol,
                protocol_text: rule.protocol_text(),
                port_text: rule.port_text(),
                peer_text: rule.peer_text(group.account.as_deref()),
                ports: rule.ports,
                icmp: rule.icmp,
                invisible: invisible(rule.direction, rule.ports, blocks.as_deref(), latest),
                blocks,
                references_group: matches!(rule.peer, RulePeer::Group { .. }),
                interfaces: Arc::clone(&interfaces),
                places: Arc::clone(&places),
                group_is_referenced: referenced.contains_key(group.id.as_str()),
                since: life.since,
                known_from: life.known_from,
                watch,
                strangers,
                other_side: doubt.other_side(group, rule),
                peer_seconds: match &rule.peer {
                    RulePeer::Group { id, .. } => Some(attachments.membership(id, from)),
                    RulePeer::Cidr(_) | RulePeer::PrefixList(_) => None,
                },
                described: rule.description.as_ref().is_some_and(|text| !text.trim().is_empty()),
                usage: uses.get(&number).cloned().unwrap_or_default(),
            });
        }
    }
    facts.sort_by(|a, b| (&a.group, a.direction, &a.id).cmp(&(&b.group, b.direction, &b.id)));
    facts
}

/// Traffic to these services is never logged, and security groups do not filter it (domain C.1; VPC user guide,
/// "flow log limitations"). The Amazon DNS server is at 169.254.169.253 and at each VPC's base address plus two.
fn invisible(
    direction: Direction,
    ports: Option<(u16, u16)>,
    blocks: Option<&[IpNet]>,
    inventory: &Inventory,
) -> Option<&'static str> {
    if direction == Direction::Inbound {
        return None;
    }
    let resolvers = inventory.vpcs.values().flat_map(|v| &v.cidrs).filter_map(|block| match block {
        IpNet::V4(net) => u32::from(net.network()).checked_add(2).map(std::net::Ipv4Addr::from),
        IpNet::V6(_) => None,
    });
    let resolvers: Vec<std::net::IpAddr> = resolvers.map(std::net::IpAddr::V4).collect();
    let only = |known: &dyn Fn(std::net::IpAddr) -> bool| {
        blocks
            .is_some_and(|b| !b.is_empty() && b.iter().all(|net| net.prefix_len() == 32 && known(net.addr())))
    };
    let is = |text: &'static str| move |a: std::net::IpAddr| a.to_string() == text;
    match ports {
        Some((80, 80)) if only(&is("169.254.169.254")) => Some("instance metadata traffic is never logged"),
        Some((123, 123)) if only(&is("169.254.169.123")) => Some("Amazon Time Sync traffic is never logged"),
        Some((53, 53)) if only(&|a| is("169.254.169.253")(a) || resolvers.contains(&a)) => {
            Some("Amazon DNS traffic is never logged")
        }
        _ => None,
    }
}

/// Groups that rules of other groups reference, with these other groups.
pub(super) fn referenced(latest: &Inventory) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut referenced: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for group in latest.security_groups.values() {
        for rule in &group.rules {
            if let RulePeer::Group { id, .. } = &rule.peer
                && *id != group.id
            {
                referenced.entry(id).or_default().insert(&group.id);
            }
        }
    }
    referenced
}
