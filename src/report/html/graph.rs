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
const NODES: usize = 26;
/// Edges in the table.
const LISTED: usize = 200;

/// Width and least height of a box, room between boxes, and room for a line that ends at one.
const BOX: (f64, f64) = (168.0, 38.0);
const GAP: (f64, f64) = (118.0, 14.0);
const PORT: f64 = 12.0;
const MARGIN: f64 = 16.0;

/// A node as it is drawn. The internet is there twice: as who opens and as who is asked, or every graph would be a ring.
type Drawn = (usize, bool);

fn end(picture: &Picture, node: usize, opens: bool) -> Drawn {
    (node, opens && picture.nodes[node].kind == NodeKind::Internet)
}

/// Where a box is.
#[derive(Clone, Copy, Debug, Default)]
struct Spot {
    layer: usize,
    x: f64,
    y: f64,
    h: f64,
}

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
    let numbers: BTreeMap<Drawn, usize> =
        shown.iter().enumerate().map(|(number, &node)| (node, number)).collect();
    let ends: Vec<(usize, usize, u64)> = drawn
        .iter()
        .map(|edge| {
            (
                numbers[&end(picture, edge.from, true)],
                numbers[&end(picture, edge.to, false)],
                edge.connections.max(1),
            )
        })
        .collect();
    let layers = layers(shown.len(), &ends);
    let tall = |node: usize| {
        let leaving = ends.iter().filter(|(a, b, _)| a != b && *a == node).count();
        let arriving = ends.iter().filter(|(a, b, _)| a != b && *b == node).count();
        BOX.1.max((leaving.max(arriving) as f64 + 0.5) * PORT)
    };
    let full = |layer: &Vec<usize>| layer.iter().map(|&node| tall(node) + GAP.1).sum::<f64>();
    let height = round(2.0 * MARGIN + layers.iter().map(full).fold(0.0, f64::max));
    let mut spots = vec![Spot::default(); shown.len()];
    for (layer, nodes) in layers.iter().enumerate() {
        // What a layer does not need is shared out between its boxes.
        let spare = (height - 2.0 * MARGIN - full(nodes)) / nodes.len() as f64;
        let mut y = MARGIN;
        for &node in nodes {
            let (x, h) = (MARGIN + layer as f64 * (BOX.0 + GAP.0), tall(node));
            spots[node] = Spot { layer, x, y: y + (spare + GAP.1) / 2.0, h };
            y += h + GAP.1 + spare;
        }
    }
    let width =
        2.0 * MARGIN + layers.len() as f64 * (BOX.0 + GAP.0) - if layers.len() > 1 { GAP.0 } else { 0.0 };
    let inner: BTreeMap<usize, u64> =
        drawn.iter().filter(|edge| edge.from == edge.to).map(|edge| (edge.from, edge.connections)).collect();
    let boxes = shown.iter().zip(&spots).map(|(&(node, opens), spot)| {
        box_view(estate, &picture.nodes[node], opens, inner.get(&node).copied(), *spot)
    });
    let rest: u64 = picture.edges.iter().map(|e| e.connections).sum::<u64>() + picture.more_connections
        - drawn.iter().map(|e| e.connections).sum::<u64>();
    let missing =
        picture.edges.len() - drawn.len() + usize::try_from(picture.more_edges).unwrap_or(usize::MAX);
    let unlisted = picture.edges.len().saturating_sub(LISTED) as u64 + picture.more_edges;
    Some(Graph {
        boxes: boxes.collect(),
        lines: lines(picture, &drawn, &numbers, &spots),
        width: width.max(1_000.0),
        height,
        described: format!(
            "{} and {} between them, from who opens on the left to who is asked on the right. The table below says the same.",
            count(shown.len() as u64, "box").replace("boxs", "boxes"),
            count(drawn.iter().filter(|e| e.from != e.to).count() as u64, "line"),
        ),
        rows: picture.edges.iter().take(LISTED).map(|edge| row(estate, edge)).collect(),
        not_drawn: (missing > 0).then(|| {
            format!("{} with {} are not drawn", count(missing as u64, "more line"), count(rest, "connection"))
        }),
        not_listed: (unlisted > 0).then(|| number(unlisted)),
        approximate: picture.approximate,
    })
}

/// The busiest edges, as long as there is room for their ends.
fn choose(picture: &Picture) -> (Vec<Drawn>, Vec<&Edge>) {
    let (mut shown, mut drawn): (Vec<Drawn>, Vec<&Edge>) = (Vec::new(), Vec::new());
    for edge in &picture.edges {
        let ends = [end(picture, edge.from, true), end(picture, edge.to, false)];
        let new = ends.iter().filter(|node| !shown.contains(node)).count();
        if drawn.len() == DRAWN {
            break;
        }
        if shown.len() + new <= NODES {
            for node in ends {
                if !shown.contains(&node) {
                    shown.push(node);
                }
            }
            drawn.push(edge);
        }
    }
    (shown, drawn)
}

fn box_view(estate: &Estate<'_>, node: &Node, opens: bool, inner: Option<u64>, spot: Spot) -> BoxView {
    let mut about = match node.kind {
        NodeKind::Internet => if opens { "opens to us" } else { "is asked by us" }.to_owned(),
        NodeKind::Group => count(node.interfaces, "interface"),
        NodeKind::Subnet => "not in the inventory".to_owned(),
        NodeKind::Block => "private addresses".to_owned(),
    };
    if let Some(inner) = inner {
        about += &format!(" · {} inside", number(inner));
    }
    let place = node.vpc.as_ref().map_or_else(String::new, |vpc| format!(" in {vpc}"));
    BoxView {
        x: round(spot.x),
        y: round(spot.y),
        w: BOX.0,
        h: round(spot.h),
        name: short(&node.name, 23),
        title: short(&format!("{}{place}: {}", node.name, node.groups.join(", ")), 300),
        about: short(&about, 28),
        kind: kind(node.kind),
        href: node.groups.first().and_then(|id| estate.group(id).href),
    }
}

fn lines(picture: &Picture, drawn: &[&Edge], numbers: &BTreeMap<Drawn, usize>, spots: &[Spot]) -> Vec<Line> {
    let drawn: Vec<(usize, usize, &Edge)> = drawn
        .iter()
        .filter(|edge| edge.from != edge.to)
        .map(|edge| (numbers[&end(picture, edge.from, true)], numbers[&end(picture, edge.to, false)], *edge))
        .collect();
    // Lines leave and arrive in the order of their other ends, so that they cross less.
    let mut ports: BTreeMap<(usize, bool), Vec<(f64, usize)>> = BTreeMap::new();
    for (at, (from, to, _)) in drawn.iter().enumerate() {
        ports.entry((*from, true)).or_default().push((spots[*to].y, at));
        ports.entry((*to, false)).or_default().push((spots[*from].y, at));
    }
    for list in ports.values_mut() {
        list.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    }
    let height = |node: usize, out: bool, at: usize| {
        let list = &ports[&(node, out)];
        let place = list.iter().position(|(_, edge)| *edge == at).unwrap_or(0) as f64;
        spots[node].y + (place + 1.0) * spots[node].h / (list.len() as f64 + 1.0)
    };
    let mut lines = Vec::new();
    for (at, &(from, to, edge)) in drawn.iter().enumerate() {
        let (y1, y2) = (height(from, true, at), height(to, false, at));
        let back = spots[to].layer <= spots[from].layer;
        // What goes back leaves and arrives at the same sides, and takes its way around.
        let (x1, x2) = (spots[from].x + BOX.0, spots[to].x - 5.0);
        let reach = if back { 0.42 * GAP.0 } else { ((x2 - x1) * 0.5).max(40.0) };
        let path = format!(
            "M{} {}C{} {} {} {} {} {}",
            round(x1),
            round(y1),
            round(x1 + reach),
            round(y1),
            round(x2 - reach),
            round(y2),
            round(x2),
            round(y2)
        );
        let name = |node: usize| picture.nodes[node].name.as_str();
        let connections = count(edge.connections, "connection");
        lines.push(Line {
            path,
            width: round(1.0 + 0.6 * (edge.connections.max(1) as f64).log10()),
            back,
            title: short(
                &format!("{} to {}: {connections} ({})", name(edge.from), name(edge.to), services(edge)),
                400,
            ),
            // Where it arrives: there each line has a height of its own.
            label: Some((round(x2 - 8.0), round(y2 + 3.5), number(edge.connections))),
        });
    }
    lines
}

fn row(estate: &Estate<'_>, edge: &Edge) -> RowView {
    let link = |place: usize| match estate.conclusions.picture.nodes.get(place) {
        Some(node) => Link {
            text: short(&node.name, 80),
            href: node.groups.first().and_then(|id| estate.group(id).href),
        },
        None => Link::plain("?"),
    };
    RowView {
        from: link(edge.from),
        to: link(edge.to),
        services: services(edge),
        connections: number(edge.connections),
    }
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
