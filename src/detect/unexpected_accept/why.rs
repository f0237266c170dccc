//! Why nothing explains it, and what to look at.

use std::collections::BTreeSet;

use crate::detect::rule_class;
use crate::detect::sums::Sum;
use crate::flow::Protocol;
use crate::rollup::{EscapeReason, InterfaceRow, Rollups, Tracking};

/// Ids of the rules that the cells name.
pub(super) fn names(rollups: &Rollups, sum: &Sum) -> Vec<String> {
    sum.rules.iter().filter_map(|number| rollups.named_rules.get(number)).cloned().collect()
}

/// What the inventory would have to hold, for [`EscapeReason::InventoryGap`].
pub(super) fn missing(rollups: &Rollups, rows: &[&InterfaceRow], sum: &Sum) -> Vec<String> {
    let facts = sum.rules.iter().filter_map(|number| rollups.missing.get(number)).cloned();
    let groups = rows.iter().flat_map(|row| &row.undescribed_groups);
    let all: BTreeSet<String> = facts.chain(groups.map(|group| format!("the rules of {group}"))).collect();
    all.into_iter().collect()
}

/// The second half of the title, and when AWS Config recorded the removal, of several the last.
pub(super) fn told(
    rollups: &Rollups,
    reason: EscapeReason,
    sum: &Sum,
    missing: &[String],
) -> (String, Option<String>) {
    let removed_at = sum.removed_by.filter(|_| !sum.removed_vaguely).map(rule_class::instant);
    let names = names(rollups, sum);
    let former = match names.as_slice() {
        [one] => format!("{one}, which had permitted it,"),
        _ => "what had permitted it".to_owned(),
    };
    let ceased = match &removed_at {
        Some(at) => format!("{former} ceased to apply at {at}"),
        None => match sum.removed_by {
            Some(by) => format!("{former} was gone by {}", rule_class::instant(by)),
            None => format!("{former} was gone"),
        },
    };
    let why = match reason {
        EscapeReason::RuleRemovedNew if sum.tracking.keys().eq([&Tracking::Untracked]) => {
            format!("{ceased}, and such traffic is not tracked")
        }
        EscapeReason::RuleRemovedNew => ceased,
        EscapeReason::RuleRemovedTracked => format!("{ceased}; it may be older, and still tracked"),
        EscapeReason::InventoryGap => match missing {
            [] => "the inventory lacks what would tell".to_owned(),
            [one] => format!("the inventory lacks {one}"),
            [one, more @ ..] => format!("the inventory lacks {one} and {} more", more.len()),
        },
        EscapeReason::OpenerUnknown => "who opened it cannot be told".to_owned(),
        EscapeReason::NoRule if sum.acl_denies > 0 => "the network ACL of its subnet denies it".to_owned(),
        EscapeReason::NoRule => "no security group rule permits it".to_owned(),
    };
    (why, removed_at)
}

/// The call that lists what was changed around that time.
pub(super) fn cloudtrail(reason: EscapeReason, rows: &[&InterfaceRow], sum: &Sum) -> Option<String> {
    let (first, last) = (i64::from(sum.first?), i64::from(sum.last?));
    let row = rows[0];
    let resource = match reason {
        EscapeReason::NoRule if sum.acl_denies > 0 => row.network_acl.as_ref()?,
        EscapeReason::NoRule | EscapeReason::RuleRemovedNew => row.groups.first().unwrap_or(&row.id),
        _ => return None,
    };
    // It will be pasted into a shell, and files can name things as they like.
    let plain = |text: &String| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !plain(resource) {
        return None;
    }
    let region = row
        .region
        .as_ref()
        .filter(|region| plain(region))
        .map(|region| format!(" --region {region}"))
        .unwrap_or_default();
    Some(format!(
        "aws cloudtrail lookup-events{region} --lookup-attributes AttributeKey=ResourceName,AttributeValue={resource} \
         --start-time {} --end-time {}",
        rule_class::instant(first - 86_400),
        rule_class::instant(last + 3600)
    ))
}

/// What to look at next.
pub(super) fn next(reason: EscapeReason, protocol: Protocol, rows: &[&InterfaceRow], sum: &Sum) -> String {
    let row = rows[0];
    match reason {
        EscapeReason::NoRule if sum.acl_denies > 0 => {
            let acl = row.network_acl.as_deref().unwrap_or("the network ACL");
            format!("look in CloudTrail for changes of {acl} (ReplaceNetworkAclEntry, ReplaceNetworkAclAssociation)")
        }
        EscapeReason::NoRule | EscapeReason::RuleRemovedNew => {
            let groups = match row.groups.as_slice() {
                [] => "its security groups".to_owned(),
                groups => groups.join(", "),
            };
            format!("look in CloudTrail for changes of {groups} or of the groups of {} around that time", row.id)
        }
        EscapeReason::RuleRemovedTracked => {
            "nothing, unless it goes on for days: to end it now, move the interface to other groups and back".to_owned()
        }
        EscapeReason::InventoryGap => {
            "add what is missing to the inventory and run again; `flowgate inventory check` says how to get it".to_owned()
        }
        EscapeReason::OpenerUnknown if protocol != Protocol::TCP => {
            "read logs from before the connection began, if there are any".to_owned()
        }
        EscapeReason::OpenerUnknown => {
            "log the field tcp-flags (version 3), or read logs from before the connection began".to_owned()
        }
    }
}
