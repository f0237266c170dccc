//! Compressed objects: several members, bombs, cuts and damage.

use std::io::{self, Read, Write};

use flate2::write::GzEncoder;
use flowgate::decode::{Compression, DecodeError, Decoder, pump, reader};

use super::support::{Outcome, V2, engine};

const LINE: &str = "2 123456789010 eni-1 10.0.0.1 10.0.0.2 443 49152 6 10 840 100 160 ACCEPT OK";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstandard(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(bytes, 1).unwrap()
}

/// Reads all there is, and why it ended if not at the end.
fn inflate(input: &[u8], limit: u64) -> (Vec<u8>, Option<DecodeError>) {
    let (_, mut plain) = reader(input, limit).unwrap();
    let mut out = Vec::new();
    let mut buffer = [0; 777];
    loop {
        match plain.read(&mut buffer) {
            Ok(0) => return (out, None),
            Ok(len) => out.extend_from_slice(&buffer[..len]),
            Err(error) => return (out, Some(DecodeError::from_io(error))),
        }
    }
}

fn pumped(input: &[u8], limit: u64) -> (Outcome, Result<(), DecodeError>) {
    let mut decoder = Decoder::new(engine());
    let mut outcome = Outcome::default();
    let (_, plain) = reader(input, limit).unwrap();
    let end = pump(plain, &mut decoder, |batch| {
        outcome.add(&batch);
        Ok(())
    });
    outcome.tally = decoder.tally().clone();
    assert!(outcome.tally.is_conserved());
    (outcome, end)
}

#[test]
fn told_by_the_first_bytes() {
    let inputs: [(&[u8], _); 5] = [
        (&gzip(b"hello"), Compression::Gzip),
        (&zstandard(b"hello"), Compression::Zstd),
        (b"hello", Compression::Plain),
        (b"", Compression::Plain),
        (b"\x1f", Compression::Plain),
    ];
    for (input, expected) in inputs {
        assert_eq!(reader(input, 10).unwrap().0, expected);
    }
    assert_eq!(inflate(&gzip(b"hello"), 10).0, b"hello");
    assert_eq!(inflate(&zstandard(b"hello"), 10).0, b"hello");
    assert_eq!(inflate(b"hel", 10).0, b"hel");
    assert_eq!(inflate(b"\x1f", 10).0, b"\x1f");
}

#[test]
fn members_and_frames_follow_one_another() {
    let header_again =
        [gzip(format!("{V2}\n{LINE}\n").as_bytes()), gzip(format!("{V2}\n{LINE}\n").as_bytes())];
    let padded = [header_again.concat(), vec![0; 1000]].concat();
    let between = [header_again[0].clone(), vec![0; 512], header_again[1].clone()].concat();
    let with_empty = [gzip(b""), header_again.concat(), gzip(b"")].concat();
    for input in [header_again.concat(), padded, between, with_empty] {
        let (outcome, end) = pumped(&input, 1 << 20);
        end.unwrap();
        assert_eq!((outcome.tally.lines, outcome.tally.records), (2, 2));
    }
    let frames = [zstandard(b"one "), zstandard(b"two")].concat();
    assert!(matches!(inflate(&frames, 100), (out, None) if out == b"one two"));
}

#[test]
fn a_bomb_stops_at_the_cap() {
    let size = 64 << 20;
    for bomb in [gzip(&vec![b'x'; size]), zstandard(&vec![b'x'; size])] {
        assert!(bomb.len() < size / 500);
        let (out, error) = inflate(&bomb, 1_000_000);
        assert_eq!(out.len(), 1_000_000);
        let error = error.unwrap();
        assert!(matches!(error, DecodeError::TooLarge { limit: 1_000_000 }), "{error:?}");
        assert!(error.to_string().contains("--max-object-bytes"));
        // Exactly the cap is fine.
        let (out, error) = inflate(&bomb, size as u64);
        assert_eq!((out.len(), error.is_none()), (size, true));
    }
    assert!(matches!(inflate(b"plain", 4).1, Some(DecodeError::TooLarge { limit: 4 })));
}

#[test]
fn after_the_cap_it_stays_closed() {
    let (_, mut plain) = reader(&b"abcdef"[..], 2).unwrap();
    let mut buffer = [0; 2];
    plain.read_exact(&mut buffer).unwrap();
    for _ in 0..3 {
        assert!(plain.read(&mut buffer).is_err());
    }
}

#[test]
fn a_cut_stream_gives_the_rows_before_the_cut() {
    // Incompressible tails keep the cut inside the data.
    let mut text = format!("{V2}\n");
    for port in 0..2000_u32 {
        let port = port.wrapping_mul(2_654_435_761) % 65_536;
        text += &LINE.replace(" 443 ", &format!(" {port} "));
        text.push('\n');
    }
    for (whole, compression) in
        [(gzip(text.as_bytes()), Compression::Gzip), (zstandard(text.as_bytes()), Compression::Zstd)]
    {
        for cut in [whole.len() / 2, whole.len() - 4, whole.len() - 1] {
            let (outcome, end) = pumped(&whole[..cut], 1 << 30);
            let error = end.unwrap_err();
            assert!(
                matches!(error, DecodeError::Truncated { compression: c } if c == compression),
                "{error:?}"
            );
            assert!(outcome.tally.truncated <= 1);
            assert!(outcome.tally.records <= 2000);
            assert_eq!(outcome.rows.len() as u64, outcome.tally.records);
            assert_eq!(outcome.tally.malformed, outcome.tally.truncated);
        }
    }
    let whole = gzip(text.as_bytes());
    let (outcome, _) = pumped(&whole[..whole.len() * 9 / 10], 1 << 30);
    assert!((1000..2000).contains(&outcome.tally.records), "{:?}", outcome.tally);
}

#[test]
fn damage_is_told_from_a_cut() {
    let mut damaged = gzip(&[b'x'; 1000]);
    let at = damaged.len() - 6;
    damaged[at] ^= 0xff;
    assert!(matches!(inflate(&damaged, 1 << 20).1, Some(DecodeError::Corrupt { .. })));
    let trailing = [gzip(b"hello"), b"garbage".to_vec()].concat();
    assert!(matches!(inflate(&trailing, 100), (out, Some(DecodeError::TrailingBytes)) if out == b"hello"));
    let trailing = [zstandard(b"hello"), b"garbage".to_vec()].concat();
    assert!(matches!(
        inflate(&trailing, 100).1,
        Some(DecodeError::Corrupt { .. } | DecodeError::Truncated { .. })
    ));
}

/// Fails after some bytes, and is interrupted now and then before.
struct Failing<'a> {
    bytes: &'a [u8],
    turn: u32,
}

impl Read for Failing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.turn += 1;
        if self.turn.is_multiple_of(2) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if self.bytes.is_empty() {
            return Err(io::Error::new(io::ErrorKind::ConnectionReset, "gone"));
        }
        let len = buffer.len().min(50).min(self.bytes.len());
        self.bytes.read(&mut buffer[..len])
    }
}

#[test]
fn failures_of_the_inner_reader_pass_through() {
    let text = format!("{V2}\n{LINE}\n{LINE}\n{LINE}").into_bytes();
    for bytes in [text.clone(), gzip(&text)] {
        let (_, plain) = reader(Failing { bytes: &bytes, turn: 0 }, 1 << 20).unwrap();
        let mut decoder = Decoder::new(engine());
        let mut rows = 0;
        let end: Result<(), DecodeError> = pump(plain, &mut decoder, |batch| {
            rows += batch.len();
            Ok(())
        });
        let error = end.unwrap_err();
        assert!(
            matches!(&error, DecodeError::Read(inner) if inner.kind() == io::ErrorKind::ConnectionReset),
            "{error:?}"
        );
        assert_eq!((rows, decoder.tally().truncated), (2, 1));
    }
}
