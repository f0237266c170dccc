//! What is concluded from logs: one binary for all tests that call the library, since each binary links all of it.

#![allow(
    clippy::clone_on_copy,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::needless_pass_by_value,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "test code fails by panicking, talks to whoever runs it, and is told by the environment what to do"
)]

mod accepted;
mod anomalies;
mod bounds;
mod decode;
mod escape;
mod expect;
mod history;
mod inventory;
mod oracle;
mod replay;
mod source;
mod spikes;
mod tighten;
mod truth;
mod world;
