//! What somebody did who should not have been there.

use super::estate::{DAY, End, Estate, HOUR, MONDAY, Random, Talk};
use End::{Host, Outside};

/// Something that must be found.
#[derive(Debug)]
pub struct Plant {
    pub kind: &'static str,
    /// An interface that must be named.
    pub interface: String,
    /// An address that must be named.
    pub remote: &'static str,
}

struct Planter<'a> {
    estate: &'a mut Estate,
    random: Random,
    plants: Vec<Plant>,
}

pub fn plant(estate: &mut Estate, seed: u64) -> Vec<Plant> {
    let mut planter = Planter { estate, random: Random(seed ^ 0x5eed), plants: Vec::new() };
    planter.theft();
    planter.beacons();
    planter.contacts();
    planter.plants
}

impl Planter<'_> {
    fn host(&self, group: &str, number: usize) -> usize {
        self.estate.of(group)[number]
    }

    fn note(&mut self, kind: &'static str, host: usize, remote: &'static str) {
        let interface = self.estate.hosts[host].id.clone();
        self.plants.push(Plant { kind, interface, remote });
    }

    fn theft(&mut self) {
        // One long connection.
        let host = self.host("app", 5);
        let at = MONDAY + 5 * DAY + 14 * HOUR + 300;
        let talk = Talk::tcp(at, Host(host), Outside("185.220.101.4"), 443);
        self.estate.talk(&talk.bytes(8_000_000_000, 90_000).lasting(4_000));
        self.note("outbound-volume", host, "185.220.101.4");
        // Many small ones, by daylight, from a host with large backups at night.
        let host = self.host("db", 2);
        for part in 0..600 {
            let at = MONDAY + 4 * DAY + 13 * HOUR + part * 5;
            let talk = Talk::tcp(at, Host(host), Outside("45.9.148.20"), 443).bytes(10_000_000, 900);
            self.estate.talk(&talk);
        }
        self.note("outbound-volume", host, "45.9.148.20");
        // Over six hours, in the first half of the week, without a baseline of its own.
        let host = self.host("web", 3);
        for hour in 0..6 {
            let at = MONDAY + DAY + (9 + hour) * HOUR + 60;
            let talk = Talk::tcp(at, Host(host), Outside("193.32.162.9"), 443).bytes(600_000_000, 900);
            self.estate.talk(&talk.lasting(1_000));
        }
        self.note("outbound-volume", host, "193.32.162.9");
        // Fetched through the front door by one.
        let host = self.host("alb", 1);
        for part in 0..30 {
            let at = MONDAY + 5 * DAY + 3 * HOUR + part * 60;
            let talk = Talk::tcp(at, Outside("77.91.68.4"), Host(host), 443).bytes(900, 500_000_000);
            self.estate.talk(&talk.lasting(50));
        }
        self.note("outbound-volume", host, "77.91.68.4");
    }

    fn beacon(&mut self, host: usize, remote: &'static str, port: u16, from: u32, every: f64, jitter: f64) {
        let mut at = f64::from(MONDAY + from);
        while at < f64::from(MONDAY + 7 * DAY - 10) {
            let sent = u64::from(self.random.between(480, 530));
            self.estate.talk(&Talk::tcp(at as u32, Host(host), Outside(remote), port).bytes(sent, 300));
            at += every * (1.0 - jitter + 2.0 * jitter * self.random.share());
        }
        self.note("beacon", host, remote);
    }

    fn beacons(&mut self) {
        let (web, worker, app, db) =
            (self.host("web", 10), self.host("worker", 4), self.host("app", 20), self.host("db", 1));
        self.beacon(web, "91.92.240.5", 443, 4 * DAY + 11 * HOUR, 300.0, 0.1);
        self.beacon(worker, "94.156.1.9", 8_080, 0, 60.0, 0.05);
        self.beacon(app, "195.2.78.30", 443, 500, 3_600.0, 0.1);
        self.beacon(db, "179.43.10.7", 53, 5 * DAY, 900.0, 0.0);
    }

    fn contacts(&mut self) {
        let (app, web) = (self.host("app", 9), self.host("web", 2));
        let at = MONDAY + 5 * DAY + 8 * HOUR;
        for (n, pause) in [0, 700, 5_000].into_iter().enumerate() {
            let talk = Talk::tcp(at + pause, Host(app), Outside("193.149.1.1"), 4_444);
            self.estate.talk(&talk.bytes(5_000 * (n as u64 + 1), 70_000).lasting(120));
        }
        self.note("first-contact", app, "193.149.1.1");
        let db = self.host("db", 0);
        self.estate.talk(&Talk::tcp(at, Host(web), Host(db), 22).lasting(300));
        self.note("first-contact", web, "10.0.");
        let cache = self.host("cache", 2);
        self.estate.talk(&Talk::tcp(at, Outside("5.188.206.1"), Host(cache), 6_379).lasting(900));
        self.note("first-contact", cache, "5.188.206.1");
    }
}
