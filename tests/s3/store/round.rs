//! What goes into a store in S3 comes out of it, wherever it is asked for.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flowgate::mirror::{READ_ACTIONS, WRITE_ACTIONS};
use flowgate::pipeline::{IngestOptions, Input, Silent, StorePlace, ingest, open_store, prune};
use flowgate::source::S3Url;
use flowgate::store::{Disk, Need};

use super::support::{
    BUCKET, Cloud, LOCK, MANIFEST, Machine, STORE, files, inventory, logs, place, put_now, read_said, said,
    told, truth,
};
use crate::proxy::Request;

fn flowgate(machine: &Machine, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowgate"));
    command.env_clear().env("LC_ALL", "C.UTF-8").env("HOME", machine.home.path());
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_REGION", "eu-west-1");
    command.args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The AWS action of a request.
fn action(request: &Request) -> &'static str {
    match request.method.as_str() {
        "GET" if request.is_list() => "s3:ListBucket",
        "GET" => "s3:GetObject",
        "PUT" | "POST" => "s3:PutObject",
        "DELETE" if request.query.contains_key("uploadId") => "s3:AbortMultipartUpload",
        "DELETE" => "s3:DeleteObject",
        other => panic!("{other}: {request:?}"),
    }
}

#[test]
fn the_program_says_of_a_store_in_s3_what_it_says_of_the_logs() {
    let (cloud, logs) = (Cloud::new(), logs());
    let (here, there) = (Machine::new(), Machine::new());
    let (all, inventory) = (files(logs.path()), inventory());
    let endpoint = cloud.proxy.url();
    let aws = ["--no-sign-request", "--endpoint-url", endpoint.as_str()];
    let inventory = ["--inventory", inventory.to_str().unwrap()];
    let run = |machine: &Machine, args: &[&str]| {
        let output = flowgate(machine, &[args, &aws[..]].concat());
        assert!(matches!(output.status.code(), Some(0 | 1)), "{args:?} {}", text(&output.stderr));
        text(&output.stdout)
    };
    // Half of the files, of all days; the other half comes from another machine.
    let (first, second): (Vec<(usize, &PathBuf)>, _) = all.iter().enumerate().partition(|(n, _)| n % 2 == 0);
    for (machine, logs) in [(&here, first), (&there, second)] {
        let logs: Vec<&str> = logs.iter().map(|(_, path)| path.to_str().unwrap()).collect();
        let said = run(machine, &[&["ingest"], &logs[..], &inventory[..], &["--store", STORE]].concat());
        assert!(
            said.contains("3 objects with") && said.contains(&format!("read into {STORE}, 0 known")),
            "{said}"
        );
        assert!(said.contains("of 3 days judged"), "{said}");
    }
    let again = run(
        &here,
        &[&["ingest", logs.path().to_str().unwrap()], &inventory[..], &["--store", STORE]].concat(),
    );
    assert!(again.contains("0 objects with 0 records") && again.contains("6 known already"), "{again}");
    assert!(!cloud.objects.keys(BUCKET).contains(&LOCK.to_owned()), "the lock is released");
    let done: BTreeSet<&str> = cloud.proxy.requests().iter().map(action).collect();
    let granted: BTreeSet<&str> = WRITE_ACTIONS.iter().copied().collect();
    // No file was so large, or failed.
    assert_eq!(done, &granted - &BTreeSet::from(["s3:AbortMultipartUpload"]));

    let truth = truth(logs.path());
    let before = cloud.proxy.requests().len();
    for (machine, store) in [(&here, STORE), (&there, "s3://kept/a/store/"), (&Machine::new(), STORE)] {
        let out = tempfile::tempdir().unwrap();
        let dir = out.path().to_str().unwrap();
        run(machine, &[&["analyze", store], &inventory[..], &["--quiet", "--out", dir]].concat());
        assert!(read_said(out.path()) == truth, "{store}");
    }
    let read: BTreeSet<&str> = cloud.proxy.requests()[before..].iter().map(action).collect();
    assert_eq!(read, READ_ACTIONS.iter().copied().collect());
    let info = run(&there, &["store", "info", "--store", STORE]);
    assert!(info.contains("6 objects of 1 flow log") && info.contains("2026-03-01 to 2026-03-03"), "{info}");

    // Of the other commands, that they read the same.
    let local = tempfile::tempdir().unwrap();
    let store = local.path().join("store");
    let store = store.to_str().unwrap();
    flowgate(
        &here,
        &[&["ingest", logs.path().to_str().unwrap()], &inventory[..], &["--store", store]].concat(),
    );
    for command in ["tighten", "replay"] {
        let more: &[&str] = match command {
            "replay" => &["--proposed", inventory[1]],
            _ => &[],
        };
        let of = |store: &str, aws: &[&str]| {
            let output = flowgate(&there, &[&[command, store], &inventory[..], more, aws].concat());
            assert!(matches!(output.status.code(), Some(0 | 1)), "{command} {}", text(&output.stderr));
            text(&output.stdout).replace(store, "STORE")
        };
        assert_eq!(of(STORE, &aws), of(store, &[]), "{command}");
    }
}

#[test]
fn what_is_here_is_not_fetched_again_and_what_is_not_needed_not_at_all() {
    let (cloud, logs, writer) = (Cloud::new(), logs(), Machine::new());
    let endpoint = cloud.proxy.url();
    writer.ingest(&endpoint, &[logs.path()]).unwrap();
    let fetched = |act: &dyn Fn()| {
        let before = cloud.proxy.requests().len();
        act();
        let requests = cloud.proxy.requests()[before..].to_vec();
        requests
            .into_iter()
            .map(|request| match request.is_list() {
                true => "list".to_owned(),
                false => request.key.strip_prefix("a/store/").unwrap().to_owned(),
            })
            .collect::<Vec<String>>()
    };
    let manifest = || "flowgate-store.json".to_owned();
    // Who wrote has it all: a look whether it is a store, and the manifest.
    assert_eq!(fetched(&|| _ = writer.analyze(&endpoint).unwrap()), [manifest(), manifest()]);

    let reader = Machine::new();
    let folders = |of: &[String]| -> BTreeSet<String> {
        let folder = |path: &String| path.rsplit_once('/').map(|(folder, _)| folder.to_owned());
        of.iter().filter_map(folder).collect()
    };
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let remote = reader.remote(&endpoint);
    let open = |need: &Need| _ = open_store(&place(), &remote, need).unwrap();
    let first = fetched(&|| open(&Need::objects()));
    assert_eq!(folders(&first), set(&["objects"]));
    assert!(first.contains(&"list".to_owned()), "{first:?}");
    let second = 86_400 * 20_514; // 2026-03-02
    let day = fetched(&|| open(&Need::records((Some(second + 60), Some(second + 86_400)))));
    assert_eq!(folders(&day), set(&["contexts", "records/dt=2026-03-02"]));
    assert!(!day.contains(&"list".to_owned()), "the manifest is the same: {day:?}");
    let mut whole = reader.config(&endpoint, vec![Input::Store(place())]);
    let rest = fetched(&|| _ = said(&whole).unwrap());
    assert_eq!(folders(&rest), set(&["records/dt=2026-03-01", "records/dt=2026-03-03"]));
    whole.remote.max_requests = 1;
    assert_eq!(fetched(&|| _ = said(&whole).unwrap()), [manifest()]);
    // A file that was cut short here is fetched again, and what the length does not show can't happen by itself.
    let copied = reader.copied();
    fs::write(&copied[0], "cut").unwrap();
    assert_eq!(fetched(&|| _ = said(&whole).unwrap()).len(), 2);
}

#[test]
fn logs_in_s3_and_a_store_in_s3() {
    let (cloud, logs, machine) = (Cloud::new(), logs(), Machine::new());
    for path in files(logs.path()) {
        let key = path.strip_prefix(logs.path()).unwrap().to_str().unwrap().to_owned();
        cloud.objects.put("logs", &key, fs::read(&path).unwrap());
    }
    let endpoint = cloud.proxy.url();
    let source = || vec![Input::S3(S3Url::parse("s3://logs/").unwrap().unwrap())];
    let ingested =
        ingest(&machine.config(&endpoint, source()), &place(), &IngestOptions::default(), &Silent).unwrap();
    assert_eq!((ingested.objects, ingested.problems), (6, Vec::<String>::new()));
    assert!(machine.analyze(&endpoint).unwrap() == truth(logs.path()));
    // A store is no source of one, also if only the bucket tells what it is.
    let store = vec![Input::S3(super::support::url())];
    let other = StorePlace::S3(S3Url::parse("s3://kept/other").unwrap().unwrap());
    let error =
        ingest(&machine.config(&endpoint, store), &other, &IngestOptions::default(), &Silent).unwrap_err();
    assert_eq!(told(&error), format!("{STORE}: is a store = name the logs it was made of"));
}

#[test]
fn large_files_go_up_in_parts() {
    let (cloud, logs, machine) = (Cloud::new(), logs(), Machine::new());
    let endpoint = cloud.proxy.url();
    let mut config = machine.config(&endpoint, vec![Input::Local(logs.path().to_owned())]);
    config.remote.part_bytes = 1000;
    ingest(&config, &place(), &IngestOptions::default(), &Silent).unwrap();
    let parts = cloud.proxy.requests().iter().filter(|r| r.query.contains_key("partNumber")).count();
    assert!(parts > 50, "{parts}");
    assert_eq!(cloud.objects.uploads(), 0);
    cloud.assert_no_garbage();
    // What they became has a checksum of the whole, which another machine compares.
    assert!(Machine::new().analyze(&endpoint).unwrap() == truth(logs.path()));
}

#[test]
fn copies_of_local_stores_are_stores_and_the_other_way_round() {
    let (cloud, logs, machine) = (Cloud::new(), logs(), Machine::new());
    let local = tempfile::tempdir().unwrap();
    let (all, endpoint) = (files(logs.path()), cloud.proxy.url());
    let put = |directory: &Path| {
        for path in files(directory) {
            let key = format!("a/store/{}", path.strip_prefix(directory).unwrap().to_str().unwrap());
            cloud.objects.put(BUCKET, &key, fs::read(&path).unwrap());
        }
    };
    let make = |name: &str, logs: &[PathBuf]| {
        let store = local.path().join(name);
        let inputs = logs.iter().map(|path| Input::Local(path.clone())).collect();
        let place = StorePlace::Directory(store.clone());
        ingest(&machine.config("", inputs), &place, &IngestOptions::default(), &Silent).unwrap();
        store
    };
    let of = |logs: &[PathBuf]| {
        said(&Machine::new().config("", logs.iter().map(|path| Input::Local(path.clone())).collect()))
            .unwrap()
    };
    // `aws s3 sync`, with the lock that was forgotten.
    put(&make("first", &all[..3]));
    assert!(machine.analyze(&endpoint).unwrap() == of(&all[..3]));
    machine.ingest(&endpoint, &[&all[3], &all[4]]).unwrap();
    assert!(machine.analyze(&endpoint).unwrap() == of(&all[..5]));
    // And back.
    let back = local.path().join("back");
    for key in cloud.objects.keys(BUCKET) {
        let path = back.join(key.strip_prefix("a/store/").unwrap());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, cloud.objects.bytes(BUCKET, &key)).unwrap();
    }
    let inputs = vec![Input::Store(StorePlace::Directory(back))];
    assert!(said(&machine.config("", inputs)).unwrap() == of(&all[..5]));

    // Another store in its place, of files that have the same names: what was fetched of the first counts no more.
    for key in cloud.objects.keys(BUCKET) {
        cloud.objects.delete(BUCKET, &key);
    }
    put(&make("second", &all[3..6]));
    assert!(machine.analyze(&endpoint).unwrap() == of(&all[3..6]));
}

#[test]
fn pruned_days_go_and_what_nobody_names_any_more_goes_when_it_is_old() {
    let (cloud, logs, machine) = (Cloud::new(), logs(), Machine::new());
    let endpoint = cloud.proxy.url();
    let other = Machine::new();
    machine.ingest(&endpoint, &[logs.path()]).unwrap();
    other.analyze(&endpoint).unwrap();
    let first_day = |machine: &Machine| {
        machine.copied().iter().filter(|path| path.to_string_lossy().contains("dt=2026-03-01")).count()
    };
    assert!(first_day(&other) > 0);
    let before = 20_514; // 2026-03-02
    let (gone, _) = prune(&place(), &machine.remote(&endpoint), &Disk::default(), before).unwrap();
    assert!(gone >= 2, "{gone}");
    let (_, others) = cloud.named_and_others();
    assert_eq!(others.len() as u64, 1 + gone, "they may still be read by somebody");
    assert!(others.iter().all(|key| key == MANIFEST || key.contains("dt=2026-03-01")), "{others:?}");
    let said = other.analyze(&endpoint).unwrap();
    assert_eq!(first_day(&other), 0, "what was pruned leaves the copy");
    assert!(machine.analyze(&endpoint).unwrap() == said);

    // What others put there is nobody's business; old garbage of ours is.
    let foreign =
        ["a/store/notes.txt", "a/store/records/mine.parquet", "a/storeroom/records/00000001.parquet"];
    for key in foreign {
        cloud.objects.put(BUCKET, key, "mine");
    }
    for key in others.iter().filter(|key| *key != MANIFEST) {
        cloud.objects.age(BUCKET, key);
    }
    let mut remote = machine.remote(&endpoint);
    prune(&place(), &remote, &Disk::default(), before).unwrap();
    let left: BTreeSet<String> = cloud.named_and_others().1;
    let mut expected: BTreeSet<String> = foreign.iter().map(|key| (*key).to_owned()).collect();
    expected.insert(MANIFEST.to_owned());
    // Objects that tests put are as old as can be.
    assert_eq!(left, expected);
    // The clock decides: five hours are not enough, seven are.
    for (hours, stays) in [(5, true), (7, false)] {
        put_now(&endpoint, "records/dt=2026-03-01/00000009-def.parquet", b"of a run that was killed");
        remote.now = super::support::now() + hours * 3600;
        prune(&place(), &remote, &Disk::default(), before).unwrap();
        let there = cloud.objects.keys(BUCKET).iter().any(|key| key.ends_with("00000009-def.parquet"));
        assert_eq!(there, stays, "{hours}");
    }
}
