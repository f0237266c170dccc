//! Which addresses is the user looking for?
//!
//! Lists of addresses as people and threat feeds write them become one table: sorted, disjoint ranges, each with the most
//! specific entry that holds it. Finding the entry of an address takes a few steps, however long the lists are.

mod address;
mod files;
mod json;
mod lines;
mod load;
mod ranges;

#[cfg(test)]
mod tests;

pub use files::{MAX_LIST_BYTES, WatchListError, read};
pub use load::{BadLine, Loader, Source, Warning};

use crate::flow::is_v4;
use ranges::Spans;

/// An entry of a list: an inclusive range of addresses of one family, with what the list says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block<A> {
    low: A,
    high: A,
    /// Number of the label, of those of all lists.
    label: u32,
    /// Number of the list.
    list: u16,
}

/// The entries of one family and the ranges that point to them.
#[derive(Debug, Default)]
struct Family<A> {
    /// Sorted, without duplicates.
    blocks: Vec<Block<A>>,
    spans: Spans<A>,
}

/// All lists of a run.
#[derive(Debug, Default)]
pub struct WatchList {
    v4: Family<u32>,
    v6: Family<u128>,
    labels: Vec<Box<str>>,
    /// What was read, in the order of the command line.
    pub sources: Vec<Source>,
    /// What the user should know of the entries.
    pub warnings: Vec<Warning>,
}

/// An entry, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `198.51.100.7`, `198.51.100.0/24`, or `198.51.100.7-198.51.100.9` where no block is the same.
    pub text: String,
    /// What the list says about it.
    pub label: Option<String>,
    /// Number of its list among [`WatchList::sources`].
    pub list: usize,
}

impl WatchList {
    /// The number of the most specific entry that holds an address; IPv4 mapped into IPv6.
    #[must_use]
    pub(crate) fn find(&self, bits: u128) -> Option<u32> {
        if is_v4(bits) {
            self.v4.spans.find(bits as u32)
        } else {
            let entry = self.v6.spans.find(bits)?;
            Some(entry + self.v4.blocks.len() as u32)
        }
    }

    /// The list of an entry, by number.
    #[must_use]
    pub(crate) fn list_of(&self, entry: u32) -> u16 {
        match self.v4.blocks.get(entry as usize) {
            Some(block) => block.list,
            None => self.v6.blocks.get(entry as usize - self.v4.blocks.len()).map_or(0, |b| b.list),
        }
    }

    /// The entry with a number that a search gave.
    #[must_use]
    pub fn entry(&self, number: u32) -> Option<Entry> {
        let at = number as usize;
        let (low, high, label, list) = match self.v4.blocks.get(at) {
            Some(b) => (mapped(b.low), mapped(b.high), b.label, b.list),
            None => {
                let b = self.v6.blocks.get(at - self.v4.blocks.len())?;
                (b.low, b.high, b.label, b.list)
            }
        };
        let label = self.labels.get(label as usize).filter(|label| !label.is_empty());
        Some(Entry {
            text: address::written(low, high),
            label: label.map(ToString::to_string),
            list: usize::from(list),
        })
    }

    /// Entries, each once.
    #[must_use]
    pub fn len(&self) -> usize {
        self.v4.blocks.len() + self.v6.blocks.len()
    }

    /// True without entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An IPv4 address as [`crate::flow`] maps it.
fn mapped(v4: u32) -> u128 {
    (0xffff << 32) | u128::from(v4)
}
