//! The bounds: objects in flight, and bytes that no worker took.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::Sender;

use super::{Feeder, Limits, waiting_line};
use crate::decode::DecodeOptions;
use crate::inventory::Timeline;
use crate::pipeline::formats::Formats;
use crate::pipeline::inputs::Feed;
use crate::pipeline::{Cancel, Silent};
use crate::source::{BoxFuture, Listing, Object, Selection, Source, SourceError};

/// Bytes of each object.
const SIZE: u64 = 100 << 10;

/// Counts what happens at the same time.
#[derive(Default)]
struct Counting {
    names: Vec<String>,
    now: AtomicUsize,
    most: AtomicUsize,
    begun: AtomicUsize,
}

impl Source for Counting {
    fn list<'a>(&'a self, _: &'a Selection) -> BoxFuture<'a, Listing> {
        Box::pin(async move {
            let objects = self.names.iter().map(|name| Object::new(name.clone(), Some(SIZE)));
            Listing { objects: objects.collect(), ..Listing::default() }
        })
    }

    fn fetch<'a>(&'a self, _: &'a Object, to: Sender<Bytes>) -> BoxFuture<'a, Result<u64, SourceError>> {
        Box::pin(async move {
            self.begun.fetch_add(1, Ordering::SeqCst);
            self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(2)).await;
            // Whoever took the object may have gone.
            _ = to.send(Bytes::from(vec![0; SIZE as usize])).await;
            self.now.fetch_sub(1, Ordering::SeqCst);
            Ok(SIZE)
        })
    }
}

/// Feeds 40 objects to a worker that takes its time: the most fetched at once, the most begun and not given back, and the
/// names in the order in which they came.
fn fed(requests: usize, bytes: u64) -> (usize, usize, Vec<String>) {
    let names: Vec<String> = (0..40).map(|n| format!("{n:04}.log")).collect();
    let (most, held, names, streams) = feed(&names, requests, bytes);
    assert!(streams.is_empty(), "no name tells a flow log");
    (most, held, names)
}

fn feed(names: &[String], requests: usize, bytes: u64) -> (usize, usize, Vec<String>, Vec<String>) {
    let source = Arc::new(Counting { names: names.to_vec(), ..Counting::default() });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let formats = Formats::new(&DecodeOptions::default(), &Timeline::default());
    let (cancel, selection) = (Cancel::default(), Selection::default());
    let (out, mut ready) = waiting_line();
    let feeder = Feeder {
        selection: &selection,
        limits: Limits { requests, bytes, local: 1 },
        formats: &formats,
        runtime: runtime.handle().clone(),
        progress: &Silent,
        cancel: &cancel,
        out,
        streams: Vec::new(),
        plan: None,
    };
    let feeds = vec![Feed::Remote(Arc::clone(&source) as Arc<dyn Source>)];
    runtime.block_on(async {
        let take = async {
            let (mut names, mut most_held) = (Vec::new(), 0);
            while let Some(next) = ready.recv().await {
                tokio::time::sleep(Duration::from_millis(3)).await;
                // A fetch may begin after its object was taken.
                most_held = most_held.max(source.begun.load(Ordering::SeqCst).saturating_sub(names.len()));
                names.push(next.object.name.clone());
                // Dropped here: its room is given back.
            }
            (names, most_held)
        };
        let (fed, (taken, most_held)) = tokio::join!(feeder.run(feeds), take);
        assert_eq!(fed.objects, names.len() as u64);
        (source.most.load(Ordering::SeqCst), most_held, taken, fed.streams)
    })
}

#[test]
fn no_more_objects_are_fetched_at_once_than_allowed() {
    for requests in [1, 3] {
        let (most, _, names) = fed(requests, 1 << 30);
        assert_eq!(most, requests, "all that is allowed, and no more");
        assert!(names.is_sorted() && names.len() == 40);
    }
}

#[test]
fn no_more_bytes_wait_for_a_worker_than_allowed() {
    // Room for three objects of 100 KiB.
    let (_, held, names) = fed(32, 350 << 10);
    assert_eq!(held, 3);
    assert!(names.is_sorted() && names.len() == 40);
    // Less than two objects take: one at a time, each in half of the room, and on it goes.
    let (_, held, names) = fed(32, 1);
    assert!(held <= 2 && names.len() == 40, "{held}");
}

#[test]
fn flow_logs_and_log_groups_are_told_apart() {
    let file = |id: &str| format!("123456789012_vpcflowlogs_eu-west-1_{id}_20260301T0000Z_0a.log.gz");
    let group = |name: &str, hour: u32| format!("cloudwatch:eu-west-1:{name}/2026-03-01T{hour:02}:00:00Z--x");
    let names = [
        file("fl-1"),
        file("fl-2"),
        group("/vpc/a", 1),
        group("/vpc/a", 2),
        group("/vpc/b", 1),
        "x.log".into(),
    ];
    let (_, _, _, streams) = feed(&names, 8, 1 << 30);
    assert_eq!(streams, ["fl-1", "fl-2", "cloudwatch:eu-west-1:/vpc/a", "cloudwatch:eu-west-1:/vpc/b"]);
}
