//! What lies on disk, in pieces or both, comes back as what lies in memory.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, FixedSizeBinaryArray, Int64Array, RecordBatch, UInt8Array, UInt16Array,
    UInt64Array,
};
use arrow::datatypes::UInt32Type;

use super::*;
use crate::connection::ingest::{Ingest, Share, Wanted, collect};
use crate::connection::interfaces::Interner;
use crate::connection::overlap::StreamInfo;
use crate::connection::shelf::Room;
use crate::flow::{FlowBatch, InterfaceContext, column};

/// A row: interface, source, destination, source port, rejected, bytes, start.
type Row = (String, u128, u128, u16, bool, u64, i64);

fn v4(text: &str) -> u128 {
    crate::flow::address_bits(text.parse().unwrap())
}

/// Some thousand records on few tuples: both layouts, records too large for the narrow one on a tuple that also has
/// small ones, duplicates, and two flow logs over one interface.
fn log(stream: u16) -> Vec<Row> {
    let mut rows = Vec::new();
    for n in 0..4000_u32 {
        let bytes = if n % 501 == 0 { 1_u64 << 40 } else { u64::from(n) };
        let (source, destination) = match n % 5 {
            0 => (v4("2001:db8::1"), v4(&format!("2001:db8::2:{}", n % 11))),
            _ => (v4("10.0.0.1"), v4(&format!("10.0.{}.{}", n % 3, n % 17))),
        };
        let interface = format!("eni-{}", if stream == 1 { n % 3 } else { 7 + n % 2 });
        let start = 1_700_000_000 + i64::from(n / 2);
        let row = (interface, source, destination, (n % 13) as u16, n % 4 == 0, bytes, start);
        rows.extend(std::iter::repeat_n(row, if n % 100 == 0 { 2 } else { 1 }));
    }
    rows
}

fn batch(rows: &[Row]) -> FlowBatch {
    let interface: DictionaryArray<UInt32Type> = rows.iter().map(|r| r.0.as_str()).collect();
    let contexts = vec![InterfaceContext::default(); interface.values().len()];
    let addresses = |of: fn(&Row) -> u128| -> ArrayRef {
        let values = rows.iter().map(|r| of(r).to_be_bytes());
        Arc::new(FixedSizeBinaryArray::try_from_iter(values).unwrap())
    };
    let same = |value: u8| -> ArrayRef { Arc::new(UInt8Array::from(vec![value; rows.len()])) };
    let columns: Vec<(&str, ArrayRef)> = vec![
        (column::INTERFACE, Arc::new(interface)),
        (column::SRCADDR, addresses(|r| r.1)),
        (column::DSTADDR, addresses(|r| r.2)),
        (column::SRCPORT, Arc::new(UInt16Array::from_iter_values(rows.iter().map(|r| r.3)))),
        (column::DSTPORT, Arc::new(UInt16Array::from(vec![443; rows.len()]))),
        (column::PROTOCOL, same(6)),
        (column::ACTION, Arc::new(UInt8Array::from_iter_values(rows.iter().map(|r| u8::from(r.4))))),
        (column::PACKETS, Arc::new(UInt64Array::from(vec![1; rows.len()]))),
        (column::BYTES, Arc::new(UInt64Array::from_iter_values(rows.iter().map(|r| r.5)))),
        (column::START, Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.6)))),
        (column::END, Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.6 + 5)))),
    ];
    FlowBatch::try_new(RecordBatch::try_from_iter(columns).unwrap(), contexts, Vec::new()).unwrap()
}

fn share(interner: &Interner, room: usize, logs: &[(u16, Vec<Row>)]) -> Share {
    let room = Room::new(room, &std::env::temp_dir());
    let mut ingest = Ingest::new(interner, Wanted::default(), room);
    for (stream, rows) in logs {
        for rows in rows.chunks(100) {
            ingest.push(&batch(rows), *stream).unwrap();
            ingest.make_room().unwrap();
        }
    }
    ingest.finish()
}

/// Every record in the order in which pairing sees it, with the number of duplicates and of pieces.
fn all(room: usize, most: usize, keep: bool) -> (Vec<Narrow>, Vec<Wide>, u64, usize) {
    let interner = Interner::default();
    let shares =
        vec![share(&interner, room, &[(2, log(2)), (1, log(1))]), share(&interner, room, &[(3, log(1))])];
    let mut collected = collect(interner, shares);
    let election = Election::hold(std::mem::take(&mut collected.stream_facts), &[StreamInfo::default(); 4]);
    let loading = Loading { store: &collected.store, election: &election, most };
    let (mut narrow, mut wide, mut duplicates, mut pieces) = (Vec::new(), Vec::new(), 0, 0);
    let mut sorted = Sorted::default();
    for partition in &mut collected.partitions {
        for piece in partition.pieces(&loading).unwrap() {
            pieces += 1;
            partition.load(&piece, &loading, &mut sorted).unwrap();
            duplicates += sorted.duplicates;
            if keep {
                partition.keep(&sorted);
                partition.load(&piece, &loading, &mut sorted).unwrap();
            }
            narrow.extend_from_slice(&sorted.narrow);
            wide.extend_from_slice(&sorted.wide);
        }
    }
    (narrow, wide, duplicates, pieces)
}

#[test]
fn room_and_pieces_make_no_difference() {
    let (narrow, wide, duplicates, pieces) = all(usize::MAX, usize::MAX, false);
    assert_eq!(pieces, PARTITIONS);
    assert!(!narrow.is_empty() && !wide.is_empty());
    let v4 = wide.iter().filter(|r| r.narrow_key().is_some()).count();
    assert!(v4 > 8, "tuples with one large record are wide as a whole: {v4}");
    let keys: HashSet<u128> = wide.iter().filter_map(Wide::narrow_key).collect();
    assert!(narrow.iter().all(|r| !keys.contains(&r.key())), "no tuple is parted");
    assert!(duplicates > 4000, "another flow log delivered all of an interface again: {duplicates}");
    for (room, most, keep) in
        [(0, usize::MAX, true), (0, 10, false), (1 << 20, 50, true), (usize::MAX, 10, true)]
    {
        let other = all(room, most, keep);
        assert!(narrow == other.0 && wide == other.1, "room {room}, most {most}");
        assert_eq!(duplicates, other.2, "room {room}, most {most}");
        assert_eq!(room == 0 && most == 10, other.3 > 2 * PARTITIONS, "{} pieces", other.3);
    }
}
