//! What lies on disk, in pieces or both, comes back as what lies in memory.

use super::*;
use crate::connection::ingest::{Ingest, Share, Wanted, collect};
use crate::connection::interfaces::Interner;
use crate::connection::overlap::StreamInfo;
use crate::connection::shelf::Room;
use crate::decode::{DecodeOptions, Decoder};

/// Some thousand records on few tuples: both layouts, records too large for the narrow one on a tuple that also has
/// small ones, duplicates, and two flow logs over one interface.
fn log(stream: u16) -> String {
    let mut text = String::from(
        "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n",
    );
    for n in 0..4000_u32 {
        let bytes = if n % 501 == 0 { 1_u64 << 40 } else { u64::from(n) };
        let (a, b) = match n % 5 {
            0 => ("2001:db8::1".to_owned(), format!("2001:db8::2:{}", n % 11)),
            _ => ("10.0.0.1".to_owned(), format!("10.0.{}.{}", n % 3, n % 17)),
        };
        let eni = if stream == 1 { n % 3 } else { 7 + n % 2 };
        let action = if n % 4 == 0 { "REJECT" } else { "ACCEPT" };
        let start = 1_700_000_000 + n / 2;
        text.push_str(&format!(
            "2 1 eni-{eni} {a} {b} {} 443 6 1 {bytes} {start} {} {action} OK\n",
            n % 13,
            start + 5
        ));
        if n % 100 == 0 {
            let line = text.lines().last().unwrap_or_default().to_owned();
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}

fn share<'a>(interner: &'a Interner, room: usize, logs: &[(u16, String)]) -> Share {
    let room = Room { bytes: room, directory: std::env::temp_dir() };
    let mut ingest: Ingest<'a> = Ingest::new(interner, Wanted::default(), room);
    for (stream, text) in logs {
        let mut decoder = Decoder::new(DecodeOptions { batch_rows: 100, ..DecodeOptions::default() });
        let mut rest = text.as_bytes();
        loop {
            let taken = decoder.decode(rest).unwrap();
            rest = &rest[taken..];
            if rest.is_empty() {
                decoder.finish().unwrap();
            }
            match decoder.flush().unwrap() {
                Some(batch) => {
                    ingest.push(&batch, *stream).unwrap();
                    ingest.make_room().unwrap();
                }
                None if rest.is_empty() => break,
                None => {}
            }
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
