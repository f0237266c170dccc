//! A store of many connections, and lookups in it.
//!
//! `cargo run --release --example store -- make DIR ROWS DAYS INTERFACES THREADS` writes one and prints what to ask for;
//! `… look DIR THREADS COLUMN,… [COLUMN=VALUE | COLUMN=FROM..TO]…` looks, once, and prints what it found and how long it took
//! from the opening of the store. `benches/store/run.py` sets both beside DuckDB.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "test code fails by panicking and talks to whoever runs it"
)]

mod look;
mod make;

use std::path::Path;

use serde_json::json;

use make::{FREQUENT, RARE, World};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match &words[..] {
        ["make", directory, rows, days, interfaces, threads] => {
            let number = |word: &str| word.parse::<u64>().expect("a number");
            let world = World::new(number(rows), number(days) as u32, number(interfaces) as u32);
            world.write(Path::new(directory), number(threads) as u32);
            let names = world.names();
            let interface = world.some_interface();
            let local = std::net::Ipv6Addr::from(World::local(interface)).to_canonical();
            let subjects = json!({
                "rare": RARE.0.to_string(), "rare_rows": RARE.1,
                "frequent": FREQUENT.0.to_string(), "frequent_rows": world.rows / FREQUENT.1,
                "interface": names.interfaces[interface as usize].0,
                "noon": world.some_noon(),
                "local": local.to_string(),
                "rule": World::rule(world.some_tier() * 6 + 1),
            });
            println!("{subjects}");
        }
        ["look", directory, threads, columns, wants @ ..] => {
            look::look(Path::new(directory), threads.parse().expect("a number"), columns, wants);
        }
        _ => panic!("make DIR ROWS DAYS INTERFACES THREADS, or look DIR THREADS COLUMNS [WANT]…"),
    }
}
