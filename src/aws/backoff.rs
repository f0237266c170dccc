//! How long to wait before the next attempt.

use std::time::Duration;

use crate::hash::{fnv1a, mix64};

/// Exponential backoff with full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"): before
/// attempt n + 1 a random time up to `base` · 2ⁿ, at most `cap`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest first wait.
    pub base: Duration,
    /// The longest wait of all.
    pub cap: Duration,
    /// Attempts without progress before giving up, the first included.
    pub attempts: u32,
}

impl Default for Backoff {
    /// Up to 8 attempts over about a minute: a burst of 503 SlowDown while S3 scales a prefix takes less.
    fn default() -> Self {
        Self { base: Duration::from_millis(400), cap: Duration::from_secs(20), attempts: 8 }
    }
}

impl Backoff {
    /// How long to wait after so many failed attempts, or `None` to give up. `who` spreads those who wait:
    /// the same name waits the same time, so that a run can be repeated.
    #[must_use]
    pub fn after(&self, failed: u32, who: &str) -> Option<Duration> {
        if failed >= self.attempts {
            return None;
        }
        let longest = self
            .base
            .saturating_mul(1u32.checked_shl(failed.saturating_sub(1)).unwrap_or(u32::MAX))
            .min(self.cap);
        // 53 random bits make a fraction of one.
        let fraction = (mix(who, failed) >> 11) as f64 / (1u64 << 53) as f64;
        Some(longest.mul_f64(fraction))
    }
}

/// A number that looks random, of the name and the count.
fn mix(who: &str, failed: u32) -> u64 {
    mix64(fnv1a(&[who.as_bytes(), &failed.to_le_bytes()].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_the_cap_and_end() {
        let backoff =
            Backoff { base: Duration::from_millis(100), cap: Duration::from_millis(700), attempts: 6 };
        for failed in 1..6 {
            let longest = Duration::from_millis((100 << (failed - 1)).min(700));
            let waits: Vec<Duration> =
                (0..200).filter_map(|n| backoff.after(failed, &format!("object {n}"))).collect();
            assert_eq!(waits.len(), 200);
            assert!(waits.iter().all(|wait| *wait <= longest), "{failed}");
            assert!(waits.iter().any(|wait| *wait > longest / 2), "{failed}: spread over the whole time");
            assert!(waits.iter().any(|wait| *wait < longest / 2), "{failed}: spread over the whole time");
        }
        assert_eq!(backoff.after(6, "object"), None);
        assert_eq!(Backoff { attempts: 1, ..backoff }.after(1, "object"), None);
    }

    #[test]
    fn the_same_name_waits_the_same_time_in_every_version() {
        assert_eq!(mix("object", 1), 0x44cf_e227_5a2e_f799);
    }

    #[test]
    fn many_attempts_do_not_overflow() {
        let backoff = Backoff { attempts: u32::MAX, ..Backoff::default() };
        assert!(backoff.after(4_000_000, "x").is_some_and(|wait| wait <= backoff.cap));
    }
}
