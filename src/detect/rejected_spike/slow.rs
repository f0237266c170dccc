//! Scans so slow that no bucket shows them: sequential hypothesis testing per source.

use std::collections::{BTreeMap, BTreeSet};

use super::alarm::Watches;
use super::episode::Episode;
use super::picks::pick;
use crate::detect::Sensitivity;
use crate::flow::Direction;
use crate::rollup::{Attempt, Rollups, ServiceClass};

/// Probability that a first contact of a harmless source succeeds, and that one of a scanner does (Jung et al. 2004).
const SUCCESS: [f64; 2] = [0.8, 0.2];
/// Wanted probabilities of finding a scanner, and of taking any harmless source of the run for one.
const DETECTION: f64 = 0.99;
const FALSE_ALARM: f64 = 0.01;

/// How persistent a source must be to be worth telling.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// Distinct targets that refused it.
    targets: usize,
    /// Distinct hours in which it knocked.
    hours: usize,
    /// Share of the hours from the first knock to the last.
    share: f64,
}

fn patience(sensitivity: Sensitivity, inside: bool) -> Patience {
    let (targets, hours) = match (sensitivity, inside) {
        (Sensitivity::Low, false) => (200, 48),
        (Sensitivity::Normal, false) => (60, 24),
        (Sensitivity::High, false) => (30, 12),
        (Sensitivity::Low, true) => (40, 12),
        (Sensitivity::Normal, true) => (20, 6),
        (Sensitivity::High, true) => (10, 4),
    };
    Patience { targets, hours, share: 0.5 }
}

/// The log-likelihood ratio of scanner against harmless after so many distinct targets. The test of the paper stops on
/// the way; over a whole log the end of the way is told, which does not depend on the order of the steps.
fn evidence(refused: usize, accepted: usize) -> f64 {
    let [harmless, scanner] = SUCCESS;
    refused as f64 * ((1.0 - scanner) / (1.0 - harmless)).ln() + accepted as f64 * (scanner / harmless).ln()
}

/// A source that goes from target to target in no hurry.
pub(super) struct SlowScan {
    pub episode: Episode,
    /// Distinct targets that refused it, and that answered it.
    pub refused: usize,
    pub accepted: usize,
    pub evidence: f64,
    pub hours: usize,
}

/// Sources with many refused targets over many hours that no episode tells of, most evidence first.
pub(super) fn slow_scans(
    rollups: &Rollups,
    told: &[Episode],
    watches: &mut Watches<'_>,
    sensitivity: Sensitivity,
) -> Vec<SlowScan> {
    let mut known: BTreeMap<u128, u64> = BTreeMap::new();
    for attempt in told.iter().flat_map(|e| &e.attempts) {
        *known.entry(attempt.remote).or_default() += 1;
    }
    let mut found = Vec::new();
    for inside in [false, true] {
        let mut sources: BTreeMap<u128, Vec<Attempt>> = BTreeMap::new();
        let asked = |a: &Attempt| a.direction == Direction::Inbound && a.class != ServiceClass::Unasked;
        for attempt in rollups.rejects.of_side(inside).filter(asked) {
            sources.entry(attempt.remote).or_default().push(attempt);
        }
        // One test per source: so many more chances to be wrong.
        let threshold = (DETECTION / FALSE_ALARM * sources.len() as f64).ln();
        let patience = patience(sensitivity, inside);
        for (source, attempts) in sources {
            if attempts.len() < patience.targets
                || known.get(&source).is_some_and(|&n| n * 2 >= attempts.len() as u64)
            {
                continue;
            }
            let targets: BTreeSet<_> = attempts.iter().map(|a| (a.interface, a.protocol, a.port)).collect();
            let hours: BTreeSet<u32> = attempts.iter().map(|a| a.first / 3600).collect();
            let span = hours.first().zip(hours.last()).map_or(0, |(first, last)| last - first + 1);
            let admitted = rollups.admitted.of(source).iter().filter(|a| a.answered);
            let accepted = admitted.map(|a| (a.interface, a.protocol, a.port)).collect::<BTreeSet<_>>().len();
            let evidence = evidence(targets.len(), accepted);
            let persistent = targets.len() >= patience.targets
                && hours.len() >= patience.hours
                && hours.len() as f64 >= patience.share * f64::from(span);
            if persistent && evidence >= threshold {
                let (refused, hours) = (targets.len(), hours.len());
                let episode = pick(&rollups.rejects, attempts, watches);
                found.push(SlowScan { episode, refused, accepted, evidence, hours });
            }
        }
    }
    found.sort_by(|a, b| b.evidence.total_cmp(&a.evidence).then(a.episode.scope.cmp(&b.episode.scope)));
    found
}

#[cfg(test)]
mod tests {
    use super::evidence;

    #[test]
    fn evidence_is_that_of_the_paper() {
        // With 0.8 and 0.2 each refusal multiplies the likelihood by 4, each success divides it by 4: the paper's
        // thresholds of 99 and 1/99 are crossed with the fourth.
        assert!(evidence(4, 0) > 99_f64.ln() && evidence(3, 0) < 99_f64.ln());
        assert!((evidence(7, 7)).abs() < 1e-12);
        assert!(evidence(0, 4) < -(99_f64.ln()));
    }
}
