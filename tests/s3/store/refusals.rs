//! What can't be done, and what is said then.

use std::fs;
use std::process::Command;

use flowgate::pipeline::{AnalyzeError, open_store, prune};
use flowgate::store::{Disk, Need};

use super::support::{
    BUCKET, Cloud, LOCK, MANIFEST, Machine, STORE, files, inventory, logs, place, told, truth,
};
use crate::fault::Fault;
use crate::proxy::Request;

fn refusing(cloud: &Cloud, of: impl Fn(&Request) -> bool + Send + 'static, fault: fn() -> Fault) -> Cloud {
    let script = move |request: &Request| if of(request) { vec![fault()] } else { Vec::new() };
    Cloud::of(cloud.objects.clone(), Box::new(script))
}

fn denied() -> Fault {
    Fault::refuse(403, "AccessDenied", "Access Denied")
}

#[test]
fn missing_permissions_are_named() {
    let (cloud, logs) = (Cloud::new(), logs());
    let one = files(logs.path()).remove(0);
    let ingest = |cloud: &Cloud| told(&Machine::new().ingest(&cloud.proxy.url(), &[&one]).unwrap_err());
    let objects = "arn:aws:s3:::kept/a/store/*";

    let error = ingest(&refusing(&cloud, |request| request.method == "PUT", denied));
    assert!(
        error.starts_with("s3://kept/a/store/flowgate-store.lock: AccessDenied: Access Denied"),
        "{error}"
    );
    assert!(error.ends_with(&format!("= allow s3:PutObject on {objects}")), "{error}");
    let error = ingest(&refusing(&cloud, Request::is_list, denied));
    assert!(error.ends_with("= allow s3:ListBucket on arn:aws:s3:::kept"), "{error}");
    let error = ingest(&refusing(&cloud, |request| request.method == "GET", denied));
    assert!(error.starts_with("s3://kept/a/store/flowgate-store.json: AccessDenied"), "{error}");
    assert!(
        error
            .ends_with(&format!("= allow s3:GetObject on {objects}, and s3:ListBucket on arn:aws:s3:::kept")),
        "{error}"
    );
    // The proxy refuses what the server did: the lock is there.
    assert_eq!(cloud.objects.keys(BUCKET), [LOCK]);
    cloud.objects.delete(BUCKET, LOCK);

    Machine::new().ingest(&cloud.proxy.url(), &[&one]).unwrap();
    cloud.objects.put(BUCKET, "a/store/records/dt=2026-03-01/00000001-old.parquet", "garbage");
    let error = ingest(&refusing(&cloud, |request| request.method == "DELETE", denied));
    assert!(error.ends_with(&format!("= allow s3:DeleteObject on {objects}")), "{error}");
    let kms = || Fault::refuse(403, "AccessDenied", "not authorized to perform: kms:GenerateDataKey on key");
    let error = ingest(&refusing(&cloud, |request| request.method == "PUT", kms));
    assert!(error.contains("= allow kms:GenerateDataKey and kms:Decrypt"), "{error}");
    let read = refusing(&cloud, |request| request.key.contains("/records/"), denied);
    let error = told(&Machine::new().analyze(&read.proxy.url()).unwrap_err());
    assert!(error.starts_with("s3://kept/a/store/records/dt=2026-03-01/"), "{error}");
    assert!(error.contains("allow s3:GetObject"), "{error}");
}

#[test]
fn buckets_that_are_not_there_or_elsewhere() {
    let (cloud, logs) = (Cloud::new(), logs());
    let one = files(logs.path()).remove(0);
    let nothing = Cloud::of(crate::server::Store::default(), Box::new(|_| Vec::new()));
    let error = told(&Machine::new().ingest(&nothing.proxy.url(), &[&one]).unwrap_err());
    assert!(error.contains("NoSuchBucket") && error.ends_with("= check the bucket's name"), "{error}");
    let open = |endpoint: &str| open_store(&place(), &Machine::new().remote(endpoint), &Need::nothing());
    let error = told(&AnalyzeError::from(open(&cloud.proxy.url()).unwrap_err()));
    assert!(error.starts_with(&format!("{STORE}: there is no store = make one with")), "{error}");
    let pruned = prune(&place(), &Machine::new().remote(&cloud.proxy.url()), &Disk::default(), 1);
    assert!(told(&AnalyzeError::from(pruned.unwrap_err())).contains("there is no store"));
    assert_eq!(cloud.objects.keys(BUCKET), [""; 0], "not even a lock");

    // In another region, which S3 names: whoever reads and whoever writes finds it once.
    let mut seen = std::collections::BTreeSet::new();
    let elsewhere = Cloud::of(
        cloud.objects.clone(),
        Box::new(move |request: &Request| match seen.insert(request.method.clone()) {
            true => vec![Fault::elsewhere(301, "PermanentRedirect", "ap-southeast-2")],
            false => Vec::new(),
        }),
    );
    let machine = Machine::new();
    machine.ingest(&elsewhere.proxy.url(), &[&one]).unwrap_or_else(|error| panic!("{}", told(&error)));
    assert!(machine.analyze(&cloud.proxy.url()).unwrap() == truth(&one));
    let always = refusing(&cloud, |_| true, || Fault::elsewhere(301, "PermanentRedirect", "eu-west-1"));
    let error = told(&machine.ingest(&always.proxy.url(), &[&one]).unwrap_err());
    assert!(error.contains("PermanentRedirect"), "{error}");
}

#[test]
fn services_that_take_no_notice_of_conditions() {
    let (cloud, logs) = (Cloud::new(), logs());
    let one = files(logs.path()).remove(0);
    let deaf = refusing(&cloud, |_| true, || Fault::IgnoreMatch);
    let error = told(&Machine::new().ingest(&deaf.proxy.url(), &[&one]).unwrap_err());
    assert!(error.contains("takes no notice of conditions of writes (If-None-Match)"), "{error}");
    assert!(error.contains("= ingest into a directory, and copy it: `aws s3 sync"), "{error}");
    let without = refusing(
        &cloud,
        |request| request.header("if-none-match").is_some(),
        || {
            Fault::refuse(
                501,
                "NotImplemented",
                "A header you provided implies functionality that is not implemented",
            )
        },
    );
    // It was not made, either.
    let error = told(&Machine::new().ingest(&without.proxy.url(), &[&one]).unwrap_err());
    assert!(error.contains("takes no notice of conditions"), "{error}");
    let keys = cloud.objects.keys(BUCKET);
    assert!(!keys.iter().any(|key| key == MANIFEST || key.ends_with(".parquet")), "{keys:?}");
}

#[test]
fn something_else_lies_there() {
    let (cloud, logs) = (Cloud::new(), logs());
    let one = files(logs.path()).remove(0);
    cloud.objects.put(BUCKET, "a/store/records/mine.parquet", "mine");
    let error = told(&Machine::new().ingest(&cloud.proxy.url(), &[&one]).unwrap_err());
    assert!(
        error.starts_with(&format!("{STORE}: is no store, and not empty: it holds `records/mine.parquet`")),
        "{error}"
    );
    assert_eq!(cloud.objects.keys(BUCKET), ["a/store/records/mine.parquet"]);
}

#[test]
fn damage_is_told_and_nothing_concluded() {
    let (cloud, logs) = (Cloud::new(), logs());
    let (endpoint, machine) = (cloud.proxy.url(), Machine::new());
    machine.ingest(&endpoint, &[logs.path()]).unwrap();
    let sound = cloud.objects.bytes(BUCKET, MANIFEST);
    let text = String::from_utf8(sound.to_vec()).unwrap();
    let all = |expected: &str| {
        for machine in [&machine, &Machine::new()] {
            let error = told(&machine.analyze(&endpoint).unwrap_err());
            assert!(error.contains(expected), "{error}");
            let error = told(&machine.ingest(&endpoint, &[logs.path()]).unwrap_err());
            assert!(error.contains(expected), "{error}");
            let opened = open_store(&place(), &machine.remote(&endpoint), &Need::objects());
            assert!(told(&AnalyzeError::from(opened.unwrap_err())).contains(expected));
        }
    };
    for (from, to, expected) in [
        ("\"version\": 1", "\"version\": 2", "schema version 2; this program knows versions up to 1"),
        (
            "flowgate.store",
            "other.store",
            "s3://kept/a/store/flowgate-store.json: the store is damaged: it is of the format",
        ),
        ("\"objects/", "\"../objects/", "it names `../objects/"),
    ] {
        cloud.objects.put(BUCKET, MANIFEST, text.replacen(from, to, 1));
        all(expected);
    }
    cloud.objects.put(BUCKET, MANIFEST, sound.slice(..sound.len() / 2));
    all("the store is damaged");
    // The manifest is another than before, so that the bucket is looked through.
    cloud.objects.put(BUCKET, MANIFEST, text.replacen("\"generation\"", " \"generation\"", 1));
    let records = cloud.named_and_others().0.into_iter().find(|key| key.contains("/records/")).unwrap();
    let bytes = cloud.objects.bytes(BUCKET, &records);
    cloud.objects.put(BUCKET, &records, bytes.slice(..100));
    all("it has 100 bytes in place of");
    cloud.objects.delete(BUCKET, &records);
    all(&format!("s3://{BUCKET}/{records}: the store is damaged: the file is missing"));
}

#[test]
fn a_copy_needs_a_place() {
    let (cloud, logs) = (Cloud::new(), logs());
    let endpoint = cloud.proxy.url();
    let run = |environment: &[(&str, &str)], more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flowgate"));
        command.env_clear().env("LC_ALL", "C.UTF-8").env("AWS_REGION", "eu-west-1");
        command.env("AWS_EC2_METADATA_DISABLED", "true").envs(environment.iter().copied());
        command.arg("ingest").arg(logs.path()).arg("--inventory").arg(inventory());
        command.args(["--store", STORE, "--no-sign-request", "--endpoint-url", &endpoint]).args(more);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
        (output.status.code(), said)
    };
    let (code, said) = run(&[], &[]);
    assert_eq!(code, Some(3));
    assert!(said.contains("there is no place for a copy of its files: no home directory is known"), "{said}");
    assert!(said.contains("--store-cache"), "{said}");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "mine").unwrap();
    let (code, said) = run(&[("HOME", file.to_str().unwrap())], &[]);
    assert_eq!(code, Some(3));
    assert!(said.contains("a copy of s3://kept/a/store can't be kept there"), "{said}");
    assert_eq!(cloud.objects.keys(BUCKET), [""; 0], "nothing was begun");
    // The variable, and the option.
    let (of_variable, of_option) = (directory.path().join("variable"), directory.path().join("option"));
    let (code, said) = run(&[("FLOWGATE_STORE_CACHE", of_variable.to_str().unwrap())], &[]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = run(&[], &["--store-cache", of_option.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    for place in [of_variable, of_option] {
        assert!(files(&place).iter().any(|path| path.ends_with("flowgate-copy.json")), "{place:?}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let copy = fs::read_dir(&place).unwrap().next().unwrap().unwrap().path();
            let mode = fs::metadata(copy).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "nobody else's business");
        }
    }
    // What is no place at all.
    let output = Command::new(env!("CARGO_BIN_EXE_flowgate"))
        .env_clear()
        .args(["store", "info", "--store", "s3://no bucket/x"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("--store s3://no bucket/x: `no bucket` is no bucket name"), "{said}");
}
