//! The floor: inflates every file below a directory with the decoder's own reader and nothing else.
//!
//! `cargo run --release --example inflate -- DIR [THREADS [WHAT [FILES]]]` prints bytes and seconds, to be set
//! beside `flowgate analyze DIR --threads THREADS`. WHAT is `stream` (the default) or `whole`, two ways to inflate,
//! or `decode-stream` or `decode`, which go on to columns.

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

use flowgate::decode::{DecodeError, DecodeOptions, Decoder, Inflater, finish, pump, push};
use flowgate::flow::FlowBatch;

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

/// Counts plain bytes, or rows.
type Work = fn(&Path, &mut Workspace) -> usize;

#[derive(Default)]
struct Workspace {
    inflater: Inflater,
    held: Vec<u8>,
    buffer: Vec<u8>,
}

fn stream(path: &Path, workspace: &mut Workspace) -> usize {
    let Ok((_, mut plain)) = flowgate::decode::reader(File::open(path).unwrap(), u64::MAX) else { return 0 };
    workspace.buffer.resize(128 * 1024, 0);
    let mut total = 0;
    while let Ok(n @ 1..) = plain.read(&mut workspace.buffer) {
        total += n;
    }
    total
}

fn whole(path: &Path, workspace: &mut Workspace) -> usize {
    workspace.held.clear();
    File::open(path).unwrap().read_to_end(&mut workspace.held).unwrap();
    match workspace.inflater.inflate(&workspace.held, usize::MAX) {
        Some(plain) => plain.len(),
        None => stream(path, workspace),
    }
}

fn decode_stream(path: &Path, _: &mut Workspace) -> usize {
    let (_, plain) = flowgate::decode::reader(File::open(path).unwrap(), u64::MAX).unwrap();
    let mut decoder = Decoder::new(DecodeOptions::default());
    let mut rows = 0;
    let count = |batch: FlowBatch| -> Result<(), DecodeError> {
        rows += batch.len();
        Ok(())
    };
    pump(plain, &mut decoder, count).unwrap();
    rows
}

fn decode_whole(path: &Path, workspace: &mut Workspace) -> usize {
    workspace.held.clear();
    File::open(path).unwrap().read_to_end(&mut workspace.held).unwrap();
    let Some(plain) = workspace.inflater.inflate(&workspace.held, usize::MAX) else {
        return decode_stream(path, workspace);
    };
    let mut decoder = Decoder::new(DecodeOptions::default());
    let mut rows = 0;
    let mut count = |batch: FlowBatch| -> Result<(), DecodeError> {
        rows += batch.len();
        Ok(())
    };
    push(plain, &mut decoder, &mut count).unwrap();
    finish(&mut decoder, count).unwrap();
    rows
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().unwrap_or_else(|| ".".to_owned());
    let threads: usize = arguments.next().and_then(|t| t.parse().ok()).unwrap_or(2);
    let (what, work): (&str, Work) = match arguments.next().as_deref() {
        None | Some("stream") => ("bytes inflated", stream),
        Some("whole") => ("bytes inflated whole", whole),
        Some("decode-stream") => ("rows decoded", decode_stream),
        Some("decode") => ("rows decoded from whole objects", decode_whole),
        Some(other) => panic!("{other}: stream, whole, decode-stream or decode"),
    };
    let most = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(usize::MAX);
    let mut files = Vec::new();
    walk(Path::new(&directory), &mut files);
    files.sort();
    files.truncate(most);
    let (next, total) = (AtomicUsize::new(0), AtomicU64::new(0));
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut workspace = Workspace::default();
                while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    total.fetch_add(work(path, &mut workspace) as u64, Ordering::Relaxed);
                }
            });
        }
    });
    println!(
        "{} files, {} {what} in {:.3} s on {threads} threads",
        files.len(),
        total.into_inner(),
        begin.elapsed().as_secs_f64()
    );
}
