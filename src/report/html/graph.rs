//! Who talks to whom, as geometry of an SVG, and as a table.

use std::collections::BTreeMap;

use serde::Serialize;

use super::estate::{Estate, Link};
use super::groups::services;
use super::layout::layers;
use super::text::short;
use crate::finding::{Edge, Node, NodeKind, Picture};
use crate::report::numbers::{count, number};

/// Edges and nodes that are drawn; the busiest.
const DRAWN: usize = 60;
const NODES: usize = 28;
/// Edges in the table.
const LISTED: usize = 200;

const BOX: (f64, f64) = (184.0, 38.0);
const GAP: (f64, f64) = (132.0, 16.0);
const MARGIN: f64 = 18.0;

#[derive(Debug, Serialize)]
pub(super) struct Graph {
    width: f64,
    height: f64,
    described: String,
    boxes: Vec<BoxView>,
    lines: Vec<Line>,
    rows: Vec<RowView>,
    not_drawn: Option<String>,
    not_listed: Option<String>,
    approximate: bool,
}

#[derive(Debug, Serialize)]
struct BoxView {
    x: f64,
    y: f64,
    w: f64,
    h: f64,
    name: String,
    about: String,
    title: String,
    kind: &'static str,
    href: Option<String>,
}

#[derive(Debug, Serialize)]
struct Line {
    path: String,
    width: f64,
    back: bool,
    title: String,
    label: Option<(f64, f64, String)>,
}

#[derive(Debug, Serialize)]
struct RowView {
    from: Link,
    to: Link,
    services: String,
    connections: String,
}

fn kind(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::Internet => "internet",
        NodeKind::Group => "group",
        NodeKind::Subnet => "subnet",
        NodeKind::Block => "block",
    }
}

/// Nothing if nobody talked.
pub(super) fn graph(estate: &Estate<'_>) -> Option<Graph> {
    let picture = &estate.conclusions.picture;
    if picture.edges.is_empty() {
        return None;
    }
    let (shown, drawn) = choose(picture);
    let numbers: BTreeMap<usize, usize> = shown.iter().enumerate().map(|(number, &node)| (node, number)).collect();
    let ends: Vec<(usize, usize, u64)> =
        drawn.iter().map(|edge| (numbers[&edge.from], numbers[&edge.to], edge.connections.max(1))).collect();
    let layers = layers(shown.len(), &ends);
    let tallest = layers.iter().map(Vec::len).max().unwrap_or(1) as f64;
    let height = 2.0 * MARGIN + tallest * (BOX.1 + GAP.1);
    let mut spots = vec![(0_usize, 0.0, 0.0); shown.len()];
    for (at, layer) in layers.iter().enumerate() {
        let pitch = (height - 2.0 * MARGIN) / layer.len() as f64;
        for (row, &node) in layer.iter().enumerate() {
            let y = MARGIN + (row as f64 + 0.5) * pitch - BOX.1 / 2.0;
            spots[node] = (at, MARGIN + at as f64 * (BOX.0 + GAP.0), y);
        }
    }
    let width = 2.0 * MARGIN + layers.len() as f64 * (BOX.0 + GAP.0) - if layers.len() > 1 { GAP.0 } else { 0.0 };
    let inner: BTreeMap<usize, u64> =
        drawn.iter().filter(|edge| edge.from == edge.to).map(|edge| (edge.from, edge.connections)).collect();
    let boxes = shown.iter().zip(&spots).map(|(&node, &(_, x, y))| {
        box_view(estate, &picture.nodes[node], inner.get(&node).copied(), round(x), round(y))
    });
    let rest: u64 = picture.edges.iter().map(|e| e.connections).sum::<u64>() + picture.more_connections
        - drawn.iter().map(|e| e.connections).sum::<u64>();
    let missing = picture.edges.len() - drawn.len() + usize::try_from(picture.more_edges).unwrap_or(usize::MAX);
    let unlisted = picture.edges.len().saturating_sub(LISTED) as u64 + picture.more_edges;
    Some(Graph {
        boxes: boxes.collect(),
        lines: lines(picture, &drawn, &numbers, &spots),
        width: width.max(720.0),
        height,
        described: format!(
            "{} and {} between them, from who opens on the left to who is asked on the right. The table below says the same.",
            count(shown.len() as u64, "group"),
            count(drawn.iter().filter(|e| e.from != e.to).count() as u64, "line"),
        ),
        rows: picture.edges.iter().take(LISTED).map(|edge| row(estate, edge)).collect(),
        not_drawn: (missing > 0).then(|| format!("{} with {} are not drawn", count(missing as u64, "more line"), count(rest, "connection"))),
        not_listed: (unlisted > 0).then(|| number(unlisted)),
        approximate: picture.approximate,
    })
}

/// The busiest edges, as long as there is room for their ends.
fn choose(picture: &Picture) -> (Vec<usize>, Vec<&Edge>) {
    let (mut shown, mut drawn): (Vec<usize>, Vec<&Edge>) = (Vec::new(), Vec::new());
    for edge in &picture.edges {
        let new = [edge.from, edge.to].iter().filter(|node| !shown.contains(node)).count();
        if drawn.len() == DRAWN {
            break;
        }
        if shown.len() + new <= NODES {
            for node in [edge.from, edge.to] {
                if !shown.contains(&node) {
                    shown.push(node);
                }
            }
            drawn.push(edge);
        }
    }
    (shown, drawn)
}

fn box_view(estate: &Estate<'_>, node: &Node, inner: Option<u64>, x: f64, y: f64) -> BoxView {
    let mut about = match node.kind {
        NodeKind::Internet => "public addresses".to_owned(),
        NodeKind::Group => count(node.interfaces, "interface"),
        NodeKind::Subnet => "not in the inventory".to_owned(),
        NodeKind::Block => "private addresses".to_owned(),
    };
    if let Some(inner) = inner {
        about += &format!(" · {} inside", number(inner));
    }
    let place = node.vpc.as_ref().map_or_else(String::new, |vpc| format!(" in {vpc}"));
    BoxView {
        x,
        y,
        w: BOX.0,
        h: BOX.1,
        name: short(&node.name, 25),
        title: short(&format!("{}{place}: {}", node.name, node.groups.join(", ")), 300),
        about: short(&about, 32),
        kind: kind(node.kind),
        href: node.groups.first().and_then(|id| estate.group(id).href),
    }
}

fn lines(
    picture: &Picture,
    drawn: &[&Edge],
    numbers: &BTreeMap<usize, usize>,
    spots: &[(usize, f64, f64)],
) -> Vec<Line> {
    let spot = |node: usize| spots[numbers[&node]];
    // Lines leave and arrive in the order of their other ends, so that they cross less.
    let mut ports: BTreeMap<(usize, bool), Vec<(f64, usize)>> = BTreeMap::new();
    for (at, edge) in drawn.iter().enumerate().filter(|(_, edge)| edge.from != edge.to) {
        ports.entry((edge.from, true)).or_default().push((spot(edge.to).2, at));
        ports.entry((edge.to, false)).or_default().push((spot(edge.from).2, at));
    }
    for list in ports.values_mut() {
        list.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    }
    let offset = |node: usize, out: bool, at: usize| {
        let list = &ports[&(node, out)];
        let place = list.iter().position(|(_, edge)| *edge == at).unwrap_or(0) as f64;
        (place + 1.0) * BOX.1 / (list.len() as f64 + 1.0)
    };
    let mut lines = Vec::new();
    for (at, edge) in drawn.iter().enumerate().filter(|(_, edge)| edge.from != edge.to) {
        let (from, to) = (spot(edge.from), spot(edge.to));
        let (y1, y2) = (from.2 + offset(edge.from, true, at), to.2 + offset(edge.to, false, at));
        let back = to.0 <= from.0;
        // What goes back leaves and arrives at the same sides, and takes its way around.
        let (x1, x2) = (from.1 + BOX.0, to.1 - 5.0);
        let reach = if back { 0.42 * GAP.0 } else { ((x2 - x1) * 0.5).max(40.0) };
        let path = format!(
            "M{} {}C{} {} {} {} {} {}",
            round(x1), round(y1), round(x1 + reach), round(y1), round(x2 - reach), round(y2), round(x2), round(y2)
        );
        let name = |node: usize| picture.nodes[node].name.as_str();
        lines.push(Line {
            path,
            width: round(1.0 + 0.8 * (edge.connections.max(1) as f64).log10()),
            back,
            title: short(
                &format!("{} to {}: {} ({})", name(edge.from), name(edge.to), count(edge.connections, "connection"), services(edge)),
                400,
            ),
            // Near where it arrives, each at another height.
            label: (!back).then(|| (round(x2 - 6.0), round(y2 - 3.0), number(edge.connections))),
        });
    }
    lines
}

fn row(estate: &Estate<'_>, edge: &Edge) -> RowView {
    let end = |place: usize| match estate.conclusions.picture.nodes.get(place) {
        Some(node) => Link {
            text: short(&node.name, 80),
            href: node.groups.first().and_then(|id| estate.group(id).href),
        },
        None => Link::plain("?"),
    };
    RowView {
        from: end(edge.from),
        to: end(edge.to),
        services: services(edge),
        connections: number(edge.connections),
    }
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
