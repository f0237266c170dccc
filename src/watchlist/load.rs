//! Lists go in one after the other, one table comes out.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::fmt;
use std::net::IpAddr;

use super::address::{Range, written};
use super::ranges::{Address, Spans};
use super::{Block, Family, WatchList, json, lines, mapped};
use crate::flow::{address_from_bits, is_private, is_v4};

/// What was read of one list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The file's name, without its directory.
    pub name: String,
    /// Entries that could be used, repeated ones included.
    pub entries: u64,
    /// Lines, or values of JSON, that could not be read.
    pub bad: u64,
    /// The first of them.
    pub first_bad: Option<BadLine>,
}

/// A line that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// From 1 on.
    pub line: u64,
    /// In characters, from 1 on.
    pub column: u64,
    /// What stands there, cut short.
    pub text: String,
}

/// Something about the entries that the user may not have meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// Entries of 16 million addresses or more (IPv6: a /16 or shorter); how many, and the first.
    Broad(u64, String),
    /// Entries of private or otherwise reserved addresses.
    Private(u64, String),
    /// Entries that others hold or overlap: for the label the smallest counts.
    Overlapping(u64, String),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, first, what) = match self {
            Self::Broad(n, first) => (n, first, "so broad that much ordinary traffic is on the list"),
            Self::Private(n, first) => {
                (n, first, "private or reserved, so that traffic inside the network is on the list")
            }
            Self::Overlapping(n, first) => {
                (n, first, "also held by others; the smallest entry gives the label")
            }
        };
        let plural = if *count == 1 { "entry is" } else { "entries are" };
        write!(f, "{count} {plural} {what} (first: {first})")
    }
}

/// How much of a bad line is kept, in characters.
const SHOWN: usize = 60;

/// Longest label, in characters.
const LABEL: usize = 120;

/// So many different labels are kept once each; further ones are kept as often as they come.
const KNOWN_LABELS: usize = 1 << 16;

/// Labels, number 0 being none.
#[derive(Debug)]
pub(super) struct Labels {
    all: Vec<Box<str>>,
    known: HashMap<Box<str>, u32>,
    last: u32,
}

impl Labels {
    fn new() -> Self {
        Self { all: vec!["".into()], known: HashMap::new(), last: 0 }
    }

    fn number(&mut self, label: &str) -> u32 {
        let label = label.trim();
        let end = label.char_indices().nth(LABEL).map_or(label.len(), |(at, _)| at);
        let label = &label[..end];
        if label.is_empty() {
            return 0;
        }
        if &*self.all[self.last as usize] == label {
            return self.last;
        }
        let fresh = u32::try_from(self.all.len()).unwrap_or(0);
        if fresh == 0 {
            return 0;
        }
        self.last = if self.known.len() < KNOWN_LABELS {
            match self.known.entry(label.into()) {
                Slot::Occupied(known) => *known.get(),
                Slot::Vacant(free) => {
                    free.insert(fresh);
                    self.all.push(label.into());
                    fresh
                }
            }
        } else if let Some(&known) = self.known.get(label) {
            known
        } else {
            self.all.push(label.into());
            fresh
        };
        self.last
    }
}

/// Reads lists. Nothing in them is fatal.
#[derive(Debug)]
pub struct Loader {
    v4: Vec<Block<u32>>,
    v6: Vec<Block<u128>>,
    labels: Labels,
    sources: Vec<Source>,
}

impl Default for Loader {
    fn default() -> Self {
        Self { v4: Vec::new(), v6: Vec::new(), labels: Labels::new(), sources: Vec::new() }
    }
}

impl Loader {
    /// Takes in a list: text or JSON, not compressed. In which form it is written is found out.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> &Source {
        self.sources.push(Source { name: name.to_owned(), ..Source::default() });
        let decoded;
        let bytes = match bytes {
            [0xef, 0xbb, 0xbf, rest @ ..] => rest,
            [0xff, 0xfe, rest @ ..] => {
                decoded = utf16(rest, u16::from_le_bytes);
                decoded.as_bytes()
            }
            [0xfe, 0xff, rest @ ..] => {
                decoded = utf16(rest, u16::from_be_bytes);
                decoded.as_bytes()
            }
            plain => plain,
        };
        if !json::document(bytes, self) {
            lines::read(bytes, self);
        }
        let at = self.sources.len() - 1;
        &self.sources[at]
    }

    /// An entry of the list that is being read.
    pub(super) fn entry(&mut self, (low, high): Range, label: &str) {
        let label = self.labels.number(label);
        let list = u16::try_from(self.sources.len().saturating_sub(1)).unwrap_or(u16::MAX);
        if is_v4(low) && is_v4(high) {
            self.v4.push(Block { low: low as u32, high: high as u32, label, list });
        } else {
            self.v6.push(Block { low, high, label, list });
        }
        if let Some(source) = self.sources.last_mut() {
            source.entries += 1;
        }
    }

    /// Something that could not be read, and where.
    pub(super) fn bad(&mut self, text: &str, place: impl FnOnce() -> (u64, u64)) {
        let Some(source) = self.sources.last_mut() else { return };
        source.bad += 1;
        if source.first_bad.is_none() {
            let (line, column) = place();
            source.first_bad = Some(BadLine { line, column, text: text.chars().take(SHOWN).collect() });
        }
    }

    /// Nothing of the list that is being read was used or refused so far.
    pub(super) fn is_at_beginning(&self) -> bool {
        self.sources.last().is_none_or(|source| source.entries == 0 && source.bad == 0)
    }

    /// The table of all lists.
    #[must_use]
    pub fn finish(self) -> WatchList {
        let Self { v4, v6, labels, sources } = self;
        let mut found = Found::default();
        let v4 = family(v4, &mut found, mapped, 24);
        let v6 = family(v6, &mut found, |a| a, 112);
        WatchList { v4, v6, labels: labels.all, sources, warnings: found.warnings() }
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
    String::from_utf16_lossy(&units)
}

#[derive(Default)]
struct Found {
    broad: Tally,
    private: Tally,
    overlapping: Tally,
}

#[derive(Default)]
struct Tally(u64, String);

impl Tally {
    fn add(&mut self, low: u128, high: u128) {
        self.0 += 1;
        if self.0 == 1 {
            self.1 = written(low, high);
        }
    }
}

impl Found {
    fn warnings(self) -> Vec<Warning> {
        let Self { broad, private, overlapping } = self;
        let all = [
            Warning::Broad(broad.0, broad.1),
            Warning::Private(private.0, private.1),
            Warning::Overlapping(overlapping.0, overlapping.1),
        ];
        let there = |w: &Warning| {
            let (Warning::Broad(n, _) | Warning::Private(n, _) | Warning::Overlapping(n, _)) = w;
            *n > 0
        };
        all.into_iter().filter(there).collect()
    }
}

/// Sorts, leaves out what is there twice (of equal ranges the first that has a label stays) and makes the ranges.
fn family<A: Address>(
    mut blocks: Vec<Block<A>>,
    found: &mut Found,
    bits: impl Fn(A) -> u128,
    broad_bits: u32,
) -> Family<A> {
    // Stable: of equal ones the one that came first is first.
    blocks.sort_by(|a, b| (a.low, b.high, a.label == 0).cmp(&(b.low, a.high, b.label == 0)));
    blocks.dedup_by(|next, kept| (next.low, next.high) == (kept.low, kept.high));
    blocks.shrink_to_fit();
    let mut reach: Option<A> = None;
    for &Block { low, high, .. } in &blocks {
        let (first, last) = (bits(low), bits(high));
        if low.to(high) >= (1 << broad_bits) - 1 {
            found.broad.add(first, last);
        } else if is_reserved(first) && is_reserved(last) {
            found.private.add(first, last);
        }
        if reach.is_some_and(|reach| low <= reach) {
            found.overlapping.add(first, last);
        }
        reach = reach.max(Some(high));
    }
    Family { spans: Spans::new(&blocks), blocks }
}

/// Private, multicast or reserved (RFC 6890): nobody on the internet has such an address, so that no list of them means it.
fn is_reserved(bits: u128) -> bool {
    let reserved = match address_from_bits(bits) {
        IpAddr::V4(address) => matches!(address.octets()[0], 0 | 224..),
        IpAddr::V6(address) => address.is_unspecified() || address.is_multicast(),
    };
    reserved || is_private(bits)
}
