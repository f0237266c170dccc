//! Which prefixes are listed for a selection.
