//! The program, its files and the repository: one binary for all tests that run the program.

#![allow(
    clippy::clone_on_copy,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::needless_pass_by_value,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "test code fails by panicking, talks to whoever runs it, and is told by the environment what to do"
)]

mod benches;
mod browser;
mod cli;
mod docs;
mod investigate;
mod query;
mod questions;
mod repo;
mod sample;
mod store;
mod world;
