//! Connections that the account permits, some that it does not, and their records.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use super::account::{Account, END, PERIOD, Peer, Random, SERVICES, START};
use super::told::Mode;

/// An interface's view of a 5-tuple.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tuple {
    pub interface: String,
    pub local: IpAddr,
    pub remote: IpAddr,
    pub local_port: u16,
    pub remote_port: u16,
    pub protocol: u8,
}

struct Row {
    eni: usize,
    inward: bool,
    remote: Ipv4Addr,
    local_port: u16,
    remote_port: u16,
    protocol: i32,
    packets: i64,
    start: i64,
    end: i64,
    accept: bool,
    flags: u8,
}

pub struct Traffic {
    account_rows: Vec<String>,
    /// Accepted although nothing permitted it, by the server's view; with what is known of it.
    pub ghosts: BTreeMap<Tuple, String>,
    /// What other connections are.
    pub about: BTreeMap<Tuple, String>,
}

/// A client's wish.
#[derive(Clone, Copy)]
struct Wish {
    at: i64,
    server: usize,
    client: Option<usize>,
    remote: Ipv4Addr,
    protocol: i32,
    port: u16,
    client_port: u16,
}

impl Wish {
    fn tuple(&self, account: &Account) -> Tuple {
        Tuple {
            interface: account.enis[self.server].id.clone(),
            local: account.enis[self.server].address.into(),
            remote: self.remote.into(),
            local_port: self.port,
            remote_port: self.client_port,
            protocol: self.protocol as u8,
        }
    }
}

/// Ten minutes in which capture lost everything at an interface.
fn lost(eni: usize, at: i64) -> bool {
    let from = (START + 6 * 3600 + eni as i64 * 600) / 600 * 600;
    eni % 11 == 3 && (from..from + 600).contains(&at)
}

/// The times around an opening at which something that permits it makes the truth undecidable.
fn guard(mode: Mode, at: i64) -> (i64, i64) {
    match mode {
        // An item comes up to 200 s after its change, and either side explains for some minutes.
        Mode::Config => (at - 700, at + 700),
        Mode::Snapshots => {
            let before = START + (at - START) / PERIOD * PERIOD;
            (before - PERIOD - 130, before + 2 * PERIOD + 130)
        }
    }
}

impl Traffic {
    pub fn new(account: &Account, seed: u64, flags: bool, mode: Mode) -> Self {
        let mut random = Random::new(seed + 1000);
        let moments = account.moments();
        let (mut rows, mut ghosts, mut about) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        for n in 0..20_000_i64 {
            // The first ones talk for hours, from before the log began.
            let long = n < 6000;
            let times = if long { (START - 10_800, START - 600) } else { (START - 7200, END - 900) };
            let Some(wish) = wish(account, &mut random, n, times) else { continue };
            let permitted = !permitting(account, &wish, wish.at).is_empty();
            if permitted && (!long || wish.protocol == 6) {
                let what = converse(account, &wish, &mut random, long, &mut rows);
                about.insert(wish.tuple(account), what);
            } else if !permitted && random.below(48) == 0 && is_decidable(account, &wish, mode, &moments) {
                let ever = moments.iter().any(|&at| !permitting(account, &wish, at - 1).is_empty());
                ghosts.insert(
                    wish.tuple(account),
                    format!("at {}, permitted at another time: {ever}", wish.at),
                );
                converse_as_ghost(&wish, &mut random, &mut rows);
            } else if !permitted && random.below(8) == 0 && wish.at >= START {
                // Refused: a try and a second one.
                let row = Row { accept: false, packets: 2, flags: 2, end: wish.at + 3, ..open(&wish) };
                rows.push(row);
            }
        }
        rows.retain(|row| row.start >= START && row.end < END && !lost(row.eni, row.end));
        let mut lines: Vec<String> = rows.iter().map(|row| line(account, row, flags)).collect();
        lines.extend(silence(account, flags));
        Self { account_rows: lines, ghosts, about }
    }

    /// A file with a header for every some thousand lines.
    pub fn write(&self, dir: &Path) {
        std::fs::create_dir_all(dir).unwrap();
        let rich = self.account_rows[0].starts_with('5');
        let more = if rich { " tcp-flags flow-direction" } else { "" };
        for (n, lines) in self.account_rows.chunks(8000).enumerate() {
            let mut text = format!(
                "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end \
                 action log-status{more}\n"
            );
            lines.iter().for_each(|line| writeln!(text, "{line}").unwrap());
            std::fs::write(dir.join(format!("{n}.log")), text).unwrap();
        }
    }
}

fn wish(account: &Account, random: &mut Random, n: i64, times: (i64, i64)) -> Option<Wish> {
    let at = random.between(times.0, times.1);
    let server = random.below(account.enis.len() as i64) as usize;
    let inside = random.below(2) == 0;
    let client = inside.then(|| random.below(account.enis.len() as i64) as usize);
    let remote = match client {
        Some(client) => account.enis[client].address,
        None => match random.below(3) {
            0 => Ipv4Addr::new(198, 51, 100, random.below(256) as u8),
            1 => Ipv4Addr::new(203, 0, 113, random.below(256) as u8),
            _ => Ipv4Addr::new(192, 0, 2, random.below(256) as u8),
        },
    };
    let &(protocol, port) = random.pick(&SERVICES);
    let wish = Wish { at, server, client, remote, protocol, port, client_port: 32_768 + (n % 28_000) as u16 };
    let lives = |eni: usize| account.enis[eni].lives(at);
    (lives(server) && client.is_none_or(lives) && remote != account.enis[server].address).then_some(wish)
}

fn permitting<'a>(account: &'a Account, wish: &Wish, at: i64) -> Vec<&'a super::account::Rule> {
    account.permits(wish.server, false, wish.protocol, wish.port, wish.remote, at)
}

/// Nothing permits it anywhere near, and it can't be mistaken for one that goes on.
fn is_decidable(account: &Account, wish: &Wish, mode: Mode, moments: &[i64]) -> bool {
    let (from, to) = guard(mode, wish.at);
    let near = moments.iter().copied().filter(|t| (from..=to).contains(t)).flat_map(|t| [t - 1, t, t + 1]);
    let times = near.chain([from, wish.at, to]);
    // Interfaces come and go in the guard, too.
    let stays = |eni: usize| account.enis[eni].life == (i64::MIN, i64::MAX);
    let watched =
        wish.at >= START + 3600 && !(-1300..=1300).step_by(300).any(|d| lost(wish.server, wish.at + d));
    watched
        && stays(wish.server)
        && wish.client.is_none_or(stays)
        && times.into_iter().all(|t| permitting(account, wish, t).is_empty())
}

fn open(wish: &Wish) -> Row {
    Row {
        eni: wish.server,
        inward: true,
        remote: wish.remote,
        local_port: wish.port,
        remote_port: wish.client_port,
        protocol: wish.protocol,
        packets: 1,
        start: wish.at,
        end: wish.at,
        accept: true,
        flags: 0,
    }
}

/// Records of one stretch of talk, at both ends that are logged.
fn talk(wish: &Wish, account: Option<&Account>, at: i64, first: bool, last: bool, rows: &mut Vec<Row>) {
    let tcp = wish.protocol == 6;
    let (mut to, mut back) = (0, 0);
    if tcp && first {
        (to, back) = (to | 2, back | 18);
    }
    if tcp && last {
        (to, back) = (to | 1, back | 1);
    }
    let there = Row { start: at, end: at + 20, packets: 8, flags: to, ..open(wish) };
    let answer = Row { inward: false, start: at, end: at + 21, packets: 7, flags: back, ..open(wish) };
    if let (Some(client), Some(account)) = (wish.client, account) {
        let remote = account.enis[wish.server].address;
        let turned = |row: &Row| Row {
            eni: client,
            inward: !row.inward,
            remote,
            local_port: row.remote_port,
            remote_port: row.local_port,
            ..*row
        };
        rows.extend([turned(&there), turned(&answer)]);
    }
    rows.extend([there, answer]);
}

/// Talks as long as the network lets it: tracked connections outlive their rules.
fn converse(account: &Account, wish: &Wish, random: &mut Random, long: bool, rows: &mut Vec<Row>) -> String {
    let times: Vec<i64> = match (wish.protocol, random.below(4)) {
        _ if long => {
            // On and off, and never idle for as long as ten minutes.
            let mut times = vec![wish.at];
            while times[times.len() - 1] < START + 3600 {
                times.push(times[times.len() - 1] + random.between(70, 590));
            }
            times
        }
        (6, 0) => {
            // Hours, with pauses of up to half an hour.
            let mut at = wish.at;
            let mut times = vec![at];
            for _ in 0..random.between(2, 14) {
                at += random.between(30, 1800);
                times.push(at);
            }
            times
        }
        (6, 1) => vec![wish.at, wish.at + random.between(65, 300)],
        (17, 0) => (0..random.between(2, 20)).map(|n| wish.at + n * 70).collect(),
        _ => vec![wish.at],
    };
    let ends = |at: i64| {
        let alive = |eni: usize| account.enis[eni].lives(at + 25);
        !alive(wish.server) || !wish.client.is_none_or(alive)
    };
    let everywhere = Peer::Cidr(Ipv4Addr::UNSPECIFIED, 0);
    let mut untracked = false;
    let last = times.len() - 1;
    let mut what = format!("permitted at {}", wish.at);
    for (n, &at) in times.iter().enumerate() {
        if ends(at) {
            break;
        }
        let permits = permitting(account, wish, at);
        if permits.is_empty() && untracked {
            // Cut with its rule: its next packets are refused.
            rows.push(Row { accept: false, start: at, end: at + 9, ..open(wish) });
            what += ", cut";
            break;
        }
        if permits.is_empty() {
            what += ", outlived its rule";
        } else {
            // Everybody may answer: each group permits everything outwards.
            untracked = permits.iter().all(|r| r.peer == everywhere && r.protocol != -1);
        }
        talk(wish, Some(account), at, n == 0, n == last, rows);
    }
    what
}

/// Nobody permitted it, and yet it happened. Only the server's side tells.
fn converse_as_ghost(wish: &Wish, random: &mut Random, rows: &mut Vec<Row>) {
    let more = wish.protocol == 6 && random.below(3) == 0;
    talk(wish, None, wish.at, true, !more, rows);
    if more {
        talk(wish, None, wish.at + random.between(65, 300), false, true, rows);
    }
}

fn line(account: &Account, row: &Row, flags: bool) -> String {
    let eni = &account.enis[row.eni];
    let (source, destination, from, to) = if row.inward {
        (row.remote, eni.address, row.remote_port, row.local_port)
    } else {
        (eni.address, row.remote, row.local_port, row.remote_port)
    };
    let action = if row.accept { "ACCEPT" } else { "REJECT" };
    let version = if flags { 5 } else { 2 };
    let mut line = format!(
        "{version} 111122223333 {} {source} {destination} {from} {to} {} {} {} {} {} {action} OK",
        eni.id,
        row.protocol,
        row.packets,
        row.packets * 90,
        row.start,
        row.end
    );
    if flags {
        let seen = if row.protocol == 6 { row.flags.to_string() } else { "0".to_owned() };
        write!(line, " {seen} {}", if row.inward { "ingress" } else { "egress" }).unwrap();
    }
    line
}

/// NODATA and SKIPDATA rows, so that everything else is known to have been watched.
fn silence(account: &Account, flags: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let mut skipped: BTreeSet<(usize, i64)> = BTreeSet::new();
    for (n, eni) in account.enis.iter().enumerate() {
        for at in (START..END).step_by(600).filter(|at| eni.lives(*at)) {
            let status = if lost(n, at) { "SKIPDATA" } else { "NODATA" };
            if status == "SKIPDATA" {
                skipped.insert((n, at));
            }
            let version = if flags { 5 } else { 2 };
            let more = if flags { " - -" } else { "" };
            lines.push(format!(
                "{version} 111122223333 {} - - - - - - - {at} {} - {status}{more}",
                eni.id,
                at + 599
            ));
        }
    }
    assert!(skipped.len() > 3);
    lines
}
