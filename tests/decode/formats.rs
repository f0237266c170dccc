//! Lines without a header: each in its own format, and none in one that is only as good as another.

use std::collections::BTreeMap;

use flowgate::decode::{
    DecodeOptions, Decoder, FormatCandidate, FormatOrigin, LogFormat, SchemaProblem, pump,
};
use proptest::prelude::*;

use super::support::{Outcome, V2, decode_once, engine, vector};

const V5: &str = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action \
    log-status vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr region az-id sublocation-type \
    sublocation-id pkt-src-aws-service pkt-dst-aws-service flow-direction traffic-path";
const BY_NAME: &str = "account-id action az-id bytes dstaddr dstport end flow-direction instance-id interface-id log-status \
    packets pkt-dst-aws-service pkt-dstaddr pkt-src-aws-service pkt-srcaddr protocol region srcaddr srcport start \
    sublocation-id sublocation-type subnet-id tcp-flags traffic-path type version vpc-id";
const TCP_FLAGS: &str = "version vpc-id subnet-id instance-id interface-id account-id type srcaddr dstaddr srcport dstport \
    pkt-srcaddr pkt-dstaddr protocol bytes packets start end action tcp-flags log-status";
const V3: &str = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action \
    log-status vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr";

/// What the fields of one line are.
#[derive(Clone, Debug)]
struct Facts {
    eni: u8,
    /// Nothing for a row without traffic.
    traffic: Option<Traffic>,
    skipped: bool,
    start: u64,
    length: u64,
}

#[derive(Clone, Debug)]
struct Traffic {
    source: u32,
    destination: u32,
    ports: (u16, u16),
    protocol: u8,
    packets: u64,
    accepted: bool,
    flags: u8,
    egress: bool,
}

/// The version that brought a field, for the few that are used here.
fn version_of(field: &str) -> u8 {
    match field {
        "vpc-id" | "subnet-id" | "instance-id" | "tcp-flags" | "type" | "pkt-srcaddr" | "pkt-dstaddr" => 3,
        "region" | "az-id" | "sublocation-type" | "sublocation-id" => 4,
        "pkt-src-aws-service" | "pkt-dst-aws-service" | "flow-direction" | "traffic-path" => 5,
        "reject-reason" => 8,
        _ => 2,
    }
}

/// A line as AWS would write it in this format.
fn write(facts: &Facts, format: &str) -> String {
    let version = format.split_whitespace().map(version_of).max().unwrap();
    let address = |bits: u32| std::net::Ipv4Addr::from_bits(bits).to_string();
    let value = |field: &str| -> String {
        let always = match field {
            "version" => Some(version.to_string()),
            "account-id" => Some("123456789010".to_owned()),
            "interface-id" => Some(format!("eni-0000000000000000{}", facts.eni)),
            "vpc-id" => Some("vpc-0461a061".to_owned()),
            "subnet-id" => Some(format!("subnet-089e756{}", facts.eni)),
            "region" => Some("us-east-1".to_owned()),
            "az-id" => Some("use1-az4".to_owned()),
            "start" => Some(facts.start.to_string()),
            "end" => Some((facts.start + facts.length).to_string()),
            "log-status" => Some(match (&facts.traffic, facts.skipped) {
                (Some(_), _) => "OK".to_owned(),
                (None, false) => "NODATA".to_owned(),
                (None, true) => "SKIPDATA".to_owned(),
            }),
            _ => None,
        };
        let Some(traffic) = &facts.traffic else { return always.unwrap_or_else(|| "-".to_owned()) };
        always.unwrap_or_else(|| match field {
            "srcaddr" | "pkt-srcaddr" => address(traffic.source),
            "dstaddr" | "pkt-dstaddr" => address(traffic.destination),
            "srcport" => traffic.ports.0.to_string(),
            "dstport" => traffic.ports.1.to_string(),
            "protocol" => traffic.protocol.to_string(),
            "packets" => traffic.packets.to_string(),
            "bytes" => (traffic.packets * 40).to_string(),
            "action" => if traffic.accepted { "ACCEPT" } else { "REJECT" }.to_owned(),
            "tcp-flags" => traffic.flags.to_string(),
            "flow-direction" => if traffic.egress { "egress" } else { "ingress" }.to_owned(),
            "instance-id" => "i-06f9249b".to_owned(),
            "type" => "IPv4".to_owned(),
            _ => "-".to_owned(),
        })
    };
    format.split_whitespace().map(value).collect::<Vec<_>>().join(" ")
}

fn facts() -> impl Strategy<Value = Facts> {
    let traffic =
        (any::<(u32, u32)>(), any::<(u16, u16)>(), 0..3_usize, 1..100_000_u64, any::<(bool, u8, bool)>())
            .prop_map(|((source, destination), ports, protocol, packets, (accepted, flags, egress))| {
                Traffic {
                    source,
                    destination,
                    ports,
                    protocol: [6, 17, 1][protocol],
                    packets,
                    accepted,
                    flags,
                    egress,
                }
            });
    (
        0..4_u8,
        prop::option::weighted(0.75, traffic),
        any::<bool>(),
        1_600_000_000..1_700_000_000_u64,
        0..60_u64,
    )
        .prop_map(|(eni, traffic, skipped, start, length)| Facts {
            eni,
            traffic,
            skipped,
            start,
            length,
        })
}

/// Some facts that are the same every time.
fn some(count: usize) -> Vec<Facts> {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    prop::collection::vec(facts(), count).new_tree(&mut runner).unwrap().current()
}

fn format(names: &str) -> LogFormat {
    LogFormat::parse(names).unwrap()
}

fn flow_logs(formats: &[&str]) -> DecodeOptions {
    let candidate =
        |(at, names): (usize, &&str)| FormatCandidate::flow_log(format!("fl-{at}"), format(names));
    DecodeOptions { log_formats: formats.iter().enumerate().map(candidate).collect(), ..engine() }
}

fn sorted(mut outcome: Outcome) -> Outcome {
    outcome.rows.sort();
    outcome.coverage.sort_by_key(|row| format!("{row:?}"));
    outcome
}

/// In batches and chunks of every size: rows of one format keep their order, so with the formats apart all
/// must be equal.
fn decode(lines: &[String], options: &DecodeOptions) -> Outcome {
    let text = lines.join("\n");
    let whole = sorted(decode_once(text.as_bytes(), options, text.len()));
    for batch_rows in [1, 3, 100] {
        for chunk in [1, 3, 5, 1000, text.len()] {
            let options = DecodeOptions { batch_rows, ..options.clone() };
            let outcome = sorted(decode_once(text.as_bytes(), &options, chunk));
            assert_eq!(outcome, whole, "batches of {batch_rows}, chunks of {chunk}");
        }
    }
    whole
}

fn used(lines: &[String], options: &DecodeOptions) -> Vec<(FormatOrigin, String, u64)> {
    let mut decoder = Decoder::new(options.clone());
    let all: Result<(), flowgate::decode::DecodeError> =
        pump(lines.join("\n").as_bytes(), &mut decoder, |_| Ok(()));
    all.unwrap();
    decoder.formats_used()
}

/// Every line with a header of its own in front: nothing to choose.
fn each_with_its_header(lines: &[(String, &str)]) -> Outcome {
    let mut by_format: BTreeMap<&str, String> = BTreeMap::new();
    for (line, format) in lines {
        let text = by_format.entry(format).or_insert_with(|| format!("{format}\n"));
        *text += &format!("{line}\n");
    }
    let mut whole = Outcome::default();
    for text in by_format.values() {
        let part = decode_once(text.as_bytes(), &engine(), text.len());
        whole.rows.extend(part.rows);
        whole.coverage.extend(part.coverage);
        whole.tally.merge(&part.tally);
    }
    sorted(whole)
}

/// Lines of the formats in turn, in runs of some length.
fn in_turn<'a>(facts: &[Facts], formats: &[&'a str], run: usize) -> Vec<(String, &'a str)> {
    let of = |(at, facts): (usize, &Facts)| {
        let names = formats[at / run % formats.len()];
        (write(facts, names), names)
    };
    facts.iter().enumerate().map(of).collect()
}

fn texts(lines: &[(String, &str)]) -> Vec<String> {
    lines.iter().map(|(line, _)| line.clone()).collect()
}

#[test]
fn formats_in_wide_use_are_told_apart() {
    let formats = [V2, V5, BY_NAME, TCP_FLAGS, V3];
    for run in [1, 2, 40] {
        let lines = in_turn(&some(300), &formats, run);
        let outcome = decode(&texts(&lines), &engine());
        assert_eq!(outcome, each_with_its_header(&lines), "runs of {run}");
        assert!(outcome.tally.records > 100 && outcome.tally.nodata > 20 && outcome.tally.skipdata > 20);
        let used = used(&texts(&lines), &engine());
        assert_eq!(used.len(), formats.len());
        for (origin, shown, count) in used {
            assert_eq!(origin, FormatOrigin::Known);
            let names = formats.iter().find(|names| format(names).to_string() == shown).unwrap();
            assert_eq!(count, lines.iter().filter(|(_, of)| of == names).count() as u64, "{names}");
        }
    }
}

#[test]
fn samples_without_their_header_are_as_with_it() {
    let samples = [
        "vectordotdev-vrl/v3_tcpflags_header.log",
        "vectordotdev-vrl/v5_traffic_path_header.log",
        "vectordotdev-vrl/v3_nat_gateway_6fields_header.log",
        "vectordotdev-vrl/v3_transit_gateway_appliance_header.log",
    ];
    for name in samples {
        let with = vector(name);
        let end = with.iter().position(|byte| *byte == b'\n').unwrap();
        let expected = decode_once(&with, &engine(), with.len());
        let outcome = decode_once(&with[end + 1..], &engine(), with.len());
        assert!(outcome.tally.lines > 0);
        assert_eq!(outcome, expected, "{name}");
    }
    // The last line of this one is bogus.
    let with = String::from_utf8(vector("obsrvbl-flowlogs-reader/v5_custom_header.log")).unwrap();
    let lines: Vec<String> = with.lines().skip(1).map(str::to_owned).collect();
    let outcome = decode(&lines, &engine());
    assert_eq!(outcome.tally.malformed, 1);
    assert_eq!(outcome.rows, sorted(decode_once(with.as_bytes(), &engine(), 99)).rows);
}

#[test]
fn the_user_wins_over_flow_logs_and_these_over_the_table() {
    let swapped = V2.replace("srcaddr dstaddr", "dstaddr srcaddr");
    let lines = in_turn(&some(40), &[&swapped], 1);
    let user = FormatCandidate::user(format(&swapped));
    let flow_log = FormatCandidate::flow_log("fl-7", format(V2));
    let known = FormatCandidate { origin: FormatOrigin::Known, format: format(V2) };
    let options = |log_formats: Vec<FormatCandidate>| DecodeOptions { log_formats, ..engine() };
    let right = each_with_its_header(&lines);
    let only_user = options(vec![flow_log.clone(), known.clone(), user]);
    assert_eq!(decode(&texts(&lines), &only_user), right);
    assert_eq!(used(&texts(&lines), &only_user), [(FormatOrigin::User, format(&swapped).to_string(), 40)]);
    let flow_log_too = FormatCandidate::flow_log("fl-8", format(&swapped));
    assert_eq!(decode(&texts(&lines), &options(vec![known, flow_log_too.clone()])), right);
    let both = used(&texts(&lines), &options(vec![flow_log_too.clone(), flow_log_too]));
    assert_eq!(both, [(FormatOrigin::FlowLog("fl-8".to_owned()), format(&swapped).to_string(), 40)]);
}

#[test]
fn what_fits_two_formats_equally_is_not_guessed() {
    let swapped = V2.replace("srcaddr dstaddr", "dstaddr srcaddr");
    let lines = texts(&in_turn(&some(40), &[V2], 1));
    let records = lines.iter().filter(|line| line.ends_with(" OK")).count() as u64;
    let known = |names: &str| FormatCandidate { origin: FormatOrigin::Known, format: format(names) };
    let table = DecodeOptions { log_formats: vec![known(V2), known(&swapped)], ..engine() };
    for options in [flow_logs(&[V2, &swapped]), table] {
        let outcome = decode(&lines, &options);
        assert_eq!((outcome.tally.records, outcome.tally.malformed), (0, records));
        assert!(outcome.reasons()[0].1.starts_with("ambiguous format: 2 formats"), "{:?}", outcome.reasons());
        // Where and when are the same in both.
        assert_eq!(outcome.tally.nodata + outcome.tally.skipdata, 40 - records);
        assert_eq!(outcome.coverage.len() as u64, 40 - records);
    }
    // Fields that the engine does not read are no matter of doubt.
    let one = format!("{V2} az-id region");
    let other = format!("{V2} az-id region").replace("version account-id", "account-id version");
    assert_ne!(one, other);
    let services = format!("{V2} pkt-src-aws-service pkt-dst-aws-service");
    let turned = format!("{V2} pkt-dst-aws-service pkt-src-aws-service");
    let lines = in_turn(&some(20), &[&services], 1);
    assert_eq!(decode(&texts(&lines), &flow_logs(&[&turned, &services])), each_with_its_header(&lines));
}

#[test]
fn a_format_that_was_sure_before_takes_what_is_not() {
    let other = V2.replace("srcport", "x").replace("packets", "srcport").replace('x', "packets");
    let line = |port: u64, packets: u64| {
        let bytes = 100_000_000;
        format!(
            "2 123456789010 eni-1 1.2.3.4 5.6.7.8 {port} 443 6 {packets} {bytes} 1600000000 1600000009 ACCEPT OK"
        )
    };
    // No port is above 65535.
    let (unsure, default, turned) = (line(1000, 2000), line(1000, 70_000), line(70_000, 1000));
    let count = |lines: &[&String]| {
        let lines: Vec<String> = lines.iter().map(|line| (*line).clone()).collect();
        let outcome = decode(&lines, &flow_logs(&[V2, &other]));
        (outcome.tally.records, outcome.tally.malformed, outcome.rows)
    };
    assert_eq!(count(&[&unsure]).1, 1);
    let (records, malformed, rows) = count(&[&unsure, &default, &unsure, &unsure]);
    assert_eq!((records, malformed), (3, 1));
    assert!(rows.iter().all(|row| row.contains("srcport=1000")), "{rows:?}");
    let (records, malformed, rows) = count(&[&turned, &unsure]);
    assert_eq!((records, malformed), (2, 0));
    assert!(rows.iter().any(|row| row.contains("srcport=2000")), "{rows:?}");
    // Both were sure for a line: nothing tells any more.
    let (records, malformed, _) = count(&[&turned, &default, &unsure, &turned]);
    assert_eq!((records, malformed), (3, 1));
}

#[test]
fn the_version_tells_formats_apart() {
    let (third, fourth) = (format!("{V2} vpc-id instance-id"), format!("{V2} region instance-id"));
    let lines = in_turn(&some(60), &[&third, &fourth], 1);
    assert_eq!(decode(&texts(&lines), &flow_logs(&[&third, &fourth])), each_with_its_header(&lines));
    // A line of a version that no flow log of these has is of another one, deleted since.
    let outcome = decode(&texts(&lines), &flow_logs(&[&third]));
    assert_eq!((outcome.tally.malformed, outcome.tally.lines), (30, 60));
    let reason = outcome.reasons()[0].1;
    assert!(reason.starts_with("in none of the ") && reason.contains("--log-format"), "{reason}");
}

#[test]
fn lines_of_no_format_say_so() {
    // 29 fields that no format in wide use has in this order.
    let rare = V5.replace("srcaddr dstaddr srcport", "srcport srcaddr dstaddr");
    let lines = texts(&in_turn(&some(6), &[&rare], 1));
    let outcome = decode(&lines, &flow_logs(&[V2, V3]));
    // Of a NODATA row, place and time are where they are in the known format.
    assert_eq!((outcome.tally.records, outcome.tally.malformed + outcome.tally.nodata), (0, 6));
    assert!(outcome.reasons()[0].1.starts_with("in none of the "), "{:?}", outcome.reasons());
    assert_eq!(outcome.problem, None);
    let short = vec!["2 3 4".to_owned()];
    let outcome = decode(&short, &flow_logs(&[V2, V3]));
    assert!(outcome.reasons()[0].1.starts_with("3 fields, but the formats looked for have "));
    let odd = vec!["a line of something else".to_owned()];
    assert_eq!(decode(&odd, &engine()).problem, Some(SchemaProblem::UnknownFormat));
    assert_eq!(used(&odd, &engine()), []);
}

#[test]
fn what_fits_no_flow_log_may_be_of_one_deleted_since() {
    let swapped = V2.replace("srcaddr dstaddr", "dstaddr srcaddr");
    let lines = in_turn(&some(40), &[&swapped, V5], 1);
    let options = flow_logs(&[&swapped]);
    assert_eq!(decode(&texts(&lines), &options), each_with_its_header(&lines));
    let used: Vec<(String, u64)> = used(&texts(&lines), &options)
        .into_iter()
        .map(|(origin, _, lines)| (origin.to_string(), lines))
        .collect();
    assert_eq!(used, [("flow log fl-0".to_owned(), 20), ("formats in wide use".to_owned(), 20)]);
    // The swapped format has as many fields as the default one, and both fit: the flow log's counts.
    let alone = in_turn(&some(10), &[&swapped], 1);
    assert_eq!(decode(&texts(&alone), &options), each_with_its_header(&alone));
    // What the user gave counts alone.
    let user = DecodeOptions {
        log_formats: vec![FormatCandidate::user(LogFormat::parse(&swapped).unwrap())],
        ..engine()
    };
    assert_eq!(decode(&texts(&lines), &user).tally.malformed, 20);
}

#[test]
fn formats_that_cannot_be_used_are_counted_as_such() {
    let narrow = "version account-id interface-id srcaddr dstaddr start end log-status";
    let gateway = "version resource-type account-id tgw-id srcaddr dstaddr start end log-status";
    let mut lines = texts(&in_turn(&some(40), &[V2, narrow], 1));
    lines.push("6 TransitGateway 123456789010 tgw-1 1.2.3.4 5.6.7.8 1600000000 1600000009 OK".to_owned());
    let options = flow_logs(&[narrow, V2, gateway]);
    let outcome = decode(&lines, &options);
    assert_eq!((outcome.tally.lines, outcome.tally.other_schema, outcome.tally.malformed), (41, 21, 0));
    assert!(matches!(outcome.problem, Some(SchemaProblem::MissingFields(_))));
    let counts: Vec<u64> = used(&lines, &options).into_iter().map(|(.., lines)| lines).collect();
    assert_eq!(counts, [20, 20, 1]);
}

#[test]
fn a_header_ends_the_choice() {
    let facts = some(30);
    let mut lines = texts(&in_turn(&facts, &[V2, V5], 1));
    let swapped = V2.replace("srcaddr dstaddr", "dstaddr srcaddr");
    lines.push(swapped.clone());
    lines.extend(texts(&in_turn(&facts, &[&swapped], 1)));
    lines.push("1 2 3".to_owned());
    let outcome = decode(&lines, &engine());
    let mut apart = in_turn(&facts, &[V2, V5], 1);
    apart.extend(in_turn(&facts, &[&swapped], 1));
    let expected = each_with_its_header(&apart);
    assert_eq!((&outcome.rows, &outcome.coverage), (&expected.rows, &expected.coverage));
    assert_eq!(outcome.reasons(), [(62, "expected 14 fields, found 3")]);
    let counts: Vec<u64> = used(&lines, &engine()).into_iter().map(|(.., lines)| lines).collect();
    assert_eq!(counts, [15, 15]);
    // With a header there was nothing to choose.
    assert_eq!(used(&[V2.to_owned(), lines[0].clone()], &engine()), []);
}

#[test]
fn messages_in_json_and_lines_with_times_choose_too() {
    let lines = in_turn(&some(50), &[V2, TCP_FLAGS, V3], 1);
    let expected = each_with_its_header(&lines);
    let event = |line: &String| format!("{{\"timestamp\":1,\"message\":\"{line}\"}}");
    let json = format!("{{\"events\":[{}]}}", texts(&lines).iter().map(event).collect::<Vec<_>>().join(","));
    assert_eq!(decode(&[json], &engine()), expected);
    let timed: Vec<String> = texts(&lines).iter().map(|l| format!("2024-01-01T00:00:00.000Z {l}")).collect();
    assert_eq!(decode(&timed, &engine()), expected);
}

const NEEDED: [&str; 10] = [
    "interface-id",
    "srcaddr",
    "dstaddr",
    "srcport",
    "dstport",
    "protocol",
    "start",
    "end",
    "action",
    "log-status",
];
const OTHERS: [&str; 16] = [
    "version",
    "account-id",
    "packets",
    "bytes",
    "vpc-id",
    "subnet-id",
    "instance-id",
    "tcp-flags",
    "type",
    "pkt-srcaddr",
    "pkt-dstaddr",
    "region",
    "az-id",
    "flow-direction",
    "traffic-path",
    "reject-reason",
];

/// What kind of value every record has there; `None` where it may have none or where it is any text.
fn kind(field: &str) -> Option<char> {
    match field {
        "interface-id" => Some('i'),
        "srcaddr" | "dstaddr" => Some('a'),
        "srcport" | "dstport" | "protocol" | "start" | "end" | "packets" | "bytes" => Some('n'),
        "action" => Some('w'),
        "log-status" => Some('s'),
        _ => None,
    }
}

/// True if a record of one cannot be a line of the other, either way.
fn identifiable(one: &[&str], other: &[&str]) -> bool {
    let differ = |(a, b): (&&str, &&str)| matches!((kind(a), kind(b)), (Some(a), Some(b)) if a != b);
    one.len() != other.len() || one.iter().zip(other).any(differ)
}

/// The needed fields and some others, in any order.
fn fields() -> impl Strategy<Value = Vec<&'static str>> {
    // Few of the others, so that lengths are often the same.
    prop::sample::subsequence(OTHERS.to_vec(), 0..4)
        .prop_map(|others| NEEDED.iter().copied().chain(others).collect::<Vec<_>>())
        .prop_shuffle()
}

/// One order with a few places exchanged: the hard case.
fn relatives() -> impl Strategy<Value = Vec<Vec<&'static str>>> {
    let swaps = prop::collection::vec(any::<(prop::sample::Index, prop::sample::Index)>(), 1..4);
    (fields(), prop::collection::vec(swaps, 1..4)).prop_map(|(first, others)| {
        let mut out = vec![first.clone()];
        for swaps in others {
            let mut next = first.clone();
            for (a, b) in swaps {
                let (a, b) = (a.index(next.len()), b.index(next.len()));
                next.swap(a, b);
            }
            out.push(next);
        }
        out
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_line_is_decoded_in_its_own_format(
        formats in prop_oneof![prop::collection::vec(fields(), 1..5), relatives()],
        facts in prop::collection::vec((facts(), any::<prop::sample::Index>()), 1..40),
        batch_rows in 1..20_usize,
        chunk in 1..400_usize,
        user: bool,
    ) {
        // Those that can be told apart.
        let mut kept: Vec<Vec<&str>> = Vec::new();
        for format in formats {
            if kept.iter().all(|other| identifiable(other, &format)) {
                kept.push(format);
            }
        }
        let names: Vec<String> = kept.iter().map(|fields| fields.join(" ")).collect();
        let formats: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut options = flow_logs(&formats);
        if user {
            options.log_formats.iter_mut().for_each(|candidate| candidate.origin = FormatOrigin::User);
        }
        let lines: Vec<(String, &str)> = facts
            .iter()
            .map(|(facts, index)| {
                let names = formats[index.index(formats.len())];
                (write(facts, names), names)
            })
            .collect();
        let text = texts(&lines).join("\n");
        let expected = each_with_its_header(&lines);
        let outcome = sorted(decode_once(text.as_bytes(), &DecodeOptions { batch_rows, ..options.clone() }, chunk));
        prop_assert_eq!(&outcome, &expected);
        let total: u64 = used(&texts(&lines), &options).iter().map(|(.., lines)| lines).sum();
        prop_assert_eq!(total, lines.len() as u64);
    }

    /// Whatever the candidates and the lines: sizes do not matter, nothing is lost, and in the same format
    /// a line is never another record than with its header.
    #[test]
    fn any_candidates_any_lines(
        formats in prop_oneof![prop::collection::vec(fields(), 0..5), relatives()],
        facts in prop::collection::vec((facts(), any::<prop::sample::Index>(), 0..12_u8), 0..30),
        sizes in prop::collection::vec((1..9_usize, 1..300_usize), 3),
    ) {
        let names: Vec<String> = formats.iter().map(|fields| fields.join(" ")).collect();
        let given: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut written = given.clone();
        written.extend([V2, V3, BY_NAME]);
        let lines: Vec<String> = facts
            .iter()
            .map(|(facts, index, damage)| {
                let line = write(facts, written[index.index(written.len())]);
                match damage {
                    0 => line[..index.index(line.len())].to_owned(),
                    1 => line.replace(" OK", " NODATA"),
                    2 => line.replacen(" eni-", " 10.", 1),
                    3 => line.replacen("1", "99999", 1),
                    4 => format!("{line} x"),
                    _ => line,
                }
            })
            .collect();
        let text = lines.join("\n");
        // What begins with a word and nothing else may be a header.
        prop_assume!(lines.iter().all(|line| LogFormat::from_header(line.as_bytes()).is_none()));
        let base = flow_logs(&given);
        let whole = sorted(decode_once(text.as_bytes(), &base, text.len()));
        for (batch_rows, chunk) in sizes {
            let options = DecodeOptions { batch_rows, ..base.clone() };
            prop_assert_eq!(&sorted(decode_once(text.as_bytes(), &options, chunk)), &whole);
        }
        let counted = lines.iter().filter(|line| !line.trim().is_empty()).count() as u64;
        prop_assert_eq!(whole.tally.lines, counted);
    }
}
