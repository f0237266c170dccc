//! The book in `docs/` is true: its commands run, its examples are judged as it says, its tables have the keys that are
//! written, the manuals are the detectors', and its links lead somewhere.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests; pages are written again when the environment says so"
)]

#[path = "docs/commands.rs"]
mod commands;
#[path = "docs/keys.rs"]
mod keys;
#[path = "docs/verdicts.rs"]
mod verdicts;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every page of the book.
fn pages() -> Vec<String> {
    let mut found: Vec<String> = fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".md"))
        .collect();
    found.sort();
    assert!(found.len() >= 10, "{found:?}");
    found
}

/// Runs the program with an environment that says nothing about the machine.
fn run(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_flowgate"))
        .env_clear()
        .env("LC_ALL", "C.UTF-8")
        .current_dir(directory)
        .args(arguments)
        .output()
        .unwrap()
}

/// A fenced block.
struct Block {
    /// What follows the three backticks.
    info: String,
    text: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(_), Some(block)) => found.push(block),
            (Some(info), None) => open = Some(Block { info: info.to_owned(), text: String::new() }),
            (None, Some(mut block)) => {
                block.text += line;
                block.text.push('\n');
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block without an end");
    found
}

/// What lies outside of fenced blocks.
fn prose(page: &str) -> String {
    let mut fenced = false;
    let mut kept = String::new();
    for line in page.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            kept += line;
            kept.push('\n');
        }
    }
    kept
}

/// The cells of the tables' rows, without headings; backticks are taken off.
fn rows(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let is_head = lines.peek().is_some_and(|next| next.starts_with("|---"));
        if line.starts_with("| ") && !is_head {
            let inner = line.trim_end_matches('|').trim_start_matches('|');
            found.push(inner.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect());
        }
    }
    found
}

/// The part of a page under a heading, up to the next one of the same level.
fn section<'p>(page: &'p str, heading: &str) -> &'p str {
    let start = page.find(&format!("\n## {heading}")).unwrap_or_else(|| panic!("no section {heading}")) + 1;
    let rest = &page[start..];
    rest[1..].find("\n## ").map_or(rest, |end| &rest[..=end])
}

/// The anchors that a page's headings make.
fn anchors(page: &str) -> BTreeSet<String> {
    let slug = |heading: &str| -> String {
        let kept = heading.to_lowercase().replace(' ', "-");
        kept.chars().filter(|c| c.is_alphanumeric() || *c == '-' || *c == '_').collect()
    };
    prose(page)
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| slug(line.trim_start_matches('#').trim()))
        .collect()
}

#[test]
fn links_lead_somewhere() {
    let mut wrong = Vec::new();
    let mut checked = 0;
    let all = pages().into_iter().map(|name| format!("docs/{name}")).chain(["README.md".to_owned()]);
    for page in all {
        let text = read(&page);
        let folder = PathBuf::from(&page).parent().unwrap().to_owned();
        for link in prose(&text).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            checked += 1;
            let (target, anchor) = link.split_once('#').unwrap_or((link, ""));
            let path = if target.is_empty() { PathBuf::from(&page) } else { folder.join(target) };
            if !root().join(&path).exists() {
                wrong.push(format!("{page}: {link}"));
            } else if !anchor.is_empty() && !anchors(&read(path.to_str().unwrap())).contains(anchor) {
                wrong.push(format!("{page}: {link} has no such heading"));
            }
        }
    }
    assert!(checked > 20, "{checked} links");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_summary_has_every_page_once() {
    let summary = read("docs/SUMMARY.md");
    let mut linked: Vec<&str> =
        summary.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    linked.sort_unstable();
    let there: Vec<String> = pages().into_iter().filter(|name| name != "SUMMARY.md").collect();
    assert_eq!(linked, there);
    let book: toml::Table = read("docs/book.toml").parse().unwrap();
    assert_eq!(book["book"]["src"].as_str(), Some("."));
}

/// The manuals of all detectors as one page: their leading comments, two levels down.
fn manuals() -> String {
    let mut page = String::from(
        "# Detectors\n\nWhat each detector finds, how it decides and when it is wrong. `flowgate explain DETECTOR` prints the \
         same; this page is\nmade from it.\n",
    );
    for meta in flowgate::detect::registry() {
        page += &format!("\n## {}\n\n", meta.id);
        for line in meta.manual.lines().map_while(|line| line.strip_prefix("//!")) {
            let line = line.strip_prefix(' ').unwrap_or(line).trim_end();
            if line.starts_with('#') {
                page.push('#');
            }
            page += line;
            page.push('\n');
        }
    }
    page
}

/// A type as people write it.
fn type_text(kind: &arrow::datatypes::DataType) -> &'static str {
    use arrow::datatypes::{DataType, TimeUnit};
    match kind {
        DataType::Utf8 => "string",
        DataType::Int32 => "int32",
        DataType::Int64 => "int64",
        DataType::Boolean => "boolean",
        DataType::Timestamp(TimeUnit::Microsecond, None) => "timestamp",
        DataType::List(item) if *item.data_type() == DataType::Utf8 => "list of string",
        other => panic!("{other}"),
    }
}

/// The page of the store with the columns of its tables as `Table` has them, between the heading of a table's section and
/// what follows the table there.
fn with_columns(page: &str) -> String {
    let mut made = String::new();
    let mut rest = page;
    for table in flowgate::store::Table::ALL {
        let heading = format!("\n## {}\n", table.name());
        let start = rest.find(&heading).unwrap_or_else(|| panic!("no section {}", table.name()));
        let begin = start + rest[start..].find("\n| column |").unwrap() + 1;
        let end = begin + rest[begin..].find("\n\n").unwrap() + 1;
        made += &rest[..begin];
        made += "| column | type | meaning |\n|---|---|---|\n";
        if table.by_day() {
            made += "| `dt` (folder) | date | day (UTC) of `start`, or of what is summed up |\n";
        }
        for column in table.columns() {
            let kind = type_text(&column.data_type);
            assert!(!column.meaning.is_empty(), "{} of {}", column.name, table.name());
            made += &format!("| `{}` | {kind} | {} |\n", column.name, column.meaning);
        }
        rest = &rest[end..];
    }
    made + rest
}

#[test]
fn the_columns_of_the_store_are_those_of_its_files() {
    let path = root().join("docs/store.md");
    let page = fs::read_to_string(&path).unwrap();
    let made = with_columns(&page);
    if std::env::var_os("FLOWGATE_BLESS").is_some() {
        fs::write(&path, &made).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap() == made,
        "docs/store.md is not what `Table::columns` says; FLOWGATE_BLESS=1 writes it again"
    );
    for table in flowgate::store::Table::ALL {
        assert!(section(&page, table.name()).contains(table.row()), "one row for {}", table.row());
    }
}

#[test]
fn the_page_of_detectors_is_their_manuals() {
    let made = manuals();
    let path = root().join("docs/detectors.md");
    if std::env::var_os("FLOWGATE_BLESS").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let page = fs::read_to_string(path).unwrap_or_default();
    assert!(page == made, "docs/detectors.md is not what the manuals say; FLOWGATE_BLESS=1 writes it again");
    assert_eq!(page.matches("\n### How it decides\n").count(), flowgate::detect::registry().len());
}
