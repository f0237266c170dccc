//! Formats: the same findings in each, exact pictures, hostile text, and the published schemas.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::super::format::{files, is_ours};
use super::super::{
    FILES, Format, FormatOptions, Manual, clear_dir, left_out, sanitise, write_format, write_formats,
};
use super::{hostile, same_as_picture, sample};
use crate::finding::{Conclusions, Finding};

const MANUAL: &str = "//! Rules nobody needs.\n//!\n//! ## What it finds\n//!\n//! Rules.\n\nuse std::io;\n";

/// The account and region of findings that have none.
fn options() -> FormatOptions<'static> {
    let manual = |id| Manual { id, title: "What it finds", source: MANUAL };
    FormatOptions {
        manuals: ["rejected-spike", "unexplained-accept", "unused-rule"].map(manual).to_vec(),
        account: Some("210987654321".to_owned()),
        region: Some("us-gov-west-1".to_owned()),
    }
}

fn shown(format: Format, conclusions: &Conclusions) -> String {
    let mut out = Vec::new();
    write_format(format, conclusions, &options(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Cells of a table by RFC 4180, read by another way than it was written.
fn cells(csv: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = csv.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => cell.push(chars.next().unwrap()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {
                assert_eq!(chars.next(), Some('\n'));
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            c => cell.push(c),
        }
    }
    assert!(!quoted && row.is_empty() && cell.is_empty());
    rows
}

/// Ids and severities as a format tells them.
fn told(format: Format, conclusions: &Conclusions) -> Vec<(String, String)> {
    let text = shown(format, conclusions);
    let json = |line: &str| serde_json::from_str::<Value>(line).unwrap();
    let pair = |id: &Value, severity: &Value| {
        (id.as_str().unwrap().to_owned(), severity.as_str().unwrap().to_lowercase())
    };
    match format {
        Format::Jsonl => text.lines().map(json).map(|f| pair(&f["id"], &f["severity"])).collect(),
        Format::Csv => cells(&text).into_iter().skip(1).map(|row| (row[0].clone(), row[1].clone())).collect(),
        Format::Markdown => {
            let ids = text.lines().filter_map(|line| line.strip_prefix("- id: `")?.strip_suffix('`'));
            let heads = text.lines().filter_map(|line| line.strip_prefix("## ")?.split_once(". "));
            let severities = heads.map(|(_, rest)| rest.split_once(':').unwrap().0);
            ids.zip(severities).map(|(id, severity)| (id.to_owned(), severity.to_owned())).collect()
        }
        Format::Ocsf => {
            text.lines().map(json).map(|e| pair(&e["finding_info"]["uid"], &e["severity"])).collect()
        }
        Format::Asff => {
            let batches = text.lines().map(json);
            let findings = batches.flat_map(|batch| batch.as_array().unwrap().clone());
            findings.map(|f| pair(&f["Id"], &f["FindingProviderFields"]["Severity"]["Label"])).collect()
        }
        Format::Sarif => {
            let log = json(&text);
            let results = log["runs"][0]["results"].as_array().unwrap().clone();
            let pairs = results
                .iter()
                .map(|r| pair(&r["fingerprints"]["flowgate.finding/v1"], &r["properties"]["severity"]));
            pairs.collect()
        }
    }
}

/// More than one batch, in more than one place.
fn many() -> Conclusions {
    let mut conclusions = sample();
    let first = conclusions.findings[0].clone();
    for n in 0..250_u32 {
        conclusions.findings.push(Finding {
            id: format!("fgf-{n:04}"),
            region: Some(if n % 5 == 0 { "cn-north-1" } else { "eu-west-1" }.to_owned()),
            interfaces: (0..n).map(|i| format!("eni-{i}")).collect(),
            ..first.clone()
        });
    }
    conclusions
}

#[test]
fn every_format_tells_the_same_findings() {
    for conclusions in [Conclusions::default(), sample(), many(), hostile("\"=`|<b>\u{1b}[2J\n")] {
        let expected: BTreeSet<(String, String)> =
            conclusions.findings.iter().map(|f| (f.id.clone(), f.severity.to_string())).collect();
        for format in Format::ALL {
            let told = told(format, &conclusions);
            assert_eq!(told.len(), conclusions.findings.len(), "{format:?}");
            assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), expected, "{format:?}");
            assert_eq!(left_out(format, &conclusions, &options()), 0);
        }
    }
}

#[test]
fn formats_are_as_they_were() {
    for format in Format::ALL {
        let options = options();
        let mut renderers = files(format, &sample(), &options);
        for (name, renderer) in &mut renderers {
            assert!(is_ours(name), "{name}");
            let mut out = Vec::new();
            renderer.render(&sample(), &mut out).unwrap();
            // The version changes with each release.
            let text = String::from_utf8(out).unwrap().replace(env!("CARGO_PKG_VERSION"), "VERSION");
            same_as_picture(name, &text);
        }
    }
}

#[test]
fn findings_without_a_place_are_counted() {
    let mut conclusions = sample();
    conclusions.findings[0].region = Some("../evil".to_owned());
    let nowhere = FormatOptions::default();
    assert_eq!(left_out(Format::Asff, &conclusions, &nowhere), conclusions.findings.len());
    // All that say a region say the same: the others are there, too.
    assert_eq!(left_out(Format::Asff, &sample(), &nowhere), 0);
}

#[test]
fn an_earlier_runs_files_go_and_others_stay() {
    let dir = tempfile::tempdir().unwrap();
    let written = write_formats(dir.path(), &many(), &Format::ALL, &options()).unwrap();
    assert!(written.len() > 10, "{written:?}");
    assert!(FILES.iter().all(|name| written.contains(&(*name).to_owned())));
    fs::write(dir.path().join("findings.asff.mine.json"), "").unwrap();
    clear_dir(dir.path()).unwrap();
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["findings.asff.mine.json"]);
}

/// Everything that text from outside has been used for.
fn evils() -> Vec<String> {
    let mut evils: Vec<String> = [
        "\u{1b}[2J",
        "\u{1b}]0;x\u{7}",
        "\nerror: fake",
        "\u{9b}2J",
        "\u{202e}gpj",
        "\u{e0041}",
        "\r",
        "\0",
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\"; =cmd",
        "<script>alert(1)</script>",
        "[a](javascript:alert(1))",
        "![x](https://evil.example/x.png)",
        "https://evil.example",
        "@everyone #1 !2",
        "a|b",
        "``` \n# heading",
        "`",
        "\\`",
        " ",
        "\u{feff}",
        "😀",
    ]
    .map(str::to_owned)
    .to_vec();
    evils.push("x".repeat(100_000));
    evils.push("\u{1b}`|".repeat(30_000));
    evils
}

#[test]
fn hostile_text_stays_text_in_every_format() {
    for evil in evils() {
        let conclusions = hostile(&evil);
        for format in Format::ALL {
            let text = shown(format, &conclusions);
            // The line ends of RFC 4180 are the only ones.
            let bare = if format == Format::Csv { text.replace("\r\n", "\n") } else { text.clone() };
            let bad = bare.chars().find(|c| *c != '\n' && sanitise::is_deceptive(*c));
            assert_eq!(bad, None, "{format:?} {:?}", &evil[..evil.len().min(20)]);
        }
        for row in cells(&shown(Format::Csv, &conclusions)) {
            for cell in row {
                let first = cell.trim_start().chars().next();
                assert!(!first.is_some_and(|c| "=+-@\t\r".contains(c)), "{cell:?}");
                assert!(cell.encode_utf16().count() <= 32_767);
            }
        }
        outside_of_code(&shown(Format::Markdown, &conclusions));
    }
}

/// What Markdown would take for more than text must be between backticks.
fn outside_of_code(markdown: &str) {
    let mut fence: Option<usize> = None;
    for line in markdown.lines() {
        let ticks = line.bytes().take_while(|b| *b == b'`').count();
        if let Some(open) = fence {
            if ticks >= open && line.len() == ticks {
                fence = None;
            }
            continue;
        }
        if ticks >= 3 && line[ticks..] == *"json" {
            fence = Some(ticks);
            continue;
        }
        let mut plain = String::new();
        let mut rest = line;
        while let Some(at) = rest.find('`') {
            plain.push_str(&rest[..at]);
            let run = rest[at..].bytes().take_while(|b| *b == b'`').count();
            // A span of code ends with a run of the same length, and none shorter or longer (CommonMark 6.1).
            let mut from = at + run;
            loop {
                let next = rest[from..].find('`').unwrap_or_else(|| panic!("an open span: {line:.200}"));
                let len = rest[from + next..].bytes().take_while(|b| *b == b'`').count();
                from += next + len;
                if len == run {
                    break;
                }
            }
            rest = &rest[from..];
        }
        plain.push_str(rest);
        let body = plain.trim_start_matches("## ").trim_start_matches("# ").trim_start_matches("- ");
        let body = body.replace("**Incomplete**", "").replace("(blank)", "");
        let bad = body.chars().find(|c| "<>[]{}|*_~@#!\\$&=+".contains(*c));
        assert_eq!(bad, None, "{line:.300}");
        assert!(!body.contains("://") && !body.contains("www."), "{line:.300}");
    }
    assert_eq!(fence, None, "a block that is not closed");
}

/// The environment of tests/aws, which tests/run.sh makes.
fn python() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = || set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    let venv =
        set("FLOWGATE_TEST_VENV").or_else(|| cache().map(|cache| cache.join("flowgate/venv"))).unwrap();
    let python = venv.join("bin/python");
    assert!(python.exists(), "{}: run tests/run.sh, which makes it", python.display());
    python
}

#[test]
fn formats_are_valid_by_their_published_schemas() {
    let parent = tempfile::tempdir().unwrap();
    let mut worlds = vec![Conclusions::default(), sample(), many()];
    worlds.extend(evils().iter().map(|evil| hostile(evil)));
    let mut dirs = Vec::new();
    for (n, conclusions) in worlds.iter().enumerate() {
        let dir = parent.path().join(n.to_string());
        write_formats(&dir, conclusions, &Format::ALL, &options()).unwrap();
        dirs.push(dir);
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report/validate.py");
    let output = Command::new(python()).arg(script).args(&dirs).output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let expected: usize = worlds.iter().map(|c| c.findings.len()).sum();
    assert!(said.contains(&format!("ocsf {expected}, asff {expected}, sarif {expected}")), "{said}");
}
