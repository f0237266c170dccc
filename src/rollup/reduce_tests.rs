//! Attempts that come back from disk are all there.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::connection::InterfaceFacts;
use crate::flow::Direction;
use crate::rollup::bounds::Bounds;
use crate::rollup::places::REJECT_BUCKET;
use crate::rollup::rejects::{Attempt, RejectSums, RejectTable, Series};
use crate::rollup::tests::connection;

const START: u32 = 1_760_000_100;
const ATTEMPTS: u64 = 320_000;
/// Interface, source and bucket of a burst, and how many attempts are in it.
const BURST: (u32, u128, u32, u32) = (7, 0xffff_c633_6407, START / REJECT_BUCKET + 9, 4_000);

/// Knocks of everybody at 200 interfaces for a day, from inside and outside, and a burst.
fn attempts() -> impl Iterator<Item = (u32, u128, u16, u32)> {
    let knocks = (0..ATTEMPTS).map(|n| {
        let hash = mix64(n);
        let block = if n % 5 == 0 { 0x0a00_0000 } else { 0x5000_0000 };
        let remote = (0xffff << 32) | u128::from(block | (hash >> 44));
        ((hash % 200) as u32, remote, (hash >> 8) as u16, START + (hash >> 24) as u32 % 86_400)
    });
    let (interface, source, bucket, many) = BURST;
    knocks.chain((0..many).map(move |n| (interface, source, 22, bucket * REJECT_BUCKET + n % REJECT_BUCKET)))
}

fn table() -> RejectTable {
    let limits = Limits { attempts: 9_000, cells: 2_000 };
    let bounds = Bounds { outside: limits, inside: limits, ..Bounds::default() };
    let directory: Arc<Path> = Arc::from(std::env::temp_dir());
    let mut sums = RejectSums::spilling_into(&directory, &bounds);
    for (interface, remote, port, at) in attempts() {
        sums.push(&connection(interface, remote, port, at), "security-group");
    }
    let mut watched = InterfaceFacts::default();
    (watched.coverage.first, watched.coverage.last) = (Some(START), Some(START + 86_400));
    watched.coverage.buckets.insert_range(START / 600, START / 600 + 144);
    sums.read_back(&bounds, &vec![watched; 200]).unwrap();
    sums.finish()
}

#[test]
fn nothing_is_lost() {
    let alone = table();
    let mut counted: BTreeMap<(u32, bool), u64> = BTreeMap::new();
    for (interface, remote, ..) in attempts() {
        *counted.entry((interface, crate::flow::is_private(remote))).or_default() += 1;
    }
    let mut told: BTreeMap<(u32, bool), u64> = BTreeMap::new();
    for (series, _) in alone.series() {
        *told.entry((series.interface, series.inside)).or_default() += alone.sum(&series).unwrap().attempts;
    }
    assert_eq!(told, counted);
    let (interface, source, bucket, many) = BURST;
    let burst = alone.series().map(|(series, _)| series).find(|series: &Series| {
        !series.inside
            && series.interface == interface
            && alone.attempts(series, bucket..=bucket).any(|a| a.remote == source)
    });
    let counts: Vec<_> = alone.counts(&burst.unwrap(), bucket..=bucket).collect();
    assert!(counts.len() == 1 && counts[0].attempts >= u64::from(many), "{counts:?}");
}

#[test]
fn each_source_has_its_attempts_in_their_order() {
    let table = table();
    for inside in [false, true] {
        let mut obvious: BTreeMap<u128, Vec<Attempt>> = BTreeMap::new();
        for attempt in table.of_side(inside).filter(|a| a.direction == Direction::Inbound) {
            obvious.entry(attempt.remote).or_default().push(attempt);
        }
        assert!(obvious.len() > 500, "{}", obvious.len());
        let sources = table.by_source(inside, |series| series.direction == Direction::Inbound);
        let told: Vec<(u128, Vec<Attempt>)> =
            sources.iter().map(|(source, own)| (source, own.collect())).collect();
        assert!(told == obvious.into_iter().collect::<Vec<_>>());
        assert_eq!(table.by_source(inside, |_| false).iter().count(), 0);
        assert!(table.times(inside).eq(table.of_side(inside).map(|a| (a.remote, a.first))));
    }
}
