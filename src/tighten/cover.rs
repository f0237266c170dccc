//! The best cover: at most K CIDR blocks that hold every peer and the fewest addresses beside.
//!
//! The peers, as disjoint blocks in the order of their addresses, are the leaves of a compressed binary trie: each inner
//! node is the longest prefix that two neighbours share, and so the smallest block that holds what is below it. A best cover
//! of what is below a node is the node's own block, or best covers of its two children that share the blocks among them:
//! a knapsack with two parts, for every K at once. An array has no more places than there are leaves below, so all
//! merges together take O(n·K) steps (the known bound for knapsacks on trees: Johnson and Niemi, "On knapsacks, partitions,
//! and a new dynamic programming technique for trees", 1983), and only the arrays of one path are in memory; what is kept is
//! a byte for each choice.

use ipnet::IpNet;

use super::block::Block;

/// Most blocks that can be asked for: as many as a security group has rules of one family and direction (domain C.7).
pub const MOST_BLOCKS: usize = 60;

/// Best covers of some peers, for every number of blocks.
#[derive(Debug)]
pub struct Cover {
    nodes: Vec<Node>,
    /// Choices of all inner nodes: how many of the blocks go to the left.
    choices: Vec<u8>,
    /// The fewest blocks that can do: one, unless what may be covered is in several parts.
    least: usize,
    /// Addresses by number of blocks, from `least` on, never rising. 2^128 saturates, which no other sum of so few
    /// disjoint blocks reaches.
    addresses: Vec<u128>,
}

/// A node of the trie, or several tries together.
#[derive(Clone, Copy, Debug)]
struct Node {
    /// `None` where only parts of it may be covered.
    block: Option<Block>,
    /// Children, if any.
    below: Option<(u32, u32)>,
    /// Where its choices begin, and for how many blocks.
    choices: (u32, u32),
}

/// A node while its parent is not there yet.
struct Part {
    node: u32,
    least: usize,
    addresses: Vec<u128>,
}

impl Cover {
    /// Covers `peers` by at most `most` blocks that each lie within one of `within`. Peers are cut to what lies within;
    /// those outside are left out. `None` if nothing is left, or if so few blocks can't do.
    ///
    /// All must be of one family; `most` is at most [`MOST_BLOCKS`].
    #[must_use]
    pub fn new(peers: &[IpNet], within: &[IpNet], most: usize) -> Option<Self> {
        let most = most.min(MOST_BLOCKS);
        let roots = disjoint(IpNet::aggregate(&within.to_vec()).iter().map(Block::of).collect());
        let peers = disjoint(peers.iter().map(Block::of).collect());
        let mut cover = Self { nodes: Vec::new(), choices: Vec::new(), least: 0, addresses: Vec::new() };
        let mut whole: Option<Part> = None;
        for root in roots {
            let Some(part) = cover.trie(&root.cut(&peers), most) else { continue };
            whole = Some(match whole {
                None => part,
                Some(before) => cover.join(&before, &part, None, most)?,
            });
        }
        let Part { least, addresses, .. } = whole.filter(|whole| whole.least <= most)?;
        Some(Self { least, addresses, ..cover })
    }

    /// The fewest blocks that can do.
    #[must_use]
    pub fn least(&self) -> usize {
        self.least
    }

    /// The most blocks that are of any use: as many as peers, or as were asked for.
    #[must_use]
    pub fn most(&self) -> usize {
        self.least + self.addresses.len() - 1
    }

    /// Addresses that the best cover of at most so many blocks holds, 2^128 as [`u128::MAX`]; `None` for too few blocks.
    #[must_use]
    pub fn addresses(&self, blocks: usize) -> Option<u128> {
        self.addresses.get(blocks.min(self.most()).checked_sub(self.least)?).copied()
    }

    /// The fewest blocks that are as good as so many.
    #[must_use]
    pub fn needed(&self, blocks: usize) -> Option<usize> {
        let addresses = self.addresses(blocks)?;
        Some(self.least + self.addresses.partition_point(|a| *a > addresses))
    }

    /// The blocks of the best cover of at most so many, in the order of addresses. Of equally good ones it is one of the
    /// fewest blocks, always the same.
    #[must_use]
    pub fn blocks(&self, blocks: usize) -> Vec<IpNet> {
        let Some(blocks) = self.needed(blocks) else { return Vec::new() };
        let mut found = Vec::with_capacity(blocks);
        // The last node is the root.
        let mut open = vec![(self.nodes.len() - 1, blocks)];
        while let Some((at, blocks)) = open.pop() {
            let node = &self.nodes[at];
            match (node.block, node.below) {
                (Some(block), below) if blocks == 1 || below.is_none() => found.push(block.net()),
                (_, Some((left, right))) => {
                    let to_left = usize::from(self.choices[node.choices.0 as usize + blocks]);
                    open.push((right as usize, blocks - to_left));
                    open.push((left as usize, to_left));
                }
                (_, None) => {}
            }
        }
        found
    }

    fn leaf(&mut self, block: Block) -> Part {
        let node = Node { block: Some(block), below: None, choices: (0, 0) };
        self.nodes.push(node);
        Part { node: self.nodes.len() as u32 - 1, least: 1, addresses: vec![block.addresses()] }
    }

    /// The trie over disjoint blocks in order.
    fn trie(&mut self, leaves: &[Block], most: usize) -> Option<Part> {
        // Parts with the length of the prefix that each shares with the next; these rise from one to the next.
        let mut open: Vec<(Part, u8)> = Vec::new();
        let mut last: Option<(Part, Block)> = None;
        for &leaf in leaves {
            if let Some((mut part, block)) = last.take() {
                let shared = block.shared(&leaf);
                while let Some((before, _)) = open.pop_if(|(_, length)| *length > shared.length) {
                    part = self.up(&before, &part, &block, most)?;
                }
                open.push((part, shared.length));
            }
            let part = self.leaf(leaf);
            last = Some((part, leaf));
        }
        let (mut part, block) = last?;
        while let Some((before, _)) = open.pop() {
            part = self.up(&before, &part, &block, most)?;
        }
        Some(part)
    }

    /// Joins neighbours under the prefix they share. `in_right` is any block within the right one.
    fn up(&mut self, left: &Part, right: &Part, in_right: &Block, most: usize) -> Option<Part> {
        let in_left = self.nodes[left.node as usize].block?;
        let shared = in_left.shared(in_right);
        self.join(left, right, Some(shared), most)
    }

    /// Joins two parts; `block` is the one that holds both, if it may be used.
    fn join(&mut self, left: &Part, right: &Part, block: Option<Block>, most: usize) -> Option<Part> {
        let both = left.least + right.least;
        let least = if block.is_some() { 1 } else { both };
        let reach =
            (left.least + left.addresses.len() - 1 + right.least + right.addresses.len() - 1).min(most);
        if reach < least {
            return None;
        }
        let mut addresses = Vec::with_capacity(reach + 1 - least);
        // Indexed by the number of blocks, so that looking up needs no sums.
        let begin = self.choices.len();
        self.choices.resize(begin + reach + 1, 0);
        if let Some(block) = block {
            addresses.push(block.addresses());
        }
        for blocks in both.max(least + usize::from(block.is_some()))..=reach {
            let from = left.least.max((blocks + 1).saturating_sub(right.least + right.addresses.len()));
            let to = (left.least + left.addresses.len() - 1).min(blocks - right.least);
            let mut best = (u128::MAX, from);
            for to_left in from..=to {
                let sum = left.addresses[to_left - left.least]
                    .saturating_add(right.addresses[blocks - to_left - right.least]);
                if sum < best.0 {
                    best = (sum, to_left);
                }
            }
            addresses.push(best.0);
            self.choices[begin + blocks] = best.1 as u8;
        }
        let choices = (begin as u32, (reach + 1) as u32);
        self.nodes.push(Node { block, below: Some((left.node, right.node)), choices });
        Some(Part { node: self.nodes.len() as u32 - 1, least, addresses })
    }
}

/// In order, without those that lie in others.
fn disjoint(mut blocks: Vec<Block>) -> Vec<Block> {
    blocks.sort_unstable();
    blocks.dedup_by(|next, last| last.holds(next));
    blocks
}

#[cfg(test)]
#[path = "cover_tests.rs"]
mod tests;
