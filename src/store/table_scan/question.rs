//! A want, made ready to be asked of statistics.

use std::cmp::Ordering;
use std::ops::Bound;

use super::bloom::Probes;
use super::ranges::{TextRange, of_networks};
use super::want::Want;

/// The least and the greatest of some values, or something below and something above.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bounds<'a> {
    Text(&'a [u8], &'a [u8]),
    Numbers(i64, i64),
}

/// A want of a column.
#[derive(Debug)]
pub(super) struct Question {
    pub column: String,
    pub want: Want,
    /// Of networks.
    ranges: Vec<TextRange>,
    /// Of texts, if they are not too many.
    pub probes: Option<Probes>,
}

impl Question {
    pub fn new(column: String, want: Want) -> Self {
        let (mut ranges, mut probes) = (Vec::new(), None);
        match &want {
            Want::Among(texts) => probes = Probes::new(texts),
            Want::Networks(networks) => ranges = of_networks(networks),
            Want::Within(..) => {}
        }
        Self { column, want, ranges, probes }
    }

    /// Whether a value between these may fit. What can't be told may.
    pub fn may_fit(&self, bounds: Bounds<'_>) -> bool {
        match (&self.want, bounds) {
            (Want::Within(from, to), Bounds::Numbers(least, most)) => least <= *to && most >= *from,
            (Want::Among(texts), Bounds::Text(least, most)) => {
                let (Ok(least), Ok(most)) = (std::str::from_utf8(least), std::str::from_utf8(most)) else {
                    return true;
                };
                least > most
                    || texts.range::<str, _>((Bound::Included(least), Bound::Included(most))).next().is_some()
            }
            (Want::Networks(_), Bounds::Text(least, most)) => {
                let after = |range: &TextRange| range.1.as_bytes().cmp(least) != Ordering::Greater;
                let first = self.ranges.partition_point(after);
                least > most || self.ranges.get(first).is_some_and(|range| range.0.as_bytes() <= most)
            }
            _ => true,
        }
    }

    /// Asked first if it is small: what is cheap to ask and leaves little.
    pub fn order(&self) -> u8 {
        match self.want {
            Want::Among(_) => 0,
            Want::Networks(_) => 1,
            Want::Within(..) => 2,
        }
    }
}
