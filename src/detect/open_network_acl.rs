//! Network ACLs that filter nothing, let anybody reach administration ports, or are not used.
//!
//! ## What it finds
//! Network ACLs of subnets that let everything in from everywhere (`allow-all`), that let anybody reach port 22 or 3389
//! (`open-administration`), and those that no subnet has (`unused`). One finding for each, the first that applies.
//!
//! ## Why it matters
//! A network ACL is the second line: it holds when a security group is opened by mistake, and only it can deny. One that
//! lets everything pass is no line at all.
//!
//! ## How it decides
//! By the latest inventory, entries in the order of their numbers: what a deny of everybody comes before lets nobody in.
//! Denies of single blocks before an entry for everybody do not count. Informational: default ACLs that let all pass (that
//! is how AWS makes them), unused ones, and port 3389 open only within a range that begins at 1024 or above, because
//! answers from the internet need those ports and a stateless filter can't tell them from attempts. Low: other
//! ones. How often ports 22 and 3389 of interfaces behind it were reached from the internet while the logs ran, and how
//! often they answered, is in the counts; `exposed-service` judges that by the security group rule it came through.
//!
//! Controls (Security Hub user guide, "Security Hub controls for Amazon EC2"): EC2.21, "Network ACLs should not allow
//! ingress from 0.0.0.0/0 to port 22 or port 3389", and EC2.16, "Unused Network Access Control Lists should be removed";
//! both leave default ACLs out.
//!
//! ## When it is wrong
//! An ACL that lets everything pass is fine where security groups are all that is meant to filter: many estates are
//! built so. Subnets that are not in the inventory may have an ACL that looks unused.
//!
//! ## Tuning
//! There is nothing to set. `--skip open-network-acl` turns it off.
//!
//! ## What to do
//! Put denies of ports 22 and 3389 from everywhere before the entry that lets answers in.

use serde_json::json;

use super::groups::LISTED;
use super::{Detector, Input, Meta, counted, finish};
use crate::finding::{Finding, FindingBuilder, Grade, Kind, Ports, Severity};
use crate::flow::{Direction, Protocol};
use crate::rollup::{AclFacts, Outcome};

/// See the file's manual.
pub(super) struct OpenNetworkAcl;

static META: Meta = Meta {
    id: "open-network-acl",
    kind: Kind::OpenNetworkAcl,
    title: "network ACLs that filter nothing or too little, or are not used",
    manual: include_str!("open_network_acl.rs"),
};

/// The lowest port that answers are sent to.
const EPHEMERAL: u16 = 1024;

impl Detector for OpenNetworkAcl {
    fn meta(&self) -> &'static Meta {
        &META
    }

    fn detect(&self, input: &Input<'_>) -> Vec<Finding> {
        input.rollups.acls.iter().filter_map(|acl| finish(describe(input, acl)?)).collect()
    }
}

/// Connections from the internet to ports 22 and 3389 of its interfaces: all, and those that were answered.
fn reached(input: &Input<'_>, acl: &AclFacts) -> (u64, u64) {
    let exposed = input.rollups.exposed.iter().filter(|(key, _)| {
        key.protocol == Protocol::TCP
            && matches!(key.port, 22 | 3389)
            && acl.places.binary_search(&key.interface).is_ok()
    });
    exposed.fold((0, 0), |(all, answered), (key, cell)| {
        let of = if key.subject.outcome <= Outcome::Answered { cell.connections } else { 0 };
        (all + cell.connections, answered + of)
    })
}

fn describe(input: &Input<'_>, acl: &AclFacts) -> Option<FindingBuilder> {
    let (all, answered) = reached(input, acl);
    let unused = acl.subnets.is_empty();
    let administration = acl.open_administration.filter(|_| !acl.is_default);
    let only_answers =
        administration.is_some_and(|(_, ports)| ports.is_some_and(|(low, _)| low >= EPHEMERAL));
    let (cause, title, severity) = if unused {
        if acl.is_default {
            return None;
        }
        ("unused", format!("{} is associated with no subnet", acl.id), Severity::Informational)
    } else if let Some(number) = acl.allows_all_in {
        let severity = if acl.is_default { Severity::Informational } else { Severity::Low };
        ("allow-all", format!("{} lets everything in (entry {number})", acl.id), severity)
    } else {
        let (number, ports) = administration?;
        let severity = if only_answers { Severity::Informational } else { Severity::Low };
        let range = ports.map_or_else(|| "all ports".to_owned(), |(low, high)| format!("ports {low}-{high}"));
        let title = format!("{} lets anybody reach port 22 or 3389 (entry {number}, {range})", acl.id);
        ("open-administration", title, severity)
    };
    let window = input.rollups.window;
    let interfaces: Vec<String> =
        acl.places.iter().map(|&place| input.rollups.interfaces[place as usize].id.clone()).collect();
    let mut builder = FindingBuilder::new(META.id, META.kind, cause)
        .about(acl.id.clone())
        .rated(severity, Grade::Reliable)
        .told(
            title,
            match unused {
                true => "It filters nothing.".to_owned(),
                false => format!(
                    "{} with {} in the logs; {} from the internet to their ports 22 and 3389, {answered} answered.",
                    counted(acl.subnets.len() as u64, "subnet"),
                    counted(interfaces.len() as u64, "interface"),
                    counted(all, "connection"),
                ),
            },
        )
        .during(window.map(|(first, _)| i64::from(first)), window.map(|(_, last)| i64::from(last)))
        .count("subnets", acl.subnets.len() as u64)
        .count("interfaces", interfaces.len() as u64)
        .count("connections", all)
        .count("answered", answered)
        .evidence("default", acl.is_default)
        .evidence("subnets", json!(acl.subnets.iter().take(LISTED).collect::<Vec<_>>()))
        .evidence("allows_all_in_entry", acl.allows_all_in)
        .evidence("allows_all_out_entry", acl.allows_all_out)
        .evidence("open_administration_entry", acl.open_administration.map(|(number, _)| number))
        .next(match cause {
            "unused" => format!("delete {}, or associate the subnets it was made for", acl.id),
            _ => format!("deny ports 22 and 3389 from everywhere in {} before what lets them in", acl.id),
        });
    if unused {
        builder = builder.control("EC2.16");
    }
    if administration.is_some() {
        builder = builder.control("EC2.21");
    }
    let ports = match (unused, acl.allows_all_in) {
        (true, _) => Vec::new(),
        (_, Some(_)) => vec![Ports::Range(0, u16::MAX)],
        (_, None) => acl.open_administration.and_then(|(_, ports)| ports).map_or_else(
            || vec![Ports::Range(0, u16::MAX)],
            |(low, high)| vec![super::sums::listed(low, high)],
        ),
    };
    Some(builder.service((!unused).then_some(Direction::Inbound), None, ports).with(|f| {
        f.account.clone_from(&acl.account);
        f.vpc.clone_from(&acl.vpc);
        f.network_acl = Some(acl.id.clone());
        f.interfaces = interfaces;
    }))
}
