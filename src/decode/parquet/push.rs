//! Reads a Parquet file of which only some bytes are there: says which it needs next.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::Bytes;
use parquet::DecodeResult;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader};
use parquet::arrow::push_decoder::{ParquetPushDecoder, ParquetPushDecoderBuilder};
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataPushDecoder};

use super::fenced;
use super::hint::with_dictionaries;
use super::pieces::{Pieces, coalesced};
use super::rows::Rows;
use crate::decode::error::{DecodeError, SchemaProblem};
use crate::decode::format::{FormatColumn, LogFormat};
use crate::decode::options::DecodeOptions;
use crate::decode::row::Op;
use crate::flow::{FlowBatch, Tally};

/// How much of the end of a file is asked for first: the footer of a file as AWS writes it, with room for
/// some dozens of row groups, in one request.
const TAIL: u64 = 64 * 1024;

/// Ranges with at most so many bytes between them are asked for as one: even at 10 MB/s the bytes between
/// take 13 ms, and a request to S3 takes longer than that until its first byte.
const MAX_GAP: u64 = 128 * 1024;

/// What a [`ParquetPush`] wants or has.
#[derive(Debug)]
pub enum Step {
    /// These bytes of the file are needed to go on: sorted, disjoint, none empty. Hand them in with
    /// [`ParquetPush::give`], in any order, before the next call.
    Need(Vec<Range<u64>>),
    /// Rows.
    Batch(FlowBatch),
    /// There is nothing more.
    Done,
}

/// Decodes one Parquet file without having all of it: says which bytes it needs, and takes them.
///
/// First it asks for the end of the file (all of a small one), then for the rest of a long footer, then for
/// one row group after the other, and of these only for the columns that are read. So memory is that of the
/// needed columns of one row group, of two with [`prefetch`](Self::prefetch).
///
/// A damaged file gives an error and never a panic. The library panics on some of them (parquet 60: negative
/// column sizes in the footer, a data page before its dictionary, bit-packed levels cut short), so its calls
/// are fenced with `catch_unwind`. A panic hook still sees these panics.
///
/// The caller must see to it that all bytes are of the same version of the object.
///
/// ```
/// # fn main() -> Result<(), flowgate::decode::DecodeError> {
/// use flowgate::decode::{DecodeOptions, ParquetPush, Step};
///
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/decode/vectors/obsrvbl-flowlogs-reader/flows.parquet");
/// # let file = bytes::Bytes::from(std::fs::read(path).unwrap_or_default());
/// let mut decoder = ParquetPush::new(file.len() as u64, &DecodeOptions::default());
/// let mut records = 0;
/// loop {
///     match decoder.next()? {
///         Step::Need(ranges) => {
///             for range in ranges {
///                 let bytes = file.slice(range.start as usize..range.end as usize);
///                 decoder.give(range, bytes)?;
///             }
///         }
///         Step::Batch(batch) => records += batch.len() as u64,
///         Step::Done => break,
///     }
/// }
/// assert_eq!(records, decoder.tally().records);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ParquetPush {
    options: DecodeOptions,
    size: u64,
    pieces: Pieces,
    stage: Stage,
    /// What the last [`Step::Need`] was about, and how many bytes of it were missing.
    asked: Option<(Vec<Range<u64>>, u64)>,
    pub(super) rows: Rows,
    problem: Option<SchemaProblem>,
    /// An error that waits until the rows before it are taken.
    failed: Option<DecodeError>,
}

#[derive(Debug)]
enum Stage {
    /// The end of the file is needed.
    Tail,
    /// The footer is being read.
    Footer(Box<ParquetMetaDataPushDecoder>),
    /// Row groups are being read.
    Groups(Box<Groups>),
    /// Finished or failed.
    Over,
}

#[derive(Debug)]
struct Groups {
    decoder: ParquetPushDecoder,
    /// Of the row group that is being decoded.
    reader: Option<ParquetRecordBatchReader>,
    /// Rows that wait until those before them are taken.
    held: Option<RecordBatch>,
    /// Where the needed columns of each row group with rows are.
    chunks: Vec<Vec<Range<u64>>>,
    /// From the first to the last byte of the needed columns of a row group and those after it.
    spans: Vec<Range<u64>>,
    /// Row groups whose decoding has begun.
    begun: usize,
}

impl ParquetPush {
    /// A decoder for a file of `file_size` bytes, none of which were fetched yet.
    #[must_use]
    pub fn new(file_size: u64, options: &DecodeOptions) -> Self {
        Self {
            options: options.clone(),
            size: file_size,
            pieces: Pieces::default(),
            stage: Stage::Tail,
            asked: None,
            rows: Rows::default(),
            problem: None,
            failed: None,
        }
    }

    /// Goes on until bytes are needed, a batch is full or the file is read. After an error, and after
    /// [`Step::Done`], there is only [`Step::Done`].
    ///
    /// A file whose schema cannot be used gives no batches and asks for no columns; its rows are counted as
    /// of another schema, see [`rejected_schema`](Self::rejected_schema).
    ///
    /// # Errors
    /// If it is no Parquet file or damaged, if its columns are larger than
    /// [`DecodeOptions::max_object_bytes`], or if nothing came of what was asked for last.
    #[expect(clippy::should_implement_trait, reason = "no iterator: what it wants must be handed in between")]
    pub fn next(&mut self) -> Result<Step, DecodeError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let error = match fenced(|| self.advance()) {
            Ok(step) => return Ok(step),
            Err(error) => error,
        };
        self.stage = Stage::Over;
        self.pieces.clear();
        // What was read before the damage counts, so it is not held back.
        match self.rows.take() {
            Ok(Some(batch)) => {
                self.failed = Some(error);
                Ok(Step::Batch(batch))
            }
            _ => Err(error),
        }
    }

    /// Takes bytes of the file: a range that was asked for, a part of it, or more. What was not asked for is
    /// used if it is needed later.
    ///
    /// # Errors
    /// If `bytes` are not as many as `range` says, or `range` is not in the file. Nothing is taken then, and
    /// another attempt may follow.
    #[expect(clippy::needless_pass_by_value, reason = "handed over: the decoder keeps it")]
    pub fn give(&mut self, range: Range<u64>, bytes: Bytes) -> Result<(), DecodeError> {
        let Range { start, end } = range;
        if end > self.size {
            return Err(DecodeError::RangeOutside { start, end, size: self.size });
        }
        let found = bytes.len() as u64;
        if end.checked_sub(start) != Some(found) {
            return Err(DecodeError::RangeLength { start, end, found });
        }
        if !matches!(self.stage, Stage::Over) {
            self.pieces.insert(start, &bytes);
        }
        Ok(())
    }

    /// The bytes that the row group after the present one will need and that were not given: sorted,
    /// disjoint, none empty; nothing before the footer is read. A caller may fetch them while it works on
    /// what it has. When their time comes [`Step::Need`] names the same ranges again, less those given.
    #[must_use]
    pub fn prefetch(&self) -> Vec<Range<u64>> {
        let Stage::Groups(groups) = &self.stage else { return Vec::new() };
        let next = groups.begun + usize::from(self.asked.is_some());
        groups.chunks.get(next).map_or_else(Vec::new, |chunks| self.wanted(chunks))
    }

    /// What each row group that is not begun yet needs and was not given; nothing before the footer is read. For a
    /// caller that fetches everything ahead, in order.
    #[must_use]
    pub fn ahead(&self) -> Vec<Vec<Range<u64>>> {
        let Stage::Groups(groups) = &self.stage else { return Vec::new() };
        groups.chunks.iter().skip(groups.begun).map(|chunks| self.wanted(chunks)).collect()
    }

    /// What became of the rows so far. The "line" of a malformed example is the row, from 1.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.rows.tally
    }

    /// Why the rows were counted as of another schema, if they were.
    #[must_use]
    pub fn rejected_schema(&self) -> Option<&SchemaProblem> {
        self.problem.as_ref()
    }

    fn advance(&mut self) -> Result<Step, DecodeError> {
        loop {
            let (stage, step) = match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Tail => self.read_tail()?,
                Stage::Footer(decoder) => self.read_footer(decoder)?,
                Stage::Groups(groups) => self.read_groups(groups)?,
                Stage::Over => return Ok(Step::Done),
            };
            self.stage = stage;
            if let Some(step) = step {
                return Ok(step);
            }
        }
    }

    /// Reads until the columns are known or bytes are needed.
    pub(super) fn open(&mut self) -> Result<(), DecodeError> {
        while matches!(self.stage, Stage::Tail | Stage::Footer(_)) {
            let step = match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Tail => self.read_tail()?,
                Stage::Footer(decoder) => self.read_footer(decoder)?,
                other => (other, None),
            };
            self.stage = step.0;
            if step.1.is_some() {
                break;
            }
        }
        Ok(())
    }

    fn read_tail(&mut self) -> Result<(Stage, Option<Step>), DecodeError> {
        let decoder = ParquetMetaDataPushDecoder::try_new(self.size)?;
        let tail = self.size.saturating_sub(TAIL)..self.size;
        Ok(match self.need(std::slice::from_ref(&tail))? {
            // Pages are read whole, so nobody needs to know where in a column they are.
            None => (Stage::Footer(Box::new(decoder.with_page_index_policy(PageIndexPolicy::Skip))), None),
            need => (Stage::Tail, need),
        })
    }

    fn read_footer(
        &mut self,
        mut decoder: Box<ParquetMetaDataPushDecoder>,
    ) -> Result<(Stage, Option<Step>), DecodeError> {
        match decoder.try_decode()? {
            DecodeResult::NeedsData(ranges) => {
                let length = ranges.iter().map(|range| range.end - range.start).fold(0, u64::saturating_add);
                if length > self.options.max_object_bytes {
                    return Err(DecodeError::TooLarge { limit: self.options.max_object_bytes });
                }
                let need = self.need(&ranges)?;
                if need.is_none() {
                    let bytes = self.supply(&ranges)?;
                    decoder.push_ranges(ranges, bytes)?;
                }
                Ok((Stage::Footer(decoder), need))
            }
            DecodeResult::Data(metadata) => Ok((self.plan(metadata)?, None)),
            DecodeResult::Finished => Ok((Stage::Over, None)),
        }
    }

    /// Decides which columns to read.
    fn plan(&mut self, metadata: ParquetMetaData) -> Result<Stage, DecodeError> {
        // The arrow schema that some writers embed says nothing that is needed here, and skipping it
        // leaves fewer types to deal with.
        let reading = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let metadata = Arc::new(metadata);
        let arrow = ArrowReaderMetadata::try_new(Arc::clone(&metadata), reading)?;
        let format = LogFormat::from_names(arrow.schema().fields().iter().map(|f| f.name().as_str()));
        let everything = self.options.projection.is_all();
        let mut roots = Vec::new();
        let mut fields = Vec::new();
        for (root, column) in format.columns().iter().enumerate() {
            if let FormatColumn::Known(field) = column
                && (everything || Op::of(field.name) != Op::Skip)
            {
                roots.push(root);
                fields.push(*field);
            }
        }
        self.rows = Rows::new(fields, format.unknown(), &self.options);
        self.problem = match format.missing_for_analysis() {
            _ if format.is_transit_gateway() => Some(SchemaProblem::TransitGateway),
            missing if !everything && !missing.is_empty() => Some(SchemaProblem::MissingFields(missing)),
            _ => None,
        };
        if self.problem.is_some() {
            let rows = u64::try_from(metadata.file_metadata().num_rows()).unwrap_or(0);
            self.rows.refuse(rows);
            self.pieces.clear();
            return Ok(Stage::Over);
        }
        let arrow = with_dictionaries(&metadata, arrow);
        let mask = ProjectionMask::roots(metadata.file_metadata().schema_descr(), roots);
        let chunks = self.chunks(&metadata, &mask)?;
        let spans = spans(&chunks);
        let decoder = ParquetPushDecoderBuilder::new_with_metadata(arrow)
            .with_projection(mask)
            .with_batch_size(self.options.batch_rows.max(1))
            .build()?;
        if let Some(span) = spans.first() {
            self.pieces.retain(span);
        }
        let groups = Groups { decoder, reader: None, held: None, chunks, spans, begun: 0 };
        Ok(Stage::Groups(Box::new(groups)))
    }

    /// Where the columns that are read are, by row group. Row groups without rows are passed over, as the
    /// library does.
    fn chunks(
        &self,
        metadata: &ParquetMetaData,
        mask: &ProjectionMask,
    ) -> Result<Vec<Vec<Range<u64>>>, DecodeError> {
        let mut out = Vec::new();
        let (mut stored, mut declared) = (0_u64, 0_u64);
        for group in metadata.row_groups() {
            let mut chunks = Vec::new();
            for (_, column) in
                group.columns().iter().enumerate().filter(|(leaf, _)| mask.leaf_included(*leaf))
            {
                let (start, length) = column.byte_range();
                let end = start.saturating_add(length);
                if end > self.size {
                    let message = format!("a column ends at byte {end} of {}", self.size);
                    return Err(ParquetError::EOF(message).into());
                }
                let size = u64::try_from(column.uncompressed_size()).unwrap_or(u64::MAX);
                declared = declared.saturating_add(size);
                stored = stored.saturating_add(length);
                chunks.push(start..end);
            }
            if group.num_rows() != 0 {
                out.push(chunks);
            }
        }
        if declared > self.options.max_object_bytes {
            return Err(DecodeError::TooLarge { limit: self.options.max_object_bytes });
        }
        // Else a small file could make its reader fetch the same bytes again and again.
        if stored > self.size {
            let message = format!("its columns claim {stored} bytes of {}", self.size);
            return Err(ParquetError::General(message).into());
        }
        Ok(out)
    }

    fn read_groups(&mut self, mut groups: Box<Groups>) -> Result<(Stage, Option<Step>), DecodeError> {
        let limit = self.options.batch_rows.max(1);
        let held = groups.held.take();
        let batch = match (held, &mut groups.reader) {
            (Some(batch), _) => Some(batch),
            (None, Some(reader)) => reader.next().transpose()?,
            (None, None) => None,
        };
        if let Some(batch) = batch {
            let buffered = self.rows.buffered();
            // Small row groups share a batch.
            if buffered > 0 && buffered + batch.num_rows() > limit {
                groups.held = Some(batch);
                return Ok((Stage::Groups(groups), self.full()?));
            }
            self.rows.push(&batch)?;
            let full = buffered + batch.num_rows() >= limit;
            return Ok((Stage::Groups(groups), if full { self.full()? } else { None }));
        }
        groups.reader = None;
        match groups.decoder.try_next_reader()? {
            DecodeResult::NeedsData(ranges) => {
                let need = self.need(&ranges)?;
                if need.is_none() {
                    let bytes = self.supply(&ranges)?;
                    groups.decoder.push_ranges(ranges, bytes)?;
                }
                Ok((Stage::Groups(groups), need))
            }
            DecodeResult::Data(reader) => {
                groups.reader = Some(reader);
                groups.begun += 1;
                match groups.spans.get(groups.begun) {
                    Some(span) => self.pieces.retain(span),
                    None => self.pieces.clear(),
                }
                Ok((Stage::Groups(groups), None))
            }
            DecodeResult::Finished => {
                self.pieces.clear();
                Ok((Stage::Over, self.full()?))
            }
        }
    }

    /// The rows taken so far, if any.
    fn full(&mut self) -> Result<Option<Step>, DecodeError> {
        Ok(self.rows.take()?.map(Step::Batch))
    }

    /// What is missing of some ranges, as requests.
    fn wanted(&self, ranges: &[Range<u64>]) -> Vec<Range<u64>> {
        let missing = ranges.iter().flat_map(|range| self.pieces.missing(range)).collect();
        coalesced(missing, MAX_GAP)
    }

    /// Asks for what is missing of some ranges, if anything.
    fn need(&mut self, ranges: &[Range<u64>]) -> Result<Option<Step>, DecodeError> {
        let wanted = self.wanted(ranges);
        let Some(first) = wanted.first() else {
            self.asked = None;
            return Ok(None);
        };
        let missing = ranges.iter().flat_map(|range| self.pieces.missing(range));
        let missing = missing.map(|part| part.end - part.start).fold(0, u64::saturating_add);
        // To ask again when nothing came would go on for ever.
        if let Some((asked, before)) = &self.asked
            && asked.as_slice() == ranges
            && missing >= *before
        {
            return Err(DecodeError::RangeMissing { start: first.start, end: first.end });
        }
        self.asked = Some((ranges.to_vec(), missing));
        Ok(Some(Step::Need(wanted)))
    }

    /// The bytes of ranges that are all there.
    fn supply(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, DecodeError> {
        let get = |range: &Range<u64>| match range.is_empty() {
            true => Ok(Bytes::new()),
            false => {
                self.pieces.get(range).ok_or(DecodeError::RangeMissing { start: range.start, end: range.end })
            }
        };
        ranges.iter().map(get).collect()
    }
}

/// For each row group, the span of its columns and those of all row groups after it.
fn spans(chunks: &[Vec<Range<u64>>]) -> Vec<Range<u64>> {
    let (mut start, mut end) = (u64::MAX, 0);
    let mut out = Vec::with_capacity(chunks.len());
    for chunk in chunks.iter().rev() {
        start = chunk.iter().map(|chunk| chunk.start).fold(start, u64::min);
        end = chunk.iter().map(|chunk| chunk.end).fold(end, u64::max);
        out.push(start..end);
    }
    out.reverse();
    out
}
