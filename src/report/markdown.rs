//! Findings as Markdown, for tickets and chats.
//!
//! What came from outside must neither be a link, a mention, HTML, a heading nor a list of its own. A word with a sign
//! that could mean anything to Markdown (CommonMark, or what GitHub and GitLab add) is put between backticks, where
//! nothing means anything. There are no tables: a pipe can't be kept from breaking one everywhere.

use std::io::{self, Write};

use super::Renderer;
use super::clip::clip;
use super::json::escaped;
use super::numbers::{count, duration, number, period};
use crate::finding::{Conclusions, Finding, Severity};
use crate::flow::Direction;

/// Longest text of a finding, and of a word.
const TEXT: usize = 2_000;
/// Longest evidence.
const EVIDENCE: usize = 4_000;
/// Names of a list.
const NAMES: usize = 20;

pub(super) struct Markdown;

impl Renderer for Markdown {
    fn render(&self, conclusions: &Conclusions, out: &mut dyn Write) -> io::Result<()> {
        let findings = &conclusions.findings;
        writeln!(out, "# flowgate: {}\n", plain(&count(findings.len() as u64, "finding")))?;
        overview(conclusions, out)?;
        for (n, finding) in findings.iter().enumerate() {
            section(n + 1, finding, out)?;
        }
        limits(conclusions, out)
    }
}

fn overview(conclusions: &Conclusions, out: &mut dyn Write) -> io::Result<()> {
    let summary = &conclusions.summary;
    if let Some(window) = summary.window {
        let length = plain(&duration(window.end - window.start));
        let shown = period(Some(window.start), Some(window.end)).unwrap_or_default();
        writeln!(out, "- Logs: {}, {length}", code(&shown))?;
    }
    writeln!(out, "- Connections: {}", number(summary.connections))?;
    for severity in Severity::ALL {
        let n = conclusions.findings.iter().filter(|finding| finding.severity == severity).count();
        if n > 0 {
            writeln!(out, "- {severity}: {}", number(n as u64))?;
        }
    }
    if conclusions.is_incomplete() {
        writeln!(
            out,
            "- **Incomplete**: something was not read that could change a conclusion; see the end"
        )?;
    }
    Ok(())
}

fn section(n: usize, finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n## {n}. {}: {}\n", finding.severity, words(&finding.title))?;
    writeln!(out, "{}\n", words(&finding.summary))?;
    let mut line = |label: &str, shown: String| {
        if shown.is_empty() { Ok(()) } else { writeln!(out, "- {label}: {shown}") }
    };
    line("id", code(&finding.id))?;
    line("kind", format!("{} ({}), {}", finding.kind, words(&finding.cause), finding.grade))?;
    line("account", one(finding.account.as_ref()))?;
    line("region", one(finding.region.as_ref()))?;
    line("VPC", one(finding.vpc.as_ref()))?;
    line("security group", one(finding.security_group.as_ref()))?;
    line("rule", one(finding.rule_id.as_ref()))?;
    line("network ACL", one(finding.network_acl.as_ref()))?;
    line("interfaces", many(&finding.interfaces))?;
    line("instances", many(&finding.instances))?;
    let ports: Vec<String> = finding.ports.iter().map(ToString::to_string).collect();
    let protocol = one(finding.protocol.as_ref());
    let direction = finding.direction.map(Direction::as_str).unwrap_or_default().to_owned();
    let service = [direction, protocol, many(&ports)].into_iter().filter(|part| !part.is_empty());
    line("service", service.collect::<Vec<_>>().join(" "))?;
    line("remotes", many(&finding.remotes))?;
    line("period", period(finding.start, finding.end).map(|text| code(&text)).unwrap_or_default())?;
    let counts = finding.counts.iter().take(NAMES).map(|(name, n)| format!("{} {}", words(name), number(*n)));
    line("counts", counts.collect::<Vec<_>>().join(", "))?;
    line("controls", many(&finding.controls))?;
    for next in &finding.next {
        let command = ["aws ", "flowgate "].iter().any(|start| next.starts_with(start));
        line("next", if command { code(next) } else { words(next) })?;
    }
    if !finding.evidence.is_empty() {
        block(&serde_json::to_string_pretty(&finding.evidence)?, out)?;
    }
    Ok(())
}

/// JSON between fences that nothing in it can close.
fn block(json: &str, out: &mut dyn Write) -> io::Result<()> {
    let json = escaped(json);
    let fence = "`".repeat(longest_run(&json).max(2) + 1);
    writeln!(out, "\n{fence}json")?;
    let mut room = EVIDENCE;
    for line in json.lines() {
        let Some(rest) = room.checked_sub(line.len()) else {
            writeln!(out, "{}", clip(line, room.max(80)))?;
            break;
        };
        room = rest;
        writeln!(out, "{line}")?;
    }
    writeln!(out, "{fence}")
}

fn limits(conclusions: &Conclusions, out: &mut dyn Write) -> io::Result<()> {
    let limitations = conclusions.summary.limitations.iter().filter(|l| l.incomplete);
    let mut first = true;
    for limitation in limitations {
        if first {
            writeln!(out, "\n## Not read or not usable\n")?;
            first = false;
        }
        let object = one(Some(&limitation.object).filter(|object| !object.is_empty()));
        let between = if object.is_empty() { "" } else { ": " };
        writeln!(out, "- {}: {object}{between}{}", words(&limitation.code), words(&limitation.message))?;
    }
    Ok(())
}

fn one(id: Option<&String>) -> String {
    id.map(|id| code(id)).unwrap_or_default()
}

fn many(ids: &[String]) -> String {
    let shown: Vec<String> = ids.iter().take(NAMES).map(|id| code(id)).collect();
    let more = ids.len() - shown.len();
    let rest = if more > 0 { format!(" and {} more", number(more as u64)) } else { String::new() };
    format!("{}{rest}", shown.join(", "))
}

/// Our own words, with the blanks that Markdown has.
fn plain(text: &str) -> String {
    text.replace('\u{a0}', " ")
}

/// Running text: what is between backticks is code, and so is every other word that is not plain.
fn words(text: &str) -> String {
    let text = plain(&clip(text, TEXT));
    let mut shown = String::with_capacity(text.len());
    let mut add = |piece: &str| {
        // Never side by side: the backticks of two spans would run together.
        let closes = piece.starts_with([',', '.', ';', ':']) && !piece.contains('`');
        if !shown.is_empty() && !closes {
            shown.push(' ');
        }
        shown.push_str(piece);
    };
    let mut rest = text.as_str();
    let mut first = true;
    while let Some((before, inner, after)) = quoted(rest) {
        before.split_whitespace().for_each(|word| add(&one_word(word, std::mem::take(&mut first))));
        first = false;
        add(&code(inner));
        rest = after;
    }
    rest.split_whitespace().for_each(|word| add(&one_word(word, std::mem::take(&mut first))));
    shown
}

/// What is before, between and after the first two backticks.
fn quoted(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('`')?;
    let (inner, after) = rest.split_once('`')?;
    (!inner.trim().is_empty()).then_some((before, inner, after))
}

fn one_word(word: &str, first: bool) -> String {
    // The comma or full stop after a name is not part of it.
    let core = word.trim_end_matches([',', '.', ';', ':']);
    let inner = core.strip_prefix('(').and_then(|core| core.strip_suffix(')'));
    let body = inner.unwrap_or(core);
    if is_plain(body) && !(first && begins_list(word)) {
        return word.to_owned();
    }
    let start = usize::from(inner.is_some());
    format!("{}{}{}", &word[..start], code(body), &word[start + body.len()..])
}

fn is_plain(word: &str) -> bool {
    let mild = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "-.,/'\"%();?".contains(c);
    // GitHub and GitLab make links of these without a sign.
    let linked = word.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("www."));
    word.chars().all(mild) && !linked && !word.starts_with("GH-")
}

fn begins_list(word: &str) -> bool {
    let number = |n: &str| n.bytes().all(|b| b.is_ascii_digit());
    word == "-" || word.starts_with("--") || word.strip_suffix(['.', ')']).is_some_and(number)
}

/// Text in which nothing has a meaning.
fn code(text: &str) -> String {
    let text = plain(&clip(text, TEXT));
    if text.trim().is_empty() {
        return if text.is_empty() { String::new() } else { "(blank)".to_owned() };
    }
    let fence = "`".repeat(longest_run(&text) + 1);
    let pad = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// The most backticks in a row.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_becomes_code() {
        for (text, shown) in [
            ("eni-1 accepted tcp/22 from 10.0.0.1, twice.", "eni-1 accepted tcp/22 from 10.0.0.1, twice."),
            ("see https://evil.example/x now", "see `https://evil.example/x` now"),
            ("ask @admin, now", "ask `@admin`, now"),
            ("[a](b) <img src=x>", "`[a](b)` `<img` `src=x>`"),
            ("a`b", "``a`b``"),
            ("a`<b>`c", "a `<b>` c"),
            ("`", "`` ` ``"),
            ("run `aws x`, or `y`.", "run `aws x`, or `y`."),
            ("`a``b`", "`a` `b`"),
            ("`<b>` `", "`<b>` `` ` ``"),
            ("- item", "`-` item"),
            ("1. item", "`1`. item"),
            ("a\nb|c", "`a\\nb|c`"),
            ("www.evil.example", "`www.evil.example`"),
            ("web_tier *x*", "`web_tier` `*x*`"),
            ("ends :smile: #12", "ends `:smile`: `#12`"),
        ] {
            assert_eq!(words(text), shown);
        }
        assert_eq!(words("\u{202e}gpj"), "`\\u{202e}gpj`");
    }
}
