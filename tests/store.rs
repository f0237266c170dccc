//! The store: what is said of it is what is said of the logs, however these went in and whatever interrupted it.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::needless_pass_by_value,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "test code fails by panicking, talks to whoever runs it, and reads what it has made itself"
)]

#[path = "world/mod.rs"]
mod world;

#[path = "store/configured.rs"]
mod configured;
#[cfg(unix)]
#[path = "store/crash.rs"]
mod crash;
#[path = "store/equal.rs"]
mod equal;
#[path = "store/kept.rs"]
mod kept;
#[path = "store/refuse.rs"]
mod refuse;
#[path = "store/schema.rs"]
mod schema;
#[path = "store/sums.rs"]
mod sums;
#[path = "store/support.rs"]
mod support;
#[path = "store/table.rs"]
mod table;
