//! Traffic that does not work, or that nobody asked for; and what the changes between snapshots do.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::net::ip;
use super::sim::{Flow, Host};
use super::talk::{LINUX_TRIES, ONE_TRY, Reply, TWO_TRIES, Turn, exchange, paced};
use super::traffic::{LINUX, SCANNER_NETS, SECOND, Traffic, WIDE, internet};

impl Traffic<'_, '_> {
    /// The subnet whose network ACL blocks replies, both ways round; and a function that its own group stops.
    pub fn broken_by_acl(&mut self) {
        let legacy = self.host("legacy");
        for at in self.arrivals(10.0) {
            let web = self.rng.pick(&["web-1", "web-2"]);
            let flow = self.sim.flow(6, self.host(web), legacy, 8443, LINUX);
            self.vain(flow, at, Reply::Accept, LINUX_TRIES);
        }
        for at in self.arrivals(6.0) {
            let flow = self.sim.flow(6, legacy, Host::Net(ip("140.82.121.4")), 443, LINUX);
            self.vain(flow, at, Reply::Accept, TWO_TRIES);
        }
        for at in self.arrivals(12.0) {
            let flow = self.sim.flow(17, legacy, self.host("dns"), 53, LINUX);
            exchange(self.sim, &flow, &paced(at, at + 11 * SECOND, 5 * SECOND, (1, 68), (1, 120)));
        }
        for at in self.arrivals(6.0) {
            let flow = self.sim.flow(6, self.host("lambda"), self.host("cache"), 6379, WIDE);
            self.vain(flow, at, Reply::Accept, TWO_TRIES);
        }
    }

    /// What the internet sends to every public address.
    pub fn background(&mut self) {
        for (name, rate) in
            [("alb-1", 30.0), ("alb-2", 30.0), ("bastion", 30.0), ("vpn", 30.0), ("nat", 15.0)]
        {
            for at in self.arrivals(rate) {
                let source = Host::Net(internet(&mut self.rng, &SCANNER_NETS));
                let server = self.host(name);
                let udp = self.rng.chance(0.15);
                let port =
                    if udp { self.rng.pick(&[123, 161, 1900, 5060, 11_211]) } else { self.scanned_port() };
                let flow = if self.rng.chance(0.2) {
                    let sport = self.rng.pick(&[53, 80, 443, 123, 22]);
                    self.sim.flow_from(if udp { 17 } else { 6 }, source, sport, server, port)
                } else {
                    self.sim.flow(if udp { 17 } else { 6 }, source, server, port, WIDE)
                };
                if udp {
                    exchange(self.sim, &flow, &[Turn { at, up: (1, 71), down: (0, 0) }]);
                } else {
                    // A retransmitted SYN is still one attempt.
                    let tries: &[i64] = match self.rng.range(0, 9) {
                        0 | 1 => LINUX_TRIES,
                        2 => &[0, 20_000, 55_000, 100_000, 160_000, 215_000],
                        3 => TWO_TRIES,
                        _ => ONE_TRY,
                    };
                    self.vain(flow, at, Reply::Silent, tries);
                }
            }
        }
        for at in self.arrivals(8.0) {
            let source = Host::Net(internet(&mut self.rng, &SCANNER_NETS));
            let name = self.rng.pick(&["alb-1", "bastion"]);
            let server = self.host(name);
            let ping = Flow { proto: 1, client: source, sport: 0, server, dport: 0, nat_port: None };
            exchange(self.sim, &ping, &paced(at, at + 3500, SECOND, (1, 84), (1, 84)));
        }
        for at in self.arrivals(6.0) {
            let source = Ipv6Addr::from((0x2604_a880_u128 << 96) | u128::from(self.rng.next()));
            let flow = self.sim.flow(6, Host::Net(source.into()), self.host6("alb-1"), 22, WIDE);
            self.vain(flow, at, Reply::Silent, TWO_TRIES);
        }
        // The block that the network ACL denies: at an open port, and at a closed one.
        for (rate, name, port, v6) in
            [(12.0, "alb-1", 443, false), (5.0, "bastion", 22, false), (4.0, "alb-2", 443, true)]
        {
            for at in self.arrivals(rate) {
                let (source, server) = if v6 {
                    let low = u128::from(self.rng.next() & 0xffff) + 1;
                    (IpAddr::V6(Ipv6Addr::from((0x2001_0db8_0bad_u128 << 80) | low)), self.host6(name))
                } else {
                    (IpAddr::V4(Ipv4Addr::new(198, 51, 100, self.rng.range(129, 254) as u8)), self.host(name))
                };
                let flow = self.sim.flow(6, Host::Net(source), server, port, WIDE);
                self.vain(flow, at, Reply::Accept, LINUX_TRIES);
            }
        }
    }

    fn scanned_port(&mut self) -> u16 {
        if self.rng.chance(0.6) {
            self.rng.pick(&[22, 23, 445, 3389, 8080, 5900, 1433, 6379, 2375, 8081])
        } else {
            self.rng.range(1024, 65_535) as u16
        }
    }

    /// What the changes between the snapshots do: a rule goes, an interface comes.
    pub fn changed(&mut self) {
        let Some((removed, added)) = self.changes else { return };
        let (client, server) = (self.host("peer-client-2"), self.host("app-2"));
        // Tracked: it goes on after the rule has gone.
        self.long(client, server, 8888, self.from + 200 * SECOND, None, (5 * SECOND, 45 * SECOND));
        let mut at = self.from + 60 * SECOND;
        while at < self.until - 120 * SECOND {
            let flow = self.sim.flow(6, client, server, 8888, LINUX);
            if at < removed {
                self.play_short(flow, at);
            } else {
                self.vain(flow, at, Reply::Accept, TWO_TRIES);
            }
            at += 150 * SECOND;
        }
        let app = self.host("app-4");
        for at in self.arrivals(60.0) {
            if at > added + SECOND {
                self.short(self.host("web-2"), app, 51_080, LINUX, at);
                self.short(app, self.host("db-1"), 5432, LINUX, at + 40);
            }
        }
    }
}
