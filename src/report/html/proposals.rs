//! What should change, with the curve of blocks against openness.

use serde::Serialize;

use crate::report::numbers::number;
use crate::tighten::{Change, CurvePoint};

/// Rules shown of a change.
const RULES: usize = 40;
/// Size of a curve, and room for its axes.
const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 120.0;
const LEFT: f64 = 34.0;
const BOTTOM: f64 = 24.0;
const MARGIN: f64 = 8.0;

#[derive(Debug, Serialize)]
pub(super) struct ChangeView {
    id: String,
    action: &'static str,
    direction: &'static str,
    safety: &'static str,
    grade: &'static str,
    why: String,
    reasons: Vec<String>,
    remove: Vec<String>,
    more_removed: usize,
    add: Vec<String>,
    more_added: usize,
    before: String,
    after: String,
    replayed: Option<ReplayedView>,
    curve: Option<Curve>,
}

#[derive(Debug, Serialize)]
struct ReplayedView {
    permitted: String,
    blocked: String,
    blocks: bool,
    held_out_permitted: String,
    held_out_blocked: String,
    held_out_blocks: bool,
    undecided: String,
}

#[derive(Debug, Serialize)]
struct Curve {
    width: f64,
    height: f64,
    axis: String,
    path: String,
    points: Vec<Point>,
    x_labels: Vec<(f64, String)>,
    y_labels: Vec<(f64, String)>,
}

#[derive(Debug, Serialize)]
struct Point {
    x: f64,
    y: f64,
    chosen: bool,
    blocks: u32,
    bits: String,
    addresses: String,
}

pub(super) fn view(change: &Change) -> ChangeView {
    let rules = |rules: &[_], text: &dyn Fn(usize) -> String| {
        (0..rules.len().min(RULES)).map(text).collect::<Vec<_>>()
    };
    let account = change.account.as_deref();
    let way = if change.direction.as_str() == "inbound" { "from" } else { "to" };
    let removed = |at: usize| {
        let rule = &change.remove[at];
        format!(
            "{} {} {way} {}  ({})",
            rule.protocol_text(),
            rule.port_text(),
            rule.peer_text(account),
            rule.id
        )
    };
    let added = |at: usize| {
        let rule = &change.add[at];
        format!("{} {} {way} {}", rule.protocol_text(), rule.port_text(), rule.peer_text(account))
    };
    ChangeView {
        id: change.id.clone(),
        action: change.action.as_str(),
        direction: change.direction.as_str(),
        safety: change.safety.as_str(),
        grade: change.grade.as_str(),
        why: change.why.clone(),
        reasons: change.reasons.clone(),
        remove: rules(&change.remove, &removed),
        more_removed: change.remove.len().saturating_sub(RULES),
        add: rules(&change.add, &added),
        more_added: change.add.len().saturating_sub(RULES),
        before: format!("{:.1}", change.openness_before),
        after: change.openness_after.map_or_else(|| "nothing".to_owned(), |bits| format!("{bits:.1}")),
        replayed: change.replayed.map(|replayed| ReplayedView {
            permitted: number(replayed.permitted),
            blocked: number(replayed.blocked),
            blocks: replayed.blocked > 0,
            held_out_permitted: number(replayed.held_out_permitted),
            held_out_blocked: number(replayed.held_out_blocked),
            held_out_blocks: replayed.held_out_blocked > 0,
            undecided: number(replayed.undecided),
        }),
        curve: curve(change),
    }
}

/// The point that the change takes is the one with as many blocks as it has different peers to add.
fn curve(change: &Change) -> Option<Curve> {
    let points: Vec<&CurvePoint> = change.curve.iter().filter(|p| p.address_bits.is_finite()).collect();
    let (first, last) = (points.first()?, points.last()?);
    let mut peers: Vec<String> =
        change.add.iter().map(|rule| rule.peer_text(change.account.as_deref())).collect();
    peers.sort();
    peers.dedup();
    let (low, high) = (f64::from(first.blocks.min(last.blocks)), f64::from(first.blocks.max(last.blocks)));
    let most = points.iter().map(|p| p.address_bits).fold(1.0, f64::max);
    let scale = |value: f64, span: f64| if span > 0.0 { value / span } else { 0.5 };
    let x = |blocks: u32| round(LEFT + scale(f64::from(blocks) - low, high - low) * (WIDTH - LEFT - MARGIN));
    let y = |bits: f64| round(HEIGHT - BOTTOM - scale(bits, most) * (HEIGHT - BOTTOM - MARGIN));
    let mut path = String::new();
    for (at, point) in points.iter().enumerate() {
        let (x, y) = (x(point.blocks), y(point.address_bits));
        path += &if at == 0 { format!("M{x} {y}") } else { format!("H{x}V{y}") };
    }
    let shown = points.iter().map(|point| Point {
        x: x(point.blocks),
        y: y(point.address_bits),
        chosen: point.blocks as usize == peers.len(),
        blocks: point.blocks,
        bits: format!("{:.1}", point.address_bits),
        addresses: addresses(point.address_bits),
    });
    Some(Curve {
        width: WIDTH,
        height: HEIGHT,
        axis: format!("M{LEFT} {MARGIN}V{}H{WIDTH}", HEIGHT - BOTTOM),
        path,
        points: shown.collect(),
        x_labels: if low < high {
            vec![(x(low as u32), low.to_string()), (x(high as u32), high.to_string())]
        } else {
            vec![(x(low as u32), low.to_string())]
        },
        y_labels: vec![(y(0.0), "1".to_owned()), (y(most), addresses(most))],
    })
}

/// `256`, or `2^32` where nobody counts.
fn addresses(bits: f64) -> String {
    if bits < 20.0 { number(bits.exp2().round() as u64) } else { format!("2^{bits:.0}") }
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
