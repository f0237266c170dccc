//! What findings about security groups have in common.

use serde_json::{Value, json};

use super::{Input, counted, rule_class};
use crate::finding::{FindingBuilder, RuleRow};
use crate::rollup::{GroupFacts, RuleFacts};

/// How many rules, groups or interfaces a finding lists; the rest is counted.
pub(super) const LISTED: usize = 25;

/// The rules of a group with their rows.
pub(super) fn rules<'i>(
    input: &'i Input<'_>,
    group: &GroupFacts,
) -> impl Iterator<Item = (&'i RuleFacts, &'i RuleRow)> {
    let facts = input.rollups.rules.get(group.rules.clone()).unwrap_or_default();
    facts.iter().zip(input.rules.get(group.rules.clone()).unwrap_or_default())
}

/// `sg-1 (web)`
pub(super) fn name(group: &GroupFacts) -> String {
    match group.name.is_empty() {
        true => group.id.clone(),
        false => format!("{} ({})", group.id, group.name),
    }
}

/// A rule as evidence: what it permits and how it was used.
pub(super) fn told(rule: &RuleFacts, row: &RuleRow) -> Value {
    json!({
        "rule_id": rule.id,
        "direction": rule.direction.as_str(),
        "ports": format!("{} {}", rule.protocol_text, rule.port_text),
        "peer": rule.peer_text,
        "connections": row.connections,
        "distinct_peers": row.distinct_peers,
        "last_used": row.last_used.map(rule_class::instant),
        "class": row.class.as_str(),
        "grade": row.grade.as_str(),
    })
}

/// Subject and place of a finding about a group.
pub(super) fn about(builder: FindingBuilder, input: &Input<'_>, group: &GroupFacts) -> FindingBuilder {
    let window = input.rollups.window;
    let interface = |id: &String| input.rollups.interface(id)?.instance.clone();
    let mut instances: Vec<String> = group.interfaces.iter().filter_map(interface).collect();
    instances.sort();
    instances.dedup();
    builder
        .about(group.id.clone())
        .during(window.map(|(first, _)| i64::from(first)), window.map(|(_, last)| i64::from(last)))
        .evidence("interfaces_now", group.interfaces.len() as u64)
        .with(|f| {
            f.account.clone_from(&group.account);
            f.region.clone_from(&group.region);
            f.vpc.clone_from(&group.vpc);
            f.security_group = Some(group.id.clone());
            f.interfaces = group.interfaces.to_vec();
            f.instances = instances;
        })
}

/// Attached to so many interfaces, in words.
pub(super) fn attached(group: &GroupFacts) -> String {
    match group.interfaces.len() {
        0 => "it is attached to no interface".to_owned(),
        n => format!("it is attached to {}", counted(n as u64, "interface")),
    }
}
