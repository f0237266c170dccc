//! Ask your own question.
//!
//! Questions are SQL over the tables of a store, and the packaged ones are files of `queries/`.

mod fill;
mod header;
mod lexer;
mod packaged;
mod parameter;
#[cfg(test)]
mod tests;

pub use fill::{FillError, Target};
pub use header::{HeaderError, Question, Twin};
pub use lexer::Dialect;
pub use packaged::questions;
pub use parameter::{Parameter, ParameterError, Takes};
