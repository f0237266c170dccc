//! Inflating in one go and as a stream come to the same, whatever the object is.

use std::io::Write;

use arrow::array::AsArray;
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use tokio::sync::mpsc::channel;

use super::*;
use crate::flow::CoverageRow;

const HEADER: &str = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status";

/// All that can be seen of an object from outside.
#[derive(Debug, PartialEq)]
struct Seen {
    rows: Vec<String>,
    coverage: Vec<CoverageRow>,
    outcome: Result<(), String>,
    tally: Tally,
    read: u64,
}

fn log(rows: u32) -> Vec<u8> {
    let mut text = format!("{HEADER}\n");
    for row in 0..rows {
        // Scattered, so that the object does not shrink to nothing.
        let n = row.wrapping_mul(2_654_435_761);
        let (port, host, bytes) = (n >> 16, n >> 8 & 255, n % 1_000_003);
        text += &format!(
            "2 123456789010 eni-{:017x} 10.0.{}.{host} 10.1.{host}.7 443 {port} 6 10 {bytes} {} {} ACCEPT OK\n",
            n % 97,
            n >> 24,
            1_700_000_000 + n % 300,
            1_700_000_300 + n % 60,
        );
    }
    text += "2 123456789010 eni-1 - - - - - - - 1700000000 1700000060 - NODATA\nthis is no row\n";
    text.into_bytes()
}

fn gzip_at(level: Compression, bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    gzip_at(Compression::default(), bytes)
}

fn built(builder: GzBuilder, bytes: &[u8]) -> Vec<u8> {
    let mut encoder = builder.write(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Sets the CRC of the header, right or wrong.
fn with_header_crc(object: &[u8], crc: [u8; 2]) -> Vec<u8> {
    let (header, rest) = object.split_at(10);
    let mut out = [header, &crc, rest].concat();
    out[3] |= 2;
    out
}

fn run(
    workspace: &mut Workspace,
    object: &[u8],
    chunk: usize,
    size: Option<u64>,
    options: &DecodeOptions,
) -> Seen {
    let (to, chunks) = channel(object.len() / chunk + 2);
    for chunk in object.chunks(chunk) {
        to.try_send(Bytes::copy_from_slice(chunk)).unwrap();
    }
    drop(to);
    let read = AtomicU64::new(0);
    let (mut rows, mut coverage) = (Vec::new(), Vec::new());
    let mut sink = |batch: FlowBatch| {
        let columns = batch.columns().unwrap();
        let names = columns.interface.values().as_string::<i32>();
        for row in 0..batch.len() {
            let name = names.value(columns.interface.keys().value(row) as usize);
            let (source, bytes) = (columns.srcaddr.value(row), columns.bytes.unwrap().value(row));
            rows.push(format!("{name} {source:?} {bytes} {}", columns.dstport.value(row)));
        }
        coverage.extend_from_slice(batch.coverage());
        Ok(())
    };
    let body = Body::Stream { chunks, size };
    let Decoded { outcome, tally, .. } =
        decode(body, workspace, &read, &Cancel::default(), options, &mut sink);
    let outcome = outcome.map_err(|error| error.to_string());
    Seen { rows, coverage, outcome, tally, read: read.into_inner() }
}

/// Runs an object in one go, if that can be done, and as a stream, and compares. Returns what came and whether it
/// went in one go.
fn compared(workspace: &mut Workspace, object: &[u8], options: &DecodeOptions) -> (Seen, bool) {
    let streamed = DecodeOptions { whole_bytes: 0, ..options.clone() };
    let size = Some(object.len() as u64);
    let expected = run(&mut Workspace::default(), object, 1 << 20, size, &streamed);
    for chunk in [object.len().max(1), 1000, 7] {
        let seen = run(workspace, object, chunk, size, options);
        assert_eq!(seen, expected, "{} bytes in chunks of {chunk}", object.len());
    }
    let room = (options.whole_bytes as usize).saturating_sub(object.len());
    let most = room.min(usize::try_from(options.max_object_bytes).unwrap());
    let went = object.len() as u64 <= options.whole_bytes / LEAST_RATIO
        && workspace.inflater.inflate(object, most).is_some();
    (expected, went)
}

#[test]
fn sound_objects() {
    let (log, other) = (log(3000), log(500));
    let one = gzip(&log);
    let zeros = |count: usize| vec![0; count];
    let name = |length: usize| GzBuilder::new().filename("x".repeat(length));
    let objects = [
        ("one member", one.clone(), true),
        ("stored", gzip_at(Compression::none(), &log), true),
        ("best", gzip_at(Compression::best(), &log), true),
        ("one row", gzip(&log[..300]), true),
        ("named", built(name(20), &log), true),
        ("long name", built(name(5000), &log), false),
        ("comment", built(GzBuilder::new().comment("c"), &log), false),
        ("extra field", built(GzBuilder::new().extra(vec![7; 30]), &log), false),
        ("two members", [one.clone(), gzip(&other)].concat(), false),
        ("a member and one of the same length", [gzip(&log[..900]), gzip(&log[900..1800])].concat(), false),
        ("the same twice", [one.clone(), one.clone()].concat(), false),
        ("the same under another name", [one.clone(), built(name(3), &log)].concat(), false),
        ("an empty one behind", [one.clone(), gzip(b"")].concat(), false),
        ("an empty one before", [gzip(b""), one.clone()].concat(), false),
        ("padded with a byte", [one.clone(), zeros(1)].concat(), false),
        ("padded with four", [one.clone(), zeros(4)].concat(), false),
        ("padded with a block", [one.clone(), zeros(512)].concat(), false),
        ("padding between", [one.clone(), zeros(30), gzip(&other)].concat(), false),
        ("nothing in it", gzip(b""), false),
        ("no bytes", Vec::new(), false),
        ("plain", log.clone(), false),
    ];
    let mut workspace = Workspace::default();
    for (name, object, expected) in objects {
        let (seen, went) = compared(&mut workspace, &object, &DecodeOptions::default());
        assert_eq!(seen.outcome, Ok(()), "{name}");
        assert_eq!(went, expected, "{name}");
    }
    let (seen, _) = compared(&mut workspace, &one, &DecodeOptions::default());
    assert_eq!((seen.rows.len(), seen.tally.nodata, seen.tally.malformed), (3000, 1, 1));
}

#[test]
fn cut_anywhere() {
    let small = gzip(&log(20));
    let mut workspace = Workspace::default();
    for cut in 0..small.len() {
        let (seen, went) = compared(&mut workspace, &small[..cut], &DecodeOptions::default());
        assert!(!went, "cut at {cut}");
        assert!(cut < 2 || seen.outcome.is_err(), "cut at {cut}");
    }
    // Of a large one the rows before the cut are there, also if it was listed with its full size.
    let large = gzip(&log(3000));
    let (cut, size) = (large.len() * 2 / 3, Some(large.len() as u64));
    let seen = run(&mut workspace, &large[..cut], 4096, size, &DecodeOptions::default());
    assert!((1000..3000).contains(&seen.rows.len()), "{}", seen.rows.len());
    assert_eq!((seen.tally.truncated, seen.outcome.is_err()), (1, true));
    assert_eq!(seen, compared(&mut workspace, &large[..cut], &DecodeOptions::default()).0);
}

#[test]
fn damaged_anywhere() {
    let good = gzip(&log(20));
    let mut workspace = Workspace::default();
    let mut refused = 0;
    for at in 0..good.len() {
        let mut object = good.clone();
        object[at] ^= 0x55;
        let (seen, _) = compared(&mut workspace, &object, &DecodeOptions::default());
        refused += usize::from(seen.outcome.is_err());
    }
    // Time, extra flags, system and the flag that says it is text are free.
    assert!(refused >= good.len() - 10, "{refused} of {}", good.len());
    for (at, name) in [(8, "CRC"), (4, "length")] {
        let mut object = gzip(&log(3000));
        let at = object.len() - at;
        object[at] ^= 1;
        let (seen, went) = compared(&mut workspace, &object, &DecodeOptions::default());
        assert!(!went && seen.outcome.is_err() && seen.rows.len() == 3000, "{name}: {:?}", seen.outcome);
    }
    for (name, behind) in [("garbage", &b"garbage"[..]), ("a magic", &b"\x1f\x8b\x08\0\0\0\0\0\0\0"[..])] {
        let (seen, went) = compared(&mut workspace, &[&good, behind].concat(), &DecodeOptions::default());
        assert!(!went && seen.outcome.is_err() && seen.rows.len() == 20, "{name}");
    }
    // The end of the first member, if nothing follows what looks like the trailer.
    let (trailer, other) = (good[good.len() - 8..].to_vec(), gzip(&log(5)));
    let (seen, went) =
        compared(&mut workspace, &[good.clone(), other, trailer].concat(), &DecodeOptions::default());
    assert!(!went && seen.outcome.is_err() && seen.rows.len() == 25);
}

#[test]
fn a_header_with_a_crc_of_its_own() {
    let good = gzip(&log(20));
    let mut header = good[..10].to_vec();
    header[3] |= 2;
    let mut crc = flate2::Crc::new();
    crc.update(&header);
    let [a, b, ..] = crc.sum().to_le_bytes();
    for (crc, sound) in [([a, b], true), ([a ^ 1, b], false)] {
        let object = with_header_crc(&good, crc);
        let (seen, went) = compared(&mut Workspace::default(), &object, &DecodeOptions::default());
        assert_eq!((seen.outcome.is_ok(), went), (sound, false));
    }
}

#[test]
fn bounds() {
    let text = log(3000);
    let object = gzip(&text);
    let sum = (object.len() + text.len()) as u64;
    let mut workspace = Workspace::default();
    let cap = |max_object_bytes: u64| DecodeOptions { max_object_bytes, ..DecodeOptions::default() };
    for (options, expected) in [
        (DecodeOptions { whole_bytes: sum, ..DecodeOptions::default() }, true),
        (DecodeOptions { whole_bytes: sum - 1, ..DecodeOptions::default() }, false),
        (DecodeOptions { whole_bytes: 1, ..DecodeOptions::default() }, false),
        (cap(text.len() as u64), true),
        (cap(text.len() as u64 - 1), false),
        (cap(1000), false),
    ] {
        // The ratio of this one lets it be held.
        assert!(object.len() as u64 * LEAST_RATIO <= sum);
        let (_, went) = compared(&mut workspace, &object, &options);
        assert_eq!(went, expected, "{options:?}");
    }
    // More came than was listed, and nothing was listed.
    let expected = compared(&mut workspace, &object, &DecodeOptions::default()).0;
    for size in [None, Some(0), Some(10), Some(1 << 40)] {
        let small = DecodeOptions { whole_bytes: 40_000, ..DecodeOptions::default() };
        for options in [small, DecodeOptions::default()] {
            assert_eq!(run(&mut workspace, &object, 500, size, &options), expected, "{size:?}");
        }
    }
}

#[test]
fn bombs() {
    // As small as it gets for its size, with a length that is right, too small, and too large.
    let size = 12 << 20;
    let bomb = gzip_at(Compression::best(), &vec![b'\n'; size]);
    assert!(bomb.len() < size / 1000);
    let mut workspace = Workspace::default();
    for (length, most) in
        [(size as u32, 96 << 20), (size as u32, 1 << 20), (10, 96 << 20), (u32::MAX, 96 << 20)]
    {
        let mut object = bomb.clone();
        let at = object.len() - 4;
        object[at..].copy_from_slice(&length.to_le_bytes());
        let options =
            DecodeOptions { whole_bytes: most, max_object_bytes: 16 << 20, ..DecodeOptions::default() };
        let seen = run(&mut workspace, &object, 4096, Some(object.len() as u64), &options);
        assert_eq!(seen.outcome.is_ok(), length == size as u32);
        let options = DecodeOptions { max_object_bytes: 1 << 20, ..options };
        let seen = run(&mut workspace, &object, 4096, Some(object.len() as u64), &options);
        assert!(seen.outcome.unwrap_err().contains("--max-object-bytes"));
    }
    let held = format!("{:?}", workspace.inflater);
    assert!(held.contains(&format!("capacity: {}", size + size / 4)), "{held}");
}
