//! (room)

use crate::finding::Kind;

/// A detector, to be listed and explained.
#[derive(Clone, Copy, Debug)]
pub struct Meta {
    /// Kebab-case id.
    pub id: &'static str,
    /// What it finds.
    pub kind: Kind,
    /// One line.
    pub title: &'static str,
    /// Source text that begins with the manual as its doc comment.
    pub manual: &'static str,
}

/// Every detector.
#[must_use]
pub fn registry() -> &'static [Meta] {
    &[]
}
