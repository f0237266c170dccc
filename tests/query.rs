//! Questions: what is answered is what an obvious computation over the rows says, and what can't be answered says why.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests; clippy exempts only the test functions themselves, not their helpers"
)]

#[path = "query/answers.rs"]
mod answers;
#[path = "query/bounds.rs"]
mod bounds;
#[path = "query/formats.rs"]
mod formats;
#[path = "query/packaged.rs"]
mod packaged;
#[path = "query/pushdown.rs"]
mod pushdown;
#[path = "query/refuse.rs"]
mod refuse;
#[path = "query/support.rs"]
mod support;
