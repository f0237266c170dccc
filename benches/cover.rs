//! The best cover of many peers by few blocks: `cargo bench --bench cover`.
//!
//! 100,000 peers, as far apart as a rule for everybody sees them, and at most 60 blocks, which is what a security group has
//! rules for. It has to be done for every rule, so it has to be quick.

#![allow(clippy::unwrap_used, reason = "a bench that fails may panic")]

use std::hint::black_box;
use std::net::{Ipv4Addr, Ipv6Addr};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use flowgate::tighten::{Cover, MOST_BLOCKS};
use ipnet::IpNet;

const PEERS: u32 = 100_000;

/// Spread by the golden ratio: no two are the same, and none are in a row.
fn spread(at: u32) -> u32 {
    at.wrapping_mul(0x9e37_79b9)
}

fn cover(c: &mut Criterion) {
    let four: Vec<IpNet> =
        (0..PEERS).map(|at| IpNet::from(std::net::IpAddr::V4(Ipv4Addr::from(spread(at))))).collect();
    let six: Vec<IpNet> = (0..PEERS)
        .map(|at| {
            let bits = (0x2001_0db8_u128 << 96) | u128::from(spread(at)) << 40 | u128::from(at);
            IpNet::from(std::net::IpAddr::V6(Ipv6Addr::from(bits)))
        })
        .collect();
    let mut group = c.benchmark_group("cover");
    group.throughput(Throughput::Elements(u64::from(PEERS))).sample_size(10);
    for (name, peers, within) in [("ipv4", &four, "0.0.0.0/0"), ("ipv6", &six, "::/0")] {
        let within: [IpNet; 1] = [within.parse().unwrap()];
        group.bench_with_input(BenchmarkId::new(name, MOST_BLOCKS), peers, |b, peers| {
            b.iter(|| Cover::new(black_box(peers), &within, MOST_BLOCKS).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, cover);
criterion_main!(benches);
