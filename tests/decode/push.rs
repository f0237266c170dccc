//! Parquet by ranges: the same rows as from the same records in text, and no byte more than needed.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, Int32Array, Int64Array, RecordBatch, StringArray};
use bytes::Bytes;
use flowgate::decode::{DecodeError, DecodeOptions, ParquetDecoder, ParquetPush, SchemaProblem, Step};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, GzipLevel};
use parquet::file::metadata::{KeyValue, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::properties::{
    EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion,
};
use proptest::prelude::*;

use super::support::{Outcome, V2, all, decode_once, engine, vector};

const TAIL: u64 = 64 * 1024;
const GAP: u64 = 128 * 1024;

/// Numbers that look random and are the same every time.
fn noise(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed | 1;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state ^ (state >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 16
    }
}

/// Lines of the default format: records, idle rows and, now and then, a port that is none.
fn lines(count: usize, seed: u64) -> Vec<String> {
    let mut next = noise(seed);
    let mut below = move |end: u64| next() % end;
    (0..count)
        .map(|_| {
            let (eni, start) = (below(5), 1_700_000_000 + below(1000));
            let end = start + below(60);
            match below(10) {
                0 => format!("2 123456789010 eni-{eni} - - - - - - - {start} {end} - NODATA"),
                1 => format!("2 123456789010 eni-{eni} - - - - - - - {start} {end} - SKIPDATA"),
                2 => format!("2 1 eni-{eni} 10.0.0.1 10.0.0.2 70000 1 6 1 40 {start} {end} ACCEPT OK"),
                _ => {
                    let mut address = || format!("{}.{}.{}.9", below(223) + 1, below(256), below(256));
                    let (source, destination) = (address(), address());
                    let (port, packets) = (below(65536), 1 + below(1_000_000));
                    let action = if below(3) == 0 { "REJECT" } else { "ACCEPT" };
                    format!(
                        "2 123456789010 eni-{eni} {source} {destination} {port} 443 6 {packets} {} {start} {end} {action} OK",
                        packets * 40
                    )
                }
            }
        })
        .collect()
}

/// The same as columns, in the order of the default format.
fn columns(lines: &[String]) -> Vec<(String, ArrayRef)> {
    let rows: Vec<Vec<&str>> = lines.iter().map(|line| line.split(' ').collect()).collect();
    let column = |(at, name): (usize, &str)| {
        let texts = rows.iter().map(|row| row[at]);
        let array: ArrayRef = match name {
            "version" | "srcport" | "dstport" | "protocol" => {
                Arc::new(Int32Array::from_iter(texts.map(|t| t.parse::<i32>().ok())))
            }
            "packets" | "bytes" | "start" | "end" => {
                Arc::new(Int64Array::from_iter(texts.map(|t| t.parse::<i64>().ok())))
            }
            _ => Arc::new(StringArray::from_iter_values(texts)),
        };
        (name.replace('-', "_"), array)
    };
    V2.split(' ').enumerate().map(column).collect()
}

/// A column that nobody reads, of so many bytes in each row.
fn fat(rows: usize, bytes: usize) -> ArrayRef {
    let mut next = noise(99);
    Arc::new(BinaryArray::from_iter_values(
        (0..rows).map(|_| (0..bytes).map(|_| next() as u8).collect::<Vec<_>>()),
    ))
}

fn write(columns: Vec<(String, ArrayRef)>, properties: WriterPropertiesBuilder) -> Bytes {
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties.build())).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap().into()
}

fn metadata(file: &Bytes) -> ParquetMetaData {
    ParquetMetaDataReader::new().parse_and_finish(file).unwrap()
}

/// What the engine reads, by name of the column.
fn is_needed(column: &str) -> bool {
    column != "version" && V2.replace('-', "_").split(' ').any(|name| name == column)
}

/// Where columns are in the file, by row group.
fn chunks(file: &Bytes, needed: bool) -> Vec<Vec<Range<u64>>> {
    let of_group = |group: &parquet::file::metadata::RowGroupMetaData| {
        let columns =
            group.columns().iter().filter(|c| is_needed(c.column_path().parts()[0].as_str()) == needed);
        columns
            .map(|column| {
                let (start, length) = column.byte_range();
                start..start + length
            })
            .collect()
    };
    metadata(file).row_groups().iter().map(of_group).collect()
}

fn overlap(a: &Range<u64>, b: &Range<u64>) -> u64 {
    a.end.min(b.end).saturating_sub(a.start.max(b.start))
}

/// How bytes are given that were asked for.
#[derive(Clone, Copy, Debug)]
enum Giving {
    Exact,
    Backwards,
    /// In parts of at most so many bytes, the last first.
    Parts(u64),
    /// The same, with a call for more after each part.
    PartByPart(u64),
    /// With so many bytes more on both sides.
    Long(u64),
    /// And what the row group after will need, too.
    Ahead,
}

#[derive(Debug, Default)]
struct Run {
    outcome: Outcome,
    /// What was asked for, in rounds.
    rounds: Vec<Vec<Range<u64>>>,
    ahead: Vec<Range<u64>>,
}

/// Drives a decoder to its end.
fn drive(file: &Bytes, options: &DecodeOptions, giving: Giving) -> (Run, Option<DecodeError>) {
    let size = file.len() as u64;
    let mut decoder = ParquetPush::new(size, options);
    let mut run = Run::default();
    let slice = |range: &Range<u64>| file.slice(range.start as usize..range.end as usize);
    let mut failed = None;
    // Every row makes at most a batch, and no byte is asked for twice unless it is given part by part.
    let most = 100 + 3 * file.len();
    for step in 0.. {
        assert!(step < most, "no end");
        match decoder.next() {
            Ok(Step::Need(ranges)) => {
                assert!(!ranges.is_empty());
                assert!(
                    ranges.iter().all(|range| range.start < range.end && range.end <= size),
                    "{ranges:?}"
                );
                assert!(ranges.windows(2).all(|pair| pair[0].end + GAP < pair[1].start), "{ranges:?}");
                if let Giving::Ahead = giving {
                    for range in decoder.prefetch() {
                        decoder.give(range.clone(), slice(&range)).unwrap();
                        run.ahead.push(range);
                    }
                }
                give(&mut decoder, &ranges, size, &slice, giving);
                run.rounds.push(ranges);
            }
            Ok(Step::Batch(batch)) => {
                assert!(batch.len() + batch.coverage().len() <= options.batch_rows);
                run.outcome.add(&batch);
            }
            Ok(Step::Done) => break,
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    assert!(matches!(decoder.next(), Ok(Step::Done)), "goes on after its end");
    assert!(decoder.prefetch().is_empty());
    run.outcome.tally = decoder.tally().clone();
    run.outcome.problem = decoder.rejected_schema().cloned();
    assert!(run.outcome.tally.is_conserved());
    assert_eq!(run.outcome.rows.len() as u64, run.outcome.tally.records);
    (run, failed)
}

fn give(
    decoder: &mut ParquetPush,
    ranges: &[Range<u64>],
    size: u64,
    slice: &dyn Fn(&Range<u64>) -> Bytes,
    giving: Giving,
) {
    let mut ranges = ranges.to_vec();
    if !matches!(giving, Giving::Exact | Giving::Ahead) {
        ranges.reverse();
    }
    match giving {
        Giving::Exact | Giving::Backwards | Giving::Ahead => {}
        Giving::Parts(length) | Giving::PartByPart(length) => {
            let parts = |range: Range<u64>| {
                let (start, end) = (range.start, range.end);
                let count = (end - start).div_ceil(length) as usize;
                (0..count).rev().map(move |at| {
                    let from = start + at as u64 * length;
                    from..end.min(from + length)
                })
            };
            ranges = ranges.into_iter().flat_map(parts).collect();
            if let Giving::PartByPart(_) = giving {
                ranges.truncate(1);
            }
        }
        Giving::Long(more) => {
            for range in &mut ranges {
                *range = range.start.saturating_sub(more)..size.min(range.end + more);
            }
        }
    }
    for range in ranges {
        decoder.give(range.clone(), slice(&range)).unwrap();
    }
}

fn sound(file: &Bytes, options: &DecodeOptions, giving: Giving) -> Run {
    let (run, failed) = drive(file, options, giving);
    assert!(failed.is_none(), "{failed:?}");
    run
}

/// The same records as text: another way through other code.
fn expected(lines: &[String], options: &DecodeOptions) -> Outcome {
    let text = format!("{V2}\n{}", lines.join("\n"));
    let mut outcome = decode_once(text.as_bytes(), options, text.len());
    for example in &mut outcome.tally.examples {
        // Text counts its header.
        example.line -= 1;
    }
    outcome
}

/// No byte beyond the end of the file, the needed columns and short gaps between them.
fn check_requests(file: &Bytes, run: &Run) {
    let size = file.len() as u64;
    let tail = size.saturating_sub(TAIL)..size;
    assert_eq!(run.rounds[0], std::slice::from_ref(&tail));
    let footer = u64::from(u32::from_le_bytes(file[file.len() - 8..file.len() - 4].try_into().unwrap())) + 8;
    let footer = size - footer..size;
    for range in run.rounds[1..].iter().flatten() {
        let mut needed: Vec<Range<u64>> = chunks(file, true).into_iter().flatten().collect();
        needed.push(footer.clone());
        needed.retain(|chunk| overlap(chunk, range) > 0);
        needed.sort_by_key(|chunk| chunk.start);
        assert!(!needed.is_empty(), "{range:?} is for nothing");
        // It begins and ends where it is needed (but for what came with the tail), with short gaps between.
        assert!(range.start >= needed[0].start, "{range:?} begins before {:?}", needed[0]);
        assert!(range.end <= needed[needed.len() - 1].end, "{range:?}");
        assert!(needed.windows(2).all(|pair| pair[1].start <= pair[0].end + GAP), "{range:?}");
    }
    let mut asked: Vec<&Range<u64>> = run.rounds.iter().flatten().collect();
    asked.sort_by_key(|range| range.start);
    let twice: u64 = asked.windows(2).map(|pair| overlap(pair[0], pair[1])).sum();
    assert!(twice <= TAIL, "{twice} bytes were asked for twice");
}

fn settings() -> WriterPropertiesBuilder {
    WriterProperties::builder()
}

#[test]
fn every_way_of_giving_is_the_same() {
    let lines = lines(2000, 1);
    let mut columns = columns(&lines);
    columns.insert(5, ("fat".to_owned(), fat(lines.len(), 900)));
    let file = write(columns, settings().set_max_row_group_row_count(Some(450)));
    assert_eq!(metadata(&file).num_row_groups(), 5);
    let mut counted = expected(&lines, &engine());
    counted.tally.unknown_fields.insert("fat".to_owned(), 2000);
    let ways = [
        Giving::Exact,
        Giving::Backwards,
        Giving::Parts(1000),
        Giving::PartByPart(7000),
        Giving::Long(5000),
        Giving::Long(u64::MAX / 4),
        Giving::Ahead,
    ];
    for giving in ways {
        for batch_rows in [7, 100, 16 * 1024] {
            let run = sound(&file, &DecodeOptions { batch_rows, ..engine() }, giving);
            assert_eq!(run.outcome, counted, "{giving:?}, batches of {batch_rows}");
        }
    }
}

#[test]
fn columns_that_nobody_reads_are_not_fetched() {
    let lines = lines(4000, 2);
    let mut columns = columns(&lines);
    columns.insert(5, ("fat".to_owned(), fat(lines.len(), 400)));
    columns.push(("fat_too".to_owned(), fat(lines.len(), 300)));
    let file = write(columns, settings().set_max_row_group_row_count(Some(1000)));
    let run = sound(&file, &engine(), Giving::Exact);
    check_requests(&file, &run);
    for range in run.rounds[1..].iter().flatten() {
        for chunk in chunks(&file, false).into_iter().flatten().filter(|chunk| chunk.end - chunk.start > GAP)
        {
            assert_eq!(overlap(range, &chunk), 0, "{range:?} is in {chunk:?}");
        }
    }
    let bytes: u64 = run.rounds.iter().flatten().map(|range| range.end - range.start).sum();
    let needed: u64 = chunks(&file, true).iter().flatten().map(|chunk| chunk.end - chunk.start).sum();
    // The first column, which is not needed, is between others only if it is small.
    assert!(bytes <= TAIL + needed + 4 * 14 * 1024, "{bytes} bytes for {needed}");
    assert!(bytes * 5 < file.len() as u64, "{bytes} of {}", file.len());
    // One row group at a time, each in two pieces: before and behind the fat column.
    assert_eq!(run.rounds.len(), 5);
    for (round, group) in run.rounds[1..].iter().zip(chunks(&file, true)) {
        let span = group[0].start..group[group.len() - 1].end;
        assert!(round.iter().all(|range| span.start <= range.start && range.end <= span.end));
        assert_eq!(round.len(), 2, "{round:?}");
    }
}

#[test]
fn what_is_prefetched_is_not_asked_for_again() {
    let lines = lines(3000, 3);
    let mut columns = columns(&lines);
    columns.insert(5, ("fat".to_owned(), fat(lines.len(), 600)));
    let file = write(columns, settings().set_max_row_group_row_count(Some(500)));
    let plain = sound(&file, &engine(), Giving::Exact);
    let ahead = sound(&file, &engine(), Giving::Ahead);
    assert_eq!(plain.outcome, ahead.outcome);
    // What is asked for and what is named ahead are the same ranges, each once.
    let mut all: Vec<_> = ahead.rounds.iter().flatten().chain(&ahead.ahead).cloned().collect();
    let mut expected: Vec<_> = plain.rounds.iter().flatten().cloned().collect();
    all.sort_by_key(|range| range.start);
    expected.sort_by_key(|range| range.start);
    assert_eq!(all, expected);
    assert!(ahead.rounds.len() < plain.rounds.len());
}

#[test]
fn small_files_are_one_request() {
    let lines = lines(50, 4);
    let file = write(columns(&lines), settings().set_max_row_group_row_count(Some(7)));
    assert!((file.len() as u64) < TAIL);
    let run = sound(&file, &engine(), Giving::Exact);
    assert_eq!(run.outcome, expected(&lines, &engine()));
    assert_eq!(run.rounds.len(), 1);
    assert_eq!(run.rounds[0][0], 0..file.len() as u64);
}

#[test]
fn long_footers_are_two_requests() {
    let lines = lines(500, 5);
    let comment = KeyValue::new("comment".to_owned(), "x".repeat(200_000));
    let file = write(columns(&lines), settings().set_key_value_metadata(Some(vec![comment])));
    let run = sound(&file, &engine(), Giving::Exact);
    assert_eq!(run.outcome, expected(&lines, &engine()));
    check_requests(&file, &run);
    let size = file.len() as u64;
    assert_eq!(run.rounds[0][0], size - TAIL..size);
    assert_eq!(run.rounds[1][0].end, size - TAIL);
    // Many row groups make a long footer, too.
    let file = write(columns(&lines), settings().set_max_row_group_row_count(Some(2)));
    assert_eq!(metadata(&file).num_row_groups(), 250);
    let run = sound(&file, &engine(), Giving::Exact);
    assert_eq!(run.outcome, expected(&lines, &engine()));
    check_requests(&file, &run);
}

#[test]
fn small_row_groups_share_a_batch() {
    let lines = lines(400, 6);
    let file = write(columns(&lines), settings().set_max_row_group_row_count(Some(3)));
    let batches = ParquetDecoder::try_new(file, &engine()).unwrap().count();
    assert_eq!(batches, 1);
}

#[test]
fn samples_of_other_projects() {
    let file = Bytes::from(vector("obsrvbl-flowlogs-reader/flows.parquet"));
    for options in [engine(), all()] {
        let exact = sound(&file, &options, Giving::Exact);
        assert!(exact.outcome.tally.records > 0);
        for giving in [Giving::Parts(100), Giving::PartByPart(333), Giving::Backwards] {
            assert_eq!(sound(&file, &options, giving).outcome, exact.outcome);
        }
    }
}

#[test]
fn other_schemas_cost_no_more_than_the_footer() {
    let lines = lines(2000, 7);
    let mut columns = columns(&lines);
    columns.retain(|(name, _)| name != "action");
    columns.push(("fat".to_owned(), fat(lines.len(), 300)));
    let file = write(columns, settings());
    let run = sound(&file, &engine(), Giving::Exact);
    assert_eq!(run.outcome.problem, Some(SchemaProblem::MissingFields(vec!["action"])));
    assert_eq!((run.outcome.tally.lines, run.outcome.tally.other_schema), (2000, 2000));
    assert_eq!(run.rounds.len(), 1);
}

#[test]
fn what_does_not_come_is_an_error_and_not_waited_for() {
    let lines = lines(2000, 8);
    let mut columns = columns(&lines);
    columns.insert(5, ("fat".to_owned(), fat(lines.len(), 300)));
    let file = write(columns, settings().set_max_row_group_row_count(Some(700)));
    let size = file.len() as u64;
    // Nothing from the start, from the second request, from the third.
    for rounds in 0..3 {
        let mut decoder = ParquetPush::new(size, &engine());
        let mut given = 0;
        let error = loop {
            match decoder.next() {
                Ok(Step::Need(ranges)) if given < rounds => {
                    given += 1;
                    for range in ranges {
                        let bytes = file.slice(range.start as usize..range.end as usize);
                        decoder.give(range, bytes).unwrap();
                    }
                }
                Ok(Step::Need(ranges)) => {
                    // What comes short is refused, and so is what is not in the file.
                    for range in ranges {
                        let (start, end) = (range.start, range.end);
                        let short = file.slice(start as usize..end as usize - 1);
                        let found = short.len() as u64;
                        let error = decoder.give(range.clone(), short).unwrap_err();
                        assert!(
                            matches!(error, DecodeError::RangeLength { start: s, end: e, found: f } if (s, e, f) == (start, end, found)),
                        );
                        let long = Bytes::from(vec![0; (end - start + 1) as usize]);
                        assert!(matches!(decoder.give(range, long), Err(DecodeError::RangeLength { .. })));
                    }
                    let beyond = decoder.give(size..size + 1, Bytes::from_static(b"x"));
                    assert!(matches!(beyond, Err(DecodeError::RangeOutside { .. })));
                    #[expect(clippy::reversed_empty_ranges, reason = "nonsense must not panic")]
                    let nonsense = decoder.give(9..3, Bytes::new());
                    assert!(matches!(nonsense, Err(DecodeError::RangeLength { .. })));
                }
                Ok(Step::Batch(_)) => {}
                Ok(Step::Done) => panic!("complete without its bytes"),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, DecodeError::RangeMissing { .. }), "{error}");
        assert!(error.to_string().contains("fetch the object again"));
        assert!(matches!(decoder.next(), Ok(Step::Done)));
    }
}

/// The end of the object is missing, but its size is that of before: nobody can give what is not there.
#[test]
fn cut_files_are_errors_at_every_cut() {
    let lines = lines(20, 9);
    let file = write(columns(&lines), settings().set_max_row_group_row_count(Some(8)));
    for cut in 0..file.len() {
        let (run, failed) = drive(&file.slice(..cut), &engine(), Giving::Exact);
        assert!(failed.is_some(), "{cut} bytes");
        assert_eq!(run.outcome.tally.records, 0, "{cut} bytes");
        let mut decoder = ParquetPush::new(file.len() as u64, &engine());
        if let Ok(Step::Need(ranges)) = decoder.next() {
            let range = ranges[0].clone();
            let short = file.slice(range.start as usize..cut);
            assert!(decoder.give(range, short).is_err());
        }
        assert!(decoder.next().is_err());
    }
}

/// Every byte changed in turn: an error or other rows, but never a panic, an endless loop or more requests
/// than the file has bytes.
#[test]
fn damaged_files_end() {
    let lines = lines(6, 10);
    let file = write(columns(&lines), settings().set_max_row_group_row_count(Some(4)));
    for at in 0..file.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut damaged = file.to_vec();
            damaged[at] ^= change;
            let damaged = Bytes::from(damaged);
            let parts = (change == 0x80).then_some(Giving::Parts(500));
            for giving in parts.into_iter().chain([Giving::Exact]) {
                let (run, _) = drive(&damaged, &engine(), giving);
                let asked: u64 = run.rounds.iter().flatten().map(|range| range.end - range.start).sum();
                assert!(asked <= 2 * damaged.len() as u64 + TAIL);
            }
        }
    }
}

#[test]
fn rows_before_the_damage_are_delivered() {
    let lines = lines(4000, 11);
    let file = write(columns(&lines), settings().set_max_row_group_row_count(Some(1000)));
    let mut damaged = file.to_vec();
    // The pages of the last row group.
    for chunk in &chunks(&file, true)[3] {
        damaged[chunk.start as usize..chunk.end as usize].fill(0xff);
    }
    let (run, failed) = drive(&damaged.into(), &engine(), Giving::Exact);
    assert!(failed.is_some());
    let whole = expected(&lines, &engine());
    assert_eq!(run.outcome.tally.lines, 3000);
    assert_eq!(run.outcome.rows, whole.rows[..run.outcome.rows.len()]);
}

#[test]
fn footers_that_lie_about_columns_are_errors() {
    let lines = lines(30, 12);
    let file = write(columns(&lines), settings());
    let options = DecodeOptions { max_object_bytes: 100, ..engine() };
    let (run, failed) = drive(&file, &options, Giving::Exact);
    assert!(matches!(failed, Some(DecodeError::TooLarge { limit: 100 })), "{failed:?}");
    assert_eq!(run.outcome.tally.lines, 0);
    for size in 0..12 {
        let (_, failed) = drive(&Bytes::from(vec![b'P'; size]), &engine(), Giving::Exact);
        assert!(failed.is_some());
    }
}

fn properties() -> impl Strategy<Value = WriterPropertiesBuilder> {
    let codec = prop::sample::select(vec![
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
    ]);
    (1..120_usize, any::<(bool, bool, bool)>(), 1..50_usize, codec).prop_map(
        |(rows, (dictionary, new, index), page, codec)| {
            let statistics = if index { EnabledStatistics::Page } else { EnabledStatistics::None };
            let version = if new { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 };
            settings()
                .set_max_row_group_row_count(Some(rows))
                .set_dictionary_enabled(dictionary)
                .set_writer_version(version)
                .set_statistics_enabled(statistics)
                .set_offset_index_disabled(!index)
                .set_data_page_row_count_limit(page)
                .set_write_batch_size(page)
                .set_compression(codec)
        },
    )
}

fn giving() -> impl Strategy<Value = Giving> {
    prop_oneof![
        Just(Giving::Exact),
        Just(Giving::Backwards),
        Just(Giving::Ahead),
        (1_u64..5000).prop_map(Giving::Parts),
        (300_u64..5000).prop_map(Giving::PartByPart),
        (0_u64..100_000).prop_map(Giving::Long),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_writer_any_order_any_giving(
        rows in 0..400_usize,
        seed: u64,
        properties in properties(),
        giving in giving(),
        batch_rows in 1..200_usize,
        order in Just((0..15_usize).collect::<Vec<_>>()).prop_shuffle(),
        fat_bytes in prop::sample::select(vec![0_usize, 10, 1500]),
    ) {
        let lines = lines(rows, seed);
        let mut columns = columns(&lines);
        columns.push(("fat".to_owned(), fat(rows, fat_bytes)));
        let columns = order.into_iter().map(|at| columns[at].clone()).collect();
        let file = write(columns, properties);
        let options = DecodeOptions { batch_rows, ..engine() };
        let mut wanted = expected(&lines, &options);
        if rows > 0 {
            wanted.tally.unknown_fields.insert("fat".to_owned(), rows as u64);
        }
        let run = sound(&file, &options, giving);
        prop_assert_eq!(&run.outcome, &wanted);
        if let Giving::Exact = giving {
            check_requests(&file, &run);
        }
    }

    #[test]
    fn any_bytes_end(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        footer in 0..400_u32,
        magic: bool,
    ) {
        let mut file = bytes;
        if magic {
            file.extend_from_slice(&footer.to_le_bytes());
            file.extend_from_slice(b"PAR1");
        }
        let (run, _) = drive(&Bytes::from(file), &engine(), Giving::Exact);
        prop_assert_eq!(run.outcome.tally.records, 0);
    }
}
