//! The same traffic under another configuration.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::io::Read;

use super::conclude;
use super::judge::Beside;
use super::run;
use super::{AnalyzeConfig, AnalyzeError, Progress};
use crate::connection::Connection;
use crate::finding::Summary;
use crate::inventory::{Inventory, Timeline};
use crate::policy::{Judged, Policy, Trial, Weigher};
use crate::rollup::{ReplayScope, ReplaySums};
use crate::tighten::{Against, Candidate, Names, Replay, RuleName};

/// What a replay comes to.
#[derive(Clone, Debug)]
pub struct ReplayOutcome {
    /// What was read, and what could not be.
    pub summary: Summary,
    /// One for each candidate, in their order.
    pub replays: Vec<Replay>,
}

/// A candidate, ready to be asked.
struct Tried {
    candidate: Candidate,
    trial: Trial,
    /// The whole configuration: what the candidate does not speak of is as it stands.
    inventory: Inventory,
    scope: ReplayScope,
}

/// Everything threads share.
struct Prepared {
    standing: Option<Policy>,
    /// What stands, whole.
    inventory: Inventory,
    tried: Vec<Tried>,
}

impl Prepared {
    fn new(timeline: &Timeline, ids: &[String], against: Against, candidates: Vec<Candidate>) -> Self {
        let empty = Inventory::default();
        let latest = timeline.latest().unwrap_or(&empty);
        let whole = |timeline: &Timeline| timeline.latest().cloned().unwrap_or_default();
        let (standing, inventory) = match against {
            Against::Standing => {
                let held = timeline.holding(latest);
                (Some(Policy::new(&held, ids)), whole(&held))
            }
            Against::Logs => (None, Inventory::default()),
        };
        let tried = candidates.into_iter().map(|candidate| {
            let held = timeline.holding(&candidate.inventory);
            let then = whole(&held);
            let policy = Policy::new(&held, ids);
            let trial = Trial::new(policy, &then, standing.as_ref().map(|policy| (policy, &inventory)));
            let mut changes_of: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
            for (number, rules) in (0_u32..).zip(&candidate.changes) {
                for rule in rules.iter().filter_map(|id| standing.as_ref()?.rule_number(id)) {
                    changes_of.entry(rule).or_default().push(number);
                }
            }
            let scope = ReplayScope {
                from: candidate.from,
                to: candidate.to,
                changes_of,
                changes: candidate.changes.len(),
            };
            Tried { candidate, trial, inventory: then, scope }
        });
        let tried = tried.collect();
        Self { standing, inventory, tried }
    }

    fn begin(&self) -> Seen<'_> {
        Seen {
            weigher: Weigher::new(self.standing.as_ref(), self.tried.len()),
            sums: self.tried.iter().map(|tried| ReplaySums::new(&tried.scope)).collect(),
        }
    }

    fn see(&self, seen: &mut Seen<'_>, connection: &Connection) {
        for (at, (tried, sums)) in self.tried.iter().zip(&mut seen.sums).enumerate() {
            if let Some(weighed) = seen.weigher.weigh(at, &tried.trial, connection) {
                sums.add(connection, &weighed, &tried.scope);
            }
        }
    }
}

/// What a thread keeps.
struct Seen<'p> {
    weigher: Weigher<'p>,
    sums: Vec<ReplaySums>,
}

/// Reads the sources as [`super::analyze`] does, and judges every connection under the standing configuration and under
/// each candidate, as of its time: memberships, addresses and interfaces are those of then.
///
/// `propose` is given the timeline once everything is read. Nothing is detected.
///
/// # Errors
/// When there is no result: see [`AnalyzeError`]. What could be read only in part is in the summary.
pub fn replay(
    config: &AnalyzeConfig,
    against: Against,
    propose: impl FnOnce(&Timeline) -> Vec<Candidate>,
    stdin: Option<Box<dyn Read + Send>>,
    progress: &dyn Progress,
) -> Result<ReplayOutcome, AnalyzeError> {
    let cell = OnceCell::new();
    let (mut run, states) = run::run(config, stdin, progress, |gathered| {
        let ids: Vec<String> = gathered.collected.interfaces.iter().map(|i| i.id.clone()).collect();
        let candidates = propose(&gathered.timeline);
        let prepared: &Prepared =
            cell.get_or_init(|| Prepared::new(&gathered.timeline, &ids, against, candidates));
        Beside {
            begin: || prepared.begin(),
            see: |seen: &mut Seen<'_>, connection: &Connection, _: &Judged, _: &Policy| {
                prepared.see(seen, connection);
            },
        }
    })?;
    run.detectors.clear();
    let summary = conclude::conclude(&run.material(config)).summary;
    let mut totals: Vec<ReplaySums> = Vec::new();
    for state in states {
        if totals.is_empty() {
            totals = state.sums;
        } else {
            totals.iter_mut().zip(state.sums).for_each(|(total, sums)| total.merge(sums));
        }
    }
    let Some(prepared) = cell.into_inner() else {
        return Err(AnalyzeError::Internal("a replay without candidates".to_owned()));
    };
    let Prepared { standing, inventory, tried } = prepared;
    let name = |policy: &Policy, inventory: &Inventory, number: u32| {
        policy.rule(number).map(|rule| RuleName::of(rule, inventory))
    };
    let replays = tried.into_iter().zip(totals).map(|(tried, sums)| {
        let names = Names {
            interfaces: &run.judged.rollups.interfaces,
            now: &|number| name(standing.as_ref()?, &inventory, number),
            then: &|number| name(tried.trial.policy(), &tried.inventory, number),
        };
        let replay = Replay::new(&tried.candidate, sums.finish(), &names);
        match against {
            Against::Standing => replay.compared(&inventory, &tried.inventory),
            Against::Logs => replay,
        }
    });
    Ok(ReplayOutcome { summary, replays: replays.collect() })
}
