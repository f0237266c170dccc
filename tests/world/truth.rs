//! The truth, as far as it is in the logs: what happened, told from the records that were written.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use serde_json::{Value, json};

use super::config::Account;
use super::inventory::put;
use super::plants::{INVISIBLE, PERMISSIVE, Plant, REDUNDANT, UNUSED};
use super::sim::{Conn, Counted, Key, Owner, Sim};

/// A connection as it is in the written records.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// First and last packet, milliseconds.
    pub first: i64,
    pub last: i64,
    pub records: u64,
    pub bytes: u64,
    pub packets: u64,
    /// The opening SYN is in a written record.
    pub syn: bool,
    /// Some of its records were lost.
    pub lost: bool,
}

/// What is needed to tell the truth.
pub struct Truth<'s, 'a> {
    pub sim: &'s Sim<'a>,
    /// Whether records carry packet-level addresses.
    pub rich: bool,
    seen: BTreeMap<usize, Seen>,
    late: Vec<(Key, Counted)>,
}

impl<'s, 'a> Truth<'s, 'a> {
    pub fn new(sim: &'s Sim<'a>, rich: bool) -> Self {
        Self { sim, rich, seen: BTreeMap::new(), late: Vec::new() }
    }

    /// Takes note of one record of the simulation, written or lost.
    pub fn note(&mut self, key: &Key, counted: &Counted, written: bool) {
        let conn = match counted.owner {
            Owner::Conn(conn) => conn,
            Owner::Late(_) => {
                if written {
                    self.late.push((*key, *counted));
                }
                return;
            }
        };
        let seen = self.seen.entry(conn).or_default();
        if !written {
            seen.lost = true;
            return;
        }
        let empty = seen.records == 0;
        seen.first = if empty { counted.first } else { seen.first.min(counted.first) };
        seen.last = if empty { counted.last } else { seen.last.max(counted.last) };
        seen.records += 1;
        seen.bytes += counted.bytes;
        seen.packets += counted.packets;
        let opening = key.egress == self.sim.conns[conn].outbound;
        seen.syn |= key.proto == 6 && opening && counted.flags & 2 != 0;
    }

    /// Connections with at least one written record.
    fn written(&self) -> impl Iterator<Item = (usize, &Conn, &Seen)> {
        self.seen.iter().filter(|(_, s)| s.records > 0).map(|(&n, s)| (n, &self.sim.conns[n], s))
    }

    /// Writes everything but the tally. Returns the number of connections.
    pub fn write(&self, dir: &Path, plants: &[Plant]) -> io::Result<usize> {
        fs::create_dir_all(dir)?;
        let mut lines: Vec<((i64, usize), Value)> =
            self.written().map(|(n, conn, seen)| ((seen.first, n), self.connection(conn, seen))).collect();
        lines.sort_by_key(|(order, _)| *order);
        put_lines(&dir.join("connections.jsonl"), lines.iter().map(|(_, value)| value))?;
        let late: Vec<Value> =
            self.late.iter().map(|(key, counted)| self.late_packet(key, counted)).collect();
        put_lines(&dir.join("late_packets.jsonl"), late.iter())?;
        put_lines(&dir.join("rules.jsonl"), self.rules().iter())?;
        put(&dir.join("events.json"), &self.events(plants))?;
        Ok(lines.len())
    }

    fn connection(&self, conn: &Conn, seen: &Seen) -> Value {
        let account = self.sim.account;
        json!({
            "interface": account.enis[conn.eni].id,
            "interface_name": account.enis[conn.eni].name,
            "direction": direction(conn.outbound),
            "local": self.local(conn),
            "remote": conn.remote,
            "local_port": conn.local_port,
            "remote_port": conn.remote_port,
            "protocol": conn.proto,
            "start": seen.first.div_euclid(1000),
            "end": seen.last.div_euclid(1000),
            "action": if conn.accepted { "accept" } else { "reject" },
            "reject_cause": conn.cause.or(conn.blocked),
            "blocked_reply": conn.blocked.is_some(),
            "rules": conn.rules,
            "possible_rules": conn.possible_rules,
            "permitted": conn.permitted,
            "escape": conn.accepted && !conn.permitted,
            "bytes": seen.bytes,
            "packets": seen.packets,
            "records": seen.records,
            "saw_syn": seen.syn,
            "started_before_window": conn.opened_at < self.sim.window.0,
            "touches_gap": seen.lost,
            "between_snapshots": conn.between_snapshots,
        })
    }

    /// The local address that a reader of the format can know.
    fn local(&self, conn: &Conn) -> String {
        if self.rich {
            conn.local.to_string()
        } else {
            self.sim.shown_local(conn.eni, conn.local).to_string()
        }
    }

    fn late_packet(&self, key: &Key, counted: &Counted) -> Value {
        let Owner::Late(late) = counted.owner else { unreachable!("only late packets are kept here") };
        let conn = &self.sim.conns[self.sim.lates[late].conn];
        json!({
            "interface": self.sim.account.enis[key.eni].id,
            "flow_direction": if key.egress { "egress" } else { "ingress" },
            "local": self.local(conn),
            "remote": key.remote,
            "local_port": key.local_port,
            "remote_port": key.remote_port,
            "protocol": key.proto,
            "start": counted.first.div_euclid(1000),
            "end": counted.last.div_euclid(1000),
            "tcp_flags": counted.flags,
            "connection_direction": direction(conn.outbound),
        })
    }

    /// Usage of every rule of the dump, by accepted connections.
    fn rules(&self) -> Vec<Value> {
        let mut usage: BTreeMap<&str, (u64, u64, u64)> = BTreeMap::new();
        for (_, conn, seen) in self.written().filter(|(_, conn, _)| conn.accepted) {
            for rule in &conn.rules {
                let entry = usage.entry(rule).or_default();
                entry.0 += 1;
                entry.1 += u64::from(conn.rules.len() == 1);
                entry.2 += seen.bytes;
            }
        }
        let account = self.sim.account;
        let mut rules = Vec::new();
        for group in &account.groups {
            for rule in group.rules.iter().filter(|rule| !rule.hidden) {
                let (connections, sole, bytes) = usage.remove(rule.id.as_str()).unwrap_or_default();
                rules.push(json!({
                    "rule_id": rule.id,
                    "group": group.id,
                    "group_name": group.name,
                    "spec": rule.spec,
                    "direction": direction(rule.egress),
                    "connections": connections,
                    "sole_connections": sole,
                    "bytes": bytes,
                }));
            }
        }
        assert!(usage.is_empty(), "rules nobody knows: {usage:?}");
        rules
    }

    fn events(&self, plants: &[Plant]) -> Value {
        let account = self.sim.account;
        let mut events: Vec<Value> = plants.iter().map(|plant| self.planted(plant)).collect();
        let mut connections: BTreeMap<&str, u64> = BTreeMap::new();
        for (_, conn, _) in self.written().filter(|(_, conn, _)| conn.accepted) {
            for rule in &conn.rules {
                *connections.entry(rule).or_default() += 1;
            }
        }
        let of = |group: &str, spec: &str| {
            let rule = account.rule(group, spec);
            (rule.id.clone(), connections.get(rule.id.as_str()).copied().unwrap_or(0))
        };
        for (kind, list) in [("unused-rule", UNUSED), ("invisible-purpose-rule", INVISIBLE)] {
            for (group, spec, cause) in list {
                let (rule, used) = of(group, spec);
                assert_eq!(used, 0, "{group}: {spec} was to be unused");
                events.push(rule_event(account, kind, cause, group, spec, &rule));
            }
        }
        for (group, spec, covered_by) in REDUNDANT {
            let (rule, used) = of(group, spec);
            let mut event = rule_event(account, "redundant-rule", "covered", group, spec, &rule);
            event["covered_by"] = json!([of(group, covered_by).0]);
            event["connections"] = used.into();
            events.push(event);
        }
        for (group, spec, cause) in PERMISSIVE {
            let (rule, used) = of(group, spec);
            let mut event = rule_event(account, "permissive-rule", cause, group, spec, &rule);
            let (mut ports, mut peers) = (BTreeSet::new(), BTreeSet::new());
            for (_, conn, _) in self.written().filter(|(_, c, _)| c.accepted && c.rules.contains(&rule)) {
                ports.insert(if conn.outbound { conn.remote_port } else { conn.local_port });
                peers.insert(conn.remote);
            }
            event["connections"] = used.into();
            event["observed_ports"] = json!(ports);
            event["observed_peers"] = json!(peers);
            events.push(event);
        }
        Value::Array(events)
    }

    fn planted(&self, plant: &Plant) -> Value {
        let account = self.sim.account;
        let of_plant: Vec<(&Conn, &Seen)> =
            self.written().filter(|(n, ..)| plant.conns.contains(n)).map(|(_, c, s)| (c, s)).collect();
        let escapes = plant.kind == "unexpected-accept";
        // What the event is about: what was rejected at whose interface, what escaped, or everything.
        let about: Vec<&(&Conn, &Seen)> = of_plant
            .iter()
            .filter(|(c, _)| match plant.kind {
                "rejected-spike" => !c.accepted,
                "unexpected-accept" => c.accepted && !c.permitted,
                _ => true,
            })
            .collect();
        let interfaces: BTreeSet<&str> = about.iter().map(|(c, _)| account.enis[c.eni].id.as_str()).collect();
        let names: BTreeSet<&str> = about.iter().map(|(c, _)| account.enis[c.eni].name.as_str()).collect();
        assert!(!escapes || !about.is_empty(), "{}: nothing escaped", plant.cause);
        json!({
            "kind": plant.kind,
            "cause": plant.cause,
            "interfaces": interfaces,
            "interface_names": names,
            "sources": [plant.source],
            "protocol": plant.protocol,
            "ports": plant.ports,
            "start": about.iter().map(|(_, s)| s.first.div_euclid(1000)).min(),
            "end": about.iter().map(|(_, s)| s.last.div_euclid(1000)).max(),
            "connections": about.len(),
            "rule_ids": [],
        })
    }
}

fn rule_event(account: &Account, kind: &str, cause: &str, group: &str, spec: &str, rule: &str) -> Value {
    json!({
        "kind": kind,
        "cause": cause,
        "group": account.groups[account.group(group)].id,
        "group_name": group,
        "spec": spec,
        "rule_ids": [rule],
    })
}

fn direction(outbound: bool) -> &'static str {
    if outbound { "outbound" } else { "inbound" }
}

/// One JSON object a line.
fn put_lines<'v>(path: &Path, values: impl Iterator<Item = &'v Value>) -> io::Result<()> {
    let mut file = io::BufWriter::new(fs::File::create(path)?);
    for value in values {
        serde_json::to_writer(&mut file, value)?;
        file.write_all(b"\n")?;
    }
    file.flush()
}
