//! OCSF: one Detection Finding (class 2004) a line, for security lakes and SIEMs.
//!
//! Version 1.5.0 of the schema (schema.ocsf.io, ocsf/ocsf-schema). The profile `cloud` is used where the account is
//! known. What the class has no place for is in `unmapped`.

use std::io::{self, Write};
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::json::{known, write_line};
use super::place::{Places, partition, subjects};
use super::{FormatOptions, Renderer};
use crate::finding::{Conclusions, Finding, Grade, Ports, Severity, Window};
use crate::flow::Direction;

const VERSION: &str = "1.5.0";
const CLASS: u32 = 2004;
/// Activity "Create".
const CREATE: u32 = 1;
/// Evidences and observables are for matching; all addresses are in `unmapped`.
const ADDRESSES: usize = 100;

pub(super) struct Ocsf<'a>(pub &'a FormatOptions<'a>);

impl Renderer for Ocsf<'_> {
    fn render(&self, conclusions: &Conclusions, out: &mut dyn Write) -> io::Result<()> {
        let places = Places::new(conclusions, self.0);
        let window = conclusions.summary.window;
        conclusions.findings.iter().try_for_each(|f| write_line(&event(f, &places, window), out))
    }
}

fn event(f: &Finding, places: &Places, window: Option<Window>) -> Value {
    let millis = |seconds: i64| seconds.saturating_mul(1000);
    let (start, end) = (f.start.or(window.map(|w| w.start)), f.end.or(window.map(|w| w.end)));
    let (account, region) = (places.account(f), places.region(f));
    let (severity_id, severity) = severity(f.severity);
    let (confidence_id, confidence) = confidence(f.grade);
    let resources = subjects(f).into_iter().map(|subject| {
        json!({
            "uid": subject.id,
            "type": subject.cloudformation,
            "region": region,
            "cloud_partition": region.map(partition),
        })
    });
    let cloud = account.map(|account| {
        json!({
            "provider": "AWS",
            "account": {"uid": account, "type": "AWS Account", "type_id": 10},
            "region": region,
        })
    });
    known(json!({
        "activity_id": CREATE,
        "activity_name": "Create",
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": CLASS,
        "class_name": "Detection Finding",
        "type_uid": CLASS * 100 + CREATE,
        "type_name": "Detection Finding: Create",
        "time": millis(end.or(start).unwrap_or_default()),
        "start_time": f.start.map(millis),
        "end_time": f.end.map(millis),
        "severity_id": severity_id,
        "severity": severity,
        "confidence_id": confidence_id,
        "confidence": confidence,
        "status_id": 1,
        "status": "New",
        "is_alert": f.severity >= Severity::High,
        "message": f.summary,
        "metadata": {
            "version": VERSION,
            "profiles": cloud.as_ref().map(|_| ["cloud"]),
            "uid": f.id,
            "event_code": f.cause,
            "log_name": "VPC Flow Logs",
            "product": {
                "name": "flowgate",
                "vendor_name": "flowgate",
                "version": env!("CARGO_PKG_VERSION"),
            },
        },
        "finding_info": {
            "uid": f.id,
            "title": f.title,
            "desc": f.summary,
            "types": [f.kind.as_str()],
            "analytic": {"type_id": 1, "type": "Rule", "uid": f.detector, "name": f.detector},
            "data_sources": ["VPC Flow Logs"],
            "first_seen_time": f.start.map(millis),
            "last_seen_time": f.end.map(millis),
        },
        "cloud": cloud,
        "resources": resources.map(known).collect::<Vec<_>>(),
        "evidences": evidences(f),
        "observables": observables(f),
        "remediation": (!f.next.is_empty()).then(|| json!({"desc": f.next.join("\n")})),
        "unmapped": {
            "kind": f.kind.as_str(),
            "cause": f.cause,
            "grade": f.grade.as_str(),
            "direction": f.direction.map(Direction::as_str),
            "protocol": f.protocol,
            "ports": f.ports.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "remotes": f.remotes,
            "controls": f.controls,
            "counts": f.counts,
            "evidence": f.evidence,
        },
    }))
}

/// `severity_id` and its caption.
fn severity(severity: Severity) -> (u32, &'static str) {
    match severity {
        Severity::Informational => (1, "Informational"),
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
        Severity::Critical => (5, "Critical"),
    }
}

/// `confidence_id` and its caption: how far the logs carry it.
fn confidence(grade: Grade) -> (u32, &'static str) {
    match grade {
        Grade::Reliable => (3, "High"),
        Grade::Weak => (1, "Low"),
        Grade::NotEvaluable => (0, "Unknown"),
    }
}

fn addresses(f: &Finding) -> impl Iterator<Item = IpAddr> {
    f.remotes.iter().filter_map(|remote| remote.parse::<IpAddr>().ok()).take(ADDRESSES)
}

/// What it rests on; a further one for each remote address beyond the first.
fn evidences(f: &Finding) -> Vec<Value> {
    let connection = f.direction.map(|direction| {
        json!({
            "direction_id": match direction { Direction::Inbound => 1, Direction::Outbound => 2 },
            "direction": match direction { Direction::Inbound => "Inbound", Direction::Outbound => "Outbound" },
            "protocol_name": f.protocol,
        })
    });
    let port = match f.ports[..] {
        [Ports::One(port)] => Some(port),
        _ => None,
    };
    // The service port belongs to the side that did not open the connection.
    let inbound = f.direction != Some(Direction::Outbound);
    let local = known(json!({
        "interface_uid": f.interfaces.first(),
        "instance_uid": f.instances.first().filter(|_| f.instances.len() == 1),
    }));
    let local = local.as_object().filter(|keys| !keys.is_empty()).map(|_| {
        let mut local = local.clone();
        local["vpc_uid"] = json!(f.vpc);
        local["port"] = json!(port.filter(|_| inbound));
        local
    });
    let one = |remote: Option<IpAddr>| {
        let remote = remote.map(|ip| json!({"ip": ip, "port": port.filter(|_| !inbound)}));
        let (src, dst) = if inbound { (remote, local.clone()) } else { (local.clone(), remote) };
        json!({"connection_info": connection, "src_endpoint": src, "dst_endpoint": dst})
    };
    let mut remotes = addresses(f);
    let mut first = one(remotes.next());
    first["data"] = json!({"counts": f.counts, "evidence": f.evidence});
    std::iter::once(first).chain(remotes.map(|ip| one(Some(ip)))).map(known).collect()
}

/// The remote addresses, for matching: type 2 is an IP address, 12 a subnet.
fn observables(f: &Finding) -> Vec<Value> {
    let typed = |remote: &String| match (remote.parse::<IpAddr>(), remote.parse::<IpNet>()) {
        (Ok(_), _) => Some((2, "IP Address")),
        (_, Ok(_)) => Some((12, "Subnet")),
        _ => None,
    };
    let observable = |remote: &String| {
        let (type_id, name) = typed(remote)?;
        Some(json!({"name": "unmapped.remotes", "type_id": type_id, "type": name, "value": remote}))
    };
    f.remotes.iter().filter_map(observable).take(ADDRESSES).collect()
}
