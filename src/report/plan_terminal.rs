//! A plan as people read it: what would change, how much tighter it gets, how sure that is, and what stays.

use std::io;

use super::numbers::{count, number, period};
use super::terminal::{TerminalOptions, heading};
use super::{Page, Span, Tone};
use crate::finding::{Conclusions, Grade};
use crate::tighten::{Action, Change, Plan, Rule, Safety};

/// Rules that a change shows.
const RULES_SHOWN: usize = 8;

/// Shows the plan on a page, with as much of it as `options` ask for.
///
/// # Errors
/// Those of the page.
pub fn show_plan(
    plan: &Plan,
    conclusions: &Conclusions,
    options: &TerminalOptions,
    page: &mut Page<'_>,
) -> io::Result<()> {
    let when = plan.window.and_then(|(start, end)| period(Some(start), Some(end)));
    let learned = format!(
        "learned from {}{}",
        count(conclusions.summary.connections, "connection"),
        when.map(|when| format!(", {when}")).unwrap_or_default()
    );
    let title = Span::new(Tone::Strong, count(plan.changes.len() as u64, "change"));
    page.flow(&[], 2, &[title, Span::plain(" proposed, "), Span::plain(learned)])?;
    let most = options.per_kind.unwrap_or(usize::MAX);
    for action in Action::ALL {
        let changes: Vec<&Change> = plan.changes.iter().filter(|c| c.action == action).collect();
        if changes.is_empty() {
            continue;
        }
        heading(page, &format!("{} ({})", title_of(action), number(changes.len() as u64)))?;
        for change in changes.iter().take(most) {
            one(change, options.verbose, page)?;
        }
        if let Some(more) = changes.len().checked_sub(most).filter(|more| *more > 0) {
            let text = format!("  {} more; {}", number(more as u64), options.elsewhere);
            page.line(&[Span::new(Tone::Note, text)])?;
        }
    }
    if !plan.left.is_empty() {
        heading(page, &format!("Left as they are ({})", number(plan.left.len() as u64)))?;
        for (rule, why) in plan.left.iter().take(most) {
            page.flow(
                &[Span::plain("  ")],
                4,
                &[Span::plain(format!("{rule}: ")), Span::new(Tone::Faint, &**why)],
            )?;
        }
        if plan.left.len() > most {
            let text = format!("  {} more; {}", number((plan.left.len() - most) as u64), options.elsewhere);
            page.line(&[Span::new(Tone::Note, text)])?;
        }
    }
    outcome(plan, conclusions, page)
}

fn title_of(action: Action) -> &'static str {
    match action {
        Action::RemoveUnused => "Rules that nothing used",
        Action::RemoveRedundant => "Rules that others make unnecessary",
        Action::MergeDuplicates => "Rules that say what others say",
        Action::Narrow => "Rules that could be narrower",
        Action::ReplaceByGroup => "Blocks that could be a reference to a group",
        Action::ReplaceByPrefixList => "Blocks that could be a prefix list",
    }
}

fn one(change: &Change, verbose: bool, page: &mut Page<'_>) -> io::Result<()> {
    let openness = match change.openness_after {
        Some(after) => format!("2^{:.1} -> 2^{after:.1}", change.openness_before),
        None => format!("2^{:.1} -> nothing", change.openness_before),
    };
    let tone = if change.safety == Safety::Safe { Tone::Good } else { Tone::Warn };
    let name = if change.group_name.is_empty() { String::new() } else { format!(" ({})", change.group_name) };
    page.flow(
        &[Span::new(tone, format!("  {:<7}", change.safety.as_str()))],
        4,
        &[
            Span::new(Tone::Strong, format!("{}{name}", change.group)),
            Span::plain(format!(" {}, ", change.direction.as_str())),
            Span::plain(openness),
            Span::plain(format!(", grade\u{a0}{}", change.grade.as_str())),
        ],
    )?;
    let owner = change.account.as_deref();
    for (sign, tone, rules) in [("-", Tone::Bad, &change.remove), ("+", Tone::Good, &change.add)] {
        let shown = if verbose { rules.len() } else { rules.len().min(RULES_SHOWN) };
        for rule in &rules[..shown] {
            let id = if sign == "-" { format!("{} ", rule.id) } else { String::new() };
            page.flow(
                &[Span::new(tone, format!("    {sign} "))],
                6,
                &[Span::plain(format!("{id}{}", text(rule, owner)))],
            )?;
        }
        if shown < rules.len() {
            page.line(&[Span::new(Tone::Faint, format!("    {sign} {} more", rules.len() - shown))])?;
        }
    }
    page.flow(&[Span::new(Tone::Faint, "    = why: ")], 6, &[Span::plain(&*change.why)])?;
    if let Some(replayed) = change.replayed {
        let text = format!(
            "{} stay permitted, {} blocked; held out: {} permitted, {} blocked; {} undecided",
            number(replayed.permitted),
            number(replayed.blocked),
            number(replayed.held_out_permitted),
            number(replayed.held_out_blocked),
            number(replayed.undecided)
        );
        page.flow(&[Span::new(Tone::Faint, "    = replayed: ")], 6, &[Span::plain(text)])?;
    }
    for reason in &change.reasons {
        page.flow(&[Span::new(Tone::Faint, "    = note: ")], 6, &[Span::plain(&**reason)])?;
    }
    if verbose && !change.curve.is_empty() {
        let points = change.curve.iter().map(|p| format!("{}:\u{a0}2^{:.1}", p.blocks, p.openness));
        let text = points.collect::<Vec<_>>().join(", ");
        page.flow(&[Span::new(Tone::Faint, "    = openness by blocks: ")], 6, &[Span::plain(text)])?;
    }
    page.line(&[Span::new(Tone::Faint, format!("    = id: {}", change.id))])
}

fn text(rule: &Rule, owner: Option<&str>) -> String {
    let ports = match rule.protocol {
        Some(protocol) if !protocol.has_ports() && rule.icmp.is_none_or(|(kind, _)| kind < 0) => {
            String::new()
        }
        _ => format!(" {}", rule.port_text()),
    };
    format!("{}{ports} {}", rule.protocol_text(), rule.peer_text(owner))
}

fn outcome(plan: &Plan, conclusions: &Conclusions, page: &mut Page<'_>) -> io::Result<()> {
    page.blank()?;
    let safe = plan.changes.iter().filter(|c| c.safety == Safety::Safe).count() as u64;
    let reliable = plan.changes.iter().filter(|c| c.grade == Grade::Reliable).count() as u64;
    let text = format!(
        "{} safe, {} to be reviewed; {} on reliable evidence",
        number(safe),
        number(plan.changes.len() as u64 - safe),
        number(reliable)
    );
    page.flow(&[], 2, &[Span::new(Tone::Strong, text)])?;
    let missing = conclusions.summary.limitations.iter().filter(|limitation| limitation.incomplete);
    for limitation in missing {
        let lead = [Span::new(Tone::Warn, "incomplete: ")];
        let object =
            if limitation.object.is_empty() { String::new() } else { format!("{}: ", limitation.object) };
        page.flow(&lead, 2, &[Span::plain(format!("{object}{}", limitation.message))])?;
    }
    Ok(())
}
