//! How is a plan applied? As text for tools that can; nothing is applied here.
//!
//! The plan itself, as JSON, is in the room for reports. Every renderer is a pure function of a plan and the inventory that it was made from. Rules that are wanted and there
//! are left alone. What can't be written safely is left out and said so in the text itself.
//!
//! Names, descriptions and tags come from whoever may edit the account, ids from whoever wrote the dump: nothing of
//! them may become code. Ids that are none are left out, descriptions keep to the characters of AWS, and all else is
//! shown in comments, in printable ASCII.

mod aws_cli;
mod cloudformation;
mod steps;
mod terraform;

pub use aws_cli::{aws_cli, aws_cli_rollback};
pub use cloudformation::{Template, cloudformation};
pub use terraform::{Stage, terraform};
