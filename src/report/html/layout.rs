//! Where the nodes of a graph are drawn: in layers from who opens to who is asked.
//!
//! Sugiyama's way: cycles are cut (greedily, Eades, Lin and Smyth 1993), layers follow from the longest path, and within a
//! layer nodes are put near their neighbours (barycentres, a fixed number of sweeps). Ties are broken by number.

/// Most layers.
const LAYERS: usize = 5;
const SWEEPS: usize = 16;

/// Layers of nodes, each in its order from the top. `edges` are (from, to, weight).
pub(super) fn layers(nodes: usize, edges: &[(usize, usize, u64)]) -> Vec<Vec<usize>> {
    let order = order(nodes, edges);
    let mut place = vec![0; nodes];
    order.iter().enumerate().for_each(|(at, &node)| place[node] = at);
    // Every edge from the earlier to the later one.
    let forward = |&(a, b, _): &(usize, usize, u64)| if place[a] < place[b] { (a, b) } else { (b, a) };
    let mut heavy: Vec<&(usize, usize, u64)> = edges.iter().filter(|(a, b, _)| a != b).collect();
    heavy.sort_by_key(|&&(a, b, weight)| (std::cmp::Reverse(weight), a, b));
    let arcs: Vec<(usize, usize)> = heavy.into_iter().map(forward).collect();
    // Where a path is too long, the lightest edges have no say.
    let deep = |arcs: &[(usize, usize)]| {
        let mut layer = vec![0_usize; nodes];
        let mut sorted = arcs.to_vec();
        sorted.sort_by_key(|&(a, b)| (place[a], place[b]));
        sorted.iter().for_each(|&(a, b)| layer[b] = layer[b].max(layer[a] + 1));
        layer
    };
    let fits = |layer: &[usize]| layer.iter().all(|&layer| layer < LAYERS);
    let kept = (0..=arcs.len()).rev().find(|&kept| fits(&deep(&arcs[..kept]))).unwrap_or(0);
    let mut layer = deep(&arcs[..kept]);
    for &(a, b) in &arcs[kept..] {
        let alone = |node: usize| !arcs[..kept].iter().any(|&(a, b)| a == node || b == node);
        if alone(b) {
            layer[b] = layer[b].max((layer[a] + 1).min(LAYERS - 1));
        }
    }
    let mut layers = vec![Vec::new(); layer.iter().max().map_or(0, |most| most + 1)];
    order.iter().for_each(|&node| layers[layer[node]].push(node));
    layers.retain(|layer: &Vec<usize>| !layer.is_empty());
    for sweep in 0..SWEEPS {
        let numbers: Vec<usize> = if sweep % 2 == 0 {
            (1..layers.len()).collect()
        } else {
            (0..layers.len().saturating_sub(1)).rev().collect()
        };
        for number in numbers {
            let other = if sweep % 2 == 0 { number - 1 } else { number + 1 };
            settle(&mut layers, number, other, edges);
        }
    }
    layers
}

/// Nodes that mostly open first, nodes that are mostly asked last.
fn order(nodes: usize, edges: &[(usize, usize, u64)]) -> Vec<usize> {
    let mut left: Vec<usize> = (0..nodes).collect();
    let (mut front, mut back) = (Vec::new(), Vec::new());
    while !left.is_empty() {
        let weight = |node: usize, out: bool| -> u64 {
            let ends = |&&(a, b, _): &&(usize, usize, u64)| a != b && if out { a == node } else { b == node };
            let inside = |&&(a, b, _): &&(usize, usize, u64)| left.contains(&a) && left.contains(&b);
            // Few lines that go the wrong way matter more than what goes over them.
            edges.iter().filter(ends).filter(inside).map(|(.., n)| 1 + u64::from(n.ilog2())).sum()
        };
        let weights: Vec<(u64, u64)> =
            left.iter().map(|&node| (weight(node, true), weight(node, false))).collect();
        let sink = weights.iter().position(|&(out, into)| out == 0 && into > 0);
        let source = weights.iter().position(|&(_, into)| into == 0);
        let surplus = |at: &usize| i128::from(weights[*at].0) - i128::from(weights[*at].1);
        if let Some(at) = sink {
            back.push(left.remove(at));
        } else if let Some(at) = source {
            front.push(left.remove(at));
        } else if let Some(at) = (0..left.len()).max_by_key(|at| (surplus(at), std::cmp::Reverse(*at))) {
            front.push(left.remove(at));
        }
    }
    back.reverse();
    front.extend(back);
    front
}

/// Sorts a layer by the middle of its neighbours in another; who has none there stays about where it is.
fn settle(layers: &mut [Vec<usize>], number: usize, other: usize, edges: &[(usize, usize, u64)]) {
    let place = |node: usize| layers[other].iter().position(|n| *n == node);
    let middle = |(at, &node): (usize, &usize)| {
        let ends = edges.iter().filter(|(a, b, _)| (*a == node) != (*b == node));
        let places: Vec<usize> = ends.filter_map(|&(a, b, _)| place(if a == node { b } else { a })).collect();
        let share = layers[other].len().max(1) as f64 / layers[number].len().max(1) as f64;
        let own = at as f64 * share;
        let mean =
            if places.is_empty() { own } else { places.iter().sum::<usize>() as f64 / places.len() as f64 };
        (mean, at, node)
    };
    let mut sorted: Vec<(f64, usize, usize)> = layers[number].iter().enumerate().map(middle).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    layers[number] = sorted.into_iter().map(|(.., node)| node).collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_opens_is_left_of_who_is_asked() {
        // 3 opens to 1, 1 to 0 and 2, 2 back to 3 once.
        let layers = layers(4, &[(3, 1, 100), (1, 0, 50), (1, 2, 50), (2, 3, 1), (1, 1, 7)]);
        assert_eq!(layers[0], [3]);
        assert_eq!(layers[1], [1]);
        assert_eq!(layers[2].len(), 2);
    }

    #[test]
    fn every_node_is_drawn_once_whatever_the_graph() {
        let ring: Vec<(usize, usize, u64)> = (0..30).map(|n| (n, (n + 1) % 30, 1 + n as u64)).collect();
        let layers = layers(31, &ring);
        let mut all: Vec<usize> = layers.iter().flatten().copied().collect();
        all.sort_unstable();
        assert_eq!(all, (0..31).collect::<Vec<_>>());
        assert!(layers.len() <= LAYERS);
        assert!(super::layers(0, &[]).is_empty());
    }
}
