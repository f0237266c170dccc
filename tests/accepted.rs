//! Accepted traffic that should not be: services the internet reaches, addresses on watch lists, and ends that contradict
//! each other. Everything that is planted is found, and nothing else.

#![allow(
    clippy::clone_on_copy,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::needless_pass_by_value,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "test code fails by panicking and talks to whoever runs it"
)]

#[path = "accepted/ends.rs"]
mod ends;
#[path = "accepted/estate.rs"]
mod estate;
#[path = "accepted/exposed.rs"]
mod exposed;
#[path = "accepted/watched.rs"]
mod watched;
#[path = "world/mod.rs"]
mod world;
#[path = "accepted/worlds.rs"]
mod worlds;
