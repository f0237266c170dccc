//! The inventory loader: real dumps here, oddities of shape, time and place in the modules.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use flowgate::inventory::{
    InventoryError, Kind, LoadOptions, Loaded, Problem, SkipReason, SkippedFile, check, load,
    looks_like_inventory,
};

mod config;
mod gaps;
mod merging;
mod reachability;
mod shapes;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inventory")
}

/// A directory of files to load.
struct World(tempfile::TempDir);

impl World {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A world of one file.
    fn of(content: impl ToString) -> Self {
        Self::new().with("inventory.json", content)
    }

    fn with(self, name: &str, content: impl ToString) -> Self {
        self.bytes(name, content.to_string().as_bytes())
    }

    fn bytes(self, name: &str, content: &[u8]) -> Self {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn try_load(&self) -> Result<Loaded, InventoryError> {
        load(&[self.0.path().to_owned()], &LoadOptions::default())
    }

    fn load(&self) -> Loaded {
        self.try_load().unwrap()
    }

    /// The message of the failure, with paths relative to the world.
    fn failure(&self) -> String {
        let root = format!("{}{}", self.0.path().display(), std::path::MAIN_SEPARATOR);
        self.try_load().unwrap_err().to_string().replace(&root, "")
    }
}

fn counts(loaded: &Loaded) -> BTreeMap<Kind, usize> {
    let mut all = BTreeMap::new();
    for observation in check(loaded).observations {
        for (kind, count) in observation.counts {
            *all.entry(kind).or_default() += count;
        }
    }
    all
}

fn counted(loaded: &Loaded, kinds: &[Kind]) -> Vec<usize> {
    let all = counts(loaded);
    kinds.iter().map(|kind| all[kind]).collect()
}

const OBJECTS: [Kind; 8] = [
    Kind::SecurityGroups,
    Kind::SecurityGroupRules,
    Kind::NetworkInterfaces,
    Kind::NetworkAcls,
    Kind::Subnets,
    Kind::Vpcs,
    Kind::PrefixLists,
    Kind::Peerings,
];

/// The expected numbers were counted in the dumps by other means.
#[test]
fn real_dumps_load() {
    for (directory, expected) in [
        ("batfish/test-vpc-peering", [6, 12, 3, 3, 3, 3, 0, 2]),
        ("batfish/test-nat-gateway", [3, 7, 4, 2, 3, 1, 0, 0]),
        ("np-guard/input_basic_config_with_sg.json", [3, 7, 2, 2, 5, 2, 0, 0]),
        ("cloud-custodian/test_security_group_stale", [1, 2, 0, 0, 0, 0, 0, 0]),
        ("cloud-custodian/test_network_acl_s3_present", [0, 0, 0, 1, 0, 0, 1, 0]),
        ("cloud-custodian/test_vpc_flow_logs_misconfigured", [0, 0, 0, 0, 0, 2, 0, 0]),
        ("cloud-custodian/test_security_group_delete", [1, 1, 0, 0, 0, 0, 0, 0]),
    ] {
        let loaded = load(&[fixtures().join(directory)], &LoadOptions::default()).unwrap();
        assert_eq!(counted(&loaded, &OBJECTS), expected, "{directory}");
    }
}

#[test]
fn every_object_of_every_dump_is_usable() {
    let options = LoadOptions { skip_bad_files: true, ..LoadOptions::default() };
    let loaded = load(&[fixtures()], &options).unwrap();
    let latest = loaded.timeline.latest().unwrap();
    for group in latest.security_groups.values() {
        assert!(group.rules.iter().all(|rule| rule.group == group.id), "{}", group.id);
        assert!(group.rules.is_sorted_by_key(|rule| (rule.direction, rule.id.clone())), "{}", group.id);
        for rule in group.rules.iter().filter(|rule| rule.synthetic) {
            assert_eq!(rule.id, rule.synthetic_id());
        }
    }
    for interface in latest.interfaces.values() {
        assert!(!interface.addresses.is_empty(), "{}", interface.id);
        assert!(interface.region.is_some() && interface.account.is_some(), "{}", interface.id);
    }
    // What the loader uses and what the helper picks is the same.
    for report in &loaded.report.observations {
        for path in &report.files {
            assert!(looks_like_inventory(&fs::read(path).unwrap()), "{}", path.display());
        }
    }
    let used = |s: &&SkippedFile| s.reason != SkipReason::UnnamedPrefixList;
    assert_eq!(loaded.report.skipped.iter().filter(|s| !used(s)).count(), 3, "entries that name no list");
    for skipped in loaded.report.skipped.iter().filter(used) {
        let bytes = fs::read(&skipped.path).unwrap();
        assert!(!looks_like_inventory(&bytes), "{}", skipped.path.display());
    }
}

#[test]
fn bad_files_are_all_listed_with_their_place() {
    let root = fixtures();
    let Err(InventoryError::BadFiles(bad)) = load(std::slice::from_ref(&root), &LoadOptions::default())
    else {
        panic!("the invalid examples must not load");
    };
    let mut seen = Vec::new();
    for file in &bad {
        let name = file.path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        seen.push(match &file.problem {
            Problem::NotJson { line, column, .. } => format!("{name} {line}:{column}"),
            other => panic!("{name}: {other}"),
        });
    }
    assert_eq!(
        seen,
        [
            "aws-cli-examples/describe-security-groups_1.invalid.json 53:13",
            "aws-cli-examples/describe-stale-security-groups_1.invalid.json 23:28",
            "aws-cli-examples/describe-subnets_1.invalid.json 17:43",
        ]
    );
    let message = InventoryError::BadFiles(bad).to_string();
    assert!(message.starts_with("3 bad inventory files:\n  "), "{message}");
    assert!(message.contains("describe-subnets_1.invalid.json: not JSON at line 17 column 43"), "{message}");
}

#[test]
fn replies_of_failed_calls_are_skipped() {
    let path = fixtures().join("cloud-custodian/test_security_group_delete");
    let loaded = load(&[path], &LoadOptions::default()).unwrap();
    let reasons: Vec<_> = loaded.report.skipped.iter().map(|file| file.reason).collect();
    assert_eq!(reasons, [SkipReason::ErrorReply]);
}

/// Loads the files below `FLOWGATE_DUMPS`, each file on its own and all together, and tells what was
/// found: `FLOWGATE_DUMPS=… cargo test --test engine inventory:: -- --ignored --nocapture`.
#[test]
#[ignore = "needs a directory of dumps in FLOWGATE_DUMPS"]
fn dumps_of_your_own() {
    let root = PathBuf::from(std::env::var_os("FLOWGATE_DUMPS").expect("FLOWGATE_DUMPS names a directory"));
    let started = std::time::Instant::now();
    let options = LoadOptions { skip_bad_files: true, ..LoadOptions::default() };
    let loaded = load(&[root], &options).unwrap();
    println!("loaded in {:?}", started.elapsed());
    for observation in check(&loaded).observations {
        println!("{observation:#?}");
    }
    for gap in check(&loaded).gaps {
        println!(
            "[{}] {}: {} {:?} -> {}",
            gap.severity.as_str(),
            gap.code,
            gap.message,
            gap.subjects,
            gap.next
        );
    }
    for bad in &loaded.report.bad {
        println!("bad: {bad}");
    }
    for observation in &loaded.report.observations {
        for path in &observation.files {
            assert!(looks_like_inventory(&fs::read(path).unwrap()), "{}", path.display());
        }
    }
    for skipped in &loaded.report.skipped {
        println!("skipped: {:?} {}", skipped.reason, skipped.path.display());
        assert!(!looks_like_inventory(&fs::read(&skipped.path).unwrap()), "{}", skipped.path.display());
    }
}
