//! A replay as people read it: who would be cut off, who would be let in, and what that rests on.

use std::io;

use super::numbers::{count, number, period, time};
use super::replay_jsonl::replay_is_incomplete;
use super::terminal::{TerminalOptions, heading};
use super::{Page, Span, Tone};
use crate::finding::Summary;
use crate::tighten::{Against, GroupDifference, Lot, Openness, Replay, ReplayRow, ReplayRows, RuleName};

/// Rules that a row or a group shows.
const RULES_SHOWN: usize = 4;

/// Shows a replay on a page, with as much of it as `options` ask for.
///
/// # Errors
/// Those of the page.
pub fn show_replay(
    replay: &Replay,
    summary: &Summary,
    against: Against,
    options: &TerminalOptions,
    page: &mut Page<'_>,
) -> io::Result<()> {
    let when = summary.window.and_then(|window| period(Some(window.start), Some(window.end)));
    let what = match against {
        Against::Standing => "under the standing configuration and the proposed one",
        Against::Logs => "as the logs tell it, and under the proposed configuration",
    };
    let text = format!(
        "{} {what}{}",
        count(summary.connections, "connection"),
        when.map(|when| format!(", {when}")).unwrap_or_default()
    );
    page.flow(&[], 2, &[Span::new(Tone::Strong, "Replayed "), Span::plain(text)])?;
    let cut = match against {
        Against::Standing => "Would be cut off",
        Against::Logs => "Would have been cut off",
    };
    rows(cut, Tone::Bad, &replay.blocked, options, page)?;
    rows("Would be let in", Tone::Warn, &replay.opened, options, page)?;
    rows("Undecided", Tone::Note, &replay.unsure, options, page)?;
    groups(&replay.groups, options, page)?;
    network(replay, page)?;
    outcome(replay, summary, against, page)
}

/// Shows whom a proposed configuration would cut off, and when they were last seen; nothing if nobody.
///
/// # Errors
/// Those of the page.
pub fn show_cut_off(
    title: &str,
    replay: &Replay,
    options: &TerminalOptions,
    page: &mut Page<'_>,
) -> io::Result<()> {
    rows(title, Tone::Bad, &replay.blocked, options, page)
}

fn rows(
    title: &str,
    tone: Tone,
    list: &ReplayRows,
    options: &TerminalOptions,
    page: &mut Page<'_>,
) -> io::Result<()> {
    if list.rows.is_empty() {
        return Ok(());
    }
    let connections: u64 = list.rows.iter().map(|row| row.connections).sum();
    heading(page, &format!("{title} ({})", count(connections, "connection")))?;
    let most = options.per_kind.unwrap_or(usize::MAX);
    for row in list.rows.iter().take(most) {
        one(row, tone, options.verbose, page)?;
    }
    if list.rows.len() > most {
        let more = (list.rows.len() - most) as u64;
        let text = format!("  {} more; {}", number(more), options.elsewhere);
        page.line(&[Span::new(Tone::Note, text)])?;
    }
    if list.folded {
        page.flow(
            &[Span::plain("  ")],
            2,
            &[Span::new(
                Tone::Note,
                "there are too many to tell apart: peers are told as blocks, ports as ranges",
            )],
        )?;
    }
    Ok(())
}

/// `eni-1 (web) inbound tcp 443 from 10.0.0.1: 12 connections, last 2026-…`
fn one(row: &ReplayRow, tone: Tone, verbose: bool, page: &mut Page<'_>) -> io::Result<()> {
    let label = row.label.as_ref().map(|label| format!(" ({label})")).unwrap_or_default();
    let direction = row.direction.map_or("either way", |direction| direction.as_str());
    let side = if row.direction == Some(crate::flow::Direction::Outbound) { "to" } else { "from" };
    let ports = row.port_text().map(|ports| format!("\u{a0}{ports}")).unwrap_or_default();
    let weak = match row.weak {
        0 => String::new(),
        weak => format!(", {} on weak evidence", number(weak)),
    };
    page.flow(
        &[Span::new(tone, "  - ")],
        4,
        &[
            Span::new(Tone::Strong, &*row.interface),
            Span::plain(format!(
                "{label} {direction} {}{ports} {side} {}: ",
                row.protocol,
                row.remote_text()
            )),
            Span::plain(format!("{}, last {}{weak}", count(row.connections, "connection"), time(row.last))),
            Span::new(Tone::Faint, format!(", {}", row.by)),
        ],
    )?;
    rules("    = rule: ", &row.rules, verbose, page)
}

fn rules(lead: &str, rules: &[RuleName], verbose: bool, page: &mut Page<'_>) -> io::Result<()> {
    let shown = if verbose { rules.len() } else { rules.len().min(RULES_SHOWN) };
    for rule in &rules[..shown] {
        let name = if rule.group_name.is_empty() { String::new() } else { format!(" ({})", rule.group_name) };
        let text = format!("{} of {}{name}: {}", rule.id, rule.group, rule.text);
        page.flow(&[Span::new(Tone::Faint, lead)], 6, &[Span::plain(text)])?;
    }
    if shown < rules.len() {
        page.line(&[Span::new(Tone::Faint, format!("    = {} more rules", rules.len() - shown))])?;
    }
    Ok(())
}

fn groups(groups: &[GroupDifference], options: &TerminalOptions, page: &mut Page<'_>) -> io::Result<()> {
    if groups.is_empty() {
        return Ok(());
    }
    heading(page, &format!("Groups that change ({})", number(groups.len() as u64)))?;
    let most = options.per_kind.unwrap_or(usize::MAX);
    for group in groups.iter().take(most) {
        let name =
            if group.group_name.is_empty() { String::new() } else { format!(" ({})", group.group_name) };
        let text = format!(" {}, {} -> {}", group.direction, openness(&group.before), openness(&group.after));
        page.flow(
            &[Span::plain("  - ")],
            4,
            &[Span::new(Tone::Strong, format!("{}{name}", group.group)), Span::plain(text)],
        )?;
        let wider = |rule: &&RuleName| group.wider.contains(rule);
        let added: Vec<RuleName> = group.added.iter().filter(|rule| !wider(rule)).cloned().collect();
        rules("    - ", &group.removed, options.verbose, page)?;
        rules("    + ", &added, options.verbose, page)?;
        rules("    + wider: ", &group.wider, options.verbose, page)?;
    }
    if groups.len() > most {
        let text = format!("  {} more; {}", number((groups.len() - most) as u64), options.elsewhere);
        page.line(&[Span::new(Tone::Note, text)])?;
    }
    Ok(())
}

/// log2 of addresses x ports x protocols.
fn openness(openness: &Openness) -> String {
    let family = |bits: Option<f64>, name: &str| bits.map(|bits| format!("2^{bits:.1}{name}"));
    let parts: Vec<String> =
        [family(openness.ipv4, ""), family(openness.ipv6, "\u{a0}IPv6")].into_iter().flatten().collect();
    match (parts.is_empty(), openness.unresolved) {
        (true, 0) => "nothing".to_owned(),
        (true, _) => "unknown".to_owned(),
        (false, 0) => parts.join(" and "),
        (false, _) => format!("{} and more", parts.join(" and ")),
    }
}

fn network(replay: &Replay, page: &mut Page<'_>) -> io::Result<()> {
    if !replay.acls.is_empty() {
        heading(page, &format!("Network ACLs that change ({})", number(replay.acls.len() as u64)))?;
    }
    for acl in &replay.acls {
        page.line(&[Span::plain("  - "), Span::new(Tone::Strong, &*acl.acl)])?;
        let lists = [
            ("    - ", &acl.removed),
            ("    + ", &acl.added),
            ("    - subnet ", &acl.left),
            ("    + subnet ", &acl.joined),
        ];
        for (lead, list) in lists {
            for text in list {
                page.flow(&[Span::new(Tone::Faint, lead)], 6, &[Span::plain(&**text)])?;
            }
        }
    }
    if !replay.moved.is_empty() {
        heading(page, &format!("Interfaces in other groups ({})", number(replay.moved.len() as u64)))?;
    }
    for (interface, (left, joined)) in &replay.moved {
        let text = format!(" leaves [{}], joins [{}]", left.join(", "), joined.join(", "));
        page.flow(&[Span::plain("  - ")], 4, &[Span::new(Tone::Strong, &**interface), Span::plain(text)])?;
    }
    Ok(())
}

fn outcome(replay: &Replay, summary: &Summary, against: Against, page: &mut Page<'_>) -> io::Result<()> {
    page.blank()?;
    let n = |lot: Lot| number(replay.count(lot).connections);
    let tone = if replay.count(Lot::Blocked).connections > 0 { Tone::Bad } else { Tone::Good };
    page.flow(
        &[],
        2,
        &[
            Span::new(tone, format!("{} newly blocked", n(Lot::Blocked))),
            Span::plain(format!(
                ", {} newly opened, {} still permitted, {} undecided, {} still rejected",
                n(Lot::Opened),
                n(Lot::Permitted),
                n(Lot::Undecided),
                n(Lot::StillRejected)
            )),
        ],
    )?;
    let (unexplained, again) = (replay.count(Lot::Unexplained), replay.count(Lot::Admitted));
    if against == Against::Standing && unexplained.connections + again.connections > 0 {
        let text = format!(
            "{} were accepted that the standing configuration does not permit; the proposed one permits {} of them",
            count(unexplained.connections + again.connections, "connection"),
            number(again.connections)
        );
        page.flow(&[Span::plain("note: ")], 2, &[Span::plain(text)])?;
    }
    for (why, connections) in &replay.undecided {
        page.line(&[Span::plain(format!("undecided: {} {why}", number(*connections)))])?;
    }
    for gap in &replay.gaps {
        page.flow(&[Span::new(Tone::Warn, "incomplete: ")], 2, &[Span::plain(&**gap)])?;
    }
    for limitation in summary.limitations.iter().filter(|limitation| limitation.incomplete) {
        let object = match limitation.object.as_str() {
            "" => String::new(),
            object => format!("{object}: "),
        };
        let text = format!("{object}{}", limitation.message);
        page.flow(&[Span::new(Tone::Warn, "incomplete: ")], 2, &[Span::plain(text)])?;
    }
    debug_assert!(replay.gaps.is_empty() || replay_is_incomplete(replay, summary));
    Ok(())
}
