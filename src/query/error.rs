//! Questions that can't be answered.

use crate::store::StoreError;

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The store can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Not a question: it would change something, or read something else than the store.
    #[error("{what} is not allowed: questions only read the tables of the store")]
    Refused {
        /// What it is.
        what: String,
    },
    /// There is no such table.
    #[error("there is no table `{name}`")]
    NoTable {
        /// What was named.
        name: String,
        /// The tables.
        known: Vec<String>,
    },
    /// There is no such column.
    #[error("there is no column `{name}`")]
    NoColumn {
        /// What was named.
        name: String,
        /// Columns of the tables that the question names.
        known: Vec<String>,
    },
    /// There is no such function.
    #[error("there is no function `{name}`")]
    NoFunction {
        /// What was named.
        name: String,
        /// Functions of ours.
        known: Vec<String>,
    },
    /// It is not written as SQL is.
    #[error("this is not SQL: {message}")]
    Syntax {
        /// What the parser says.
        message: String,
        /// Line and column, from 1.
        place: Option<(usize, usize)>,
    },
    /// Polars can't do it.
    #[error("{message}")]
    Meaning {
        /// What it says.
        message: String,
    },
    /// It would hold more than it may.
    #[error(
        "the question would hold more of `{table}` in memory than it may: {rows} rows of {columns} columns, {needs}"
    )]
    Memory {
        /// The table.
        table: &'static str,
        /// Rows.
        rows: String,
        /// Columns.
        columns: usize,
        /// How much is needed, and how much there is.
        needs: String,
    },
    /// The answer can't be written.
    #[error("the answer can't be written: {message}")]
    Write {
        /// Why.
        message: String,
    },
    /// Polars panicked.
    #[error("the engine failed on this question: {message}")]
    Engine {
        /// What it said.
        message: String,
    },
}
