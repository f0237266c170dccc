//! Sources that try one target after the other, whether in minutes or in days, and are refused.

use std::collections::{BTreeMap, BTreeSet};

use super::alarm::Watches;
use super::episode::Episode;
use super::picks::pick;
use super::tail::discoveries;
use crate::detect::Sensitivity;
use crate::flow::Direction;
use crate::rollup::{Admission, Attempt, Rollups, Series, ServiceClass};

/// Probability that a first contact of a harmless source succeeds, and that one of a scanner does (Jung et al. 2004).
const SUCCESS: [f64; 2] = [0.8, 0.2];

/// How persistent a source must be to be worth telling.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// Distinct targets that refused it.
    targets: usize,
    /// Distinct hours in which it knocked.
    hours: usize,
    /// Share of the hours from the first knock to the last.
    share: f64,
    /// Ports of one interface, or interfaces, that make a scanner however long it took.
    wide: usize,
    /// Ports of one interface that make one that is told on its own.
    deep: usize,
    /// Share of scanners that may be none.
    rate: f64,
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
    let (wide, rate) = match sensitivity {
        Sensitivity::Low => (20, 1e-4),
        Sensitivity::Normal => (10, 1e-2),
        Sensitivity::High => (5, 5e-2),
    };
    Patience { targets, hours, share: 0.5, wide, deep: targets, rate }
}

/// The log-likelihood ratio of scanner against harmless after so many distinct targets. The test of the paper stops on
/// the way; over a whole log the end of the way is told, which does not depend on the order of the steps.
fn evidence(refused: usize, accepted: usize) -> f64 {
    let [harmless, scanner] = SUCCESS;
    refused as f64 * ((1.0 - scanner) / (1.0 - harmless)).ln() + accepted as f64 * (scanner / harmless).ln()
}

/// A source that goes from target to target.
#[derive(Clone, Debug)]
pub(super) struct Scanner {
    pub source: u128,
    /// Distinct targets (interface, protocol and port) that refused it, and that answered it.
    pub refused: usize,
    pub accepted: usize,
    /// Most distinct ports at one interface.
    pub ports: usize,
    pub interfaces: BTreeSet<u32>,
    pub evidence: f64,
    /// Distinct hours in which it knocked.
    pub hours: usize,
    pub attempts: u64,
    /// First packets of the first and the last attempt, Unix seconds.
    pub first: u32,
    pub last: u32,
    persistent: bool,
    deep: bool,
}

impl Scanner {
    /// What it looks like.
    pub fn cause(&self) -> &'static str {
        match self {
            _ if self.persistent => "slow-scan",
            _ if self.ports >= self.interfaces.len() => "port-scan",
            _ => "host-sweep",
        }
    }

    fn of(rollups: &Rollups, source: u128, attempts: &[Attempt], patience: Patience) -> Option<Self> {
        let targets: BTreeSet<_> = attempts.iter().map(|a| (a.interface, a.protocol, a.port)).collect();
        let mut by_interface: BTreeMap<u32, usize> = BTreeMap::new();
        targets.iter().for_each(|(interface, ..)| *by_interface.entry(*interface).or_default() += 1);
        let (most, ports) = by_interface.iter().map(|(i, n)| (*i, *n)).max_by_key(|(_, n)| *n)?;
        let interfaces: BTreeSet<u32> = by_interface.into_keys().collect();
        let hours: BTreeSet<u32> = attempts.iter().map(|a| a.first / 3600).collect();
        let span = hours.first().zip(hours.last()).map_or(0, |(first, last)| last - first + 1);
        let admitted: Vec<&Admission> = rollups.admitted.of(source).iter().filter(|a| a.answered).collect();
        let accepted = admitted.iter().map(|a| (a.interface, a.protocol, a.port)).collect::<BTreeSet<_>>();
        // Whom an interface serves may fail on other ports of it: a passive mode, a second service.
        let is_client = admitted.iter().any(|a| a.interface == most);
        let persistent = targets.len() >= patience.targets
            && hours.len() >= patience.hours
            && hours.len() as f64 >= patience.share * f64::from(span);
        let wide = ports >= patience.wide || interfaces.len() >= patience.wide;
        let deep = ports >= patience.deep && !is_client;
        (persistent || wide).then(|| Self {
            source,
            refused: targets.len(),
            accepted: accepted.len(),
            ports,
            interfaces,
            evidence: evidence(targets.len(), accepted.len()),
            hours: hours.len(),
            attempts: attempts.iter().map(|a| a.weight).sum(),
            first: attempts.iter().map(|a| a.first).min().unwrap_or(0),
            last: attempts.iter().map(|a| a.first).max().unwrap_or(0),
            persistent,
            deep,
        })
    }
}

/// Scanners that no episode tells of, most evidence first.
#[derive(Default)]
pub(super) struct Scanners {
    /// To be told on their own.
    pub told: Vec<(Scanner, Episode)>,
    /// Those from outside who make the noise of the internet.
    pub noise: Vec<Scanner>,
}

/// Sources with many refused targets. All of those inside that are persistent or try many ports of one interface are
/// told on their own, of those outside at most so many.
pub(super) fn scanners(
    rollups: &Rollups,
    told: &[Episode],
    watches: &mut Watches<'_>,
    sensitivity: Sensitivity,
    most_outside: usize,
) -> Scanners {
    let mut known: BTreeMap<u128, u64> = BTreeMap::new();
    for attempt in told.iter().flat_map(|e| &e.attempts) {
        *known.entry(attempt.remote).or_default() += 1;
    }
    let mut result = Scanners::default();
    for inside in [true, false] {
        let asked = |s: &Series| s.direction == Direction::Inbound && s.class != ServiceClass::Unasked;
        let sources = rollups.rejects.by_source(inside, asked);
        let patience = patience(sensitivity, inside);
        let mut found: Vec<(Scanner, Vec<Attempt>)> = Vec::new();
        let mut tried = 0;
        for (source, attempts) in sources.iter() {
            tried += 1;
            // Most have few attempts, which need not be looked at.
            let few = attempts.len() < patience.wide.min(patience.targets);
            if few || known.get(&source).is_some_and(|&n| n * 2 >= attempts.len() as u64) {
                continue;
            }
            let attempts: Vec<Attempt> = attempts.collect();
            let scanner = Scanner::of(rollups, source, &attempts, patience);
            found.extend(scanner.map(|scanner| (scanner, attempts)));
        }
        found.sort_by(|(a, _), (b, _)| b.evidence.total_cmp(&a.evidence).then(a.source.cmp(&b.source)));
        // Under the hypothesis of a harmless source the likelihood ratio exceeds x with a probability of at most 1 / x.
        let probabilities: Vec<f64> = found.iter().map(|(scanner, _)| (-scanner.evidence).exp()).collect();
        found.truncate(discoveries(&probabilities, tried, patience.rate));
        let mut room = if inside { usize::MAX } else { most_outside };
        let mut noise: Vec<Scanner> = Vec::new();
        for (scanner, attempts) in found {
            if room > 0 && (scanner.persistent || scanner.deep) {
                room -= 1;
                result.told.push((scanner, pick(&rollups.rejects, attempts, watches)));
            } else {
                noise.push(scanner);
            }
        }
        if !inside {
            noise.sort_by(|a, b| b.evidence.total_cmp(&a.evidence).then(a.source.cmp(&b.source)));
            result.noise = noise;
        }
    }
    result
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
