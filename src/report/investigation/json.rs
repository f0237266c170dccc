//! `flowgate.investigation/v1`: an investigation for programs.

mod ends;

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use crate::investigate::{
    Change, FindingNote, Identity, InterfaceState, Investigation, Period, RuleState, Traffic,
};
use crate::report::json::write_pretty;
use crate::report::numbers::rfc3339;
use ends::{EndJson, TrafficJson};

/// Version of the object.
const SCHEMA: &str = "flowgate.investigation/v1";

/// Writes one object. Keys are always there; what is not known is null, what there is not is empty.
///
/// # Errors
/// Those of `out`.
pub fn write_investigation_json(told: &Investigation, out: &mut dyn Write) -> io::Result<()> {
    write_pretty(&Document::from(told), out)
}

fn time(seconds: Option<i64>) -> Option<String> {
    seconds.and_then(rfc3339)
}

fn day(day: u32) -> Option<String> {
    rfc3339(i64::from(day) * 86_400).map(|time| time.chars().take(10).collect())
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    subject: SubjectJson,
    found: bool,
    incomplete: bool,
    from: Option<String>,
    to: Option<String>,
    around: Option<AroundAsked>,
    store: StoreJson<'a>,
    identity: IdentityJson<'a>,
    ends: Vec<EndJson<'a>>,
    names: BTreeMap<String, NameJson<'a>>,
    findings: FindingsJson<'a>,
    changes: ChangesJson<'a>,
    limits: Vec<LimitJson<'a>>,
    nearest: Option<NearestJson<'a>>,
    next: Vec<NextJson<'a>>,
}

#[derive(Serialize)]
struct SubjectJson {
    kind: &'static str,
    text: String,
}

#[derive(Serialize)]
struct AroundAsked {
    time: Option<String>,
    span_seconds: i64,
}

#[derive(Serialize)]
struct StoreJson<'a> {
    name: &'a str,
    first_day: Option<String>,
    last_day: Option<String>,
    days_with_records: u64,
    connection_rows: u64,
    judged_by: &'a [String],
    lacks: &'a [&'static str],
}

#[derive(Serialize)]
struct IdentityJson<'a> {
    inside: Option<bool>,
    scope: Option<&'static str>,
    interfaces: Vec<InterfaceJson<'a>>,
    more_interfaces: u64,
    security_groups: Vec<GroupJson<'a>>,
    more_security_groups: u64,
    rules: Vec<RuleJson<'a>>,
    more_rules: u64,
    referenced_by: Vec<RuleJson<'a>>,
    more_references: u64,
    subnets: Vec<SubnetJson<'a>>,
}

#[derive(Serialize)]
struct PeriodJson {
    appeared_after: Option<String>,
    seen_from: Option<String>,
    seen_to: Option<String>,
    gone_by: Option<String>,
}

impl From<Period> for PeriodJson {
    fn from(period: Period) -> Self {
        Self {
            appeared_after: time(period.appeared_after),
            seen_from: time(period.seen_from),
            seen_to: time(period.seen_to),
            gone_by: time(period.gone_by),
        }
    }
}

#[derive(Serialize)]
struct InterfaceJson<'a> {
    interface: &'a str,
    name: &'a Option<String>,
    description: &'a Option<String>,
    kind: &'a Option<String>,
    instance: &'a Option<String>,
    account: &'a Option<String>,
    region: &'a Option<String>,
    vpc: &'a Option<String>,
    subnet: &'a Option<String>,
    addresses: &'a [String],
    public_addresses: &'a [String],
    security_groups: &'a [String],
    in_inventory: bool,
    #[serde(flatten)]
    period: PeriodJson,
}

impl<'a> From<&'a InterfaceState> for InterfaceJson<'a> {
    fn from(state: &'a InterfaceState) -> Self {
        Self {
            interface: &state.id,
            name: &state.name,
            description: &state.description,
            kind: &state.kind,
            instance: &state.instance,
            account: &state.account,
            region: &state.region,
            vpc: &state.vpc,
            subnet: &state.subnet,
            addresses: &state.addresses,
            public_addresses: &state.public_addresses,
            security_groups: &state.groups,
            in_inventory: state.in_inventory,
            period: state.period.into(),
        }
    }
}

#[derive(Serialize)]
struct GroupJson<'a> {
    security_group: &'a str,
    name: &'a Option<String>,
    vpc: &'a Option<String>,
    account: &'a Option<String>,
    current: bool,
}

#[derive(Serialize)]
struct RuleJson<'a> {
    rule_id: &'a str,
    security_group: &'a str,
    group_name: &'a Option<String>,
    direction: &'a str,
    protocol: &'a str,
    port_range: &'a str,
    peer: &'a str,
    description: &'a Option<String>,
    #[serde(flatten)]
    period: PeriodJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    used: Option<TrafficJson>,
}

impl<'a> RuleJson<'a> {
    fn new(rule: &'a RuleState, used: Option<&Traffic>) -> Self {
        Self {
            rule_id: &rule.id,
            security_group: &rule.group,
            group_name: &rule.group_name,
            direction: &rule.direction,
            protocol: &rule.protocol,
            port_range: &rule.port_range,
            peer: &rule.peer,
            description: &rule.description,
            period: rule.period.into(),
            used: used.map(TrafficJson::from),
        }
    }
}

#[derive(Serialize)]
struct SubnetJson<'a> {
    subnet: &'a str,
    name: &'a Option<String>,
    vpc: &'a Option<String>,
    networks: Vec<String>,
}

impl<'a> From<&'a Identity> for IdentityJson<'a> {
    fn from(id: &'a Identity) -> Self {
        Self {
            inside: id.inside,
            scope: id.scope,
            interfaces: id.interfaces.iter().map(InterfaceJson::from).collect(),
            more_interfaces: id.more_interfaces,
            security_groups: id
                .groups
                .iter()
                .map(|group| GroupJson {
                    security_group: &group.id,
                    name: &group.name,
                    vpc: &group.vpc,
                    account: &group.account,
                    current: group.current,
                })
                .collect(),
            more_security_groups: id.more_groups,
            rules: id.rules.iter().map(|(rule, used)| RuleJson::new(rule, Some(used))).collect(),
            more_rules: id.more_rules,
            referenced_by: id.referenced_by.iter().map(|rule| RuleJson::new(rule, None)).collect(),
            more_references: id.more_references,
            subnets: id
                .subnets
                .iter()
                .map(|subnet| SubnetJson {
                    subnet: &subnet.id,
                    name: &subnet.name,
                    vpc: &subnet.vpc,
                    networks: subnet.networks.iter().map(ToString::to_string).collect(),
                })
                .collect(),
        }
    }
}

#[derive(Serialize)]
struct NameJson<'a> {
    interface: &'a str,
    label: &'a Option<String>,
    instance: &'a Option<String>,
}

#[derive(Serialize)]
struct FindingsJson<'a> {
    kept: bool,
    list: Vec<FindingJson<'a>>,
    more: u64,
}

#[derive(Serialize)]
struct FindingJson<'a> {
    id: &'a str,
    detector: &'a str,
    kind: &'a str,
    severity: &'a str,
    grade: &'a str,
    title: &'a str,
    start: Option<String>,
    end: Option<String>,
    names: &'a str,
}

impl<'a> From<&'a FindingNote> for FindingJson<'a> {
    fn from(finding: &'a FindingNote) -> Self {
        Self {
            id: &finding.id,
            detector: &finding.detector,
            kind: &finding.kind,
            severity: &finding.severity,
            grade: &finding.grade,
            title: &finding.title,
            start: time(finding.start),
            end: time(finding.end),
            names: &finding.names,
        }
    }
}

#[derive(Serialize)]
struct ChangesJson<'a> {
    known: bool,
    list: Vec<ChangeJson<'a>>,
    more: u64,
}

#[derive(Serialize)]
struct ChangeJson<'a> {
    from: Option<String>,
    to: Option<String>,
    resource: &'a str,
    rule_id: &'a Option<String>,
    what: &'a str,
}

impl<'a> From<&'a Change> for ChangeJson<'a> {
    fn from(change: &'a Change) -> Self {
        Self {
            from: time(change.from),
            to: time(Some(change.to)),
            resource: &change.resource,
            rule_id: &change.rule,
            what: &change.what,
        }
    }
}

#[derive(Serialize)]
struct LimitJson<'a> {
    code: &'static str,
    text: &'a str,
    incomplete: bool,
}

#[derive(Serialize)]
struct NearestJson<'a> {
    configured: bool,
    block: Option<String>,
    block_connections: u64,
    ids: &'a [String],
}

#[derive(Serialize)]
struct NextJson<'a> {
    why: &'a str,
    words: &'a [String],
}

impl<'a> From<&'a Investigation> for Document<'a> {
    fn from(told: &'a Investigation) -> Self {
        let (request, held) = (&told.request, &told.held);
        Self {
            schema: SCHEMA,
            subject: SubjectJson { kind: request.subject.kind(), text: request.subject.to_string() },
            found: !told.views.is_empty(),
            incomplete: told.is_incomplete(),
            from: time(request.from),
            to: time(request.to),
            around: request
                .around
                .map(|(at, span_seconds)| AroundAsked { time: time(Some(at)), span_seconds }),
            store: StoreJson {
                name: &request.store,
                first_day: held.days.and_then(|(first, _)| day(first)),
                last_day: held.days.and_then(|(_, last)| day(last)),
                days_with_records: held.days_with_records,
                connection_rows: held.rows,
                judged_by: &held.judged_by,
                lacks: &held.lacks,
            },
            identity: (&told.identity).into(),
            ends: told.views.iter().map(EndJson::from).collect(),
            names: told
                .names
                .iter()
                .map(|(address, name)| {
                    let name =
                        NameJson { interface: &name.interface, label: &name.label, instance: &name.instance };
                    (address.to_string(), name)
                })
                .collect(),
            findings: FindingsJson {
                kept: told.findings.kept,
                list: told.findings.list.iter().map(FindingJson::from).collect(),
                more: told.findings.more,
            },
            changes: ChangesJson {
                known: told.changes.known,
                list: told.changes.list.iter().map(ChangeJson::from).collect(),
                more: told.changes.more,
            },
            limits: told
                .limits
                .iter()
                .map(|limit| LimitJson { code: limit.code, text: &limit.text, incomplete: limit.incomplete })
                .collect(),
            nearest: told.nothing.as_ref().map(|nothing| NearestJson {
                configured: nothing.configured,
                block: nothing.around.as_ref().map(|(block, _)| block.to_string()),
                block_connections: nothing.around.as_ref().map_or(0, |(_, n)| *n),
                ids: &nothing.known,
            }),
            next: told.next.iter().map(|step| NextJson { why: &step.why, words: &step.words }).collect(),
        }
    }
}
