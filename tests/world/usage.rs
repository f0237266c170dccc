//! An account whose rules have habits: what is used every day, once a week, once a month, never, no longer, only by
//! replies, only beside other rules; over weeks and months, with logs that may lack things.
//!
//! Habits go on before and after the logs. The truth about a rule is what its habits are, not what the logs show: a rule
//! that a monthly job needs is used, though two weeks of logs may have nothing of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use super::config::{ACCOUNT, Account, Eni, FOREVER, Peer, Peering, Rule, Subnet, Vpc, acl, id};
use super::inventory;
use super::net::{Cidr, rfc3339};
use super::policy::{self, Opening, View};
use super::rng::Rng;

const SECOND: i64 = 1000;
const HOUR: i64 = 3600 * SECOND;
const DAY: i64 = 24 * HOUR;
/// 2026-03-01T00:00:00Z.
const START: i64 = super::EPOCH * SECOND;

/// What is wrong with the logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logs {
    Whole,
    /// Stretches of hours without any delivery, and days without a single interface.
    Gaps,
    /// Intervals whose records capture lost.
    Skips,
    AcceptOnly,
    RejectOnly,
}

/// Which inventories there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// One at the end, without a date.
    Undated,
    /// One from before the logs, one a week, one at the end.
    Weekly,
}

/// A world.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    pub seed: u64,
    pub days: i64,
    pub logs: Logs,
    pub known: Known,
}

/// The class of a rule, in the words of the contract.
pub type Classes = BTreeMap<String, &'static str>;

/// What is true of the rules of the last inventory.
pub struct Truth {
    pub classes: Classes,
    /// Rules that anybody ever uses.
    pub used: BTreeSet<String>,
    /// Rules whose use ended within the logs.
    pub ended: BTreeSet<String>,
}

/// When something happens: every `period` milliseconds, moved by up to `jitter` each time.
struct Habit {
    enis: Vec<usize>,
    egress: bool,
    remotes: Vec<IpAddr>,
    ports: Vec<u16>,
    /// All ports each time, not one of them.
    sweeps: bool,
    period: i64,
    jitter: i64,
    /// Stops at this time.
    until: i64,
}

/// A connection that a rule let in.
#[derive(Clone, Debug)]
struct Use {
    at: i64,
    eni: usize,
    egress: bool,
    remote: IpAddr,
    port: u16,
    rules: Vec<String>,
}

/// Writes the world; tells what is true of it.
pub fn generate(out: &Path, usage: &Usage) -> io::Result<Truth> {
    let mut rng = Rng::new(usage.seed, "usage");
    let end = START + usage.days * DAY;
    let (account, habits) = account(&mut rng, end);
    let uses = uses(&account, &habits, &mut rng, end);
    fs::create_dir_all(out)?;
    let traffic = match usage.logs {
        Logs::AcceptOnly => "ACCEPT",
        Logs::RejectOnly => "REJECT",
        _ => "ALL",
    };
    fs::write(out.join("flow.log"), log(&account, &uses, usage, &mut rng, end))?;
    let id = id("fl", "usage");
    let flow_log = inventory::FlowLog {
        id: &id,
        format: super::Format::V5,
        interval: 600,
        parquet: false,
        traffic,
        created: START / SECOND - 86_400,
    };
    let dir = out.join("inventory");
    match usage.known {
        Known::Undated => inventory::write(&account, end, flow_log, &dir)?,
        Known::Weekly => {
            let mut at = START - HOUR;
            while at < end {
                inventory::write(&account, at, flow_log, &dir.join(rfc3339(at / SECOND)))?;
                at += 7 * DAY;
            }
            inventory::write(&account, end, flow_log, &dir.join(rfc3339(end / SECOND)))?;
        }
    }
    Ok(truth(&account, &uses, end))
}

fn peers(third: u8, count: u8) -> Vec<IpAddr> {
    (0..count).map(|n| IpAddr::V4(Ipv4Addr::new(10, 70, third, 10 + n))).collect()
}

/// Five services of two interfaces each, all with the same kinds of habits at their own times.
fn account(rng: &mut Rng, end: i64) -> (Account, Vec<Habit>) {
    let mut account = Account {
        vpcs: [("main", "10.50.0.0/16", true), ("partner", "10.60.0.0/16", false)]
            .map(|(name, cidr, logged)| Vpc {
                id: id("vpc", name),
                name: name.to_owned(),
                cidr: Cidr::parse(cidr),
                cidr6: None,
                logged,
            })
            .into(),
        ..Account::default()
    };
    let all = ["in 100 allow all * 0.0.0.0/0", "out 100 allow all * 0.0.0.0/0"];
    account.acls = vec![acl("main", 0, true, &all), acl("partner", 1, true, &all)];
    for (vpc, name, cidr) in [(0, "main-a", "10.50.0.0/20"), (1, "partner-a", "10.60.0.0/20")] {
        account.subnets.push(Subnet {
            id: id("subnet", name),
            name: name.to_owned(),
            vpc,
            az: "eu-west-1a",
            cidr: Cidr::parse(cidr),
            cidr6: None,
            acl: vpc,
            public: false,
        });
    }
    account.peerings.push(Peering { id: id("pcx", "main-partner"), requester: 0, accepter: 1 });
    for (name, vpc) in [
        ("clients", 1),
        ("batch", 1),
        ("seasonal", 1),
        ("extra", 0),
        ("idle", 0),
        ("drained", 0),
        ("marker", 0),
    ] {
        account.add_group(name, name, vpc);
    }
    let services: Vec<String> = (0..5).map(|n| format!("svc{n}")).collect();
    for name in &services {
        account.add_group(name, name, 0);
    }
    let month = |rng: &mut Rng| 30 * DAY + rng.range(0, DAY / 4);
    let mut habits = Vec::new();
    let client = |account: &mut Account, name: &str, group: &str, last: u8, until| {
        push_eni(account, name, 1, Ipv4Addr::new(10, 60, 1, last), &[group], START - 900 * DAY, until);
        IpAddr::V4(Ipv4Addr::new(10, 60, 1, last))
    };
    let callers = [
        client(&mut account, "client-1", "clients", 11, FOREVER),
        client(&mut account, "client-2", "clients", 12, FOREVER),
    ];
    // Callers that were there in the first days only.
    let seasonal = client(&mut account, "seasonal-1", "seasonal", 13, START + 10 * DAY);
    for (n, name) in services.iter().enumerate() {
        let host = |last: usize| Ipv4Addr::new(10, 50, n as u8, last as u8 + 10);
        let extra: &[&str] = if n < 2 { &["extra"] } else { &[] };
        let groups: Vec<&str> = [name.as_str()].into_iter().chain(extra.iter().copied()).collect();
        for i in 0..2 {
            push_eni(&mut account, &format!("{name}-{i}"), 0, host(i), &groups, START - 900 * DAY, FOREVER);
        }
        let enis: Vec<usize> = (0..2).map(|i| account.eni(&format!("{name}-{i}"))).collect();
        let base = 2000 + 2000 * n as u16;
        let third = 10 * n as u8;
        let daily = |rng: &mut Rng| DAY / 6 + rng.range(0, HOUR);
        let rule = |account: &mut Account, text: String| account.add_rule(name, &text, FOREVER);
        let mut add = |egress: bool, remotes: Vec<IpAddr>, ports: Vec<u16>, period: i64, sweeps: bool| {
            let ends = ports == [base + 23];
            habits.push(Habit {
                enis: enis.clone(),
                egress,
                remotes,
                ports,
                sweeps,
                period,
                jitter: period / 10,
                until: if ends { START + (end - START) / 3 } else { FOREVER },
            });
        };
        // Used as it is.
        rule(&mut account, format!("in tcp {base} 10.70.{third}.0/24"));
        add(false, peers(third, 20), vec![base], daily(rng), false);
        rule(&mut account, format!("in tcp {} sg:clients", base + 1));
        add(false, callers.to_vec(), vec![base + 1], daily(rng), false);
        rule(&mut account, format!("in tcp {} 10.70.{third}.0/24", base + 2));
        add(false, peers(third, 2), vec![base + 2], 7 * DAY, false);
        // Once a month: three of them, at their own times.
        for k in 3..6 {
            rule(&mut account, format!("in tcp {} 10.70.{third}.0/28", base + k));
            add(false, peers(third, 1), vec![base + k], month(rng), false);
        }
        rule(&mut account, format!("in tcp {} sg:clients", base + 6));
        add(false, callers.to_vec(), vec![base + 6], month(rng), false);
        // Never.
        for k in 7..10 {
            rule(&mut account, format!("in tcp {} 10.70.{third}.0/24", base + k));
        }
        rule(&mut account, format!("in tcp {} sg:marker", base + 10));
        // Only replies pass it.
        rule(&mut account, "out tcp 32768-60999 10.70.0.0/16".to_owned());
        rule(&mut account, format!("out tcp 443 198.51.{third}.0/24"));
        add(true, vec![IpAddr::V4(Ipv4Addr::new(198, 51, third, 7))], vec![443], daily(rng), false);
        // Too wide: ports, peers; and one that only looks so but for the first day of the month.
        rule(&mut account, format!("in tcp {}-{} 10.70.{third}.0/24", base + 100, base + 299));
        add(false, peers(third, 5), vec![base + 110, base + 120], daily(rng), false);
        rule(&mut account, format!("in tcp {} 10.0.0.0/8", base + 11));
        add(false, [peers(third, 9), peers(third + 1, 9)].concat(), vec![base + 11], daily(rng), false);
        rule(&mut account, format!("in tcp {}-{} 10.70.{third}.0/24", base + 400, base + 479));
        add(false, peers(third, 5), vec![base + 410], daily(rng), false);
        add(false, peers(third, 1), (base + 400..base + 480).collect(), month(rng), true);
        // Redundant: within another of its group.
        rule(&mut account, format!("in tcp {} 10.70.{third}.0/25", base + 12));
        rule(&mut account, format!("in tcp {}-{} 10.70.{third}.0/24", base + 12, base + 14));
        add(false, peers(third, 8), vec![base + 12], daily(rng), false);
        add(false, vec![peers(third, 200)[190]], vec![base + 12, base + 13, base + 14], daily(rng), false);
        if n < 2 {
            // Beside a rule of another group: always, and always but once a month.
            rule(&mut account, format!("in tcp {} 10.60.1.8/29", base + 15));
            account.add_rule("extra", &format!("in tcp {} sg:clients", base + 15), FOREVER);
            add(false, callers.to_vec(), vec![base + 15], daily(rng), false);
            account.add_rule(name, &format!("in tcp {} 10.60.1.8/29", base + 16), FOREVER);
            account.add_rule("extra", &format!("in tcp {} sg:clients", base + 16), FOREVER);
            add(false, callers.to_vec(), vec![base + 16], daily(rng), false);
            add(false, vec![IpAddr::V4(Ipv4Addr::new(10, 60, 1, 9))], vec![base + 16], month(rng), false);
        }
        // Used every day until a third of the logs is over.
        account.add_rule(name, &format!("in tcp {} 10.70.{third}.0/24", base + 23), FOREVER);
        add(false, peers(third, 4), vec![base + 23], daily(rng), false);
        // Callers that are scaled to zero, or were there for a few days; both come back one day.
        account.add_rule(name, &format!("in tcp {} sg:batch", base + 17), FOREVER);
        account.add_rule(name, &format!("in tcp {} sg:seasonal", base + 18), FOREVER);
        add(false, vec![seasonal], vec![base + 18], month(rng), false);
        // Came within the logs; went within the logs; came at the very end.
        let span = end - START;
        for (k, since, until) in [
            (19, START + span / 3, FOREVER),
            (20, i64::MIN, START + span / 2),
            (21, end - 2 * DAY, FOREVER),
            (22, START + span / 4, FOREVER),
        ] {
            account.add_rule(name, &format!("in tcp {} 10.70.{third}.0/24", base + k), until);
            let group = account.group(name);
            if let Some(rule) = account.groups[group].rules.last_mut() {
                rule.since = since;
            }
            if k != 22 {
                add(false, peers(third, 1), vec![base + k], month(rng), false);
            }
        }
    }
    // A group without interfaces, and one whose only interface went halfway.
    account.add_rule("idle", "in tcp 8080 10.70.0.0/16", FOREVER);
    account.add_rule("drained", "in tcp 8080 10.70.0.0/16", FOREVER);
    account.add_rule("drained", "in tcp 8081 10.70.0.0/16", FOREVER);
    let gone = START + (end - START) / 2;
    let address = Ipv4Addr::new(10, 50, 9, 9);
    push_eni(&mut account, "drained-0", 0, address, &["drained", "svc4"], START - 900 * DAY, gone);
    let drained = account.eni("drained-0");
    // What svc4 permits monthly, and never otherwise, to the interface that went.
    account.add_rule("svc4", "in tcp 9999 10.70.99.0/24", FOREVER);
    for (port, remotes) in [(8080, peers(1, 2)), (9999, peers(99, 1))] {
        habits.push(Habit {
            enis: vec![drained],
            egress: false,
            remotes,
            ports: vec![port],
            sweeps: false,
            period: month(rng),
            jitter: DAY,
            until: FOREVER,
        });
    }
    (account, habits)
}

fn push_eni(
    account: &mut Account,
    name: &str,
    subnet: usize,
    address: Ipv4Addr,
    groups: &[&str],
    since: i64,
    until: i64,
) {
    let groups = groups.iter().map(|group| account.group(group)).collect();
    account.enis.push(Eni {
        id: id("eni", name),
        name: name.to_owned(),
        kind: "interface",
        subnet,
        ips: vec![address],
        ip6: None,
        groups,
        instance: Some(id("i", name)),
        description: String::new(),
        requester: None,
        public: None,
        tcp_timeout: None,
        since,
        until,
        nitro: false,
    });
}

/// All that happens and is let through, from three months before the logs to a year after them.
fn uses(account: &Account, habits: &[Habit], rng: &mut Rng, end: i64) -> Vec<Use> {
    let mut uses = Vec::new();
    for habit in habits {
        let mut next = START - 90 * DAY + rng.range(0, habit.period);
        while next < (end + 365 * DAY).min(habit.until) {
            let at = next + rng.range(0, habit.jitter);
            next += habit.period;
            let (eni, remote) = (rng.pick(&habit.enis), rng.pick(&habit.remotes));
            let ports = if habit.sweeps { habit.ports.clone() } else { vec![rng.pick(&habit.ports)] };
            for (n, port) in ports.into_iter().enumerate() {
                let at = at + n as i64 * 2 * SECOND;
                let opening = Opening { egress: habit.egress, proto: 6, remote, port, icmp: None, at };
                if !(account.enis[eni].since..account.enis[eni].until).contains(&at) {
                    continue;
                }
                let rules = policy::permitting(account, eni, &opening, View::Dumped);
                if !rules.is_empty() {
                    uses.push(Use { at, eni, egress: habit.egress, remote, port, rules });
                }
            }
        }
    }
    uses.sort_by_key(|u| (u.at, u.eni, u.port, u.remote));
    uses
}

/// Times that the logs lack, of one interface or of all.
fn holes(account: &Account, usage: &Usage, rng: &mut Rng, end: i64) -> Vec<(Option<usize>, i64, i64)> {
    let mut holes = Vec::new();
    let mut hole = |rng: &mut Rng, eni: Option<usize>, length: i64| {
        let from = rng.range(START + HOUR, end - length - HOUR) / (600 * SECOND) * (600 * SECOND);
        holes.push((eni, from, from + length));
    };
    match usage.logs {
        Logs::Gaps => {
            for _ in 0..3 {
                let length = rng.range(4, 14) * HOUR;
                hole(rng, None, length);
            }
            for _ in 0..4 {
                let eni = rng.index(account.enis.len());
                let length = rng.range(24, 90) * HOUR;
                hole(rng, Some(eni), length);
            }
        }
        Logs::Skips => {
            for _ in 0..12 {
                for eni in 0..account.enis.len() {
                    hole(rng, Some(eni), 6 * HOUR);
                }
            }
        }
        _ => {}
    }
    holes
}

/// The log: records in 10-minute intervals, NODATA where there are none, SKIPDATA where they were lost.
fn log(account: &Account, uses: &[Use], usage: &Usage, rng: &mut Rng, end: i64) -> String {
    let holes = holes(account, usage, rng, end);
    let lost = |eni: usize, at: i64| {
        holes.iter().any(|&(of, from, to)| of.is_none_or(|of| of == eni) && (from..to).contains(&at))
    };
    let interval = 600 * SECOND;
    let mut busy: BTreeSet<(usize, i64)> = BTreeSet::new();
    let mut text = String::from(
        "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action \
         log-status vpc-id tcp-flags flow-direction\n",
    );
    let mut port = 32_768_u16;
    let put = |text: &mut String,
               eni: usize,
               way: (IpAddr, u16, IpAddr, u16),
               at: i64,
               what: (&str, u8, &str)| {
        let (from, from_port, to, to_port) = way;
        let (action, flags, direction) = what;
        let start = at / SECOND;
        let _ = writeln!(
            text,
            "5 {ACCOUNT} {} {from} {to} {from_port} {to_port} 6 4 400 {start} {} {action} OK {} {flags} {direction}",
            account.enis[eni].id,
            start + 1,
            account.vpc_of(eni).id
        );
    };
    for one in uses.iter().filter(|u| (START..end - SECOND * 5).contains(&u.at) && account.logged(u.eni)) {
        if usage.logs == Logs::RejectOnly || lost(one.eni, one.at) {
            continue;
        }
        port = if port >= 60_999 { 32_768 } else { port + 1 };
        busy.insert((one.eni, one.at / interval));
        let local = account.enis[one.eni].primary();
        let (client, server) = if one.egress { (local, one.remote) } else { (one.remote, local) };
        let (up, down) = if one.egress { ("egress", "ingress") } else { ("ingress", "egress") };
        put(&mut text, one.eni, (client, port, server, one.port), one.at, ("ACCEPT", 3, up));
        put(&mut text, one.eni, (server, one.port, client, port), one.at, ("ACCEPT", 19, down));
    }
    for eni in (0..account.enis.len()).filter(|&eni| account.logged(eni)) {
        let to = end.min(account.enis[eni].until);
        let mut at = START;
        while at < to {
            let hole = lost(eni, at);
            let start = at / SECOND;
            if usage.logs != Logs::AcceptOnly && at / interval % 97 == eni as i64 && !hole {
                let way = (Ipv4Addr::new(203, 0, 113, 9).into(), 40_000, account.enis[eni].primary(), 23);
                put(&mut text, eni, way, at + SECOND, ("REJECT", 2, "ingress"));
            } else if !hole && !busy.contains(&(eni, at / interval)) || hole && usage.logs == Logs::Skips {
                let status = if hole { "SKIPDATA" } else { "NODATA" };
                let _ = writeln!(
                    text,
                    "5 {ACCOUNT} {} - - - - - - - {start} {} - {status} {} - -",
                    account.enis[eni].id,
                    start + 599,
                    account.vpc_of(eni).id
                );
            }
            at += interval;
        }
    }
    text
}

/// Addresses x ports, as log2; a reference counts as one address.
fn size(rule: &Rule) -> f64 {
    let (low, high) = rule.ports.unwrap_or((0, u16::MAX));
    let addresses = match rule.peer {
        Peer::Cidr(block) => f64::from(32 - block.len),
        Peer::List(_) | Peer::Group(_) => 0.0,
    };
    addresses + (f64::from(high - low) + 1.0).log2()
}

/// What the manual of `permissive-rule` says, applied to everything that ever uses the rule.
fn is_permissive(rule: &Rule, uses: &[&Use]) -> bool {
    if uses.len() < 10 {
        return false;
    }
    let ports: BTreeSet<u16> = uses.iter().map(|u| u.port).collect();
    let (low, high) = rule.ports.unwrap_or((0, u16::MAX));
    let permitted = usize::from(high - low) + 1;
    if permitted >= 16 && ports.len() * 8 <= permitted {
        return true;
    }
    let Peer::Cidr(block) = rule.peer else { return false };
    let blocks: BTreeSet<[u8; 3]> = uses
        .iter()
        .filter_map(|u| match u.remote {
            IpAddr::V4(v4) => v4.octets().first_chunk().copied(),
            IpAddr::V6(_) => None,
        })
        .collect();
    blocks.len() <= 8 && 2_f64.powi(32 - i32::from(block.len)) >= 4.0 * 256.0 * blocks.len() as f64
}

/// The classes of the rules that the last inventory has.
fn truth(account: &Account, uses: &[Use], end: i64) -> Truth {
    let mut by_rule: BTreeMap<&str, Vec<&Use>> = BTreeMap::new();
    for one in uses {
        for rule in &one.rules {
            by_rule.entry(rule).or_default().push(one);
        }
    }
    let mut rules: Vec<&Rule> = account
        .groups
        .iter()
        .flat_map(|group| &group.rules)
        .filter(|rule| (rule.since..rule.until).contains(&end))
        .collect();
    rules.sort_by(|a, b| size(a).total_cmp(&size(b)).then_with(|| a.id.cmp(&b.id)));
    // From the narrowest on, those go without which everything would still be let in.
    let mut staying: BTreeSet<&str> = rules.iter().map(|rule| rule.id.as_str()).collect();
    let mut classes = Classes::new();
    for rule in rules {
        let uses = by_rule.get(rule.id.as_str()).map_or(&[][..], Vec::as_slice);
        let spared =
            |one: &&Use| one.rules.iter().any(|other| *other != rule.id && staying.contains(other.as_str()));
        let class = if uses.is_empty() {
            "unused"
        } else if uses.iter().all(spared) {
            staying.remove(rule.id.as_str());
            "redundant"
        } else if is_permissive(rule, uses) {
            "permissive"
        } else {
            "used"
        };
        classes.insert(rule.id.clone(), class);
    }
    let ended = |uses: &[&Use]| uses.iter().all(|u| u.at < end) && uses.last().is_some_and(|u| u.at > START);
    Truth {
        used: by_rule.keys().map(|id| (*id).to_owned()).collect(),
        ended: by_rule.iter().filter(|(_, u)| ended(u)).map(|(id, _)| (*id).to_owned()).collect(),
        classes,
    }
}
