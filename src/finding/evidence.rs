//! How far the logs can say anything about a rule.

/// What a verdict on a rule rests on. A rule is judged only over the time it existed, at interfaces that were watched.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RuleEvidence {
    /// First second of the logs in which the rule existed, as far as is known. Unix seconds; `None` if it never did.
    pub judged_from: Option<i64>,
    /// Last second of the logs.
    pub judged_to: Option<i64>,
    /// Seconds of that time in which at least one interface with its group was watched.
    pub watched_seconds: u32,
    /// Share of (interfaces with its group x time) that the logs cover, from 0 to 1. SKIPDATA counts as not covered.
    pub coverage: f64,
    /// SKIPDATA rows on these interfaces.
    pub skipdata: u64,
    /// Interfaces that had its group at some time of it, whether they still exist or not.
    pub interfaces_attached: u32,
    /// Those of them whose logs hold accepted traffic.
    pub interfaces_covered: u32,
    /// Interfaces with accepted traffic in its VPC that no inventory knows: they may have had its group.
    pub interfaces_unknown: u32,
    /// Days on which connections that used it were opened.
    pub days_used: u32,
    /// The longest pause between two uses, in seconds; `None` with fewer than two.
    pub longest_pause: Option<u32>,
    /// Seconds since it was last used, of the watched time.
    pub silent_seconds: Option<u32>,
    /// The chance that somebody needs it although it looks as if nobody did.
    ///
    /// Never used: the chance that a job that runs once in 31 days always fell where nothing was watched; 1 if less than
    /// 31 days were. Used: the chance of a silence as long as the present one if it was used at random as often as
    /// before (days of use, gamma prior: (T / (T + silence)) to the power of days).
    pub chance_missed: f64,
}
