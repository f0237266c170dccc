//! How unlikely is a count, and which counts are unlikely among many?

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
    beta_share(mean / (mean + r), n as f64, r)
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

/// The regularised incomplete beta function I_x(a, b), by its continued fraction (NIST DLMF 8.17.22) with Lentz's method.
fn beta_share(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    // The fraction is quick on one side of the mean only.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta_share(1.0 - x, b, a);
    }
    let front = ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p();
    let tiny = |v: f64| if v.abs() < 1e-300 { 1e-300 } else { v };
    let mut d = 1.0 / tiny(1.0 - (a + b) * x / (a + 1.0));
    let (mut c, mut fraction) = (1.0, d);
    for step in 1..10_000_u32 {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / tiny(1.0 + even * d);
        c = tiny(1.0 + even / c);
        fraction *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / tiny(1.0 + odd * d);
        c = tiny(1.0 + odd / c);
        let change = d * c;
        fraction *= change;
        if (change - 1.0).abs() < 1e-12 {
            break;
        }
    }
    (front.exp() * fraction / a).clamp(0.0, 1.0)
}

/// Logarithm of the gamma function for positive numbers (Lanczos 1964, g = 7, n = 9; good to 15 digits).
fn ln_gamma(x: f64) -> f64 {
    const COEFFICIENTS: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    if x < 0.5 {
        return (std::f64::consts::PI / (std::f64::consts::PI * x).sin()).ln() - ln_gamma(1.0 - x);
    }
    let x = x - 1.0;
    let terms = (1_u32..).zip(COEFFICIENTS).map(|(i, c)| c / (x + f64::from(i)));
    let sum = 0.999_999_999_999_809_9 + terms.sum::<f64>();
    let t = x + 7.5;
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: f64, wanted: f64) {
        assert!((got / wanted - 1.0).abs() < 1e-9, "{got} for {wanted}");
    }

    #[test]
    fn gamma_is_that_of_the_tables() {
        near(ln_gamma(0.5).exp(), std::f64::consts::PI.sqrt());
        near(ln_gamma(11.0).exp(), 3_628_800.0);
        near(ln_gamma(100.0), 359.134_205_369_575_4);
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
