//! What became of the rules, in a small table.

use std::io;

use super::heading;
use crate::finding::{RuleClass, RuleRow};
use crate::flow::Direction;
use crate::report::numbers::number;
use crate::report::{Page, Span, Tone};

pub(super) fn show(rules: &[RuleRow], page: &mut Page<'_>) -> io::Result<()> {
    if rules.is_empty() {
        return Ok(());
    }
    let of = |class: Option<RuleClass>, direction: Option<Direction>| {
        rules
            .iter()
            .filter(|r| class.is_none_or(|c| r.class == c) && direction.is_none_or(|d| r.direction == d))
            .count() as u64
    };
    heading(page, "Rules")?;
    page.line(&[Span::new(Tone::Faint, row("", ["inbound", "outbound", "total"]))])?;
    let classes = RuleClass::ALL.iter().map(|class| (Some(*class), class.as_str(), tone(*class)));
    for (class, name, tone) in classes.chain([(None, "total", Tone::Strong)]) {
        let [inbound, outbound, total] =
            [Some(Direction::Inbound), Some(Direction::Outbound), None].map(|d| of(class, d));
        let text = row(name, [&number(inbound), &number(outbound), &number(total)]);
        page.line(&[Span::new(if total == 0 { Tone::Faint } else { tone }, text)])?;
    }
    Ok(())
}

fn row(name: &str, [inbound, outbound, total]: [&str; 3]) -> String {
    format!("  {name:13}{inbound:>8}{outbound:>9}{total:>8}")
}

fn tone(class: RuleClass) -> Tone {
    match class {
        RuleClass::Used => Tone::Good,
        RuleClass::Unused | RuleClass::Redundant => Tone::Note,
        RuleClass::Permissive => Tone::Warn,
        RuleClass::NotEvaluable => Tone::Plain,
    }
}
