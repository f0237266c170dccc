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
//! | use of rules: counts, bytes, times | always | hours of use: wider than an hour beyond 10 days | 0.4 kB a rule |
//! | peers of a rule ([`Peers`]) | 4,096 each, 262,144 together | sample and estimate | 13 MB |
//! | blocks of peers ([`Blocks`]) | always, at the prefix length they have | shorter prefixes | in the 0.4 kB |
//! | ports of a rule ([`PortUse`]) | 262,144 together | ranges of ports | 9 MB |
//! | combinations of rules ([`RuleSets`]) | 12 MB | sample; a rule has all of its own or is not judged by them | 15 MB |
//! | escaped and misdropped ([`OddCells`]) | about 20,000 cells | fewer peers, ranges of ports | 16 MB |
//! | not as expected ([`Expectations`]) | about 10,000 cells | fewer peers, ranges of ports | 8 MB |
//! | accepted with rejected replies | about 5,000 cells | the same | 4 MB |
//! | services reached from the internet ([`Exposure`]) | about 10,000 cells | as above | 8 MB |
//! | watched addresses ([`WatchSums`]) | about 10,000 cells; rejected: 65,536 entries | as above, then a sample; a sample | 12 MB |
//! | both ends ([`EndsSums`]) | 20,000 contradicting, 100,000 agreeing pairs of ends and service | a sample of pairs; totals stay exact | 13 MB |
//! | views of both ends, while a partition is judged | 65,536 a thread | a sample of tuples, the rest counted | 12 MB a thread |
//! | rejected attempts by series and bucket | 450,000 attempts | those on disk: what is usual, and buckets that stand out; without disk wider buckets | 22 MB |
//! | who was rejected ([`RejectTable`]) | 450,000 attempts | those on disk: 16,384 or fewer of each such bucket; of all a sample and an estimate | 48 MB |
//! | attempts on their way to disk | | | 16 MB a thread |
//! | attempts that come back from disk | 900,000 series and buckets at a time | read more than once | 52 MB |
//! | who talks to whom ([`Services`]) | 1,024 peers of a service, 7 MB | fewer peers, a sample; ranges of ports | 15 MB |
//! | who calls whom and when ([`Calls`]) | 256 connections with an address; 12 MB | fewer of them; a sample of addresses | 25 MB |
//! | bytes that leave ([`Hours`]) | 400,000 interfaces and hours | wider buckets | 14 MB |
//! | connections over time ([`Traffic`]) | 512 minutes | buckets of 5, 10, 30 … minutes | 25 kB |
//! | who was accepted where ([`Admitted`]) | 131,072 sources and services | a sample of sources, each with all of its own | 12 MB |
//! | what rules were used for ([`ObservedTable`], for proposals only) | 262,144 services and 524,288 peers of services, all rules together | ranges of ports; blocks of addresses that hold every peer | 52 MB |
//! | replayed ([`ReplaySums`]), `replay` and `tighten` only | 28,672 cells of a candidate | blocks of peers, ranges of ports | 8 MB each, a thread |
//!
//! Added up that is at most 311 MB with 100,000 busy rules (363 MB for proposals), and 28 MB a thread; what comes back
//! from disk does so when no records are held any more. Measured (`tests`): 74 MB with 100,004
//! rules that everybody uses from everywhere and as many escapes as fit; 64 MB with 12 million scanning sources, all ports, 100,000
//! interfaces and a year. A few million records take a few MB.

mod accumulate;
mod acls;
mod admitted;
mod attempts;
mod baseline;
mod blocks;
mod bounds;
mod changes;
mod contacts;
mod ends;
mod exposed;
mod facts;
mod folding;
mod groups;
mod lives;
mod observed;
mod odd;
mod other_side;
mod outcome;
mod overflow;
mod peers;
mod places;
mod ports;
mod reduce;
mod rejects;
mod replay;
mod rule_facts;
mod rule_use;
mod scene;
mod service_class;
mod services;
mod sets;
mod sides;
mod traffic;
mod unmet;
mod use_times;
mod usual;
mod watch;
mod watched;

#[cfg(test)]
mod tests;

pub use accumulate::Rollup;
pub use acls::AclFacts;
pub use admitted::{Admission, Admitted};
pub use baseline::Baseline;
pub use blocks::Blocks;
pub use changes::Change;
pub use contacts::{CallRow, Calls, Contact, Contacts, Hours, Service, ServiceKey, Services};
pub use ends::{Directory, EndsCause, EndsCell, EndsKey, EndsPair, EndsSums, EndsTotals, Uncompared};
pub use exposed::Exposure;
pub use facts::{InterfaceRow, Rollups};
pub use folding::{CellKey, Cells, FoldedCell};
pub use groups::{GroupFacts, Weight};
pub use lives::Since;
pub use observed::{Observed, ObservedPeer, ObservedService, ObservedTable, ObservedUse};
pub use odd::{EvidenceCounts, OddCell, OddCells, OddKey, Subject};
pub use other_side::{Gone, OtherSide};
pub use outcome::Outcome;
pub use peers::Peers;
pub use ports::PortUse;
pub use reduce::SeriesSum;
pub use rejects::{Attempt, BucketCount, BySource, Distinct, Estimate, RejectTable, Series};
pub use replay::{Lot, ReplayCount, ReplayScope, ReplaySums, Replayed, RuleOutcome};
pub use rule_facts::RuleFacts;
pub use rule_use::RuleUse;
pub use scene::Scene;
pub use service_class::ServiceClass;
pub use services::{KnownService, ServiceKind, service, services};
pub use sets::RuleSets;
pub use sides::{Group, Role, Side, SideKind, Sides};
pub use traffic::{TRAFFIC_CLASSES, Traffic};
pub use unmet::{ExpectationFacts, Expectations, Unmet};
pub use use_times::UseTimes;
pub use usual::{Season, Usual, Watched as WatchedTime};
pub use watch::Watch;
pub use watched::{Knocks, ListTotal, WatchSums, Watched};

pub use crate::policy::{Cause, EscapeReason, Tracking, Undecided, Verdict};

/// Seconds per bucket of rejected attempts, where there are not too many.
pub const REJECT_BUCKET: u32 = places::REJECT_BUCKET;
