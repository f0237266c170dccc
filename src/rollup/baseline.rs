//! The time that is taken for normal.

use super::facts::Rollups;

/// A period from which detectors of novelty learn what is normal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Baseline {
    /// Unix seconds.
    pub from: u32,
    /// Unix seconds, not included.
    pub to: u32,
}

impl Baseline {
    /// Seconds that must be learned from before anything can be called new: a day, since most things recur daily.
    pub const LEAST: u32 = 86_400;
    /// Less than so many seconds make no alarm.
    pub const FAIR: u32 = 2 * 86_400;
    /// From so many seconds on the baseline is called reliable.
    pub const GOOD: u32 = 3 * 86_400;

    /// Its length in seconds.
    #[must_use]
    pub fn seconds(self) -> u32 {
        self.to.saturating_sub(self.from)
    }
}

impl Rollups {
    /// What is learned from: the user's period as far as there are records, else the first half of the window. `None`
    /// where that is shorter than [`Baseline::LEAST`], or nothing comes after it.
    #[must_use]
    pub fn baseline(&self) -> Option<Baseline> {
        let (first, last) = self.window?;
        let learned = match self.given_baseline {
            Some(given) => Baseline { from: given.from.max(first), to: given.to },
            None => Baseline { from: first, to: first + (last - first) / 2 },
        };
        (learned.seconds() >= Baseline::LEAST && learned.to <= last).then_some(learned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_window_or_what_is_given_and_at_least_a_day() {
        let day = 86_400;
        let of = |window, given| {
            let mut rollups = Rollups::default();
            (rollups.window, rollups.given_baseline) = (window, given);
            rollups.baseline()
        };
        assert_eq!(of(Some((day, 5 * day)), None), Some(Baseline { from: day, to: 3 * day }));
        assert_eq!(of(Some((day, 2 * day)), None), None, "half a day");
        assert_eq!(of(None, None), None);
        let given = Some(Baseline { from: 0, to: 3 * day });
        assert_eq!(of(Some((day, 9 * day)), given), Some(Baseline { from: day, to: 3 * day }));
        assert_eq!(of(Some((day, 2 * day)), given), None, "nothing comes after it");
        assert_eq!(of(Some((5 * day, 9 * day)), given), None, "nothing is learned");
    }
}
