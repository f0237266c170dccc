//! A candidate from a Terraform plan: what `terraform show -json` prints of one.
//!
//! The format is described in <https://developer.hashicorp.com/terraform/internals/json-format> (major version 0 or 1), the
//! resources in the documentation of the AWS provider. A plan tells each resource before and after; what differs is
//! done to the current inventory. What is known after apply only, the id of a new group above all, is followed through
//! the expressions of the configuration. What can't be followed is a gap: the candidate may be another.

mod acls;
mod draft;
mod refs;
mod rules;
mod values;

use serde_json::Value;

use super::replay::Candidate;
use crate::inventory::Inventory;
use draft::Draft;
use refs::Configuration;
use values::Change;

/// Why a plan is of no use.
#[derive(Debug, thiserror::Error)]
pub enum TerraformError {
    /// It is no JSON.
    #[error("it is no JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// It is JSON of something else.
    #[error(
        "it is no plan: there is no `format_version`, or neither `resource_changes` nor `planned_values`"
    )]
    NotAPlan,
    /// The format has changed.
    #[error("its format is version {0}; versions 0 and 1 are understood")]
    Version(String),
}

/// A plan, read.
#[derive(Clone, Debug)]
pub struct TerraformPlan {
    document: Value,
}

impl TerraformPlan {
    /// Reads the output of `terraform show -json PLANFILE`.
    ///
    /// # Errors
    /// If it is no plan that can be understood.
    pub fn parse(json: &[u8]) -> Result<Self, TerraformError> {
        let document: Value = serde_json::from_slice(json)?;
        let is_plan = document.get("resource_changes").is_some() || document.get("planned_values").is_some();
        let Some(version) = document.get("format_version").and_then(Value::as_str).filter(|_| is_plan) else {
            return Err(TerraformError::NotAPlan);
        };
        if !matches!(version.split('.').next(), Some("0" | "1")) {
            return Err(TerraformError::Version(version.to_owned()));
        }
        Ok(Self { document })
    }

    /// The inventory as it would be after apply.
    #[must_use]
    pub fn candidate(&self, current: &Inventory) -> Candidate {
        let changes: Vec<Change<'_>> = self
            .document
            .get("resource_changes")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Change::new)
            .collect();
        let configuration = Configuration::new(&self.document, &changes);
        let mut draft = Draft::new(current, configuration);
        for flag in ["errored", "complete"] {
            let told = self.document.get(flag).and_then(Value::as_bool);
            if told == Some(flag == "errored") {
                draft.gap(format!("the plan says `{flag}: {}`: it is not all there", flag == "errored"));
            }
        }
        // Groups and lists first: the others are about them.
        for change in &changes {
            match change.kind {
                "aws_security_group" => draft.group(change),
                "aws_default_security_group" => draft.default_group(change),
                "aws_network_acl" => draft.acl(change),
                "aws_default_network_acl" => draft.default_acl(change),
                "aws_ec2_managed_prefix_list" => draft.prefix_list(change),
                _ => {}
            }
        }
        for change in &changes {
            match change.kind {
                "aws_security_group_rule" => draft.group_rule(change),
                "aws_vpc_security_group_ingress_rule" | "aws_vpc_security_group_egress_rule" => {
                    draft.vpc_rule(change);
                }
                "aws_vpc_security_group_rules_exclusive" => draft.exclusive(change),
                "aws_network_acl_rule" => draft.acl_rule(change),
                "aws_network_acl_association" => draft.acl_association(change),
                "aws_ec2_managed_prefix_list_entry" => draft.prefix_list_entry(change),
                "aws_network_interface_sg_attachment" => draft.attachment(change),
                "aws_security_group" | "aws_default_security_group" | "aws_network_acl" => {}
                "aws_default_network_acl" | "aws_ec2_managed_prefix_list" => {}
                _ => draft.other(change),
            }
        }
        let (inventory, gaps) = draft.finish();
        Candidate { name: "terraform-plan".to_owned(), inventory, gaps, ..Candidate::default() }
    }
}
