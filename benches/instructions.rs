//! What `benches/instructions/check.py` counts instructions of: parts of the work, on one thread and without a clock.
//!
//! ```text
//! instructions decode FILE             # plain text to columns
//! instructions judge FILE INVENTORY    # the same, then connections, their openers and rules; no detectors
//! ```
//!
//! The whole program is counted as it is. What is printed tells that the same work was done.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "test code fails by panicking and talks to whoever runs it"
)]

use std::fs::File;
use std::path::PathBuf;

use flowgate::decode::{DecodeError, DecodeOptions, Decoder, pump, reader};
use flowgate::pipeline::{AnalyzeConfig, Input, Silent, analyze};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["decode", file] => println!("{} records", decode(file)),
        ["judge", file, inventory] => println!("{} connections", judge(file, inventory)),
        _ => panic!("instructions decode FILE | judge FILE INVENTORY"),
    }
}

fn decode(file: &str) -> usize {
    let options = DecodeOptions::default();
    let mut decoder = Decoder::new(options.clone());
    let mut rows = 0;
    let (_, plain) = reader(File::open(file).unwrap(), options.max_object_bytes).unwrap();
    pump(plain, &mut decoder, |batch| {
        rows += batch.len();
        Ok::<(), DecodeError>(())
    })
    .unwrap();
    rows
}

fn judge(file: &str, inventory: &str) -> u64 {
    let config = AnalyzeConfig {
        inputs: vec![Input::Local(PathBuf::from(file))],
        inventories: vec![PathBuf::from(inventory)],
        skip: flowgate::detect::registry().iter().map(|m| m.id.to_owned()).collect(),
        threads: 1,
        ..AnalyzeConfig::default()
    };
    analyze(&config, None, &Silent).unwrap().summary.connections
}
