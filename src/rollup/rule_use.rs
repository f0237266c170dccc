//! Observed use of rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;

use super::blocks::Blocks;
use super::bounds::Bounds;
use super::peers::Peers;
use super::ports::PortUse;
use super::use_times::UseTimes;
use crate::connection::Connection;

/// Observed use of one rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleUse {
    /// Accepted connections it permits, in its direction.
    pub connections: u64,
    /// Those that no other rule permits.
    pub sole_connections: u64,
    /// Those whose opener is weakly known, or whose decision rests on one of two disagreeing observations.
    pub weak_connections: u64,
    /// Accepted connections of unknown opener that it may have permitted. Not credited.
    pub undecided: u64,
    /// Accepted bytes, both directions.
    pub bytes: u64,
    /// First use, Unix seconds.
    pub first: Option<u32>,
    /// Last packet of a connection that used it.
    pub last: Option<u32>,
    /// Protocols of its connections: bit `n % 64` of word `n / 64` is protocol `n`.
    pub protocols: [u64; 4],
    /// When connections that used it were opened.
    pub times: UseTimes,
    /// Remote addresses. Exact up to 4,096 of them, and fewer where all rules together would keep more than 262,144.
    pub peers: Peers,
    /// The blocks that hold every remote address, exact at their prefix length.
    pub blocks: Blocks,
    /// Connections by service port. Exact unless all rules together would keep more than 262,144 ports.
    pub ports: PortUse,
}

impl RuleUse {
    fn credit(&mut self, connection: &Connection, sole: bool, weak: bool) {
        self.connections += 1;
        self.sole_connections += u64::from(sole);
        self.weak_connections += u64::from(weak);
        self.bytes += connection.bytes();
        self.first = Some(self.first.map_or(connection.first, |f| f.min(connection.first)));
        self.last = Some(self.last.map_or(connection.last, |l| l.max(connection.last)));
        self.protocols[usize::from(connection.protocol.0 / 64)] |= 1 << (connection.protocol.0 % 64);
        self.times.add(connection.first);
        self.blocks.add(connection.remote, 1);
    }
}

/// Observed use of every rule that was used, within budgets of addresses and ports.
///
/// Each rule may keep as many as a limit that all share. It is halved, from 4,096 addresses and 65,536 ports, until
/// what rules have (each counted up to the limit) fits: busy rules give way first. The limits follow from the data
/// alone, so that neither order nor merging matters.
#[derive(Clone, Debug)]
pub(crate) struct RuleTable {
    rules: HashMap<u32, RuleUse>,
    peers: Budget,
    ports: Budget,
}

/// A limit that many share.
#[derive(Clone, Copy, Debug)]
struct Budget {
    /// Most of one rule.
    limit: usize,
    /// Sum of what rules have, each up to the limit.
    used: usize,
    /// Most of all.
    total: usize,
}

impl RuleTable {
    pub fn within(bounds: &Bounds) -> Self {
        Self {
            rules: HashMap::new(),
            peers: Budget { limit: Peers::EXACT, used: 0, total: bounds.peers },
            ports: Budget { limit: PortUse::ALL, used: 0, total: bounds.ports },
        }
    }

    /// An accepted connection that rules permit.
    pub fn credit(&mut self, rules: &[u32], connection: &Connection, weak: bool) {
        let sole = rules.len() == 1;
        for &rule in rules {
            let usage = self.rules.entry(rule).or_default();
            usage.credit(connection, sole, weak);
            let before = usage.peers.cost(self.peers.limit);
            usage.peers.add(connection.remote, 1, self.peers.limit);
            self.peers.used += usage.peers.cost(self.peers.limit) - before;
            if connection.protocol.has_ports() {
                let before = usage.ports.cost(self.ports.limit);
                usage.ports.add(connection.service_port(), 1, self.ports.limit);
                self.ports.used += usage.ports.cost(self.ports.limit) - before;
            }
        }
        self.fit();
    }

    /// An accepted connection of unknown opener that a rule may have permitted.
    pub fn undecided(&mut self, rule: u32) {
        self.rules.entry(rule).or_default().undecided += 1;
    }

    pub fn merge(&mut self, other: Self) {
        self.peers.limit = self.peers.limit.min(other.peers.limit);
        self.ports.limit = self.ports.limit.min(other.ports.limit);
        self.enforce();
        for (rule, usage) in other.rules {
            let into = self.rules.entry(rule).or_default();
            let before = (into.peers.cost(self.peers.limit), into.ports.cost(self.ports.limit));
            into.connections += usage.connections;
            into.sole_connections += usage.sole_connections;
            into.weak_connections += usage.weak_connections;
            into.undecided += usage.undecided;
            into.bytes += usage.bytes;
            into.first = [into.first, usage.first].into_iter().flatten().min();
            into.last = into.last.max(usage.last);
            into.protocols.iter_mut().zip(usage.protocols).for_each(|(into, more)| *into |= more);
            into.times.merge(&usage.times);
            into.blocks.merge(&usage.blocks);
            into.peers.merge_within(&usage.peers, self.peers.limit);
            into.ports.merge_within(&usage.ports, self.ports.limit);
            self.peers.used += into.peers.cost(self.peers.limit) - before.0;
            self.ports.used += into.ports.cost(self.ports.limit) - before.1;
            self.fit();
        }
    }

    /// Lowers the limits until the budgets are kept.
    fn fit(&mut self) {
        while self.peers.used > self.peers.total && self.peers.limit > 1 {
            self.peers.limit /= 2;
            self.enforce();
        }
        while self.ports.used > self.ports.total && self.ports.limit > 1 {
            self.ports.limit /= 2;
            self.enforce();
        }
    }

    fn enforce(&mut self) {
        (self.peers.used, self.ports.used) = (0, 0);
        for usage in self.rules.values_mut() {
            self.peers.used += usage.peers.cost(self.peers.limit);
            self.ports.used += usage.ports.cost(self.ports.limit);
            usage.peers.limit(self.peers.limit);
            usage.ports.limit(self.ports.limit);
        }
    }

    /// By number. Shared, because facts about rules hold it, too.
    pub fn finish(self) -> BTreeMap<u32, Arc<RuleUse>> {
        self.rules.into_iter().map(|(rule, usage)| (rule, Arc::new(usage))).collect()
    }

    pub fn heap_bytes(&self) -> usize {
        let inner =
            |usage: &RuleUse| usage.peers.heap_bytes() + usage.ports.heap_bytes() + usage.blocks.heap_bytes();
        self.rules.allocation_size() + self.rules.values().map(inner).sum::<usize>()
    }
}
