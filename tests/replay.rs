//! What a change would do: replays of simulated worlds, whose truth says it; and how a plan is written down.

mod removed;
mod render;
mod terraform;
mod unchanged;
use crate::world;

use std::path::Path;

use flowgate::inventory::{Inventory, Timeline};
use flowgate::pipeline::{AnalyzeConfig, Input, ReplayOutcome, Silent, replay};
use flowgate::tighten::{Against, Candidate};

/// A world of three hours.
fn world(directory: &Path, seed: u64, set: impl FnOnce(&mut world::Options)) {
    let mut options = world::Options::new(directory.to_owned(), seed);
    options.hours = 3.0;
    set(&mut options);
    world::generate(&options).unwrap();
}

fn replayed(
    directory: &Path,
    against: Against,
    propose: impl FnOnce(&Timeline) -> Vec<Candidate>,
) -> ReplayOutcome {
    let config = AnalyzeConfig {
        inputs: vec![Input::Local(directory.join("AWSLogs"))],
        inventories: vec![directory.join("inventory")],
        threads: 2,
        ..AnalyzeConfig::default()
    };
    replay(&config, against, propose, None, &Silent).unwrap()
}

fn candidate(inventory: Inventory) -> Candidate {
    Candidate { inventory, ..Candidate::default() }
}
