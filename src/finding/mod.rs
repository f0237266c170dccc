//! What did we conclude, and how sure?
//!
//! A [`Finding`] can only be made by [`FindingBuilder`], which refuses one without evidence. [`RuleRow`] is
//! the verdict on one rule, [`Summary`] what the run read and did not read, and [`Conclusions`] all of it:
//! what detectors produce and renderers show.

mod builder;
mod evidence;
mod ignore;
mod model;
mod picture;
mod rules;
mod summary;

pub use builder::{FindingBuilder, IncompleteFinding};
pub use evidence::RuleEvidence;
pub use ignore::{IgnoreEntry, IgnoreList, Ignored};
pub use model::{Finding, Grade, Kind, Ports, Severity};
pub use picture::{
    ChangeNote, Edge, GroupNote, InterfaceNote, Node, NodeKind, Picture, RuleNote, Service, TimeLine, Traffic,
};
pub use rules::{PortCount, PortRangeCount, RuleClass, RuleRow};
pub use summary::{
    Conclusions, EndsCounts, FormatUse, InterfaceCoverage, Limitation, OpenerCount, Summary, VerdictCount,
    WatchedList, Window,
};
