//! A quick stream of many records in a realistic mix, with a matching inventory and no truth.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use super::config::{Account, Eni, FOREVER, PrefixList, Subnet, Vpc, acl, id};
use super::files;
use super::inventory;
use super::net::Cidr;
use super::rng::{self, Rng};
use super::rows::{Row, Status, Writer, traffic_path};
use super::traffic::internet;
use super::{EPOCH, Options, Summary};

const GROUPS: usize = 40;
const ENIS_PER_GROUP: usize = 5;
/// Records per file, of one five-minute window.
const PER_FILE: u64 = 200_000;
const INTERVALS_PER_FILE: u64 = 5;

/// A connection that is still open: row as the next record will show it, without counters.
#[derive(Clone, Copy)]
struct Open {
    view: Row,
    /// Intervals to come.
    left: u32,
}

/// Writes `records` lines (a few more to fill the last interval).
///
/// # Errors
/// When a file cannot be written.
pub fn generate(options: &Options, records: u64) -> io::Result<Summary> {
    super::clear(&options.out)?;
    let account = build();
    let flow_log = id("fl", "bench");
    let described = inventory::FlowLog {
        id: &flow_log,
        format: options.format,
        interval: 60,
        parquet: options.parquet,
        created: EPOCH - 86_400,
    };
    inventory::write(&account, 0, described, &options.out.join("inventory"))?;
    let writer = Writer::new(&account, options.format);
    let style = files::Style { parquet: options.parquet, level: 1 };
    let mut mix = Mix { account: &account, rng: Rng::new(options.seed, "bench"), open: Vec::new(), port: 0 };
    let mut summary = Summary { window: (EPOCH, EPOCH), ..Summary::default() };
    let (mut rows, mut scratch) = (Vec::new(), Vec::new());
    let mut stamp = EPOCH;
    while summary.lines < records {
        rows.clear();
        let wanted = PER_FILE.min(records - summary.lines);
        for minute in 0..INTERVALS_PER_FILE {
            let target = wanted * (minute + 1) / INTERVALS_PER_FILE;
            mix.interval(stamp + 60 * minute as i64, target as usize, &mut rows);
        }
        mix.rng.shuffle(&mut rows);
        let key = files::key(&flow_log, stamp, rng::mix(options.seed ^ stamp as u64), options.parquet);
        summary.bytes += files::write(&options.out, &key, &rows, &writer, style, &mut scratch)?;
        let nodata = rows.iter().filter(|row| row.status == Status::NoData).count() as u64;
        summary.lines += rows.len() as u64;
        summary.nodata += nodata;
        summary.records += rows.len() as u64 - nodata;
        summary.files += 1;
        stamp += 60 * INTERVALS_PER_FILE as i64;
    }
    summary.window.1 = stamp;
    Ok(summary)
}

/// 200 interfaces in 40 groups with about 400 rules. Group `n` serves group `n+1` and `n+2`; every fourth one
/// serves the internet.
fn build() -> Account {
    let mut account = Account {
        vpcs: vec![Vpc {
            id: id("vpc", "bench"),
            name: "bench".into(),
            cidr: Cidr::parse("10.20.0.0/16"),
            cidr6: None,
            logged: true,
        }],
        acls: vec![acl("bench", 0, true, &["in 100 allow all * 0.0.0.0/0", "out 100 allow all * 0.0.0.0/0"])],
        lists: vec![PrefixList {
            id: id("pl", "bench"),
            name: "offices".into(),
            aws: false,
            entries: vec![(Cidr::parse("192.0.2.0/24"), "Offices")],
        }],
        ..Account::default()
    };
    for group in 0..GROUPS {
        let az = ["eu-west-1a", "eu-west-1b"][group % 2];
        account.subnets.push(Subnet {
            id: id("subnet", &format!("bench-{group}")),
            name: format!("bench-{group}"),
            vpc: 0,
            az,
            cidr: Cidr::parse(&format!("10.20.{group}.0/24")),
            cidr6: None,
            acl: 0,
            public: group % 4 == 0,
        });
        account.add_group(&format!("tier-{group}"), "A tier", 0);
    }
    for group in 0..GROUPS {
        let name = format!("tier-{group}");
        let port = port_of(group);
        let next = |n: usize| format!("sg:tier-{}", (group + n) % GROUPS);
        let mut rules = vec![
            format!("in tcp {port} {}", next(1)),
            format!("in tcp {port} {}", next(2)),
            format!("in udp {} 10.20.0.0/16", port + 1),
            "in tcp 22 pl:offices".to_owned(),
            "in tcp 9100 sg:tier-0".to_owned(),
            "in icmp any sg:tier-0".to_owned(),
            format!("in tcp {}-{} 10.30.0.0/16", port + 2, port + 9),
            "out all 0.0.0.0/0".to_owned(),
        ];
        if group % 4 == 0 {
            rules.push("in tcp 443 0.0.0.0/0".to_owned());
            rules.push("in tcp 80 0.0.0.0/0".to_owned());
        } else {
            rules.push(format!("in tcp {port} 10.40.0.0/16"));
            rules.push("in tcp 8080 10.20.0.0/16".to_owned());
        }
        for rule in rules {
            account.add_rule(&name, &rule, FOREVER);
        }
        for n in 0..ENIS_PER_GROUP {
            let name = format!("bench-{group}-{n}");
            account.enis.push(Eni {
                id: id("eni", &name),
                kind: "interface",
                subnet: group,
                ips: vec![Ipv4Addr::new(10, 20, group as u8, 10 + n as u8)],
                ip6: None,
                groups: vec![group],
                instance: Some(id("i", &name)),
                description: String::new(),
                requester: None,
                public: (group % 4 == 0).then(|| Ipv4Addr::new(52, 16, group as u8, 10 + n as u8)),
                tcp_timeout: None,
                since: 0,
                nitro: true,
                name,
            });
        }
    }
    account
}

fn port_of(group: usize) -> u16 {
    20_000 + 100 * group as u16
}

/// The last interface of every other group never has traffic: NODATA in every interval.
fn is_idle(eni: usize) -> bool {
    eni % ENIS_PER_GROUP == ENIS_PER_GROUP - 1 && eni / ENIS_PER_GROUP % 2 == 1
}

struct Mix<'a> {
    account: &'a Account,
    rng: Rng,
    open: Vec<Open>,
    port: u16,
}

impl Mix<'_> {
    /// Fills up to `target` rows with those of the interval that begins at `start`.
    fn interval(&mut self, start: i64, target: usize, rows: &mut Vec<Row>) {
        for eni in (0..self.account.enis.len()).filter(|&eni| is_idle(eni)) {
            rows.push(Row::empty(eni, Status::NoData, start, start + 59));
        }
        let mut still = Vec::with_capacity(self.open.len());
        for mut open in std::mem::take(&mut self.open) {
            if rows.len() + 2 > target {
                break;
            }
            self.both(&open.view, 0, u8::from(open.left == 1), start, rows);
            open.left -= 1;
            if open.left > 0 {
                still.push(open);
            }
        }
        self.open = still;
        while rows.len() < target {
            self.one(start, rows);
        }
    }

    /// A new connection, or an attempt.
    fn one(&mut self, start: i64, rows: &mut Vec<Row>) {
        self.port = if self.port >= 60_999 { 32_768 } else { self.port.max(32_767) + 1 };
        let public = self.rng.index(GROUPS / 4) * 4;
        let kind = self.rng.range(0, 99);
        match kind {
            // Attempts from the internet.
            0..=54 => {
                let eni = self.busy(public);
                let remote = internet(&mut self.rng, &[45, 89, 141, 185, 193, 194]);
                let port = self.rng.range(1, 19_999) as u16;
                let mut view =
                    self.view(eni, remote, if port == 443 || port == 80 { 22 } else { port }, self.port);
                view.reject = true;
                view.flags = 2;
                self.fill(&mut view, start, (1, 3), 60);
                rows.push(view);
            }
            // Internet clients.
            55..=70 => {
                let eni = self.busy(public);
                let remote = internet(&mut self.rng, &[5, 31, 46, 62, 77, 81, 90, 109]);
                let view = self.view(eni, remote, 443, self.port);
                self.open_one(view, start, rows);
            }
            // One-way UDP.
            71..=83 => {
                let groups = (self.rng.index(GROUPS), self.rng.index(GROUPS));
                let (server, client) = (self.busy(groups.0), self.busy(groups.1));
                let port = port_of(server / ENIS_PER_GROUP) + 1;
                let mut view = self.view(server, self.account.enis[client].primary(), port, self.port);
                view.proto = 17;
                self.fill(&mut view, start, (1, 5), 220);
                rows.push(view);
            }
            // Between tiers: both interfaces log their view.
            _ => {
                let group = self.rng.index(GROUPS);
                let other = (group + 1 + self.rng.index(2)) % GROUPS;
                let server = self.busy(group);
                let client = self.busy(other);
                let port = port_of(group);
                let view = self.view(server, self.account.enis[client].primary(), port, self.port);
                let mut far = self.view(client, self.account.enis[server].primary(), self.port, port);
                far.egress = true;
                self.open_one(view, start, rows);
                self.open_one(far, start, rows);
            }
        }
    }

    /// An interface of the group that is not idle.
    fn busy(&mut self, group: usize) -> usize {
        group * ENIS_PER_GROUP + self.rng.index(ENIS_PER_GROUP - 1)
    }

    /// Row of the opening direction.
    fn view(&self, eni: usize, remote: IpAddr, local_port: u16, remote_port: u16) -> Row {
        let shown = self.account.enis[eni].primary();
        Row {
            status: Status::Ok,
            proto: 6,
            shown,
            local: shown,
            remote,
            local_port,
            remote_port,
            ..Row::empty(eni, Status::Ok, 0, 0)
        }
    }

    fn open_one(&mut self, view: Row, start: i64, rows: &mut Vec<Row>) {
        let stays = self.rng.chance(0.2);
        if stays {
            let left = 1 + self.rng.range(0, 9) as u32;
            self.open.push(Open { view, left });
        }
        self.both(&view, 2, u8::from(!stays), start, rows);
    }

    /// Records of both directions in one interval.
    fn both(&mut self, view: &Row, opening: u8, closing: u8, start: i64, rows: &mut Vec<Row>) {
        let mut forth = *view;
        forth.flags = opening | closing;
        self.fill(&mut forth, start, (2, 40), 120);
        let mut back = *view;
        back.egress = !view.egress;
        back.flags = (if opening == 2 { 18 } else { 0 }) | closing;
        self.fill(&mut back, start, (2, 60), 700);
        back.start = forth.start;
        back.end = back.end.max(back.start);
        rows.push(forth);
        rows.push(back);
    }

    fn fill(&mut self, row: &mut Row, start: i64, packets: (i64, i64), size: u64) {
        row.packets = self.rng.range(packets.0, packets.1) as u64;
        row.bytes = row.packets * size;
        row.start = start + self.rng.range(0, 40);
        row.end = row.start + self.rng.range(0, 19);
        row.path = traffic_path(self.account, row.eni, row.egress, row.remote);
    }
}
