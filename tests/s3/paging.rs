//! Many keys, and keys of any characters.

use std::time::Duration;

use flowgate::source::Selection;

use crate::fault::Fault;
use crate::proxy::{Proxy, Request};
use crate::read::{list, read_all, source};
use crate::server::{Server, Store};

#[test]
fn more_than_two_pages_of_keys() {
    let store = Store::default();
    for n in 0..2500 {
        store.put("logs", &format!("in/{n:05}.log"), n.to_string());
    }
    let keys = store.keys("logs");
    let server = Server::start(store, None);
    let proxy = Proxy::plain(server.address);
    let outcome = read_all(source(&proxy.url(), &["s3://logs/in/"]), &Selection::default());
    assert_eq!(outcome.keys("logs"), keys);
    assert_eq!(proxy.listed().len(), 3);
    assert_eq!(proxy.requests().len(), 3 + 2500);
    for (n, name) in outcome.order.iter().enumerate() {
        assert_eq!(outcome.objects[name].as_deref(), Ok(n.to_string().as_bytes()), "{name}");
    }
    // `list` and `walk` find the same.
    let listing = list(&source(&proxy.url(), &["s3://logs/in/"]), &Selection::default());
    assert_eq!(listing.objects.iter().map(|object| object.name.clone()).collect::<Vec<_>>(), outcome.order);
}

#[test]
fn reading_begins_while_listing_goes_on() {
    let store = Store::paged(5);
    for n in 0..50 {
        store.put("logs", &format!("{n:02}.log"), "x");
    }
    let server = Server::start(store, None);
    let proxy = Proxy::start(server.address, |request| {
        if request.is_list() { vec![Fault::Wait(Duration::from_millis(20))] } else { Vec::new() }
    });
    assert_eq!(read_all(source(&proxy.url(), &["s3://logs"]), &Selection::default()).names().len(), 50);
    let requests = proxy.requests();
    let last_list = requests.iter().rposition(Request::is_list).unwrap();
    let read = requests[..last_list].iter().filter(|request| !request.is_list()).count();
    assert!(read >= 30, "{read} objects were asked for before the last page");
}

#[test]
fn folders_and_files_mixed_on_small_pages() {
    for page in 1..8 {
        let store = Store::paged(page);
        for folder in ["a", "b", "b-c", "c", "c.d"] {
            for n in 0..3 {
                store.put("logs", &format!("{folder}/{n}.log"), "x");
            }
            store.put("logs", &format!("{folder}.log"), "x");
            store.put("logs", &format!("{folder}/z/1.log"), "x");
        }
        let keys = store.keys("logs");
        let server = Server::start(store, None);
        let outcome = read_all(source(&server.url(), &["s3://logs"]), &Selection::default());
        assert_eq!(outcome.keys("logs"), keys, "{page}");
    }
}

#[test]
fn keys_of_any_characters() {
    let keys = [
        " leading.log",
        "\"quoted\".log",
        "$dollar$.log",
        "%25percent%.log",
        "%2F.log",
        "&amp;.log",
        "'single'.log",
        "+plus+.log",
        "..dots../x.log",
        "//double//slash.log",
        "/leading.log",
        "<tag>.log",
        "=equals=/year=2026.log",
        "?query=1&x.log",
        "a b/c d.log",
        "back\\slash.log",
        "hash#tag.log",
        "semi;colon,comma:@!()*[]{}|^~`.log",
        "trailing /x .log",
        "ünïcödé/日本語/😀.log",
        "e\u{301}.log",
    ];
    let store = Store::paged(4);
    for key in keys {
        store.put("logs", key, key);
    }
    let expected = store.keys("logs");
    let server = Server::start(store, None);
    let outcome = read_all(source(&server.url(), &["s3://logs"]), &Selection::default());
    assert_eq!(outcome.errors(), [""; 0]);
    // Files that begin with a dot are hidden; folders are not.
    assert_eq!(outcome.keys("logs"), expected);
    for key in keys {
        assert_eq!(outcome.objects[&format!("s3://logs/{key}")].as_deref(), Ok(key.as_bytes()));
        let named = read_all(source(&server.url(), &[&format!("s3://logs/{key}")]), &Selection::default());
        assert_eq!(named.keys("logs"), [key], "named itself");
    }
}
