//! Questions: what is answered is what an obvious computation over the rows says, and what can't be answered says why.

mod answers;
mod bounds;
mod formats;
mod packaged;
mod pushdown;
mod refuse;
mod support;
