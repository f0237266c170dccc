//! Lines wrapped in JSON or behind a time give what the bare lines give.

use flowgate::decode::{DecodeOptions, Decoder};

use super::support::{decode, engine};

const A: &str = "2 123456789010 eni-1 10.0.0.1 10.0.0.2 443 49152 6 10 840 100 160 ACCEPT OK";
const B: &str = "2 123456789010 eni-2 - - - - - - - 100 160 - NODATA";
const C: &str = "2 123456789010 eni-3 10.0.0.3 10.0.0.4 22 49152 6 10 840 100 160 REJECT OK";

#[test]
fn every_wrapping_gives_the_same_rows() {
    let bare = decode(format!("{A}\n{B}\n{C}\n"), &engine());
    assert_eq!((bare.tally.lines, bare.rows.len(), bare.coverage.len()), (3, 2, 1));
    let events = |key: &str| {
        format!(
            r#""{key}":[{{"timestamp":1,"message":"{A}"}},{{"id":"2","message":"{B}\n"}},{{"message":"{C}"}}]"#
        )
    };
    let wrapped = [
        format!("{{\"message\":\"{A}\"}}\n{{\"message\":\"{B}\"}}\n{{\"message\":\"{C}\"}}\n"),
        format!("{{\"message\":\"{A}\"}}{{\"message\":\"{B}\\n\"}}{{\"message\":\"{C}\"}}"),
        format!("{{\"message\":\"{A}\\n{B}\\n{C}\"}}"),
        format!("\n  {{{}, \"nextToken\": \"t\"}}\n", events("events")),
        format!("{{\"messageType\":\"DATA_MESSAGE\",\"owner\":\"1\",{}}}", events("logEvents")),
        format!("2024-01-01T00:00:00.000Z {A}\n2024-01-01T00:00:01.000Z {B}\n2024-01-01T00:00:02.000Z {C}\n"),
    ];
    for text in wrapped {
        let outcome = decode(&text, &engine());
        assert_eq!(outcome, bare, "{text}");
    }
}

#[test]
fn health_checks_are_no_lines() {
    let control = r#"{"messageType":"CONTROL_MESSAGE","logEvents":[{"message":"CWL CONTROL MESSAGE: x"}]}"#;
    assert_eq!(decode(control, &engine()).tally.lines, 0);
    let outcome = decode(format!("{control}\n{{\"message\":\"{A}\"}}"), &engine());
    assert_eq!((outcome.tally.lines, outcome.tally.records), (1, 1));
}

#[test]
fn broken_documents_are_counted() {
    let text = format!(
        "{{\"message\":\"{A}\"}}\n{{\"message\":}}\n{{\"log\":\"{A}\"}}\n{{\"message\":\"bad\"}}\n{{\"message"
    );
    let outcome = decode(text, &engine());
    assert_eq!((outcome.tally.records, outcome.tally.malformed), (1, 4));
    assert_eq!(
        outcome.reasons(),
        [
            (2, "not JSON: unexpected '}'"),
            (3, "JSON object without a flow log message"),
            (4, "expected 14 fields, found 1"),
            (5, "JSON document ends early"),
        ]
    );
}

#[test]
fn long_messages_are_bounded() {
    let options = DecodeOptions { max_line_bytes: 200, ..engine() };
    let text = format!("{{\"message\":\"{}\"}}{{\"message\":\"{A}\"}}", "x".repeat(201));
    let outcome = decode(text, &options);
    assert_eq!((outcome.tally.records, outcome.tally.malformed), (1, 1));
}

#[test]
fn a_cut_document_is_truncated() {
    let mut decoder = Decoder::new(engine());
    let text = format!("{{\"message\":\"{A}\"}}{{\"message\":\"{A}");
    decoder.decode(text.as_bytes()).unwrap();
    decoder.finish_truncated().unwrap();
    assert_eq!(decoder.flush().unwrap().unwrap().len(), 1);
    assert_eq!((decoder.tally().lines, decoder.tally().truncated), (2, 1));
    assert!(decoder.tally().is_conserved());
}

/// Found by fuzzing: blanks that came in a chunk of their own were counted as lines.
#[test]
fn blanks_before_a_document_are_no_lines() {
    let options = DecodeOptions { max_line_bytes: 20, ..engine() };
    let outcome = decode(format!("\0\n{}\n  [\0", " ".repeat(30)), &options);
    assert_eq!(outcome.reasons(), [(1, "JSON document ends early")]);
    assert_eq!(outcome.tally.lines, 1);
}
