//! The firewall and the capture: every packet passes the interfaces on its way one after the other, each
//! judges it (stateful groups, stateless ACL) and each logs its own view of it.
//!
//! Nothing is seen at the destination if the source's interface rejected the packet. A packet rejected at the
//! destination was accepted at the source, which sees no reply. The truth about connections is
//! written down here, at the packet that opens them, and nowhere else.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::config::Account;
use super::policy::{self, Opening, View};
use super::rng;

/// One end of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// An interface and the address of it that is used.
    Eni(usize, IpAddr),
    /// An address outside the logged VPC, or one inside it that nobody has.
    Net(IpAddr),
}

impl Host {
    pub fn ip(self) -> IpAddr {
        match self {
            Self::Eni(_, ip) | Self::Net(ip) => ip,
        }
    }
}

/// Who talks to whom.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    pub proto: u8,
    pub client: Host,
    pub sport: u16,
    pub server: Host,
    pub dport: u16,
    /// Source port at the NAT gateway if the way leads through it.
    pub nat_port: Option<u16>,
}

/// Packets sent at one time in one direction.
#[derive(Clone, Copy, Debug)]
pub struct Pk {
    pub packets: u32,
    pub bytes: u64,
    pub flags: u8,
}

pub const FIN: u8 = 1;
pub const SYN: u8 = 2;
pub const RST: u8 = 4;
pub const SYN_ACK: u8 = 18;

/// A connection as one interface sees it, with everything that is true about it.
#[derive(Clone, Debug)]
pub struct Conn {
    pub eni: usize,
    pub outbound: bool,
    pub proto: u8,
    /// Local address in the packets.
    pub local: IpAddr,
    pub local_port: u16,
    pub remote: IpAddr,
    pub remote_port: u16,
    /// First packet, milliseconds, also when before the window.
    pub opened_at: i64,
    pub accepted: bool,
    pub cause: Option<&'static str>,
    /// Cause of the rejection of replies to an accepted opening.
    pub blocked: Option<&'static str>,
    pub rules: Vec<String>,
    pub possible_rules: Vec<String>,
    pub permitted: bool,
    /// The observations on both sides of `opened_at` disagree.
    pub between_snapshots: bool,
}

/// A packet that came after its connection was closed.
#[derive(Clone, Copy, Debug)]
pub struct Late {
    pub conn: usize,
    pub egress: bool,
    pub at: i64,
    pub flags: u8,
}

/// What a record belongs to: a record never mixes two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    Conn(usize),
    Late(usize),
}

/// Key of aggregation: interface, interval, direction, 5-tuple, action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub eni: usize,
    pub interval: i64,
    pub egress: bool,
    pub proto: u8,
    pub local: IpAddr,
    pub local_port: u16,
    pub remote: IpAddr,
    pub remote_port: u16,
    pub reject: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Counted {
    /// First and last packet, milliseconds.
    pub first: i64,
    pub last: i64,
    pub packets: u64,
    pub bytes: u64,
    pub flags: u8,
    pub owner: Owner,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Tuple {
    eni: usize,
    proto: u8,
    local: IpAddr,
    local_port: u16,
    remote: IpAddr,
    remote_port: u16,
}

#[derive(Clone, Copy, Debug)]
struct Track {
    conn: usize,
    last: i64,
    replies: u32,
    closed: bool,
}

/// The state of the network.
pub struct Sim<'a> {
    pub account: &'a Account,
    /// Logged time, milliseconds, end excluded.
    pub window: (i64, i64),
    /// Largest aggregation interval, seconds.
    interval: i64,
    /// Times of observations, milliseconds; the configuration of the last one holds on. Empty: never changes.
    observations: Vec<i64>,
    nat: usize,
    tracks: BTreeMap<Tuple, Track>,
    pub conns: Vec<Conn>,
    pub lates: Vec<Late>,
    pub records: BTreeMap<Key, Counted>,
    /// Logged 5-tuples in use, as the poorest format shows them: they must stay unique.
    used: BTreeSet<Tuple>,
    ports: BTreeSet<(u8, IpAddr, u16, IpAddr, u16)>,
    next_port: BTreeMap<IpAddr, u32>,
}

impl<'a> Sim<'a> {
    pub fn new(account: &'a Account, window: (i64, i64), interval: i64, observations: Vec<i64>) -> Self {
        Self {
            account,
            window,
            interval,
            observations,
            nat: account.eni("nat"),
            tracks: BTreeMap::new(),
            conns: Vec::new(),
            lates: Vec::new(),
            records: BTreeMap::new(),
            used: BTreeSet::new(),
            ports: BTreeSet::new(),
            next_port: BTreeMap::new(),
        }
    }

    /// The aggregation interval of an interface in milliseconds: never above 60 s on Nitro.
    pub fn interval_of(&self, eni: usize) -> i64 {
        if self.account.enis[eni].nitro { self.interval.min(60) * 1000 } else { self.interval * 1000 }
    }

    /// Start of an aggregation interval. Interfaces are not in step with each other.
    pub fn interval_start(&self, eni: usize, index: i64) -> i64 {
        let length = self.interval_of(eni);
        let phase = (rng::hash(&self.account.enis[eni].id) % (length / 1000) as u64) as i64 * 1000;
        self.window.0 + phase + index * length
    }

    pub fn interval_index(&self, eni: usize, at: i64) -> i64 {
        (at - self.interval_start(eni, 0)).div_euclid(self.interval_of(eni))
    }

    /// A conversation with an ephemeral source port that no other has towards this server. `ports` is the ephemeral
    /// range of the client.
    pub fn flow(&mut self, proto: u8, client: Host, server: Host, dport: u16, ports: (u16, u16)) -> Flow {
        let peer = self.seen_peer(client, server);
        let (lo, hi) = (u32::from(ports.0), u32::from(ports.1));
        let ip = self.seen_client(client);
        let mut next = *self.next_port.get(&ip).unwrap_or(&(rng::hash(&ip.to_string()) as u32));
        let sport = (0..=hi - lo)
            .map(|_| {
                next = next.wrapping_add(1);
                (lo + next % (hi - lo + 1)) as u16
            })
            .find(|&port| !self.ports.contains(&(proto, ip, port, peer, dport)))
            .unwrap_or_else(|| panic!("{ip} has no free port towards {peer}"));
        self.next_port.insert(ip, next);
        self.flow_from(proto, client, sport, server, dport)
    }

    /// A conversation with a source port of our choice.
    pub fn flow_from(&mut self, proto: u8, client: Host, sport: u16, server: Host, dport: u16) -> Flow {
        let peer = self.seen_peer(client, server);
        self.ports.insert((proto, self.seen_client(client), sport, peer, dport));
        let mut flow = Flow { proto, client, sport, server, dport, nat_port: None };
        if self.through_nat(client, server) {
            let nat = self.account.enis[self.nat].primary();
            let mut next = *self.next_port.get(&nat).unwrap_or(&0);
            let port = loop {
                let port = 1024 + (next % 64_512) as u16;
                next += 1;
                if self.ports.insert((proto, nat, port, server.ip(), dport)) {
                    break port;
                }
            };
            self.next_port.insert(nat, next);
            flow.nat_port = Some(port);
        }
        flow
    }

    fn seen_client(&self, client: Host) -> IpAddr {
        match client {
            Host::Eni(eni, ip) => self.shown_local(eni, ip),
            Host::Net(ip) => ip,
        }
    }

    /// The peer as the poorest record shows it: the primary address of an interface, the NAT gateway for all
    /// that is behind it.
    fn seen_peer(&self, client: Host, server: Host) -> IpAddr {
        match server {
            Host::Eni(eni, IpAddr::V4(_)) => self.account.enis[eni].primary(),
            _ if self.through_nat(client, server) => self.account.enis[self.nat].primary(),
            _ => server.ip(),
        }
    }

    fn through_nat(&self, client: Host, server: Host) -> bool {
        let (Host::Eni(eni, IpAddr::V4(_)), Host::Net(ip)) = (client, server) else { return false };
        let account = self.account;
        !account.subnets[account.enis[eni].subnet].public
            && !account.vpcs.iter().any(|vpc| vpc.cidr.contains(ip))
            && !account.endpoint_blocks.iter().any(|block| block.contains(ip))
    }

    /// Sends packets of a conversation; true if they arrive.
    pub fn send(&mut self, flow: &Flow, up: bool, at: i64, pk: Pk) -> bool {
        let client = (flow.client.ip(), flow.sport);
        let server = (flow.server.ip(), flow.dport);
        // Every hop: interface, egress?, the local and the remote end as the packet shows them there.
        let mut hops = Vec::with_capacity(4);
        if let Host::Eni(eni, _) = flow.client {
            hops.push((eni, up, client, server));
        }
        if let Some(port) = flow.nat_port {
            let outside = (self.account.enis[self.nat].primary(), port);
            hops.push((self.nat, !up, server, client));
            hops.push((self.nat, up, outside, server));
        }
        if let Host::Eni(eni, _) = flow.server {
            hops.push((eni, !up, server, client));
        }
        if !up {
            hops.reverse();
        }
        hops.into_iter()
            .all(|(eni, egress, local, remote)| self.hop(eni, egress, flow.proto, local, remote, at, pk))
    }

    /// The connection is over at every interface on the way.
    pub fn close(&mut self, flow: &Flow) {
        let client = (flow.client.ip(), flow.sport);
        let server = (flow.server.ip(), flow.dport);
        let mut ends = Vec::new();
        if let Host::Eni(eni, _) = flow.client {
            ends.push((eni, client, server));
        }
        if let Host::Eni(eni, _) = flow.server {
            ends.push((eni, server, client));
        }
        for (eni, local, remote) in ends {
            let tuple = tuple(eni, flow.proto, local, remote);
            if let Some(track) = self.tracks.get_mut(&tuple) {
                track.closed = true;
            }
        }
    }

    /// Lets the rest of the world reuse the conversation's ports: only for planned reuse.
    pub fn reuse(&mut self, flow: &Flow) {
        for host in [flow.client, flow.server] {
            if let Host::Eni(eni, _) = host {
                self.used.retain(|t| {
                    t.eni != eni
                        || (t.local_port, t.remote_port) != (flow.sport, flow.dport)
                            && (t.local_port, t.remote_port) != (flow.dport, flow.sport)
                });
            }
        }
    }

    #[allow(clippy::too_many_arguments, reason = "one packet at one interface has that many sides")]
    fn hop(
        &mut self,
        eni: usize,
        egress: bool,
        proto: u8,
        local: (IpAddr, u16),
        remote: (IpAddr, u16),
        at: i64,
        pk: Pk,
    ) -> bool {
        let account = self.account;
        if !account.logged(eni) {
            // The peered VPC: out of sight, and everything is let through.
            return true;
        }
        assert!(account.enis[eni].since <= at, "{} does not exist yet", account.enis[eni].name);
        let tuple = tuple(eni, proto, local, remote);
        let port = if egress { remote.1 } else { local.1 };
        let acl_ok = policy::acl_allows(account, eni, egress, proto, remote.0, port);
        let tracked = self.tracks.get(&tuple).copied();
        if let Some(track) = tracked {
            let conn = &self.conns[track.conn];
            let reply = conn.outbound != egress;
            if track.closed && pk.flags != SYN {
                self.lates.push(Late { conn: track.conn, egress, at, flags: pk.flags });
                self.record(tuple, egress, true, at, pk, Owner::Late(self.lates.len() - 1));
                return false;
            }
            if !track.closed && conn.accepted {
                self.check_alive(&track, eni, proto, at);
                if !acl_ok {
                    assert!(reply, "an ACL entry changed under an open connection");
                    self.conns[track.conn].blocked = Some(acl_cause(egress));
                }
                if let Some(track) = self.tracks.get_mut(&tuple) {
                    track.last = at;
                    track.replies += u32::from(reply && acl_ok);
                }
                self.record(tuple, egress, !acl_ok, at, pk, Owner::Conn(track.conn));
                return acl_ok;
            }
        }
        // An opening packet: groups are asked, and for the first time of a connection the truth is written down.
        let opening =
            Opening { egress, proto, remote: remote.0, port, icmp: (proto == 1).then_some((8, 0)), at };
        let no_groups = account.enis[eni].groups.is_empty();
        let group_ok = no_groups || !policy::permitting(account, eni, &opening, View::Firewall).is_empty();
        let accepted = group_ok && acl_ok;
        let conn = match tracked {
            Some(track) if !track.closed && !accepted => {
                assert_eq!(self.conns[track.conn].outbound, egress, "rejected both ways: {tuple:?}");
                track.conn
            }
            _ => self.open(&opening, tuple, accepted, group_ok, acl_ok),
        };
        self.tracks.insert(tuple, Track { conn, last: at, replies: 0, closed: false });
        self.record(tuple, egress, !accepted, at, pk, Owner::Conn(conn));
        accepted
    }

    fn open(
        &mut self,
        opening: &Opening,
        tuple: Tuple,
        accepted: bool,
        group_ok: bool,
        acl_ok: bool,
    ) -> usize {
        let account = self.account;
        assert!(
            opening.proto != 6
                || self.tracks.get(&tuple).is_none_or(|t| t.closed || !self.conns[t.conn].accepted),
            "TCP opened twice"
        );
        assert!(
            !policy::depends_on_v6_reference(account, tuple.eni, opening),
            "the truth would depend on what AWS does not document: {tuple:?}"
        );
        let shown = Tuple { local: self.shown_local(tuple.eni, tuple.local), ..tuple };
        assert!(self.used.insert(shown), "simulator bug: 5-tuple used twice: {shown:?}");
        let rules = policy::permitting(account, tuple.eni, opening, View::Dumped);
        let possible_rules = policy::possibly_permitting(account, tuple.eni, opening);
        let no_groups = account.enis[tuple.eni].groups.is_empty();
        let permitted = acl_ok && (no_groups || !rules.is_empty());
        let cause = match (group_ok, acl_ok) {
            (true, true) => None,
            (false, true) => Some("security-group"),
            (true, false) => Some(acl_cause(opening.egress)),
            (false, false) => Some("both"),
        };
        let between_snapshots = self.observed_differently(tuple.eni, opening);
        self.conns.push(Conn {
            eni: tuple.eni,
            outbound: opening.egress,
            proto: tuple.proto,
            local: tuple.local,
            local_port: tuple.local_port,
            remote: tuple.remote,
            remote_port: tuple.remote_port,
            opened_at: opening.at,
            accepted,
            cause,
            blocked: None,
            rules,
            possible_rules,
            permitted,
            between_snapshots,
        });
        self.conns.len() - 1
    }

    /// Whether the observations before and after a packet say different things about it.
    fn observed_differently(&self, eni: usize, opening: &Opening) -> bool {
        let before = self.observations.iter().rev().find(|&&t| t <= opening.at);
        let after = self.observations.iter().find(|&&t| t > opening.at);
        let seen = |at: &i64| {
            let known = self.account.enis[eni].since <= *at;
            (known, policy::permitting(self.account, eni, &Opening { at: *at, ..*opening }, View::Dumped))
        };
        match (before.or(after), after.or(before)) {
            (Some(before), Some(after)) => seen(before) != seen(after),
            _ => false,
        }
    }

    /// Gaps must stay so far below the idle timeouts that nobody can take one connection for two.
    fn check_alive(&self, track: &Track, eni: usize, proto: u8, at: i64) {
        let limit = match proto {
            6 => self.account.enis[eni].tcp_timeout.unwrap_or(350),
            17 if track.replies >= 2 => 180,
            17 => 30,
            1 | 58 => 30,
            _ => 600,
        };
        let gap = at - track.last;
        assert!(
            gap <= i64::from(limit) * 850,
            "{}: idle for {gap} ms, proto {proto}, timeout {limit} s",
            self.account.enis[eni].name
        );
    }

    /// The local address that goes into srcaddr or dstaddr: the primary private IPv4 whatever the packet says.
    pub fn shown_local(&self, eni: usize, local: IpAddr) -> IpAddr {
        if local.is_ipv4() { self.account.enis[eni].primary() } else { local }
    }

    fn record(&mut self, tuple: Tuple, egress: bool, reject: bool, at: i64, pk: Pk, owner: Owner) {
        if at < self.window.0 || at >= self.window.1 {
            return;
        }
        let key = Key {
            eni: tuple.eni,
            interval: self.interval_index(tuple.eni, at),
            egress,
            proto: tuple.proto,
            local: tuple.local,
            local_port: tuple.local_port,
            remote: tuple.remote,
            remote_port: tuple.remote_port,
            reject,
        };
        let entry = self.records.entry(key).or_insert(Counted {
            first: at,
            last: at,
            packets: 0,
            bytes: 0,
            flags: 0,
            owner,
        });
        match (entry.owner, owner) {
            // Several late packets of one connection in one interval.
            (Owner::Late(a), Owner::Late(b)) => assert_eq!(self.lates[a].conn, self.lates[b].conn),
            (a, b) => assert_eq!(a, b, "simulator bug: one record of two connections"),
        }
        entry.first = entry.first.min(at);
        entry.last = entry.last.max(at);
        entry.packets += u64::from(pk.packets);
        entry.bytes += pk.bytes;
        entry.flags |= pk.flags;
    }
}

fn tuple(eni: usize, proto: u8, local: (IpAddr, u16), remote: (IpAddr, u16)) -> Tuple {
    Tuple { eni, proto, local: local.0, local_port: local.1, remote: remote.0, remote_port: remote.1 }
}

fn acl_cause(egress: bool) -> &'static str {
    if egress { "network-acl-out" } else { "network-acl-in" }
}
