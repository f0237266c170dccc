//! The repository keeps its own rules: who may know whom, sizes, registered tests, and documents that are true.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Files with more than 500 lines of code, and why they stay whole. One that shrank must leave the list.
const LONG: [(&str, &str); 0] = [];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file below a directory, relative to the root with `/`, but for what git ignores.
fn files(directory: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![root().join(directory)];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if [".git", "target", "corpus", "artifacts", "coverage"].contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                open.push(path);
            } else {
                let relative: Vec<String> = path
                    .strip_prefix(root())
                    .unwrap()
                    .components()
                    .map(|part| part.as_os_str().to_string_lossy().into_owned())
                    .collect();
                found.push(relative.join("/"));
            }
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<String> {
    let all: Vec<String> = files("src").into_iter().filter(|f| f.ends_with(".rs")).collect();
    assert!(all.len() > 80, "{} files", all.len());
    all
}

/// `src/decode/text.rs` is in `decode`, `src/main.rs` in `main`.
fn room(path: &str) -> &str {
    let rest = path.strip_prefix("src/").unwrap();
    rest.split(['/', '.']).next().unwrap()
}

/// The rooms that a source file names: what follows `crate::`, alone or in braces.
fn named_rooms(source: &str) -> BTreeSet<String> {
    let code: Vec<&str> = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let word = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
    };
    let mut rooms = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let Some(list) = rest.strip_prefix('{') else {
            rooms.insert(word(rest));
            continue;
        };
        let mut depth = 0;
        let mut begin = 0;
        for (i, c) in list.char_indices() {
            match c {
                ',' | '}' if depth == 0 => {
                    rooms.insert(word(&list[begin..i]));
                    begin = i + 1;
                    if c == '}' {
                        break;
                    }
                }
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
        }
    }
    rooms.remove("");
    rooms
}

#[test]
fn named_rooms_sees_through_braces_and_comments() {
    let source = "use crate::flow::{A, B};\n// crate::cli\nuse crate::{\n decode::{x, y},\n policy,\n};\nfn f(_: crate::source::S) {}";
    let named: Vec<String> = named_rooms(source).into_iter().collect();
    assert_eq!(named, ["decode", "flow", "policy", "source"]);
}

/// The table of rooms in CONTRIBUTING.md: each with the rooms it may know.
fn rooms() -> BTreeMap<String, BTreeSet<String>> {
    let text = read("CONTRIBUTING.md");
    let ticked = |cell: &str| -> Vec<String> {
        cell.split('`').skip(1).step_by(2).map(|name| name.trim_end_matches('/').to_owned()).collect()
    };
    text.lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            assert_eq!(cells.len(), 5, "{line}");
            let [name] = &ticked(cells[1])[..] else { panic!("{line}") };
            (name.clone(), ticked(cells[3]).into_iter().collect())
        })
        .collect()
}

#[test]
fn rooms_know_only_whom_they_may() {
    let allowed = rooms();
    let there: BTreeSet<String> =
        sources().iter().map(|f| room(f).to_owned()).filter(|r| r != "lib" && r != "main").collect();
    assert_eq!(allowed.keys().cloned().collect::<BTreeSet<_>>(), there, "the table of CONTRIBUTING.md");

    // What no edit of the table may change.
    assert!(allowed["flow"].is_empty(), "flow knows nobody");
    assert!(!allowed["decode"].contains("source") && !allowed["source"].contains("decode"));
    assert!(allowed.values().all(|knows| !knows.contains("cli")), "nobody knows cli");
    for (name, knows) in [("detect", &["rollup"][..]), ("report", &["tighten", "investigate"])] {
        let may: BTreeSet<String> =
            knows.iter().chain(&["finding", "flow"]).map(|&room| room.to_owned()).collect();
        assert!(allowed[name].is_subset(&may), "{name}");
    }

    let mut wrong = Vec::new();
    for file in sources() {
        let Some(knows) = allowed.get(room(&file)) else { continue };
        for named in named_rooms(&read(&file)) {
            if named != room(&file) && there.contains(&named) && !knows.contains(&named) {
                wrong.push(format!("{file} uses crate::{named}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_source_file_says_what_it_is_and_stays_short() {
    let mut wrong = Vec::new();
    for file in sources() {
        let source = read(&file);
        if !source.starts_with("//!") {
            wrong.push(format!("{file} does not begin with //!"));
        }
        let is_test = file.ends_with("tests.rs") || file.contains("/tests/");
        let code = source.lines().take_while(|line| *line != "#[cfg(test)]").count();
        let excused = LONG.iter().any(|(path, _)| *path == file);
        if (code > 500) != excused && !is_test {
            wrong.push(format!("{file} has {code} lines of code"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (path, reason) in LONG {
        assert!(root().join(path).exists() && reason.len() > 20, "{path}");
    }
}

#[test]
fn every_test_and_bench_is_registered_once() {
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let mut registered = Vec::new();
    for (key, folder) in [("test", "tests"), ("bench", "benches"), ("example", "examples")] {
        for entry in manifest[key].as_array().unwrap() {
            let name = entry["name"].as_str().unwrap();
            let path = entry.get("path").and_then(|path| path.as_str());
            registered.push(path.map_or_else(|| format!("{folder}/{name}.rs"), str::to_owned));
        }
    }
    // Below these folders lie modules, and programs that are examples.
    registered.retain(|path| path.matches('/').count() == 1);
    // Two binaries hold most tests: linking each of them alone would take minutes.
    for binary in ["tests/engine.rs", "tests/program.rs"] {
        let text = read(binary);
        let modules = text.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'));
        registered.extend(modules.filter(|name| *name != "world").map(|name| format!("tests/{name}.rs")));
    }
    registered.sort();
    let mut there = [files("benches"), files("tests")].concat();
    there.retain(|path| path.ends_with(".rs") && path.matches('/').count() == 1);
    assert_eq!(registered, there);
}

#[test]
fn nothing_names_a_machine_or_another_registry() {
    // In pieces, or this file would find itself.
    let forbidden = [
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("/Us", "ers/"),
        concat!("/wo", "rk/"),
        concat!("art", "ifactory"),
        concat!("jf", "rog"),
        concat!("code", "artifact"),
        concat!("replace", "-with"),
    ];
    let all = files("");
    assert!(all.iter().any(|f| f == "Cargo.lock") && all.iter().any(|f| f == ".ci/run"), "files are missing");
    let mut wrong = Vec::new();
    for file in &all {
        let Ok(text) = String::from_utf8(fs::read(root().join(file)).unwrap()) else { continue };
        for (number, line) in text.lines().enumerate() {
            if let Some(found) = forbidden.iter().find(|f| line.contains(*f)) {
                wrong.push(format!("{file}:{}: {found}", number + 1));
            }
            if let Some(source) = line.strip_prefix("source = ").filter(|_| file.ends_with("Cargo.lock"))
                && source != "\"registry+https://github.com/rust-lang/crates.io-index\""
            {
                wrong.push(format!("{file}:{}: {source}", number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const DOCUMENTS: [&str; 6] = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/benchmarks.md",
    "docs/formats.md",
    "sample-logs/README.md",
];

#[test]
fn documents_name_only_what_exists() {
    let mut wrong = Vec::new();
    let mut checked = 0;
    for document in DOCUMENTS {
        let text = read(document);
        let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        let scripts = text.split(['`', ' ', '\n']).filter(|w| w.ends_with(".sh") || *w == ".ci/run");
        for target in links.chain(scripts).filter(|t| !t.is_empty() && !t.contains("://")) {
            let folder = PathBuf::from(document).parent().unwrap().to_owned();
            checked += 1;
            if !root().join(folder).join(target).exists() && !root().join(target).exists() {
                wrong.push(format!("{document}: {target}"));
            }
        }
    }
    assert!(checked >= 8, "{checked} links and scripts");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_readme_tests_like_the_checks_do() {
    let readme = read("README.md");
    assert!(readme.lines().any(|line| line.trim_start_matches("$ ").starts_with("tests/run.sh")));
    let checks = read(".ci/run");
    assert!(checks.lines().any(|line| line == "step tests tests/run.sh"), "{checks}");
    let run = read("tests/run.sh");
    for line in [
        "options=(--release --locked --all-features)",
        // With arguments, those; without, all there is.
        "    exec cargo test \"${options[@]}\" \"$@\"",
        "CARGO_PROFILE_RELEASE_OPT_LEVEL=0 cargo test \"${options[@]}\" --lib",
        "cargo test \"${options[@]}\" --bins --examples --test '*'",
        "exec cargo test \"${options[@]}\" --doc",
    ] {
        assert!(run.lines().any(|l| l == line), "{line}");
    }
    #[cfg(unix)]
    for script in ["tests/run.sh", ".ci/run"] {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(root().join(script)).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{script} can be run");
    }
}

#[test]
fn the_readme_collects_every_part_of_the_inventory() {
    use flowgate::inventory::Kind;
    use flowgate::inventory::commands::{Commands, script};
    assert!(read("README.md").lines().any(|line| line.starts_with("flowgate inventory commands ")));
    let script = script(&Commands::default());
    // describe-instances tells nothing that describe-network-interfaces does not.
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Instances) {
        let command = kind.command();
        let call = command.trim_start_matches("aws ec2 ").split(' ').next().unwrap();
        assert!(script.contains(call), "{command}");
    }
}

/// A command of a document with the output shown below it.
struct Shown {
    command: String,
    output: Vec<String>,
}

/// The commands of the fenced blocks that run the program, `$ ` before them or not.
fn shown(document: &str) -> Vec<Shown> {
    let mut found: Vec<Shown> = Vec::new();
    let mut fenced = false;
    let mut inside = false;
    for line in read(document).lines() {
        if line.starts_with("```") {
            fenced = !fenced;
            inside = false;
            continue;
        }
        let typed = line.strip_prefix("$ ");
        if let Some(command) =
            typed.unwrap_or(line).strip_prefix("cargo run --release -- ").filter(|_| fenced)
        {
            let command = command.split('#').next().unwrap().trim().to_owned();
            found.push(Shown { command, output: Vec::new() });
            // Without the sign of a prompt nobody can tell the output from the next command: none is shown.
            inside = typed.is_some();
        } else if typed.is_some() {
            inside = false;
        } else if let Some(last) = found.last_mut().filter(|_| inside) {
            last.output.push(line.to_owned());
        }
    }
    found
}

#[test]
fn the_readme_shows_what_the_program_says() {
    let all = shown("README.md");
    assert!(all.len() >= 2, "{} commands", all.len());
    assert!(
        all.iter().any(|s| s.command == "analyze sample-logs/" && s.output.len() > 10),
        "the first screen"
    );
    for Shown { command, output } in all {
        let ran = Command::new(env!("CARGO_BIN_EXE_flowgate"))
            .env_clear()
            .env("LC_ALL", "C.UTF-8")
            .current_dir(root())
            .args(command.split_whitespace())
            .output()
            .unwrap();
        assert!(matches!(ran.status.code(), Some(0 | 1)), "{command}: {ran:?}");
        let real = String::from_utf8(ran.stdout).unwrap();
        let mut rest = real.as_str();
        // A line `…` or `...` stands for what was left out; the parts between follow each other.
        for part in output.split(|line| ["…", "..."].contains(&line.trim())) {
            let part = part.join("\n");
            let part = part.trim_matches('\n');
            let Some(at) = rest.find(part) else {
                panic!("{command} does not say, or not in this order:\n{part}\nbut:\n{rest}");
            };
            rest = &rest[at + part.len()..];
        }
    }
}
