//! The scripts of `benches/`: they run, and what they say of figures is true. What they measure is not judged here.

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

/// `cargo test` has built the examples; `cargo test --test program benches::` has not.
fn build_missing() {
    let names = ["world", "inflate", "columns"];
    if names.iter().all(|name| target().join("release/examples").join(name).exists()) {
        return;
    }
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--release", "--locked"]).args(names.iter().flat_map(|name| ["--example", name]));
    if cfg!(feature = "live-inventory") {
        build.arg("--all-features");
    }
    // What cargo tells a test about its package, build scripts of dependencies take for their own: ring's would
    // build ring anew, and with it half of what there is.
    let told = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
    for (name, _) in std::env::vars_os() {
        if told.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            build.env_remove(name);
        }
    }
    run(build.env("CARGO_TARGET_DIR", target()));
}

#[test]
fn parts_of_the_scripts_do_what_they_say() {
    let said = run(Command::new("python3").args(["-B", "tests/benches/scripts.py"]));
    assert!(said.contains("OK"), "{said}");
}

#[test]
fn a_small_comparison_runs_and_is_shown() {
    build_missing();
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
