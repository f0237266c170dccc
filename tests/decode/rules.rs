//! What a line means: missing values, statuses, headers, and every way to be malformed.

use std::collections::BTreeMap;

use flowgate::decode::{DecodeOptions, FormatCandidate, LogFormat, SchemaProblem, TextDecoder};
use flowgate::flow::CaptureStatus::{NoData, SkipData};

use super::support::{Outcome, V2, all, decode, engine};

/// Decodes lines under a header.
fn under(header: &str, lines: &[&str]) -> Outcome {
    decode(format!("{header}\n{}\n", lines.join("\n")), &engine())
}

const GOOD: &str = "2 123456789010 eni-1 10.0.0.1 10.0.0.2 443 49152 6 10 840 100 160 ACCEPT OK";

/// [`GOOD`] with the value of one field replaced.
fn with(field: &str, value: &str) -> String {
    let at = V2.split(' ').position(|name| name == field).unwrap();
    let mut values: Vec<_> = GOOD.split(' ').collect();
    values[at] = value;
    values.join(" ")
}

#[test]
fn a_value_that_does_not_fit_names_its_field() {
    let cases = [
        ("srcaddr", "10.0.0.256", "srcaddr: \"10.0.0.256\" is not an IP address"),
        ("dstaddr", "host", "dstaddr: \"host\" is not an IP address"),
        ("srcport", "65536", "srcport: \"65536\" is not a number from 0 to 65535"),
        ("dstport", "-1", "dstport: \"-1\" is not a number from 0 to 65535"),
        ("protocol", "256", "protocol: \"256\" is not a number from 0 to 255"),
        ("packets", "1e3", "packets: \"1e3\" is not a number"),
        ("bytes", "18446744073709551616", "bytes: \"18446744073709551616\" is not a number"),
        ("start", "now", "start: \"now\" is not a Unix time"),
        ("end", "99999999999999999", "end: \"99999999999999999\" is not a Unix time"),
        ("action", "ALLOW", "action: \"ALLOW\" is not ACCEPT or REJECT"),
        ("action", "accept", "action: \"accept\" is not ACCEPT or REJECT"),
        ("log-status", "OKAY", "log-status: \"OKAY\" is not OK, NODATA or SKIPDATA"),
        ("end", "99", "end 99 is before start 100"),
        // Control characters separate like blanks, so none gets into a message.
        ("srcport", "\u{1b}[2J", "srcport: \"[2J\" is not a number from 0 to 65535"),
        ("srcport", "443 444", "expected 14 fields, found 15"),
        ("srcport", "x\u{7f}y", "srcport: \"x\\u{7f}y\" is not a number from 0 to 65535"),
    ];
    for (field, value, reason) in cases {
        let outcome = under(V2, &[GOOD, &with(field, value), GOOD]);
        assert_eq!((outcome.tally.records, outcome.tally.malformed), (2, 1), "{field} {value}");
        assert_eq!(outcome.reasons(), [(3, reason)]);
    }
}

#[test]
fn long_values_are_cut_in_messages() {
    let outcome = under(V2, &[&with("srcaddr", &"a".repeat(1000))]);
    let expected = format!("srcaddr: \"{}…\" is not an IP address", "a".repeat(40));
    assert_eq!(outcome.reasons(), [(2, expected.as_str())]);
    let outcome = under(V2, &[&with("interface-id", &"a".repeat(5000))]);
    assert_eq!(outcome.reasons(), [(2, "interface-id: longer than 4096 bytes")]);
}

#[test]
fn a_record_needs_its_values() {
    for field in ["srcaddr", "dstaddr", "protocol", "start", "end", "action"] {
        let outcome = under(V2, &[&with(field, "-")]);
        let reason = format!("{field}: missing in a record that needs it");
        assert_eq!(outcome.reasons(), [(2, reason.as_str())]);
    }
    assert_eq!(under(V2, &[&with("interface-id", "-")]).tally.malformed, 1);
    assert_eq!(under(V2, &[&with("srcport", "-")]).tally.malformed, 1);
    // Block public access leaves no bytes; ICMP has no ports.
    let outcome = under(V2, &[&with("bytes", "-"), &with("packets", "-")]);
    assert_eq!((outcome.value(0, "bytes"), outcome.value(0, "packets")), ("-", "10"));
    assert_eq!((outcome.value(1, "bytes"), outcome.value(1, "packets")), ("840", "-"));
    let icmp = "2 123456789010 eni-1 10.0.0.1 10.0.0.2 - - 1 10 840 100 160 ACCEPT OK";
    let outcome = under(V2, &[icmp]);
    assert_eq!((outcome.value(0, "srcport"), outcome.value(0, "dstport")), ("0", "0"));
}

#[test]
fn statuses_become_coverage() {
    let nodata = "2 123456789010 eni-2 - - - - - - - 100 160 - NODATA";
    let skipdata = "2 123456789010 eni-3 - - - - - - - 100 160 - SKIPDATA";
    let outcome = under(V2, &[GOOD, nodata, skipdata]);
    assert_eq!((outcome.tally.nodata, outcome.tally.skipdata, outcome.tally.records), (1, 1, 1));
    assert_eq!(
        outcome.coverage,
        [("eni-2".to_owned(), NoData, 100, 160), ("eni-3".to_owned(), SkipData, 100, 160)]
    );
    // Where no status is logged, an empty source says it.
    let header = V2.strip_suffix(" log-status").unwrap();
    let outcome =
        under(header, &[nodata.strip_suffix(" NODATA").unwrap(), GOOD.strip_suffix(" OK").unwrap()]);
    assert_eq!((outcome.tally.nodata, outcome.tally.records), (1, 1));
    // A gap that does not say where or when is no gap that can be shown.
    let outcome =
        under(V2, &["2 1 - - - - - - - - 100 160 - SKIPDATA", "2 1 eni-1 - - - - - - - - 160 - NODATA"]);
    assert_eq!(outcome.tally.malformed, 2);
}

#[test]
fn an_idle_row_needs_only_place_and_time() {
    let idle = "2 1 eni-2 host 1.2.3 99999 x 8080 1e3 -5 100 160 ALLOW NODATA";
    for options in [engine(), all()] {
        let commas = |text: &str| text.replace(' ', ",");
        for text in [
            format!("{V2}\n{idle}\n{GOOD}\n"),
            format!("{}\n{}\n{}\n", commas(V2), commas(idle), commas(GOOD)),
        ] {
            let outcome = decode(text, &options);
            assert_eq!((outcome.tally.nodata, outcome.tally.records, outcome.tally.malformed), (1, 1, 0));
            assert_eq!(outcome.coverage, [("eni-2".to_owned(), NoData, 100, 160)]);
        }
        // Also where the fault is in a column that the engine does not have.
        let outcome = decode(format!("{V2} traffic-path\n{idle} 300\n{GOOD} 8\n"), &options);
        assert_eq!((outcome.tally.nodata, outcome.tally.records, outcome.tally.malformed), (1, 1, 0));
    }
    // Without a status, a missing source says that the row is idle and a bad one does not.
    let header = V2.strip_suffix(" log-status").unwrap();
    let outcome = under(header, &["2 1 eni-2 - - x - - - - 100 160 -", "2 1 eni-2 x - x - - - - 100 160 -"]);
    assert_eq!((outcome.tally.nodata, outcome.tally.malformed), (1, 1));
    assert_eq!(outcome.reasons(), [(3, "srcaddr: \"x\" is not an IP address")]);
    // Place, time, status and number of values must be right.
    let outcome = under(
        V2,
        &[
            "2 1 eni-2 - - x - - - - now 160 - NODATA",
            "2 1 eni-2 - - x - - - - 200 160 - NODATA",
            "2 1 - - - x - - - - 100 160 - SKIPDATA",
            "2 1 eni-2 - - x - - - - 100 160 - NOTHING",
            "2 1 eni-2 - - x - - - 100 160 - NODATA",
        ],
    );
    assert_eq!(outcome.tally.malformed, 5);
    assert_eq!(
        outcome.reasons(),
        [
            (2, "start: \"now\" is not a Unix time"),
            (3, "end 160 is before start 200"),
            (4, "no interface: interface-id and resource-id are missing"),
            (5, "srcport: \"x\" is not a number from 0 to 65535"),
            (6, "expected 14 fields, found 13"),
        ]
    );
}

#[test]
fn blanks_do_not_matter() {
    let spaced = GOOD.replace(' ', "  ");
    let tabbed = GOOD.replace(' ', "\t");
    let text = format!("\r\n{V2}\r\n  {spaced}  \r\n\r\n \t\n{tabbed}\r\n{GOOD}");
    let outcome = decode(text, &engine());
    assert_eq!((outcome.tally.lines, outcome.tally.records), (3, 3));
    assert!(outcome.rows.iter().all(|row| *row == outcome.rows[0]));
}

#[test]
fn nothing_is_nothing() {
    for text in ["", "\n", " \r\n\n", V2] {
        assert_eq!(decode(text, &engine()), Outcome::default());
    }
}

#[test]
fn milliseconds_are_divided_down() {
    let line = GOOD.replace(" 100 160 ", " 1566848875123 1566848933999 ");
    let outcome = under(V2, &[&line, &GOOD.replace(" 100 160 ", " 0 100000000000 ")]);
    assert_eq!((outcome.value(0, "start"), outcome.value(0, "end")), ("1566848875", "1566848933"));
    assert_eq!((outcome.value(1, "start"), outcome.value(1, "end")), ("0", "100000000000"));
}

#[test]
fn headers_may_repeat_and_change_the_format() {
    let narrow = "interface-id srcaddr dstaddr srcport dstport protocol start end action";
    let row = "eni-9 10.0.0.9 ::1 1 2 17 5 6 REJECT";
    let text = format!("{V2}\n{GOOD}\n{V2}\n{GOOD}\n{narrow}\n{row}\n{narrow}\n{row}\n{V2}\n{GOOD}\n");
    let outcome = decode(text, &engine());
    assert_eq!((outcome.tally.lines, outcome.tally.records), (5, 5));
    assert_eq!(
        outcome.rows[3],
        "interface_id=eni-9 srcaddr=10.0.0.9 dstaddr=::1 srcport=1 dstport=2 protocol=17 start=5 end=6 action=1"
    );
    assert_eq!(outcome.rows[4], outcome.rows[0]);
}

#[test]
fn a_header_behind_a_refused_one_is_used() {
    let text = format!("srcaddr dstaddr\n10.0.0.1 10.0.0.2\n{V2}\n{GOOD}\ntgw-id\ntgw-1\n");
    let outcome = decode(text, &engine());
    assert_eq!((outcome.tally.records, outcome.tally.other_schema), (1, 2));
    assert!(matches!(outcome.problem, Some(SchemaProblem::MissingFields(_))));
}

#[test]
fn without_a_header_the_user_or_the_default_format_decides() {
    let outcome = decode(GOOD, &engine());
    assert_eq!((outcome.tally.records, outcome.problem), (1, None));

    let reversed: Vec<_> = GOOD.split(' ').rev().collect();
    let reversed = reversed.join(" ");
    let outcome = decode(&reversed, &engine());
    assert_eq!((outcome.tally.lines, outcome.tally.other_schema), (1, 1));
    assert_eq!(outcome.problem, Some(SchemaProblem::UnknownFormat));
    assert!(SchemaProblem::UnknownFormat.to_string().contains("--log-format"));

    let names: Vec<_> = V2.split(' ').rev().map(|name| format!("${{{name}}}")).collect();
    let log_formats = vec![FormatCandidate::user(LogFormat::parse(&names.join(" ")).unwrap())];
    let options = DecodeOptions { log_formats, ..engine() };
    assert_eq!(decode(&reversed, &options).rows, decode(GOOD, &engine()).rows);
    // A header in the log wins.
    assert_eq!(decode(format!("{V2}\n{GOOD}"), &options).rows, decode(GOOD, &engine()).rows);
}

#[test]
fn one_odd_line_in_front_does_not_lose_the_rest() {
    let outcome = decode(format!("# exported\n{GOOD}\n{GOOD}\n"), &engine());
    assert_eq!((outcome.tally.records, outcome.tally.other_schema), (2, 1));
    assert_eq!(outcome.problem, Some(SchemaProblem::UnknownFormat));
}

#[test]
fn unknown_fields_are_carried_along_and_counted() {
    let header = format!("{V2} quantum-state");
    let outcome = under(&header, &[&format!("{GOOD} up"), &format!("{GOOD} -"), "bogus"]);
    assert_eq!((outcome.tally.records, outcome.tally.malformed), (2, 1));
    assert_eq!(outcome.tally.unknown_fields, BTreeMap::from([("quantum-state".to_owned(), 3)]));
}

#[test]
fn only_the_first_five_malformed_lines_are_kept() {
    let outcome = under(V2, &["bad"; 8]);
    assert_eq!(outcome.tally.malformed, 8);
    let lines: Vec<_> = outcome.reasons().iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [2, 3, 4, 5, 6]);
}

#[test]
fn lines_too_long_are_malformed_and_skipped() {
    let options = DecodeOptions { max_line_bytes: 120, ..engine() };
    let text = format!("{V2}\n{GOOD}\n{}\n{GOOD}\n{}", "x".repeat(121), "y".repeat(500));
    let outcome = decode(text, &options);
    assert_eq!((outcome.tally.records, outcome.tally.malformed), (2, 2));
    assert_eq!(outcome.reasons(), [(3, "line longer than 120 bytes"), (5, "line longer than 120 bytes")]);
}

#[test]
fn texts_must_be_utf8() {
    let mut text = format!("{V2}\n{GOOD}\n").into_bytes();
    text.extend_from_slice(GOOD.replace("eni-1", "eni-\u{e9}").as_bytes());
    text.push(b'\n');
    text.extend(GOOD.replace("eni-1", "eni-?").bytes().map(|b| if b == b'?' { 0xff } else { b }));
    let outcome = decode(text, &engine());
    assert_eq!((outcome.tally.records, outcome.tally.malformed), (2, 1));
    assert_eq!(outcome.reasons(), [(4, "interface-id: \"eni-\u{fffd}\" is not UTF-8")]);
}

#[test]
fn a_regional_nat_gateway_is_its_own_interface() {
    let header = format!("{V2} resource-id subnet-id");
    let nat = format!("{} nat-1 -", with("interface-id", "-"));
    let nodata = "2 1 - - - - - - - - 100 160 - NODATA nat-1 -";
    let outcome = under(&header, &[&nat, &format!("{GOOD} - subnet-1"), nodata]);
    assert_eq!(outcome.value(0, "interface_id"), "nat-1");
    assert_eq!(outcome.value(1, "interface_id"), "eni-1");
    assert_eq!(outcome.coverage[0].0, "nat-1");
}

#[test]
fn interfaces_come_with_their_context() {
    let header = format!("{V2} vpc-id subnet-id instance-id region");
    let other = GOOD.replace("eni-1", "eni-2");
    let text =
        format!("{header}\n{GOOD} vpc-1 subnet-1 i-1 eu-west-1\n{other} vpc-2 - - -\n{GOOD} vpc-3 - - -\n");
    let mut decoder = TextDecoder::new(engine());
    assert_eq!(decoder.decode(text.as_bytes()).unwrap(), text.len());
    let batch = decoder.flush().unwrap().unwrap();
    let contexts = batch.contexts();
    assert_eq!(contexts.len(), 2);
    assert_eq!(contexts[0].account.as_deref(), Some("123456789010"));
    assert_eq!(contexts[0].vpc.as_deref(), Some("vpc-1"));
    assert_eq!(contexts[0].instance.as_deref(), Some("i-1"));
    assert_eq!(contexts[0].region.as_deref(), Some("eu-west-1"));
    assert_eq!((contexts[1].vpc.as_deref(), contexts[1].subnet.as_deref()), (Some("vpc-2"), None));
    batch.columns().expect("the engine's columns have their types");
}

#[test]
fn tags_are_decoded_and_flags_may_be_missing() {
    let header = format!("{V2} instance-tag tcp-flags");
    let text = format!("{header}\n{GOOD} web%20tier%2F%E2%82%AC 19\n{GOOD} %zz -\n{GOOD} - 300\n");
    let outcome = decode(text, &all());
    assert_eq!(outcome.tally.malformed, 1);
    assert!(outcome.rows[0].ends_with("instance_tag=web tier/€"));
    assert_eq!(outcome.value(0, "tcp_flags"), "19");
    assert_eq!((outcome.value(1, "instance_tag"), outcome.value(1, "tcp_flags")), ("%zz", "-"));
}

#[test]
fn comma_separated_with_quotes() {
    let header = V2.replace('-', "_").replace(' ', ",");
    let quoted = GOOD.split(' ').map(|v| format!("\"{v}\"")).collect::<Vec<_>>().join(",");
    let plain = GOOD.replace(' ', ",");
    let empty = with("bytes", "").replace(' ', ",");
    let short = plain.strip_suffix(",OK").unwrap();
    let outcome = under(&header, &[&plain, &quoted, &empty, short]);
    assert_eq!((outcome.tally.records, outcome.tally.malformed), (3, 1));
    assert_eq!(outcome.rows[0], outcome.rows[1]);
    assert_eq!(outcome.value(2, "bytes"), "-");
    assert_eq!(outcome.reasons(), [(5, "expected 14 fields, found 13")]);
}

#[test]
fn a_cut_line_is_not_trusted() {
    let mut decoder = TextDecoder::new(engine());
    // Without the end, 840 bytes might have been 8400.
    let text = format!("{V2}\n{GOOD}\n{GOOD}");
    decoder.decode(text.as_bytes()).unwrap();
    decoder.finish_truncated();
    assert_eq!(decoder.flush().unwrap().unwrap().len(), 1);
    let tally = decoder.tally();
    assert_eq!((tally.lines, tally.records, tally.malformed, tally.truncated), (2, 1, 1, 1));
    assert_eq!(tally.examples[0].line, 3);
    assert!(tally.is_conserved());
}

#[test]
fn a_byte_order_mark_is_ignored() {
    let outcome = decode(format!("\u{feff}{V2}\n{GOOD}\n"), &engine());
    assert_eq!((outcome.tally.lines, outcome.tally.records), (1, 1));
}

#[test]
fn columns_given_twice_are_read_once() {
    let outcome = under(&format!("{V2} srcport bytes"), &[&format!("{GOOD} 7 8")]);
    assert_eq!((outcome.value(0, "srcport"), outcome.value(0, "bytes")), ("443", "840"));
    let outcome = decode(format!("{V2} vpc-id vpc-id\n{GOOD} vpc-1 vpc-2\n"), &all());
    assert!(outcome.rows[0].ends_with(" vpc_id=vpc-1"), "{}", outcome.rows[0]);
}

/// The short way compares neighbouring texts with those of the row before. A row that it gives up after the
/// interface must not leave a trace.
#[test]
fn a_long_text_behind_the_interface_does_not_change_the_next_row() {
    let rest = "1.2.3.4 5.6.7.8 1 2 6 1 2 ACCEPT";
    let long = "x".repeat(1100);
    let mut text =
        "interface-id instance-tag srcaddr dstaddr srcport dstport protocol start end action\n".to_owned();
    for (eni, tag) in [("eni-1", "a"), ("eni-2", "a"), ("eni-1", "a"), ("eni-2", long.as_str())] {
        text += &format!("{eni} {tag} {rest}\n");
    }
    text += &format!("eni-1 a {rest}\n").repeat(40);
    let outcome = decode(&text, &engine());
    assert_eq!(outcome.tally.records, 44);
    let interfaces: Vec<&str> = (0..44).map(|row| outcome.value(row, "interface_id")).collect();
    assert_eq!(interfaces[..4], ["eni-1", "eni-2", "eni-1", "eni-2"]);
    assert!(interfaces[4..].iter().all(|interface| *interface == "eni-1"), "{interfaces:?}");
}
