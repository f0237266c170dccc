//! The commands of the README and of the quick start that need no AWS.

use std::fs;
use std::path::Path;

use super::{blocks, read, root, run};

/// The arguments of a line that runs the program on the sample, and the exit code that its comment tells.
fn command(line: &str) -> Option<(Vec<&str>, Option<i32>)> {
    let (typed, comment) = line.split_once('#').unwrap_or((line, ""));
    let typed = typed.trim();
    let arguments =
        typed.strip_prefix("cargo run --release -- ").or_else(|| typed.strip_prefix("flowgate "))?;
    if !arguments.contains("sample-logs") {
        return None;
    }
    let told = comment.split("exit code ").nth(1).map(|rest| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap_or_else(|_| panic!("{line}: no exit code"))
    });
    Some((arguments.split_whitespace().collect(), told))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
fn commands_run_and_exit_as_told() {
    for (page, least) in [("docs/quick-start.md", 10), ("README.md", 2)] {
        let directory = tempfile::tempdir().unwrap();
        copy(&root().join("sample-logs"), &directory.path().join("sample-logs"));
        let mut wrong = Vec::new();
        let mut ran = 0;
        for block in blocks(&read(page)).iter().filter(|block| block.info == "sh") {
            for (arguments, told) in block.text.lines().filter_map(command) {
                ran += 1;
                let output = run(directory.path(), &arguments);
                let code = output.status.code();
                if code.is_none()
                    || told.is_some_and(|told| code != Some(told))
                    || code > Some(1) && told.is_none()
                {
                    let said = String::from_utf8_lossy(&output.stderr).into_owned();
                    wrong.push(format!("{page}: {arguments:?} ended with {code:?}, told {told:?}\n{said}"));
                }
            }
        }
        assert!(ran >= least, "{page}: {ran} commands");
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

#[test]
fn the_tables_of_exit_codes_agree() {
    let table = |page: &str| -> Vec<String> {
        let text = read(page);
        let lines = text.lines().skip_while(|line| !line.starts_with("| exit code |"));
        lines.take_while(|line| line.starts_with('|')).map(str::to_owned).collect()
    };
    assert_eq!(table("docs/quick-start.md"), table("README.md"));
    assert!(table("README.md").len() > 6);
}
