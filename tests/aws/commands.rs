//! `flowgate inventory commands`: the script, run by bash with an `aws` of our own.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flowgate::inventory::commands::{Commands, script};
use flowgate::inventory::live::{CALLS, Call, ENTRIES};
use flowgate::inventory::{LoadOptions, Loaded, check, load};

const AT: &str = "2026-11-22T12-00-00Z";
const ACCOUNT: &str = "123456789012";
const REGION: &str = "eu-west-1";

/// Answers from the dumps in $FIXTURES, writes its arguments to $LOG, and refuses the operation $REFUSE with $CODE.
const AWS: &str = r#"#!/bin/sh
for word in "$@"; do printf '%s\037' "$word" >>"$LOG"; done
printf '\036' >>"$LOG"
case "$1 $2" in
    'sts get-caller-identity') echo 123456789012; exit ;;
    'configure get') echo eu-west-1; exit ;;
esac
name=$2
for word in "$@"; do
    case $word in
        --prefix-list-id=*) name=$name-${word#*=} ;;
        --query=*)
            sed -n 's/.*"PrefixListId": "\(.*\)".*/\1/p' "$FIXTURES/$2.json" | tr '\n' '\t'
            exit ;;
    esac
done
if [ "$name" = "$REFUSE" ]; then
    printf '\nAn error occurred (%s) when calling the %s operation: no\n' "$CODE" "$2" >&2
    exit 254
fi
cat "$FIXTURES/$name.json" || exit 252
"#;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-logs/inventory")
}

/// A directory to run in, with the dumps of the sample and those that it lacks.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("bin")).unwrap();
        fs::write(at("bin/aws"), AWS).unwrap();
        fs::set_permissions(at("bin/aws"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(at("fixtures")).unwrap();
        for entry in fs::read_dir(fixtures()).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, at("fixtures").join(path.file_name().unwrap())).unwrap();
        }
        let none = "{\"SecurityGroupVpcAssociations\": []}";
        fs::write(at("fixtures/describe-security-group-vpc-associations.json"), none).unwrap();
        fs::create_dir(at("here")).unwrap();
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn run(&self, commands: &Commands, environment: &[(&str, &str)]) -> Output {
        fs::write(self.path("script"), script(commands)).unwrap();
        let path = std::env::var("PATH").unwrap();
        Command::new("bash")
            .arg(self.path("script"))
            .arg(AT)
            .current_dir(self.path("here"))
            .env_clear()
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("FIXTURES", self.path("fixtures"))
            .env("LOG", self.path("log"))
            .env("REFUSE", "")
            .envs(environment.iter().copied())
            .output()
            .unwrap()
    }

    /// The words of every call.
    fn calls(&self) -> Vec<Vec<String>> {
        let log = fs::read_to_string(self.path("log")).unwrap();
        let words = |call: &str| call.split_terminator('\u{1f}').map(str::to_owned).collect();
        log.split_terminator('\u{1e}').map(words).collect()
    }

    /// What lies in the directory that the script ran in.
    fn left(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("here")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn commands() -> Commands {
    Commands { regions: vec![REGION.to_owned()], profile: None, out: "inventory".to_owned() }
}

fn loaded(directory: &Path) -> Loaded {
    load(&[directory.to_owned()], &LoadOptions::default()).unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn it_makes_the_directory_that_loads_like_the_dumps() {
    let place = Place::new();
    let ran = place.run(&commands(), &[]);
    assert_eq!(ran.status.code(), Some(0), "{}", told(&ran));
    assert_eq!(told(&ran), format!("wrote inventory/{AT}/{ACCOUNT}\n"));
    let made = place.path("here/inventory").join(AT).join(ACCOUNT).join(REGION);

    // The same files as `inventory fetch` writes.
    let mut names: Vec<String> =
        fs::read_dir(&made).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let mut expected: Vec<String> = CALLS.iter().map(Call::file).collect();
    for list in ["pl-0b2cafe05117a3db0", "pl-6da54004", "pl-6fa54006"] {
        expected.push(format!("{}-{list}.json", ENTRIES.command));
    }
    expected.sort();
    assert_eq!(names, expected);

    let dumps = place.path("dumps").join(AT).join(ACCOUNT).join(REGION);
    fs::create_dir_all(dumps.parent().unwrap()).unwrap();
    fs::rename(place.path("fixtures"), &dumps).unwrap();
    let (theirs, ours) = (loaded(&place.path("dumps")), loaded(&place.path("here/inventory")));
    assert_eq!(ours.timeline, theirs.timeline);
    let [now] = ours.timeline.observations() else { panic!("{:?}", ours.report) };
    assert_eq!(now.observed_at, Some(1_795_348_800));
    assert!(now.security_groups.len() > 5 && now.interfaces.len() > 10, "the sample is there");
}

#[test]
fn no_value_becomes_a_command() {
    let hostile = [
        "'; touch PWNED; '",
        "$(touch PWNED)",
        "`touch PWNED`",
        "\"; touch PWNED; \"",
        "a\ntouch PWNED\n",
        "-x",
        "--help",
        "it's \\ \"quoted\" $HOME *",
        "\\'; touch PWNED #",
        "ü\u{1b}[31m",
    ];
    for value in hostile {
        let place = Place::new();
        // Slashes would be directories.
        let commands = Commands { profile: Some(value.to_owned()), out: value.to_owned(), ..commands() };
        let ran = place.run(&commands, &[("HOME", "/nowhere")]);
        assert_eq!(ran.status.code(), Some(0), "{value:?}: {}", told(&ran));
        assert_eq!(place.left(), [value], "the directory, and nothing else");
        let made = place.path("here").join(value).join(AT).join(ACCOUNT).join(REGION);
        assert!(made.join("describe-vpcs.json").exists(), "{value:?}");
        let profile = format!("--profile={value}");
        assert!(place.calls().iter().all(|call| call.contains(&profile)), "{value:?}: {:?}", place.calls());
    }
    // The command refuses these; what it would print is harmless all the same.
    let place = Place::new();
    let ran = place.run(&Commands { regions: vec!["'; touch PWNED; '".to_owned()], ..commands() }, &[]);
    assert_eq!((ran.status.code(), place.left()), (Some(2), vec![]), "{}", told(&ran));
}

#[test]
fn a_refusal_is_told_and_recorded_or_ends_it() {
    let (denied, throttled) = ("UnauthorizedOperation", "RequestLimitExceeded");
    let used = format!("{}-pl-0b2cafe05117a3db0", ENTRIES.command);
    for (operation, code, exit) in [
        ("describe-network-acls", denied, 4),
        ("describe-managed-prefix-lists", denied, 4),
        ("describe-security-group-vpc-associations", denied, 4),
        ("describe-security-group-vpc-associations", "InvalidAction", 0),
        (used.as_str(), denied, 4),
        ("describe-network-acls", throttled, 3),
        ("describe-security-groups", denied, 3),
        ("describe-security-group-rules", denied, 3),
        ("describe-network-interfaces", denied, 3),
    ] {
        let place = Place::new();
        let ran = place.run(&commands(), &[("REFUSE", operation), ("CODE", code)]);
        let (stderr, what) = (told(&ran), format!("{operation} {code}"));
        assert_eq!(ran.status.code(), Some(exit), "{what}: {stderr}");
        assert!(stderr.contains(&format!("An error occurred ({code})")), "{what}: {stderr}");
        let out = place.path("here/inventory");
        if exit == 3 {
            let left = fs::read_dir(&out).unwrap().count();
            assert_eq!(left, 0, "{what}: nothing is left behind");
            continue;
        }
        let report = check(&loaded(&out));
        let replies = report.gaps.iter().find(|gap| gap.code == "error-replies");
        let subjects = &replies.unwrap_or_else(|| panic!("{what}: {:?}", report.gaps)).subjects;
        assert!(subjects[0].ends_with(&format!("{operation}.json")), "{what}: {subjects:?}");
    }
}

#[test]
fn an_old_snapshot_stays_as_it_is() {
    let place = Place::new();
    let there = place.path("here/inventory").join(AT).join(ACCOUNT);
    fs::create_dir_all(&there).unwrap();
    fs::write(there.join("mine"), "").unwrap();
    let ran = place.run(&commands(), &[]);
    assert_eq!(ran.status.code(), Some(3));
    assert!(told(&ran).contains("is there already"), "{}", told(&ran));
    assert_eq!(fs::read_dir(&there).unwrap().count(), 1);
}

#[test]
fn the_region_is_that_of_the_aws_cli_unless_said() {
    let commands = Commands { regions: Vec::new(), ..commands() };
    for (variable, region) in
        [(Some("AWS_REGION"), "us-east-1"), (Some("AWS_DEFAULT_REGION"), "us-west-2"), (None, REGION)]
    {
        let place = Place::new();
        let set: Vec<(&str, &str)> = variable.into_iter().map(|name| (name, region)).collect();
        let ran = place.run(&commands, &set);
        assert_eq!(ran.status.code(), Some(0), "{}", told(&ran));
        assert!(place.path("here/inventory").join(AT).join(ACCOUNT).join(region).is_dir());
        let wanted = format!("--region={region}");
        assert!(place.calls().iter().filter(|call| call[0] == "ec2").all(|call| call.contains(&wanted)));
    }
    let place = Place::new();
    let ran = place.run(&commands, &[("AWS_REGION", "../../x")]);
    assert_eq!((ran.status.code(), place.left()), (Some(2), vec![]), "{}", told(&ran));
}

#[test]
fn bash_and_shellcheck_find_nothing_wrong() {
    let variants = [
        commands(),
        Commands { regions: Vec::new(), profile: Some("it's".to_owned()), out: "a b".to_owned() },
        Commands {
            regions: vec!["a".into(), "b".into()],
            profile: Some("-x".to_owned()),
            out: "-x".to_owned(),
        },
    ];
    let place = Place::new();
    for commands in variants {
        let path = place.path("script");
        fs::write(&path, script(&commands)).unwrap();
        let parsed = Command::new("bash").arg("-n").arg(&path).output().unwrap();
        assert!(parsed.status.success() && parsed.stderr.is_empty(), "{}", told(&parsed));
        match Command::new("shellcheck").arg(&path).output() {
            Ok(checked) => {
                assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
            }
            Err(error) => println!("shellcheck did not look at it: {error}"),
        }
    }
}

/// Without the feature, the command says how to get it, and what else does the same.
#[cfg(not(feature = "live-inventory"))]
#[test]
fn a_build_without_the_feature_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let ran = Command::new(env!("CARGO_BIN_EXE_flowgate"))
        .env_clear()
        .args(["inventory", "fetch", "--region", "eu-west-1", "--out", "inventory"])
        .current_dir(directory.path())
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(2));
    let stderr = told(&ran);
    for part in [
        "error: this build can't ask the EC2 API",
        "--features live-inventory",
        "flowgate inventory commands",
    ] {
        assert!(stderr.replace("\n    ", " ").contains(part), "{stderr}");
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}
