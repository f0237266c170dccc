//! The address that all records of an interface share (domain A.8).

/// The addresses that every record of an interface has had so far, per family: after a few records only
/// the interface's own is left (domain A.8).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CommonAddress {
    seen: bool,
    candidates: [Option<u128>; 2],
}

impl CommonAddress {
    pub fn see(&mut self, source: u128, destination: u128) {
        if !self.seen {
            *self = Self { seen: true, candidates: [Some(source), Some(destination)] };
            return;
        }
        for candidate in &mut self.candidates {
            // Both are looked at, always: which of the two it is, nobody can foretell.
            let kept = (*candidate == Some(source)) | (*candidate == Some(destination));
            if candidate.is_some() && !kept {
                *candidate = None;
            }
        }
    }

    pub fn merge(&mut self, other: &Self) {
        if !other.seen {
            return;
        }
        if !self.seen {
            *self = *other;
            return;
        }
        for candidate in &mut self.candidates {
            if candidate.is_some() && !other.candidates.contains(candidate) {
                *candidate = None;
            }
        }
    }

    /// The one address that all records share.
    pub fn single(&self) -> Option<u128> {
        match self.candidates {
            [Some(a), None] | [None, Some(a)] => Some(a),
            [Some(a), Some(b)] if a == b => Some(a),
            _ => None,
        }
    }
}
