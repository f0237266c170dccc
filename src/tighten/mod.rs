//! What should change?
//!
//! Observed use of rules becomes a [`Plan`]: which rules could go and which could be narrower. Nothing is applied. A plan
//! is a set of [`Change`]s, each of which can be applied, or not, on its own; a replay over the same traffic says what
//! each would have blocked.

mod apply;
mod block;
mod cover;
mod estate;
mod extent;
mod openness;
mod options;
mod plan;
mod propose;
pub mod render;
mod replay;
mod tfplan;

pub use apply::{Edit, Edits, apply};
pub use cover::{Cover, MOST_BLOCKS};
pub use extent::{Openness, Resolver};
pub use options::{Headroom, Options};
pub use plan::{Action, Change, CurvePoint, Plan, Replayed, Safety};
pub use propose::{Material, Part, held_out_from, propose};
pub use replay::{
    AclDifference, Against, Candidate, GroupDifference, Names, Replay, ReplayRow, ReplayRows, RuleName,
};
pub use tfplan::{TerraformError, TerraformPlan};

pub use crate::inventory::{Rule, RulePeer};
pub use crate::rollup::{Lot, ReplayCount, RuleOutcome};
