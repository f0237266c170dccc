//! The scripts of `benches/`: they run, and what they say of figures is true. What they measure is not judged here.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "test code fails by panicking"
)]

use std::path::Path;
use std::process::Command;

/// Runs a command in the project's root; its failure is the test's, with all that it said.
fn run(command: &mut Command) -> String {
    let done = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    let said = [done.stdout, done.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(done.status.success(), "{command:?}\n{said}");
    said
}

fn flowgate() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_flowgate"))
}

/// Where this test was built.
fn target() -> &'static Path {
    flowgate().parent().and_then(Path::parent).unwrap()
}

#[test]
fn parts_of_the_scripts_do_what_they_say() {
    let said = run(Command::new("python3").args(["-B", "tests/benches/scripts.py"]));
    assert!(said.contains("OK"), "{said}");
}

#[test]
fn a_small_comparison_runs_and_is_shown() {
    // `cargo test` has built them; `cargo test --test benches` has not.
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--release", "--locked"]).env("CARGO_TARGET_DIR", target());
    build.args(["--example", "world", "--example", "inflate", "--example", "columns"]);
    if cfg!(feature = "live-inventory") {
        build.arg("--all-features");
    }
    run(&mut build);
    let place = tempfile::tempdir().unwrap();
    let mut script = Command::new("python3");
    script.env("CARGO_TARGET_DIR", target()).args(["-B", "benches/compare/run.py"]);
    script.args("--records 20000 --rounds 1 --growth-rounds 1 --no-build --no-engines".split(' '));
    // Measured by cargo, and with inventories that take long to write.
    script.args("--skip judge --skip rules".split(' ')).arg("--flowgate").arg(flowgate());
    script.arg("--cache").arg(place.path().join("cache")).arg("--docs").arg(place.path().join("docs"));
    let said = run(&mut script);
    for row in [
        "| v2, `.log.gz`: at most 2.5 times inflating |",
        "| v5, Parquet: at most 2 times reading the columns |",
        "| v5, `.log.gz` | **`flowgate analyze`**, everything |",
        "| 20 thousand | distinct |",
    ] {
        assert!(said.contains(row), "{row} is missing:\n{said}");
    }
    let picture = std::fs::read_to_string(place.path().join("docs/benchmarks/growth.svg")).unwrap();
    assert!(picture.contains("peak memory, MB") && picture.ends_with("</svg>\n"));
    assert!(!place.path().join("cache/data").exists(), "the data is removed");
}
