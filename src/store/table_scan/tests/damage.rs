//! Files that are not what was written, and pages that nobody should touch.

use std::collections::BTreeSet;
use std::fs::File;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaDataReader};

use super::rows::{Row, Written};
use super::{found, scan};
use crate::store::table_scan::{TableScan, Want, Wanted};
use crate::store::{StoreError, Table};

/// A thousand rows of one row group, by remote address.
fn written() -> Written {
    let mut rows: Vec<Row> = (0..1_000_u32)
        .map(|number| {
            let remote = std::net::Ipv4Addr::from(0xcb00_0000 + number);
            Row::new(3).with_interface(&format!("eni-{}", number % 7)).with_remote(remote.into())
        })
        .collect();
    rows.sort_by_key(|row| row.shown("remote"));
    Written::of(rows, 1_000, 50, true)
}

fn only(text: &str) -> Wanted {
    Wanted::default().and("remote", Want::Among(BTreeSet::from([text.to_owned()])))
}

fn is_damaged<T>(result: Result<T, StoreError>, file: &std::path::Path) -> bool {
    matches!(result, Err(StoreError::Damaged { path, .. }) if path == file.display().to_string())
}

/// A lookup reads the pages of its rows: it still finds them when all others are garbage.
#[test]
fn other_pages_are_left_alone() {
    let written = written();
    let path = written.path(0);
    let metadata = ParquetMetaDataReader::new()
        .with_page_index_policy(PageIndexPolicy::Required)
        .parse_and_finish(&File::open(&path).unwrap())
        .unwrap();
    let wanted = only("203.0.2.100");
    let columns = ["interface", "remote", "start", "rules"];
    let before = found(&written.store, &columns, &wanted, 1);
    assert_eq!(before.len(), 1);
    let at = written.rows.iter().position(|row| row.shown("remote").contains("203.0.2.100")).unwrap();

    let mut bytes = std::fs::read(&path).unwrap();
    let index = metadata.page_index().unwrap();
    let mut spoiled = 0;
    for leaf in 0..metadata.file_metadata().schema_descr().num_columns() {
        for page in index.page_locations(0, leaf).unwrap() {
            if !(page.first_row_index..page.first_row_index + 50).contains(&(at as i64)) {
                let place =
                    page.offset as usize..(page.offset + i64::from(page.compressed_page_size)) as usize;
                bytes[place].fill(0xff);
                spoiled += 1;
            }
        }
    }
    assert!(spoiled > 19 * 25, "{spoiled} pages");
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(found(&written.store, &columns, &wanted, 1), before);
    assert!(is_damaged(scan(&written.store, &columns, &Wanted::default(), 1), &path));
    assert!(is_damaged(scan(&written.store, &columns, &only("203.0.0.5"), 4), &path));
}

#[test]
fn a_damaged_file_is_named() {
    let written = written();
    let path = written.path(0);
    let whole = std::fs::read(&path).unwrap();
    let ask = |wanted: &Wanted| scan(&written.store, &["remote", "rules", "dt"], wanted, 4);
    // Cut, or with the footer gone, or nothing at all.
    for length in [0, 7, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(is_damaged(ask(&Wanted::default()), &path), "{length} bytes");
        assert!(is_damaged(ask(&only("203.0.2.100")), &path), "{length} bytes");
    }
    // Any stretch of it: the rows are the same, or others, or it is told; but nothing panics and nothing waits forever.
    for begin in (0..whole.len()).step_by(whole.len() / 61) {
        let mut bytes = whole.clone();
        let end = (begin + 40).min(bytes.len());
        bytes[begin..end].fill(0xa5);
        std::fs::write(&path, &bytes).unwrap();
        for result in [ask(&Wanted::default()), ask(&only("203.0.2.100"))] {
            assert!(result.is_ok() || is_damaged(result, &path), "{begin}");
        }
    }
    std::fs::remove_file(&path).unwrap();
    assert!(
        matches!(ask(&Wanted::default()), Err(StoreError::Io { path: of, .. }) if of == path.display().to_string())
    );
}

#[test]
fn columns_are_what_the_table_says() {
    let written = written();
    let path = written.path(0);
    let file = |columns: Vec<(&str, ArrayRef)>| {
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    };
    let text = || Arc::new(StringArray::from(vec!["203.0.2.100"])) as ArrayRef;
    let number = || Arc::new(Int32Array::from(vec![7])) as ArrayRef;
    file(vec![("remote", text()), ("start", number()), ("local_port", number())]);
    let ask = |columns: &[&str], wanted: &Wanted| scan(&written.store, columns, wanted, 1);
    // In another place than in the table, which statistics must not be taken by.
    assert_eq!(
        found(&written.store, &["local_port", "dt"], &only("203.0.2.100"), 1),
        [["Some(7)", "Some(3)"]]
    );
    assert!(is_damaged(ask(&["start"], &Wanted::default()), &path), "another type");
    assert!(is_damaged(ask(&["remote"], &Wanted::default().and("start", Want::Within(0, 9))), &path));
    assert!(is_damaged(ask(&["interface"], &Wanted::default()), &path), "it lacks the column");
    assert!(is_damaged(ask(&["nowhere"], &Wanted::default()), &path), "there is no such column");
    // What is no want of such a column.
    assert!(is_damaged(ask(&["remote"], &Wanted::default().and("remote", Want::Within(0, 9))), &path));
    assert!(is_damaged(ask(&["remote"], &Wanted::default().and("dt", Want::Among(BTreeSet::new()))), &path));
}

/// Whoever asks is told the same.
#[test]
fn of_several_damaged_files_the_first_is_told() {
    let mut written = written();
    let again = written.rows.clone();
    for _ in 0..5 {
        written.add(again.clone(), parquet::file::properties::WriterProperties::builder().build());
    }
    for number in [2, 4, 5] {
        std::fs::write(written.path(number), b"PAR1 is not all").unwrap();
    }
    for _ in 0..20 {
        let scan =
            TableScan::new(&written.store, Table::Connections, &["remote"], only("203.0.2.100")).unwrap();
        std::thread::scope(|scope| {
            let all: Vec<_> = (0..4).map(|_| scope.spawn(|| scan.next())).collect();
            for one in all {
                assert!(is_damaged(one.join().unwrap(), &written.path(2)));
            }
        });
        assert!(is_damaged(scan.extent(), &written.path(2)));
    }
}
