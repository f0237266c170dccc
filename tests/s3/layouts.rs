//! Which objects are found, and what is listed to find them.

use flowgate::source::Selection;
use proptest::prelude::*;

use crate::bucket::{ACCOUNT, FLOW_LOG, File, LAYOUTS, Layout, REGION, at, is_wanted};
use crate::proxy::Proxy;
use crate::read::{read_all, source};
use crate::rng::Rng;
use crate::server::{Server, Store};

fn strings(all: &[&str]) -> Vec<String> {
    all.iter().map(|one| (*one).to_owned()).collect()
}

/// What one look at every key says.
fn oracle(store: &Store, bucket: &str, selection: &Selection) -> Vec<String> {
    store.keys(bucket).into_iter().filter(|key| is_wanted(key, selection)).collect()
}

/// Reads a selection of `s3://logs/{prefix}`; compares names and bytes, and returns what was listed.
fn check(store: &Store, prefix: &str, selection: &Selection) -> Vec<String> {
    let server = Server::start(store.clone(), None);
    let proxy = Proxy::plain(server.address);
    let outcome = read_all(source(&proxy.url(), &[&format!("s3://logs/{prefix}")]), selection);
    let mut expected = oracle(store, "logs", selection);
    expected.retain(|key| key.starts_with(prefix));
    assert_eq!(outcome.keys("logs"), expected, "{prefix} {selection}");
    for (name, bytes) in &outcome.objects {
        let key = name.strip_prefix("s3://logs/").unwrap();
        assert_eq!(bytes.as_deref(), Ok(&store.bytes("logs", key)[..]), "{name}");
    }
    if !expected.is_empty() {
        assert_eq!(outcome.errors(), [""; 0]);
    }
    proxy.listed()
}

/// One file every six hours, and what other services put beside it.
fn days(layout: Layout, from: i64, days: i64) -> Store {
    let store = Store::default();
    for n in 0..days * 4 {
        let file = File { layout, ..File::at(from + n * 21_600) };
        store.put("logs", &file.to_string(), n.to_string());
    }
    store
}

#[test]
fn one_day_of_ten_years_lists_that_day_only() {
    let first = at("2016-01-01T00:00:00Z");
    let selection = Selection {
        from: Some(at("2021-03-05T00:00:00Z")),
        to: Some(at("2021-03-06T00:00:00Z")),
        ..Selection::default()
    };
    for layout in LAYOUTS {
        let store = days(layout, first, 3653);
        let listed = check(&store, "", &selection);
        // The bucket, AWSLogs, the account's service; then the day, the last quarter of an hour before it and the two
        // hours behind it. With hours, each hour that has files.
        let (hours, services) = match layout {
            Layout::Daily => (0, 1),
            Layout::Hourly => (4 + 1, 1),
            // Hive's service has two names.
            Layout::Hive => (0, 2),
            Layout::HiveHourly => (4 + 1, 2),
        };
        assert_eq!(listed.len(), 1 + 1 + services + 3 + hours, "{layout:?} {listed:#?}");
        let days = listed.iter().filter(|prefix| prefix.contains("2021")).count();
        assert_eq!(days, 3 + hours, "{listed:#?}");

        // Who names account and region saves what leads there.
        let narrow = Selection {
            accounts: strings(&[ACCOUNT]),
            regions: strings(&[REGION]),
            flow_logs: strings(&[FLOW_LOG]),
            ..selection.clone()
        };
        let hive = matches!(layout, Layout::Hive | Layout::HiveHourly);
        let listed = check(&store, "AWSLogs/", &narrow);
        // All three names of the service are tried, each with three days.
        assert_eq!(listed.len(), 3 * 3 + hours, "{layout:?} {hive} {listed:#?}");
    }
}

#[test]
fn a_long_window_walks_the_years_and_months_that_exist() {
    let store = days(Layout::Daily, at("2024-11-01T00:00:00Z"), 100);
    let selection = Selection { from: Some(at("2024-12-15T00:00:00Z")), ..Selection::default() };
    let listed = check(&store, "", &selection);
    let days = listed.iter().filter(|prefix| prefix.split('/').count() == 8).count();
    // From 14 December, 23:45, to 8 February.
    assert_eq!(days, 18 + 31 + 8, "{listed:#?}");
    assert_eq!(listed.len(), days + 3 + 1 + 2 + 3);
}

#[test]
fn neighbours_of_other_services_are_not_listed() {
    let store = days(Layout::Daily, at("2026-07-01T00:00:00Z"), 2);
    let neighbours = [
        "AWSLogs/123456789012/CloudTrail/eu-west-1/2026/07/01/123456789012_CloudTrail_eu-west-1_20260701T0000Z_x.json.gz",
        "AWSLogs/123456789012/CloudTrail-Digest/eu-west-1/2026/07/01/x.json.gz",
        "AWSLogs/123456789012/Config/eu-west-1/2026/7/1/ConfigHistory/x.json.gz",
        "AWSLogs/123456789012/Config/ConfigWritabilityCheckFile",
        "AWSLogs/123456789012/elasticloadbalancing/eu-west-1/2026/07/01/x.log.gz",
        "AWSLogs/123456789012/vpcdnsquerylogs/vpc-1/2026/07/01/x.log.gz",
        "AWSLogs/o-abcdefghij/123456789012/CloudTrail/eu-west-1/2026/07/01/x.json.gz",
        "AWSLogs/aws-account-id=123456789012/aws-service=other/aws-region=eu-west-1/year=2026/x.log.gz",
    ];
    for key in neighbours {
        store.put("logs", key, "{}");
    }
    store.put("logs", "AWSLogs/123456789012/vpcflowlogs/", "");
    for prefix in ["", "AWSLogs/", "AWSLogs/123456789012/"] {
        for listed in check(&store, prefix, &Selection::default()) {
            for other in ["CloudTrail", "Config", "elastic", "dns", "other"] {
                assert!(!listed.contains(other), "{listed}");
            }
        }
    }
    // Deep below, where folders are not looked into one by one, they are passed over.
    let deep = Store::default();
    for key in neighbours.iter().copied().chain([&*File::at(at("2026-07-01T00:00:00Z")).to_string()]) {
        deep.put("logs", &format!("a/b/c/d/e/f/{key}"), "{}");
    }
    assert_eq!(check(&deep, "", &Selection::default()).len(), 5);
}

#[test]
fn accounts_and_regions_of_a_central_bucket() {
    let store = Store::default();
    let (mut n, from) = (0, at("2026-06-30T21:00:00Z"));
    for prefix in ["", "central/", "a/b/"] {
        for account in ["012345678901", "111111111111", "999999999999"] {
            for region in ["eu-west-1", "us-gov-west-1"] {
                for (layout, ending) in
                    LAYOUTS.into_iter().zip([".log.gz", ".log.parquet", ".log.gz", ".log.parquet"])
                {
                    for flow_log in ["fl-0a", "fl-0b"] {
                        for hours in [0, 2, 4, 30] {
                            n += 1;
                            let time = from + hours * 3600;
                            let file =
                                File { prefix, layout, account, region, flow_log, time, ending, hash: n };
                            store.put("logs", &file.to_string(), n.to_string());
                        }
                    }
                }
            }
        }
    }
    let day = Selection {
        from: Some(at("2026-07-01T00:00:00Z")),
        to: Some(at("2026-07-01T02:00:00Z")),
        ..Selection::default()
    };
    for prefix in ["", "central/", "a/", "a/b/AWSLogs/"] {
        for (accounts, regions, flow_logs) in [
            (&[][..], &[][..], &[][..]),
            (&["111111111111"], &[], &[]),
            (&["999999999999", "012345678901"], &["us-gov-west-1"], &[]),
            (&[], &["eu-west-1"], &["fl-0b"]),
            (&["111111111111"], &["eu-west-1"], &["fl-0b", "fl-0a"]),
            (&["222222222222"], &[], &[]),
        ] {
            let (accounts, regions, flow_logs) = (strings(accounts), strings(regions), strings(flow_logs));
            let all = Selection { accounts, regions, flow_logs, ..Selection::default() };
            check(&store, prefix, &all);
            check(&store, prefix, &Selection { from: day.from, to: day.to, ..all });
        }
    }
}

#[test]
fn one_flow_log_among_many_is_asked_for_by_name() {
    for layout in [Layout::Daily, Layout::Hourly] {
        let store = Store::paged(100);
        let from = at("2026-07-01T00:00:00Z");
        for n in 0..40 * 288 {
            let flow_log = format!("fl-{:02x}", n / 288);
            let file =
                File { layout, flow_log: &flow_log, hash: n, ..File::at(from + (n % 288) as i64 * 300) };
            store.put("logs", &file.to_string(), n.to_string());
        }
        // A flow log with hours in a bucket of those without.
        for n in 0..48 {
            let (layout, hash) = (Layout::Hourly, 100_000 + n);
            let file = File { layout, flow_log: "fl-07", hash, ..File::at(from + n as i64 * 1800) };
            store.put("logs", &file.to_string(), n.to_string());
        }
        let selection = Selection {
            from: Some(from),
            to: Some(from + 86_399),
            flow_logs: strings(&["fl-07", "fl-20"]),
            ..Selection::default()
        };
        let requests = check(&store, "AWSLogs/123456789012/", &selection).len();
        let most = match layout {
            // Three days, what is behind the files of the first, 24 hours, and two flow logs of three pages each.
            Layout::Daily => 1 + 3 + 1 + 24 + 2 * 3 + 2,
            // Of each hour its first page, two flow logs, and what is behind.
            _ => 1 + 3 + 24 * 4,
        };
        assert!(requests <= most, "{layout:?} {requests}");
    }
}

#[test]
fn the_same_from_a_server_of_files() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::default();
    for (n, layout) in LAYOUTS.into_iter().cycle().take(40).enumerate() {
        let file = File { layout, hash: n as u64, ..File::at(at("2026-07-01T00:00:00Z") + n as i64 * 3600) };
        store.put("logs", &file.to_string(), vec![n as u8; n * 1000]);
    }
    for key in store.keys("logs") {
        let path = root.path().join("logs").join(&key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, store.bytes("logs", &key)).unwrap();
    }
    let server = Server::of_directory(root.path());
    let selection = Selection { from: Some(at("2026-07-01T20:00:00Z")), ..Selection::default() };
    let outcome = read_all(source(&server.url(), &["s3://logs"]), &selection);
    assert_eq!(outcome.keys("logs"), oracle(&store, "logs", &selection));
    for key in outcome.keys("logs") {
        assert_eq!(
            outcome.objects[&format!("s3://logs/{key}")].as_deref(),
            Ok(&store.bytes("logs", &key)[..])
        );
    }
}

/// A bucket as they grow in years, small.
fn random(rng: &mut Rng) -> Store {
    let store = Store::paged(rng.range(3, 40) as usize);
    let start = at("2025-12-28T00:00:00Z");
    let prefixes = ["", "", "x/", "x/y/", "logs-old/", "AWSLogs-copy/"];
    let accounts = ["000000000001", "123456789012", "222222222222"];
    let regions = ["eu-west-1", "us-east-1", "ap-southeast-2"];
    for hash in 0..rng.range(1, 150) as u64 {
        let file = File {
            prefix: prefixes[rng.index(6)],
            layout: LAYOUTS[rng.index(4)],
            account: accounts[rng.index(3)],
            region: regions[rng.index(3)],
            flow_log: ["fl-1", "fl-12", "fl-2"][rng.index(3)],
            // Dense about midnights, sparse elsewhere.
            time: start
                + rng.range(0, 70) * 86_400 * rng.range(0, 1)
                + rng.range(0, 3) * 86_400
                + rng.range(-40, 40) * 300,
            ending: [".log.gz", ".log.parquet"][rng.index(2)],
            hash,
        };
        store.put("logs", &file.to_string(), hash.to_string());
    }
    let strays = [
        "stray.log.gz",
        "x/stray.log.gz",
        "x/notes.md",
        "x/.hidden.gz",
        "AWSLogs/123456789012/CloudTrail/eu-west-1/2026/01/01/t.json.gz",
        "AWSLogs/123456789012/Config/eu-west-1/2026/1/1/ConfigSnapshot/s.json.gz",
        "x/AWSLogs/000000000001/elasticloadbalancing/us-east-1/2026/01/01/e.log.gz",
    ];
    for stray in strays {
        if rng.index(2) == 0 {
            store.put("logs", stray, stray);
        }
    }
    store
}

fn selection(rng: &mut Rng) -> Selection {
    let start = at("2025-12-28T00:00:00Z");
    let some = |rng: &mut Rng, all: &[&str]| -> Vec<String> {
        (0..rng.index(3)).map(|_| all[rng.index(all.len())].to_owned()).collect()
    };
    // About the same midnights as the files: what is padded is there to be missed.
    let near = |rng: &mut Rng| {
        let day = rng.range(0, 4) + rng.range(0, 70) * i64::from(rng.index(4) == 0);
        start + day * 86_400 + rng.range(-48, 40) * 300 + rng.range(0, 1)
    };
    let (mut from, mut to) = ((rng.index(3) > 0).then(|| near(rng)), (rng.index(3) > 0).then(|| near(rng)));
    if from > to && to.is_some() && rng.index(10) > 0 {
        std::mem::swap(&mut from, &mut to);
    }
    Selection {
        from,
        to,
        accounts: some(rng, &["000000000001", "123456789012", "333333333333"]),
        regions: some(rng, &["eu-west-1", "us-east-1"]),
        flow_logs: some(rng, &["fl-1", "fl-12", "fl-3"]),
        interfaces: Vec::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_selection_of_any_bucket_is_what_one_look_at_every_key_says(seed: u64) {
        let mut rng = Rng::new(seed, "bucket");
        let store = random(&mut rng);
        let prefix = ["", "", "x/", "AWSLogs/", "AWSLogs/123456789012/vpcflowlogs/eu-west-1/", "x/A", "AWSLogs/0"]
            [rng.index(7)];
        let selection = selection(&mut rng);
        check(&store, prefix, &selection);
    }
}
