//! Reads and judges like an analysis, then proposes what should change.

use super::judge::Beside;
use super::{AnalyzeConfig, AnalyzeError, Event, Progress, conclude, run};
use crate::connection::Connection;
use crate::detect::rule_class;
use crate::finding::Conclusions;
use crate::flow::Direction;
use crate::inventory::Inventory;
use crate::policy::{Judged, Policy};
use crate::rollup::{Observed, ObservedTable};
use crate::tighten::{Change, Material, Options, Part, Plan, Safety, held_out_from, propose};

/// What tightening comes to.
#[derive(Debug)]
pub struct Tightened {
    /// Every change that the traffic allows.
    pub plan: Plan,
    /// What would have been proposed before the last fifth of the time, to be tested on it.
    pub early: Plan,
    /// What an analysis of the same logs says, without findings.
    pub conclusions: Conclusions,
    /// The configuration that the plan changes: the latest.
    pub inventory: Inventory,
}

/// Reads, judges and proposes. The logs must be readable twice.
///
/// # Errors
/// When there is no result: see [`AnalyzeError`].
pub fn tighten(
    config: &AnalyzeConfig,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Tightened, AnalyzeError> {
    let beside = |_: &run::Gathered| Beside { begin: ObservedTable::default, see };
    let (mut run, tables) = run::run(config, None, progress, beside)?;
    // Findings are not asked for.
    run.detectors.clear();
    let mut observed = ObservedTable::default();
    tables.into_iter().for_each(|table| observed.merge(table));
    progress.event(&Event::Phase("proposing"));
    let conclusions = conclude::conclude(&run.material(config));
    let (mut plan, early) = plans(&run, &conclusions, &observed.finish(), options);
    let inventory = run.timeline.latest().cloned().unwrap_or_default();
    drop(run);

    // The replay belongs here: `plan` over all of the traffic, `early` over what came from `plan.held_out` on. It fills
    // `Change::replayed` of each change of `plan`; what belongs to a change in `early` is what removes the same rules.

    plan.changes.iter_mut().for_each(Change::rate);
    if options.safe_only {
        for change in plan.changes.extract_if(.., |change| change.safety != Safety::Safe) {
            let why = "its change is to be reviewed, and only safe ones are asked for";
            plan.left.extend(change.remove.into_iter().map(|rule| (rule.id, why.to_owned())));
        }
    }
    Ok(Tightened { plan, early, conclusions, inventory })
}

fn see(table: &mut ObservedTable, connection: &Connection, judged: &Judged, policy: &Policy) {
    let direction = |rule| policy.rule(rule).map_or(Direction::Inbound, |rule| rule.direction);
    table.see(connection, judged, direction);
}

/// What all of the time allows, and what its first four fifths would have.
fn plans(run: &run::Run, conclusions: &Conclusions, observed: &Observed, options: &Options) -> (Plan, Plan) {
    let rollups = &run.judged.rollups;
    let covering = rule_class::redundancy(rollups).redundant;
    let material = Material {
        rollups,
        rows: &conclusions.rules,
        covering: &covering,
        observed,
        timeline: &run.timeline,
        options,
    };
    let early = rollups.window.map(|window| propose(&material, Part::Before(held_out_from(window))));
    (propose(&material, Part::All), early.unwrap_or_default())
}
