//! What security groups and network ACLs say: every rule is looked at, one after the other
//! (domain C.2-C.4, D.11).

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::model::{AclEntry, Config, Peer, Rule};

/// An opening: who asks for what. `inbound` is towards the interface.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    pub interface: usize,
    pub inbound: bool,
    pub remote: IpAddr,
    pub protocol: u8,
    pub local_port: u16,
    pub remote_port: u16,
}

/// The configuration's word on an opening.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    pub known: bool,
    pub has_groups: bool,
    pub rules: BTreeSet<String>,
    /// No rule permits it for sure, but one might.
    pub unresolved: bool,
    pub acl_denies_opening: bool,
    /// Whether a network ACL is known to let the opening pass.
    pub acl_allows_opening: bool,
    pub acl_denies_reply: bool,
    /// A rule that permits it was made for this service.
    pub specific: bool,
}

impl Decision {
    pub fn groups_permit(&self) -> bool {
        self.known && (!self.has_groups || !self.rules.is_empty())
    }

    pub fn permits(&self) -> bool {
        self.groups_permit() && !self.acl_denies_opening
    }
}

fn ported(protocol: u8) -> bool {
    protocol == 6 || protocol == 17
}

fn service_matches(protocol: Option<u8>, ports: Option<(u16, u16)>, asked: u8, port: u16) -> bool {
    match protocol {
        None => true,
        Some(p) if p != asked => false,
        Some(p) if ported(p) => ports.is_none_or(|(from, to)| from <= port && port <= to),
        Some(_) => true,
    }
}

/// `None` where it can't be known.
fn peer_matches(config: &Config, peer: &Peer, remote: IpAddr) -> Option<bool> {
    match peer {
        Peer::Cidr(net) => Some(net.contains(&remote)),
        Peer::List(id) => {
            let list = config.lists.iter().find(|l| l.id == *id)?;
            Some(list.entries.as_ref()?.iter().any(|net| net.contains(&remote)))
        }
        Peer::Group(id) => {
            // Private addresses of the interfaces in the group; a group that is not in the dump and not at
            // any interface has members elsewhere.
            let members: Vec<_> =
                config.interfaces.iter().filter(|i| i.listed && i.groups.contains(id)).collect();
            if members.is_empty() && !config.groups.iter().any(|g| g.id == *id) {
                return None;
            }
            if members.iter().any(|i| i.addresses.contains(&remote)) {
                return Some(true);
            }
            // An address of the VPCs belongs to some interface. Which groups that is in, only a dump that has it tells.
            let subnets = config.subnets.iter().flat_map(|s| &s.cidrs);
            let inside = config.networks.iter().chain(subnets).any(|net| net.contains(&remote));
            let told = config.interfaces.iter().any(|i| i.listed && i.addresses.contains(&remote));
            (!inside || told).then_some(false)
        }
    }
}

fn made_for_a_service(rule: &Rule) -> bool {
    match (rule.protocol, rule.ports) {
        (None, _) => false,
        (Some(6 | 17), None) => false,
        (Some(6 | 17), Some((from, to))) => i32::from(to) - i32::from(from) < 1024,
        (Some(_), _) => true,
    }
}

/// `None` where no network ACL is known.
fn acl_denies(
    config: &Config,
    interface: usize,
    egress: bool,
    remote: IpAddr,
    protocol: u8,
    port: u16,
) -> Option<bool> {
    let subnet = &config.subnets[config.interfaces[interface].subnet];
    let Some(entries) = &subnet.acl else { return None };
    if subnet.cidrs.iter().any(|net| net.contains(&remote)) {
        return Some(false);
    }
    let matching = |e: &&AclEntry| {
        e.egress == egress && e.cidr.contains(&remote) && service_matches(e.protocol, e.ports, protocol, port)
    };
    // What no entry allows is denied.
    Some(entries.iter().filter(matching).min_by_key(|e| e.number).is_none_or(|e| !e.allow))
}

pub fn decide(config: &Config, opening: Opening) -> Decision {
    let interface = &config.interfaces[opening.interface];
    if !interface.listed {
        return Decision::default();
    }
    let Opening { inbound, remote, protocol, .. } = opening;
    let (port, reply_port) = if inbound {
        (opening.local_port, opening.remote_port)
    } else {
        (opening.remote_port, opening.local_port)
    };
    let mut decision =
        Decision { known: true, has_groups: !interface.groups.is_empty(), ..Decision::default() };
    let mut maybe = false;
    for id in &interface.groups {
        let Some(group) = config.groups.iter().find(|g| g.id == *id) else {
            maybe = true;
            continue;
        };
        for rule in &group.rules {
            if rule.egress == inbound || !service_matches(rule.protocol, rule.ports, protocol, port) {
                continue;
            }
            match peer_matches(config, &rule.peer, remote) {
                Some(true) => {
                    decision.rules.insert(rule.id.clone());
                    decision.specific |= made_for_a_service(rule);
                }
                Some(false) => {}
                None => maybe = true,
            }
        }
    }
    decision.unresolved = maybe && decision.rules.is_empty();
    let denied = |egress, port| acl_denies(config, opening.interface, egress, remote, protocol, port);
    decision.acl_denies_opening = denied(!inbound, port) == Some(true);
    decision.acl_allows_opening = denied(!inbound, port) == Some(false);
    decision.acl_denies_reply = denied(inbound, reply_port) == Some(true);
    decision
}
