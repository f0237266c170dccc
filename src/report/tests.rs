//! Renderers on hand-made conclusions: exact pictures, parity, hostile text.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests; clippy exempts the test functions only")]
#![allow(clippy::disallowed_methods, reason = "the pictures are drawn again when the environment says so")]

mod contract;
mod directory;
mod formats;
mod picture;
mod sample;

use std::path::Path;

use super::*;
use crate::finding::Conclusions;
use unicode_width::UnicodeWidthStr as _;

pub(crate) use sample::sample;

fn rendered(renderer: &dyn Renderer, conclusions: &Conclusions) -> String {
    let mut out = Vec::new();
    renderer.render(conclusions, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn options(width: usize) -> TerminalOptions {
    TerminalOptions {
        look: Look { width, color: false, unicode: true },
        per_kind: Some(20),
        elsewhere: "see out/findings.jsonl".to_owned(),
        verbose: false,
    }
}

fn terminal(conclusions: &Conclusions, options: &TerminalOptions) -> String {
    rendered(&terminal::Terminal(options), conclusions)
}

/// Compares with a file under `tests/report/`, or writes it if `FLOWGATE_BLESS` is set.
pub(super) fn same_as_picture(name: &str, shown: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report").join(name);
    if std::env::var_os("FLOWGATE_BLESS").is_some() {
        std::fs::write(&path, shown).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(shown == expected, "{name} differs; FLOWGATE_BLESS=1 draws it again. Shown:\n{shown}");
}

#[test]
fn report_at_60_columns() {
    same_as_picture("terminal-60.txt", &terminal(&sample(), &options(60)));
}

#[test]
fn report_at_100_columns() {
    same_as_picture("terminal-100.txt", &terminal(&sample(), &options(100)));
}

#[test]
fn verbose_report_in_ascii() {
    let look = Look { width: 80, color: false, unicode: false };
    let shown = terminal(&sample(), &TerminalOptions { look, verbose: true, ..options(80) });
    assert!(shown.is_ascii());
    same_as_picture("terminal-verbose-ascii.txt", &shown);
}

#[test]
fn report_of_nothing() {
    let shown = terminal(&Conclusions::default(), &options(60));
    same_as_picture("terminal-empty.txt", &shown);
}

#[test]
fn no_line_is_too_wide_unless_it_is_for_copying() {
    for width in 40..=200 {
        for line in terminal(&sample(), &options(width)).lines() {
            let command = line.starts_with("  = next: aws ") || line.starts_with("  = next: flowgate ");
            let words = line.split_whitespace().filter(|word| *word != "-").count();
            assert!(line.width() <= width || words == 1 || command, "{width}: {line}");
        }
    }
}

#[test]
fn colour_changes_nothing_but_colour() {
    let plain = options(100);
    let colored = TerminalOptions { look: Look { color: true, ..plain.look }, ..plain.clone() };
    let shown = terminal(&sample(), &colored);
    assert!(shown.contains("\u{1b}[31m"));
    let mut bare = String::new();
    let mut rest = shown.as_str();
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        bare.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    bare.push_str(rest);
    assert_eq!(bare, terminal(&sample(), &plain));
}

#[test]
fn hidden_findings_are_counted_and_where_they_are_is_said() {
    let mut conclusions = sample();
    let last = conclusions.findings.last().unwrap().clone();
    for n in 0..5 {
        conclusions.findings.push(crate::finding::Finding { id: format!("fgf-more{n}"), ..last.clone() });
    }
    let shown = terminal(&conclusions, &TerminalOptions { per_kind: Some(3), ..options(100) });
    assert!(shown.contains("More findings\n  4 unused-rule; see out/findings.jsonl\n"), "{shown}");
    assert!(shown.contains("fgf-more0") && !shown.contains("fgf-more1"));
    let all = terminal(&conclusions, &TerminalOptions { per_kind: None, ..options(100) });
    assert!(all.contains("fgf-more4") && !all.contains("More findings"));
}

/// Puts the same hostile text wherever text from outside can come in.
pub(super) fn hostile(evil: &str) -> Conclusions {
    let mut c = sample();
    for f in &mut c.findings {
        for text in [&mut f.title, &mut f.summary, &mut f.cause] {
            text.push_str(evil);
        }
        for list in [&mut f.interfaces, &mut f.instances, &mut f.remotes, &mut f.next, &mut f.controls] {
            list.push(evil.to_owned());
        }
        for id in [&mut f.account, &mut f.vpc, &mut f.security_group, &mut f.rule_id, &mut f.protocol] {
            *id = Some(evil.to_owned());
        }
        f.evidence.insert(evil.to_owned(), serde_json::json!({ evil: [evil] }));
        f.counts.insert(evil.to_owned(), 1);
    }
    let s = &mut c.summary;
    for list in [&mut s.inputs, &mut s.inventories, &mut s.assumptions] {
        list.push(evil.to_owned());
    }
    for used in &mut s.formats {
        used.format.push_str(evil);
        used.origin.push_str(evil);
    }
    s.inventory.insert(evil.to_owned(), 1);
    s.tally.unknown_fields.insert(evil.to_owned(), 1);
    for example in &mut s.tally.examples {
        example.object.push_str(evil);
        example.reason.push_str(evil);
    }
    for limitation in &mut s.limitations {
        for text in [&mut limitation.code, &mut limitation.object, &mut limitation.message] {
            text.push_str(evil);
        }
    }
    s.coverage.iter_mut().for_each(|c| c.interface.push_str(evil));
    c
}

#[test]
fn hostile_text_stays_text() {
    // Colours, window title, line of its own, a C1 introducer, a bidi override, an invisible letter.
    for evil in
        ["\u{1b}[2J", "\u{1b}]0;x\u{7}", "\nerror: fake", "\u{9b}2J", "\u{202e}gpj", "\u{e0041}", "\r"]
    {
        let c = hostile(evil);
        let loud = TerminalOptions { verbose: true, per_kind: None, ..options(100) };
        let shown = terminal(&c, &loud);
        assert_eq!(shown.chars().find(|c| *c != '\n' && sanitise::is_deceptive(*c)), None, "{evil:?}");
        assert!(!shown.lines().any(|line| line.starts_with("error: fake")), "{evil:?}");
        assert!(shown.contains(&*sanitise(evil, true)), "{evil:?} must be seen");
    }
}
