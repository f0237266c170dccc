//! Terraform: a resource for each rule, with import blocks for those that are there.

use std::fmt::Write as _;

use super::super::plan::Plan;
use super::steps::{Step, Steps, description, digits, foreign_owner, is_id, ports, protocol, remark, words};
use crate::flow::Direction;
use crate::inventory::{Inventory, Rule, RulePeer};

/// How far a roll-out is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The new rules come, the old ones stay and are taken into the state.
    Add,
    /// The old rules go. Needs the state that the first stage left.
    Remove,
}

/// Resources of Terraform 1.7 or later and the AWS provider 5.0 or later for every group that the plan changes: rules
/// that come, rules that stay, and, in the first stage, rules that will go. In the second, these are `removed` blocks
/// that destroy them.
#[must_use]
pub fn terraform(plan: &Plan, inventory: &Inventory, stage: Stage) -> String {
    let steps = Steps::new(plan, inventory);
    let mut text = String::new();
    put(
        &mut text,
        match stage {
            Stage::Add => {
                "# Stage 1: new rules come beside the old ones, which are taken into the state. Nothing is cut."
            }
            Stage::Remove => "# Stage 3: the old rules go. Apply stage 1 first, and observe.",
        },
    );
    put(
        &mut text,
        "# These groups must not have rules inline in aws_security_group, nor as aws_security_group_rule:",
    );
    put(
        &mut text,
        "# they would overwrite each other. Where rules are in the state already, leave their import blocks out.",
    );
    for sentence in &steps.left_out {
        put(&mut text, &format!("# Left out: {}", remark(sentence)));
    }
    if steps.is_empty() {
        put(&mut text, "# There is nothing to do.");
    }
    put(&mut text, "\nterraform {\n  required_version = \">= 1.7.0\"\n}");
    for ((account, region), list) in &steps.places {
        let unknown = || "unknown".to_owned();
        let place = (account.clone().unwrap_or_else(unknown), region.clone().unwrap_or_else(unknown));
        put(
            &mut text,
            &format!("\n# Account {}, region {}: the provider must be of these.", place.0, place.1),
        );
        for step in list {
            put(
                &mut text,
                &format!("\n# {} {}: {}", step.edit.group, step.edit.direction, remark(&step.name)),
            );
            let owner = account.as_deref();
            for rule in &step.edit.add {
                resource(&mut text, step, rule, owner, "comes");
            }
            for rule in &step.kept {
                existing(&mut text, step, rule, owner, "stays", stage == Stage::Add);
            }
            for rule in &step.edit.remove {
                match stage {
                    Stage::Add => existing(&mut text, step, rule, owner, "will go", true),
                    Stage::Remove => removed(&mut text, step, rule, owner),
                }
            }
        }
    }
    text
}

fn put(text: &mut String, line: &str) {
    // Writing to a string can't fail.
    _ = writeln!(text, "{line}");
}

/// A rule that is there: its resource, and how it gets into the state.
fn existing(text: &mut String, step: &Step, rule: &Rule, owner: Option<&str>, why: &str, import: bool) {
    if rule.synthetic || !is_id(&rule.id) {
        put(
            text,
            &format!("\n# {why}: {}: the dump has no id, so it can't be imported;", words(rule, owner)),
        );
        put(text, "# `aws ec2 describe-security-group-rules` tells ids");
        return;
    }
    if import {
        put(text, "\nimport {");
        put(text, &format!("  to = {}", address(step, rule)));
        put(text, &format!("  id = {}\n}}", quoted(&rule.id)));
    }
    resource(text, step, rule, owner, why);
}

fn removed(text: &mut String, step: &Step, rule: &Rule, owner: Option<&str>) {
    if rule.synthetic || !is_id(&rule.id) {
        put(text, &format!("\n# goes: {}: not in the state, so take it out by hand", words(rule, owner)));
        return;
    }
    put(text, &format!("\n# goes: {}", words(rule, owner)));
    put(text, &format!("removed {{\n  from = {}", address(step, rule)));
    put(text, "  lifecycle {\n    destroy = true\n  }\n}");
}

fn kind(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "aws_vpc_security_group_ingress_rule",
        Direction::Outbound => "aws_vpc_security_group_egress_rule",
    }
}

/// Of ids and digits only, so that it is an identifier.
fn label(step: &Step, rule: &Rule) -> String {
    format!("{}_{}", step.edit.group.replace('-', "_"), digits(rule))
}

fn address(step: &Step, rule: &Rule) -> String {
    format!("{}.{}", kind(step.edit.direction), label(step, rule))
}

fn resource(text: &mut String, step: &Step, rule: &Rule, owner: Option<&str>, why: &str) {
    put(text, &format!("\n# {why}: {}", words(rule, owner)));
    let name = quoted(&label(step, rule));
    put(text, &format!("resource {} {name} {{", quoted(kind(step.edit.direction))));
    let mut attributes =
        vec![("security_group_id", quoted(&step.edit.group)), ("ip_protocol", quoted(&protocol(rule)))];
    // Required of every protocol but `-1`, with which they must be left out.
    if let Some((from, to)) = ports(rule).or_else(|| rule.protocol.map(|_| (-1, -1))) {
        attributes.extend([("from_port", from.to_string()), ("to_port", to.to_string())]);
    }
    let (key, value) = match &rule.peer {
        RulePeer::Cidr(net @ ipnet::IpNet::V4(_)) => ("cidr_ipv4", net.to_string()),
        RulePeer::Cidr(net) => ("cidr_ipv6", net.to_string()),
        RulePeer::PrefixList(id) => ("prefix_list_id", id.clone()),
        RulePeer::Group { id, .. } => (
            "referenced_security_group_id",
            match foreign_owner(rule, owner) {
                Some(account) => format!("{account}/{id}"),
                None => id.clone(),
            },
        ),
    };
    attributes.push((key, quoted(&value)));
    attributes.extend(description(rule).map(|description| ("description", quoted(&description))));
    // As `terraform fmt` does: the equals signs of lines that follow each other stand below each other.
    let width = attributes.iter().map(|(key, _)| key.len()).max().unwrap_or_default();
    for (key, value) in attributes {
        put(text, &format!("  {key:width$} = {value}"));
    }
    put(text, "}");
}

/// A string that holds nothing but itself: no template, no escape.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '$' | '%' if rest.peek() == Some(&'{') => quoted.extend([c, c]),
            ' '..='~' => quoted.push(c),
            c if u32::from(c) > 0xffff => _ = write!(quoted, "\\U{:08x}", u32::from(c)),
            c => _ = write!(quoted, "\\u{:04x}", u32::from(c)),
        }
    }
    quoted.push('"');
    quoted
}
