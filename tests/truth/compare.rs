//! Runs the pipeline over a world and compares with its truth.

use std::collections::BTreeMap;
use std::path::Path;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int64Type, UInt8Type, UInt16Type};
use flowgate::finding::{Conclusions, Kind};
use flowgate::pipeline::{AnalyzeConfig, Input, Silent, analyze};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

/// Interface, local, remote, local port, remote port, protocol.
type Tuple = (String, String, String, u16, u16, u8);

/// A connection as the engine tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub tuple: Tuple,
    pub start: i64,
    pub end: i64,
    pub direction: Option<String>,
    pub evidence: String,
    pub action: String,
    pub verdict: String,
    pub reason: String,
    pub rules: Vec<String>,
}

/// A world's truth beside what the engine says.
pub struct Run {
    pub connections: Vec<Told>,
    pub rules: BTreeMap<String, (u64, u64)>,
    pub conclusions: Conclusions,
    truth: Vec<Value>,
    true_rules: Vec<Value>,
    events: Vec<Value>,
}

/// How to analyse a world.
pub fn config(world: &Path, connections_out: Option<&Path>) -> AnalyzeConfig {
    AnalyzeConfig {
        inputs: vec![Input::Local(world.join("AWSLogs"))],
        inventories: vec![world.join("inventory")],
        threads: 2,
        connections_out: connections_out.map(Path::to_owned),
        ..AnalyzeConfig::default()
    }
}

pub fn run(world: &Path) -> Run {
    let out = world.join("connections.parquet");
    let conclusions = analyze(&config(world, Some(&out)), None, &Silent).unwrap();
    assert!(conclusions.summary.tally.is_conserved(), "{:?}", conclusions.summary.tally);
    assert_eq!(conclusions.summary.tally.malformed, 0, "{:?}", conclusions.summary.tally);
    let lines = |name: &str| -> Vec<Value> {
        let text = std::fs::read_to_string(world.join("truth").join(name)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let events: Value =
        serde_json::from_slice(&std::fs::read(world.join("truth/events.json")).unwrap()).unwrap();
    let events = events.as_array().or_else(|| events["events"].as_array()).unwrap().clone();
    Run {
        connections: read_connections(&out),
        rules: conclusions
            .rules
            .iter()
            .map(|r| (r.rule_id.clone(), (r.connections, r.sole_connections)))
            .collect(),
        conclusions,
        truth: lines("connections.jsonl"),
        true_rules: lines("rules.jsonl"),
        events,
    }
}

fn read_connections(path: &Path) -> Vec<Told> {
    let file = std::fs::File::open(path).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let mut told = Vec::new();
    for batch in reader {
        let batch = batch.unwrap();
        let text = |name: &str, row: usize| -> Option<String> {
            let array = batch.column_by_name(name).unwrap().as_string::<i32>();
            array.is_valid(row).then(|| array.value(row).to_owned())
        };
        let port = |name: &str, row: usize| {
            batch.column_by_name(name).unwrap().as_primitive::<UInt16Type>().value(row)
        };
        let time = |name: &str, row: usize| {
            batch.column_by_name(name).unwrap().as_primitive::<Int64Type>().value(row)
        };
        let rules = batch.column_by_name("rules").unwrap().as_list::<i32>();
        for row in 0..batch.num_rows() {
            let protocol = batch.column_by_name("protocol").unwrap().as_primitive::<UInt8Type>().value(row);
            let ids = rules.value(row);
            let ids = ids.as_string::<i32>();
            let need = |name: &str| text(name, row).unwrap();
            told.push(Told {
                tuple: (
                    need("interface"),
                    need("local"),
                    need("remote"),
                    port("local_port", row),
                    port("remote_port", row),
                    protocol,
                ),
                start: time("start", row),
                end: time("end", row),
                direction: text("direction", row),
                evidence: need("evidence"),
                action: need("action"),
                verdict: need("verdict"),
                reason: need("reason"),
                rules: (0..ids.len()).map(|i| ids.value(i).to_owned()).collect(),
            });
        }
    }
    told
}

fn tuple(truth: &Value) -> Tuple {
    let text = |name: &str| truth[name].as_str().unwrap().to_owned();
    let number = |name: &str| truth[name].as_u64().unwrap();
    (
        text("interface"),
        text("local"),
        text("remote"),
        number("local_port") as u16,
        number("remote_port") as u16,
        number("protocol") as u8,
    )
}

impl Run {
    /// Each true connection with the told one of the same tuple that overlaps it most, if any.
    fn matched(&self) -> Vec<(&Value, Option<&Told>)> {
        let mut by_tuple: BTreeMap<&Tuple, Vec<&Told>> = BTreeMap::new();
        for told in &self.connections {
            by_tuple.entry(&told.tuple).or_default().push(told);
        }
        self.truth
            .iter()
            .map(|truth| {
                let (start, end) = (truth["start"].as_i64().unwrap(), truth["end"].as_i64().unwrap());
                let overlap = |t: &&&Told| t.end.min(end) - t.start.max(start);
                let told = by_tuple
                    .get(&tuple(truth))
                    .and_then(|list| list.iter().filter(|t| t.reason != "late-packet").max_by_key(overlap))
                    .copied();
                (truth, told)
            })
            .collect()
    }

    /// Openers: `right` is the least share of decided ones that must be right, `unknown` the largest share
    /// that may be undecided.
    pub fn assert_openers(&self, right: f64, unknown: f64) {
        let (mut decided, mut correct, mut open, mut missing) = (0_u64, 0_u64, 0_u64, 0_u64);
        let mut wrong = Vec::new();
        for (truth, told) in self.matched() {
            // Nobody can know who opened a UDP or ICMP exchange that was running when the log began.
            let hopeless = truth["started_before_window"].as_bool() == Some(true)
                && truth["protocol"].as_u64() != Some(6);
            let Some(told) = told else {
                missing += 1;
                wrong.push(format!("missing: {truth}"));
                continue;
            };
            match &told.direction {
                _ if hopeless => {}
                None => {
                    open += 1;
                    if open <= 5 {
                        wrong.push(format!("open: {truth}\n  {told:?}"));
                    }
                }
                Some(direction) => {
                    decided += 1;
                    if Some(direction.as_str()) == truth["direction"].as_str() {
                        correct += 1;
                    } else {
                        wrong.push(format!("wrong: {truth}\n  {told:?}"));
                    }
                }
            }
        }
        wrong.truncate(8);
        let total = decided + open;
        let figures = format!(
            "{} true, {} told, {decided} decided, {correct} right, {open} open, {missing} missing\n{}",
            self.truth.len(),
            self.connections.len(),
            wrong.join("\n")
        );
        println!("openers: {}", figures.lines().next().unwrap_or_default());
        assert_eq!(missing, 0, "{figures}");
        assert!(correct as f64 >= right * decided as f64, "{figures}");
        assert!(open as f64 <= unknown * total as f64, "{figures}");
    }

    /// Rule usage is equal to the truth, rule by rule, over the tuples whose openers are decided; and the rows
    /// are the sums over the connections.
    pub fn assert_rule_usage(&self) {
        let mut by_tuple: BTreeMap<Tuple, (Vec<&Value>, Vec<&Told>)> = BTreeMap::new();
        for truth in &self.truth {
            by_tuple.entry(tuple(truth)).or_default().0.push(truth);
        }
        for told in self.connections.iter().filter(|t| t.reason != "late-packet") {
            by_tuple.entry(told.tuple.clone()).or_default().1.push(told);
        }
        let ids = |t: &Value| -> Vec<String> {
            t["rules"].as_array().unwrap().iter().map(|r| r.as_str().unwrap().to_owned()).collect()
        };
        let mut expected: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        let mut counted: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        let mut rows: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        let mut odd = Vec::new();
        let (mut judged, mut left_out) = (0, 0);
        for (truth, told) in by_tuple.values() {
            let add = |map: &mut BTreeMap<String, (u64, u64)>, ids: &[String]| {
                for id in ids {
                    let entry = map.entry(id.clone()).or_default();
                    entry.0 += 1;
                    entry.1 += u64::from(ids.len() == 1);
                }
            };
            for t in told.iter().filter(|t| t.verdict == "permitted") {
                add(&mut rows, &t.rules);
            }
            let hopeless = truth.iter().any(|t| {
                t["started_before_window"].as_bool() == Some(true) && t["protocol"].as_u64() != Some(6)
            });
            if hopeless || told.iter().any(|t| t.direction.is_none()) {
                left_out += truth.len();
                continue;
            }
            judged += truth.len();
            let accepted = truth.iter().filter(|t| t["action"].as_str() == Some("accept"));
            let (mut a, mut b) = (BTreeMap::new(), BTreeMap::new());
            accepted.for_each(|t| add(&mut a, &ids(t)));
            told.iter().filter(|t| t.verdict == "permitted").for_each(|t| add(&mut b, &t.rules));
            if a != b {
                odd.push(format!("  true {truth:?}\n  told {told:?}"));
            }
            for (into, from) in [(&mut expected, a), (&mut counted, b)] {
                for (id, (n, sole)) in from {
                    let entry = into.entry(id).or_default();
                    entry.0 += n;
                    entry.1 += sole;
                }
            }
        }
        println!("rule usage: {judged} connections compared, {left_out} undecidable left out");
        assert!(left_out * 100 < judged, "{left_out} of {judged} left out");
        odd.truncate(4);
        assert_eq!(expected, counted, "\n{}", odd.join("\n"));
        let zero = |m: &BTreeMap<String, (u64, u64)>| -> BTreeMap<String, (u64, u64)> {
            m.iter().filter(|(_, n)| n.0 > 0).map(|(k, v)| (k.clone(), *v)).collect()
        };
        assert_eq!(zero(&self.rules), zero(&rows), "rules.jsonl is the sum over the connections");
        assert_eq!(self.true_rules.len(), self.rules.len(), "every rule of the inventory has a row");
    }

    /// Nothing is called `no-rule` that the truth does not hold to be an escape.
    pub fn assert_no_false_alarm(&self) {
        let mut escapes: BTreeMap<Tuple, u64> = BTreeMap::new();
        for truth in self.truth.iter().filter(|t| t["escape"].as_bool() == Some(true)) {
            *escapes.entry(tuple(truth)).or_default() += 1;
        }
        let mut between: Vec<Tuple> = Vec::new();
        for truth in self.truth.iter().filter(|t| t["between_snapshots"].as_bool() == Some(true)) {
            between.push(tuple(truth));
        }
        let false_alarms: Vec<String> = self
            .connections
            .iter()
            .filter(|t| t.verdict == "escaped" && t.reason == "no-rule")
            .filter(|t| !escapes.contains_key(&t.tuple) && !between.contains(&t.tuple))
            .map(|t| format!("{t:?}"))
            .take(8)
            .collect();
        assert!(false_alarms.is_empty(), "{}", false_alarms.join("\n"));
        // No world holds anything that these should tell of.
        let novel = [Kind::FirstContact, Kind::OutboundVolume, Kind::Beacon];
        let told = self.conclusions.findings.iter().filter(|finding| novel.contains(&finding.kind));
        let told: Vec<&str> = told.map(|finding| finding.title.as_str()).collect();
        assert!(told.is_empty(), "{}", told.join("\n"));
    }

    /// Every planted escape is told as one, and is in a finding.
    pub fn assert_escapes_found(&self) {
        let mut count = 0;
        for (truth, told) in self.matched() {
            if truth["escape"].as_bool() == Some(true) {
                let told = told.unwrap();
                assert_eq!(told.verdict, "escaped", "{truth}\n  {told:?}");
                count += 1;
            }
        }
        assert!(count > 0, "the world holds no escape");
        for event in self.events.iter().filter(|e| e["kind"].as_str() == Some("unexpected-accept")) {
            for interface in event["interfaces"].as_array().unwrap() {
                let found = self.conclusions.findings.iter().any(|f| {
                    f.kind == Kind::UnexpectedAccept
                        && f.interfaces.iter().any(|i| Some(i.as_str()) == interface.as_str())
                });
                assert!(found, "not found: {event}");
            }
        }
    }
}
