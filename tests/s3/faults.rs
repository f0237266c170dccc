//! Whatever goes wrong on the way: the same bytes as without, or an error that names the object.

use std::collections::BTreeMap;
use std::time::Duration;

use flowgate::source::Selection;

use crate::fault::{Cut, Fault};
use crate::proxy::{Proxy, Request};
use crate::read::{ATTEMPTS, Outcome, read_all, source};
use crate::rng::Rng;
use crate::server::{Server, Store, Sum};

pub const SUMS: [Sum; 6] = [Sum::Crc64, Sum::Crc32, Sum::Crc32c, Sum::Sha256, Sum::None, Sum::Composite];

/// Objects of 0 B to 3 MB, five keys on a page.
pub fn store() -> Store {
    let store = Store::paged(5);
    for (n, size) in [0, 1, 2, 100, 4096, 65_535, 65_537, 300_000, 524_288, 524_289, 1_500_000, 3_000_000]
        .into_iter()
        .enumerate()
    {
        let mut rng = Rng::new(n as u64, "bytes");
        let bytes: Vec<u8> = (0..size).map(|_| rng.next() as u8).collect();
        store.put_with("logs", &format!("in/{n:02} of {size}.log.gz"), bytes, SUMS[n % SUMS.len()]);
    }
    store
}

/// What everything is without faults.
pub fn truth(store: &Store) -> BTreeMap<String, Result<Vec<u8>, String>> {
    let name = |key: &String| format!("s3://logs/{key}");
    store.keys("logs").iter().map(|key| (name(key), Ok(store.bytes("logs", key).to_vec()))).collect()
}

/// Reads everything through a script; the requests that were made, too.
pub fn through(
    store: &Store,
    script: impl FnMut(&Request) -> Vec<Fault> + Send + 'static,
) -> (Outcome, Vec<Request>) {
    let server = Server::start(store.clone(), None);
    let proxy = Proxy::start(server.address, script);
    let outcome = read_all(source(&proxy.url(), &["s3://logs/in/"]), &Selection::default());
    (outcome, proxy.requests())
}

/// Everything is as without faults.
fn is_harmless(what: &str, script: impl FnMut(&Request) -> Vec<Fault> + Send + 'static) -> Vec<Request> {
    let store = store();
    let (outcome, requests) = through(&store, script);
    assert_eq!(outcome.errors(), [""; 0], "{what}");
    let truth = truth(&store);
    for (name, expected) in &truth {
        let got = outcome.objects.get(name).unwrap_or_else(|| panic!("{what}: {name} was not found"));
        if got != expected {
            let length = got.as_ref().map(Vec::len);
            panic!("{what}: {name}: {length:?}");
        }
    }
    assert_eq!(outcome.order, truth.keys().cloned().collect::<Vec<_>>(), "{what}");
    requests
}

fn first(request: &Request, n: usize, fault: &Fault) -> Vec<Fault> {
    if request.attempt < n { vec![fault.clone()] } else { Vec::new() }
}

/// What may go wrong with any answer, and is over after a few attempts.
fn passing() -> Vec<(&'static str, Fault)> {
    vec![
        ("late", Fault::Wait(Duration::from_millis(50))),
        ("503 SlowDown", Fault::slow_down()),
        ("503 without a body", Fault::refuse(503, "", "")),
        ("503 of something else", Fault::refuse(503, "", "<html><body>Service Unavailable</body></html>")),
        ("500", Fault::refuse(500, "InternalError", "We encountered an internal error. Please try again.")),
        ("502", Fault::refuse(502, "", "Bad Gateway")),
        ("429", Fault::refuse(429, "TooManyRequests", "Please reduce your request rate.")),
        (
            "400 of a slow sender",
            Fault::refuse(400, "RequestTimeout", "Your socket connection was not read."),
        ),
        ("reset at once", Fault::Cut(Cut::BeforeHead)),
        ("ended in the head", Fault::Cut(Cut::InHead)),
        ("ended before the body", Fault::Cut(Cut::InBody(0))),
        ("ended in the body", Fault::Cut(Cut::InBody(90_000))),
        ("ended in the first bytes", Fault::Cut(Cut::InBody(1))),
        ("no answer", Fault::Cut(Cut::Silence)),
        ("stalled before the body", Fault::Cut(Cut::Stall(0))),
        ("stalled in the body", Fault::Cut(Cut::Stall(150))),
        ("announced too long", Fault::Announce(1000)),
    ]
}

#[test]
fn what_passes_is_survived() {
    for (what, fault) in passing() {
        let patience = if matches!(fault, Fault::Cut(Cut::Silence | Cut::Stall(_))) { 1 } else { 3 };
        let requests = is_harmless(what, move |request| first(request, patience, &fault));
        // Three pages and twelve objects, each of them again as often as it failed.
        assert!(requests.len() <= (3 + 12) * (patience + 1), "{what}: {}", requests.len());
    }
}

#[test]
fn a_storm_of_slow_down_is_weathered() {
    let after = Fault::Refuse(crate::fault::Refusal {
        status: 503,
        code: "SlowDown".to_owned(),
        message: "Please reduce your request rate.".to_owned(),
        headers: vec![("retry-after".to_owned(), "1".to_owned())],
    });
    let requests = is_harmless("storm", move |request| {
        let fault = if request.attempt % 2 == 0 { Fault::slow_down() } else { after.clone() };
        first(request, ATTEMPTS as usize - 1, &fault)
    });
    assert_eq!(requests.len(), (3 + 12) * ATTEMPTS as usize);
}

#[test]
fn bodies_that_end_early_go_on_where_they_broke_off() {
    for (what, at, fault) in [
        ("cut and announced so", 70_000, Fault::Truncate(70_000)),
        ("cut", 70_000, Fault::Cut(Cut::InBody(70_000))),
        ("stalled", 400_000, Fault::Cut(Cut::Stall(400_000))),
    ] {
        let requests = is_harmless(what, move |request| {
            // As long as there is more than that left: there is progress each time.
            let whole: usize =
                request.key.split(['.', ' ']).filter_map(|part| part.parse().ok()).max().unwrap_or(0);
            let from = request.range.as_deref().and_then(|range| range[6..].strip_suffix('-')?.parse().ok());
            if whole.saturating_sub(from.unwrap_or(0)) > at { vec![fault.clone()] } else { Vec::new() }
        });
        let large = requests.iter().filter(|r| r.key.ends_with("3000000.log.gz")).collect::<Vec<_>>();
        assert!(large.len() > 5 && large.len() < 50, "{what}: {}", large.len());
        let from = |r: &Request| -> Option<u64> {
            r.range.as_deref()?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
        };
        for pair in large.windows(2) {
            assert!(from(pair[0]) < from(pair[1]), "{what}: each goes on farther on");
            assert!(pair[1].if_match.is_some(), "{what}: of the same version");
        }
    }
}

#[test]
fn a_service_that_ignores_ranges_is_read_all_the_same() {
    is_harmless("ranges ignored", |request| match request.attempt {
        _ if request.is_list() => Vec::new(),
        0 => vec![Fault::Cut(Cut::InBody(200_000))],
        1 => vec![Fault::IgnoreRange, Fault::Cut(Cut::InBody(700_000))],
        _ => vec![Fault::IgnoreRange],
    });
}

#[test]
fn connections_that_are_not_kept_and_heads_without_everything() {
    is_harmless("closed", |_| vec![Fault::Close]);
    is_harmless("no checksum", |_| vec![Fault::NoChecksum]);
    is_harmless("no tag", |request| {
        let mut faults = vec![Fault::NoTag];
        faults.extend(first(request, 1, &Fault::Cut(Cut::InBody(5000))));
        faults
    });
}

#[test]
fn list_pages_that_repeat_overlap_or_are_empty_change_nothing() {
    is_harmless("page again", |_| vec![Fault::RepeatPage]);
    is_harmless("overlap of two", |_| vec![Fault::OverlapPage(2)]);
    is_harmless("overlap of all", |_| vec![Fault::OverlapPage(5)]);
    is_harmless("empty pages", |_| vec![Fault::EmptyPage]);
    // XML that ends in the middle, announced as whole.
    is_harmless("half a page", |request| {
        if request.is_list() { first(request, 2, &Fault::Truncate(400)) } else { Vec::new() }
    });
}

/// Everything that is not about these names is as without faults, and these say why they are not.
fn is_told(
    what: &str,
    script: impl FnMut(&Request) -> Vec<Fault> + Send + 'static,
    spoilt: impl Fn(&str) -> bool,
) -> (Vec<String>, Vec<Request>) {
    let store = store();
    let (outcome, requests) = through(&store, script);
    let mut told = outcome.errors();
    for (name, expected) in truth(&store) {
        let Some(got) = outcome.objects.get(&name) else {
            assert!(!told.is_empty(), "{what}: {name} was not found, and nothing is said");
            continue;
        };
        match got {
            Err(error) if spoilt(&name) => {
                assert!(error.starts_with(&format!("{name}: ")), "{what}: {error}");
                told.push(error.clone());
            }
            _ => assert!(*got == expected, "{what}: {name}: {:?}", got.as_ref().map(Vec::len)),
        }
    }
    assert!(!told.is_empty(), "{what}: nothing is told");
    // No storm.
    let most = (3 + 12) * ATTEMPTS as usize;
    assert!(requests.len() <= most, "{what}: {} requests", requests.len());
    (told, requests)
}

fn all(_: &str) -> bool {
    true
}

#[test]
fn what_never_passes_is_told_and_the_rest_is_read() {
    for (what, fault) in passing() {
        // Waiting is no failure, and progress is made of these.
        if matches!(fault, Fault::Wait(_) | Fault::Announce(_) | Fault::Cut(Cut::InBody(90_000))) {
            continue;
        }
        let one = "in/07 of 300000.log.gz";
        let (told, requests) = is_told(
            what,
            move |request| if request.key == one { vec![fault.clone()] } else { Vec::new() },
            |name| name.ends_with(one),
        );
        if what != "ended in the first bytes" && what != "stalled in the body" {
            assert_eq!(told.len(), 1, "{what}: {told:?}");
            assert!(told[0].contains("; "), "{what}: what to do: {told:?}");
        }
        let tries = requests.iter().filter(|r| r.key == one).count();
        assert!(tries <= ATTEMPTS as usize, "{what}: {tries}");
    }
}

#[test]
fn wrong_bytes_are_not_passed_on_as_right() {
    for size in ["1.log.gz", "4096.log.gz", "300000.log.gz", "3000000.log.gz"] {
        let is = move |name: &str| name.contains(&format!(" of {size}"));
        for fault in [Fault::Corrupt(12_345), Fault::WrongChecksum] {
            let what = format!("{fault:?}");
            let script =
                move |request: &Request| if is(&request.key) { vec![fault.clone()] } else { Vec::new() };
            // Of some there is no checksum to compare with; those are read.
            let sum = SUMS[store().keys("logs").iter().position(|key| is(key)).unwrap() % SUMS.len()];
            if matches!(sum, Sum::None | Sum::Composite) {
                continue;
            }
            let (told, _) = is_told(&what, script, is);
            assert!(told[0].contains("checksum is wrong; run again"), "{told:?}");
        }
    }
}

#[test]
fn corrupt_bytes_are_found_across_attempts() {
    let (told, _) = is_told(
        "corrupt in the second part",
        |request| match request.attempt {
            0 if !request.is_list() => vec![Fault::Cut(Cut::InBody(100_000))],
            1 if request.key.contains(" of 300000.") => vec![Fault::Corrupt(7)],
            _ => Vec::new(),
        },
        all,
    );
    assert_eq!(
        told,
        [
            "s3://logs/in/07 of 300000.log.gz: its CRC32 checksum is wrong; run again, and if that does not help, \
          deliver it anew"
        ]
    );
}

#[test]
fn more_bytes_than_the_object_has() {
    let (told, _) = is_told(
        "appended",
        |request| if request.key.contains(" of 4096.") { vec![Fault::Append(3)] } else { Vec::new() },
        all,
    );
    assert_eq!(told.len(), 1, "{told:?}");
    // Not announced: they are the beginning of no answer, and harm nothing.
    is_harmless("surplus", |request| {
        if request.is_list() { Vec::new() } else { vec![Fault::Append(10), Fault::Announce(-10)] }
    });
}

#[test]
fn listings_that_never_end_are_ended() {
    for (what, fault) in
        [("stuck", Fault::SameToken), ("circle", Fault::Circle), ("no token", Fault::NoToken)]
    {
        let (told, requests) = is_told(
            what,
            move |request| if request.is_list() { vec![fault.clone()] } else { Vec::new() },
            |_| false,
        );
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("s3://logs/in/: the service "), "{told:?}");
        assert!(told[0].contains("the listing can't be completed"), "{told:?}");
        let (lists, reads): (Vec<_>, Vec<_>) = requests.iter().partition(|r| r.is_list());
        assert!(lists.len() <= 6, "{what}: {} pages", lists.len());
        assert!(reads.len() >= 5, "{what}: the objects of the first page are read");
    }
}

#[test]
fn a_page_that_always_fails_is_told_and_what_was_found_is_read() {
    let (told, requests) = is_told(
        "second page",
        |request| {
            if request.is_list() && request.token().is_some() { vec![Fault::slow_down()] } else { Vec::new() }
        },
        |_| false,
    );
    assert_eq!(
        told,
        ["s3://logs/in/: SlowDown: Please reduce your request rate; run again with a lower --max-requests"]
    );
    assert_eq!(requests.len(), 1 + ATTEMPTS as usize + 5);
}

#[test]
fn replaced_between_list_and_read_is_read_as_it_is_now() {
    let store = store();
    let key = "in/10 of 1500000.log.gz";
    let (spoil, mut done) = (store.clone(), false);
    let new = vec![7; 2_000_000];
    let put = new.clone();
    let (outcome, _) = through(&store, move |request| {
        if request.key == key && !done {
            done = true;
            spoil.put("logs", key, put.clone());
        }
        Vec::new()
    });
    assert_eq!(outcome.objects[&format!("s3://logs/{key}")], Ok(new));
    assert_eq!(outcome.errors(), [""; 0]);
}

#[test]
fn replaced_while_it_is_read_is_told() {
    let ignorant = vec![Fault::IgnoreMatch, Fault::IgnoreRange];
    for faults in [vec![], vec![Fault::NoTag], vec![Fault::IgnoreRange], vec![Fault::IgnoreMatch], ignorant] {
        let store = store();
        let key = "in/10 of 1500000.log.gz";
        let (spoil, for_script) = (store.clone(), faults.clone());
        let (outcome, _) = through(&store, move |request| {
            if request.key != key {
                return Vec::new();
            }
            if request.attempt == 0 {
                return vec![Fault::Cut(Cut::InBody(800_000))];
            }
            spoil.put("logs", key, vec![7; 2_000_000]);
            for_script.clone()
        });
        let name = format!("s3://logs/{key}");
        let told = format!("{name}: was replaced while it was read; run again when nothing rewrites logs");
        assert_eq!(outcome.objects[&name], Err(told), "{faults:?}");
        assert_eq!(outcome.objects.values().filter(|object| object.is_err()).count(), 1);
    }
}

#[test]
fn deleted_between_list_and_read_is_told() {
    let store = store();
    let key = "in/03 of 100.log.gz";
    let spoil = store.clone();
    let (outcome, requests) = through(&store, move |request| {
        if request.key == key {
            spoil.delete("logs", key);
        }
        Vec::new()
    });
    let name = format!("s3://logs/{key}");
    let told =
        format!("{name}: disappeared after it was listed; run again when nothing moves or deletes logs");
    assert_eq!(outcome.objects[&name], Err(told));
    assert_eq!(requests.iter().filter(|r| r.key == key).count(), 1, "asking again does not bring it back");
    assert_eq!(outcome.objects.len(), 12);
}
