//! What is said of an address, a network, an interface, an instance, a group or a rule: against a small world that was worked out
//! by hand, against an obvious recount, and against what really happened in a simulated account.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::needless_pass_by_value,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "test code fails by panicking and talks to whoever runs it"
)]
#![allow(dead_code, reason = "the support of the store's tests is used in part")]

#[path = "world/mod.rs"]
mod world;

#[path = "store/support.rs"]
mod support;

#[path = "investigate/hand.rs"]
mod hand;
#[path = "investigate/page.rs"]
mod page;
#[path = "investigate/recount.rs"]
mod recount;
#[path = "investigate/small.rs"]
mod small;
