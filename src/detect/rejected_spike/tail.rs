//! How unlikely is a count, and which counts are unlikely among many?

use statrs::function::beta::checked_beta_reg;

/// Probability of a count of at least `n` under a negative binomial distribution with mean `mean` and variance
/// `mean + spread * mean^2` (NB2; Cameron and Trivedi, "Regression Analysis of Count Data", 2013, 3.3). A spread of 0 is
/// Poisson's.
pub(super) fn upper(n: u64, mean: f64, spread: f64) -> f64 {
    if n == 0 {
        return 1.0;
    }
    if mean <= 0.0 {
        return 0.0;
    }
    // P(X >= n) = I_x(n, r) with r = 1 / spread and x = mean / (mean + r); a spread near 0 needs a limit.
    let r = 1.0 / spread.max(1e-6);
    // Not by the distribution of statrs, which is asked for r / (mean + r), so that little is left of a small mean. What
    // can't be computed is not unlikely.
    let tail = checked_beta_reg(n as f64, r, mean / (mean + r)).unwrap_or(1.0);
    if tail.is_nan() { 1.0 } else { tail.clamp(0.0, 1.0) }
}

/// The smallest probability that is not unlikely any more, if at most a share `rate` of what is called unlikely may be
/// so by chance: Benjamini and Yekutieli, "The control of the false discovery rate in multiple testing under
/// dependency", 2001. It holds however the tests depend on each other, as buckets of one series do, which share a
/// baseline and a source that knocks for an hour. `tests` is how many there were; only small ones need be among
/// `probabilities`, which are sorted. Gives how many of these are unlikely.
pub(super) fn discoveries(probabilities: &[f64], tests: u64, rate: f64) -> usize {
    let tests = tests.max(probabilities.len() as u64) as f64;
    // The harmonic number.
    let harmonic = tests.max(1.0).ln() + 0.577_215_664_9 + 0.5 / tests.max(1.0);
    let least = |rank: usize| rate * (rank + 1) as f64 / (tests * harmonic);
    probabilities.iter().enumerate().rposition(|(rank, p)| *p <= least(rank)).map_or(0, |rank| rank + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: f64, wanted: f64) {
        assert!((got / wanted - 1.0).abs() < 1e-9, "{got} for {wanted}");
    }

    /// Against sums of the probabilities themselves: P(0) = (r/(r+m))^r, P(k+1) = P(k) (k+r)/(k+1) m/(m+r).
    #[test]
    fn tails_are_what_is_left_of_the_sum() {
        for mean in [0.02, 0.7, 3.0, 40.0] {
            for spread in [0.1, 1.0, 20.0] {
                let r: f64 = 1.0 / spread;
                let mut probability = (r / (r + mean)).powf(r);
                let mut below = 0.0;
                for k in 0..60_u32 {
                    let left = 1.0 - below;
                    if left > 1e-6 {
                        let got = upper(u64::from(k), mean, spread);
                        assert!((got / left - 1.0).abs() < 1e-6, "{k} {mean} {spread}: {got} for {left}");
                    }
                    below += probability;
                    probability *= (f64::from(k) + r) / (f64::from(k) + 1.0) * mean / (mean + r);
                }
            }
        }
        // A geometric distribution (r = 1): P(X >= n) = (m / (1 + m))^n, far out too.
        near(upper(200, 2.0, 1.0), (2.0_f64 / 3.0).powi(200));
        // Nearly Poisson: P(X >= 1) = 1 - e^-m.
        assert!((upper(1, 0.3, 0.0) - (1.0 - (-0.3_f64).exp())).abs() < 1e-6);
    }

    #[test]
    fn discoveries_are_those_of_the_paper() {
        // 10 tests at 5 %: the harmonic number of 10 is 2.93, so the thresholds are 0.0017, 0.0034, 0.0051 …
        let sorted = [0.0001, 0.003, 0.0051, 0.009, 0.2];
        assert_eq!(discoveries(&sorted, 10, 0.05), 3);
        // A later one that passes carries those before it.
        assert_eq!(discoveries(&[0.0018, 0.0033], 10, 0.05), 2);
        assert_eq!(discoveries(&[0.0018, 0.0035], 10, 0.05), 0);
        assert_eq!(discoveries(&[], 10, 0.05), 0);
    }
}
