//! Rejected attempts of many interfaces over a long time: spikes of five minutes are found in bounded memory. The noise is
//! that of a network of which every tenth interface faces the internet.
//!
//! `FLOWGATE_YEAR=10000,365 cargo test --release --lib year_of_many -- --ignored --nocapture` is a whole year.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crate::connection::{Connection, Coverage, Evidence, InterfaceFacts, Part, RejectReason};
use crate::detect::{Input, Sensitivity, select};
use crate::finding::{Finding, Ports};
use crate::flow::{Direction, Protocol};
use crate::inventory::Timeline;
use crate::policy::{Cause, Decision, Judged, Policy, Verdict};
use crate::rollup::{Rollup, Rollups, Scene};

/// A Monday.
const START: u32 = 1_772_409_600;
const DAY: u32 = 86_400;
/// One in so many faces the internet.
const PUBLIC: u32 = 10;
/// More at one interface would be usual there.
const SPIKES: u32 = 200;

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u32) -> u32 {
        (((self.next() >> 32) * u64::from(end)) >> 32) as u32
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn wait(&mut self, mean: f64) -> u32 {
        (-mean * (1.0 - self.unit()).ln()).ceil().clamp(1.0, 1e9) as u32
    }
}

/// So many attempts within five minutes, of one source or of many, on one port of one interface.
#[derive(Clone, Copy)]
struct Spike {
    interface: u32,
    at: u32,
    attempts: u32,
    source: Option<u32>,
    port: u16,
}

struct Year {
    interfaces: u32,
    days: u32,
    spikes: Vec<Spike>,
}

impl Year {
    fn new(interfaces: u32, days: u32) -> Self {
        let mut random = Random(7);
        let spike = |n: u32| Spike {
            // Three in four at interfaces that are noisy anyway.
            interface: match random.below(interfaces / PUBLIC) * PUBLIC {
                public if !n.is_multiple_of(4) => public,
                near => near + 1,
            },
            at: START + DAY * 4 + random.below(days * DAY - DAY * 5) / 300 * 300,
            attempts: 40 + random.below(160),
            source: n.is_multiple_of(2).then(|| 0x6400_0000 + n),
            port: [22, 3389, 5432, 445][random.below(4) as usize],
        };
        Self { interfaces, days, spikes: (0..SPIKES.min(interfaces / 8)).map(spike).collect() }
    }

    fn end(&self) -> u32 {
        START + self.days * DAY
    }

    /// Everything that is rejected at these interfaces, in any order.
    fn attempts(&self, which: impl Iterator<Item = u32>, mut take: impl FnMut(u32, u32, u16, u32)) {
        const PORTS: [u16; 12] = [22, 23, 23, 445, 3389, 80, 8080, 5555, 6379, 3306, 8443, 60_001];
        for interface in which {
            let mut random = Random(u64::from(interface) << 20 | 3);
            let noisy = interface.is_multiple_of(PUBLIC);
            let level = 2.0_f64.powf(random.unit() * 3.0 - 1.0);
            let mut at = START;
            loop {
                let phase = f64::from(at % DAY) / f64::from(DAY) * std::f64::consts::TAU;
                let mean = if noisy { 300.0 / (level * (1.0 + 0.5 * phase.sin())) } else { 100_000.0 };
                at += random.wait(mean);
                if at >= self.end() {
                    break;
                }
                // Inside somebody tries the wrong thing, outside everybody tries everything.
                let source =
                    if noisy { 0x4000_0000 + random.below(1 << 29) } else { 0x0a02_0000 + random.below(400) };
                let mut knock = at;
                for _ in 0..=(random.wait(1.5) - 1).min(12) {
                    let any = random.unit() < 0.3;
                    let port = if any {
                        1024 + random.below(64_000) as u16
                    } else {
                        PORTS[random.below(12) as usize]
                    };
                    take(interface, source, port, knock);
                    knock = (knock + random.wait(40.0)).min(self.end() - 1);
                }
            }
            for (n, spike) in self.spikes.iter().enumerate().filter(|(_, spike)| spike.interface == interface)
            {
                for one in 0..spike.attempts {
                    let source = spike.source.unwrap_or(0x5000_0000 + n as u32 * 4096 + one);
                    take(interface, source, spike.port, spike.at + random.below(300));
                }
            }
        }
    }

    /// Sums of everything, by so many workers, and the findings.
    fn findings(&self, workers: u32) -> (Vec<Finding>, u64) {
        let directory: Arc<Path> = std::env::temp_dir().into();
        let scene = Scene::default();
        let began = Instant::now();
        let work = |worker: u32| {
            let mut rollup = Rollup::spilling_into(&directory);
            let judged = rejected();
            let which = (0..self.interfaces).filter(|interface| interface % workers == worker);
            self.attempts(which, |interface, source, port, at| {
                rollup.add(&connection(interface, source, port, at), &judged, &scene);
            });
            rollup.settle();
            rollup
        };
        let mut total = Rollup::spilling_into(&directory);
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..workers).map(|worker| scope.spawn(move || work(worker))).collect();
            threads.into_iter().for_each(|thread| total.merge(thread.join().unwrap()));
        });
        println!("summed up: {:.1?}, {} bytes on the heap", began.elapsed(), total.heap_bytes());
        let interfaces: Vec<InterfaceFacts> = (0..self.interfaces).map(|n| self.facts(n)).collect();
        total.read_back(&interfaces).unwrap();
        println!("read back: {:.1?}", began.elapsed());
        let timeline = Timeline::new(Vec::new());
        let rollups = Rollups::new(total, interfaces, &timeline, &Policy::new(&timeline, &[]));
        let attempts = rollups.rejects.len();
        let input =
            Input { rollups: &rollups, rules: &[], list_escapes: false, sensitivity: Sensitivity::Normal };
        let detectors = select(&["rejected-spike".to_owned()], &[]).unwrap();
        let findings = detectors[0].detect(&input);
        println!("{attempts} attempts, {} findings: {:.1?}", findings.len(), began.elapsed());
        (findings, attempts)
    }

    fn facts(&self, number: u32) -> InterfaceFacts {
        let mut coverage = Coverage::default();
        (coverage.first, coverage.last) = (Some(START), Some(self.end() - 1));
        coverage.buckets.insert_range(START / 600, (self.end() - 1) / 600);
        (coverage.accepts, coverage.rejects) = (1, 1);
        InterfaceFacts { id: format!("eni-{number:05}"), coverage, ..InterfaceFacts::default() }
    }

    /// How many spikes were found, and how many findings are about none.
    fn score(&self, findings: &[Finding]) -> (usize, usize) {
        let is_about = |finding: &Finding, spike: &Spike| {
            let (from, to) = (finding.start.unwrap(), finding.end.unwrap());
            let at = i64::from(spike.at);
            let source = spike.source.map(|s| std::net::Ipv4Addr::from(s).to_string());
            from <= at + 600
                && at <= to + 600
                && finding.interfaces.contains(&format!("eni-{:05}", spike.interface))
                && match source {
                    Some(source) => finding.remotes.first() == Some(&source),
                    None => finding.ports.first() == Some(&Ports::One(spike.port)),
                }
        };
        let found = self.spikes.iter().filter(|s| findings.iter().any(|f| is_about(f, s))).count();
        let others = findings.iter().filter(|f| !self.spikes.iter().any(|s| is_about(f, s)));
        let others: Vec<&Finding> = others.filter(|f| !f.evidence.contains_key("scanners")).collect();
        others
            .iter()
            .take(10)
            .for_each(|f| println!("of nothing planted: {}: {} {}", f.cause, f.title, f.summary));
        (found, others.len())
    }
}

fn connection(interface: u32, source: u32, port: u16, at: u32) -> Connection {
    let v4 = |bits: u32| (0xffff_u128 << 32) | u128::from(bits);
    let part = Part { records: 1, packets: 1, bytes: 40, first: at, last: at, ..Part::default() };
    Connection {
        interface,
        local: v4(0x0a00_0000 | interface),
        remote: v4(source),
        local_port: port,
        remote_port: (source.wrapping_mul(31) ^ at) as u16 | 1024,
        protocol: Protocol::TCP,
        opener: Some(Direction::Inbound),
        evidence: Evidence::TcpFlags,
        local_known: true,
        first: at,
        last: at,
        inward: [Part::default(), part],
        outward: [Part::default(); 2],
        late: Part::default(),
        reason: RejectReason::None,
    }
}

fn rejected() -> Judged {
    Judged {
        verdict: Verdict::Rejected(Cause::SecurityGroup),
        decision: Decision { known: true, has_groups: true, ..Decision::default() },
        blocked_reply: None,
        removed_by: None,
        removed_exactly: false,
        former: Vec::new(),
        tracking: None,
        possible: Vec::new(),
    }
}

#[test]
fn more_attempts_than_memory_hides_no_spike_whoever_counts() {
    let year = Year::new(160, 45);
    let (findings, attempts) = year.findings(1);
    assert!(attempts > 600_000, "{attempts} went to disk");
    let text = |findings: &[Finding]| findings.iter().map(|f| format!("{f:?}")).collect::<Vec<_>>();
    let others = year.findings(3).0;
    assert_eq!(text(&findings), text(&others), "who counted what does not matter");
    let (found, others) = year.score(&findings);
    assert!(found * 100 >= year.spikes.len() * 95 && others <= 4, "{found} found, {others} others");
}

#[test]
#[ignore = "takes minutes and some GB of disk; for the figures in docs/rejected-spikes.md"]
#[expect(clippy::disallowed_methods, reason = "a test that is run by hand is told its size")]
fn year_of_many() {
    let size = std::env::var("FLOWGATE_YEAR").unwrap_or_else(|_| "10000,365".to_owned());
    let mut size = size.split(',').map(|n| n.parse::<u32>().unwrap());
    let year = Year::new(size.next().unwrap(), size.next().unwrap());
    let (findings, _) = year.findings(2);
    let (found, others) = year.score(&findings);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM: unknown").to_owned();
    println!("{found} of {} found, {others} of nothing planted; {peak}", year.spikes.len());
    assert!(found * 100 >= year.spikes.len() * 95);
}
