//! A script for the AWS CLI, in three stages, and one that takes them back.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::super::plan::Plan;
use super::steps::{Place, Step, Steps, description, foreign_owner, ports, protocol, remark, words};
use crate::flow::Direction;
use crate::inventory::{Inventory, Rule, RulePeer};

/// Helpers of both scripts. One rule a call, so that one that is there already does not stop the others of its call.
const HELPERS: &str = r#"
# A rule that is there already is no failure: the script can be run again.
authorize() {
  local out
  if out="$(aws ec2 "$@" --output json 2>&1)"; then return 0; fi
  case "$out" in
    *InvalidPermission.Duplicate*) printf 'already there: %s\n' "$*" >&2 ;;
    *) printf '%s\n' "$out" >&2; return 1 ;;
  esac
}

# In a default VPC, EC2 says nothing about a rule that it does not find, but lists it: that is a failure here.
revoke() {
  local out
  if out="$(aws ec2 "$@" --query 'UnknownIpPermissions[].IpProtocol' --output text 2>&1)"; then
    case "$out" in
      ''|None) return 0 ;;
      *) printf 'not found, so not revoked: %s\n' "$*" >&2; return 1 ;;
    esac
  fi
  case "$out" in
    *InvalidPermission.NotFound*|*InvalidSecurityGroupRuleId.NotFound*) printf 'already gone: %s\n' "$*" >&2 ;;
    *) printf '%s\n' "$out" >&2; return 1 ;;
  esac
}

# Credentials reach one account; what belongs to others is left out, and said so.
in_account() {
  if [ -z "${caller:-}" ]; then caller="$(aws sts get-caller-identity --query Account --output text)"; fi
  if [ "$caller" = "$1" ]; then return 0; fi
  printf 'left out, because it is of account %s: %s\n' "$1" "$2" >&2
  return 1
}
"#;

/// The script: `add` authorises the new rules, `observe` says what to look at, `remove` revokes the old ones.
#[must_use]
pub fn aws_cli(plan: &Plan, inventory: &Inventory) -> String {
    let steps = Steps::new(plan, inventory);
    let mut script = head(&steps, "Applies a plan of flowgate in three stages. Read it before you run it.");
    script.push_str(HELPERS);
    script.push_str("\n# Stage 1: the new rules come beside the old ones. Nothing is cut.\nadd() {\n");
    each(&mut script, &steps, |script, place, step| {
        for rule in &step.edit.add {
            authorize(script, place, step, rule);
        }
    });
    script.push_str("}\n\n# Stage 2: the old rules must no longer be needed.\nobserve() {\n");
    observe(&mut script, &steps);
    script.push_str("}\n\n# Stage 3: the old rules go.\nremove() {\n");
    each(&mut script, &steps, |script, place, step| {
        for rule in &step.edit.remove {
            revoke(script, place, step, rule, rule.synthetic);
        }
    });
    script.push_str("}\n");
    script.push_str(
        r#"
case "${1:-}" in
  add) add ;;
  observe) observe ;;
  remove) remove ;;
  *) printf 'usage: %s add|observe|remove\n' "$0" >&2; exit 2 ;;
esac
"#,
    );
    script
}

/// The script that takes it back: authorises what was there, then revokes what was added. Rules come back with new ids
/// and without tags.
#[must_use]
pub fn aws_cli_rollback(plan: &Plan, inventory: &Inventory) -> String {
    let steps = Steps::new(plan, inventory);
    let mut script =
        head(&steps, "Takes a plan of flowgate back: the old rules return, then the new ones go.");
    script.push_str("# Rules return with new ids and without their tags.\n");
    script.push_str(HELPERS);
    script.push_str("\nrestore() {\n");
    each(&mut script, &steps, |script, place, step| {
        for rule in &step.edit.remove {
            authorize(script, place, step, rule);
        }
    });
    script.push_str("}\n\nwithdraw() {\n");
    each(&mut script, &steps, |script, place, step| {
        for rule in &step.edit.add {
            // Nobody knows the id that it was given.
            revoke(script, place, step, rule, true);
        }
    });
    script.push_str("}\n\nrestore\nwithdraw\n");
    script
}

fn head(steps: &Steps, what: &str) -> String {
    let mut script = format!("#!/usr/bin/env bash\n# {what}\n");
    for sentence in &steps.left_out {
        line(&mut script, &format!("# Left out: {}", remark(sentence)));
    }
    if steps.is_empty() {
        script.push_str("# There is nothing to do.\n");
    }
    script.push_str("set -euo pipefail\n");
    script
}

fn line(script: &mut String, text: &str) {
    // Writing to a string can't fail.
    _ = writeln!(script, "{text}");
}

/// A block for each place. A function must not be empty.
fn each(script: &mut String, steps: &Steps, write: impl Fn(&mut String, &Place, &Step)) {
    script.push_str("  :\n");
    for (place, list) in &steps.places {
        let groups: Vec<&str> = list.iter().map(|step| step.edit.group.as_str()).collect();
        if let (Some(account), _) = place {
            let about = format!("{} groups, {} first", groups.len(), groups.first().unwrap_or(&""));
            line(script, &format!("  if in_account {} {}; then", quoted(account), quoted(&about)));
        }
        for step in list {
            line(script, &format!("  # {} {}: {}", step.edit.group, step.edit.direction, remark(&step.name)));
            write(script, place, step);
        }
        if place.0.is_some() {
            script.push_str("  :\n  fi\n");
        }
    }
}

fn observe(script: &mut String, steps: &Steps) {
    script.push_str("  cat <<'END'\n");
    script.push_str(
        "Wait until every job that runs at times has run. Then fetch the inventory anew, and run\n\
         \x20 flowgate analyze LOGS --inventory INVENTORY --from TIME_OF_STAGE_1 --out report/\n\
         For each of these rules, sole_connections in report/rules.jsonl must be 0:\n",
    );
    for step in steps.places.values().flatten() {
        for rule in &step.edit.remove {
            line(script, &format!("  {} {}", step.edit.group, remark(&rule.id)));
        }
    }
    script.push_str("END\n");
}

fn authorize(script: &mut String, place: &Place, step: &Step, rule: &Rule) {
    let command = match step.edit.direction {
        Direction::Inbound => "authorize-security-group-ingress",
        Direction::Outbound => "authorize-security-group-egress",
    };
    line(script, &format!("  # {}", words(rule, place.0.as_deref())));
    let permissions = quoted(&permissions(rule, place.0.as_deref(), true));
    line(script, &format!("  authorize {command}{} --ip-permissions {permissions}", target(place, step)));
}

fn revoke(script: &mut String, place: &Place, step: &Step, rule: &Rule, by_content: bool) {
    let command = match step.edit.direction {
        Direction::Inbound => "revoke-security-group-ingress",
        Direction::Outbound => "revoke-security-group-egress",
    };
    line(script, &format!("  # {}", words(rule, place.0.as_deref())));
    let which = match by_content {
        true => format!("--ip-permissions {}", quoted(&permissions(rule, place.0.as_deref(), false))),
        false => format!("--security-group-rule-ids {}", quoted(&rule.id)),
    };
    line(script, &format!("  revoke {command}{} {which}", target(place, step)));
}

fn target(place: &Place, step: &Step) -> String {
    let region = place.1.as_ref().map(|region| format!(" --region {}", quoted(region)));
    format!("{} --group-id {}", region.unwrap_or_default(), quoted(&step.edit.group))
}

/// `IpPermissions` with the one rule.
fn permissions(rule: &Rule, owner: Option<&str>, with_description: bool) -> String {
    let mut peer = Map::new();
    let list = match &rule.peer {
        RulePeer::Cidr(net @ ipnet::IpNet::V4(_)) => {
            peer.insert("CidrIp".to_owned(), json!(net.to_string()));
            "IpRanges"
        }
        RulePeer::Cidr(net) => {
            peer.insert("CidrIpv6".to_owned(), json!(net.to_string()));
            "Ipv6Ranges"
        }
        RulePeer::PrefixList(id) => {
            peer.insert("PrefixListId".to_owned(), json!(id));
            "PrefixListIds"
        }
        RulePeer::Group { id, .. } => {
            peer.insert("GroupId".to_owned(), json!(id));
            if let Some(account) = foreign_owner(rule, owner) {
                peer.insert("UserId".to_owned(), json!(account));
            }
            "UserIdGroupPairs"
        }
    };
    if let Some(text) = description(rule).filter(|_| with_description) {
        peer.insert("Description".to_owned(), json!(text));
    }
    let mut permission = Map::new();
    permission.insert("IpProtocol".to_owned(), json!(protocol(rule)));
    if let Some((from, to)) = ports(rule) {
        permission.insert("FromPort".to_owned(), json!(from));
        permission.insert("ToPort".to_owned(), json!(to));
    }
    permission.insert(list.to_owned(), json!([Value::Object(peer)]));
    json!([Value::Object(permission)]).to_string()
}

/// One word of bash, whatever is in it: in single quotes nothing is special but the quote itself.
fn quoted(text: &str) -> String {
    // Bash can't hold NUL.
    format!("'{}'", text.replace('\0', "").replace('\'', r"'\''"))
}
