//! Log groups: what is listed, and that each event is read once, against moto.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use bytes::Bytes;
use flowgate::source::cloudwatch::{CloudWatchOptions, CloudWatchSource, LogGroup};
use flowgate::source::{Listing, Object, Selection, Source};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::{moto, run};

pub const MINUTE: i64 = 60_000;

pub fn group(text: &str) -> LogGroup {
    LogGroup::parse(&format!("cloudwatch:{text}")).unwrap().unwrap()
}

/// Reads one object to its end, or to its error.
pub async fn fetch(source: &CloudWatchSource, object: &Object) -> (String, Result<u64, String>) {
    let (to, mut from) = mpsc::channel::<Bytes>(2);
    let collect = async {
        let mut bytes = Vec::new();
        while let Some(chunk) = from.recv().await {
            bytes.extend_from_slice(&chunk);
        }
        bytes
    };
    let (result, bytes) = tokio::join!(source.fetch(object, to), collect);
    if let Ok(sent) = &result {
        assert_eq!(*sent, bytes.len() as u64, "{}", object.name);
    }
    (String::from_utf8(bytes).unwrap(), result.map_err(|error| error.to_string()))
}

/// Reads everything at once: the lines of each object, by its name.
pub async fn fetch_all(
    source: &Arc<CloudWatchSource>,
    listing: &Listing,
) -> BTreeMap<String, (String, Result<u64, String>)> {
    let mut tasks = JoinSet::new();
    for object in listing.objects.clone() {
        let source = Arc::clone(source);
        tasks.spawn(async move { (object.name.clone(), fetch(&source, &object).await) });
    }
    tasks.join_all().await.into_iter().collect()
}

pub fn errors(listing: &Listing) -> Vec<String> {
    listing.errors.iter().map(ToString::to_string).collect()
}

/// Lists without a problem, reads without one, and returns the lines of all objects in the order of listing.
async fn read(source: CloudWatchSource, selection: &Selection) -> (Listing, Vec<String>) {
    let source = Arc::new(source);
    let listing = source.list(selection).await;
    assert_eq!(errors(&listing), [""; 0]);
    let names: Vec<&String> = listing.objects.iter().map(|object| &object.name).collect();
    assert!(names.is_sorted(), "{names:?}");
    let read = fetch_all(&source, &listing).await;
    assert_eq!(read.len(), names.len(), "names are unique");
    let mut lines = Vec::new();
    for name in names {
        let (text, result) = &read[name];
        assert!(result.is_ok(), "{name}: {result:?}");
        assert!(text.is_empty() || text.ends_with('\n'));
        lines.extend(text.lines().map(str::to_owned));
    }
    (listing, lines)
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

fn record(interface: &str, n: usize, at: i64) -> String {
    let start = at / 1000;
    format!(
        "2 123456789012 {interface} 10.0.0.1 10.0.1.2 {} 443 6 {n} 40 {start} {} ACCEPT OK",
        1024 + n,
        start + 60
    )
}

/// Makes a group and puts the events of one stream after the other into it.
async fn fill(client: &Client, group: &str, streams: &[(&str, Vec<i64>)]) -> Vec<(i64, String)> {
    client.create_log_group().log_group_name(group).send().await.unwrap();
    let mut all = Vec::new();
    for (stream, times) in streams {
        client.create_log_stream().log_group_name(group).log_stream_name(*stream).send().await.unwrap();
        let interface = stream.rsplit_once('-').unwrap().0;
        let records: Vec<(i64, String)> =
            times.iter().enumerate().map(|(n, at)| (*at, record(interface, n, *at))).collect();
        for some in records.chunks(500) {
            let events = some.iter().map(|(at, message)| {
                InputLogEvent::builder().timestamp(*at).message(message).build().unwrap()
            });
            let put = client.put_log_events().log_group_name(group).log_stream_name(*stream);
            put.set_log_events(Some(events.collect())).send().await.unwrap();
        }
        all.extend(records);
    }
    all
}

/// Says little when they differ: there are hundreds.
fn assert_same(read: Vec<String>, wanted: Vec<String>, case: &str) {
    let (read, wanted) = (sorted(read), sorted(wanted));
    let first = read.iter().zip(&wanted).find(|(a, b)| a != b);
    assert!(read == wanted, "{case}: {} lines read, {} wanted, first {first:?}", read.len(), wanted.len());
}

fn sorted<T: Ord>(mut values: Vec<T>) -> Vec<T> {
    values.sort();
    values
}

const INTERFACES: [&str; 3] = ["eni-0a1b2c3d4e5f60718", "eni-0b1b2c3d4e5f60718", "eni-0c1b2c3d4e5f60718"];

/// Events over six hours before `end`, every 7 minutes and on the edges of quarters of an hour, several at once.
fn times(end: i64, seed: i64) -> Vec<i64> {
    let from = end - 6 * 60 * MINUTE;
    let quarter = from.div_euclid(15 * MINUTE) * 15 * MINUTE;
    let edges = (1..24).flat_map(|n| {
        let edge = quarter + n * 15 * MINUTE;
        [edge - 1, edge, edge, edge + 1]
    });
    let between = (0..50).map(|n| from + n * 7 * MINUTE + seed * 1000);
    sorted(edges.chain(between).filter(|at| (from..end).contains(at)).collect())
}

#[test]
fn every_event_of_the_window_is_read_once_whatever_the_slices_and_pages() {
    run(async {
        let client = Client::new(&moto::config("eu-west-1").await);
        let now = now();
        let end = now * 1000;
        let streams = [
            ("eni-0a1b2c3d4e5f60718-all", times(end, 1)),
            ("eni-0b1b2c3d4e5f60718-all", times(end, 2)),
            ("eni-0c1b2c3d4e5f60718-all", times(end, 3)),
        ];
        let all = fill(&client, "/vpc/whole", &streams).await;
        assert!(all.len() > 350, "{}", all.len());

        for (minutes, page) in [(15, 10_000), (15, 7), (4, 20), (1000, 50)] {
            let options = CloudWatchOptions {
                slice: std::time::Duration::from_secs(minutes * 60),
                page_events: page,
                max_requests_per_second: Some(1000.0),
                ..CloudWatchOptions::new(now)
            };
            let open = |options: &CloudWatchOptions| {
                CloudWatchSource::new([group("/vpc/whole")], moto::connect("eu-west-1"), options.clone())
            };
            let (listing, lines) = read(open(&options), &Selection::default()).await;
            assert_same(
                lines,
                all.iter().map(|(_, record)| record.clone()).collect(),
                &format!("{minutes} min, pages of {page}"),
            );
            assert!(listing.notes.iter().any(|note| note.contains("24 hours")), "{:?}", listing.notes);

            // A window of an hour, with edges that events lie on: from eleven minutes before it.
            let quarter = (now / 900) * 900;
            let (from, to) = (quarter - 2 * 3600, quarter - 3600);
            let window = Selection { from: Some(from), to: Some(to), ..Selection::default() };
            let (_, lines) = read(open(&options), &window).await;
            let wanted = all.iter().filter(|(at, _)| ((from - 660) * 1000..to * 1000).contains(at));
            let wanted: Vec<String> = wanted.map(|(_, record)| record.clone()).collect();
            assert!(wanted.len() > 40, "{}", wanted.len());
            assert_same(lines, wanted, &format!("{minutes} min, pages of {page}, one hour"));
        }
    });
}

#[test]
fn streams_are_chosen_by_interface() {
    run(async {
        let client = Client::new(&moto::config("eu-west-2").await);
        let now = now();
        let some = || times(now * 1000, 5);
        // An old id that begins another, a stream with another ending, and more streams than a request takes.
        let mut streams = vec![
            ("eni-0a1b2c3d-all".to_owned(), some()),
            ("eni-0a1b2c3d4e5f60718-all".to_owned(), some()),
            ("eni-0a1b2c3d4e5f60718-reject".to_owned(), vec![now * 1000 - 1]),
        ];
        streams.extend((0..120).map(|n| (format!("eni-0000000000000{n:04}-all"), vec![now * 1000 - 1 - n])));
        let streams: Vec<(&str, Vec<i64>)> = streams.iter().map(|(s, t)| (s.as_str(), t.clone())).collect();
        let all = fill(&client, "/vpc/streams", &streams).await;

        let options =
            CloudWatchOptions { max_requests_per_second: Some(1000.0), ..CloudWatchOptions::new(now) };
        let open =
            || CloudWatchSource::new([group("/vpc/streams")], moto::connect("eu-west-2"), options.clone());
        let of =
            |interfaces: &[String]| Selection { interfaces: interfaces.to_vec(), ..Selection::default() };
        let wanted = |interfaces: &[String]| {
            let all = all.iter().map(|(_, record)| record.clone());
            sorted(
                all.filter(|r| interfaces.iter().any(|i| r.split(' ').nth(2) == Some(i))).collect::<Vec<_>>(),
            )
        };
        let many: Vec<String> = (0..120).map(|n| format!("eni-0000000000000{n:04}")).collect();
        for interfaces in [vec!["eni-0a1b2c3d".to_owned()], vec![INTERFACES[0].to_owned()], many.clone()] {
            let (listing, lines) = read(open(), &of(&interfaces)).await;
            assert_same(lines, wanted(&interfaces), &interfaces[0]);
            let batches: BTreeSet<Option<&str>> =
                listing.objects.iter().map(|object| object.name.split_once('#').map(|(_, n)| n)).collect();
            let expected = if interfaces.len() > 100 {
                BTreeSet::from([Some("00001"), Some("00002")])
            } else {
                BTreeSet::from([None])
            };
            assert_eq!(batches, expected);
        }

        let unknown = vec![INTERFACES[2].to_owned(), many[3].clone()];
        let (listing, lines) = read(open(), &of(&unknown)).await;
        assert_eq!(lines, wanted(&unknown));
        assert!(
            listing.notes.iter().any(|note| note.contains("no log stream of eni-0c1b")),
            "{:?}",
            listing.notes
        );

        let listing = open().list(&of(&unknown[..1])).await;
        assert!(listing.objects.is_empty());
        let errors = errors(&listing);
        assert!(errors.len() == 1 && errors[0].contains("no log stream is of eni-0c1b"), "{errors:?}");
    });
}

#[test]
fn groups_are_found_by_exact_name_region_and_account() {
    run(async {
        let now = now();
        let at = vec![now * 1000 - 5000];
        let mut records = Vec::new();
        for region in ["us-west-1", "us-west-2"] {
            let client = Client::new(&moto::config(region).await);
            // Another that begins alike sorts after it.
            fill(&client, "/vpc/exact-not", &[("eni-1-all", at.clone())]).await;
            records.extend(fill(&client, "/vpc/exact", &[("eni-2-all", at.clone())]).await);
        }
        let open = |groups: &[&str], regions: &[&str]| {
            let options = CloudWatchOptions {
                regions: regions.iter().map(|&region| region.to_owned()).collect(),
                ..CloudWatchOptions::new(now)
            };
            let groups: Vec<LogGroup> = groups.iter().map(|text| group(text)).collect();
            CloudWatchSource::new(groups, moto::connect("us-west-1"), options)
        };
        let soon = Selection { from: Some(now - 60), ..Selection::default() };

        let (listing, lines) = read(open(&["/vpc/exact"], &["us-west-1", "us-west-2"]), &soon).await;
        assert_eq!(lines.len(), 2);
        let prefixes: BTreeSet<&str> = listing
            .objects
            .iter()
            .filter_map(|object| object.name.rsplit_once('/'))
            .map(|(p, _)| p)
            .collect();
        assert_eq!(
            prefixes,
            BTreeSet::from(["cloudwatch:us-west-1:/vpc/exact", "cloudwatch:us-west-2:/vpc/exact"])
        );

        let arn = format!("arn:aws:logs:us-west-2:{}:log-group:/vpc/exact", moto::ACCOUNT);
        let (listing, lines) = read(open(&[&arn], &[]), &soon).await;
        assert_eq!(lines, [records[1].1.clone()]);
        assert!(listing.objects.iter().all(|o| o.name.starts_with("cloudwatch:us-west-2:/vpc/exact/")));
        let (_, lines) = read(open(&[&arn, "/vpc/exact", &format!("{arn}:*")], &["us-west-2"]), &soon).await;
        assert_eq!(lines.len(), 1, "named three times, read once");

        for (wrong, says) in [
            ("/vpc/exac", "no such log group in this account and region"),
            ("/vpc/exact-", "no such log group in this account and region"),
            ("arn:aws:logs:us-west-2:210987654321:log-group:/vpc/exact", "in account 210987654321"),
        ] {
            let listing = open(&[wrong], &[]).list(&soon).await;
            let errors = errors(&listing);
            assert!(
                listing.objects.is_empty() && errors.len() == 1 && errors[0].contains(says),
                "{errors:?}"
            );
        }
        // What is wrong with one does not stop the other.
        let listing = open(&["/vpc/exac", "/vpc/exact"], &[]).list(&soon).await;
        assert_eq!((listing.objects.is_empty(), listing.errors.len()), (false, 1));
    });
}

#[test]
fn what_retention_has_deleted_is_said_and_the_rest_is_read() {
    run(async {
        let client = Client::new(&moto::config("eu-north-1").await);
        let now = now();
        let all = fill(&client, "/vpc/kept", &[("eni-1-all", times(now * 1000, 1))]).await;
        client.put_retention_policy().log_group_name("/vpc/kept").retention_in_days(3).send().await.unwrap();
        let source = Arc::new(CloudWatchSource::new(
            [group("/vpc/kept")],
            moto::connect("eu-north-1"),
            CloudWatchOptions { max_requests_per_second: Some(1000.0), ..CloudWatchOptions::new(now) },
        ));
        let month = Selection { from: Some(now - 30 * 86_400), ..Selection::default() };
        let listing = source.list(&month).await;
        let said = errors(&listing);
        assert!(said.len() == 1 && said[0].contains("keeps events for 3 days"), "{said:?}");
        assert!(listing.notes.iter().any(|note| note.contains("was created at")), "{:?}", listing.notes);
        let read = fetch_all(&source, &listing).await;
        assert_eq!(read.values().map(|(text, _)| text.lines().count()).sum::<usize>(), all.len());
    });
}

#[test]
fn only_what_was_listed_can_be_fetched() {
    run(async {
        let source =
            CloudWatchSource::new([group("/x")], moto::connect("eu-west-1"), CloudWatchOptions::new(now()));
        let (_, result) = fetch(&source, &Object::new("cloudwatch:eu-west-1:/x/2026", None)).await;
        assert!(result.unwrap_err().contains("fetch only what its listing returned"));
    });
}
