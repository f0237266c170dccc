//! The floor: inflates every file below a directory with the decoder's own reader and nothing else.
//!
//! `cargo run --release --example inflate -- DIR [THREADS]` prints bytes and seconds, to be set beside
//! `flowgate analyze DIR --threads THREADS`.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::needless_pass_by_value,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "test code fails by panicking and talks to whoever runs it"
)]

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

fn walk(directory: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, into);
        } else if path.extension().is_some_and(|e| e == "gz") {
            into.push(path);
        }
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().unwrap_or_else(|| ".".to_owned());
    let threads: usize = arguments.next().and_then(|t| t.parse().ok()).unwrap_or(2);
    let mut files = Vec::new();
    walk(Path::new(&directory), &mut files);
    files.sort();
    let (next, total) = (AtomicUsize::new(0), AtomicU64::new(0));
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut buffer = vec![0; 128 * 1024];
                while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let Ok(file) = File::open(path) else { continue };
                    let Ok((_, mut plain)) = flowgate::decode::reader(file, u64::MAX) else { continue };
                    while let Ok(n @ 1..) = plain.read(&mut buffer) {
                        total.fetch_add(n as u64, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    println!(
        "{} files, {} bytes inflated in {:.3} s on {threads} threads",
        files.len(),
        total.into_inner(),
        begin.elapsed().as_secs_f64()
    );
}
