//! Plans over simulated worlds and small estates: nothing that was seen is ever cut, whichever changes are applied.

mod estates;
mod judge;
use crate::accepted::estate;
use crate::world;

use std::collections::BTreeSet;
use std::path::Path;

use flowgate::Silent;
use flowgate::finding::Grade;
use flowgate::pipeline::{AnalyzeConfig, Input, MemoryPlan, Tightened, tighten};
use flowgate::tighten::{Action, Headroom, Options, Safety};
use judge::{Opening, Subset, openings};
use world::Format;

fn config(world: &Path) -> AnalyzeConfig {
    AnalyzeConfig {
        inputs: vec![Input::Local(world.join("AWSLogs"))],
        inventories: vec![world.join("inventory")],
        threads: 2,
        ..AnalyzeConfig::default()
    }
}

fn json(tightened: &Tightened) -> String {
    let mut out = Vec::new();
    flowgate::report::write_plan_json(&tightened.plan, false, &mut out).unwrap();
    flowgate::report::write_plan_json(&tightened.early, false, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Every accepted and permitted opening of the truth stays permitted under all changes, each alone, and some mixtures.
fn assert_nothing_is_cut(tightened: &Tightened, openings: &[Opening]) {
    let plan = &tightened.plan;
    let count = plan.changes.len();
    let mut subsets: Vec<Subset> = vec![(0..count).collect()];
    subsets.extend((0..count).map(|at| BTreeSet::from([at])));
    // SplitMix64 (Steele, Lea, Flood 2014), seeded.
    let mut state = 11_u64;
    for _ in 0..12 {
        subsets.push(
            (0..count)
                .filter(|_| {
                    state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                    (mixed >> 60) & 1 == 1
                })
                .collect(),
        );
    }
    let now = judge::permitted(&tightened.inventory, plan, &BTreeSet::new(), openings);
    let permitted = now.iter().filter(|p| **p).count();
    assert!(
        permitted * 10 > openings.len() * 9,
        "the judge of the test knows {permitted} of {}",
        openings.len()
    );
    for subset in subsets {
        let then = judge::permitted(&tightened.inventory, plan, &subset, openings);
        for ((opening, now), then) in openings.iter().zip(&now).zip(&then) {
            let changes = || subset.iter().map(|at| &plan.changes[*at]).collect::<Vec<_>>();
            assert!(!now | then, "{opening:?} is cut by {:#?}", changes());
        }
    }
}

#[test]
fn no_connection_of_a_world_is_cut() {
    for (seed, format, sample) in [(1, Format::V5, false), (2, Format::V3, false), (3, Format::V5, true)] {
        let directory = tempfile::tempdir().unwrap();
        let mut options = world::Options::new(directory.path(), seed);
        (options.format, options.hours, options.sample) = (format, 2.0, sample);
        world::generate(&options).unwrap();
        let openings = openings(directory.path());
        for wish in [
            Options::default(),
            Options { addresses: Headroom::Subnets, services: true, ..Options::default() },
            Options { addresses: Headroom::Neighbours, blocks: Some(1), ..Options::default() },
        ] {
            let tightened = tighten(&config(directory.path()), &wish, &Silent).unwrap();
            let actions: BTreeSet<Action> = tightened.plan.changes.iter().map(|c| c.action).collect();
            assert!(actions.len() >= 4, "{actions:?}");
            assert_nothing_is_cut(&tightened, &openings);
            judge::assert_no_wider(&tightened.inventory, &tightened.plan);
            judge::assert_quotas(&tightened.inventory, &tightened.plan);
            for change in &tightened.plan.changes {
                // Nothing that was learned from is cut, whatever the replay can say of the part held out.
                let replayed = change.replayed.expect("every plan is replayed");
                assert_eq!(replayed.blocked, 0, "{change:#?}");
                let proven = replayed.held_out_blocked == 0 && replayed.undecided == 0;
                let safe = change.grade == Grade::Reliable && proven && !change.interrupts;
                assert_eq!(change.safety == Safety::Safe, safe, "{change:#?}");
                assert!(change.openness_after.is_none_or(|after| after <= change.openness_before + 1e-9));
                assert!(change.grade == Grade::Reliable || !change.reasons.is_empty());
                if let Some(most) = wish.blocks {
                    let services: BTreeSet<_> = change.add.iter().map(|r| (r.protocol, r.ports)).collect();
                    let most = services.len() * usize::from(most);
                    assert!(change.action != Action::Narrow || change.add.len() <= most, "{change:#?}");
                }
            }
        }
    }
}

/// Without flags some openers are inferred the wrong way round: what really used a rule is then not known to have.
#[test]
fn weakly_known_openers_cut_next_to_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = world::Options::new(directory.path(), 7);
    (options.format, options.hours) = (Format::V2, 2.0);
    world::generate(&options).unwrap();
    let openings = openings(directory.path());
    let tightened = tighten(&config(directory.path()), &Options::default(), &Silent).unwrap();
    let all: Subset = (0..tightened.plan.changes.len()).collect();
    let now = judge::permitted(&tightened.inventory, &tightened.plan, &BTreeSet::new(), &openings);
    let then = judge::permitted(&tightened.inventory, &tightened.plan, &all, &openings);
    let cut: Vec<&Opening> = openings
        .iter()
        .zip(&now)
        .zip(&then)
        .filter(|((_, now), then)| **now && !**then)
        .map(|((o, _), _)| o)
        .collect();
    assert!(cut.len() * 1000 < openings.len(), "{} of {}: {cut:#?}", cut.len(), openings.len());
    // What is called safe rests on what the rules say, not on who opened what: it cuts nothing at all.
    let safe = |at: &usize| tightened.plan.changes[*at].safety == Safety::Safe;
    let safe: Subset = (0..tightened.plan.changes.len()).filter(safe).collect();
    let then = judge::permitted(&tightened.inventory, &tightened.plan, &safe, &openings);
    assert_eq!(now, then, "{safe:?}");
}

#[test]
fn what_the_truth_uses_is_never_removed_as_unused() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = world::Options::new(directory.path(), 5);
    options.hours = 3.0;
    world::generate(&options).unwrap();
    let tightened = tighten(&config(directory.path()), &Options::default(), &Silent).unwrap();
    let text = std::fs::read_to_string(directory.path().join("truth/rules.jsonl")).unwrap();
    let used: BTreeSet<String> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|rule| rule["connections"].as_u64().unwrap() > 0)
        .map(|rule| rule["rule_id"].as_str().unwrap().to_owned())
        .collect();
    let unused = tightened.plan.changes.iter().filter(|c| c.action == Action::RemoveUnused);
    let removed: Vec<&String> = unused.flat_map(|c| &c.remove).map(|rule| &rule.id).collect();
    assert!(removed.len() >= 5);
    assert!(removed.iter().all(|id| !used.contains(*id)), "{removed:?}");
}

#[test]
fn threads_and_memory_change_nothing() {
    let directory = tempfile::tempdir().unwrap();
    world::generate(&world::Options::sample(directory.path(), 9)).unwrap();
    let run = |threads: usize, memory: MemoryPlan| {
        let config = AnalyzeConfig { threads, memory, ..config(directory.path()) };
        json(&tighten(&config, &Options::default(), &Silent).unwrap())
    };
    let one = run(1, MemoryPlan::default());
    assert!(one.len() > 10_000);
    assert_eq!(one, run(3, MemoryPlan::default()));
    assert_eq!(one, run(2, MemoryPlan::starving()));
}
