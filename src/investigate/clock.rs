//! The steps of the time line.

/// Seconds of a day.
pub(super) const DAY: i64 = 86_400;

/// Steps that people count in.
const STEPS: [i64; 12] = [60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, DAY];

/// Most steps of a look around a time.
const AROUND: i64 = 48;

/// Most days told one by one; beyond, weeks are.
const DAYS: i64 = 92;

/// A Monday.
const MONDAY: i64 = 4 * DAY;

/// Which steps of time are told, from the first second to the one after the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    pub from: i64,
    pub to: i64,
    /// Seconds of a step.
    pub step: i64,
    /// Where some step begins.
    origin: i64,
    /// The time that is looked at, if it is one.
    pub at: Option<i64>,
}

impl Clock {
    /// Over all of a window: hours of up to two days, days, or weeks from Monday on.
    pub fn over(from: i64, to: i64) -> Self {
        let (step, origin) = match to - from {
            ..=172_800 => (3_600, 0),
            span if span <= DAYS * DAY => (DAY, 0),
            _ => (7 * DAY, MONDAY),
        };
        Self { from, to, step, origin, at: None }
    }

    /// Around a time, to both sides.
    pub fn around(at: i64, span: i64) -> Self {
        let step = STEPS.into_iter().find(|step| 2 * span / step <= AROUND);
        // Longer looks have whole days, as few as fit.
        let step = step.unwrap_or_else(|| (2 * span / AROUND / DAY + 1) * DAY);
        Self { from: at.saturating_sub(span), to: at.saturating_add(span), step, origin: at, at: Some(at) }
    }

    pub fn holds(&self, time: i64) -> bool {
        (self.from..self.to).contains(&time)
    }

    /// The number of the step of a time that is told.
    pub fn step_of(&self, time: i64) -> Option<i64> {
        self.holds(time).then(|| (time - self.origin).div_euclid(self.step))
    }

    /// Begin and end of each step, in order.
    pub fn steps(&self) -> impl Iterator<Item = (i64, i64, i64)> {
        let number = |time: i64| (time - self.origin).div_euclid(self.step);
        let (first, last) = (number(self.from), number(self.to.saturating_sub(1)));
        (first..=last).filter(|_| self.from < self.to).map(|step| {
            let begin = self.origin + step * self.step;
            (step, begin.max(self.from), (begin + self.step).min(self.to))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_fill_the_window_without_gaps() {
        for clock in [
            Clock::over(0, DAY),
            Clock::over(1_772_323_200, 1_772_323_200 + 30 * DAY),
            Clock::over(1_772_323_217, 1_772_323_217 + 400 * DAY),
            Clock::around(1_772_323_217, 3_600),
            Clock::around(1_772_323_217, 59),
            Clock::around(1_772_323_217, 90 * DAY),
        ] {
            let steps: Vec<(i64, i64, i64)> = clock.steps().collect();
            assert_eq!(steps[0].1, clock.from);
            assert_eq!(steps[steps.len() - 1].2, clock.to);
            assert!(steps.windows(2).all(|pair| pair[0].2 == pair[1].1 && pair[0].0 + 1 == pair[1].0));
            assert!(steps.len() <= 100, "{}", steps.len());
            for (number, begin, end) in steps {
                assert_eq!(clock.step_of(begin), Some(number));
                assert_eq!(clock.step_of(end - 1), Some(number));
            }
            assert_eq!(clock.step_of(clock.to), None);
            assert_eq!(clock.step_of(clock.from - 1), None);
        }
    }

    #[test]
    fn a_step_begins_at_the_time_that_is_looked_at() {
        let clock = Clock::around(1_000_017, 3_600);
        assert_eq!(clock.step, 300);
        assert!(clock.steps().any(|(_, begin, _)| begin == 1_000_017));
    }

    #[test]
    fn weeks_begin_on_monday() {
        let clock = Clock::over(1_772_323_200, 1_772_323_200 + 100 * DAY);
        let (_, begin, _) = clock.steps().nth(1).unwrap();
        // 2026-03-02 was a Monday.
        assert_eq!(begin, 1_772_323_200 + DAY);
    }
}
