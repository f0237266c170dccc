//! What was read.

use std::io;

use super::{first_few, labelled};
use crate::finding::Summary;
use crate::report::numbers::{bytes, count, duration, number, time};
use crate::report::{Page, Span, Tone};

pub(super) fn show(summary: &Summary, page: &mut Page<'_>) -> io::Result<()> {
    page.line(&[
        Span::new(Tone::Strong, env!("CARGO_PKG_NAME")),
        Span::new(Tone::Faint, concat!(" ", env!("CARGO_PKG_VERSION"))),
    ])?;
    let read = format!(
        "{} ({}), {}, {}",
        count(summary.objects, "object"),
        bytes(summary.bytes),
        count(summary.tally.records, "record"),
        count(summary.connections, "connection"),
    );
    labelled(page, "read", &[Span::plain(read)])?;
    if !summary.inputs.is_empty() {
        labelled(page, "from", &[Span::plain(first_few(&summary.inputs, "input"))])?;
    }
    let window = match summary.window {
        Some(w) => {
            format!("{} to {} ({})", time(w.start), time(w.end), duration(w.end.saturating_sub(w.start)))
        }
        None => "no records".to_owned(),
    };
    labelled(page, "window", &[Span::plain(window)])?;
    for used in &summary.formats {
        let lines = count(used.lines, "line");
        let told = format!("{lines} without a header taken as {} ({})", used.format, used.origin);
        labelled(page, "format", &[Span::plain(told)])?;
    }
    let known = summary.coverage.iter().filter(|c| c.in_inventory).count() as u64;
    let seen = summary.coverage.len() as u64;
    let interfaces = match seen - known {
        0 => count(seen, "interface"),
        unknown => format!("{}, {} of them not in the inventory", count(seen, "interface"), number(unknown)),
    };
    labelled(page, "interfaces", &[Span::plain(interfaces)])?;
    let held: Vec<String> = summary
        .inventory
        .iter()
        .filter(|(_, n)| **n > 0)
        .map(|(kind, n)| format!("{}\u{a0}{}", number(*n), words(kind, *n)))
        .collect();
    let inventory = match (held.is_empty(), summary.inventories.is_empty()) {
        (true, _) => "none: nothing can be said about rules".to_owned(),
        (false, true) => held.join(", "),
        (false, false) => format!("{}: {}", first_few(&summary.inventories, "path"), held.join(", ")),
    };
    labelled(page, "inventory", &[Span::plain(inventory)])
}

/// `security-groups` as words: `security groups`, or `security group` for one.
fn words(kind: &str, n: u64) -> String {
    let kind = if n == 1 { kind.strip_suffix('s').unwrap_or(kind) } else { kind };
    let upper = |word: &str| match word {
        "acl" | "acls" => word.replace("acl", "ACL"),
        "vpc" | "vpcs" => word.replace("vpc", "VPC"),
        _ => word.to_owned(),
    };
    kind.split('-').map(upper).collect::<Vec<_>>().join("\u{a0}")
}
