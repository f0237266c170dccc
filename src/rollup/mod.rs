//! What happened, per key and window?
//!
//! Judged connections are summed as they come ([`Rollup`]); [`Rollups`] is the result, with the facts about
//! rules and interfaces that detectors need beside the sums.

mod accumulate;
mod facts;
mod lives;
mod peers;
mod rejects;

pub use accumulate::{OddCell, OddKey, Rollup, RuleUse};
pub use facts::{InterfaceRow, Rollups, RuleFacts, Since, is_private};
pub use peers::Peers;
pub use rejects::{Attempt, RejectTable};

pub use crate::policy::{EscapeReason, Verdict};

/// Seconds per bucket of rejected attempts.
pub const REJECT_BUCKET: u32 = accumulate::REJECT_BUCKET;
