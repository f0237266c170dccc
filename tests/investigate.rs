//! What is said of an address, a network, an interface, an instance, a group or a rule: against a small world that was worked out
//! by hand, against an obvious recount, and against what really happened in a simulated account.

mod hand;
mod page;
mod recount;
mod small;

use crate::store::support;
