//! The oracle: a second, slow and obvious implementation, and the engine beside it.
//!
//! `tests/oracle/` shares no code with the engine. It keeps records in plain lists and scans them again for every
//! question. Both get the same generated configurations and logs, and have to say the same: connections with
//! their openers, the rules that permit them, and the usage of every rule.

mod asof;
mod asof_world;
mod cut;
mod engine;
mod findings;
mod generate;
mod judge;
mod model;
mod opener;
mod rules;
mod write;

use std::collections::BTreeMap;

use engine::Place;
use flowgate::pipeline::MemoryPlan;
use generate::{Case, case, layout};
use judge::judge;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use write::Layout;

fn lay_out(place: &Place, case: &Case, layout: &Layout) {
    let lines = write::lines(&case.config, case.format, &case.records, &case.silences);
    write::logs(&place.logs(), case.format, &lines, layout);
}

/// Where two lists part, so that a failure can be read.
fn difference<T: PartialEq + std::fmt::Debug>(oracle: &[T], engine: &[T]) -> String {
    let only = |a: &[T], b: &[T]| {
        a.iter().filter(|x| !b.contains(x)).map(|x| format!("    {x:?}\n")).collect::<String>()
    };
    format!("only the oracle:\n{}only the engine:\n{}", only(oracle, engine), only(engine, oracle))
}

fn settings(cases: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

/// Cases of the main property: 256, and `PROPTEST_CASES` asks for more.
fn cases() -> u32 {
    ProptestConfig::default().cases
}

fn output(place: &Place, threads: usize, name: &str) -> Vec<String> {
    output_with(place, MemoryPlan::default(), threads, name)
}

fn output_with(place: &Place, memory: MemoryPlan, threads: usize, name: &str) -> Vec<String> {
    let dir = place.path(name);
    let connections = place.path(&format!("{name}.parquet"));
    let conclusions = place.analyze_with(memory, threads, Some(&connections));
    flowgate::report::write_dir(&dir, &conclusions).unwrap();
    ["findings.jsonl", "rules.jsonl", "summary.json"]
        .iter()
        .map(|file| std::fs::read_to_string(dir.join(file)).unwrap())
        .collect()
}

/// Evidence, verdicts with reasons, blocked replies, numbers of permitting rules. What is not here needs
/// dated inventories, or encryption controls.
const EVERYTHING: [&str; 33] = [
    "tcp-flags",
    "one-way",
    "order",
    "policy",
    "fan-in",
    "configured-service",
    "service-port",
    "first-packet",
    "none",
    "permitted",
    "escaped inventory-gap",
    "escaped opener-unknown",
    "escaped no-rule",
    "rejected security-group",
    "rejected network-acl-in",
    "rejected network-acl-out",
    "rejected both",
    "rejected block-public-access",
    "rejected late-packet",
    "misdropped",
    "not-evaluable interface-unknown",
    "not-evaluable local-side-unknown",
    "not-evaluable self-traffic",
    "not-evaluable inventory-gap",
    "network-acl-in",
    "network-acl-out",
    "0 rules",
    "1 rules",
    "2 rules",
    "3 rules",
    "v4",
    "v6",
    "credited alone",
];

/// Cases, the same in every run.
fn samples(count: usize) -> impl Iterator<Item = Case> {
    let mut runner = TestRunner::deterministic();
    let strategy = case();
    (0..count).map(move |_| strategy.new_tree(&mut runner).unwrap().current())
}

/// The generator reaches every evidence, verdict and reason that one undated inventory can lead to: an
/// agreement about what never happens would be worth nothing.
#[test]
fn cases_reach_every_conclusion() {
    let mut met: BTreeMap<String, usize> = BTreeMap::new();
    for case in samples(2000) {
        let (rows, _) = judge(&case.config, &case.records, &case.silences);
        for row in rows {
            let family = if row.remote.contains(':') { "v6" } else { "v4" };
            let alone = row.verdict == "permitted" && row.rules.len() == 1;
            let words = [
                format!("{} {}", row.verdict, row.reason).trim_end().to_owned(),
                row.evidence,
                row.blocked_reply.unwrap_or_default(),
                format!("{} rules", row.rules.len().min(3)),
                family.to_owned(),
                if alone { "credited alone" } else { "" }.to_owned(),
            ];
            for word in words.into_iter().filter(|w| !w.is_empty()) {
                *met.entry(word).or_default() += 1;
            }
        }
    }
    println!("{met:#?}");
    for word in EVERYTHING {
        assert!(met.get(word).is_some_and(|n| *n >= 10), "{word}: {:?}", met.get(word));
    }
}

proptest! {
    #![proptest_config(settings(cases()))]

    /// The engine and the oracle tell the same connections, decisions and rule usage, and no line is lost.
    #[test]
    fn the_engine_agrees_with_the_oracle(case in case()) {
        let place = Place::new();
        write::inventory(&place.inventory(), &case.config);
        lay_out(&place, &case, &case.layout);
        let out = place.path("connections.parquet");
        let conclusions = place.analyze(2, Some(&out));

        let (rows, usage) = judge(&case.config, &case.records, &case.silences);
        let told = engine::rows(&out);
        let lines = write::lines(&case.config, case.format, &case.records, &case.silences);
        prop_assert!(
            rows == told,
            "{}\nlog:\n{}\nconfiguration: {:#?}",
            difference(&rows, &told), lines.join("\n"), case.config
        );
        prop_assert_eq!(usage, engine::usage(&conclusions));

        let tally = &conclusions.summary.tally;
        prop_assert!(tally.is_conserved(), "{:?}", tally);
        prop_assert_eq!(tally.lines, lines.len() as u64);
        prop_assert_eq!(tally.malformed, 0);
        prop_assert_eq!(tally.nodata + tally.skipdata, case.silences.len() as u64);
    }
}

proptest! {
    #![proptest_config(settings(cases() / 4))]

    /// Neither threads nor memory nor the order and number of files change a byte of the results.
    #[test]
    fn results_do_not_depend_on_threads_memory_or_files((case, other) in (case(), layout())) {
        let place = Place::new();
        write::inventory(&place.inventory(), &case.config);
        lay_out(&place, &case, &case.layout);
        let one = output(&place, 1, "one");
        prop_assert_eq!(&one, &output(&place, 2, "two"));
        prop_assert_eq!(&one, &output_with(&place, MemoryPlan::starving(), 2, "starving"));
        let connections = |name: &str| std::fs::read(place.path(&format!("{name}.parquet"))).unwrap();
        prop_assert!(connections("one") == connections("two"), "rows differ with threads");
        prop_assert!(connections("one") == connections("starving"), "rows differ with memory");

        lay_out(&place, &case, &other);
        let again = output(&place, 2, "again");
        prop_assert!(connections("one") == connections("again"), "rows differ with files");
        prop_assert_eq!(&one[..2], &again[..2]);
        // How much was read depends on the files; nothing else may.
        let rest = |text: &str| {
            let mut summary: serde_json::Value = serde_json::from_str(text).unwrap();
            let object = summary.as_object_mut().unwrap();
            for key in ["objects", "bytes"] {
                assert!(object.remove(key).is_some(), "no {key}");
            }
            summary
        };
        prop_assert_eq!(rest(&one[2]), rest(&again[2]));
    }
}
