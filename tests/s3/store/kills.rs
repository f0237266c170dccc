//! Killed at any point and run again, here or on another machine: the same store.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::support::{
    BUCKET, Cloud, LOCK, MANIFEST, Machine, STORE, Said, files, inventory, logs, said, told, truth,
};
use flowgate::Input;

/// True if the program was killed at this step.
fn die_at(step: u64, machine: &Machine, cloud: &Cloud, logs: &Path) -> bool {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowgate"));
    command.env_clear().env("LC_ALL", "C.UTF-8").env("AWS_REGION", "eu-west-1");
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("FLOWGATE_TEST_ABORT_AT_STEP", step.to_string());
    command.arg("ingest").arg(logs).arg("--inventory").arg(inventory());
    command.args(["--store", STORE, "--no-sign-request", "--endpoint-url", &cloud.proxy.url()]);
    command.arg("--store-cache").arg(machine.home.path().join("stores")).args(["--quiet", "--threads", "2"]);
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(status.success() || status.signal().is_some(), "{status}");
    status.signal().is_some()
}

#[test]
fn killed_at_every_kind_of_step() {
    let logs = logs();
    let all = files(logs.path());
    let whole = truth(logs.path());
    let inputs = all[..2].iter().map(|path| Input::Local(path.clone())).collect();
    let first: Said = said(&Machine::new().config("", inputs)).unwrap();
    let base = Cloud::new();
    Machine::new().ingest(&base.proxy.url(), &[&all[0], &all[1]]).unwrap();
    let mut steps = 0;
    for of_new in [true, false] {
        let begin = || match of_new {
            true => Cloud::new(),
            false => Cloud::of(base.objects.fork(), Box::new(|_| Vec::new())),
        };
        // Steps of an undisturbed run: the last at which it can die.
        let (mut low, mut high) = (1, 1 << 10);
        while low < high {
            let middle = (low + high) / 2;
            if die_at(middle, &Machine::new(), &begin(), logs.path()) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let last = low - 1;
        assert!((30..900).contains(&last), "{last} steps");
        steps += last;
        // The last steps are those of the second commit; of the others every fifth.
        let chosen = (1..=last).filter(|step| last - step < 12 || step % 5 == 0);
        for (n, step) in chosen.enumerate() {
            let about = format!("{of_new} step {step} of {last}");
            let (cloud, machine) = (begin(), Machine::new());
            let killed = die_at(step, &machine, &cloud, logs.path());
            let keys = cloud.objects.keys(BUCKET);
            let endpoint = cloud.proxy.url();
            match keys.iter().any(|key| key == MANIFEST) {
                true => {
                    let there = Machine::new().analyze(&endpoint).unwrap();
                    assert!(
                        there == whole || (!of_new && there == first),
                        "{about}: neither before nor after"
                    );
                }
                false => assert!(of_new, "{about}: the manifest is gone"),
            }
            let other = Machine::new();
            let next = if n % 2 == 0 {
                // On this machine at once.
                &machine
            } else {
                if keys.iter().any(|key| key == LOCK) {
                    assert!(killed, "{about}");
                    let error = told(&other.ingest(&endpoint, &[logs.path()]).unwrap_err());
                    assert!(error.contains("another run writes to this store (process "), "{about}: {error}");
                    cloud.objects.age(BUCKET, LOCK);
                }
                &other
            };
            let ingested =
                next.ingest(&endpoint, &[logs.path()]).unwrap_or_else(|e| panic!("{about}: {}", told(&e)));
            assert_eq!(ingested.objects + ingested.known, 6, "{about}");
            assert!(Machine::new().analyze(&endpoint).unwrap() == whole, "{about}");
            assert!(!cloud.objects.keys(BUCKET).contains(&LOCK.to_owned()), "{about}");
        }
    }
    assert!(steps > 80, "{steps}");
}
