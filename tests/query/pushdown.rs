//! What goes down to the files changes no answer: random conditions, with and without, beside a reading of them row by row.

use std::net::IpAddr;

use ipnet::IpNet;
use proptest::prelude::*;
use serde_json::Value;

use super::support::{DAY, FIRST_DAY, INTERFACES, REMOTES, RULES, Row, engine, some_rows, store};

/// A condition, which can be written and asked of a row. `None` is null.
#[derive(Clone, Debug)]
enum Is {
    Interface(&'static str),
    Remotes(Vec<&'static str>),
    Direction(&'static str),
    Port(&'static str, i32),
    PortWithin(i32, i32),
    Start(&'static str, i64),
    Day(&'static str, i64),
    Network(&'static str),
    Rule(&'static str),
    NoDirection,
    Continued,
    Like(&'static str),
    Told(Option<&'static str>),
    Both(Box<Is>, Box<Is>),
    Either(Box<Is>, Box<Is>),
    Not(Box<Is>),
}

fn compare<T: Ord + Copy>(a: T, op: &str, b: T) -> bool {
    match op {
        "=" => a == b,
        "<" => a < b,
        "<=" => a <= b,
        ">" => a > b,
        ">=" => a >= b,
        "<>" => a != b,
        _ => unreachable!("{op}"),
    }
}

fn time(micros: i64) -> String {
    chrono::DateTime::from_timestamp_micros(micros).unwrap().format("%Y-%m-%d %H:%M:%S%.f").to_string()
}

impl Is {
    fn sql(&self) -> String {
        match self {
            Self::Interface(id) => format!("interface = '{id}'"),
            Self::Remotes(all) => format!("remote IN ('{}')", all.join("', '")),
            Self::Direction(way) => format!("'{way}' = direction"),
            Self::Port(op, port) => format!("local_port {op} {port}"),
            Self::PortWithin(from, to) => format!("local_port BETWEEN {from} AND {to}"),
            Self::Start(op, at) => format!("start {op} TIMESTAMP '{}'", time(*at)),
            Self::Day(op, day) => format!("dt {op} '{}'", &time(day * DAY * 1_000_000)[..10]),
            Self::Network(networks) => format!("in_network(remote, '{networks}')"),
            Self::Rule(rule) => format!("has(rules, '{rule}')"),
            Self::NoDirection => "direction IS NULL".to_owned(),
            Self::Continued => "continued".to_owned(),
            Self::Like(start) => format!("remote LIKE '{start}%'"),
            Self::Told(None) => "(NULL IS NULL OR interface = NULL)".to_owned(),
            Self::Told(Some(id)) => format!("('{id}' IS NULL OR interface = '{id}')"),
            Self::Both(a, b) => format!("({} AND {})", a.sql(), b.sql()),
            Self::Either(a, b) => format!("({} OR {})", a.sql(), b.sql()),
            Self::Not(a) => format!("(NOT {})", a.sql()),
        }
    }

    fn of(&self, row: &Row) -> Option<bool> {
        match self {
            Self::Interface(id) => Some(row.interface == *id),
            Self::Remotes(all) => Some(all.contains(&row.remote.as_str())),
            Self::Direction(way) => row.direction.as_ref().map(|direction| direction == way),
            Self::Port(op, port) => Some(compare(row.local_port, op, *port)),
            Self::PortWithin(from, to) => Some((*from..=*to).contains(&row.local_port)),
            Self::Start(op, at) => Some(compare(row.start, op, *at)),
            Self::Day(op, day) => Some(compare(row.day(), op, *day)),
            Self::Network(networks) => {
                let address: IpAddr = row.remote.parse().unwrap();
                Some(networks.split(',').any(|net| net.parse::<IpNet>().unwrap().contains(&address)))
            }
            Self::Rule(rule) => row.rules.as_ref().map(|rules| rules.iter().any(|one| one == rule)),
            Self::NoDirection => Some(row.direction.is_none()),
            Self::Continued => Some(row.continued),
            Self::Like(start) => Some(row.remote.starts_with(start)),
            Self::Told(id) => Some(id.is_none_or(|id| row.interface == id)),
            Self::Both(a, b) => match (a.of(row), b.of(row)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Self::Either(a, b) => match (a.of(row), b.of(row)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Self::Not(a) => a.of(row).map(|holds| !holds),
        }
    }
}

fn condition() -> impl Strategy<Value = Is> {
    let op = || prop::sample::select(vec!["=", "<", "<=", ">", ">=", "<>"]);
    let seconds = prop::sample::select(vec![0, 1, 43_200, DAY - 1]);
    let leaf = prop_oneof![
        prop::sample::select(INTERFACES.to_vec()).prop_map(Is::Interface),
        prop::collection::vec(prop::sample::select(REMOTES.to_vec()), 1..4).prop_map(Is::Remotes),
        prop::sample::select(vec!["inbound", "outbound"]).prop_map(Is::Direction),
        (op(), prop::sample::select(vec![0, 22, 53, 54, 443, 65_535]))
            .prop_map(|(op, port)| Is::Port(op, port)),
        (0..500, 0..9000).prop_map(|(from, to)| Is::PortWithin(from, to)),
        (op(), -1..5_i64, seconds, 0..2_i64).prop_map(|(op, day, second, part)| {
            Is::Start(op, ((FIRST_DAY + day) * DAY + second) * 1_000_000 + part * 250_000)
        }),
        (op(), -1..5_i64).prop_map(|(op, day)| Is::Day(op, FIRST_DAY + day)),
        prop::sample::select(vec!["10.0.0.0/8", "10.0.0.0/16", "2001:db8::/32,192.0.2.0/24", "0.0.0.0/0"])
            .prop_map(Is::Network),
        prop::sample::select(RULES.to_vec()).prop_map(Is::Rule),
        Just(Is::NoDirection),
        Just(Is::Continued),
        prop::sample::select(vec!["10.", "2001"]).prop_map(Is::Like),
        prop::option::of(prop::sample::select(INTERFACES.to_vec())).prop_map(Is::Told),
    ];
    leaf.prop_recursive(4, 12, 2, |inner| {
        let two = || (inner.clone(), inner.clone());
        prop_oneof![
            3 => two().prop_map(|(a, b)| Is::Both(Box::new(a), Box::new(b))),
            2 => two().prop_map(|(a, b)| Is::Either(Box::new(a), Box::new(b))),
            1 => inner.clone().prop_map(|a| Is::Not(Box::new(a))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]
    #[test]
    fn no_answer_changes(condition in condition(), seed in 0..4_u64, limit in prop::option::of(0..40_usize)) {
        let all = some_rows(150, seed);
        let directory = tempfile::tempdir().unwrap();
        store(directory.path(), &all, 16);
        let limits = limit.map_or_else(String::new, |limit| format!(" LIMIT {limit}"));
        let sql = format!("SELECT remote, local_port, bytes_in FROM connections WHERE {}{limits}", condition.sql());
        let expected: Vec<Vec<Value>> = all
            .iter()
            .filter(|row| condition.of(row) == Some(true))
            .take(limit.unwrap_or(usize::MAX))
            .map(|row| vec![row.remote.clone().into(), row.local_port.into(), row.bytes_in.into()])
            .collect();
        let with = super::support::rows(&engine(directory.path()), &sql);
        prop_assert_eq!(&with, &expected, "{}", sql);
        let without = super::support::rows(&engine(directory.path()).without_pushdown(), &sql);
        prop_assert_eq!(&without, &expected, "{}", sql);
    }
}

/// What goes down at all: a test that the engine does not read everything.
#[test]
fn conditions_go_down() {
    let directory = tempfile::tempdir().unwrap();
    store(directory.path(), &some_rows(100, 1), 16);
    let conditions = |condition: &str| {
        let sql = format!("SELECT COUNT(*) FROM connections WHERE {condition}");
        let explanation = engine(directory.path()).explain(&sql).unwrap();
        let [read] = &explanation.reads[..] else { panic!("{explanation:?}") };
        (read.conditions.join("; "), read.files.len())
    };
    assert_eq!(conditions("dt = '2026-03-02'"), ("dt within 20514..20514".to_owned(), 1));
    assert_eq!(
        conditions("dt >= DATE '2026-03-02' AND dt < DATE '2026-03-03'").1,
        2,
        "one more day than wanted"
    );
    // What is nowhere is in no row group; here statistics tell.
    let sql = "SELECT local_port FROM connections WHERE interface = 'nowhere'";
    let explanation = engine(directory.path()).explain(sql).unwrap();
    let read = &explanation.reads[0];
    assert!(read.extent.row_groups > 0 && read.extent.row_groups_read == 0, "{read:?}");
    assert_eq!(read.pages, (0, 0));
    let explanation = engine(directory.path()).explain("SELECT local_port FROM connections").unwrap();
    let read = &explanation.reads[0];
    assert_eq!(read.extent.row_groups, read.extent.row_groups_read);
    assert!(read.pages.0 > 0 && read.pages.0 == read.pages.1, "{read:?}");
    for (condition, goes_down) in [
        ("remote = '10.0.0.1'", "remote among 10.0.0.1"),
        ("remote = '10.0.0.1' OR remote = '10.0.0.2'", "remote among 10.0.0.1, 10.0.0.2"),
        ("remote IN ('10.0.0.1', '10.0.0.2')", "remote among 10.0.0.1, 10.0.0.2"),
        ("in_network(remote, '10.0.0.0/8')", "remote in 10.0.0.0/8"),
        ("local_port = 443", "local_port within 443..443"),
        ("has(rules, 'sgr-1')", "rules among sgr-1"),
        ("start >= TIMESTAMP '1970-01-01 00:00:01'", "start within 1000000..; dt within 0.."),
        ("start >= '1970-01-02'", "start within 86400000000..; dt within 1.."),
        ("'eni-1' IS NULL OR interface = 'eni-1'", "interface among eni-1"),
        ("NULL IS NULL OR interface = NULL", ""),
        ("remote LIKE '10.%' AND interface = 'eni-1'", "interface among eni-1"),
        ("remote <> '10.0.0.1'", ""),
        ("remote = interface", ""),
    ] {
        assert_eq!(conditions(condition).0, goes_down, "{condition}");
    }
}
