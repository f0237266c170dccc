//! What happened, per key and window?
//!
//! Judged connections are summed as they come ([`Rollup`]); [`Rollups`] is the result, with the facts about
//! rules and interfaces that detectors need beside the sums.
//!
//! # Bounds
//!
//! Sums must not grow with the number of connections. Each part has a budget, told in its documentation, and gives up
//! detail step by step when it is spent. Which detail is left follows from the data alone, so that results depend
//! neither on the order of connections nor on threads, partitions or memory. What is approximate is marked, with its
//! error, where it is shown.
//!
//! | what | exact up to | beyond | at most |
//! |---|---|---|---|
//! | use of rules: counts, bytes, times | always | | 0.3 kB a rule |
//! | peers of a rule ([`Peers`]) | 4,096 each, 262,144 together | sample and estimate | 13 MB |
//! | blocks of peers ([`Blocks`]) | always, at the prefix length they have | shorter prefixes | in the 0.3 kB |
//! | ports of a rule ([`PortUse`]) | 262,144 together | ranges of ports | 9 MB |
//! | combinations of rules ([`RuleSets`]) | 12 MB | sample; a rule has all of its own or is not judged by them | 15 MB |
//! | escaped and misdropped ([`OddCells`]) | about 20,000 cells | fewer peers, ranges of ports | 16 MB |
//! | accepted with rejected replies | about 5,000 cells | the same | 4 MB |
//! | rejected attempts by series and bucket | 600,000 series and buckets | wider buckets | 16 MB |
//! | who was rejected ([`RejectTable`]) | 450,000 attempts | sample and estimate | 34 MB |
//! | who was accepted where ([`Admitted`]) | 131,072 sources and services | a sample of sources, each with all of its own | 12 MB |
//!
//! Added up that is at most 144 MB with 100,000 busy rules. Measured (`tests`): 74 MB with 100,004 rules that everybody
//! uses from everywhere and as many escapes as fit; 64 MB with 12 million scanning sources, all ports, 100,000
//! interfaces and a year. A few million records take a few MB.

mod accumulate;
mod admitted;
mod attempts;
mod blocks;
mod bounds;
mod changes;
mod facts;
mod lives;
mod odd;
mod peers;
mod places;
mod ports;
mod rejects;
mod rule_use;
mod scene;
mod service_class;
mod sets;

#[cfg(test)]
mod tests;

pub use accumulate::Rollup;
pub use admitted::{Admission, Admitted};
pub use blocks::Blocks;
pub use changes::Change;
pub use facts::{InterfaceRow, Rollups, RuleFacts, Since, is_private};
pub use odd::{EvidenceCounts, OddCell, OddCells, OddKey, Subject};
pub use peers::Peers;
pub use ports::PortUse;
pub use rejects::{Attempt, BucketCount, Distinct, Estimate, RejectTable, Series};
pub use rule_use::RuleUse;
pub use scene::Scene;
pub use service_class::ServiceClass;
pub use sets::RuleSets;

pub use crate::policy::{Cause, EscapeReason, Tracking, Verdict};

/// Seconds per bucket of rejected attempts, where there are not too many.
pub const REJECT_BUCKET: u32 = places::REJECT_BUCKET;
