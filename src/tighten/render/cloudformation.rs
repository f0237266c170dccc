//! CloudFormation: a stack of the new rules. JSON, in which nothing has a second meaning.

use serde_json::{Map, Value, json};

use super::super::plan::Plan;
use super::steps::{Step, Steps, description, digits, foreign_owner, ports, protocol, remark, words};
use crate::flow::Direction;
use crate::inventory::{Inventory, Rule, RulePeer};

/// A template, which is for one account and region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Account.
    pub account: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// JSON.
    pub text: String,
}

/// Resources that a template may hold (CloudFormation user guide, "quotas").
const RESOURCES: usize = 500;

/// Templates with the rules that come, as many as it takes. A stack can't delete what it does not own: the rules that
/// go are listed in `Metadata`, with the commands that revoke them, for after the stack.
#[must_use]
pub fn cloudformation(plan: &Plan, inventory: &Inventory) -> Vec<Template> {
    let steps = Steps::new(plan, inventory);
    let left_out: Vec<String> = steps.left_out.iter().map(|sentence| remark(sentence)).collect();
    let mut templates = Vec::new();
    for ((account, region), list) in &steps.places {
        let owner = account.as_deref();
        let rules: Vec<(&Step, &Rule)> =
            list.iter().flat_map(|step| step.edit.add.iter().map(move |rule| (step, rule))).collect();
        let gone: Vec<Value> = list
            .iter()
            .flat_map(|step| {
                step.edit.remove.iter().map(move |rule| removal(step, rule, owner, region.as_deref()))
            })
            .collect();
        // A plan that only takes rules out needs no stack, but its reader the list.
        let mut chunks: Vec<&[(&Step, &Rule)]> = rules.chunks(RESOURCES).collect();
        if chunks.is_empty() {
            chunks.push(&[]);
        }
        let last = chunks.len() - 1;
        for (number, chunk) in chunks.into_iter().enumerate() {
            let resources: Map<String, Value> =
                chunk.iter().map(|(step, rule)| (name(step, rule), resource(step, rule, owner))).collect();
            let metadata = json!({
                "flowgate": {
                    "account": account,
                    "region": region,
                    "remove-after-the-stack": if number == last { gone.clone() } else { Vec::new() },
                    "left-out": left_out,
                }
            });
            let template = json!({
                "AWSTemplateFormatVersion": "2010-09-09",
                "Description": "Security group rules of a plan of flowgate",
                "Metadata": metadata,
                "Resources": resources,
            });
            let text = ascii(&format!("{template:#}\n"));
            templates.push(Template { account: account.clone(), region: region.clone(), text });
        }
    }
    templates
}

/// Logical ids are letters and digits.
fn name(step: &Step, rule: &Rule) -> String {
    let group: String = step.edit.group.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("{group}{}", digits(rule))
}

fn resource(step: &Step, rule: &Rule, owner: Option<&str>) -> Value {
    let mut properties = Map::new();
    let mut put = |key: &str, value: Value| _ = properties.insert(key.to_owned(), value);
    put("GroupId", json!(step.edit.group));
    put("IpProtocol", json!(protocol(rule)));
    if let Some((from, to)) = ports(rule) {
        put("FromPort", json!(from));
        put("ToPort", json!(to));
    }
    let inbound = step.edit.direction == Direction::Inbound;
    match &rule.peer {
        RulePeer::Cidr(net @ ipnet::IpNet::V4(_)) => put("CidrIp", json!(net.to_string())),
        RulePeer::Cidr(net) => put("CidrIpv6", json!(net.to_string())),
        RulePeer::PrefixList(id) if inbound => put("SourcePrefixListId", json!(id)),
        RulePeer::PrefixList(id) => put("DestinationPrefixListId", json!(id)),
        RulePeer::Group { id, .. } if inbound => {
            put("SourceSecurityGroupId", json!(id));
            if let Some(account) = foreign_owner(rule, owner) {
                put("SourceSecurityGroupOwnerId", json!(account));
            }
        }
        RulePeer::Group { id, .. } => put("DestinationSecurityGroupId", json!(id)),
    }
    if let Some(text) = description(rule) {
        // `{{resolve:…}}` would be looked up, in secrets among others.
        put("Description", json!(text.replace("{{", "{ {")));
    }
    let kind = if inbound { "AWS::EC2::SecurityGroupIngress" } else { "AWS::EC2::SecurityGroupEgress" };
    json!({ "Type": kind, "Properties": properties })
}

fn removal(step: &Step, rule: &Rule, owner: Option<&str>, region: Option<&str>) -> Value {
    let command = match step.edit.direction {
        Direction::Inbound => "revoke-security-group-ingress",
        Direction::Outbound => "revoke-security-group-egress",
    };
    let region = region.map(|region| format!(" --region {region}")).unwrap_or_default();
    // Ids only: those that are none were left out.
    let ids = format!("--group-id {} --security-group-rule-ids {}", step.edit.group, rule.id);
    json!({
        "group": step.edit.group,
        "rule": if rule.synthetic { None } else { Some(&rule.id) },
        "direction": step.edit.direction.as_str(),
        "what": words(rule, owner),
        "command": (!rule.synthetic).then(|| format!("aws ec2 {command}{region} {ids}")),
    })
}

/// JSON without a character that is not ASCII, so that nothing is hidden or reordered in an editor.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() && c != '\u{7f}' {
            text.push(c);
        } else {
            // In JSON, what is not ASCII stands in strings only.
            for unit in c.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text
}
