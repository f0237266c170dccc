//! Objects become packed records: decompress, decode, pack; one object per worker at a time.

use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::{Buf, Bytes, BytesMut};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::Receiver;

use super::inputs::Feed;
use super::prefetch::{Fed, Feeder, Limits, Ready, waiting_line};
use super::{AnalyzeConfig, AnalyzeError, Cancel, Event, Progress};
use crate::connection::{Collected, Ingest, Interner, Share, Wanted, collect};
use crate::decode::{DecodeError, DecodeOptions, Decoder, ParquetDecoder, is_parquet, pump, reader};
use crate::flow::{FlowBatch, Tally};
use crate::source::{Listing, SourceError};

/// Everything reading needs.
pub(super) struct Reading<'a> {
    pub feeds: Vec<Feed>,
    pub runtime: &'a Runtime,
    pub options: &'a DecodeOptions,
    pub config: &'a AnalyzeConfig,
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

/// The records, and what became of the rest.
pub(super) struct Records {
    pub collected: (Collected, Vec<u32>),
    pub outcome: Outcome,
    /// Without the objects.
    pub listing: Listing,
    /// Flow log ids by their number - 1.
    pub streams: Vec<String>,
}

/// What all workers share.
struct Shared<'a> {
    runtime: &'a Runtime,
    options: &'a DecodeOptions,
    progress: &'a dyn Progress,
    cancel: &'a Cancel,
    outcome: Mutex<Outcome>,
    /// A defect of the program.
    fault: Mutex<Option<String>>,
}

/// Finds and reads all objects.
pub(super) fn read(reading: Reading<'_>) -> Result<Records, AnalyzeError> {
    let Reading { feeds, runtime, options, config, progress } = reading;
    let (out, ready) = waiting_line();
    let ready = Mutex::new(ready);
    let feeder = Feeder {
        selection: &config.selection,
        limits: Limits {
            requests: config.remote.max_requests,
            bytes: config.remote.max_inflight_bytes,
            local: config.threads + 1,
        },
        runtime: runtime.handle().clone(),
        progress,
        cancel: &config.cancel,
        out,
    };
    let wanted = Wanted {
        from: config.selection.from,
        to: config.selection.to,
        interfaces: config.selection.interfaces.iter().cloned().collect(),
    };
    let interner = Interner::default();
    let shared = Shared {
        runtime,
        options,
        progress,
        cancel: &config.cancel,
        outcome: Mutex::default(),
        fault: Mutex::default(),
    };
    let (fed, shares) = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..config.threads)
            .map(|_| scope.spawn(|| work(&shared, &ready, Ingest::new(&interner, wanted.clone()))))
            .collect();
        let fed = runtime.block_on(async {
            tokio::select! {
                fed = feeder.run(feeds) => fed,
                () = config.cancel.cancelled() => Fed::default(),
            }
        });
        let shares: Result<Vec<Share>, AnalyzeError> = workers
            .into_iter()
            .map(|w| w.join().map_err(|_| AnalyzeError::Internal("a reader panicked".into())))
            .collect();
        (fed, shares)
    });
    let shares = shares?;
    if let Some(message) = shared.fault.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(AnalyzeError::Internal(message));
    }
    let mut outcome = shared.outcome.into_inner().unwrap_or_else(PoisonError::into_inner);
    if config.cancel.is_cancelled() {
        let Outcome { objects, bytes, tally, .. } = outcome;
        return Err(AnalyzeError::Interrupted { objects, bytes, records: tally.records });
    }
    if fed.objects == 0 {
        let reasons = fed.listing.errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        return Err(AnalyzeError::NothingFound { reasons });
    }
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
    Ok(Records { collected: collect(interner, shares), outcome, listing: fed.listing, streams: fed.streams })
}

/// One worker: takes objects in their order until there are no more.
fn work(shared: &Shared<'_>, ready: &Mutex<Receiver<Ready>>, mut ingest: Ingest<'_>) -> Share {
    loop {
        let next = ready.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(next) = next else { break };
        if shared.cancel.is_cancelled() {
            continue;
        }
        match read_object(shared, next, &mut ingest) {
            Ok(done) => note(&shared.outcome, done),
            Err(error) => *shared.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(error),
        }
        shared.progress.event(&Event::ObjectDone);
    }
    note_range(&shared.outcome, ingest.out_of_range);
    ingest.finish()
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

/// Reads one object. What is wrong with it is in the result; an `Err` is a defect of the program.
fn read_object(shared: &Shared<'_>, ready: Ready, ingest: &mut Ingest<'_>) -> Result<Done, String> {
    let Ready { object, stream, chunks, fetch, .. } = ready;
    let read = AtomicU64::new(0);
    let mut input = ChannelReader { chunks, current: Bytes::new(), read: &read, cancel: shared.cancel };
    let mut problems = Vec::new();
    let mut problem = |code: &'static str, message: String| {
        problems.push(ObjectProblem { code, message, object: object.name.clone() });
    };
    let mut told = 0;
    let mut sink = |batch: FlowBatch| -> Result<(), DecodeError> {
        ingest.push(&batch, stream)?;
        let bytes = read.load(Ordering::Relaxed);
        shared.progress.event(&Event::Read { bytes: bytes - told, records: batch.len() as u64 });
        told = bytes;
        Ok(())
    };
    input.refill();
    let (outcome, mut tally, schema) = if is_parquet(&input.current) {
        decode_parquet(&mut input, shared.options, &mut sink)
    } else {
        decode_text(input, shared.options, &mut sink)
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
    if shared.cancel.is_cancelled() {
        fetch.abort();
        return Ok(Done {
            tally: Tally::default(),
            bytes: read.load(Ordering::Relaxed),
            problems: Vec::new(),
        });
    }
    match shared.runtime.block_on(fetch) {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => problem(source_code(&error), error.to_string()),
        Err(error) => return Err(format!("{}: {error}", object.name)),
    }
    for example in &mut tally.examples {
        example.object.clone_from(&object.name);
    }
    let bytes = read.load(Ordering::Relaxed);
    shared.progress.event(&Event::Read { bytes: bytes - told, records: 0 });
    Ok(Done { tally, bytes, problems })
}

fn source_code(error: &SourceError) -> &'static str {
    match error {
        SourceError::Vanished { .. } => "vanished-object",
        SourceError::Replaced { .. } => "replaced-object",
        SourceError::Short { .. } => "truncated-object",
        _ => "unreadable-object",
    }
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
