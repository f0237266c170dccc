//! An investigation: in a terminal, as JSON, and as a page for a browser.
//!
//! Terminal and page say the same: both show the sections that `make` makes.

mod json;
mod make;
mod sheet;
mod terminal;
mod views;
mod words;

pub use json::write_investigation_json;
pub use terminal::show_investigation;

pub(super) use make::{sections, title, window};
pub(super) use sheet::{Cell, Part, Section, Table};
