//! Reads and judges like an analysis, then proposes what should change.

use super::judge::Beside;
use super::replay::replay;
use super::{AnalyzeConfig, AnalyzeError, Event, Progress, conclude, run};
use crate::connection::Connection;
use crate::detect::rule_class;
use crate::finding::Conclusions;
use crate::flow::Direction;
use crate::inventory::Inventory;
use crate::policy::{Judged, Policy};
use crate::rollup::{Observed, ObservedTable};
use crate::tighten::{
    Against, Candidate, Change, Material, Options, Part, Plan, Replay, Replayed, Safety, apply,
    held_out_from, propose,
};

/// What tightening comes to.
#[derive(Debug)]
pub struct Tightened {
    /// Every change that the traffic allows.
    pub plan: Plan,
    /// What would have been proposed before the last fifth of the time, to be tested on it.
    pub early: Plan,
    /// What an analysis of the same logs says.
    pub conclusions: Conclusions,
    /// The configuration that the plan changes: the latest.
    pub inventory: Inventory,
    /// What all of the changes together would have done to the traffic; `None` if there are none.
    pub replayed: Option<Replay>,
    /// What the early plan would have done to the traffic that was held out.
    pub held_out: Option<Replay>,
    /// What of the plan does not fit the inventory, one sentence each. Nothing, unless there is a defect.
    pub unapplied: Vec<String>,
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
    let (run, tables) = run::run(config, None, progress, beside)?;
    let mut observed = ObservedTable::default();
    tables.into_iter().for_each(|table| observed.merge(table));
    progress.event(&Event::Phase("proposing"));
    let conclusions = conclude::conclude(&run.material(config));
    let (mut plan, early) = plans(&run, &conclusions, &observed.finish(), options);
    let inventory = run.timeline.latest().cloned().unwrap_or_default();
    drop(run);

    let Proof { replayed, held_out, unapplied } = match plan.changes.is_empty() {
        true => Proof::default(),
        false => prove(config, &mut plan, &early, &inventory, progress)?,
    };
    plan.changes.iter_mut().for_each(Change::rate);
    if options.safe_only {
        for change in plan.changes.extract_if(.., |change| change.safety != Safety::Safe) {
            let why = "its change is to be reviewed, and only safe ones are asked for";
            plan.left.extend(change.remove.into_iter().map(|rule| (rule.id, why.to_owned())));
        }
    }
    Ok(Tightened { plan, early, conclusions, inventory, replayed, held_out, unapplied })
}

/// What replays say of a plan; see [`Tightened`].
#[derive(Default)]
struct Proof {
    replayed: Option<Replay>,
    held_out: Option<Replay>,
    unapplied: Vec<String>,
}

/// Replays the plan over all of the traffic, and what was learned early over the part held out, and fills
/// [`Change::replayed`]. Nothing is left from the first reading: the traffic is read again.
fn prove(
    config: &AnalyzeConfig,
    plan: &mut Plan,
    early: &Plan,
    inventory: &Inventory,
    progress: &dyn Progress,
) -> Result<Proof, AnalyzeError> {
    let changes: Vec<Vec<String>> = plan
        .changes
        .iter()
        .map(|change| change.remove.iter().map(|rule| rule.id.clone()).collect())
        .collect();
    let (after, unapplied) = apply(plan, inventory, |_| true);
    let whole = Candidate {
        name: "plan".to_owned(),
        inventory: after,
        changes: changes.clone(),
        ..Candidate::default()
    };
    // What an early change did to the same rules is counted for the change, whatever it was.
    let held_out = Candidate {
        name: "held-out".to_owned(),
        inventory: apply(early, inventory, |_| true).0,
        from: plan.held_out,
        changes,
        ..Candidate::default()
    };
    // The connections are written once.
    let config = AnalyzeConfig { connections_out: None, ..config.clone() };
    let outcome = replay(&config, Against::Standing, |_| vec![whole, held_out], None, progress)?;
    let mut replays = outcome.replays.into_iter();
    let (whole, held_out) = (replays.next(), replays.next());
    let of = |replay: &Option<Replay>, at: usize| {
        replay.as_ref().and_then(|replay| replay.changes.get(at)).copied().unwrap_or_default()
    };
    for (at, change) in plan.changes.iter_mut().enumerate() {
        let (all, late) = (of(&whole, at), of(&held_out, at));
        change.replayed = Some(Replayed {
            permitted: all.permitted,
            blocked: all.blocked,
            held_out_permitted: late.permitted,
            held_out_blocked: late.blocked,
            undecided: all.undecided,
        });
    }
    Ok(Proof { replayed: whole, held_out, unapplied })
}

fn see(table: &mut ObservedTable, connection: &Connection, judged: &Judged, policy: &Policy) {
    let direction = |rule| policy.rule(rule).map_or(Direction::Inbound, |rule| rule.direction);
    table.see(connection, judged, direction);
}

/// What all of the time allows, and what its first four fifths would have.
fn plans(run: &run::Run, conclusions: &Conclusions, observed: &Observed, options: &Options) -> (Plan, Plan) {
    let rollups = &run.judged.rollups;
    let (covering, silence) = (rule_class::covering(rollups), rule_class::silence(rollups));
    let material = Material {
        rollups,
        rows: &conclusions.rules,
        covering: &covering,
        silence: &silence,
        observed,
        timeline: &run.timeline,
        options,
    };
    let early = rollups.window.map(|window| propose(&material, Part::Before(held_out_from(window))));
    (propose(&material, Part::All), early.unwrap_or_default())
}
