//! Security groups that let everybody in, or far too many.
//!
//! ## What it finds
//! Security groups with inbound rules that are open to 0.0.0.0/0 or ::/0 on anything but 80 and 443, or that permit all
//! protocols or at least 1,024 ports from large blocks. One finding for each group; the evidence lists its rules, each
//! with its use. The cause is the worst of them: `all-traffic`, `administration-ports`, `database-ports`,
//! `sensitive-ports` (files, mail, web consoles), `wide-range` (16 ports or more), `unusual-port`, and `broad-blocks` for
//! rules that are not open to everybody.
//!
//! ## Why it matters
//! Whatever gets this group is open, today or tomorrow. The audit asks for it whether or not anybody came.
//!
//! ## How it decides
//! By the configuration alone; the logs add what came. What is sensitive is the fixed list that `exposed-service` uses.
//! High: all traffic, administration, database and sensitive ports; medium: wide ranges and other ports of TCP and UDP;
//! low: protocols without ports, and broad blocks (IPv4 /16 or shorter, IPv6 /48 or shorter). Informational, whatever
//! the ports, where the group is attached to no interface. ICMP rules are left alone: path MTU discovery and ping need
//! them. A rule from broad blocks that was used and is wider than its use is left to `permissive-rule`.
//!
//! Controls (Security Hub user guide, "Security Hub controls for Amazon EC2"): EC2.13 and EC2.14 (ports 22 and 3389 from
//! everybody), EC2.18 (only authorised ports, 80 and 443), EC2.19 (24 ports with high risk), EC2.53 and EC2.54 (remote
//! administration from 0.0.0.0/0, from ::/0).
//!
//! ## When it is wrong
//! A service that is meant for everybody on its own port (a VPN, a mail server, DNS) is told, too. Whether the interface
//! has a public address and a route is not asked. A prefix list counts by its entries.
//!
//! ## Tuning
//! An ignore list names groups that are meant to be open. `--skip open-rule` turns it off.
//!
//! ## What to do
//! Close administration and database ports to the internet: a VPN, Session Manager, or a prefix list of known addresses.
//! `exposed-service` says who came from outside and whether data went; `permissive-rule` what to narrow to;
//! `unused-rule` what can just go.

use std::collections::BTreeSet;

use ipnet::IpNet;
use serde_json::json;

use super::groups::{self, LISTED};
use super::rule_class::{address_bits, port_count};
use super::{Detector, Input, Meta, counted, finish, services};
use crate::finding::{Finding, FindingBuilder, Grade, Kind, Ports, RuleClass, RuleRow, Severity};
use crate::flow::{Direction, Protocol};
use crate::rollup::{GroupFacts, KnownService, RuleFacts, ServiceKind, service};

/// See the file's manual.
pub(super) struct OpenRule;

static META: Meta = Meta {
    id: "open-rule",
    kind: Kind::OpenRule,
    title: "security groups that let everybody in, or far too many",
    manual: include_str!("open_rule.rs"),
};

/// What is wrong with a rule, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    AllTraffic,
    Administration,
    Database,
    Sensitive,
    WideRange,
    UnusualPort,
    /// A protocol without ports.
    UnusualProtocol,
    BroadBlocks,
}

impl Fault {
    fn cause(self) -> &'static str {
        match self {
            Self::AllTraffic => "all-traffic",
            Self::Administration => "administration-ports",
            Self::Database => "database-ports",
            Self::Sensitive => "sensitive-ports",
            Self::WideRange => "wide-range",
            Self::UnusualPort => "unusual-port",
            Self::UnusualProtocol => "unusual-protocol",
            Self::BroadBlocks => "broad-blocks",
        }
    }

    fn severity(self) -> Severity {
        match self {
            Self::AllTraffic | Self::Administration | Self::Database | Self::Sensitive => Severity::High,
            Self::WideRange | Self::UnusualPort => Severity::Medium,
            Self::UnusualProtocol | Self::BroadBlocks => Severity::Low,
        }
    }
}

/// Ports from which on a range is wide, and very wide.
const WIDE: u32 = 16;
const VERY_WIDE: u32 = 1024;

impl Detector for OpenRule {
    fn meta(&self) -> &'static Meta {
        &META
    }

    fn detect(&self, input: &Input<'_>) -> Vec<Finding> {
        let groups = input.rollups.groups.iter();
        groups.filter_map(|group| finish(groups::about(describe(input, group)?, input, group))).collect()
    }
}

/// Services that do not belong on the internet and that a rule lets in.
fn sensitive(rule: &RuleFacts) -> Vec<&'static KnownService> {
    let (low, high) = rule.ports.unwrap_or((0, u16::MAX));
    let over = |protocol| rule.protocol.is_none_or(|p| p == protocol);
    let found = crate::rollup::services().iter().filter(|s| (low..=high).contains(&s.port));
    found
        .filter(|s| {
            [Protocol::TCP, Protocol::UDP].into_iter().any(|p| over(p) && service(p, s.port).is_some())
        })
        .collect()
}

fn fault(rule: &RuleFacts, row: &RuleRow) -> Option<Fault> {
    let blocks = rule.blocks.as_deref()?;
    if rule.direction != Direction::Inbound || rule.protocol.is_some_and(Protocol::is_icmp) {
        return None;
    }
    if blocks.iter().any(services::is_everyone) {
        let has = |kind: ServiceKind| sensitive(rule).iter().any(|s| s.class == kind);
        let Some(protocol) = rule.protocol else { return Some(Fault::AllTraffic) };
        if !protocol.has_ports() {
            return Some(Fault::UnusualProtocol);
        }
        if port_count(rule) > u32::from(u16::MAX) {
            return Some(Fault::AllTraffic);
        }
        return Some(if has(ServiceKind::Administration) {
            Fault::Administration
        } else if has(ServiceKind::Database) {
            Fault::Database
        } else if !sensitive(rule).is_empty() {
            Fault::Sensitive
        } else if port_count(rule) >= WIDE {
            Fault::WideRange
        } else if protocol == Protocol::TCP && matches!(rule.ports, Some((80, 80) | (443, 443))) {
            return None;
        } else {
            Fault::UnusualPort
        });
    }
    let broad = |net: &IpNet| match net {
        IpNet::V4(net) => net.prefix_len() <= 16,
        IpNet::V6(net) => net.prefix_len() <= 48,
    };
    let wide = rule.protocol.is_none_or(Protocol::has_ports) && port_count(rule) >= VERY_WIDE;
    (wide && blocks.iter().any(broad) && row.class != RuleClass::Permissive).then_some(Fault::BroadBlocks)
}

fn describe(input: &Input<'_>, group: &GroupFacts) -> Option<FindingBuilder> {
    let mut faulty: Vec<(Fault, &RuleFacts, &RuleRow)> =
        groups::rules(input, group).filter_map(|(rule, row)| Some((fault(rule, row)?, rule, row))).collect();
    // The worst first; of these the widest.
    let bits = |rule: &RuleFacts| address_bits(rule).unwrap_or(0.0);
    faulty.sort_by(|a, b| {
        a.0.cmp(&b.0).then(bits(b.1).total_cmp(&bits(a.1))).then_with(|| a.1.id.cmp(&b.1.id))
    });
    let &(worst, first, _) = faulty.first()?;
    let mut controls: BTreeSet<&str> = BTreeSet::new();
    let mut services: BTreeSet<(u16, &str)> = BTreeSet::new();
    let mut ports: Vec<Ports> = Vec::new();
    for (fault, rule, _) in &faulty {
        let tcp = rule.protocol.is_none_or(|p| p == Protocol::TCP);
        let (low, high) = rule.ports.unwrap_or((0, u16::MAX));
        controls.extend(services::controls(rule.blocks.as_deref().unwrap_or_default(), tcp, low, high));
        if *fault != Fault::BroadBlocks {
            services.extend(sensitive(rule).into_iter().map(|s| (s.port, s.name)));
        }
        if rule.protocol.is_none_or(Protocol::has_ports) {
            ports.push(super::sums::listed(low, high));
        }
    }
    ports.sort_unstable();
    ports.dedup();
    let used: Vec<_> = faulty.iter().filter(|(.., row)| row.connections > 0).collect();
    let connections: u64 = faulty.iter().map(|(.., row)| row.connections).sum();
    let severity = if group.interfaces.is_empty() { Severity::Informational } else { worst.severity() };
    let what = format!("{} {}", first.protocol_text, first.port_text);
    let what = if first.protocol.is_none() { "all traffic".to_owned() } else { what };
    let more = match faulty.len() {
        1 => String::new(),
        n => format!(", and {}", counted(n as u64 - 1, "more rule")),
    };
    let title = format!("{} lets in {what} from {}{more}", groups::name(group), first.peer_text);
    let summary = format!(
        "{} of {} used ({}); {}.",
        used.len(),
        match faulty.len() {
            1 => "1 such rule was".to_owned(),
            n => format!("{n} such rules were"),
        },
        counted(connections, "connection"),
        groups::attached(group),
    );
    let listed: Vec<_> = faulty
        .iter()
        .take(LISTED)
        .map(|(fault, rule, row)| {
            let mut told = groups::told(rule, row);
            told["fault"] = json!(fault.cause());
            told
        })
        .collect();
    let names: Vec<String> = services.iter().map(|(port, name)| format!("{port} {name}")).collect();
    let mut builder = FindingBuilder::new(META.id, META.kind, worst.cause())
        .rated(severity, Grade::Reliable)
        .told(title, summary)
        .service(Some(Direction::Inbound), Some(first.protocol_text.clone()), ports)
        .count("rules", faulty.len() as u64)
        .count("rules_used", used.len() as u64)
        .count("connections", connections)
        .evidence("rules", listed)
        .evidence("sensitive_ports_permitted", names)
        .next(format!(
            "narrow {} ({what} from {}) to the addresses and ports that need it",
            first.id, first.peer_text
        ));
    for control in controls {
        builder = builder.control(control);
    }
    let mut peers: Vec<String> = faulty.iter().map(|(_, rule, _)| rule.peer_text.clone()).collect();
    peers.sort();
    peers.dedup();
    let only = (faulty.len() == 1).then(|| first.id.clone());
    Some(builder.with(|f| {
        f.remotes = peers;
        f.rule_id = only;
    }))
}
