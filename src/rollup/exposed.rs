//! Services that do not belong on the internet, and what came from there.

use super::odd::OddTable;
use super::outcome::Outcome;
use super::scene::Scene;
use super::services::service;
use crate::connection::Connection;
use crate::flow::{Action, Direction};
use crate::policy::{EscapeReason, Judged, Verdict};

/// What exposed connections have in common, beside interface, protocol and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Exposure {
    /// The lowest number of the rules that permit them; `None` where no rule does, or none is asked.
    pub rule: Option<u32>,
    /// How far they got.
    pub outcome: Outcome,
}

pub(super) type ExposedTable = OddTable<Exposure>;

/// Takes in what came from the internet to such a service and was let in. What no rule explains is told of elsewhere
/// ([`EscapeReason::NoRule`], [`EscapeReason::RuleRemovedNew`]).
pub(super) fn see(table: &mut ExposedTable, connection: &Connection, judged: &Judged, scene: &Scene) {
    if connection.opener != Some(Direction::Inbound)
        || connection.action() == Action::Reject
        || service(connection.protocol, connection.local_port).is_none()
        || !scene.is_public(connection.remote)
    {
        return;
    }
    let told = [EscapeReason::NoRule, EscapeReason::RuleRemovedNew].map(Verdict::Escaped);
    if told.contains(&judged.verdict) {
        return;
    }
    let rules = if judged.former.is_empty() { &judged.decision.rules } else { &judged.former };
    let outcome = Outcome::of(connection);
    // What passes packets on (a NAT gateway) has no groups and accepts whatever comes; nothing listens there.
    if judged.decision.known && !judged.decision.has_groups && outcome >= Outcome::Refused {
        return;
    }
    let subject = Exposure { rule: rules.iter().copied().min(), outcome };
    table.add(connection, judged, subject);
}
