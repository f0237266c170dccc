//! Any bytes as a text object, plain or compressed: no panic, every line accounted for, and the size of chunks does not
//! matter. The first two bytes choose the settings.
#![no_main]

use flowgate::decode::{DecodeOptions, Decoder, Projection, reader};
use flowgate::flow::Tally;
use libfuzzer_sys::fuzz_target;

/// Most bytes that a compressed input may become.
const LIMIT: u64 = 1 << 20;

fn decode(input: &[u8], options: &DecodeOptions, chunk: usize) -> (usize, usize, Tally) {
    let mut decoder = Decoder::new(options.clone());
    let (mut rows, mut idle) = (0, 0);
    let mut take = |decoder: &mut Decoder| {
        let batch = decoder.flush().expect("columns fit together");
        if let Some(batch) = &batch {
            rows += batch.len();
            idle += batch.coverage().len();
        }
        batch.is_some()
    };
    for piece in input.chunks(chunk) {
        let mut rest = piece;
        while !rest.is_empty() {
            let Ok(taken) = decoder.decode(rest) else { return (rows, idle, decoder.tally().clone()) };
            rest = &rest[taken..];
            if !rest.is_empty() {
                take(&mut decoder);
            }
        }
    }
    if decoder.finish().is_ok() {
        while take(&mut decoder) {}
        assert_eq!(rows as u64, decoder.tally().records);
    }
    assert!(decoder.tally().is_conserved(), "{:?}", decoder.tally());
    (rows, idle, decoder.tally().clone())
}

fuzz_target!(|data: &[u8]| {
    let [settings, size, input @ ..] = data else { return };
    let options = DecodeOptions {
        projection: if settings & 1 == 0 { Projection::engine() } else { Projection::all() },
        batch_rows: usize::from(settings >> 1) + 1,
        max_line_bytes: 2000,
        ..DecodeOptions::default()
    };
    let mut plain = Vec::new();
    if let Ok((_, mut reader)) = reader(input, LIMIT) {
        // A damaged object is decoded up to the damage.
        let _ = std::io::Read::read_to_end(&mut reader, &mut plain);
    }
    let pieces = decode(&plain, &options, usize::from(*size) + 1);
    assert_eq!(pieces, decode(&plain, &options, plain.len().max(1)));
});
