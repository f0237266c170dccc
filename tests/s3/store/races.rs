//! Two that write, and those who read meanwhile.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use flowgate::mirror::{Writing, open_to_write};
use flowgate::pipeline::{AnalyzeError, Silent};
use flowgate::store::{Need, NewRecords, ObjectRow, StoreError, StoreWriter};
use serde_json::Value;

use super::support::{BUCKET, Cloud, LOCK, MANIFEST, Machine, STORE, files, logs, said, told, truth, url};
use crate::fault::{Cut, Fault};
use crate::proxy::Request;

fn open(machine: &Machine, endpoint: &str) -> Result<(StoreWriter, Writing), StoreError> {
    open_to_write(&url(), &machine.options(endpoint), true, &Need::objects())
}

fn refused(result: Result<(StoreWriter, Writing), StoreError>) -> String {
    told(&AnalyzeError::from(result.err().unwrap()))
}

/// Commits an object of this name, and nothing else.
fn commit(writer: &mut StoreWriter, name: &str) -> Result<(), StoreError> {
    let id = writer.store().manifest().next_object;
    let row = ObjectRow { id, name: name.to_owned(), location: name.to_owned(), ..ObjectRow::default() };
    writer.commit_records(NewRecords { objects: vec![row], ..NewRecords::default() }, BTreeSet::new())
}

/// Names of the objects that a new machine finds in the store.
fn names(endpoint: &str) -> Vec<String> {
    let machine = Machine::new();
    let store = flowgate::mirror::open(&url(), &machine.options(endpoint), &Need::objects()).unwrap();
    let mut names = Vec::new();
    store.each_object(|row| names.push(row.name)).unwrap();
    names
}

#[test]
fn a_second_writer_is_refused_early_and_told_who_is_first() {
    let cloud = Cloud::new();
    let endpoint = cloud.proxy.url();
    let (one, two) = (Machine::new(), Machine::new());
    let first = open(&one, &endpoint).unwrap();
    let lock: Value = serde_json::from_slice(&cloud.objects.bytes(BUCKET, LOCK)).unwrap();
    let process = format!("process {}", std::process::id());
    assert!(lock["holder"].as_str().unwrap().starts_with(&process), "{lock}");
    let error = refused(open(&two, &endpoint));
    assert!(error.starts_with(&format!("{STORE}: another run writes to this store ({process}")), "{error}");
    assert!(error.contains("its lock expires after 10 minutes"), "{error}");
    // On the same machine the system knows.
    let error = refused(open(&one, &endpoint));
    assert!(error.starts_with(&format!("{STORE}: another run writes to this store ({process}")), "{error}");
    let error = told(&two.ingest(&endpoint, &[logs().path()]).unwrap_err());
    assert!(error.contains("another run writes"), "{error}");
    drop(first);
    assert_eq!(cloud.objects.keys(BUCKET), [""; 0], "nothing is left");
    let (mut writer, writing) = open(&two, &endpoint).unwrap();
    commit(&mut writer, "a").unwrap();
    drop((writer, writing));
    assert_eq!(names(&endpoint), ["a"]);
    cloud.assert_no_garbage();
}

#[test]
fn what_a_dead_run_left_is_taken_over_and_if_it_lives_it_is_told() {
    let cloud = Cloud::new();
    let endpoint = cloud.proxy.url();
    let (one, two, three) = (Machine::new(), Machine::new(), Machine::new());
    let (mut writer, writing) = open(&one, &endpoint).unwrap();
    commit(&mut writer, "before").unwrap();
    // Nothing was heard of it for ten minutes.
    cloud.objects.age(BUCKET, LOCK);
    let (mut second, second_writing) = open(&two, &endpoint).unwrap();
    // Only one takes it over.
    assert!(refused(open(&three, &endpoint)).contains("another run writes"));
    let error = told(&AnalyzeError::from(commit(&mut writer, "late").unwrap_err()));
    assert!(error.contains("nothing was heard of this run for too long"), "{error}");
    assert!(error.contains("nothing is lost"), "{error}");
    commit(&mut second, "second").unwrap();
    assert!(commit(&mut writer, "later still").is_err());
    drop((writer, writing));
    assert!(cloud.objects.keys(BUCKET).contains(&LOCK.to_owned()), "it is not the first's to remove");
    drop((second, second_writing));
    assert_eq!(names(&endpoint), ["before", "second"]);
    assert!(!cloud.objects.keys(BUCKET).contains(&LOCK.to_owned()));
}

#[test]
fn the_lock_of_a_run_that_died_on_this_machine_holds_nobody_up() {
    let cloud = Cloud::new();
    let endpoint = cloud.proxy.url();
    let (one, two) = (Machine::new(), Machine::new());
    let held = open(&one, &endpoint).unwrap();
    let text = cloud.objects.bytes(BUCKET, LOCK);
    drop(held);
    // As if it had been killed, a moment ago.
    cloud.objects.put(BUCKET, LOCK, text);
    let young = |cloud: &Cloud| {
        let bytes = cloud.objects.bytes(BUCKET, LOCK);
        super::support::put_now(&cloud.proxy.url(), "flowgate-store.lock", &bytes);
    };
    young(&cloud);
    assert!(refused(open(&two, &endpoint)).contains("another run writes"));
    let (mut writer, writing) = open(&one, &endpoint).unwrap();
    commit(&mut writer, "a").unwrap();
    drop((writer, writing));
    assert_eq!(names(&endpoint), ["a"]);
}

#[test]
fn whoever_ignores_the_lock_is_stopped_by_the_manifest() {
    for new in [false, true] {
        let cloud = Cloud::new();
        let endpoint = cloud.proxy.url();
        let (one, two) = (Machine::new(), Machine::new());
        if !new {
            let (mut writer, _writing) = open(&one, &endpoint).unwrap();
            commit(&mut writer, "base").unwrap();
        }
        let (mut first, first_writing) = open(&one, &endpoint).unwrap();
        cloud.objects.delete(BUCKET, LOCK);
        let (mut second, second_writing) = open(&two, &endpoint).unwrap();
        commit(&mut second, "second").unwrap();
        let kept = cloud.objects.bytes(BUCKET, MANIFEST);
        // The first believes that the lock is its own: what it finds there tells it otherwise only if it looks.
        let ours = format!("process {}", std::process::id());
        assert!(String::from_utf8_lossy(&cloud.objects.bytes(BUCKET, LOCK)).contains(&ours));
        assert!(commit(&mut first, "first").is_err());
        assert_eq!(cloud.objects.bytes(BUCKET, MANIFEST), kept);
        drop((first, first_writing, second, second_writing));
        let expected: &[&str] = if new { &["second"] } else { &["base", "second"] };
        assert_eq!(names(&endpoint), expected);
    }
}

#[test]
fn a_manifest_that_changed_behind_the_lock_refuses_the_commit() {
    let cloud = Cloud::new();
    let endpoint = cloud.proxy.url();
    let machine = Machine::new();
    let (mut writer, writing) = open(&machine, &endpoint).unwrap();
    commit(&mut writer, "a").unwrap();
    // Somebody copies another store to the same place (`aws s3 sync`).
    let text = String::from_utf8(cloud.objects.bytes(BUCKET, MANIFEST).to_vec()).unwrap();
    cloud.objects.put(BUCKET, MANIFEST, text.replace("\"generation\": 1", "\"generation\": 7"));
    let error = told(&AnalyzeError::from(commit(&mut writer, "b").unwrap_err()));
    assert!(
        error.starts_with(&format!("{STORE}: another run wrote to this store in the meantime")),
        "{error}"
    );
    drop((writer, writing));
    assert_eq!(names(&endpoint), ["a"]);
    let left: Vec<String> = cloud.named_and_others().1.into_iter().filter(|key| key != MANIFEST).collect();
    assert_eq!(left.len(), 1, "what it sent up is garbage: {left:?}");
    // And so is a manifest that is gone.
    let (mut writer, writing) = open(&machine, &endpoint).unwrap();
    cloud.objects.delete(BUCKET, MANIFEST);
    assert!(told(&AnalyzeError::from(commit(&mut writer, "c").unwrap_err())).contains("in the meantime"));
    drop((writer, writing));
}

#[test]
fn two_whole_ingests_at_once_end_as_one_after_the_other() {
    let (cloud, logs) = (Cloud::new(), logs());
    let all = files(logs.path());
    let endpoint = cloud.proxy.url();
    let machines: Vec<Machine> = (0..4).map(|_| Machine::new()).collect();
    let outcomes: Vec<Result<u64, String>> = std::thread::scope(|scope| {
        let runs: Vec<_> = machines
            .iter()
            .zip(0..)
            .map(|(machine, n)| {
                let (all, endpoint) = (&all, &endpoint);
                scope.spawn(move || {
                    let ingested = machine.ingest(endpoint, &[&all[n], &all[n + 1], &all[n + 2]]);
                    ingested.map(|ingested| ingested.objects).map_err(|error| told(&error))
                })
            })
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert!(outcomes.iter().any(Result::is_ok), "{outcomes:?}");
    for error in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        assert!(error.contains("another run writes to this store"), "{error}");
    }
    // Whatever each did, the store is whole, and the rest comes with the next.
    machines[0].ingest(&endpoint, &[logs.path()]).unwrap();
    assert!(machines[1].analyze(&endpoint).unwrap() == truth(logs.path()));
    cloud.assert_no_garbage_but_tables();
}

#[test]
fn answers_that_are_lost_are_no_races() {
    // Of each request that changes something, the first answer is lost after it was done.
    let lost = Arc::new(Mutex::new(BTreeSet::new()));
    let of_script = Arc::clone(&lost);
    let objects = Cloud::new().objects.fork();
    let cloud = Cloud::of(
        objects,
        Box::new(move |request: &Request| {
            let first = request.method != "GET" && of_script.lock().unwrap().insert(request.about());
            if first { vec![Fault::Cut(Cut::InHead)] } else { Vec::new() }
        }),
    );
    let (logs, machine) = (logs(), Machine::new());
    let endpoint = cloud.proxy.url();
    let mut config = machine.config(&endpoint, vec![flowgate::Input::Local(logs.path().to_owned())]);
    config.remote.part_bytes = 20_000;
    let options = flowgate::pipeline::IngestOptions::default();
    flowgate::pipeline::ingest(&config, &super::support::place(), &options, &Silent).unwrap();
    assert!(lost.lock().unwrap().len() > 10);
    cloud.assert_no_garbage();
    assert!(machine.analyze(&endpoint).unwrap() == truth(logs.path()));
}

#[test]
fn who_reads_while_another_commits_reads_the_store_as_it_was_or_is() {
    let (plain, logs, writer) = (Cloud::new(), logs(), Machine::new());
    let all = files(logs.path());
    writer.ingest(&plain.proxy.url(), &[&all[0], &all[1]]).unwrap();
    // When the reader asks for the first file, a commit has been made, and all that it replaced is gone at once.
    let (objects, endpoint) = (plain.objects.clone(), plain.proxy.url());
    let (second, mut done) = (all[2].clone(), false);
    let script = move |request: &Request| {
        if !done && request.key.ends_with(".parquet") {
            done = true;
            Machine::new().ingest(&endpoint, &[&second]).unwrap();
            let named = String::from_utf8(objects.bytes(BUCKET, MANIFEST).to_vec()).unwrap();
            for key in objects.keys(BUCKET).iter().filter(|key| key.ends_with(".parquet")) {
                if !named.contains(key.strip_prefix("a/store/").unwrap()) {
                    objects.delete(BUCKET, key);
                }
            }
            // What the reader asks for is of the past.
            return vec![Fault::refuse(404, "NoSuchKey", "The specified key does not exist.")];
        }
        Vec::new()
    };
    let cloud = Cloud::of(plain.objects.clone(), Box::new(script));
    let reader = Machine::new();
    let config =
        reader.config("", all[..3].iter().map(|path| flowgate::Input::Local(path.clone())).collect());
    let mut patient = reader.config(&cloud.proxy.url(), vec![flowgate::Input::S3(url())]);
    patient.remote.connect.read_timeout = std::time::Duration::from_secs(60);
    assert!(said(&patient).unwrap() == said(&config).unwrap());
    let manifests = cloud.proxy.requests().iter().filter(|request| request.key == MANIFEST).count();
    assert!(manifests >= 3, "it began anew: {manifests}");
}
