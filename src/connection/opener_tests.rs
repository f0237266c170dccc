//! One table row per kind of evidence.

use super::*;
use crate::connection::record::Body;
use crate::connection::segment::{Terms, segments};
use crate::flow::Action;
use crate::inventory::ConnectionTracking;

fn record(direction: usize, start: u32, end: u32, action: Action, flags: Option<u8>) -> (Body, usize) {
    let mut body = Body::new(6, start, end, 3, 180);
    body.set_action(action);
    if let Some(flags) = flags {
        body.set_flags(flags);
    }
    (body, direction)
}

fn cut(records: &[(Body, usize)]) -> Vec<Segment> {
    let mut out = Vec::new();
    let tracking = ConnectionTracking::default();
    let terms = Terms { protocol: Protocol::TCP, tracking: &tracking, watched_since: 0 };
    segments(records.iter().copied(), &terms, &mut out);
    out
}

fn opener(records: &[(Body, usize)], ports: (u16, u16), hints: Hints) -> (Option<Direction>, Evidence) {
    let cut = cut(records);
    assert_eq!(cut.len(), 1, "{cut:#?}");
    let context = Context { protocol: Protocol::TCP, local_port: ports.0, remote_port: ports.1 };
    let fans = Fans { local: hints.local_fan, remote: hints.remote_fan };
    decide(&cut[0], &context, || (hints.inbound, hints.outbound), || fans)
}

#[derive(Clone, Copy)]
struct Hints {
    inbound: Fit,
    outbound: Fit,
    local_fan: u32,
    remote_fan: u32,
}

fn hints(inbound: Fit, outbound: Fit, local_fan: u32, remote_fan: u32) -> Hints {
    Hints { inbound, outbound, local_fan, remote_fan }
}

const SILENT: Hints = Hints { inbound: Fit::Unknown, outbound: Fit::Unknown, local_fan: 1, remote_fan: 1 };
use Action::{Accept, Reject};

fn both_ways() -> [(Body, usize); 2] {
    [record(IN, 100, 150, Accept, None), record(OUT, 100, 150, Accept, None)]
}

#[test]
fn handshake_proves() {
    let syn_in = [record(IN, 100, 150, Accept, Some(3)), record(OUT, 100, 150, Accept, Some(19))];
    assert_eq!(opener(&syn_in, (1, 1), SILENT), (Some(Direction::Inbound), Evidence::TcpFlags));
    let only_syn_ack = [record(IN, 100, 150, Accept, Some(18)), record(OUT, 100, 150, Accept, Some(0))];
    assert_eq!(opener(&only_syn_ack, (443, 50000), SILENT), (Some(Direction::Outbound), Evidence::TcpFlags));
}

#[test]
fn backscatter_is_opened_by_its_source() {
    let rejected_syn_ack = [record(IN, 100, 100, Reject, Some(18))];
    assert_eq!(opener(&rejected_syn_ack, (50000, 80), SILENT), (Some(Direction::Inbound), Evidence::OneWay));
}

#[test]
fn blocked_reply_names_the_accepted_side() {
    let blocked = [record(IN, 100, 150, Accept, None), record(OUT, 100, 150, Reject, None)];
    assert_eq!(opener(&blocked, (9, 9), SILENT), (Some(Direction::Inbound), Evidence::OneWay));
}

#[test]
fn order_needs_more_than_the_uncertainty() {
    let apart = |gap: u32| [record(OUT, 100, 400, Accept, None), record(IN, 100 + gap, 400, Accept, None)];
    assert_eq!(opener(&apart(61), (9, 9), SILENT), (Some(Direction::Outbound), Evidence::Order));
    assert_eq!(opener(&apart(60), (9998, 9999), SILENT), (None, Evidence::None));
}

#[test]
fn policy_needs_support() {
    let only_out = |l, r| hints(Fit::Refused, Fit::Broad, l, r);
    let both = both_ways();
    assert_eq!(opener(&both, (50000, 443), only_out(1, 1)), (Some(Direction::Outbound), Evidence::Policy));
    assert_eq!(opener(&both, (50000, 51000), only_out(1, 1)), (None, Evidence::None));
    assert_eq!(opener(&both, (50000, 51000), only_out(1, 5)), (Some(Direction::Outbound), Evidence::Policy));
    let specific = hints(Fit::Refused, Fit::Specific, 1, 1);
    assert_eq!(opener(&both, (50000, 51000), specific), (Some(Direction::Outbound), Evidence::Policy));
    assert_eq!(opener(&both, (123, 123), only_out(4, 1)), (None, Evidence::None));
    assert_eq!(opener(&both, (123, 123), only_out(1, 1)), (Some(Direction::Outbound), Evidence::Policy));
    assert_eq!(
        opener(&both, (22, 50000), only_out(9, 1)),
        (Some(Direction::Inbound), Evidence::FanIn),
        "an unexplained service with many peers is not cleared by an allow-all egress rule"
    );
}

#[test]
fn fan_in_beats_ports_but_ports_break_silence() {
    let both = both_ways();
    let open = |l, r| hints(Fit::Broad, Fit::Broad, l, r);
    assert_eq!(opener(&both, (700, 51000), open(1, 9)), (Some(Direction::Outbound), Evidence::FanIn));
    assert_eq!(opener(&both, (443, 51000), open(1, 1)), (Some(Direction::Inbound), Evidence::ServicePort));
    assert_eq!(opener(&both, (50001, 51000), open(1, 1)), (None, Evidence::None));
    let rule = hints(Fit::Specific, Fit::Broad, 1, 1);
    assert_eq!(opener(&both, (51080, 700), rule), (Some(Direction::Inbound), Evidence::ConfiguredService));
}

#[test]
fn a_lone_reply_is_not_an_opening() {
    let inward = [record(IN, 100, 150, Accept, None)];
    let lone = |ports, hints| opener(&inward, ports, hints);
    assert_eq!(lone((443, 50000), SILENT), (Some(Direction::Inbound), Evidence::OneWay));
    assert_eq!(lone((5060, 53), SILENT), (Some(Direction::Inbound), Evidence::OneWay), "a scan from port 53");
    let answered = hints(Fit::Refused, Fit::Broad, 0, 9);
    assert_eq!(lone((50000, 51080), answered), (Some(Direction::Outbound), Evidence::FanIn));
    let only_out = hints(Fit::Refused, Fit::Broad, 0, 0);
    assert_eq!(lone((50000, 443), only_out), (Some(Direction::Outbound), Evidence::Policy));
    assert_eq!(lone((50000, 51080), only_out), (None, Evidence::None), "nothing accuses, nothing clears");
    let neither = hints(Fit::Refused, Fit::Refused, 0, 0);
    assert_eq!(lone((50000, 51080), neither), (Some(Direction::Inbound), Evidence::OneWay));
}

#[test]
fn symmetric_ports_tell_nothing() {
    let rule = hints(Fit::Specific, Fit::Broad, 1, 1);
    assert_eq!(opener(&both_ways(), (7946, 7946), rule), (None, Evidence::None));
    let later = [record(OUT, 100, 150, Accept, None), record(IN, 101, 150, Accept, None)];
    assert_eq!(opener(&later, (7946, 7946), rule), (None, Evidence::None), "a second is within the error");
}

#[test]
fn connections_are_cut_at_new_syns_and_idle_gaps_only() {
    let reuse = [
        record(IN, 100, 110, Accept, Some(3)),
        record(OUT, 100, 110, Accept, Some(19)),
        record(IN, 400, 410, Accept, Some(3)),
        record(OUT, 400, 410, Accept, Some(19)),
    ];
    assert_eq!(cut(&reuse).len(), 2);
    let long = [
        record(IN, 100, 158, Accept, Some(2)),
        record(OUT, 100, 158, Accept, Some(18)),
        record(IN, 160, 218, Accept, Some(0)),
        record(OUT, 160, 218, Accept, Some(0)),
        record(IN, 9000, 9010, Accept, Some(1)),
    ];
    assert_eq!(cut(&long).len(), 1);
    let retries = [record(IN, 100, 107, Reject, Some(2)), record(IN, 131, 131, Reject, Some(2))];
    assert_eq!(cut(&retries).len(), 1, "retransmitted SYNs are one attempt");
    let again = [record(IN, 100, 107, Reject, Some(2)), record(IN, 700, 700, Reject, Some(2))];
    assert_eq!(cut(&again).len(), 2);
}

#[test]
fn late_packets_are_set_apart() {
    let late = [
        record(IN, 100, 110, Accept, Some(3)),
        record(OUT, 100, 110, Accept, Some(19)),
        record(IN, 130, 130, Reject, Some(4)),
    ];
    let cut = cut(&late);
    assert_eq!(cut.len(), 1);
    assert_eq!(cut[0].late.records, 1);
    assert!(!cut[0].parts[IN][1].any());
}

#[test]
fn rejected_then_accepted_are_two() {
    let opened = [record(IN, 100, 100, Reject, Some(2)), record(IN, 164, 170, Accept, Some(2))];
    assert_eq!(cut(&opened).len(), 2);
}
