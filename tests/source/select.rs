//! Pruning by what the names say.

use flowgate::source::{MemorySource, PADDING_AFTER, PADDING_BEFORE, Pruned, Selection};

use super::{errors, list, names};

/// 2018-06-20T16:20:00Z.
const STAMP: i64 = 1_529_511_600;

fn key(account: &str, region: &str, flow_log: &str) -> String {
    format!("{account}_vpcflowlogs_{region}_{flow_log}_20180620T1620Z_fe123456.log.gz")
}

#[test]
fn time_is_padded_because_stamps_are_hints() {
    let source = MemorySource::new().with(key("123456789012", "us-east-1", "fl-1"), "").with("plain.log", "");
    let kept = |from: Option<i64>, to: Option<i64>| {
        let listing = list(&source, &Selection { from, to, ..Selection::default() });
        assert_eq!(names(&listing).last(), Some(&"plain.log"), "without a stamp nothing is pruned");
        let pruned = Pruned { time: 2 - listing.objects.len() as u64, ..Pruned::default() };
        assert_eq!(listing.pruned, pruned);
        listing.objects.len() == 2
    };
    assert!(kept(None, None));
    assert!(kept(Some(STAMP + PADDING_BEFORE), None));
    assert!(!kept(Some(STAMP + PADDING_BEFORE + 1), None));
    assert!(kept(None, Some(STAMP - PADDING_AFTER)));
    assert!(!kept(None, Some(STAMP - PADDING_AFTER - 1)));
    assert!(kept(Some(i64::MIN), Some(i64::MAX)));
    assert!(!kept(Some(i64::MAX), Some(i64::MIN)));
}

#[test]
fn names_that_say_so_are_pruned_and_counted() {
    let folder = "AWSLogs/210987654321/vpcflowlogs/eu-west-1/2026/01/02/renamed.gz";
    let source = MemorySource::new()
        .with(key("123456789012", "us-east-1", "fl-1"), "")
        .with(key("123456789012", "us-east-1", "fl-2"), "")
        .with(key("123456789012", "eu-west-1", "fl-1"), "")
        .with(key("210987654321", "us-east-1", "fl-1"), "")
        .with(folder, "")
        .with("plain.log", "");
    let owned = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
    let selection = Selection {
        accounts: owned(&["123456789012", "000000000000"]),
        regions: owned(&["us-east-1"]),
        flow_logs: owned(&["fl-1"]),
        ..Selection::default()
    };
    let listing = list(&source, &selection);
    assert_eq!(names(&listing), [&key("123456789012", "us-east-1", "fl-1"), "plain.log"]);
    assert_eq!(listing.pruned, Pruned { time: 0, account: 2, region: 1, flow_log: 1 });
    assert_eq!(listing.pruned.total(), 4);
    assert_eq!(listing.pruned.to_string(), "2 by account, 1 by region, 1 by flow log");

    let by_id = list(&source, &Selection { flow_logs: owned(&["fl-2"]), ..Selection::default() });
    assert_eq!(
        names(&by_id),
        [&key("123456789012", "us-east-1", "fl-2"), folder, "plain.log"],
        "a folder does not name the flow log, so its file may be of it"
    );
}

#[test]
fn a_selection_that_leaves_nothing_is_an_error_that_says_what_was_wanted() {
    let source = MemorySource::new().with(key("123456789012", "us-east-1", "fl-1"), "");
    let selection = Selection {
        from: Some(0),
        regions: vec!["eu-west-1".into(), "eu-west-2".into()],
        ..Selection::default()
    };
    let listing = list(&source, &selection);
    assert_eq!(
        errors(&listing),
        [
            "none of the 1 flow logs in memory is of time from 1970-01-01T00:00:00Z, region eu-west-1 or eu-west-2 \
          (1 by region); widen the selection"
        ]
    );
}
