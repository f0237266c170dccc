//! The regular traffic of the account.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::account::BASE_HOSTS;
use super::config::Account;
use super::net::ip;
use super::rng::Rng;
use super::sim::{FIN, Flow, Host, RST, Sim};
use super::talk::{
    End, LINUX_TRIES, ONE_TRY, Outcome, Reply, TWO_TRIES, Tcp, Turn, exchange, long_turns, paced,
    short_turns, tcp,
};

/// Ephemeral ranges (domain: Linux, and NAT gateway, load balancer and Lambda).
pub const LINUX: (u16, u16) = (32_768, 60_999);
pub const WIDE: (u16, u16) = (1024, 65_535);

pub const SECOND: i64 = 1000;
const HOUR: i64 = 3_600_000;

/// What the traffic is made of.
pub struct Traffic<'s, 'a> {
    pub sim: &'s mut Sim<'a>,
    pub rng: Rng,
    pub scale: f64,
    /// Logged time, milliseconds.
    pub from: i64,
    pub until: i64,
    /// Times of the changes in a world with snapshots.
    pub changes: Option<(i64, i64)>,
    clients: Vec<IpAddr>,
    clients6: Vec<IpAddr>,
}

impl<'s, 'a> Traffic<'s, 'a> {
    pub fn new(sim: &'s mut Sim<'a>, seed: u64, scale: f64, changes: Option<(i64, i64)>) -> Self {
        let mut rng = Rng::new(seed, "traffic");
        let mut clients: Vec<IpAddr> = (0..240).map(|_| internet(&mut rng, &CLIENT_NETS)).collect();
        clients.extend((0..8).map(|n| IpAddr::V4(Ipv4Addr::new(203, 0, 113, 10 + 7 * n))));
        let clients6 = (0..30)
            .map(|_| {
                let rest = u128::from(rng.next()) | u128::from(rng.next() & 0xff_ffff) << 64;
                IpAddr::V6(Ipv6Addr::from((0x2a02_8108_u128 << 96) | rest))
            })
            .collect();
        let (from, until) = sim.window;
        Self { sim, rng, scale, from, until, changes, clients, clients6 }
    }

    pub fn account(&self) -> &'a Account {
        self.sim.account
    }

    pub fn host(&self, name: &str) -> Host {
        let eni = self.account().eni(name);
        Host::Eni(eni, self.account().enis[eni].primary())
    }

    pub fn host6(&self, name: &str) -> Host {
        let eni = self.account().eni(name);
        Host::Eni(eni, self.account().enis[eni].v6())
    }

    /// Random times at a mean rate, from a little before the window on, so that some connections are already open
    /// when it begins.
    pub fn arrivals(&mut self, per_hour: f64) -> Vec<i64> {
        let mean = HOUR as f64 / (per_hour * self.scale);
        let mut at = (self.from - 300 * SECOND) as f64;
        let mut times = Vec::new();
        loop {
            at += self.rng.wait(mean);
            if at >= self.until as f64 {
                return times;
            }
            times.push(at as i64);
        }
    }

    /// A TCP connection of a few seconds that must work.
    pub fn short(&mut self, client: Host, server: Host, port: u16, range: (u16, u16), start: i64) {
        let flow = self.sim.flow(6, client, server, port, range);
        self.play_short(flow, start);
    }

    pub fn play_short(&mut self, flow: Flow, start: i64) {
        let turns = short_turns(&mut self.rng, 5);
        let end = match self.rng.range(0, 19) {
            0 => End::ClientRst,
            1 => End::ServerRst,
            2..=6 => End::ServerFin,
            _ => End::ClientFin,
        };
        // A packet out of time: only where no NAT gateway lies between, which would swallow it.
        let late: Vec<(i64, bool, u8)> = if flow.nat_port.is_none() && self.rng.chance(0.03) {
            let delay = self.rng.range(500, 40 * SECOND);
            let flags = self.rng.pick(&[0, FIN, RST]);
            vec![(delay, self.rng.chance(0.5), flags)]
        } else {
            Vec::new()
        };
        self.must(Tcp { flow, start, reply: Reply::Accept, tries: ONE_TRY, turns: &turns, end, late: &late });
    }

    /// A TCP connection over many intervals; `None` as end time keeps it open.
    pub fn long(
        &mut self,
        client: Host,
        server: Host,
        port: u16,
        start: i64,
        end: Option<i64>,
        pace: (i64, i64),
    ) {
        let flow = self.sim.flow(6, client, server, port, LINUX);
        let turns = long_turns(&mut self.rng, end.unwrap_or(self.until) - start, pace.0, pace.1);
        let end =
            end.map_or(End::Never, |_| self.rng.pick(&[End::ClientFin, End::ServerFin, End::ClientRst]));
        self.must(Tcp { flow, start, reply: Reply::Accept, tries: ONE_TRY, turns: &turns, end, late: &[] });
    }

    fn must(&mut self, talk: Tcp<'_>) {
        let outcome = tcp(self.sim, &talk);
        assert_eq!(outcome, Outcome::Established, "regular traffic is blocked: {:?}", talk.flow);
    }

    /// SYNs that get no connection, whatever the reason.
    pub fn vain(&mut self, flow: Flow, start: i64, reply: Reply, tries: &[i64]) {
        let outcome =
            tcp(self.sim, &Tcp { flow, start, reply, tries, turns: &[], end: End::Never, late: &[] });
        assert_ne!(outcome, Outcome::Established, "{flow:?} should not have worked");
    }

    /// Everything regular.
    pub fn run(&mut self) {
        self.internet_to_alb();
        self.between_tiers();
        self.pools();
        self.idle_connections();
        self.peered_vpc();
        self.administration();
        self.monitoring();
        self.name_and_time();
        self.outbound();
        self.tunnels();
        self.broken_by_acl();
        self.background();
        self.changed();
    }

    fn internet_to_alb(&mut self) {
        for (rate, port, v6) in [(700.0, 443, false), (90.0, 443, true), (110.0, 80, false), (10.0, 80, true)]
        {
            for at in self.arrivals(rate) {
                let name = self.rng.pick(&["alb-1", "alb-2"]);
                let (client, server) = if v6 {
                    (self.rng.pick(&self.clients6.clone()), self.host6(name))
                } else {
                    (self.rng.pick(&self.clients.clone()), self.host(name))
                };
                let client = Host::Net(client);
                match self.rng.range(0, 19) {
                    // Kept alive over several intervals.
                    0 | 1 => {
                        let lasts = self.rng.range(90, 900) * SECOND;
                        self.long(client, server, port, at, Some(at + lasts), (2 * SECOND, 50 * SECOND));
                    }
                    // Half a handshake, as scanners do it: SYN, SYN-ACK, RST.
                    2 => {
                        let flow = self.sim.flow(6, client, server, port, WIDE);
                        let talk = Tcp {
                            flow,
                            start: at,
                            reply: Reply::Accept,
                            tries: ONE_TRY,
                            turns: &[],
                            end: End::ClientRst,
                            late: &[],
                        };
                        self.must(talk);
                    }
                    _ => self.short(client, server, port, WIDE, at),
                }
            }
        }
    }

    fn between_tiers(&mut self) {
        let albs = ["alb-1", "alb-2"];
        let webs = ["web-1", "web-2", "web-3"];
        let apps = ["app-1", "app-2", "app-3"];
        for at in self.arrivals(420.0) {
            let (a, w) = (self.rng.pick(&albs), self.rng.pick(&webs));
            self.short(self.host(a), self.host(w), 8080, WIDE, at);
        }
        for at in self.arrivals(420.0) {
            let (w, a) = (self.rng.pick(&webs), self.rng.pick(&apps));
            let mut server = self.host(a);
            // The secondary address of app-1: in the record only with pkt-dstaddr.
            if a == "app-1" && self.rng.chance(0.4) {
                server = Host::Eni(self.account().eni(a), ip("10.20.10.131"));
            }
            self.short(self.host(w), server, 51_080, LINUX, at);
        }
        for at in self.arrivals(30.0) {
            let (w, a) = (self.rng.pick(&webs), self.rng.pick(&apps));
            self.short(self.host6(w), self.host6(a), 51_443, LINUX, at);
        }
        for (rate, server, port) in [(50.0, "db-1", 5432), (30.0, "db-2", 3306), (30.0, "cache", 6379)] {
            for at in self.arrivals(rate) {
                let name = self.rng.pick(&apps);
                let mut client = self.host(name);
                if name == "app-1" && self.rng.chance(0.2) {
                    client = Host::Eni(self.account().eni(name), ip("10.20.10.131"));
                }
                self.short(client, self.host(server), port, LINUX, at);
            }
        }
        for at in self.arrivals(50.0) {
            self.short(self.host("lambda"), self.host("db-1"), 5432, WIDE, at);
        }
        // NFS mounts: clients on privileged source ports.
        for at in self.arrivals(12.0) {
            self.short(self.host("app-2"), self.host("db-1"), 2049, (700, 1023), at);
        }
        // The self-referencing group.
        for at in self.arrivals(24.0) {
            let from = self.rng.index(3);
            let to = (from + 1 + self.rng.index(2)) % 3;
            self.short(self.host(apps[from]), self.host(apps[to]), 7946, LINUX, at);
        }
        for (from, to, start) in [("app-1", "app-2", -600), ("app-2", "app-3", 437)] {
            let flow = self.sim.flow_from(17, self.host(from), 7946, self.host(to), 7946);
            let turns = paced(self.from + start * SECOND, self.until, 12_345, (2, 240), (1, 120));
            exchange(self.sim, &flow, &turns);
        }
        // A service that restarts: nobody listens for a moment.
        for at in self.arrivals(5.0) {
            let flow = self.sim.flow(6, self.host("web-2"), self.host("app-3"), 51_080, LINUX);
            self.vain(flow, at, Reply::Refuse, ONE_TRY);
        }
    }

    /// Connections that outlive the window at its beginning, at its end, or both.
    fn pools(&mut self) {
        let pools = [
            ("web-1", "app-1", 51_080),
            ("web-2", "app-2", 51_080),
            ("web-3", "app-3", 51_080),
            ("app-1", "db-1", 5432),
            ("app-2", "db-1", 5432),
            ("app-3", "db-1", 5432),
            ("app-1", "db-2", 3306),
            ("app-2", "db-2", 3306),
            ("app-1", "cache", 6379),
            ("app-3", "cache", 6379),
        ];
        for (client, server, port) in pools {
            let (client, server) = (self.host(client), self.host(server));
            let mut start = self.from - self.rng.range(60, 3600) * SECOND;
            loop {
                let end = start + self.rng.range(40 * 60, 4 * 3600) * SECOND;
                let closes = (end < self.until).then_some(end);
                if end > self.from {
                    self.long(client, server, port, start, closes, (3 * SECOND, 33 * SECOND));
                }
                start = end + self.rng.range(1, 20) * SECOND;
                if closes.is_none() {
                    break;
                }
            }
        }
    }

    /// Alive, but hardly a packet: keepalives just inside the shortest default timeout, and one connection that
    /// relies on the timeout configured at its interfaces.
    fn idle_connections(&mut self) {
        let (web, app) = (self.host("web-1"), self.host("app-2"));
        self.long(web, app, 51_080, self.from - 1000 * SECOND, None, (240 * SECOND, 240 * SECOND));
        let (app, db) = (self.host("app-1"), self.host("db-1"));
        if self.until - self.from >= 2 * HOUR {
            let flow = self.sim.flow(6, app, db, 5432, LINUX);
            let mut turns = long_turns(&mut self.rng, 300 * SECOND, 5 * SECOND, 20 * SECOND);
            let pause = turns.last().map_or(0, |t| t.at) + 2400 * SECOND;
            turns.extend(
                long_turns(&mut self.rng, 200 * SECOND, SECOND, 9 * SECOND)
                    .into_iter()
                    .map(|t| Turn { at: t.at + pause, ..t }),
            );
            let start = self.from + 420 * SECOND;
            let end = End::ClientFin;
            self.must(Tcp {
                flow,
                start,
                reply: Reply::Accept,
                tries: ONE_TRY,
                turns: &turns,
                end,
                late: &[],
            });
        }
    }

    fn peered_vpc(&mut self) {
        let apps = ["app-1", "app-2", "app-3"];
        for at in self.arrivals(50.0) {
            let app = self.rng.pick(&apps);
            self.short(self.host("peer-client-1"), self.host(app), 51_080, LINUX, at);
        }
        // Source ports that look like services.
        for (n, sport) in [443, 53, 80, 22, 123, 500, 8080].into_iter().enumerate() {
            let server = self.host(apps[n % 3]);
            let flow = self.sim.flow_from(6, self.host("peer-client-1"), sport, server, 51_080);
            let at = self.rng.range(self.from, self.until - 60 * SECOND);
            self.play_short(flow, at);
        }
        for at in self.arrivals(20.0) {
            let port = self.rng.pick(&[9090, 9093]);
            self.short(self.host("peer-client-2"), self.host("monitoring"), port, LINUX, at);
        }
        // Let in, and nobody answers.
        for at in self.arrivals(4.0) {
            let flow = self.sim.flow(6, self.host("peer-client-2"), self.host("monitoring"), 9093, LINUX);
            self.vain(flow, at, Reply::Silent, LINUX_TRIES);
        }
    }

    fn administration(&mut self) {
        let offices: Vec<IpAddr> = (1..12)
            .map(|n| if n < 8 { Ipv4Addr::new(192, 0, 2, n) } else { Ipv4Addr::new(198, 51, 100, 10 + n) })
            .map(IpAddr::V4)
            .collect();
        for at in self.arrivals(4.0) {
            let office = Host::Net(self.rng.pick(&offices));
            let lasts = self.rng.range(300, 3000) * SECOND;
            let closes = (at + lasts < self.until).then_some(at + lasts);
            let pace =
                if self.rng.chance(0.5) { (SECOND, 30 * SECOND) } else { (100 * SECOND, 240 * SECOND) };
            self.long(office, self.host("bastion"), 22, at, closes, pace);
            let target = self.rng.pick(&["web-1", "web-3", "app-1", "app-3", "db-1", "cache", "dns"]);
            let (bastion, target) = (self.host("bastion"), self.host(target));
            self.long(
                bastion,
                target,
                22,
                at + 20 * SECOND,
                closes.map(|t| t - 10 * SECOND),
                (SECOND, 40 * SECOND),
            );
        }
        for at in self.arrivals(6.0) {
            let office = Host::Net(self.rng.pick(&offices));
            self.short(office, self.host("bastion"), 22, WIDE, at);
        }
    }

    fn monitoring(&mut self) {
        let monitoring = self.host("monitoring");
        let mut hosts: Vec<(&str, i64)> =
            BASE_HOSTS.iter().map(|&name| (name, self.from - 900 * SECOND)).collect();
        if let Some((_, added)) = self.changes {
            hosts.push(("app-4", added + 60 * SECOND));
        }
        for (n, (name, start)) in hosts.into_iter().enumerate() {
            let host = self.host(name);
            let blocked = name == "legacy";
            let pace = ((120.0 / self.scale) as i64 * SECOND).clamp(20 * SECOND, 600 * SECOND);
            let mut at = start + n as i64 * 1700;
            while at < self.until {
                let at_now = at + self.rng.range(0, 900);
                at += pace;
                let flow = self.sim.flow(6, monitoring, host, 9100, LINUX);
                if blocked {
                    self.vain(flow, at_now, Reply::Accept, TWO_TRIES);
                } else {
                    self.play_short(flow, at_now);
                }
            }
            let echo =
                Flow { proto: 1, client: monitoring, sport: 0, server: host, dport: 0, nat_port: None };
            exchange(
                self.sim,
                &echo,
                &paced(start + 311 + n as i64 * 37, self.until, 15_000, (1, 84), (1, 84)),
            );
            let syslog = self.sim.flow(17, host, monitoring, 514, LINUX);
            let mut turns = Vec::new();
            let mut at = start + 5000;
            while at < self.until {
                turns.push(Turn { at, up: (1, self.rng.range(120, 600) as u64), down: (0, 0) });
                at += self.rng.range(3 * SECOND, 11 * SECOND);
            }
            exchange(self.sim, &syslog, &turns);
        }
    }

    fn name_and_time(&mut self) {
        let dns = self.host("dns");
        let askers = ["web-1", "web-2", "web-3", "app-1", "app-2", "app-3"];
        for at in self.arrivals(260.0) {
            let asker = self.rng.pick(&askers);
            let flow = self.sim.flow(17, self.host(asker), dns, 53, LINUX);
            let answer = self.rng.range(80, 500) as u64;
            exchange(self.sim, &flow, &[Turn { at, up: (1, 68), down: (1, answer) }]);
        }
        for at in self.arrivals(10.0) {
            let asker = self.rng.pick(&askers);
            self.short(self.host(asker), dns, 53, LINUX, at);
        }
        // The server asks its upstream from port 53, through the NAT gateway.
        let flow = self.sim.flow_from(17, dns, 53, Host::Net(ip("9.9.9.9")), 53);
        exchange(self.sim, &flow, &paced(self.from - 400 * SECOND, self.until, 17_300, (2, 140), (2, 420)));
        // NTP, 123 to 123: directly from the public subnet, and through the NAT gateway.
        for (name, server, start) in [("bastion", "162.159.200.1", 90), ("app-1", "185.125.190.56", -700)] {
            let flow = self.sim.flow_from(17, self.host(name), 123, Host::Net(ip(server)), 123);
            let start = self.from + start * SECOND;
            let mut turns = paced(start, start + 8 * SECOND, 2 * SECOND, (1, 76), (1, 76));
            turns.extend(paced(start + 24 * SECOND, self.until, 64 * SECOND, (1, 76), (1, 76)));
            exchange(self.sim, &flow, &turns);
        }
    }

    /// Through the NAT gateway, and to S3 through the gateway endpoint.
    fn outbound(&mut self) {
        let services = [ip("104.18.20.30"), ip("54.154.33.7"), ip("93.184.216.34"), ip("140.82.121.4")];
        for at in self.arrivals(90.0) {
            let name = self.rng.pick(&["web-1", "web-2", "app-1", "app-2", "app-3"]);
            let server = Host::Net(self.rng.pick(&services));
            self.short(self.host(name), server, 443, LINUX, at);
        }
        let server = Host::Net(ip("93.184.216.34"));
        self.long(self.host("app-3"), server, 443, self.from - 500 * SECOND, None, (5 * SECOND, 40 * SECOND));
        for (rate, name) in [(8.0, "db-1"), (20.0, "app-2")] {
            for at in self.arrivals(rate) {
                let s3 = IpAddr::V4(Ipv4Addr::new(
                    52,
                    218,
                    self.rng.range(0, 120) as u8,
                    self.rng.range(1, 250) as u8,
                ));
                self.short(self.host(name), Host::Net(s3), 443, LINUX, at);
            }
        }
    }

    fn tunnels(&mut self) {
        let vpn = self.host("vpn");
        let office = Host::Net(ip("198.51.100.77"));
        let esp = Flow { proto: 50, client: office, sport: 0, server: vpn, dport: 0, nat_port: None };
        exchange(
            self.sim,
            &esp,
            &paced(self.from - 2000 * SECOND, self.until, 9_700, (6, 4_100), (5, 3_300)),
        );
        let ike = self.sim.flow_from(17, office, 500, vpn, 500);
        exchange(self.sim, &ike, &paced(self.from + 15 * SECOND, self.until, 20_000, (1, 130), (1, 130)));
        let router = self.host("peer-router");
        let gre = Flow { proto: 47, client: vpn, sport: 0, server: router, dport: 0, nat_port: None };
        exchange(self.sim, &gre, &paced(self.from + 33 * SECOND, self.until, 31_000, (3, 900), (2, 700)));
    }
}

const CLIENT_NETS: [u8; 12] = [5, 31, 46, 62, 77, 81, 90, 109, 151, 176, 188, 212];
pub const SCANNER_NETS: [u8; 6] = [45, 89, 141, 185, 193, 194];

/// An address somewhere on the internet.
pub fn internet(rng: &mut Rng, nets: &[u8]) -> IpAddr {
    let first = rng.pick(nets);
    IpAddr::V4(Ipv4Addr::new(
        first,
        rng.range(64, 127) as u8,
        rng.range(0, 255) as u8,
        rng.range(1, 254) as u8,
    ))
}
