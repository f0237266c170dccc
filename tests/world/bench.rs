//! A quick stream of many records in a realistic mix, with a matching inventory and no truth.
//!
//! Memory does not grow with the number of records: a file's rows are drawn, and written by another thread while the
//! next file's are drawn. The threads do not change a byte.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, sync_channel};

use super::config::id;
use super::estate::{self, Estate, port_of};
use super::files;
use super::inventory;
use super::rng::{self, Rng};
use super::rows::{Row, Status, Writer, traffic_path};
use super::traffic::internet;
use super::{EPOCH, Options, Summary};

/// Records per file, of one five-minute window.
const PER_FILE: u64 = 200_000;
const INTERVALS_PER_FILE: u64 = 5;

/// What the stream is to be like.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub interfaces: usize,
    pub rules: usize,
    /// Instead of the mix, nothing but rejected attempts, each from an address of its own.
    pub distinct: bool,
}

impl Default for Shape {
    /// 200 interfaces in 40 tiers, 400 rules, and the mix.
    fn default() -> Self {
        Self { interfaces: 200, rules: 400, distinct: false }
    }
}

/// A connection that is still open: row as the next record will show it, without counters.
#[derive(Clone, Copy)]
struct Open {
    view: Row,
    /// Intervals to come.
    left: u32,
}

/// Writes `records` lines in the default shape.
///
/// # Errors
/// When a file cannot be written.
pub fn generate(options: &Options, records: u64) -> io::Result<Summary> {
    generate_as(options, records, Shape::default())
}

/// Writes `records` lines (a few more to fill the last interval).
///
/// # Errors
/// When a file cannot be written, or there is no account of that shape.
pub fn generate_as(options: &Options, records: u64, shape: Shape) -> io::Result<Summary> {
    let estate = estate::build(shape.interfaces, shape.rules)?;
    super::clear(&options.out)?;
    let flow_log = id("fl", "bench");
    let described = inventory::FlowLog {
        id: &flow_log,
        format: options.format,
        interval: 60,
        parquet: options.parquet,
        traffic: "ALL",
        created: EPOCH - 86_400,
    };
    inventory::write(&estate.account, 0, described, &options.out.join("inventory"))?;
    let writer = Writer::new(&estate.account, options.format);
    let mut mix = Mix {
        estate: &estate,
        rng: Rng::new(options.seed, "bench"),
        open: Vec::new(),
        port: 0,
        sources: shape.distinct.then(|| Sources(rng::mix(options.seed) as u32)),
    };
    let mut summary = Summary { window: (EPOCH, EPOCH), ..Summary::default() };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    // One more file is drawn while each thread writes one: that is all there is in memory.
    let (sender, receiver) = sync_channel::<(String, Vec<Row>)>(1);
    let receiver = Mutex::new(receiver);
    std::thread::scope(|scope| {
        let write = || write_files(options, &writer, &receiver);
        let writing: Vec<_> = (0..threads).map(|_| scope.spawn(write)).collect();
        let mut stamp = EPOCH;
        while summary.lines < records {
            let mut rows = Vec::new();
            let wanted = PER_FILE.min(records - summary.lines);
            for minute in 0..INTERVALS_PER_FILE {
                let target = wanted * (minute + 1) / INTERVALS_PER_FILE;
                mix.interval(stamp + 60 * minute as i64, target as usize, &mut rows);
            }
            mix.rng.shuffle(&mut rows);
            let nodata = rows.iter().filter(|row| row.status == Status::NoData).count() as u64;
            summary.lines += rows.len() as u64;
            summary.nodata += nodata;
            summary.records += rows.len() as u64 - nodata;
            summary.files += 1;
            let key = files::key(&flow_log, stamp, rng::mix(options.seed ^ stamp as u64), options.parquet);
            stamp += 60 * INTERVALS_PER_FILE as i64;
            if sender.send((key, rows)).is_err() {
                // Nobody takes files any more: joining tells why.
                break;
            }
        }
        drop(sender);
        summary.window.1 = stamp;
        for thread in writing {
            summary.bytes += thread.join().expect("a writing thread panicked")?;
        }
        Ok(summary)
    })
}

/// Writes files as they come; returns their bytes.
fn write_files(
    options: &Options,
    writer: &Writer<'_>,
    receiver: &Mutex<Receiver<(String, Vec<Row>)>>,
) -> io::Result<u64> {
    let style = files::Style { parquet: options.parquet, level: 1 };
    let (mut bytes, mut scratch) = (0, Vec::new());
    loop {
        let next = receiver.lock().expect("a writing thread panicked").recv();
        let Ok((key, rows)) = next else { return Ok(bytes) };
        bytes += files::write(&options.out, &key, &rows, writer, style, &mut scratch)?;
    }
}

/// Addresses of the internet, none twice, in no order.
struct Sources(u32);

impl Sources {
    fn next(&mut self) -> Ipv4Addr {
        loop {
            self.0 = self.0.wrapping_add(1);
            // Each step can be undone, so different numbers stay different: the finaliser of MurmurHash3.
            let mut x = self.0;
            x = (x ^ (x >> 16)).wrapping_mul(0x85eb_ca6b);
            x = (x ^ (x >> 13)).wrapping_mul(0xc2b2_ae35);
            let ip = Ipv4Addr::from_bits(x ^ (x >> 16));
            let [a, b, c, _] = ip.octets();
            let special = matches!(a, 0 | 10 | 127 | 224..)
                || matches!((a, b), (100, 64..128) | (169, 254) | (172, 16..32) | (192, 168) | (198, 18 | 19))
                || matches!((a, b, c), (192, 0, 0 | 2) | (198, 51, 100) | (203, 0, 113))
                // Public addresses of the account itself.
                || matches!((a, b), (52, 16..32));
            if !special {
                return ip;
            }
        }
    }
}

struct Mix<'a> {
    estate: &'a Estate,
    rng: Rng,
    open: Vec<Open>,
    port: u16,
    /// Nothing but attempts from these.
    sources: Option<Sources>,
}

impl Mix<'_> {
    /// Fills up to `target` rows with those of the interval that begins at `start`.
    fn interval(&mut self, start: i64, target: usize, rows: &mut Vec<Row>) {
        for eni in self.estate.idle() {
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
        let public = self.rng.index(self.estate.tiers.div_ceil(4)) * 4;
        let kind = if self.sources.is_some() { 0 } else { self.rng.range(0, 99) };
        match kind {
            // Attempts from the internet.
            0..=54 => {
                let eni = self.busy(public);
                let remote = match &mut self.sources {
                    Some(sources) => IpAddr::V4(sources.next()),
                    None => internet(&mut self.rng, &[45, 89, 141, 185, 193, 194]),
                };
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
                let tiers = (self.rng.index(self.estate.tiers), self.rng.index(self.estate.tiers));
                let (server, client) = (self.busy(tiers.0), self.busy(tiers.1));
                let port = port_of(tiers.0) + 1;
                let mut view = self.view(server, self.estate.account.enis[client].primary(), port, self.port);
                view.proto = 17;
                self.fill(&mut view, start, (1, 5), 220);
                rows.push(view);
            }
            // Between tiers: both interfaces log their view.
            _ => {
                let tier = self.rng.index(self.estate.tiers);
                let other = (tier + 1 + self.rng.index(2)) % self.estate.tiers;
                let server = self.busy(tier);
                let mut client = self.busy(other);
                if client == server {
                    // There are less than three tiers; nobody talks to itself.
                    let busy = self.estate.busy(other);
                    client = if client + 1 < busy.end { client + 1 } else { busy.start };
                }
                let port = port_of(tier);
                let view = self.view(server, self.estate.account.enis[client].primary(), port, self.port);
                let mut far = self.view(client, self.estate.account.enis[server].primary(), self.port, port);
                far.egress = true;
                self.open_one(view, start, rows);
                self.open_one(far, start, rows);
            }
        }
    }

    /// An interface of the tier that may have traffic.
    fn busy(&mut self, tier: usize) -> usize {
        let busy = self.estate.busy(tier);
        busy.start + self.rng.index(busy.len())
    }

    /// Row of the opening direction.
    fn view(&self, eni: usize, remote: IpAddr, local_port: u16, remote_port: u16) -> Row {
        let shown = self.estate.account.enis[eni].primary();
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
        row.path = traffic_path(&self.estate.account, row.eni, row.egress, row.remote);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_source_comes_twice_and_none_is_special() {
        let mut sources = Sources(u32::MAX - 1_000);
        let drawn: BTreeSet<Ipv4Addr> = (0..100_000).map(|_| sources.next()).collect();
        assert_eq!(drawn.len(), 100_000);
        assert!(!drawn.iter().any(|ip| ip.is_private() || ip.is_loopback() || ip.is_multicast()));
        let nets: BTreeSet<u8> = drawn.iter().map(|ip| ip.octets()[0]).collect();
        assert!(nets.len() > 200, "spread over the internet");
    }

    #[test]
    fn every_size_has_its_interfaces_and_rules() {
        for (interfaces, rules) in [(5, 10), (10, 10), (10, 1_000), (200, 400), (1_000, 10), (3_000, 3_000)] {
            let estate = estate::build(interfaces, rules).unwrap();
            let account = &estate.account;
            assert_eq!(account.enis.len(), interfaces);
            assert_eq!(account.groups.iter().map(|g| g.rules.len()).sum::<usize>(), rules);
            let ids: BTreeSet<&str> =
                account.groups.iter().flat_map(|g| &g.rules).map(|r| r.id.as_str()).collect();
            assert_eq!(ids.len(), rules, "ids of rules are unique");
            let ips: BTreeSet<IpAddr> = account.enis.iter().map(super::super::config::Eni::primary).collect();
            assert_eq!(ips.len(), interfaces, "addresses are unique");
            for eni in &account.enis {
                let subnet = account.subnets[eni.subnet].cidr;
                assert!(subnet.contains(eni.primary()) && account.vpcs[0].cidr.contains(subnet.base));
                let groups: BTreeSet<usize> = eni.groups.iter().copied().collect();
                assert!(groups.len() == eni.groups.len() && groups.len() <= 5, "{:?}", eni.groups);
            }
        }
        assert!(estate::build(4, 10).is_err() && estate::build(5, 9).is_err());
    }

    #[test]
    fn distinct_attempts_are_all_there_is() {
        let estate = estate::build(200, 400).unwrap();
        let mut mix = Mix {
            estate: &estate,
            rng: Rng::new(1, "bench"),
            open: Vec::new(),
            port: 0,
            sources: Some(Sources(7)),
        };
        let mut rows = Vec::new();
        mix.interval(EPOCH, 5_000, &mut rows);
        rows.retain(|row| row.status == Status::Ok);
        assert!(rows.len() > 4_900 && rows.iter().all(|row| row.reject && !row.egress));
        let remotes: BTreeSet<IpAddr> = rows.iter().map(|row| row.remote).collect();
        assert_eq!(remotes.len(), rows.len());
    }
}
