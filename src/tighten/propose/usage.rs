//! What a rule was used for, in the part of the time that is learned from.

use std::collections::BTreeSet;

use ipnet::IpNet;

use crate::flow::Protocol;
use crate::rollup::ObservedUse;

/// The time that a plan is learned from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    All,
    /// What came before this second, Unix time.
    Before(u32),
}

impl Part {
    fn has(self, first: u32) -> bool {
        match self {
            Self::All => true,
            Self::Before(end) => first < end,
        }
    }
}

/// Services and peers of a rule.
#[derive(Clone, Debug, Default)]
pub(super) struct Usage {
    /// Protocol and ports, sorted.
    pub services: BTreeSet<(Protocol, (u16, u16))>,
    /// Address or block, the service where it is told apart, first seen.
    peers: Vec<(IpNet, Option<(Protocol, u16)>, u32)>,
    pub connections: u64,
    /// Ports or addresses were folded.
    pub folded: bool,
}

impl Usage {
    /// Of a rule, and of those that it will stand in for.
    pub fn of<'a>(observed: impl IntoIterator<Item = &'a ObservedUse>, part: Part) -> Self {
        let mut usage = Self::default();
        for one in observed {
            let services = one.services.iter().filter(|s| part.has(s.first));
            for service in services {
                usage.services.insert((service.protocol, service.ports));
                usage.connections += u64::from(service.connections);
            }
            let peers = one.peers.iter().filter(|p| part.has(p.first));
            usage.peers.extend(peers.map(|p| (p.net, p.service, p.first)));
            usage.folded |= one.peers_folded || one.ports_folded;
        }
        usage
    }

    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// Who used these ports of a protocol; everybody where that is not told apart.
    pub fn peers(&self, protocol: Protocol, (low, high): (u16, u16)) -> Vec<IpNet> {
        let uses = |service: Option<(Protocol, u16)>| {
            service.is_none_or(|(p, port)| p == protocol && (!p.has_ports() || (low <= port && port <= high)))
        };
        let mut peers: Vec<IpNet> =
            self.peers.iter().filter(|(_, service, _)| uses(*service)).map(|(net, ..)| *net).collect();
        peers.sort_unstable();
        peers.dedup();
        peers
    }

    /// Every peer, once, with when it was first seen.
    pub fn everybody(&self) -> Vec<(IpNet, u32)> {
        let mut all: Vec<(IpNet, u32)> = self.peers.iter().map(|(net, _, first)| (*net, *first)).collect();
        all.sort_unstable();
        all.dedup_by_key(|(net, _)| *net);
        all
    }
}
