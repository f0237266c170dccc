//! The store: what is said of it is what is said of the logs, however these went in and whatever interrupted it.

mod configured;
#[cfg(unix)]
mod crash;
mod equal;
mod join;
mod kept;
mod refuse;
mod schema;
mod sums;
pub mod support;
mod table;
