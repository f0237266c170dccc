//! A first file, from what is there.

use crate::inventory::Inventory;

/// Drafts.
#[must_use]
pub fn draft(_inventory: &Inventory) -> String {
    String::new()
}
