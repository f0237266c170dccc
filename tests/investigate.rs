//! What is said of an address, a network, an interface, an instance, a group or a rule: against a small world that was worked out
//! by hand, against an obvious recount, and against what really happened in a simulated account.

#![allow(dead_code, reason = "the support of the store's tests is used in part")]

#[path = "store/support.rs"]
mod support;

mod hand;
mod page;
mod recount;
mod small;
