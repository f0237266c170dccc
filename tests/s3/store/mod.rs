//! Stores that lie in a bucket.

mod faults;
#[cfg(unix)]
mod kills;
mod races;
mod refusals;
mod round;
mod support;
