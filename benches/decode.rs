//! Text decoding: records and bytes per second, from inflated bytes to arrow columns.
//!
//! `cargo bench --bench decode`; each case is measured twice, in records and in bytes.

#![allow(clippy::unwrap_used, reason = "a bench that fails may panic")]

use std::fmt::Write as _;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use flowgate::decode::{DecodeOptions, Decoder, Projection};

const RECORDS: u64 = 200_000;

/// SplitMix64 (Steele, Lea, Flood 2014): small, seeded, the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// A delivery file: a few hundred interfaces, each with a run of records, 3 % NODATA.
fn log(v5: bool) -> Vec<u8> {
    let mut random = Random(7);
    let mut out = String::from(
        "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status",
    );
    if v5 {
        out += " vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr region az-id sublocation-type \
                sublocation-id pkt-src-aws-service pkt-dst-aws-service flow-direction traffic-path";
    }
    out.push('\n');
    let mut interface = 0;
    for _ in 0..RECORDS {
        if random.below(12) == 0 {
            interface = 0x0b2f_c545_7066_bc00 + random.below(300);
        }
        let start = 1_630_619_000 + random.below(300);
        let end = start + random.below(60);
        let version = if v5 { 5 } else { 2 };
        write!(out, "{version} 123456789012 eni-{interface:017x} ").unwrap();
        if random.below(33) == 0 {
            write!(out, "- - - - - - - {start} {end} - NODATA").unwrap();
            if v5 {
                out += " vpc-0461a06100000000a subnet-089e7569a0000000a - - - - - us-east-1 use1-az4 - - - - - -";
            }
        } else {
            let mut address = || {
                let bits = random.next();
                match bits % 3 {
                    0 => format!("10.0.{}.{}", bits >> 8 & 7, bits >> 16 & 255),
                    _ => format!(
                        "{}.{}.{}.{}",
                        bits >> 8 & 127 | 1,
                        bits >> 16 & 255,
                        bits >> 24 & 255,
                        bits >> 32 & 255
                    ),
                }
            };
            let (source, destination) = (address(), address());
            let packets = 1 + random.below(30);
            let protocol = [6, 6, 6, 6, 17, 1][random.below(6) as usize];
            let service = [443, 80, 22, 53, 9997][random.below(5) as usize];
            let ephemeral = 1024 + random.below(64000);
            let action = if random.below(4) == 0 { "REJECT" } else { "ACCEPT" };
            let bytes = packets * (40 + random.below(1400));
            write!(
                out,
                "{source} {destination} {ephemeral} {service} {protocol} {packets} {bytes} {start} {end} {action} OK"
            )
            .unwrap();
            if v5 {
                let flags = [2, 18, 3, 19, 0][random.below(5) as usize];
                write!(
                    out,
                    " vpc-0461a06100000000a subnet-089e7569a0000000a i-06f9249b00000000a {flags} IPv4 {source} {destination} \
                     us-east-1 use1-az4 - - - S3 {} {}",
                    if flags & 16 == 0 { "ingress" } else { "egress" },
                    if flags & 16 == 0 { "-" } else { "8" },
                )
                .unwrap();
            }
        }
        out.push('\n');
    }
    out.into_bytes()
}

fn decode(input: &[u8], options: &DecodeOptions) -> usize {
    let mut decoder = Decoder::new(options.clone());
    let mut rows = 0;
    for chunk in input.chunks(128 * 1024) {
        let mut rest = chunk;
        while !rest.is_empty() {
            let taken = decoder.decode(rest).unwrap();
            rest = &rest[taken..];
            if !rest.is_empty() {
                rows += decoder.flush().unwrap().map_or(0, |batch| batch.len());
            }
        }
    }
    decoder.finish().unwrap();
    while let Some(batch) = decoder.flush().unwrap() {
        rows += batch.len();
    }
    rows
}

fn text(c: &mut Criterion) {
    let inputs = [("v2", log(false)), ("v5", log(true))];
    let mut group = c.benchmark_group("text");
    group.sample_size(20);
    for (name, input) in &inputs {
        for (unit, throughput) in
            [("records", Throughput::Elements(RECORDS)), ("bytes", Throughput::Bytes(input.len() as u64))]
        {
            group.throughput(throughput);
            for (columns, projection) in [("engine", Projection::engine()), ("all", Projection::all())] {
                let options = DecodeOptions { projection, ..DecodeOptions::default() };
                group.bench_function(BenchmarkId::new(format!("{name}-{columns}"), unit), |b| {
                    b.iter(|| decode(input, &options));
                });
            }
        }
    }
    group.finish();

    let mut group = c.benchmark_group("batch-rows");
    group.sample_size(20).throughput(Throughput::Elements(RECORDS));
    for batch_rows in [2, 4, 8, 16, 32, 64].map(|k| k * 1024) {
        let options = DecodeOptions { batch_rows, ..DecodeOptions::default() };
        group.bench_function(BenchmarkId::from_parameter(batch_rows), |b| {
            b.iter(|| decode(&inputs[0].1, &options));
        });
    }
    group.finish();
}

/// Lines without a header: of one format, and of two in runs and in turn.
fn headerless(c: &mut Criterion) {
    let without = |input: Vec<u8>| {
        let text = String::from_utf8(input).unwrap();
        text.split_once('\n').unwrap().1.to_owned()
    };
    let (v2, v5) = (without(log(false)), without(log(true)));
    let mixed = |run: usize| {
        let lines = v2.lines().zip(v5.lines()).enumerate();
        lines.fold(String::new(), |mut out, (at, (short, long))| {
            writeln!(out, "{}", if (at / run).is_multiple_of(2) { short } else { long }).unwrap();
            out
        })
    };
    let mut group = c.benchmark_group("headerless");
    group.sample_size(20).throughput(Throughput::Elements(RECORDS));
    let (runs, turns) = (mixed(1000), mixed(1));
    for (name, input) in [("v2", &v2), ("v5", &v5), ("runs", &runs), ("turns", &turns)] {
        group.bench_function(name, |b| b.iter(|| decode(input.as_bytes(), &DecodeOptions::default())));
    }
    group.finish();
}

criterion_group!(benches, text, headerless);
criterion_main!(benches);
