//! A rule taken out blocks what the truth says only it permits.

use std::collections::BTreeMap;

use flowgate::inventory::Inventory;
use flowgate::tighten::{Against, Candidate, Lot, ReplayRow};
use serde_json::Value;

use super::{replayed, world};

/// Interface, direction, protocol, service port, remote address.
type Cell = (String, String, u8, u16, String);

struct Truth {
    /// Accepted connections that rules permit, by cell; the ids of the rules that match, types of ICMP left aside.
    permitted: Vec<(Cell, Vec<String>)>,
    /// Cells with a connection of which nobody can know who opened it.
    hopeless: Vec<Cell>,
}

fn truth(directory: &std::path::Path) -> Truth {
    let text = std::fs::read_to_string(directory.join("truth/connections.jsonl")).unwrap();
    let mut truth = Truth { permitted: Vec::new(), hopeless: Vec::new() };
    for line in text.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        let protocol = row["protocol"].as_u64().unwrap() as u8;
        let port = |name: &str| row[name].as_u64().unwrap() as u16;
        let service = |direction: &str| match direction {
            "outbound" => port("remote_port"),
            _ => port("local_port"),
        };
        let cell = |direction: &str| {
            (text("interface"), direction.to_owned(), protocol, service(direction), text("remote"))
        };
        let direction = text("direction");
        // Nobody can know who opened an exchange without a handshake that was running when the log began.
        if row["started_before_window"] == true && protocol != 6 {
            truth.hopeless.extend([cell("inbound"), cell("outbound")]);
            continue;
        }
        if row["action"] == "accept" && row["permitted"] == true {
            let rules = row["possible_rules"].as_array().unwrap();
            let rules = rules.iter().map(|id| id.as_str().unwrap().to_owned()).collect();
            truth.permitted.push((cell(&direction), rules));
        }
    }
    truth
}

fn cell(row: &ReplayRow) -> Cell {
    let (low, high) = row.ports.unwrap_or((0, 0));
    assert_eq!(low, high, "nothing is folded");
    let direction = row.direction.map_or("unknown", flowgate::flow::Direction::as_str);
    (row.interface.clone(), direction.to_owned(), row.protocol.0, low, row.remote.addr().to_string())
}

fn without(inventory: &Inventory, gone: &[String]) -> Inventory {
    let mut after = inventory.clone();
    for group in after.security_groups.values_mut() {
        group.rules.retain(|rule| !gone.contains(&rule.id));
    }
    after
}

#[test]
fn blocks_what_only_it_permitted() {
    let directory = tempfile::tempdir().unwrap();
    world(directory.path(), 11, |_| {});
    let truth = truth(directory.path());
    let mut sole: BTreeMap<String, u64> = BTreeMap::new();
    for (_, rules) in truth.permitted.iter().filter(|(_, rules)| rules.len() == 1) {
        *sole.entry(rules[0].clone()).or_default() += 1;
    }
    // Each used rule alone, and some of them together.
    let mut removals: Vec<Vec<String>> = sole.keys().map(|id| vec![id.clone()]).collect();
    removals.push(sole.keys().step_by(2).cloned().collect());
    assert!(removals.len() > 10, "{removals:?}");
    let outcome = replayed(directory.path(), Against::Standing, |timeline| {
        let latest = timeline.latest().unwrap();
        let each = removals.iter().map(|gone| Candidate {
            inventory: without(latest, gone),
            changes: vec![gone.clone()],
            ..Candidate::default()
        });
        each.collect()
    });
    let (mut compared, mut left_out) = (0, 0);
    for (gone, replay) in removals.iter().zip(&outcome.replays) {
        // Where the logs do not tell who opened it, the replay says so.
        let rows = replay.blocked.rows.iter().chain(&replay.unsure.rows);
        let open: Vec<Cell> = rows.filter(|row| row.direction.is_none()).map(cell).collect();
        let known = |cell: &Cell| {
            let undecided = open.iter().any(|o| (&o.0, o.2, &o.4) == (&cell.0, cell.2, &cell.4));
            !truth.hopeless.contains(cell) && !undecided && cell.1 != "unknown"
        };
        left_out += open.len();
        let mut expected: BTreeMap<Cell, u64> = BTreeMap::new();
        let mut kept = 0;
        for (cell, rules) in &truth.permitted {
            if rules.is_empty() || !rules.iter().all(|rule| gone.contains(rule)) {
                kept += u64::from(rules.iter().any(|rule| gone.contains(rule)));
            } else if known(cell) {
                *expected.entry(cell.clone()).or_default() += 1;
            }
        }
        let mut told: BTreeMap<Cell, u64> = BTreeMap::new();
        for row in &replay.blocked.rows {
            assert!(row.rules.iter().all(|rule| gone.contains(&rule.id)), "{row:?}");
            assert_eq!(row.by, "security-group");
            if known(&cell(row)) {
                *told.entry(cell(row)).or_default() += row.connections;
            }
        }
        assert_eq!(expected, told, "without {gone:?}");
        compared += expected.values().sum::<u64>();
        // Nothing that was stopped passes now, and the change knows its connections.
        assert_eq!(replay.count(Lot::Opened).connections, 0);
        assert_eq!(replay.count(Lot::Admitted).connections, 0);
        let change = replay.changes[0];
        assert_eq!(change.blocked, replay.count(Lot::Blocked).connections);
        let slack = truth.hopeless.len() as u64 + replay.count(Lot::Undecided).connections;
        assert!(change.permitted.abs_diff(kept) <= slack, "{change:?} {kept}");
        assert!(replay.groups.iter().all(|group| group.wider.is_empty() && group.added.is_empty()));
    }
    println!("{} removals, {compared} blocked connections, {left_out} left out", removals.len());
    assert!(left_out < 20, "{left_out}");
    assert!(compared > 5_000, "{compared}");
}
