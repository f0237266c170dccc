//! Rejects and use of rules of many threads, whatever their addresses and however little memory there is, against maps.

use std::collections::BTreeMap;

use super::super::Names;
use super::rejects::RejectRows;
use super::usage::sums_of_day;
use super::*;

/// Numbers that follow from the last one.
fn step(number: &mut u64) -> u64 {
    *number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *number >> 33
}

/// The second of the first day.
const START: u32 = 20_000 * 86_400;

/// A few of everything, so that keys come again.
fn row(number: &mut u64) -> ConnectionRow<'static> {
    let mut below = |end: u64| step(number) % end;
    let (one, other) = (below(40), below(3));
    let start = START + (below(3) * 86_400 + below(2) * 300 + below(300)) as u32;
    let rejected = below(3) > 0;
    ConnectionRow {
        interface: below(3) as u32,
        remote: if other > 0 {
            0xffff_cb00_7100 + u128::from(one)
        } else {
            (0x2001_0db8 << 96) + u128::from(one)
        },
        local_port: below(2) as u16 + 22,
        remote_port: below(3) as u16 + 443,
        protocol: [6, 17][below(2) as usize],
        direction: [None, Some("inbound"), Some("outbound")][below(3) as usize],
        opened: if below(4) == 0 { START - 100 } else { start },
        start,
        end: start + below(900) as u32,
        accepted: !rejected,
        verdict: if rejected { ["rejected", "misdropped"][below(2) as usize] } else { "permitted" },
        reason: if rejected {
            ["security-group", "network-acl-in", "late-packet"][below(3) as usize]
        } else {
            ""
        },
        rules: if rejected { Vec::new() } else { (0..=below(2) as u32).collect() }.into(),
        bytes: [below(1000), below(1000)],
        packets: [below(10), below(10)],
        // Some are more than fits the smaller layout.
        rejected: [if below(50) == 0 { 5000 } else { below(20) }, below(2)],
        ..ConnectionRow::default()
    }
}

const ROWS: usize = 150_000;

fn names() -> Names {
    let interface = |id: &str| (id.to_owned(), crate::flow::InterfaceContext::default());
    let all = |texts: [&str; 2]| texts.map(str::to_owned).to_vec();
    Names {
        interfaces: ["eni-b", "eni-c", "eni-a"].map(interface).to_vec(),
        rules: all(["sgr-2", "sgr-1"]),
        groups: all(["sg-1", "sg-1"]),
    }
}

fn sheet(room: usize, directory: &Path) -> Sheet {
    let names = names();
    let rules = Ranks::new(names.rules.iter().map(String::as_str));
    let interfaces = Ranks::new(names.interfaces.iter().map(|(id, _)| id.as_str()));
    Sheet { names, rules, interfaces, outcomes: Mutex::default(), room: Room::new(room, directory) }
}

fn summed(sheet: &Sheet, threads: usize) -> Vec<DaySums<'_>> {
    let of_thread =
        || DaySums { sheet, usage: UseSums::new(), rejects: RejectSums::new(), known: Vec::new() };
    let mut all: Vec<DaySums<'_>> = (0..threads).map(|_| of_thread()).collect();
    let mut number = 11;
    for at in 0..ROWS {
        all[at * 31 % threads].push(&row(&mut number)).unwrap();
    }
    all.iter_mut().for_each(|sums| sums.settle().unwrap());
    all
}

fn port(row: &ConnectionRow<'_>) -> Option<u16> {
    row.direction.map(|direction| if direction == "inbound" { row.local_port } else { row.remote_port })
}

fn text(address: u128) -> String {
    crate::flow::address_from_bits(address).to_string()
}

/// Attempts and packets by address.
type Remotes = BTreeMap<String, (u64, u64)>;
type Reject = (String, i64, Option<&'static str>, u8, Option<u16>, Outcome);

fn expected_rejects() -> BTreeMap<Reject, Remotes> {
    let (names, mut number) = (names(), 11);
    let mut expected: BTreeMap<Reject, Remotes> = BTreeMap::new();
    for _ in 0..ROWS {
        let row = row(&mut number);
        if row.accepted || row.reason == "late-packet" {
            continue;
        }
        let interface = names.interfaces[row.interface as usize].0.clone();
        let start = i64::from(row.start / 300 * 300);
        let key = (interface, start, row.direction, row.protocol, port(&row), (row.verdict, row.reason));
        let sums = expected.entry(key).or_default().entry(text(row.remote)).or_default();
        sums.0 += u64::from(!row.continued());
        sums.1 += row.rejected[0] + row.rejected[1];
    }
    expected
}

#[test]
fn rejects_depend_on_neither_threads_nor_memory() {
    let directory = tempfile::tempdir().unwrap();
    let mut expected = Vec::new();
    for ((interface, start, direction, protocol, port, outcome), remotes) in expected_rejects() {
        let most = remotes.values().map(|sums| sums.0).max().unwrap();
        let top = remotes.iter().find(|(_, sums)| sums.0 == most).unwrap().0.clone();
        let sums: (u64, u64) = (remotes.values().map(|s| s.0).sum(), remotes.values().map(|s| s.1).sum());
        let of = (interface, start, direction, protocol, port, outcome);
        expected.push((of, sums, remotes.len() as u64, top, most));
    }
    // A day after the other, each by interface and time.
    expected.sort_by_key(|row| row.0.1 / 86_400);
    for (room, threads, at_a_time) in
        [(usize::MAX, 1, 1000), (usize::MAX, 3, 7), (0, 2, 100_000), (1 << 20, 1, 1)]
    {
        let sheet = sheet(room, directory.path());
        let sums = summed(&sheet, threads);
        let mut days = BTreeSet::new();
        sums.iter().for_each(|sums| sums.rejects.days(&mut days));
        assert_eq!(days.len(), 3);
        let mut told = Vec::new();
        for day in days {
            let mut rows = RejectRows::new(sums.iter().map(|s| &s.rejects), day, &sheet).unwrap();
            while !rows.is_empty() {
                let taken = rows.take(at_a_time).unwrap();
                assert!(taken.len() == at_a_time || rows.is_empty());
                for row in taken {
                    let what = row.what;
                    let interface = sheet.interfaces.number(what.interface()) as usize;
                    let direction = rejects::DIRECTIONS[what.direction()];
                    let of = (
                        sheet.names.interfaces[interface].0.clone(),
                        what.start(),
                        direction,
                        what.protocol(),
                        direction.map(|_| what.port()),
                        sheet.outcome(what.outcome()),
                    );
                    let top = text(row.top.0);
                    told.push((of, (row.attempts, row.packets), row.remotes, top, row.top.1));
                }
            }
        }
        assert!(told == expected, "{room} bytes, {threads} threads, {at_a_time} at a time");
    }
}

#[test]
fn use_depends_on_neither_threads_nor_memory() {
    type Of = (u32, &'static str, String, bool, u8, u16);
    type Sums = ([u64; 4], (u32, u32), BTreeSet<u128>);
    let directory = tempfile::tempdir().unwrap();
    let (names, mut number) = (names(), 11);
    let mut expected: BTreeMap<Of, Sums> = BTreeMap::new();
    for _ in 0..ROWS {
        let row = row(&mut number);
        let (Some(port), "permitted") = (port(&row), row.verdict) else { continue };
        for rule in row.rules.iter().map(|&rule| ["sgr-2", "sgr-1"][rule as usize]) {
            let interface = names.interfaces[row.interface as usize].0.clone();
            let inbound = row.direction == Some("inbound");
            let key = (row.day(), rule, interface, inbound, row.protocol, port);
            let (sums, span, remotes) =
                expected.entry(key).or_insert(([0; 4], (u32::MAX, 0), BTreeSet::new()));
            let begins = u64::from(!row.continued());
            let more = [
                begins,
                if row.rules.len() == 1 { begins } else { 0 },
                row.bytes.iter().sum(),
                row.packets.iter().sum(),
            ];
            sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
            *span = (span.0.min(row.start), span.1.max(row.end));
            remotes.insert(row.remote);
        }
    }
    let expected: Vec<_> = expected.into_values().map(|(sums, span, all)| (sums, span, all.len())).collect();
    for (room, threads) in [(usize::MAX, 1), (usize::MAX, 3), (0, 2), (1 << 20, 1)] {
        let sheet = sheet(room, directory.path());
        let sums = summed(&sheet, threads);
        let mut days = BTreeSet::new();
        sums.iter().for_each(|sums| sums.usage.days(&mut days));
        let mut told = Vec::new();
        for day in days {
            told.extend(sums_of_day(sums.iter().map(|sums| &sums.usage), day, &sheet).unwrap());
        }
        assert!(told == expected, "{room} bytes, {threads} threads");
    }
}
