//! 200 random schedules of faults: the same bytes, or an error that names the object.

use std::time::Duration;

use flowgate::source::Selection;

use crate::fault::{Cut, Fault};
use crate::faults::truth;
use crate::proxy::{Proxy, Request};
use crate::read::{ATTEMPTS, Outcome, read_all, source};
use crate::rng::Rng;
use crate::server::{Server, Store, Sum};

const SCHEDULES: u64 = 200;

/// 10 to 20 objects of 1 B to 3 MB in some folders.
fn store(rng: &mut Rng, recoverable: bool) -> Store {
    let store = Store::paged(rng.range(2, 9) as usize);
    for n in 0..rng.range(10, 20) {
        let size = match rng.index(8) {
            0 => 1,
            1..=4 => rng.range(2, 20_000),
            5 | 6 => rng.range(20_000, 600_000),
            _ => rng.range(600_000, 3_000_000),
        };
        let mut bytes = vec![0; size as usize];
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&rng.next().to_le_bytes()[..chunk.len()]);
        }
        // Other bytes can't be told from the right ones where nothing says what they were.
        let sums = [Sum::Crc64, Sum::Crc32, Sum::Sha256, Sum::Crc32c, Sum::None, Sum::Composite];
        let sum = sums[rng.index(if recoverable { 6 } else { 4 })];
        let folder = ["in/", "in/a/", "in/b c/"][rng.index(3)];
        store.put_with("logs", &format!("{folder}{n:02}.log.gz"), bytes, sum);
    }
    store
}

/// A fault that is over with the next attempt.
fn passing(rng: &mut Rng, list: bool) -> Fault {
    let body = rng.range(0, if list { 800 } else { 200_000 }) as usize;
    match rng.index(if list { 18 } else { 15 }) {
        0 => Fault::Wait(Duration::from_millis(rng.range(1, 30) as u64)),
        1 | 2 => Fault::slow_down(),
        3 => Fault::refuse(500, "InternalError", "We encountered an internal error."),
        4 => Fault::refuse(429, "TooManyRequests", "Slower."),
        5 => Fault::refuse(502, "", "<html>Bad Gateway</html>"),
        6 => Fault::Cut(Cut::BeforeHead),
        7 => Fault::Cut(Cut::InHead),
        8 | 9 => Fault::Cut(Cut::InBody(body)),
        // Rarely: it takes its time.
        10 if rng.index(4) == 0 => Fault::Cut(Cut::Stall(body)),
        10 => Fault::Close,
        11 | 12 => Fault::Truncate(body),
        13 => Fault::Announce(rng.range(1, 5000)),
        14 if list => Fault::EmptyPage,
        14 => Fault::IgnoreRange,
        15 => Fault::RepeatPage,
        16 => Fault::OverlapPage(rng.range(1, 4) as usize),
        _ => Fault::EmptyPage,
    }
}

/// A fault that stays, or that nothing can be done about.
fn lasting(rng: &mut Rng, list: bool) -> Fault {
    match rng.index(if list { 11 } else { 9 }) {
        0 => Fault::refuse(403, "AccessDenied", "Access Denied"),
        1 => Fault::slow_down(),
        2 => Fault::Cut(Cut::InBody(3)),
        3 => Fault::refuse(404, "NoSuchKey", "The specified key does not exist."),
        4 => Fault::Corrupt(rng.range(0, 1000) as usize),
        5 => Fault::WrongChecksum,
        6 => Fault::Append(rng.range(1, 100) as usize),
        7 => Fault::Cut(Cut::BeforeHead),
        8 => Fault::refuse(400, "InvalidRequest", "No."),
        9 => Fault::NoToken,
        _ => Fault::Circle,
    }
}

/// What is done to which request: of the seed and the request alone, whatever order requests come in.
pub fn script(seed: u64, recoverable: bool) -> impl FnMut(&Request) -> Vec<Fault> + Send + 'static {
    move |request| {
        let mut of = Rng::new(seed, &request.about());
        let failures = of.index(ATTEMPTS as usize);
        // Corrupt XML is still XML; what stays of lists is seen in `faults`.
        let spoilt = !recoverable && of.index(4) == 0;
        if spoilt {
            let fault = lasting(&mut of, request.is_list());
            // Nor is there a checksum of a range.
            let unchecked = request.is_list() || request.range.is_some();
            let harmless = unchecked && matches!(fault, Fault::Corrupt(_) | Fault::Append(_));
            return if harmless { Vec::new() } else { vec![fault] };
        }
        if request.attempt >= failures {
            return Vec::new();
        }
        let mut now = Rng::new(seed ^ request.attempt as u64, &request.about());
        vec![passing(&mut now, request.is_list())]
    }
}

fn run(seed: u64, recoverable: bool) -> (Store, Outcome, Vec<Request>) {
    let store = store(&mut Rng::new(seed, "objects"), recoverable);
    let server = Server::start(store.clone(), None);
    let proxy = Proxy::start(server.address, script(seed, recoverable));
    let outcome = read_all(source(&proxy.url(), &["s3://logs/in"]), &Selection::default());
    let requests = proxy.requests();
    (store, outcome, requests)
}

/// Sums up what became of a schedule; the comparison with the truth is made here.
fn check(seed: u64) -> String {
    let recoverable = seed.is_multiple_of(2);
    let (store, outcome, requests) = run(seed, recoverable);
    let mut errors = outcome.errors();
    for (name, expected) in truth(&store) {
        match outcome.objects.get(&name) {
            None => assert!(!errors.is_empty(), "{seed}: {name} is missing, and nothing is said"),
            Some(Err(error)) => {
                assert!(error.starts_with(&format!("{name}: ")) && error.contains("; "), "{seed}: {error}");
            }
            Some(got) => {
                assert!(*got == expected, "{seed}: {name}: other bytes");
            }
        }
    }
    assert!(outcome.order.is_sorted(), "{seed}: {:?}", outcome.order);
    errors.extend(outcome.objects.values().filter_map(|object| object.as_ref().err().cloned()));
    if recoverable {
        assert_eq!(errors, [""; 0], "{seed}");
        assert_eq!(outcome.objects.len(), store.keys("logs").len(), "{seed}");
    }
    // Progress of 64 KiB buys another round of attempts; nothing else does.
    let bytes: usize = store.keys("logs").iter().map(|key| store.bytes("logs", key).len()).sum();
    let most = ATTEMPTS as usize * (3 * store.keys("logs").len() + 20) + bytes / 65_536 * ATTEMPTS as usize;
    assert!(requests.len() <= most, "{seed}: {} requests", requests.len());
    errors.sort();
    errors.join("\n")
}

#[test]
fn two_hundred_schedules() {
    // Four at a time: they mostly wait.
    let told: Vec<String> = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..4)
            .map(|lane| scope.spawn(move || (lane..SCHEDULES).step_by(4).map(check).collect::<Vec<_>>()))
            .collect();
        lanes.into_iter().flat_map(|lane| lane.join().unwrap()).collect()
    });
    let failed = told.iter().filter(|told| !told.is_empty()).count();
    // The schedules do what they are for.
    assert!((40..=100).contains(&failed), "{failed}");
}

#[test]
fn a_schedule_ends_the_same_way_every_time() {
    for seed in [1, 3, 5] {
        assert_eq!(check(seed), check(seed), "{seed}");
    }
}
