//! How fast a region may be asked.

use std::time::Duration;

/// FilterLogEvents a second, per account and region, and not adjustable (CloudWatch Logs User Guide, "CloudWatch Logs
/// quotas"). Everywhere else [`USUAL`].
const FILTER: [(&str, f64); 6] = [
    ("us-east-1", 25.0),
    ("ap-northeast-3", 5.0),
    ("ap-southeast-3", 5.0),
    ("ca-west-1", 5.0),
    ("eu-central-1", 5.0),
    ("il-central-1", 5.0),
];

/// FilterLogEvents a second in most regions; DescribeLogGroups, too.
pub(super) const USUAL: f64 = 10.0;

/// The slowest: somebody else uses up the quota, and a request now and then still gets through.
const FLOOR: f64 = 0.2;

/// Refusals within this time are of one burst and count once.
const BURST: Duration = Duration::from_secs(1);

/// FilterLogEvents a second that a region allows.
pub(super) fn allowed(region: &str) -> f64 {
    FILTER.iter().find(|(name, _)| *name == region).map_or(USUAL, |(_, rate)| *rate)
}

/// Paces requests: evenly, at a rate that halves when the service says "slower" and grows back a little with every
/// answer. No clock of its own: times are since any fixed moment.
#[derive(Debug)]
pub(super) struct Limiter {
    rate: f64,
    ceiling: f64,
    /// When the next request may be made.
    next: Duration,
    cut: Option<Duration>,
}

impl Limiter {
    /// At most so many requests a second.
    pub fn new(ceiling: f64) -> Self {
        // `max` also replaces what is no number.
        let ceiling = ceiling.max(FLOOR);
        Self { rate: ceiling, ceiling, next: Duration::ZERO, cut: None }
    }

    /// Takes the next turn and says how long to wait for it.
    pub fn turn(&mut self, now: Duration) -> Duration {
        let at = self.next.max(now);
        self.next = at.saturating_add(Duration::from_secs_f64(1.0 / self.rate));
        at.saturating_sub(now)
    }

    /// The service refused a request because there are too many.
    pub fn throttled(&mut self, now: Duration) {
        // What was under way together is refused together.
        if self.cut.is_none_or(|cut| now >= cut.saturating_add(BURST)) {
            self.rate = (self.rate / 2.0).max(FLOOR);
            self.cut = Some(now);
        }
    }

    /// The service answered.
    pub fn answered(&mut self) {
        // Back at the ceiling after some 50 answers from half of it.
        self.rate = (self.rate + self.ceiling / 100.0).min(self.ceiling);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn never_faster_than_allowed() {
        let mut limiter = Limiter::new(5.0);
        // Twenty at once, and again after a rest: no rest is saved up.
        for begin in [0.0, 100.0] {
            let waits: Vec<f64> = (0..20).map(|_| limiter.turn(secs(begin)).as_secs_f64()).collect();
            for (n, wait) in waits.iter().enumerate() {
                assert!((wait - n as f64 / 5.0).abs() < 1e-6, "{n}: {wait}");
            }
        }
    }

    #[test]
    fn a_burst_of_refusals_halves_once_and_answers_bring_it_back() {
        let mut limiter = Limiter::new(10.0);
        for n in 0..8 {
            limiter.throttled(secs(1.0 + f64::from(n) / 100.0));
        }
        assert!((limiter.rate - 5.0).abs() < 1e-9);
        limiter.throttled(secs(2.0));
        assert!((limiter.rate - 2.5).abs() < 1e-9);
        for n in 0..1000 {
            limiter.throttled(secs(10.0 * f64::from(n)));
        }
        assert!((limiter.rate - FLOOR).abs() < 1e-9, "it never stops");
        for _ in 0..99 {
            limiter.answered();
        }
        assert!(limiter.rate > 9.9);
        limiter.answered();
        limiter.answered();
        assert!((limiter.rate - 10.0).abs() < 1e-9, "and never above what is allowed");
    }

    #[test]
    fn settles_at_what_is_left_of_the_quota() {
        // A service that allows 4 a second, because others use the rest; ten minutes.
        let mut limiter = Limiter::new(10.0);
        let (mut now, mut answered, mut refused) = (0.0, 0u32, 0u32);
        let mut second = (0.0_f64, 0);
        while now < 600.0 {
            now += limiter.turn(secs(now)).as_secs_f64();
            if now.floor() > second.0 {
                second = (now.floor(), 0);
            }
            if second.1 < 4 {
                second.1 += 1;
                answered += 1;
                limiter.answered();
            } else {
                refused += 1;
                limiter.throttled(secs(now));
            }
        }
        assert!(answered > 600 * 4 * 2 / 3, "{answered} answered, {refused} refused");
        assert!(refused < answered / 5, "{answered} answered, {refused} refused");
    }

    #[test]
    fn nonsense_is_slow_not_endless() {
        for rate in [0.0, -1.0, f64::NAN, f64::NEG_INFINITY] {
            let mut limiter = Limiter::new(rate);
            limiter.turn(Duration::ZERO);
            assert!(limiter.turn(Duration::ZERO) <= secs(5.0), "{rate}");
        }
        assert!((allowed("us-east-1") - 25.0).abs() < 1e-9);
        assert!((allowed("eu-central-1") - 5.0).abs() < 1e-9);
        assert!((allowed("mars-north-1") - USUAL).abs() < 1e-9);
    }
}
