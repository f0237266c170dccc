//! How well rejected spikes are found: simulated worlds with one of every class and with decoys, as a table.
//!
//! `cargo run --release --example spikes -- 10 14 50` is ten worlds of 14 days with half the usual attempts; a fourth number
//! is the first seed. `spikes labelled DIR` evaluates labelled captures of the internet's noise, `spikes nab DIR` series with
//! labelled anomalies; their files tell what they take.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "an evaluation fails by panicking and talks to whoever runs it"
)]

mod host;
mod labelled;
mod plants;
mod score;
mod series;
mod world;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str).zip(arguments.get(1)) {
        Some(("labelled", directory)) => return labelled::evaluate(directory.as_ref()),
        Some(("nab", directory)) => return series::evaluate(directory.as_ref()),
        _ => {}
    }
    let mut numbers = arguments.iter().map(|text| text.parse::<u64>().expect("a number"));
    let (worlds, days) = (numbers.next().unwrap_or(4), numbers.next().unwrap_or(14));
    let strength = numbers.next().unwrap_or(100) as f64 / 100.0;
    let seed = numbers.next().unwrap_or(1);
    let mut score = score::Score::default();
    for seed in seed..seed + worlds {
        let directory = tempfile::tempdir().unwrap();
        let mut world = world::World::new(seed, i64::try_from(days).unwrap(), strength);
        plants::plant(&mut world);
        score::score(&world, directory.path(), &mut score);
    }
    for wrong in &score.wrong {
        println!("of nothing planted: {wrong}");
    }
    println!("{score}");
}
