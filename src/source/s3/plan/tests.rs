//! Which prefixes are listed for a selection.

use super::{Node, expand, narrower, wanted};
use crate::source::Selection;

const ACCOUNT: &str = "AWSLogs/123456789012/";
const REGION: &str = "AWSLogs/123456789012/vpcflowlogs/eu-west-1/";
const HIVE: &str = "AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=eu-west-1/";

/// 2026-03-01T00:00:00Z
const MARCH: i64 = 1_772_323_200;
const HOUR: i64 = 3600;

fn strings(all: &[&str]) -> Vec<String> {
    all.iter().map(|one| (*one).to_owned()).collect()
}

fn between(from: i64, to: i64) -> Selection {
    Selection { from: Some(from), to: Some(to), ..Selection::default() }
}

/// Prefixes, with `*` behind those that are listed to the bottom.
fn prefixes(nodes: &[Node]) -> Vec<String> {
    nodes.iter().map(|node| format!("{}{}", node.prefix, if node.folders { "" } else { "*" })).collect()
}

fn expanded(folder: &str, selection: &Selection) -> Vec<String> {
    prefixes(&expand(folder, 0, selection))
}

#[test]
fn without_a_selection_a_folder_is_listed_itself() {
    for folder in ["", "x/", "AWSLogs/", REGION, HIVE, "AWSLogs/123456789012/vpcflowlogs/eu-west-1/2026/03/"]
    {
        assert_eq!(expanded(folder, &Selection::default()), [folder]);
    }
    assert_eq!(
        expanded(&format!("{REGION}2026/03/01/05/"), &Selection::default()),
        [format!("{REGION}2026/03/01/05/*")]
    );
}

#[test]
fn of_an_account_only_flow_logs_are_listed() {
    assert_eq!(expanded(ACCOUNT, &Selection::default()), [format!("{ACCOUNT}vpcflowlogs/")]);
    let hive = "x/AWSLogs/aws-account-id=123456789012/";
    let services = ["aws-service=vpcflowlogs/", "service=vpcflowlogs/"].map(|name| format!("{hive}{name}"));
    assert_eq!(expanded(hive, &Selection::default()), services);
}

#[test]
fn accounts_and_regions_are_asked_for_by_name_in_order() {
    let selection = Selection {
        accounts: strings(&["222222222222", "111111111111", "222222222222"]),
        regions: strings(&["us-east-1", "eu-west-1"]),
        ..Selection::default()
    };
    let names: Vec<String> = ["111111111111", "222222222222"]
        .iter()
        .flat_map(|account| {
            ["eu-west-1", "us-east-1"].map(|region| format!("AWSLogs/{account}/vpcflowlogs/{region}/"))
        })
        .chain(["111111111111", "222222222222"].iter().flat_map(|account| {
            ["aws-service", "service"].into_iter().flat_map(move |service| {
                ["eu-west-1", "us-east-1"].map(|region| {
                    format!("AWSLogs/aws-account-id={account}/{service}=vpcflowlogs/aws-region={region}/")
                })
            })
        }))
        .collect();
    let found = expanded("AWSLogs/", &selection);
    assert_eq!(found, names);
    assert!(found.is_sorted());
}

#[test]
fn days_are_asked_for_by_name_with_their_padding() {
    // A quarter of an hour before, two hours behind.
    let of = |from, to| expanded(REGION, &between(from, to));
    let day = |name: &str| format!("{REGION}2026/{name}/");
    assert_eq!(of(MARCH, MARCH + HOUR), [day("02/28"), day("03/01")]);
    assert_eq!(of(MARCH + 15 * 60, MARCH + 22 * HOUR - 1), [day("03/01")]);
    assert_eq!(of(MARCH + 15 * 60, MARCH + 22 * HOUR), [day("03/01"), day("03/02")]);
    assert_eq!(of(MARCH + 15 * 60 - 1, MARCH + 22 * HOUR - 1), [day("02/28"), day("03/01")]);
    let hive = expanded(HIVE, &between(MARCH + HOUR, MARCH + HOUR));
    assert_eq!(hive, [format!("{HIVE}year=2026/month=03/day=01/")]);
}

#[test]
fn long_open_and_impossible_windows_walk_what_is_there() {
    let month = 31 * 24 * HOUR;
    assert_eq!(expanded(REGION, &between(MARCH + HOUR, MARCH + month - 3 * HOUR)).len(), 31);
    for selection in [
        between(MARCH + HOUR, MARCH + month),
        between(MARCH, MARCH - 2 * month),
        between(i64::MIN, i64::MAX),
        Selection { from: Some(MARCH), ..Selection::default() },
        Selection { to: Some(MARCH), ..Selection::default() },
    ] {
        assert_eq!(expanded(REGION, &selection), [REGION], "{selection:?}");
    }
}

#[test]
fn folders_outside_of_the_selection_are_left_out() {
    let selection = Selection {
        accounts: strings(&["123456789012"]),
        regions: strings(&["eu-west-1"]),
        ..between(MARCH, MARCH + 24 * HOUR)
    };
    let places = [
        ("", true),
        ("anything/else/", true),
        ("AWSLogs/", true),
        ("AWSLogs/odd/", true),
        (ACCOUNT, true),
        ("AWSLogs/999999999999/", false),
        ("AWSLogs/aws-account-id=999999999999/", false),
        ("AWSLogs/o-abcdefghij/123456789012/vpcflowlogs/", true),
        ("AWSLogs/o-abcdefghij/999999999999/vpcflowlogs/", false),
        ("AWSLogs/123456789012/vpcflowlogs/us-east-1/", false),
    ];
    for (folder, is) in places {
        assert_eq!(wanted(folder, &selection), is, "{folder}");
    }
    for (day, is) in [
        ("2025/", false),
        ("2026/", true),
        ("2027/", false),
        ("2026/01/", false),
        ("2026/02/", true),
        ("2026/04/", false),
        ("2026/02/27/", false),
        ("2026/02/28/", true),
        ("2026/03/02/", true),
        ("2026/03/03/", false),
        ("2026/02/28/22/", false),
        ("2026/02/28/23/", true),
        ("2026/03/02/02/", true),
        ("2026/03/02/03/", false),
        // Not as AWS does it: looked into.
        ("2026/3/", true),
        ("2025/backup/", true),
        ("2026/13/", true),
        ("2026/03/02/99/", true),
        ("2026/02/28/22/deeper/", true),
    ] {
        assert_eq!(wanted(&format!("{REGION}{day}"), &selection), is, "{day}");
        let labels = ["year", "month", "day", "hour"];
        let parts: Vec<&str> = day.trim_end_matches('/').split('/').collect();
        if parts.len() <= labels.len() {
            let hive: String =
                parts.iter().zip(labels).map(|(value, label)| format!("{label}={value}/")).collect();
            assert_eq!(wanted(&format!("{HIVE}{hive}"), &selection), is, "{hive}");
        }
    }
}

#[test]
fn other_services_are_left_out_however_they_are_laid_out() {
    for folder in [
        "AWSLogs/123456789012/CloudTrail/",
        "x/AWSLogs/123456789012/CloudTrail/eu-west-1/2026/03/01/",
        "AWSLogs/123456789012/Config/eu-west-1/2026/3/1/ConfigHistory/",
        "AWSLogs/o-abcdefghij/123456789012/CloudTrail/eu-west-1/",
        "AWSLogs/aws-account-id=123456789012/aws-service=other/",
    ] {
        assert!(!wanted(folder, &Selection::default()), "{folder}");
    }
    for folder in
        ["CloudTrail/", "AWSLogs/CloudTrail/", "AWSLogs/1234/CloudTrail/", "AWSLogs/o-x/CloudTrail/"]
    {
        assert!(wanted(folder, &Selection::default()), "{folder}");
    }
}

#[test]
fn flow_logs_are_asked_for_by_name_when_there_are_many() {
    let selection = Selection { flow_logs: strings(&["fl-2", "fl-1", "fl-2"]), ..Selection::default() };
    let day = format!("{REGION}2026/03/01/");
    let nodes = expand(&day, 3, &selection);
    assert_eq!(prefixes(&nodes), [day.as_str()]);
    let files = nodes[0].files.clone().unwrap_or_default();
    assert_eq!(files, format!("{day}123456789012_vpcflowlogs_eu-west-1_"));
    let many = narrower(&nodes[0], &files, &selection);
    assert_eq!(prefixes(&many), [format!("{files}fl-1_*"), format!("{files}fl-2_*"), day]);
    // What lies behind the files is behind every one of them, and nothing that is not a file is.
    let behind = many[2].after.clone().unwrap_or_default();
    assert!(behind > format!("{files}~") && !behind.starts_with(&files));
    assert!(behind < format!("{REGION}2026/03/01/2") && many[2].files.is_none());
    assert_eq!(many[2].depth, 3);
}
