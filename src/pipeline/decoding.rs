//! One object's bytes, as they come, into batches.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Buf, Bytes, BytesMut};
use tokio::sync::mpsc::{Receiver, UnboundedReceiver};

use super::Cancel;
use super::body::{Body, Part};
use crate::decode::{
    DecodeError, DecodeOptions, Decoder, FormatOrigin, ParquetDecoder, ParquetPush, SchemaProblem, Step,
    is_parquet, pump, reader,
};
use crate::flow::{FlowBatch, Tally};

/// What became of an object, beside its batches.
pub(super) struct Decoded {
    pub outcome: Result<(), DecodeError>,
    pub tally: Tally,
    pub schema: Option<SchemaProblem>,
    /// What lines without a header were taken for.
    pub formats: Vec<(FormatOrigin, String, u64)>,
}

type Sink<'a> = dyn FnMut(FlowBatch) -> Result<(), DecodeError> + 'a;

/// Decodes all that comes. `read` counts the bytes taken so far.
pub(super) fn decode(
    body: Body,
    read: &AtomicU64,
    cancel: &Cancel,
    options: &DecodeOptions,
    sink: &mut Sink<'_>,
) -> Decoded {
    match body {
        Body::Parts { parts, size } => in_parts(parts, size, read, cancel, options, sink),
        Body::Stream(chunks) => {
            let mut input = ChannelReader { chunks, current: Bytes::new(), read, cancel };
            input.refill();
            if is_parquet(&input.current) {
                whole_parquet(&mut input, options, sink)
            } else {
                text(input, options, sink)
            }
        }
    }
}

fn text(input: ChannelReader<'_>, options: &DecodeOptions, sink: &mut Sink<'_>) -> Decoded {
    let mut decoder = Decoder::new(options.clone());
    let outcome =
        reader(input, options.max_object_bytes).and_then(|(_, plain)| pump(plain, &mut decoder, sink));
    Decoded {
        outcome,
        tally: decoder.tally().clone(),
        schema: decoder.rejected_schema().cloned(),
        formats: decoder.formats_used(),
    }
}

/// A Parquet file from where only streams come, or whose name did not tell.
fn whole_parquet(input: &mut ChannelReader<'_>, options: &DecodeOptions, sink: &mut Sink<'_>) -> Decoded {
    let failed =
        |error| Decoded { outcome: Err(error), tally: Tally::default(), schema: None, formats: Vec::new() };
    // A footer is at the end, so the file is read whole. AWS closes files at 75 MB.
    let mut whole = BytesMut::new();
    while input.refill() {
        if (whole.len() + input.current.len()) as u64 > options.max_object_bytes {
            return failed(DecodeError::TooLarge { limit: options.max_object_bytes });
        }
        whole.extend_from_slice(&input.current);
        input.current.clear();
    }
    let mut decoder = match ParquetDecoder::try_new(whole.freeze(), options) {
        Ok(decoder) => decoder,
        Err(error) => return failed(error),
    };
    let outcome = decoder.by_ref().try_for_each(|batch| batch.and_then(&mut *sink));
    Decoded {
        outcome,
        tally: decoder.tally().clone(),
        schema: decoder.rejected_schema().cloned(),
        formats: Vec::new(),
    }
}

fn in_parts(
    mut parts: UnboundedReceiver<Part>,
    size: u64,
    read: &AtomicU64,
    cancel: &Cancel,
    options: &DecodeOptions,
    sink: &mut Sink<'_>,
) -> Decoded {
    let mut decoder = ParquetPush::new(size, options);
    let mut go_on = || -> Result<(), DecodeError> {
        loop {
            match decoder.next()? {
                Step::Done => return Ok(()),
                Step::Batch(batch) => sink(batch)?,
                Step::Need(ranges) => {
                    let missing: u64 = ranges.iter().map(|range| range.end - range.start).sum();
                    let mut given = 0;
                    // Parts come in the order of need. Without the rest the next step is an error.
                    while given < missing && !cancel.is_cancelled() {
                        let Some(part) = parts.blocking_recv() else { break };
                        read.fetch_add(part.bytes.len() as u64, Ordering::Relaxed);
                        given += overlap(&ranges, &part.range);
                        decoder.give(part.range, part.bytes)?;
                    }
                }
            }
        }
    };
    let outcome = go_on();
    Decoded {
        outcome,
        tally: decoder.tally().clone(),
        schema: decoder.rejected_schema().cloned(),
        formats: Vec::new(),
    }
}

/// Bytes of a range that some disjoint ranges hold.
fn overlap(ranges: &[Range<u64>], range: &Range<u64>) -> u64 {
    ranges.iter().map(|r| r.end.min(range.end).saturating_sub(r.start.max(range.start))).sum()
}

/// The chunks of one object as a blocking reader that counts what passed.
struct ChannelReader<'a> {
    chunks: Receiver<Bytes>,
    current: Bytes,
    read: &'a AtomicU64,
    cancel: &'a Cancel,
}

impl ChannelReader<'_> {
    fn refill(&mut self) -> bool {
        while !self.current.has_remaining() {
            match self.chunks.blocking_recv() {
                Some(chunk) if !self.cancel.is_cancelled() => {
                    self.read.fetch_add(chunk.len() as u64, Ordering::Relaxed);
                    self.current = chunk;
                }
                _ => return false,
            }
        }
        true
    }
}

impl Read for ChannelReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.refill() {
            return Ok(0);
        }
        let len = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..len]);
        Ok(len)
    }
}
