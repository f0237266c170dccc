//! What a source found, what it passed over and why.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::hash::BuildHasher;

use super::name::LOOKED_FOR;
use super::{Object, Pruned, Selection, SourceError, key};

/// The answer of [`super::Source::list`].
#[derive(Debug, Default)]
pub struct Listing {
    /// What to fetch, sorted by name, each once.
    pub objects: Vec<Object>,
    /// What was seen and will not be fetched, sorted by name.
    pub skipped: Vec<Skipped>,
    /// How many more were passed over than [`skipped`](Self::skipped) names.
    pub more_skipped: u64,
    /// How many objects the selection left out.
    pub pruned: Pruned,
    /// What could not be listed. Not empty means that the run can't be complete.
    pub errors: Vec<SourceError>,
    /// What the user should know although nothing is missing: a default that was used, a limit that was met.
    pub notes: Vec<String>,
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
        mut found: Vec<Object>,
        skipped: Vec<Skipped>,
        errors: Vec<SourceError>,
        selection: &Selection,
        looked_in: &str,
    ) -> Self {
        found.sort_by(|a, b| a.name.cmp(&b.name));
        let mut sieve = Sieve::new(selection);
        let objects: Vec<Object> = found.into_iter().filter_map(|object| sieve.offer(object)).collect();
        let names: BTreeSet<&str> = objects.iter().map(|object| object.name.as_str()).collect();
        sieve.skipped.extend(skipped.into_iter().filter(|skipped| !names.contains(skipped.name.as_str())));
        sieve.errors = errors;
        Self { objects, ..sieve.finish(looked_in) }
    }

    /// Puts another source's listing behind this one.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.objects.extend(other.objects);
        self.skipped.extend(other.skipped);
        self.more_skipped += other.more_skipped;
        self.pruned.merge(other.pruned);
        self.errors.extend(other.errors);
        self.notes.extend(other.notes);
    }
}

/// Chooses among objects as they are found, in the order of their names.
#[derive(Debug)]
pub(crate) struct Sieve<'a> {
    selection: &'a Selection,
    last: String,
    taken: u64,
    /// By what is the same in every copy of a delivered object: the name of the first.
    /// Only its hash, because a bucket may hold millions.
    copies: HashMap<u64, (Box<str>, Option<u64>)>,
    /// Taken although their names don't say what the selection asks for.
    unnamed: u64,
    skipped: BTreeSet<Skipped>,
    more_skipped: u64,
    pruned: Pruned,
    errors: Vec<SourceError>,
    only_the_selection: bool,
    empty: Vec<String>,
}

impl<'a> Sieve<'a> {
    pub fn new(selection: &'a Selection) -> Self {
        Self {
            selection,
            last: String::new(),
            taken: 0,
            copies: HashMap::new(),
            unnamed: 0,
            skipped: BTreeSet::new(),
            more_skipped: 0,
            pruned: Pruned::default(),
            errors: Vec::new(),
            only_the_selection: false,
            empty: Vec::new(),
        }
    }

    /// Says that what is offered was looked for by the selection, so that finding nothing may be its fault.
    pub fn lists_only_the_selection(&mut self) {
        self.only_the_selection = true;
    }

    /// The object, if it is of the selection and not found before.
    pub fn offer(&mut self, object: Object) -> Option<Object> {
        // Names come in order, so that a repetition follows its first.
        if self.taken > 0 && object.name == self.last {
            return None;
        }
        if let Some(reason) = self.selection.prunes(object.key.as_ref()) {
            self.pruned.add(reason);
            return None;
        }
        if let Some(identity) = key::identity(&object.name) {
            let hash = foldhash::quality::FixedState::default().hash_one(identity);
            // Of different sizes, one may be cut short, or compressed anew: both are read, and what is in both counts once.
            let same = |(first, size): &&(Box<str>, Option<u64>)| {
                key::identity(first) == Some(identity) && *size == object.size
            };
            if let Some((first, _)) = self.copies.get(&hash).filter(same) {
                let reason = SkipReason::SameObject { first: first.to_string() };
                self.skipped.insert(Skipped { name: object.name, reason });
                return None;
            }
            self.copies.insert(hash, (object.name.as_str().into(), object.size));
        }
        self.unnamed += u64::from(self.selection.is_lost_on(object.key.as_ref()));
        self.taken += 1;
        self.last.clone_from(&object.name);
        Some(object)
    }

    /// Objects offered and errors noted so far: whether a place held anything at all.
    pub fn seen(&self) -> u64 {
        self.taken + self.pruned.total() + self.errors.len() as u64
    }

    /// Notes that one of several places holds nothing; it counts if another does hold something.
    pub fn empty(&mut self, place: String) {
        self.empty.push(place);
    }

    /// Notes something passed over; beyond `most` it is only counted.
    pub fn skip(&mut self, skipped: Skipped, most: usize) {
        if self.skipped.len() < most {
            self.skipped.insert(skipped);
        } else {
            self.more_skipped += 1;
        }
    }

    /// Notes what could not be listed.
    pub fn error(&mut self, error: SourceError) {
        self.errors.push(error);
    }

    /// Nothing lies in a place, or nothing that the selection lets be listed.
    fn nothing_in(&self, looked_in: String, skipped: usize) -> SourceError {
        if self.only_the_selection && self.selection.names_objects() {
            return SourceError::NothingThere { looked_in, selection: Box::new(self.selection.clone()) };
        }
        SourceError::NothingFound { looked_in, looked_for: LOOKED_FOR, skipped }
    }

    /// The listing but for the objects, which were handed out. `looked_in` names the place, should it be empty.
    pub fn finish(mut self, looked_in: &str) -> Listing {
        if self.taken == 0 && self.errors.is_empty() {
            let looked_in = looked_in.to_owned();
            self.errors.push(if self.pruned.total() > 0 {
                let selection = Box::new(self.selection.clone());
                SourceError::NothingSelected { looked_in, selection, pruned: self.pruned }
            } else {
                let skipped = self.skipped.len() + usize::try_from(self.more_skipped).unwrap_or(usize::MAX);
                self.nothing_in(looked_in, skipped)
            });
        }
        if self.taken > 0 {
            let told = std::mem::take(&mut self.empty);
            let errors: Vec<SourceError> = told.into_iter().map(|place| self.nothing_in(place, 0)).collect();
            self.errors.extend(errors);
        }
        let mut notes = Vec::new();
        if self.unnamed > 0 {
            notes.push(format!(
                "{} of the objects read do not say their account, region or flow log, so that --account, --region and \
                 --flow-log-id could not leave them out",
                self.unnamed
            ));
        }
        Listing {
            objects: Vec::new(),
            skipped: self.skipped.into_iter().collect(),
            more_skipped: self.more_skipped,
            pruned: self.pruned,
            errors: self.errors,
            notes,
        }
    }
}
