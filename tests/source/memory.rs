//! The source with scripted faults keeps its promises: what it does to readers is what a real one does.

use std::time::{Duration, Instant};

use flowgate::source::memory::Fault;
use flowgate::source::{MemorySource, Object, Selection, Source, SourceError};
use tokio::sync::mpsc;

use super::{both, fetch, list, names, run};

fn object(source: &MemorySource) -> Object {
    list(source, &Selection::default()).objects.remove(0)
}

#[test]
fn sends_what_it_holds_in_chunks_of_any_size() {
    let source = MemorySource::new().with("b.log", "0123456789").with("a.parquet", "");
    let listing = list(&source, &Selection::default());
    assert_eq!(names(&listing), ["a.parquet", "b.log"]);
    for (size, chunks) in [(0, vec![1; 10]), (3, vec![3, 3, 3, 1]), (5, vec![5, 5]), (99, vec![10])] {
        let fetched = fetch(&source.clone().with_chunk_bytes(size), &listing.objects[1]);
        assert_eq!((fetched.result.unwrap(), fetched.chunks), (10, chunks));
        assert_eq!(fetched.bytes, b"0123456789");
    }
    assert_eq!(fetch(&source, &listing.objects[0]).result.unwrap(), 0);
    let unknown = fetch(&source, &Object::new("c.log", None)).result;
    assert!(matches!(unknown, Err(SourceError::UnknownObject { name }) if name == "c.log"));
}

#[test]
fn breaks_and_ends_at_the_very_byte() {
    for at in [0, 1, 4, 9] {
        let breaks =
            MemorySource::new().with_fault("x.log", "0123456789", Fault::BreaksAt(at)).with_chunk_bytes(4);
        let fetched = fetch(&breaks, &object(&breaks));
        assert_eq!(fetched.bytes, &b"0123456789"[..at]);
        assert!(matches!(fetched.result, Err(SourceError::Unreadable { .. })));

        let ends =
            MemorySource::new().with_fault("x.log", "0123456789", Fault::EndsAt(at)).with_chunk_bytes(4);
        let fetched = fetch(&ends, &object(&ends));
        assert_eq!(fetched.bytes, &b"0123456789"[..at]);
        let Err(SourceError::Short { expected: 10, got, .. }) = fetched.result else { panic!() };
        assert_eq!(got, at as u64);
    }
    let beyond = MemorySource::new().with_fault("x.log", "0123456789", Fault::BreaksAt(10));
    assert_eq!(fetch(&beyond, &object(&beyond)).result.unwrap(), 10);
}

#[test]
fn stalls_for_the_given_time_and_goes_on() {
    let pause = Duration::from_millis(50);
    let source = MemorySource::new().with_fault("x.log", "0123456789", Fault::StallsAt(5, pause));
    let began = Instant::now();
    let fetched = fetch(&source, &object(&source));
    assert!(began.elapsed() >= pause);
    assert_eq!((fetched.result.unwrap(), fetched.chunks), (10, vec![5, 5]));
}

#[test]
fn a_listing_that_breaks_off_keeps_what_it_had() {
    let source = MemorySource::new().with("x.log", "1").with_failing_list();
    let listing = list(&source, &Selection::default());
    assert_eq!(names(&listing), ["x.log"]);
    assert!(matches!(&listing.errors[..], [SourceError::Unreadable { .. }]));
}

#[test]
fn a_receiver_that_leaves_is_no_error() {
    let source = MemorySource::new().with("x.log", "0123456789").with_chunk_bytes(1);
    let object = object(&source);
    let (to, mut from) = mpsc::channel(1);
    let leave = async move {
        from.recv().await.unwrap();
    };
    let sent = run(both(source.fetch(&object, to), leave)).0.unwrap();
    assert!((1..10).contains(&sent), "{sent}");
}
