//! What was found, the worst first.

use std::collections::BTreeMap;
use std::io;

use serde_json::Value;

use super::{TerminalOptions, first_few, heading, tone};
use crate::finding::{Conclusions, Finding, Grade, Kind, Window};
use crate::flow::Direction;
use crate::report::numbers::{number, period};
use crate::report::{Page, Span, Tone};

pub(super) fn show(
    conclusions: &Conclusions,
    options: &TerminalOptions,
    page: &mut Page<'_>,
) -> io::Result<()> {
    let window = conclusions.summary.window;
    let most = options.per_kind.unwrap_or(usize::MAX);
    let mut seen: BTreeMap<Kind, usize> = BTreeMap::new();
    for finding in &conclusions.findings {
        let seen = seen.entry(finding.kind).or_default();
        *seen += 1;
        if *seen <= most {
            page.blank()?;
            one(finding, window, options.verbose, page)?;
        }
    }
    let hidden: Vec<String> = Kind::ALL
        .iter()
        .filter_map(|kind| {
            let more = seen.get(kind)?.checked_sub(most).filter(|more| *more > 0)?;
            Some(format!("{}\u{a0}{kind}", number(more as u64)))
        })
        .collect();
    if hidden.is_empty() {
        return Ok(());
    }
    heading(page, "More findings")?;
    page.flow(
        &[Span::plain("  ")],
        2,
        &[Span::plain(format!("{}; ", hidden.join(", "))), Span::new(Tone::Note, &*options.elsewhere)],
    )
}

fn one(finding: &Finding, window: Option<Window>, verbose: bool, page: &mut Page<'_>) -> io::Result<()> {
    let level = format!("{}[{}]", finding.severity, finding.kind);
    page.flow(
        &[],
        2,
        &[Span::new(tone(finding.severity), level), Span::new(Tone::Strong, format!(": {}", finding.title))],
    )?;
    if !finding.summary.is_empty() {
        page.flow(&[Span::plain("  ")], 2, &[Span::plain(&*finding.summary)])?;
    }
    let evidence = evidence(finding);
    if !evidence.is_empty() {
        let lead = [note("evidence")];
        if verbose {
            page.flow(&lead, 4, &[Span::plain(evidence)])?;
        } else {
            page.cut(&lead, &evidence)?;
        }
    }
    if verbose && let Some(place) = place(finding) {
        page.flow(&[note("where")], 4, &[Span::plain(place)])?;
    }
    for step in &finding.next {
        // A command torn apart can't be copied; the terminal wraps it in its own way.
        if step.starts_with("aws ") || step.starts_with("flowgate ") {
            page.line(&[note("next"), Span::plain(&**step)])?;
        } else {
            page.flow(&[note("next")], 4, &[Span::plain(&**step)])?;
        }
    }
    page.flow(&[note("id")], 4, &[Span::new(Tone::Faint, identity(finding, window))])
}

fn note(label: &str) -> Span {
    Span::new(Tone::Faint, format!("  = {label}: "))
}

/// Which one, of which subclass, how sure, and when, unless that is the whole window.
fn identity(finding: &Finding, window: Option<Window>) -> String {
    let mut parts = vec![finding.id.clone(), finding.cause.clone()];
    if finding.grade != Grade::Reliable {
        parts.push(format!("grade\u{a0}{}", finding.grade));
    }
    parts.extend(finding.controls.iter().cloned());
    if window.is_none_or(|w| (finding.start, finding.end) != (Some(w.start), Some(w.end))) {
        parts.extend(period(finding.start, finding.end));
    }
    parts.join(", ")
}

/// Counts and facts on a line: `connections 3, first port 22`.
fn evidence(finding: &Finding) -> String {
    let counts = finding.counts.iter().map(|(name, n)| format!("{} {}", words(name), number(*n)));
    // What is both a count and a fact is shown once.
    let facts = finding
        .evidence
        .iter()
        .filter(|(name, _)| !finding.counts.contains_key(*name))
        .map(|(name, value)| format!("{} {}", words(name), brief(value)));
    counts.chain(facts).collect::<Vec<_>>().join(", ")
}

fn words(name: &str) -> String {
    name.replace(['_', '-'], " ")
}

/// A value without the punctuation of JSON, where that is not ambiguous.
fn brief(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(n) => n.as_u64().map_or_else(|| n.to_string(), number),
        Value::Null => "none".to_owned(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => format!("[{}]", items.iter().map(brief).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let members: Vec<String> =
                members.iter().map(|(k, v)| format!("{} {}", words(k), brief(v))).collect();
            format!("{{{}}}", members.join(", "))
        }
    }
}

/// Where it is and what it is about.
fn place(finding: &Finding) -> Option<String> {
    let ids = [
        &finding.account,
        &finding.region,
        &finding.vpc,
        &finding.network_acl,
        &finding.security_group,
        &finding.rule_id,
    ];
    let mut parts: Vec<String> = ids.into_iter().flatten().cloned().collect();
    parts.extend(some("interface", &finding.interfaces));
    parts.extend(some("instance", &finding.instances));
    let ports: Vec<String> = finding.ports.iter().map(ToString::to_string).collect();
    let service: Vec<&str> = [finding.direction.map(Direction::as_str), finding.protocol.as_deref()]
        .into_iter()
        .flatten()
        .chain(ports.iter().map(String::as_str))
        .collect();
    if !service.is_empty() {
        parts.push(service.join(" "));
    }
    parts.extend(some("remote", &finding.remotes).map(|remotes| format!("remote {remotes}")));
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// The first few of a list, if there is any.
fn some(what: &str, list: &[String]) -> Option<String> {
    (!list.is_empty()).then(|| first_few(list, what))
}
