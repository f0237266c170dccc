//! What does the configuration say?
//!
//! [`Policy`] compiles a timeline for the interfaces of a run and answers, as of a time: which security
//! group rules permit an opening, what the network ACLs say both ways, and what [`Verdict`] a connection
//! deserves.

mod acl;
mod compile;
mod evaluate;
mod judge;
mod memo;
mod ports;
mod ranges;
mod recorded;
mod replay;
mod scope;
mod strangers;
mod tracking;
mod verdict;

use crate::inventory::lane;

pub use acl::AclVerdict;
pub use evaluate::{Decision, Policy};
pub use judge::Judge;
pub use replay::{Consequence, Trial, Undecided, Weighed, Weigher};
pub use tracking::Tracking;
pub use verdict::{Cause, EscapeReason, Judged, NotEvaluable, Verdict};
