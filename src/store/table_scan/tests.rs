//! What a scan finds against every row looked at, and what it leaves alone.

mod damage;
mod rows;

use std::collections::BTreeSet;

use arrow::array::RecordBatch;
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;

use self::rows::{COLUMNS, Dice, Row, Written, shown};
use super::{TableScan, Want, Wanted};
use crate::store::{Store, StoreError, Table};

/// All parts by some threads, in order.
fn scan(
    store: &Store,
    columns: &[&str],
    wanted: &Wanted,
    threads: usize,
) -> Result<Vec<RecordBatch>, StoreError> {
    let scan = TableScan::new(store, Table::Connections, columns, wanted.clone())?;
    let work = || {
        let mut parts = Vec::new();
        while let Some(part) = scan.next()? {
            parts.push(part);
        }
        Ok::<_, StoreError>(parts)
    };
    let mut parts = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let parts: Result<Vec<_>, _> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
        parts.map(|parts| parts.into_iter().flatten().collect::<Vec<_>>())
    })?;
    parts.sort_by_key(|(number, _)| *number);
    let numbers: Vec<usize> = parts.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (0..parts.len()).collect::<Vec<_>>());
    assert_eq!(scan.extent()?.row_groups_read, parts.len());
    let batches: Vec<RecordBatch> = parts.into_iter().flat_map(|(_, batches)| batches).collect();
    assert!(batches.iter().all(|batch| batch.schema() == *scan.schema() && batch.num_rows() > 0));
    Ok(batches)
}

fn found(store: &Store, columns: &[&str], wanted: &Wanted, threads: usize) -> Vec<Vec<String>> {
    scan(store, columns, wanted, threads).unwrap().iter().flat_map(shown).collect()
}

/// Wants of all kinds, of values that are there, that are at an edge, and that are nowhere.
fn some_wants(dice: &mut Dice) -> Wanted {
    let mut wanted = Wanted::default();
    for _ in 0..dice.below(4) {
        wanted = match dice.below(7) {
            0 => wanted.and("interface", among(dice, |dice| format!("eni-{}", dice.below(9)))),
            1 => wanted.and("rules", among(dice, |dice| format!("sgr-{}", dice.below(9)))),
            kind @ (2 | 3) => {
                let column = if kind == 2 { "local" } else { "remote" };
                wanted.and(column, among(dice, |dice| dice.address().to_string()))
            }
            kind @ (4 | 5) => {
                let column = if kind == 4 { "local" } else { "remote" };
                let networks = (0..dice.below(3)).map(|_| dice.network()).collect();
                wanted.and(column, Want::Networks(networks))
            }
            _ => {
                let column = ["local_port", "start", "bytes_in", "dt", "protocol"][dice.below(5) as usize];
                let (one, other) = (dice.number(column), dice.number(column));
                let (from, to) = if dice.one_in(8) { (one, other) } else { (one.min(other), one.max(other)) };
                wanted.and(column, Want::Within(from, to))
            }
        };
    }
    wanted
}

fn among(dice: &mut Dice, text: impl Fn(&mut Dice) -> String) -> Want {
    let many = if dice.one_in(10) { 100 } else { dice.below(4) };
    Want::Among((0..many).map(|_| text(dice)).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn finds_what_a_look_at_every_row_finds(seed in any::<u64>()) {
        let mut dice = Dice(seed);
        let written = Written::random(&mut dice);
        for _ in 0..4 {
            let wanted = some_wants(&mut dice);
            let columns: Vec<&str> =
                (0..dice.below(6)).map(|_| COLUMNS[dice.below(COLUMNS.len() as u64) as usize]).collect();
            let expected: Vec<Vec<String>> = written
                .rows
                .iter()
                .filter(|row| wanted.all.iter().all(|(column, want)| row.fits(column, want)))
                .map(|row| columns.iter().map(|column| row.shown(column)).collect())
                .collect();
            for threads in [1, 4] {
                let found = found(&written.store, &columns, &wanted, threads);
                prop_assert_eq!(&found, &expected, "{:?} of {:?} by {} threads", wanted, columns, threads);
            }
        }
    }
}

/// What one element is not, another may be.
#[test]
fn of_a_list_each_want_is_met_by_some_element() {
    let rows: Vec<Row> = [&["sgr-1", "sgr-2"][..], &["sgr-1"], &[], &["sgr-2", "sgr-3"], &["sgr-3", "sgr-1"]]
        .map(|ids| Row::new(0).with_rules(ids))
        .to_vec();
    for properties in [WriterProperties::builder(), WriterProperties::builder().set_dictionary_enabled(false)]
    {
        let mut written = Written::of(Vec::new(), 10, 10, true);
        written.add(rows.clone(), properties.build());
        let only = |text: &str| Want::Among(BTreeSet::from([text.to_owned()]));
        let wanted = Wanted::default().and("rules", only("sgr-1")).and("rules", only("sgr-2"));
        assert_eq!(found(&written.store, &["rules"], &wanted, 1), [[rows[0].shown("rules")]]);
    }
}

#[test]
fn statistics_and_filters_leave_row_groups_alone() {
    // Sorted as connections are: by interface over row groups, by remote address within.
    let mut rows: Vec<Row> = (0..1_000_u32)
        .map(|number| {
            Row::new(number / 1_000)
                .with_interface(&format!("eni-{:03}", number / 10))
                .with_remote(std::net::Ipv4Addr::from(0x0a00_0000 + number * 7_919 % 4_096).into())
        })
        .collect();
    rows.chunks_mut(100).for_each(|group| group.sort_by_key(|row| row.shown("remote")));
    let written = Written::of(rows, 100, 10, true);
    let groups = |column: &str, want: Want| {
        let wanted = Wanted::default().and(column, want);
        let scan = TableScan::new(&written.store, Table::Connections, &["remote"], wanted).unwrap();
        scan.extent().unwrap()
    };
    let only = |text: &str| Want::Among(BTreeSet::from([text.to_owned()]));
    let all = TableScan::new(&written.store, Table::Connections, &[], Wanted::default()).unwrap();
    let all = all.extent().unwrap();
    assert_eq!((all.files, all.files_of_days, all.row_groups, all.rows), (1, 1, 10, 1_000));
    assert_eq!(all.row_groups_read, 10);
    let one = groups("interface", only("eni-042"));
    assert_eq!((one.row_groups, one.row_groups_read, one.rows), (10, 1, 100));
    let remote = written.rows[555].shown("remote");
    // Of a column, and of the one that is asked for.
    let pages = |columns: &[&str], want: Option<Want>| {
        let wanted = want.into_iter().fold(Wanted::default(), |wanted, want| wanted.and("remote", want));
        TableScan::new(&written.store, Table::Connections, columns, wanted).unwrap().pages().unwrap()
    };
    let (of_one, read) = pages(&["remote"], None);
    assert!(of_one >= 100 && read == of_one);
    let (of_two, read) =
        pages(&["start"], Some(only(remote.trim_start_matches("Some(\"").trim_end_matches("\")"))));
    assert!(of_two > 0 && (2..=4).contains(&read), "{read} of {of_two}");
    // Between the least and the greatest, but in one filter; or by chance in one more.
    assert!(groups("remote", only(&remote)).row_groups_read <= 2);
    assert_eq!(groups("remote", only("11.0.0.1")).row_groups_read, 0);
    assert_eq!(groups("remote", Want::Networks(vec!["192.168.0.0/16".parse().unwrap()])).row_groups_read, 0);
    assert_eq!(groups("remote", Want::Among(BTreeSet::new())).row_groups_read, 0);
    let day = groups("dt", Want::Within(1, 1));
    assert_eq!((day.files, day.files_of_days, day.row_groups), (1, 0, 0));
}
