//! Objects become packed records: fetch, decompress, decode, pack; one object per worker at a time.

use std::fs::File;
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, Bytes, BytesMut};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{Receiver, channel};

use super::{AnalyzeError, Event, Progress};
use crate::connection::{Collected, Ingest, Interner, Share, TimeRange, collect};
use crate::decode::{DecodeError, DecodeOptions, Decoder, ParquetDecoder, is_parquet, pump, reader};
use crate::flow::{FlowBatch, Tally};
use crate::source::{Listing, Object, Selection, Source};

/// Chunks in flight per worker: enough to read while the worker inflates.
const IN_FLIGHT: usize = 4;

/// Everything reading needs.
pub(super) struct Reading<'a> {
    pub source: &'a Arc<dyn Source>,
    pub listing: &'a Listing,
    pub runtime: &'a Runtime,
    pub options: &'a DecodeOptions,
    pub selection: &'a Selection,
    pub threads: usize,
    pub progress: &'a dyn Progress,
}

/// Something that went wrong with one object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ObjectProblem {
    /// Kebab-case code.
    pub code: &'static str,
    /// What happened and what to do.
    pub message: String,
    pub object: String,
}

/// What reading came to, beside the records.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub tally: Tally,
    pub objects: u64,
    pub bytes: u64,
    pub problems: Vec<ObjectProblem>,
}

/// The flow logs of a listing, sorted; a stream's number is its index + 1, 0 is unknown.
pub(super) fn streams(listing: &Listing) -> Vec<String> {
    let mut ids: Vec<String> =
        listing.objects.iter().filter_map(|o| o.key.as_ref()?.flow_log.clone()).collect();
    ids.sort();
    ids.dedup();
    ids
}

/// The records, and what became of the rest.
pub(super) struct Records {
    pub collected: (Collected, Vec<u32>),
    pub outcome: Outcome,
}

/// The first bytes of a local file, to see what it holds. `None` if it cannot be read: reading it for real
/// will say why.
pub(super) fn head(path: &str) -> Option<Vec<u8>> {
    const HEAD: u64 = 64 * 1024;
    let mut head = Vec::new();
    File::open(path).ok()?.take(HEAD).read_to_end(&mut head).ok()?;
    Some(head)
}

/// Reads all objects of the listing.
pub(super) fn read(reading: &Reading<'_>) -> Result<Records, AnalyzeError> {
    let objects = &reading.listing.objects;
    let sizes: Option<u64> = objects.iter().map(|o| o.size).sum();
    reading.progress.event(&Event::Listed { objects: objects.len() as u64, bytes: sizes });
    let streams = streams(reading.listing);
    let range = TimeRange { from: reading.selection.from, to: reading.selection.to };
    let interner = Interner::default();
    let next = AtomicUsize::new(0);
    let outcome = Mutex::new(Outcome::default());
    let fault: Mutex<Option<String>> = Mutex::new(None);
    let shares: Vec<Share> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..reading.threads.min(objects.len()))
            .map(|_| {
                scope.spawn(|| {
                    let mut ingest = Ingest::new(&interner, range, streams.len() > 1);
                    while let Some(object) = objects.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let stream = object
                            .key
                            .as_ref()
                            .and_then(|k| k.flow_log.as_ref())
                            .and_then(|id| streams.binary_search(id).ok())
                            .and_then(|at| u16::try_from(at + 1).ok())
                            .unwrap_or(0);
                        match read_object(reading, object, stream, &mut ingest) {
                            Ok(done) => note(&outcome, done),
                            Err(error) => {
                                *fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                            }
                        }
                        reading.progress.event(&Event::ObjectDone);
                    }
                    note_range(&outcome, ingest.out_of_range);
                    ingest.finish()
                })
            })
            .collect();
        workers
            .into_iter()
            .map(|w| w.join().map_err(|_| AnalyzeError::Internal("a reader panicked".into())))
            .collect::<Result<_, _>>()
    })?;
    if let Some(message) = fault.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(AnalyzeError::Internal(message));
    }
    let mut outcome = outcome.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcome.problems.sort();
    if outcome.tally.records + outcome.tally.nodata + outcome.tally.skipdata + outcome.tally.out_of_range == 0
    {
        let reasons: Vec<String> = outcome
            .problems
            .iter()
            .take(10)
            .map(|p| format!("{}: {}", p.object, p.message))
            .chain(outcome.tally.examples.iter().map(|e| format!("{}:{}: {}", e.object, e.line, e.reason)))
            .collect();
        return Err(AnalyzeError::NothingUsable { objects: outcome.objects, reasons: reasons.join("\n") });
    }
    Ok(Records { collected: collect(interner, shares), outcome })
}

fn note_range(outcome: &Mutex<Outcome>, out_of_range: u64) {
    let mut guard = outcome.lock().unwrap_or_else(PoisonError::into_inner);
    guard.tally.out_of_range += out_of_range;
    guard.tally.records -= out_of_range;
}

struct Done {
    tally: Tally,
    bytes: u64,
    problems: Vec<ObjectProblem>,
}

fn note(outcome: &Mutex<Outcome>, done: Done) {
    let mut guard = outcome.lock().unwrap_or_else(PoisonError::into_inner);
    // Counted here and taken out again by `note_range`, which knows only the sum.
    guard.tally.merge(&done.tally);
    guard.objects += 1;
    guard.bytes += done.bytes;
    guard.problems.extend(done.problems);
}

/// The chunks of one object as a blocking reader that counts what passed.
struct ChannelReader<'a> {
    chunks: Receiver<Bytes>,
    current: Bytes,
    read: &'a AtomicU64,
}

impl ChannelReader<'_> {
    fn refill(&mut self) -> bool {
        while !self.current.has_remaining() {
            match self.chunks.blocking_recv() {
                Some(chunk) => {
                    self.read.fetch_add(chunk.len() as u64, Ordering::Relaxed);
                    self.current = chunk;
                }
                None => return false,
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

/// Reads one object. What is wrong with it is in the result; an `Err` is a defect of the program.
fn read_object(
    reading: &Reading<'_>,
    object: &Object,
    stream: u16,
    ingest: &mut Ingest<'_>,
) -> Result<Done, String> {
    let (sender, chunks) = channel(IN_FLIGHT);
    let (source, wanted) = (Arc::clone(reading.source), object.clone());
    let fetch = reading.runtime.spawn(async move { source.fetch(&wanted, sender).await });
    let read = AtomicU64::new(0);
    let mut input = ChannelReader { chunks, current: Bytes::new(), read: &read };
    let mut problems = Vec::new();
    let mut problem = |code: &'static str, message: String| {
        problems.push(ObjectProblem { code, message, object: object.name.clone() });
    };
    let mut told = 0;
    let mut sink = |batch: FlowBatch| -> Result<(), DecodeError> {
        ingest.push(&batch, stream)?;
        let bytes = read.load(Ordering::Relaxed);
        reading.progress.event(&Event::Read { bytes: bytes - told, records: batch.len() as u64 });
        told = bytes;
        Ok(())
    };
    input.refill();
    let (outcome, mut tally, schema) = if is_parquet(&input.current) {
        decode_parquet(&mut input, reading.options, &mut sink)
    } else {
        decode_text(input, reading.options, &mut sink)
    };
    if let Err(error) = outcome {
        match error {
            DecodeError::Arrow(error) => return Err(format!("{}: {error}", object.name)),
            DecodeError::TooLarge { .. } => problem("object-too-large", error.to_string()),
            DecodeError::Truncated { .. } => problem("truncated-object", error.to_string()),
            other => problem("unreadable-object", other.to_string()),
        }
    }
    if let Some(schema) = schema {
        problem(schema_code(&schema), schema.to_string());
    }
    match reading.runtime.block_on(fetch) {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => problem("unreadable-object", error.to_string()),
        Err(error) => return Err(format!("{}: {error}", object.name)),
    }
    for example in &mut tally.examples {
        example.object.clone_from(&object.name);
    }
    let bytes = read.load(Ordering::Relaxed);
    reading.progress.event(&Event::Read { bytes: bytes - told, records: 0 });
    Ok(Done { tally, bytes, problems })
}

fn schema_code(problem: &crate::decode::SchemaProblem) -> &'static str {
    match problem {
        crate::decode::SchemaProblem::TransitGateway => "transit-gateway-log",
        crate::decode::SchemaProblem::MissingFields(_) => "missing-fields",
        crate::decode::SchemaProblem::UnknownFormat => "unknown-format",
    }
}

type Decoded = (Result<(), DecodeError>, Tally, Option<crate::decode::SchemaProblem>);

fn decode_text(
    input: ChannelReader<'_>,
    options: &DecodeOptions,
    sink: &mut dyn FnMut(FlowBatch) -> Result<(), DecodeError>,
) -> Decoded {
    let mut decoder = Decoder::new(options.clone());
    let outcome =
        reader(input, options.max_object_bytes).and_then(|(_, plain)| pump(plain, &mut decoder, sink));
    (outcome, decoder.tally().clone(), decoder.rejected_schema().cloned())
}

fn decode_parquet(
    input: &mut ChannelReader<'_>,
    options: &DecodeOptions,
    sink: &mut dyn FnMut(FlowBatch) -> Result<(), DecodeError>,
) -> Decoded {
    // A footer is at the end, so the file is read whole. AWS closes files at 75 MB.
    let mut whole = BytesMut::new();
    while input.refill() {
        if (whole.len() + input.current.len()) as u64 > options.max_object_bytes {
            let error = DecodeError::TooLarge { limit: options.max_object_bytes };
            return (Err(error), Tally::default(), None);
        }
        whole.extend_from_slice(&input.current);
        input.current.clear();
    }
    let mut decoder = match ParquetDecoder::try_new(whole.freeze(), options) {
        Ok(decoder) => decoder,
        Err(error) => return (Err(error), Tally::default(), None),
    };
    let mut outcome = Ok(());
    for batch in decoder.by_ref() {
        outcome = batch.and_then(&mut *sink);
        if outcome.is_err() {
            break;
        }
    }
    (outcome, decoder.tally().clone(), decoder.rejected_schema().cloned())
}
