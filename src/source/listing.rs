//! What a source found, what it passed over and why.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::name::LOOKED_FOR;
use super::{Object, Pruned, Selection, SourceError, key};

/// The answer of [`super::Source::list`].
#[derive(Debug, Default)]
pub struct Listing {
    /// What to fetch, sorted by name, each once.
    pub objects: Vec<Object>,
    /// What was seen and will not be fetched, sorted by name.
    pub skipped: Vec<Skipped>,
    /// How many objects the selection left out.
    pub pruned: Pruned,
    /// What could not be listed. Not empty means that the run can't be complete.
    pub errors: Vec<SourceError>,
}

/// Something seen that will not be fetched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skipped {
    /// Its name, as [`Object::name`].
    pub name: String,
    /// Why.
    pub reason: SkipReason,
}

/// Why something is not fetched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SkipReason {
    /// Its name starts with a dot.
    Hidden,
    /// Its name is not one that flow logs have.
    NotALog,
    /// A socket, a pipe or a device found in a directory.
    NotAFile,
    /// The same file or directory was reached before: overlapping inputs, or a symbolic link, perhaps in
    /// a loop.
    SeenBefore {
        /// The name it was reached by first.
        first: String,
    },
    /// Another copy of the same delivered object: its records would count twice.
    SameObject {
        /// The copy that is read.
        first: String,
    },
}

impl SkipReason {
    /// The reason in one kebab-case word, for counting.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Hidden => "hidden",
            Self::NotALog => "not-a-log",
            Self::NotAFile => "not-a-file",
            Self::SeenBefore { .. } => "seen-before",
            Self::SameObject { .. } => "same-object",
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hidden => f.write_str("hidden"),
            Self::NotALog => f.write_str("not a flow log by its name"),
            Self::NotAFile => f.write_str("not a regular file"),
            Self::SeenBefore { first } => write!(f, "already reached as {first}"),
            Self::SameObject { first } => write!(f, "same object as {first}"),
        }
    }
}

impl Listing {
    /// Makes a listing of what a source found: applies the selection, keeps one copy of each delivered
    /// object, sorts, and turns an empty result into an error. `looked_in` names the place for it.
    #[must_use]
    pub fn build(
        found: Vec<Object>,
        skipped: Vec<Skipped>,
        mut errors: Vec<SourceError>,
        selection: &Selection,
        looked_in: &str,
    ) -> Self {
        let mut pruned = Pruned::default();
        let mut by_name = BTreeMap::new();
        for object in found {
            match selection.prunes(object.key.as_ref()) {
                Some(reason) => pruned.add(reason),
                None => {
                    by_name.entry(object.name.clone()).or_insert(object);
                }
            }
        }
        let mut skipped: BTreeSet<Skipped> =
            skipped.into_iter().filter(|skipped| !by_name.contains_key(&skipped.name)).collect();
        let mut copies: BTreeMap<String, String> = BTreeMap::new();
        let mut objects = Vec::with_capacity(by_name.len());
        for (name, object) in by_name {
            if let Some(identity) = key::identity(&name) {
                if let Some(first) = copies.get(identity) {
                    skipped.insert(Skipped { name, reason: SkipReason::SameObject { first: first.clone() } });
                    continue;
                }
                copies.insert(identity.to_owned(), name);
            }
            objects.push(object);
        }
        if objects.is_empty() && errors.is_empty() {
            let looked_in = looked_in.to_owned();
            errors.push(if pruned.total() > 0 {
                SourceError::NothingSelected { looked_in, selection: Box::new(selection.clone()), pruned }
            } else {
                SourceError::NothingFound { looked_in, looked_for: LOOKED_FOR, skipped: skipped.len() }
            });
        }
        Self { objects, skipped: skipped.into_iter().collect(), pruned, errors }
    }
}
