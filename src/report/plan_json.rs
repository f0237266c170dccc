//! `plan.json`: what should change, for programs.

use std::io::{self, Write};

use serde::Serialize;

use super::json::write_pretty;
use super::numbers::rfc3339;
use crate::tighten::{Change, CurvePoint, Plan, Replayed, Rule, RulePeer};

/// Version of the file.
pub(super) const SCHEMA: &str = "flowgate.plan/v1";

/// The file. Every key is always there; the order of keys is the order here.
#[derive(Serialize)]
struct File<'a> {
    schema: &'static str,
    /// First and last second of the traffic.
    start: Option<String>,
    end: Option<String>,
    /// From when on the traffic is held out.
    held_out: Option<String>,
    /// Something was not read, or not known, that could change the plan.
    incomplete: bool,
    changes: Vec<ChangeJson<'a>>,
    left: Vec<Left<'a>>,
}

#[derive(Serialize)]
struct Left<'a> {
    rule_id: &'a str,
    why: &'a str,
}

#[derive(Serialize)]
struct ChangeJson<'a> {
    id: &'a str,
    action: &'static str,
    safety: &'static str,
    grade: &'static str,
    reasons: &'a [String],
    why: &'a str,
    security_group: &'a str,
    security_group_name: &'a str,
    account: Option<&'a str>,
    region: Option<&'a str>,
    vpc: Option<&'a str>,
    direction: &'static str,
    interrupts: bool,
    remove: Vec<RuleJson<'a>>,
    add: Vec<RuleJson<'a>>,
    /// log2 of (addresses x ports x protocols).
    openness_before: f64,
    /// `null` if nothing is added.
    openness_after: Option<f64>,
    curve: Vec<PointJson>,
    /// `null` if nothing was replayed.
    replayed: Option<ReplayedJson>,
}

#[derive(Serialize)]
struct RuleJson<'a> {
    rule_id: &'a str,
    /// The id is not one of AWS.
    synthetic: bool,
    /// `tcp`, `udp`, `icmp`, `icmpv6`, a number, or `all`.
    protocol: String,
    from_port: Option<u16>,
    to_port: Option<u16>,
    icmp_type: Option<i16>,
    icmp_code: Option<i16>,
    cidr: Option<String>,
    prefix_list: Option<&'a str>,
    referenced_group: Option<&'a str>,
    referenced_account: Option<&'a str>,
    description: Option<&'a str>,
}

#[derive(Serialize)]
struct PointJson {
    blocks: u32,
    rules: u32,
    address_bits: f64,
    openness: f64,
}

#[derive(Serialize)]
struct ReplayedJson {
    permitted: u64,
    blocked: u64,
    held_out_permitted: u64,
    held_out_blocked: u64,
    undecided: u64,
}

/// Two digits are plenty, and the same on every machine.
fn bits(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

impl<'a> From<&'a Rule> for RuleJson<'a> {
    fn from(rule: &'a Rule) -> Self {
        let (mut cidr, mut prefix_list, mut referenced_group, mut referenced_account) =
            (None, None, None, None);
        match &rule.peer {
            RulePeer::Cidr(net) => cidr = Some(net.to_string()),
            RulePeer::PrefixList(id) => prefix_list = Some(id.as_str()),
            RulePeer::Group { id, account, .. } => {
                (referenced_group, referenced_account) = (Some(id.as_str()), account.as_deref());
            }
        }
        Self {
            rule_id: &rule.id,
            synthetic: rule.synthetic,
            protocol: rule.protocol_text(),
            from_port: rule.ports.map(|ports| ports.0),
            to_port: rule.ports.map(|ports| ports.1),
            icmp_type: rule.icmp.map(|icmp| icmp.0),
            icmp_code: rule.icmp.map(|icmp| icmp.1),
            cidr,
            prefix_list,
            referenced_group,
            referenced_account,
            description: rule.description.as_deref(),
        }
    }
}

impl<'a> From<&'a Change> for ChangeJson<'a> {
    fn from(change: &'a Change) -> Self {
        let point = |point: &CurvePoint| PointJson {
            blocks: point.blocks,
            rules: point.rules,
            address_bits: bits(point.address_bits),
            openness: bits(point.openness),
        };
        let replayed = |replayed: Replayed| {
            let Replayed { permitted, blocked, held_out_permitted, held_out_blocked, undecided } = replayed;
            ReplayedJson { permitted, blocked, held_out_permitted, held_out_blocked, undecided }
        };
        Self {
            id: &change.id,
            action: change.action.as_str(),
            safety: change.safety.as_str(),
            grade: change.grade.as_str(),
            reasons: &change.reasons,
            why: &change.why,
            security_group: &change.group,
            security_group_name: &change.group_name,
            account: change.account.as_deref(),
            region: change.region.as_deref(),
            vpc: change.vpc.as_deref(),
            direction: change.direction.as_str(),
            interrupts: change.interrupts,
            remove: change.remove.iter().map(RuleJson::from).collect(),
            add: change.add.iter().map(RuleJson::from).collect(),
            openness_before: bits(change.openness_before),
            openness_after: change.openness_after.map(bits),
            curve: change.curve.iter().map(point).collect(),
            replayed: change.replayed.map(replayed),
        }
    }
}

/// Writes `plan.json`. The same plan is the same bytes.
///
/// # Errors
/// Those of `out`.
pub fn write_plan_json(plan: &Plan, incomplete: bool, out: &mut dyn Write) -> io::Result<()> {
    let file = File {
        schema: SCHEMA,
        start: plan.window.and_then(|window| rfc3339(window.0)),
        end: plan.window.and_then(|window| rfc3339(window.1)),
        held_out: plan.held_out.and_then(rfc3339),
        incomplete,
        changes: plan.changes.iter().map(ChangeJson::from).collect(),
        left: plan.left.iter().map(|(rule_id, why)| Left { rule_id, why }).collect(),
    };
    write_pretty(&file, out)
}
