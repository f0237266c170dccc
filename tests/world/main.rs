//! Generates a simulated AWS account: flow logs, inventory and truth. See `mod.rs` for what is in it.
//!
//! ```text
//! world --out DIR --seed N [--format v2|v3|v5] [--hours H] [--scale F] [--interval 60|600] [--parquet]
//!       [--jitter] [--missing] [--snapshots] [--profile full|sample]
//! world --bench N --out DIR [--format v2|v3|v5] [--seed N] [--parquet] [--sources mixed|distinct]
//!       [--interfaces N] [--rules N]
//! ```
//!
//! `--bench N` writes N records in a fixed mix, quickly and in memory that does not grow: 200 interfaces and 400 rules
//! unless `--interfaces` (at least 5) and `--rules` (at least 10) say otherwise, which leaves the mix as it is.
//! `--sources distinct` writes nothing but rejected attempts, every one from another address of the internet.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::needless_pass_by_value,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "test code fails by panicking and talks to whoever runs it"
)]

#[path = "mod.rs"]
mod world;

use std::process::ExitCode;

use world::{Format, Options, bench, generate};

fn main() -> ExitCode {
    let job = match parse(std::env::args().skip(1)) {
        Ok(job) => job,
        Err(message) => {
            eprintln!("world: {message}");
            return ExitCode::from(2);
        }
    };
    let result = match job {
        Job::World(options) => generate(&options),
        Job::Bench(options, records, shape) => bench::generate_as(&options, records, shape),
    };
    match result {
        Ok(summary) => {
            println!("{summary:#?}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("world: {error}");
            ExitCode::FAILURE
        }
    }
}

enum Job {
    World(Options),
    Bench(Options, u64, bench::Shape),
}

fn parse(args: impl Iterator<Item = String>) -> Result<Job, String> {
    let mut args: Vec<String> = args.collect();
    let sample = take(&mut args, "--profile")?.is_some_and(|profile| profile == "sample");
    let out = take(&mut args, "--out")?.ok_or("--out DIR is missing")?;
    let seed = number(&mut args, "--seed")?.unwrap_or(1);
    let mut options = if sample { Options::sample(out, seed) } else { Options::new(out, seed) };
    if let Some(format) = take(&mut args, "--format")? {
        options.format = match format.as_str() {
            "v2" => Format::V2,
            "v3" => Format::V3,
            "v5" => Format::V5,
            other => return Err(format!("--format {other}: v2, v3 or v5")),
        };
    }
    options.hours = number(&mut args, "--hours")?.unwrap_or(options.hours);
    options.scale = number(&mut args, "--scale")?.unwrap_or(options.scale);
    options.interval = number(&mut args, "--interval")?.unwrap_or(options.interval);
    if options.hours < 1.0 || options.scale <= 0.0 || ![60, 600].contains(&options.interval) {
        return Err("--hours is at least 1, --scale above 0, --interval 60 or 600".into());
    }
    let bench = number(&mut args, "--bench")?;
    let mut shape = bench::Shape::default();
    shape.interfaces = number(&mut args, "--interfaces")?.unwrap_or(shape.interfaces);
    shape.rules = number(&mut args, "--rules")?.unwrap_or(shape.rules);
    if let Some(sources) = take(&mut args, "--sources")? {
        shape.distinct = match sources.as_str() {
            "mixed" => false,
            "distinct" => true,
            other => return Err(format!("--sources {other}: mixed or distinct")),
        };
    }
    let flags = [
        ("--parquet", &mut options.parquet),
        ("--jitter", &mut options.jitter),
        ("--missing", &mut options.missing),
        ("--snapshots", &mut options.snapshots),
    ];
    for (name, flag) in flags {
        if let Some(at) = args.iter().position(|arg| arg == name) {
            args.remove(at);
            *flag = true;
        }
    }
    match args.first() {
        Some(unknown) => Err(format!("{unknown} is not an option")),
        None => Ok(bench.map_or(Job::World(options.clone()), |records| Job::Bench(options, records, shape))),
    }
}

fn take(args: &mut Vec<String>, name: &str) -> Result<Option<String>, String> {
    let Some(at) = args.iter().position(|arg| arg == name) else { return Ok(None) };
    if at + 1 >= args.len() {
        return Err(format!("{name} wants a value"));
    }
    args.remove(at);
    Ok(Some(args.remove(at)))
}

fn number<T: std::str::FromStr>(args: &mut Vec<String>, name: &str) -> Result<Option<T>, String> {
    take(args, name)?
        .map(|text| text.parse().map_err(|_| format!("{name} {text} is not a number it can use")))
        .transpose()
}
