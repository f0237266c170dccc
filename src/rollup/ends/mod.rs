//! Do the logs of both ends of a connection say the same?
//!
//! Where the interfaces at both ends are logged, each has a view of its own. Both views of a tuple lie in one partition
//! ([`crate::connection`] spreads by tuple, not by interface), so the views of connections whose remote address is that of
//! another interface of the run ([`Directory`]) wait until the partition is done and are then put side by side: same
//! tuple, overlapping in time give or take the error of the timestamps.

mod directory;
mod table;
mod views;

#[cfg(test)]
mod tests;

pub use directory::Directory;
pub use table::{Cause as EndsCause, EndsCell, EndsKey, EndsSums, EndsTotals, Pair as EndsPair, Uncompared};

pub(crate) use table::EndsTable;
pub(crate) use views::Views;
