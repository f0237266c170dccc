//! Against botocore, which the AWS CLI is made of: both read the same answers, and write the same JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use flowgate::inventory::live::{CALLS, Call, ENTRIES, fetch};
use serde_json::Value;

use super::stub::{Stub, response};
use super::{files, options};
use crate::moto;

fn python(script: &str, arguments: &[&str]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aws").join(script);
    let ran = Command::new(moto::python()).arg(script).args(arguments).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    ran
}

/// Writes what the AWS CLI would print for these calls, and for the entries of every prefix list.
pub fn dump<'a>(endpoint: &str, region: &str, directory: &Path, calls: impl Iterator<Item = &'a Call>) {
    let mut arguments = vec![endpoint, region, directory.to_str().unwrap()];
    arguments.extend(calls.map(|call| call.command));
    python("dump.py", &arguments);
}

/// Without what may differ: the order of lists, and how a time is written.
pub fn plain(value: Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.into_iter().map(plain).collect();
            items.sort_by_key(ToString::to_string);
            Value::Array(items)
        }
        Value::Object(members) => members.into_iter().map(|(key, value)| (key, plain(value))).collect(),
        Value::String(text) => {
            let time = chrono::DateTime::parse_from_rfc3339(&text).map(|time| time.timestamp().to_string());
            Value::String(time.unwrap_or(text))
        }
        other => other,
    }
}

/// Where a value stands, without the places in lists: `SecurityGroups.Tags.Key`.
fn places(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| places(item, at, found)),
        Value::Object(members) => {
            members.iter().for_each(|(key, value)| places(value, &format!("{at}.{key}"), found));
        }
        _ => {
            found.insert(at.trim_start_matches('.').to_owned());
        }
    }
}

/// Takes away what stands at a place.
fn without(value: &mut Value, place: &str) {
    match (value, place.split_once('.')) {
        (Value::Array(items), _) => items.iter_mut().for_each(|item| without(item, place)),
        (Value::Object(members), None) => drop(members.remove(place)),
        (Value::Object(members), Some((first, rest))) => {
            if let Some(member) = members.get_mut(first) {
                without(member, rest);
            }
        }
        _ => {}
    }
}

/// What botocore knows and the older release of aws-sdk-ec2 does not. None of it says who may talk to whom.
const UNKNOWN_TO_THE_SDK: [&str; 8] = [
    "Subnets.Type",
    "VpcPeeringConnections.AccepterVpcInfo.PeeringOptions.AllowMultipathResilience",
    "VpcPeeringConnections.AccepterVpcInfo.PeeringOptions.MultipathResilienceMode",
    "VpcPeeringConnections.MultipathResilienceStatus",
    "VpcPeeringConnections.RequesterVpcInfo.PeeringOptions.AllowMultipathResilience",
    "VpcPeeringConnections.RequesterVpcInfo.PeeringOptions.MultipathResilienceMode",
    "Vpcs.EncryptionControl.ResourceExclusions.ApiGatewayV2",
    "Vpcs.EncryptionControl.ResourceExclusions.GlobalAccelerator",
];

#[test]
fn every_member_that_ec2_has_is_written() {
    let names: Vec<&str> =
        CALLS.iter().chain([&ENTRIES]).map(|call| call.action.trim_start_matches("ec2:")).collect();
    let answers: BTreeMap<String, String> =
        serde_json::from_slice(&python("everything.py", &names).stdout).unwrap();
    assert_eq!(answers.len(), 11);
    let stub = Stub::start(move |request, _| response(&request.action, &answers[&request.action]));

    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let fetched = crate::run(fetch(&options(&stub.endpoint, ours.path(), "eu-west-1"))).unwrap();
    assert_eq!(fetched.lacks, []);
    // No text is a number of twelve digits.
    assert!(fetched.path.ends_with("unknown-account"), "{}", fetched.path.display());
    dump(&stub.endpoint, "eu-west-1", theirs.path(), CALLS.iter());

    let ours_in = fetched.path.join("eu-west-1");
    assert_eq!(files(&ours_in), files(theirs.path()));
    let (mut members, mut wrong) = (0, Vec::new());
    for name in files(theirs.path()) {
        let read = |directory: &Path| -> Value {
            serde_json::from_str(&fs::read_to_string(directory.join(&name)).unwrap()).unwrap()
        };
        let (ours, mut theirs) = (plain(read(&ours_in)), plain(read(theirs.path())));
        for place in UNKNOWN_TO_THE_SDK {
            without(&mut theirs, place);
        }
        let (mut here, mut there) = (BTreeSet::new(), BTreeSet::new());
        places(&ours, "", &mut here);
        places(&theirs, "", &mut there);
        let missing: Vec<&String> = there.difference(&here).collect();
        let invented: Vec<&String> = here.difference(&there).collect();
        if !missing.is_empty() || !invented.is_empty() {
            wrong.push(format!("{name}: lacks {missing:?}, has {invented:?}"));
        } else if ours != theirs {
            wrong.push(format!("{name} says {ours:#}\nnot {theirs:#}"));
        }
        members += there.len();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(members > 200, "{members} members");
}
