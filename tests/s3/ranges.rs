//! Parts of objects, as the reading of Parquet asks for them.

#![allow(clippy::single_range_in_vec_init, reason = "lists of ranges, some of one")]

use std::ops::Range;
use std::time::Duration;

use flowgate::source::{Object, Selection, Source};
use tokio::sync::mpsc;

use crate::fault::{Cut, Fault};
use crate::faults::store;
use crate::proxy::{Proxy, Request};
use crate::read::{self, ATTEMPTS, list, run, source};
use crate::server::{Server, Store};

const KEY: &str = "in/11 of 3000000.log.gz";

/// Reads ranges of an object that was listed before anything goes wrong.
fn read(
    store: &Store,
    ranges: &[Range<u64>],
    script: impl FnMut(&Request) -> Vec<Fault> + Send + 'static,
) -> (Vec<Result<Vec<u8>, String>>, Vec<Request>) {
    let server = Server::start(store.clone(), None);
    let before = source(&server.url(), &["s3://logs"]);
    let objects = list(&before, &Selection::default()).objects;
    let object: Object = objects.into_iter().find(|object| object.name.ends_with(KEY)).unwrap();
    let proxy = Proxy::start(server.address, script);
    let source = source(&proxy.url(), &["s3://logs"]);
    assert!(source.has_ranges(&object));
    let read = ranges
        .iter()
        .map(|range| {
            let bytes = run(source.fetch_range(&object, range.clone()));
            bytes.map(|bytes| bytes.to_vec()).map_err(|error| error.to_string())
        })
        .collect();
    (read, proxy.requests())
}

fn ranges() -> Vec<Range<u64>> {
    vec![
        2_999_992..3_000_000,
        0..4,
        0..1,
        1_000_000..1_000_001,
        1_234_567..2_345_678,
        0..3_000_000,
        2_999_999..3_000_000,
        5..5,
    ]
}

#[test]
fn ranges_are_slices() {
    let store = store();
    let whole = store.bytes("logs", KEY);
    let scripts: Vec<(&str, usize, Fault)> = vec![
        ("nothing", 0, Fault::Close),
        ("slow down", 3, Fault::slow_down()),
        ("500", 3, Fault::refuse(500, "InternalError", "Oops.")),
        ("reset", 2, Fault::Cut(Cut::BeforeHead)),
        ("in the head", 2, Fault::Cut(Cut::InHead)),
        ("in the body", 2, Fault::Cut(Cut::InBody(2))),
        ("far in the body", 5, Fault::Cut(Cut::InBody(300_000))),
        ("stalled", 1, Fault::Cut(Cut::Stall(100_000))),
        ("late", 2, Fault::Wait(Duration::from_millis(30))),
        ("cut, announced", 2, Fault::Truncate(3)),
        ("announced too long", 2, Fault::Announce(5)),
        ("whole", 99, Fault::IgnoreRange),
        ("no tag", 99, Fault::NoTag),
        ("closed", 99, Fault::Close),
        ("more", 99, Fault::Append(50)),
    ];
    for (what, times, fault) in scripts {
        for range in ranges() {
            let wanted = &whole[range.start as usize..range.end as usize];
            let one = fault.clone();
            let (read, requests) = read(&store, std::slice::from_ref(&range), move |request| {
                if request.attempt < times { vec![one.clone()] } else { Vec::new() }
            });
            assert!(
                read[0].as_deref() == Ok(wanted),
                "{what} {range:?}: {:?}",
                read[0].as_ref().map(Vec::len)
            );
            assert!(requests.len() <= 12, "{what} {range:?}: {}", requests.len());
            let empty = range.is_empty();
            assert_eq!(requests.is_empty(), empty, "{what} {range:?}");
            for request in requests {
                assert!(
                    request.if_match.is_some() && request.range.is_some(),
                    "of this version, and no more"
                );
            }
        }
    }
}

#[test]
fn ranges_of_another_version_are_refused() {
    // Before the first range, and between two.
    for at in [0, 1] {
        for ignores in [false, true] {
            let store = store();
            let (spoil, mut n) = (store.clone(), 0);
            let whole = store.bytes("logs", KEY);
            let (read, _) = read(&store, &[0..100, 200..300], move |_| {
                if n == at {
                    spoil.put("logs", KEY, vec![1; 3_000_000]);
                }
                n += 1;
                if ignores { vec![Fault::IgnoreMatch] } else { Vec::new() }
            });
            let told = format!(
                "s3://logs/{KEY}: was replaced while it was read; run again when nothing rewrites logs"
            );
            assert_eq!(read[0], if at == 0 { Err(told.clone()) } else { Ok(whole[..100].to_vec()) });
            assert_eq!(read[1], Err(told));
        }
    }
}

#[test]
fn ranges_beyond_the_end_and_of_what_is_gone() {
    let (read_, requests) = read(&store(), &[2_999_990..3_000_010, 4_000_000..4_000_001], |_| Vec::new());
    for read in &read_ {
        assert!(
            read.as_ref().is_err_and(|error| error.starts_with(&format!("s3://logs/{KEY}: "))),
            "{read:?}"
        );
    }
    assert!(requests.len() <= 4, "{}", requests.len());

    let gone = store();
    let spoil = gone.clone();
    let (read_, requests) = read(&gone, &[0..100], move |_| {
        spoil.delete("logs", KEY);
        Vec::new()
    });
    let told = format!(
        "s3://logs/{KEY}: disappeared after it was listed; run again when nothing moves or deletes logs"
    );
    assert_eq!((read_, requests.len()), (vec![Err(told)], 1));
}

#[test]
fn connections_are_used_again() {
    let store = store();
    let server = Server::start(store.clone(), None);
    let proxy = Proxy::plain(server.address);
    let source = source(&proxy.url(), &["s3://logs"]);
    run(async {
        let objects = source.list(&Selection::default()).await.objects;
        let object = objects.last().unwrap();
        for n in 0..50 {
            let bytes = source.fetch_range(object, n * 1000..n * 1000 + 70_000).await.unwrap();
            assert_eq!(bytes, store.bytes("logs", KEY).slice(n as usize * 1000..n as usize * 1000 + 70_000));
        }
        for object in &objects {
            read::read(&source, object).await.unwrap();
        }
    });
    assert!(proxy.requests().len() > 60);
    assert!(proxy.connections() <= 3, "{}", proxy.connections());
}

#[test]
fn a_slow_reader_is_no_stall() {
    let store = store();
    let server = Server::start(store.clone(), None);
    let proxy = Proxy::plain(server.address);
    let source = source(&proxy.url(), &["s3://logs/in/11"]);
    run(async {
        let objects = source.list(&Selection::default()).await.objects;
        let (to, mut from) = mpsc::channel::<bytes::Bytes>(1);
        let take = async {
            let mut bytes = Vec::new();
            while let Some(chunk) = from.recv().await {
                // Longer than anything may stall.
                tokio::time::sleep(Duration::from_millis(600)).await;
                bytes.extend_from_slice(&chunk);
            }
            bytes
        };
        let (read, bytes) = tokio::join!(source.fetch(&objects[0], to), take);
        assert_eq!(read.unwrap(), 3_000_000);
        assert_eq!(bytes, store.bytes("logs", KEY));
    });
    assert_eq!(proxy.requests().len(), 2, "one page, one object");
}

#[test]
fn a_reader_that_goes_ends_the_transfer() {
    let server = Server::start(store(), None);
    let source = source(&server.url(), &["s3://logs/in/11"]);
    run(async {
        let objects = source.list(&Selection::default()).await.objects;
        let (to, mut from) = mpsc::channel::<bytes::Bytes>(1);
        let take = async move {
            from.recv().await.unwrap();
        };
        let (read, ()) = tokio::join!(source.fetch(&objects[0], to), take);
        assert!(read.unwrap() < 3_000_000);
        // Nobody wants the objects any more.
        let (to, from) = mpsc::channel(1);
        drop(from);
        assert_eq!(source.walk(&Selection::default(), to).await.objects.len(), 0);
    });
}

#[test]
fn what_never_passes_ends() {
    for fault in
        [Fault::slow_down(), Fault::Cut(Cut::BeforeHead), Fault::Cut(Cut::InBody(0)), Fault::Truncate(0)]
    {
        let (read, requests) = read(&store(), &[10..2_000_000], move |_| vec![fault.clone()]);
        let error = read[0].clone().unwrap_err();
        assert!(error.starts_with(&format!("s3://logs/{KEY}: ")) && error.contains("; "), "{error}");
        assert_eq!(requests.len(), ATTEMPTS as usize);
    }
    // A byte at a time is no progress worth a million requests.
    let (read, requests) = read(&store(), &[10..2_000_000], |_| vec![Fault::Truncate(1)]);
    assert!(read[0].is_err());
    assert_eq!(requests.len(), ATTEMPTS as usize);
}
