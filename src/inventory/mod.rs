//! What was configured, and when?
//!
//! The [`Inventory`] model and its loader for AWS CLI output and AWS Config: [`load()`] reads files into a
//! [`Timeline`], [`check()`] says what is missing and what that costs, [`looks_like_inventory`] tells
//! inventory files from logs. [`live`] asks the EC2 API for the same, and [`commands`] prints the script that asks with
//! the AWS CLI.

mod check;
pub mod commands;
mod config_items;
mod cursor;
mod documents;
mod error;
mod files;
mod groups;
mod history;
mod hold;
mod kind;
pub(crate) mod lane;
pub mod live;
mod load;
mod merge;
mod model;
mod objects;
mod place;
mod plain;
mod recognise;
mod rule;
mod stretches;
mod timeline;

pub use check::{CheckReport, Gap, GapSeverity, HistorySummary, ObservationSummary, SUBJECTS_SHOWN, check};
pub use config_items::HistoryReport;
pub use error::{FieldError, FileProblem, InventoryError, Problem};
pub use history::{History, State, Track, Version};
pub use kind::Kind;
pub use load::{Conflict, LoadOptions, LoadReport, Loaded, ObservationReport, SkipReason, SkippedFile, load};
pub use model::{
    AclEntry, ConnectionTracking, FlowLog, Inventory, NetworkAcl, NetworkInterface, Peering, PrefixList,
    Rule, RulePeer, SecurityGroup, Subnet, Vpc,
};
pub use recognise::looks_like_inventory;
pub use stretches::Stretch;
pub use timeline::Timeline;
pub(crate) use timeline::{Anchor, By, Trust};
