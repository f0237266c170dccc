//! Records that are written come back, whatever they are.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, DictionaryArray, FixedSizeBinaryArray, Int64Array, RecordBatch, StringArray, UInt8Array,
    UInt16Array, UInt32Array, UInt64Array,
};
use arrow::datatypes::UInt32Type;
use proptest::prelude::*;

use super::{DAY, OPTIONAL, RecordWriter, Scan};
use crate::flow::{CaptureStatus, CoverageRow, FlowBatch, address_bytes, column};
use crate::store::StoreError;
use crate::store::disk::Disk;
use crate::store::files::Place;

/// A record, or a row without one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    interface: u8,
    addresses: [u128; 2],
    ports: [u16; 2],
    words: [u8; 2],
    times: [i64; 2],
    counts: [Option<u64>; 2],
    flags: [Option<u8>; 2],
    packet_addresses: [Option<u128>; 2],
    reason: Option<u8>,
}

fn name(number: u8) -> String {
    format!("eni-{number}")
}

fn texts(numbers: &[Option<u8>]) -> ArrayRef {
    let names: Vec<String> = (0..=u8::MAX).map(name).collect();
    let keys = UInt32Array::from_iter(numbers.iter().map(|number| number.map(u32::from)));
    Arc::new(DictionaryArray::new(keys, Arc::new(StringArray::from_iter_values(names))))
}

fn addresses(of: impl Iterator<Item = Option<u128>>) -> ArrayRef {
    Arc::new(
        FixedSizeBinaryArray::try_from_sparse_iter_with_size(of.map(|a| a.map(u128::to_be_bytes)), 16)
            .unwrap(),
    )
}

fn batch(rows: &[Row], fields: u8, coverage: &[CoverageRow]) -> FlowBatch {
    fn of<'r, T>(rows: &'r [Row], value: impl Fn(&Row) -> T + 'r) -> impl Iterator<Item = T> + 'r {
        rows.iter().map(value)
    }
    let required: [(&str, ArrayRef); 9] = [
        (column::INTERFACE, texts(&of(rows, |row| Some(row.interface)).collect::<Vec<_>>())),
        (column::SRCADDR, addresses(of(rows, |row| Some(row.addresses[0])))),
        (column::DSTADDR, addresses(of(rows, |row| Some(row.addresses[1])))),
        (column::SRCPORT, Arc::new(UInt16Array::from_iter_values(of(rows, |row| row.ports[0])))),
        (column::DSTPORT, Arc::new(UInt16Array::from_iter_values(of(rows, |row| row.ports[1])))),
        (column::PROTOCOL, Arc::new(UInt8Array::from_iter_values(of(rows, |row| row.words[0])))),
        (column::START, Arc::new(Int64Array::from_iter_values(of(rows, |row| row.times[0])))),
        (column::END, Arc::new(Int64Array::from_iter_values(of(rows, |row| row.times[1])))),
        (column::ACTION, Arc::new(UInt8Array::from_iter_values(of(rows, |row| row.words[1])))),
    ];
    let optional: [ArrayRef; 7] = [
        Arc::new(UInt64Array::from_iter(of(rows, |row| row.counts[0]))),
        Arc::new(UInt64Array::from_iter(of(rows, |row| row.counts[1]))),
        Arc::new(UInt8Array::from_iter(of(rows, |row| row.flags[0]))),
        Arc::new(UInt8Array::from_iter(of(rows, |row| row.flags[1]))),
        addresses(of(rows, |row| row.packet_addresses[0])),
        addresses(of(rows, |row| row.packet_addresses[1])),
        texts(&of(rows, |row| row.reason).collect::<Vec<_>>()),
    ];
    let optional = OPTIONAL.into_iter().zip(optional).enumerate().filter(|(at, _)| fields >> at & 1 == 1);
    let columns = required.into_iter().chain(optional.map(|(_, column)| column));
    let records = match rows {
        [] => RecordBatch::new_empty(Arc::new(arrow::datatypes::Schema::empty())),
        _ => RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true)))
            .unwrap(),
    };
    let contexts = if rows.is_empty() { Vec::new() } else { vec![Default::default(); 256] };
    FlowBatch::try_new(records, contexts, coverage.to_vec()).unwrap()
}

/// The rows of a batch, each as text.
fn told(batch: &FlowBatch, object: u32, fields: u8) -> Vec<String> {
    let coverage = batch.coverage().iter().map(|row| format!("{object} {row:?}"));
    if batch.is_empty() {
        return coverage.collect();
    }
    let columns = batch.columns().unwrap();
    let text = |array: &DictionaryArray<UInt32Type>, row: usize| {
        let names = array.values().as_any().downcast_ref::<StringArray>().unwrap();
        array.is_valid(row).then(|| names.value(array.keys().value(row) as usize).to_owned())
    };
    let record = |row: usize| {
        let required = (
            text(columns.interface, row),
            [columns.srcaddr, columns.dstaddr].map(|array| address_bytes(array)[row]),
            [columns.srcport, columns.dstport].map(|array| array.value(row)),
            [columns.protocol, columns.action].map(|array| array.value(row)),
            [columns.start, columns.end].map(|array| array.value(row)),
        );
        let optional = (
            [columns.packets, columns.bytes].map(|a| a.map(|a| a.is_valid(row).then(|| a.value(row)))),
            [columns.tcp_flags, columns.flow_direction]
                .map(|a| a.map(|a| a.is_valid(row).then(|| a.value(row)))),
            [columns.pkt_srcaddr, columns.pkt_dstaddr]
                .map(|a| a.map(|a| a.is_valid(row).then(|| address_bytes(a)[row]))),
            columns.reject_reason.map(|a| text(a, row)),
        );
        format!("{object} {fields} {required:?} {optional:?}")
    };
    (0..batch.len()).map(record).chain(coverage).collect()
}

/// Writes batches, each of an object, and compares what is read with them.
fn comes_back(batches: &[(Vec<Row>, u8, Vec<CoverageRow>)]) {
    let directory = tempfile::tempdir().unwrap();
    let place = Place { directory: directory.path().to_owned(), disk: Disk::default(), held: None };
    let mut writer = RecordWriter::new(&place, "test".to_owned());
    let mut expected = std::collections::BTreeMap::<i64, Vec<String>>::new();
    for (object, (rows, fields, coverage)) in (1..).zip(batches) {
        writer.push(&batch(rows, *fields, coverage), object).unwrap();
        // Each day has its file, and in it rows lie as they came.
        let mut days = std::collections::BTreeMap::<i64, Vec<Row>>::new();
        rows.iter().for_each(|row| days.entry(row.times[0] / DAY).or_default().push(row.clone()));
        for (day, rows) in days {
            expected.entry(day).or_default().extend(told(&batch(&rows, *fields, &[]), object, *fields));
        }
        for row in coverage {
            let one = batch(&[], 0, std::slice::from_ref(row));
            expected.entry(row.start / DAY).or_default().extend(told(&one, object, 0));
        }
    }
    let files = writer.finish().unwrap();
    place.rename(files.iter()).unwrap();
    let scan = Scan::new(&place, files, (None, None));
    let mut read = Vec::new();
    while let Some(group) = scan.next().unwrap() {
        let take = |piece: super::Piece| {
            let fields = batches[piece.key as usize - 1].1;
            read.extend(told(&piece.batch, piece.key, if piece.batch.is_empty() { 0 } else { fields }));
            Ok::<_, StoreError>(())
        };
        group.read(Some, |_| Default::default(), take).unwrap();
    }
    let expected: Vec<String> = expected.into_values().flatten().collect();
    assert!(read == expected, "{} rows of {} came back", read.len(), expected.len());
}

fn row() -> impl Strategy<Value = Row> {
    let address = || prop_oneof![(0_u128..4).prop_map(|n| 0xffff_0a00_0000 + n), any::<u128>()];
    let count = || prop::option::of(prop_oneof![0_u64..3, any::<u64>()]);
    (
        (any::<u8>(), [address(), address()], any::<[u16; 2]>(), any::<[u8; 2]>()),
        [19_999 * DAY..20_001 * DAY, 0..i64::from(u32::MAX)],
        ([count(), count()], any::<[Option<u8>; 2]>()),
        ([prop::option::of(address()), prop::option::of(address())], prop::option::of(0_u8..3)),
    )
        .prop_map(|(a, times, (counts, flags), (packet_addresses, reason))| {
            let (interface, addresses, ports, words) = a;
            Row { interface, addresses, ports, words, times, counts, flags, packet_addresses, reason }
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn whatever_is_written_comes_back(
        batches in prop::collection::vec((prop::collection::vec(row(), 0..60), 0_u8..128, 0_usize..3), 1..5),
    ) {
        let batches: Vec<_> = batches.into_iter().map(|(rows, fields, silent)| {
            let coverage = (0..silent).map(|at| CoverageRow {
                interface: name(at as u8),
                status: if at == 0 { CaptureStatus::NoData } else { CaptureStatus::SkipData },
                start: 20_000 * DAY - 1 + at as i64,
                end: 20_000 * DAY + 60,
            });
            (rows, fields, coverage.collect())
        }).collect();
        comes_back(&batches);
    }
}

/// More rows than a page holds, and more values than go into a dictionary.
#[test]
fn many_values_come_back() {
    let row = |at: u64| {
        let mixed = at.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let address = |salt: u64| 0xffff_0000_0000 + u128::from((mixed >> 40).wrapping_mul(salt) as u32);
        let count =
            |bits: u64| (!at.is_multiple_of(7)).then(|| if at == 70_000 { u64::MAX } else { mixed >> bits });
        Row {
            interface: (at / 1000) as u8,
            addresses: [address(1), if at.is_multiple_of(90) { u128::from(mixed) } else { address(3) }],
            ports: [(mixed >> 20) as u16, if at == 65_535 { 65_535 } else { 443 }],
            words: [(at / 30_000) as u8, u8::from(at.is_multiple_of(11))],
            times: [20_000 * DAY + (mixed % 600) as i64, (mixed >> 32) as i64],
            counts: [count(60), count(20)],
            flags: [(at > 66_000).then_some((at % 32) as u8), Some(1)],
            packet_addresses: [Some(address(1)), None],
            reason: at.is_multiple_of(1000).then_some(2),
        }
    };
    let rows = |range: std::ops::Range<u64>| range.map(row).collect();
    comes_back(&[(rows(0..50_000), 127, Vec::new()), (rows(50_000..140_000), 0b111_1011, Vec::new())]);
}
