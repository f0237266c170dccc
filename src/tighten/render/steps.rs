//! What every renderer writes: edits by place, and the spelling of rules.

use std::collections::BTreeMap;

use super::super::apply::{Edit, Edits};
use super::super::plan::Plan;
use crate::flow::Direction;
use crate::inventory::{Inventory, Rule, RulePeer};

/// Account and region, where the inventory tells.
pub(super) type Place = (Option<String>, Option<String>);

/// What is done to one group and direction.
#[derive(Debug)]
pub(super) struct Step {
    pub edit: Edit,
    /// Name of the group. Hostile text.
    pub name: String,
    /// Rules of the group and direction that stay.
    pub kept: Vec<Rule>,
}

/// Everything that is done.
#[derive(Debug, Default)]
pub(super) struct Steps {
    pub places: BTreeMap<Place, Vec<Step>>,
    /// What is not, one sentence each.
    pub left_out: Vec<String>,
}

impl Steps {
    pub fn new(plan: &Plan, inventory: &Inventory) -> Self {
        let Edits { edits, problems } = Edits::new(plan, inventory, |_| true);
        let mut steps = Self { places: BTreeMap::new(), left_out: problems };
        for mut edit in edits {
            let Some(group) = inventory.security_groups.get(&edit.group) else { continue };
            let planned = plan.changes.iter().find(|change| change.group == edit.group);
            let account = group.account.clone().or_else(|| planned.and_then(|c| c.account.clone()));
            let region = group.region.clone().or_else(|| planned.and_then(|c| c.region.clone()));
            let is_plain = |text: &Option<String>| text.as_deref().is_none_or(is_id);
            if !is_id(&edit.group) || !is_plain(&account) || !is_plain(&region) {
                steps
                    .left_out
                    .push(format!("`{}` (or its account or region) is not an id of AWS", edit.group));
                continue;
            }
            // A rule goes only if what takes its place can be written.
            if let Some(bad) = edit.add.iter().find(|rule| !is_writable(rule)) {
                let message = format!("{}: `{}` names something that is not an id", edit.group, bad.id);
                steps.left_out.push(message);
                continue;
            }
            edit.remove.retain(|rule| {
                let writable = is_writable(rule) && (rule.synthetic || is_id(&rule.id));
                if !writable {
                    steps.left_out.push(format!("{}: `{}` is not an id of AWS", edit.group, rule.id));
                }
                writable
            });
            let stays = |rule: &&Rule| {
                rule.direction == edit.direction && !edit.remove.iter().any(|gone| gone.id == rule.id)
            };
            let kept = group.rules.iter().filter(stays).cloned().collect();
            steps.places.entry((account, region)).or_default().push(Step {
                name: group.name.clone(),
                kept,
                edit,
            });
        }
        steps
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

/// `sg-0123456789abcdef0`, `123456789012`, `eu-west-1`: no more than that can be told of ids, and no more is needed for
/// them to be harmless in every format. It never begins with `-`, which would be an option.
pub(super) fn is_id(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 128
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !text.starts_with('-')
}

fn is_writable(rule: &Rule) -> bool {
    match &rule.peer {
        RulePeer::Cidr(_) => true,
        RulePeer::PrefixList(id) => is_id(id),
        RulePeer::Group { id, account, .. } => is_id(id) && account.as_deref().is_none_or(is_id),
    }
}

/// `IpProtocol`.
pub(super) fn protocol(rule: &Rule) -> String {
    rule.protocol.map_or_else(|| "-1".to_owned(), |protocol| protocol.to_string())
}

/// `FromPort` and `ToPort`: ports, or type and code of ICMP. `None` where a protocol has neither.
pub(super) fn ports(rule: &Rule) -> Option<(i32, i32)> {
    let protocol = rule.protocol?;
    if protocol.has_ports() {
        let (low, high) = rule.ports.unwrap_or((0, u16::MAX));
        return Some((i32::from(low), i32::from(high)));
    }
    let (kind, code) = rule.icmp.unwrap_or((-1, -1));
    // Any type means any code.
    let code = if kind < 0 { -1 } else { code };
    protocol.is_icmp().then_some((i32::from(kind.max(-1)), i32::from(code)))
}

/// The owner of a referenced group, if that is another account.
pub(super) fn foreign_owner<'r>(rule: &'r Rule, owner: Option<&str>) -> Option<&'r str> {
    match &rule.peer {
        RulePeer::Group { account: Some(account), .. } if owner != Some(account) => Some(account),
        _ => None,
    }
}

/// Characters of a rule's description: letters, digits, blanks and ``._-:/()#,@[]+=&;{}!$*`` (EC2 API reference,
/// `IpRange`), at most 255.
const PUNCTUATION: &str = " ._-:/()#,@[]+=&;{}!$*";

/// A description as AWS takes it: other characters become `_`.
pub(super) fn description(rule: &Rule) -> Option<String> {
    let text = rule.description.as_deref()?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || PUNCTUATION.contains(c);
    let text: String = text.chars().take(255).map(|c| if allowed(c) { c } else { '_' }).collect();
    (!text.is_empty()).then_some(text)
}

/// Hostile text for a comment: one line of printable ASCII.
pub(super) fn remark(text: &str) -> String {
    let plain = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    text.chars().take(200).map(plain).collect()
}

/// `tcp 443 from 10.0.0.0/8`
pub(super) fn words(rule: &Rule, owner: Option<&str>) -> String {
    let (ports, side) = (
        rule.port_text(),
        match rule.direction {
            Direction::Inbound => "from",
            Direction::Outbound => "to",
        },
    );
    remark(&format!("{} {ports} {side} {}", rule.protocol_text(), rule.peer_text(owner)))
}

/// 16 hexadecimal digits that are the rule's own.
pub(super) fn digits(rule: &Rule) -> String {
    rule.synthetic_id().trim_start_matches("sgr-x").to_owned()
}
