//! One object's bytes, as they come, into batches.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Buf, Bytes, BytesMut};
use tokio::sync::mpsc::{Receiver, UnboundedReceiver};

use super::Cancel;
use super::body::{Body, Part};
use crate::decode::{
    DecodeError, DecodeOptions, Decoder, FormatOrigin, Inflater, ParquetDecoder, ParquetPush, SchemaProblem,
    Step, finish, is_gzip, is_parquet, pump, push, reader,
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

/// What a worker keeps from object to object: memory that it would else ask for anew.
#[derive(Default)]
pub(super) struct Workspace {
    inflater: Inflater,
    /// An object whose bytes are all waited for.
    held: Vec<u8>,
}

/// Plain bytes between two looks at whether the run was cancelled.
const PIECE: usize = 4 << 20;

/// Text deflates to a third or less. An object larger than this part of the bound is not worth holding.
const LEAST_RATIO: u64 = 4;

/// Decodes all that comes. `read` counts the bytes taken so far.
pub(super) fn decode(
    body: Body,
    workspace: &mut Workspace,
    read: &AtomicU64,
    cancel: &Cancel,
    options: &DecodeOptions,
    sink: &mut Sink<'_>,
) -> Decoded {
    match body {
        Body::Parts { parts, size } => in_parts(parts, size, read, cancel, options, sink),
        Body::Stream { chunks, size } => {
            let mut input = ChannelReader { chunks, current: Bytes::new(), read, cancel };
            input.refill();
            let small = size.is_some_and(|size| size <= options.whole_bytes / LEAST_RATIO);
            if is_parquet(&input.current) {
                whole_parquet(&mut input, options, sink)
            } else if small && is_gzip(&input.current) {
                gzip(input, workspace, options, sink)
            } else {
                text(input, options, sink)
            }
        }
    }
}

/// A small object, which is waited for and inflated in one go if that can be done.
fn gzip(
    mut input: ChannelReader<'_>,
    workspace: &mut Workspace,
    options: &DecodeOptions,
    sink: &mut Sink<'_>,
) -> Decoded {
    let Workspace { inflater, held } = workspace;
    held.clear();
    // There may be more than was listed.
    let most = usize::try_from(options.whole_bytes / LEAST_RATIO).unwrap_or(usize::MAX);
    while held.len() <= most && input.refill() {
        held.extend_from_slice(&input.current);
        input.current.clear();
    }
    let whole = held.len() <= most;
    let room = options.whole_bytes.saturating_sub(held.len() as u64).min(options.max_object_bytes);
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    let Some(plain) = whole.then(|| inflater.inflate(held, room)).flatten() else {
        return text(Read::chain(&held[..], input), options, sink);
    };
    let mut decoder = Decoder::new(options.clone());
    let mut pieces = plain.chunks(PIECE).take_while(|_| !input.cancel.is_cancelled());
    let outcome = pieces
        .try_for_each(|piece| push(piece, &mut decoder, &mut *sink))
        .and_then(|()| finish(&mut decoder, &mut *sink));
    decoded(outcome, &decoder)
}

fn text(input: impl Read + Send, options: &DecodeOptions, sink: &mut Sink<'_>) -> Decoded {
    let mut decoder = Decoder::new(options.clone());
    let outcome =
        reader(input, options.max_object_bytes).and_then(|(_, plain)| pump(plain, &mut decoder, sink));
    decoded(outcome, &decoder)
}

fn decoded(outcome: Result<(), DecodeError>, decoder: &Decoder) -> Decoded {
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

#[cfg(test)]
mod tests;
