//! Connections that break: the store is as it was, or as it should be, and the next run completes it.

use std::collections::BTreeSet;

use flowgate::Input;

use super::support::{BUCKET, Cloud, LOCK, Machine, Said, files, logs, said, told, truth};
use crate::fault::{Cut, Fault};
use crate::proxy::Request;
use crate::rng::Rng;

/// What is done to which request: of the seed and the request alone. Everything passes with the next attempt, or some
/// requests fail for good.
fn script(seed: u64, lasting: bool) -> impl FnMut(&Request) -> Vec<Fault> + Send + 'static {
    move |request| {
        // Names of files hold a number that is another in every run.
        let about = match request.key.rsplit_once('/') {
            Some((folder, name)) if name.ends_with(".parquet") => format!("{} {folder}", request.method),
            _ => request.about(),
        };
        let mut of = Rng::new(seed, &about);
        let mut now = Rng::new(seed ^ (request.attempt as u64) << 32, &about);
        if lasting && of.index(12) == 0 {
            return match of.index(3) {
                0 => vec![Fault::refuse(403, "AccessDenied", "Access Denied")],
                1 => vec![Fault::Cut(Cut::BeforeHead)],
                _ => vec![Fault::slow_down()],
            };
        }
        if request.attempt % 4 >= of.index(4) {
            return Vec::new();
        }
        let body = now.range(0, 3000) as usize;
        match now.index(9) {
            0 | 1 => vec![Fault::slow_down()],
            2 => vec![Fault::refuse(500, "InternalError", "We encountered an internal error.")],
            3 => vec![Fault::refuse(409, "ConditionalRequestConflict", "Try again.")],
            4 => vec![Fault::Cut(Cut::BeforeHead)],
            5 => vec![Fault::Cut(Cut::InHead)],
            6 => vec![Fault::Cut(Cut::InBody(body))],
            7 => vec![Fault::Close],
            _ => vec![Fault::Truncate(body)],
        }
    }
}

#[test]
fn seeded_schedules_over_ingest_and_analyze() {
    let logs = logs();
    let all = files(logs.path());
    let whole = truth(logs.path());
    let config = Machine::new().config("", all[..3].iter().map(|path| Input::Local(path.clone())).collect());
    let first: Said = said(&config).unwrap();
    let base = Cloud::new();
    Machine::new().ingest(&base.proxy.url(), &[&all[0], &all[1], &all[2]]).unwrap();
    let check = |seed: u64| {
        let lasting = seed % 2 == 1;
        let spoilt = Cloud::of(base.objects.fork(), Box::new(script(seed, lasting)));
        let machine = Machine::new();
        let ingested = machine.ingest(&spoilt.proxy.url(), &[logs.path()]);
        let read = machine.analyze(&spoilt.proxy.url());
        let failed = ingested.is_err();
        if !lasting {
            let ingested = ingested.unwrap_or_else(|error| panic!("{seed}: {}", told(&error)));
            assert_eq!((ingested.objects, ingested.known), (3, 3), "{seed}");
            let read = read.unwrap_or_else(|error| panic!("{seed}: {}", told(&error)));
            assert!(read == whole, "{seed}");
        } else {
            if let Err(error) = ingested {
                let error = told(&error);
                assert!(error.contains("s3://kept/a/store"), "{seed}: {error}");
            }
            assert!(read.as_ref().map_or(true, |read| *read == whole || *read == first), "{seed}");
        }
        // Whatever happened, what is there is a store, before or after the commit, and another run makes it whole.
        let sound = Cloud::of(spoilt.objects.clone(), Box::new(|_| Vec::new()));
        let there = Machine::new().analyze(&sound.proxy.url()).unwrap();
        assert!(there == whole || there == first, "{seed}");
        // Of a lock that could not be removed nothing is heard any more.
        if sound.objects.keys(BUCKET).contains(&LOCK.to_owned()) {
            assert!(failed || lasting, "{seed}");
            sound.objects.age(BUCKET, LOCK);
        }
        let next = machine.ingest(&sound.proxy.url(), &[logs.path()]).unwrap();
        assert_eq!(next.objects + next.known, 6, "{seed}");
        assert!(Machine::new().analyze(&sound.proxy.url()).unwrap() == whole, "{seed}");
        assert!(!sound.objects.keys(BUCKET).contains(&LOCK.to_owned()), "{seed}");
        failed
    };
    let failed: usize = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..4)
            .map(|lane| scope.spawn(move || (lane..40).step_by(4).filter(|seed| check(*seed)).count()))
            .collect();
        lanes.into_iter().map(|lane| lane.join().unwrap()).sum()
    });
    // The schedules do what they are for.
    assert!((3..=20).contains(&failed), "{failed}");
}

#[test]
fn bytes_that_changed_on_their_way_are_no_store() {
    let (cloud, logs) = (Cloud::new(), logs());
    Machine::new().ingest(&cloud.proxy.url(), &[logs.path()]).unwrap();
    let spoilt = |fault: fn() -> Fault| {
        let script = move |request: &Request| match request.key.contains("/records/") {
            true => vec![fault()],
            false => Vec::new(),
        };
        let cloud = Cloud::of(cloud.objects.clone(), Box::new(script));
        let machine = Machine::new();
        let error = told(&machine.analyze(&cloud.proxy.url()).unwrap_err());
        let kept: BTreeSet<_> =
            machine.copied().into_iter().filter(|path| path.to_string_lossy().contains("records")).collect();
        assert_eq!(kept, BTreeSet::new(), "nothing of it is kept");
        error
    };
    let error = spoilt(|| Fault::Corrupt(77));
    assert!(error.contains("checksum is wrong"), "{error}");
    let error = spoilt(|| Fault::Truncate(50));
    assert!(error.contains("the answer ended after") || error.contains("bytes"), "{error}");
    let error = spoilt(|| Fault::Append(5));
    assert!(error.contains("more bytes arrived than the object has"), "{error}");
}
