//! Ask your own question.
//!
//! Questions are SQL over the tables of a store, and the packaged ones are files of `queries/`.

mod answer;
mod carried;
mod convert;
mod engine;
mod error;
mod fill;
mod fold;
mod functions;
mod header;
mod lexer;
mod packaged;
mod parameter;
mod plan;
mod pushdown;
mod scan;
mod statement;
#[cfg(test)]
mod tests;
mod together;
mod words;

pub use answer::Answer;
pub use engine::{Engine, Explanation, FileRead, Limits, Read, tables};
pub use error::QueryError;
pub use fill::{FillError, Target};
pub use functions::{FunctionManual, functions};
pub use header::{HeaderError, Question, Twin};
pub use lexer::Dialect;
pub use packaged::questions;
pub use parameter::{Parameter, ParameterError, Takes};
