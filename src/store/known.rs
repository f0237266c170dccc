//! Which objects the store holds already.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash};

use super::objects::ObjectRow;

/// What is to be done with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// It was not read yet.
    New,
    /// It was read, and has not changed since; or a copy of it was.
    Known,
    /// An earlier version of it was read, or it could not be: this one takes the place of that number.
    Replaces(u32),
}

/// What tells whether an object is the one that was read.
#[derive(Clone, Copy, Debug)]
pub struct Offered<'a> {
    /// Where it lies.
    pub location: &'a str,
    /// Bytes as stored.
    pub size: Option<u64>,
    /// ETag, or time of the last change.
    pub version: Option<&'a str>,
    /// What is the same in every copy of a delivered object.
    pub identity: Option<&'a str>,
}

/// The objects of a store, as 64-bit hashes: of a million objects one in some ten million millions is taken for another.
#[derive(Debug, Default)]
pub struct Known {
    /// By location: number, and size with version if it was read to its end.
    places: HashMap<u64, (u32, Option<u64>)>,
    /// Identity with size.
    copies: HashSet<u64>,
}

fn hash(what: impl Hash) -> u64 {
    foldhash::quality::FixedState::default().hash_one(what)
}

impl Known {
    pub(super) fn note(&mut self, row: &ObjectRow) {
        let state = (!row.failed).then(|| hash((row.size, row.version.as_deref())));
        self.places.insert(hash(row.location.as_str()), (row.id, state));
        if let (Some(identity), false) = (&row.identity, row.failed) {
            self.copies.insert(hash((identity.as_str(), row.size)));
        }
    }

    /// What is to be done with it.
    #[must_use]
    pub fn offer(&self, object: Offered<'_>) -> Offer {
        match self.places.get(&hash(object.location)) {
            Some((_, Some(state))) if *state == hash((object.size, object.version)) => Offer::Known,
            Some((id, _)) => Offer::Replaces(*id),
            None => match object.identity {
                Some(identity) if self.copies.contains(&hash((identity, object.size))) => Offer::Known,
                _ => Offer::New,
            },
        }
    }
}
