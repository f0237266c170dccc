//! What the user's prefix means.

use flowgate::source::Selection;

use crate::bucket::{ACCOUNT, File, Layout, REGION, at};
use crate::proxy::Proxy;
use crate::read::{Outcome, read_all, source};
use crate::server::{Server, Store};

/// Reads URLs of a bucket with these keys.
fn read(keys: &[&str], urls: &[&str]) -> Outcome {
    let store = Store::default();
    store.bucket("logs");
    for key in keys {
        store.put("logs", key, (*key).to_owned());
    }
    let server = Server::start(store, None);
    read_all(source(&server.url(), urls), &Selection::default())
}

fn keys(keys: &[&str], urls: &[&str]) -> Vec<String> {
    read(keys, urls).keys("logs")
}

const TREE: [&str; 9] = [
    "a.log",
    "a.log.gz",
    "logs-old/1.log",
    "logs.log",
    "logs/1.log",
    "logs/2.log",
    "logs/deep/er/3.log",
    "logs/odd",
    "logsx",
];

#[test]
fn the_whole_bucket() {
    let logs =
        ["a.log", "a.log.gz", "logs-old/1.log", "logs.log", "logs/1.log", "logs/2.log", "logs/deep/er/3.log"];
    assert_eq!(keys(&TREE, &["s3://logs"]), logs);
    assert_eq!(keys(&TREE, &["s3://logs/"]), logs);
}

#[test]
fn a_key_itself_whatever_its_name() {
    assert_eq!(keys(&TREE, &["s3://logs/a.log"]), ["a.log"]);
    assert_eq!(keys(&TREE, &["s3://logs/logs/odd"]), ["logs/odd"]);
    assert_eq!(keys(&TREE, &["s3://logs/logsx"]), ["logsx"]);
}

#[test]
fn a_folder_with_and_without_its_slash() {
    let folder = ["logs/1.log", "logs/2.log", "logs/deep/er/3.log"];
    assert_eq!(keys(&TREE, &["s3://logs/logs/"]), folder);
    assert_eq!(keys(&TREE, &["s3://logs/logs"]), folder, "not its neighbours");
    assert_eq!(keys(&TREE, &["s3://logs/logs/deep"]), ["logs/deep/er/3.log"]);
}

#[test]
fn a_folder_behind_a_thousand_neighbours() {
    let mut tree: Vec<String> = (0..1500).map(|n| format!("logs-{n:04}.log")).collect();
    tree.push("logs/1.log".to_owned());
    let tree: Vec<&str> = tree.iter().map(String::as_str).collect();
    assert_eq!(keys(&tree, &["s3://logs/logs"]), ["logs/1.log"]);
    assert_eq!(keys(&tree[..1500], &["s3://logs/logs"]).len(), 1500, "there is none: keys that begin so");
}

#[test]
fn the_beginning_of_names() {
    assert_eq!(
        keys(&TREE, &["s3://logs/lo"]),
        ["logs-old/1.log", "logs.log", "logs/1.log", "logs/2.log", "logs/deep/er/3.log"]
    );
    assert_eq!(keys(&TREE, &["s3://logs/logs-"]), ["logs-old/1.log"]);
    assert_eq!(keys(&TREE, &["s3://logs/logs/1"]), ["logs/1.log"]);
}

#[test]
fn several_that_overlap_in_any_order() {
    let all =
        ["a.log", "a.log.gz", "logs-old/1.log", "logs.log", "logs/1.log", "logs/2.log", "logs/deep/er/3.log"];
    assert_eq!(keys(&TREE, &["s3://logs/logs/deep/", "s3://logs", "s3://logs/a.log", "s3://logs/lo"]), all);
    // In the order of names, not of prefixes: `-` is before `/`.
    assert_eq!(
        keys(&TREE, &["s3://logs/logs", "s3://logs/logs-old", "s3://logs/a"]),
        ["a.log", "a.log.gz", "logs-old/1.log", "logs/1.log", "logs/2.log", "logs/deep/er/3.log"]
    );
    // What is named itself is read, though a folder would have passed it over.
    let outcome = read(&TREE, &["s3://logs/logs/odd", "s3://logs/logs/", "s3://logs/logsx"]);
    assert_eq!(outcome.keys("logs"), ["logs/1.log", "logs/2.log", "logs/deep/er/3.log", "logs/odd", "logsx"]);
    assert_eq!(outcome.listing.skipped, []);
}

#[test]
fn several_buckets_come_in_the_order_of_names() {
    let store = Store::default();
    for bucket in ["one", "one-more", "one.two"] {
        store.put(bucket, "x.log", bucket);
    }
    let server = Server::start(store, None);
    let urls = ["s3://one", "s3://one.two", "s3://one-more/x", "s3://none"];
    let outcome = read_all(source(&server.url(), &urls), &Selection::default());
    assert_eq!(outcome.names(), ["s3://one-more/x.log", "s3://one.two/x.log", "s3://one/x.log"]);
    let errors = outcome.errors();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].starts_with("s3://none/: NoSuchBucket"), "{errors:?}");
    assert!(errors[0].ends_with("check the bucket's name"), "{errors:?}");
}

#[test]
fn anywhere_in_the_layout() {
    let store = Store::default();
    let from = at("2026-07-01T00:00:00Z");
    for (layout, account) in [(Layout::Daily, ACCOUNT), (Layout::Hourly, "123456789013")] {
        for hours in [0, 3, 23, 24, 24 * 31, 24 * 250] {
            let file = File { layout, account, ..File::at(from + hours * 3600) };
            store.put("logs", &file.to_string(), "x");
        }
    }
    let all = store.keys("logs");
    let server = Server::start(store, None);
    let july = Selection { from: Some(from), to: Some(from + 86_400), ..Selection::default() };
    // Every beginning of every key.
    let mut prefixes: Vec<&str> = all
        .iter()
        .flat_map(|key| key.match_indices(['/', '_', '0', '-']).map(move |(at, _)| &key[..=at]))
        .collect();
    prefixes.sort_unstable();
    prefixes.dedup();
    assert!(prefixes.len() > 50);
    for prefix in prefixes {
        let url = format!("s3://logs/{prefix}");
        let without_slash = url.trim_end_matches('/');
        for url in [url.as_str(), without_slash] {
            for selection in [&Selection::default(), &july] {
                let outcome = read_all(source(&server.url(), &[url]), selection);
                let wanted: Vec<String> = all
                    .iter()
                    .filter(|key| key.starts_with(prefix) && crate::bucket::is_wanted(key, selection))
                    .cloned()
                    .collect();
                assert_eq!(outcome.keys("logs"), wanted, "{url}");
            }
        }
    }
}

#[test]
fn a_place_without_logs_beside_one_with_some_is_told() {
    let outcome = read(&["in/1.log"], &["s3://logs/in/", "s3://logs/inn/"]);
    let [error] = &outcome.errors()[..] else { panic!("{:?}", outcome.errors()) };
    assert!(error.starts_with("no flow logs in s3://logs/inn/: looked for "), "{error}");
    assert_eq!(outcome.keys("logs"), ["in/1.log"]);
    // One within another has what the other has.
    assert!(read(&["in/a/1.log"], &["s3://logs/in/", "s3://logs/in/a/"]).errors().is_empty());
}

#[test]
fn nothing_there_says_what_was_looked_for() {
    let nothing = "no flow logs in s3://logs/: looked for *.log, *.txt, *.parquet, *.json, *.jsonl, *.gz and *.zst, \
                   passed over 0 of other names; name a file itself to read it whatever its name";
    assert_eq!(read(&[], &["s3://logs"]).errors(), [nothing]);
    let skipped = read(&["x.md", ".y.gz"], &["s3://logs", "s3://logs/x"]).errors();
    assert_eq!(
        skipped,
        [nothing.replace("s3://logs/:", "s3://logs/, s3://logs/x:").replace("over 0", "over 2")]
    );

    let store = Store::default();
    store.put("logs", &File::at(at("2026-07-01T00:00:00Z")).to_string(), "x");
    let server = Server::start(store, None);
    let proxy = Proxy::plain(server.address);
    let errors = |selection| read_all(source(&proxy.url(), &["s3://logs"]), &selection).errors();
    let of = |accounts: &[&str]| accounts.iter().map(|a| (*a).to_owned()).collect();
    let elsewhere = errors(Selection { accounts: of(&["999999999999"]), ..Selection::default() });
    assert_eq!(
        elsewhere,
        [
            "no flow logs of account 999999999999 in s3://logs/: there is nothing in the folders that AWS would have \
          delivered them to; check the prefix, which ends before `AWSLogs/`, or widen the selection"
        ]
    );
    let later = Some(at("2026-07-01T12:00:00Z"));
    let too_late = errors(Selection { from: later, regions: of(&[REGION]), ..Selection::default() });
    assert_eq!(
        too_late,
        [
            "none of the 1 flow logs in s3://logs/ is of time from 2026-07-01T12:00:00Z, region eu-west-1 (1 by time); \
          widen the selection"
        ]
    );
}
