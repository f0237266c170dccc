//! The plan as JSON: all that is known of it.

use serde_json::{Value, json as object};

use super::super::plan::{Change, CurvePoint, Plan, Replayed};
use super::cloudformation::ascii;
use super::steps::{ports, protocol};
use crate::inventory::{Rule, RulePeer};

/// Version of the document.
pub const PLAN_SCHEMA: &str = "flowgate.plan/v1";

/// The plan as one JSON document, in ASCII. Every key is always there.
#[must_use]
pub fn json(plan: &Plan) -> String {
    let left = plan.left.iter().map(|(rule, why)| object!({ "rule_id": rule, "why": why }));
    let document = object!({
        "schema": PLAN_SCHEMA,
        "window": plan.window.map(|(start, end)| object!({ "start": time(start), "end": time(end) })),
        "changes": plan.changes.iter().map(change).collect::<Vec<_>>(),
        "left": left.collect::<Vec<_>>(),
    });
    ascii(&format!("{document:#}\n"))
}

fn time(seconds: i64) -> Option<String> {
    let time = chrono::DateTime::from_timestamp(seconds, 0)?;
    Some(time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
}

fn change(change: &Change) -> Value {
    let rules = |rules: &[Rule]| rules.iter().map(rule).collect::<Vec<_>>();
    let curve = change.curve.iter().map(
        |CurvePoint { blocks, address_bits }| object!({ "blocks": blocks, "address_bits": address_bits }),
    );
    object!({
        "id": change.id,
        "action": change.action.as_str(),
        "security_group": change.group,
        "group_name": change.group_name,
        "account": change.account,
        "region": change.region,
        "vpc": change.vpc,
        "direction": change.direction.as_str(),
        "remove": rules(&change.remove),
        "add": rules(&change.add),
        "why": change.why,
        "grade": change.grade.as_str(),
        "reasons": change.reasons,
        "safety": change.safety.as_str(),
        "openness_before": change.openness_before,
        "openness_after": change.openness_after,
        "curve": curve.collect::<Vec<_>>(),
        "replayed": change.replayed.as_ref().map(replayed),
    })
}

fn replayed(replayed: &Replayed) -> Value {
    let Replayed { permitted, blocked, held_out_permitted, held_out_blocked, undecided } = replayed;
    object!({
        "permitted": permitted,
        "blocked": blocked,
        "held_out_permitted": held_out_permitted,
        "held_out_blocked": held_out_blocked,
        "undecided": undecided,
    })
}

/// Words as the EC2 API has them, so that programs can go on with them.
fn rule(rule: &Rule) -> Value {
    let (mut cidr, mut list, mut group, mut owner) = (None, None, None, None);
    match &rule.peer {
        RulePeer::Cidr(net) => cidr = Some(net.to_string()),
        RulePeer::PrefixList(id) => list = Some(id),
        RulePeer::Group { id, account, .. } => (group, owner) = (Some(id), account.as_ref()),
    }
    let ports = ports(rule);
    object!({
        "rule_id": rule.id,
        "synthetic": rule.synthetic,
        "ip_protocol": protocol(rule),
        "from_port": ports.map(|(from, _)| from),
        "to_port": ports.map(|(_, to)| to),
        "cidr": cidr,
        "prefix_list": list,
        "referenced_group": group,
        "referenced_group_owner": owner,
        "description": rule.description,
    })
}
