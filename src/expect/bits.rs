//! Yes, no, or maybe; and many of them at once.

/// What can be said (Kleene's strong logic of three values).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tri {
    No,
    Maybe,
    Yes,
}

impl Tri {
    pub fn not(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Maybe => Self::Maybe,
            Self::Yes => Self::No,
        }
    }

    /// What holds whichever of several states did: all say the same, or maybe. `None` without any.
    pub fn whichever(states: impl IntoIterator<Item = Self>) -> Option<Self> {
        states.into_iter().reduce(|a, b| if a == b { a } else { Self::Maybe })
    }
}

impl From<bool> for Tri {
    fn from(is: bool) -> Self {
        if is { Self::Yes } else { Self::No }
    }
}

/// An answer for each of a fixed number of questions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answers {
    /// Two bits each: the upper is yes, the lower maybe.
    words: Box<[u64]>,
}

impl Answers {
    pub fn new(answers: impl ExactSizeIterator<Item = Tri>) -> Self {
        let mut words = vec![0_u64; answers.len().div_ceil(32)];
        for (at, answer) in answers.enumerate() {
            words[at / 32] |= (answer as u64) << (at % 32 * 2);
        }
        Self { words: words.into() }
    }

    pub fn get(&self, question: usize) -> Tri {
        match self.words.get(question / 32).map_or(0, |word| word >> (question % 32 * 2) & 3) {
            0 => Tri::No,
            1 => Tri::Maybe,
            _ => Tri::Yes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_kept() {
        let all: Vec<Tri> = (0..100).map(|n| [Tri::No, Tri::Maybe, Tri::Yes, Tri::Yes][n % 4]).collect();
        let answers = Answers::new(all.iter().copied());
        assert!((0..100).all(|n| answers.get(n) == all[n]));
    }

    #[test]
    fn what_differs_is_maybe() {
        use Tri::{Maybe, No, Yes};
        assert_eq!(Tri::whichever([Yes, Yes]), Some(Yes));
        assert_eq!(Tri::whichever([Yes, No, No]), Some(Maybe));
        assert_eq!(Tri::whichever([No, Maybe]), Some(Maybe));
        assert_eq!(Tri::whichever([]), None);
    }
}
