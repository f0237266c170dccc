//! What should be true of the network?
//!
//! A small TOML file names **tiers** (who is who) and **expectations** (who may reach whom). [`parse()`] reads it and
//! says everything that is wrong, by line and column. [`survey()`] says what each tier stands for in an inventory,
//! [`draft()`] writes a first file from one, and [`Expected`] judges connections.
//!
//! ```toml
//! version = 1
//!
//! [tier.app]
//! security-group = "app"              # an id or a name; `*` stands for anything
//!
//! [tier.db]
//! tag = ["Tier=db", "Role=database"]  # any of the values of a key, and all keys
//! vpc = "production"
//!
//! [[expect]]
//! name = "the database is asked by the application only"
//! to = "db"
//! on = ["mysql", "tcp 5432"]
//! only-from = "app"
//! same-vpc = true
//! ```
//!
//! # Tiers
//!
//! Keys are `security-group`, `tag`, `interface`, `interface-type`, `description`, `instance`, `subnet`, `vpc`,
//! `account`, `cidr`, `prefix-list`, `tier` (of other tiers) and `except` (but those of other tiers). An endpoint belongs
//! to a tier if it fits one value of each key. A tag is one of the interface or of one of its security groups.
//!
//! # Expectations
//!
//! With `to`, an expectation is about connections that others open to a tier: `only-from` (from nobody else),
//! `never-from`, or `may-from`. With `from` it is about those that the tier opens: `only-to`, `never-to`, `may-to`.
//! `on` limits it to services.
//!
//! - Each `only-` must be true on its own: adding one never silences another.
//! - A `never-` yields to whoever an `only-` or `may-` names for the same interface and service: "nothing is reached from
//!   the internet" and "SSH comes from the VPN only" go together, though the VPN has public addresses.
//! - What a `may-` welcomes breaks nothing.
//!
//! # As of when
//!
//! Tiers are resolved as of the connection's first packet: groups, tags and addresses of the interface and of the
//! interface that had the remote address then. Around a change, whatever may have held explains, by the same
//! [lanes](crate::inventory) that rules are judged by. Each statement is `yes`, `no` or `maybe`; only what is broken for
//! certain is told. Where it is `maybe`, because a fact is missing, the connection is counted as one about which nothing
//! can be said.
//!
//! - A private address that no known interface had then is in no tier for certain, and in none but those by CIDR or
//!   prefix list. That it is not in a VPC whose blocks are known is certain all the same (`same-vpc`).
//! - A public address belongs to tiers by CIDR and prefix list only: security groups know private addresses.
//! - Of equal private addresses in several VPCs the one in the interface's own VPC is meant.
//! - `internet` is every address that is neither private, nor in a block that a VPC or subnet of the inventory ever had, nor an
//!   interface's own.

mod bits;
mod draft;
mod estate;
mod fault;
mod judge;
mod model;
mod parse;
mod pattern;
mod standing;
mod survey;
mod words;

pub use draft::draft;
pub use fault::{Fault, Unknown};
pub use judge::{Examiner, Expected, Shortfall};
pub use model::{Clause, End, Expectation, Expectations, Mode, Selector, Service, Tier};
pub use parse::{MAX_BYTES, parse};
pub use pattern::Pattern;
pub use survey::{Remark, Survey, TierSurvey, survey};
