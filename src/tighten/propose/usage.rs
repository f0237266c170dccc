//! What a rule was used for, in the part of the time that is learned from.

use std::collections::BTreeSet;

use ipnet::IpNet;

use crate::flow::Protocol;
use crate::rollup::{ObservedPeer, ObservedUse};

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
    peers: Vec<ObservedPeer>,
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
            usage.peers.extend(peers.copied());
            usage.folded |= one.peers_folded || one.ports_folded;
        }
        usage
    }

    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// Who used these ports of a protocol; everybody where that is not told apart. A peer may be there several times.
    pub fn users(&self, protocol: Protocol, (low, high): (u16, u16)) -> Vec<ObservedPeer> {
        let uses = |service: Option<(Protocol, u16)>| {
            service.is_none_or(|(p, port)| p == protocol && (!p.has_ports() || (low <= port && port <= high)))
        };
        self.peers.iter().filter(|peer| uses(peer.service)).copied().collect()
    }

    /// How many peers, or blocks of them.
    pub fn distinct(&self) -> usize {
        distinct(&self.peers).len()
    }
}

/// The addresses, each once, in order.
pub(super) fn distinct(peers: &[ObservedPeer]) -> Vec<IpNet> {
    let mut nets: Vec<IpNet> = peers.iter().map(|peer| peer.net).collect();
    nets.sort_unstable();
    nets.dedup();
    nets
}
