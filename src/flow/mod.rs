//! What is a flow record?
//!
//! The vocabulary every room shares: actions, directions, protocols, the [`FlowBatch`] of columns
//! that decoders produce, and the [`Tally`] of what was read but not used. This room knows nobody.

mod batch;
mod nets;
mod private;
mod tally;
mod types;

pub use batch::{Columns, CoverageRow, FlowBatch, InterfaceContext, address_at, address_bytes, column};
pub(crate) use nets::{Nets, family_of, is_v4, net_range};
pub(crate) use private::{LINK_LOCAL, NETWORKS, PRIVATE_USE, SHARED, is_private};
pub use tally::{MalformedExample, Tally};
pub use types::{Action, CaptureStatus, Direction, Protocol, RecordDirection};
pub(crate) use types::{address_bits, address_from_bits};
