//! Properties: nothing is lost, nothing panics, sizes do not matter.

use bytes::Bytes;
use flowgate::decode::{DecodeError, DecodeOptions, LogFormat, ParquetDecoder, Projection, pump, reader};
use proptest::prelude::*;

use super::support::{V2, all, decode_once, engine};

/// Lines of all sorts: good, idle, cut, garbled, headers, blanks and noise.
fn line() -> impl Strategy<Value = String> {
    let address = prop_oneof![
        any::<[u8; 4]>().prop_map(|[a, b, c, d]| format!("{a}.{b}.{c}.{d}")),
        any::<u128>().prop_map(|bits| std::net::Ipv6Addr::from_bits(bits).to_string()),
        Just("-".to_owned()),
    ];
    let good = (0..4_u8, address.clone(), address, any::<(u16, u16, u8)>(), 0..1_000_000_u64, 0..9_u64).prop_map(
        |(interface, source, destination, (from, to, protocol), start, length)| {
            let action = if from % 2 == 0 { "ACCEPT" } else { "REJECT" };
            let end = start + length;
            format!("2 1 eni-{interface} {source} {destination} {from} {to} {protocol} 1 40 {start} {end} {action} OK")
        },
    );
    let cut = (good.clone(), any::<prop::sample::Index>())
        .prop_map(|(line, at)| line[..at.index(line.len())].to_owned());
    let garbled = (good.clone(), any::<prop::sample::Index>(), any::<char>()).prop_map(|(line, at, with)| {
        let at = at.index(line.len());
        format!("{}{with}{}", &line[..at], &line[at + 1..])
    });
    prop_oneof![
        6 => good,
        2 => Just("2 1 eni-1 - - - - - - - 5 6 - NODATA".to_owned()),
        1 => Just("2 1 eni-1 - - - - - - - 5 6 - SKIPDATA".to_owned()),
        1 => cut,
        1 => garbled,
        1 => Just(V2.to_owned()),
        1 => Just("srcaddr dstaddr new-field".to_owned()),
        1 => Just("interface-id srcaddr dstaddr srcport dstport protocol start end action type".to_owned()),
        1 => Just("eni-7 1.2.3.4 5.6.7.8 1 2 17 3 4 ACCEPT IPv4".to_owned()),
        1 => Just("tgw-id srcaddr".to_owned()),
        1 => "[ \t\r]{0,3}",
        1 => ".{0,40}",
    ]
}

/// Is a line to be counted? The slow way, from outside.
fn counts(line: &str) -> bool {
    let blank = line.bytes().all(|byte| byte <= b' ');
    !blank && LogFormat::from_header(line.trim_matches(|c: char| c <= ' ').as_bytes()).is_none()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_line_is_accounted_for(
        lines in prop::collection::vec(line(), 0..40),
        batch_rows in 1..9_usize,
        chunk in 1..200_usize,
        everything: bool,
    ) {
        let text = lines.join("\n");
        // What begins like JSON is read as JSON, and what begins with a time loses it; both have tests of
        // their own.
        prop_assume!(!text.trim_start_matches(|c: char| c <= ' ').starts_with(['{', '[']));
        let base = if everything { all() } else { engine() };
        let outcome = decode_once(text.as_bytes(), &DecodeOptions { batch_rows, ..base.clone() }, chunk);
        let without_mark = text.trim_start_matches(|c: char| c <= ' ');
        let without_mark = without_mark.strip_prefix('\u{feff}').unwrap_or(&text);
        let expected = without_mark.split('\n').filter(|line| counts(line)).count();
        prop_assert_eq!(outcome.tally.lines, expected as u64);
        prop_assert!(outcome.tally.is_conserved());
        prop_assert_eq!(&outcome, &decode_once(text.as_bytes(), &base, text.len()));
    }

    #[test]
    fn well_formed_records_are_all_used(
        ports in prop::collection::vec(any::<(u16, u16)>(), 1..60),
        batch_rows in 1..20_usize,
    ) {
        let mut text = format!("{V2}\n");
        for (from, to) in &ports {
            text += &format!("2 1 eni-{} 10.0.0.1 10.0.0.2 {from} {to} 6 1 40 1 2 ACCEPT OK\n", from % 3);
        }
        let outcome = decode_once(text.as_bytes(), &DecodeOptions { batch_rows, ..engine() }, 64);
        prop_assert_eq!(outcome.tally.records, ports.len() as u64);
        for (row, (from, to)) in ports.iter().enumerate() {
            prop_assert_eq!(outcome.value(row, "srcport"), from.to_string());
            prop_assert_eq!(outcome.value(row, "dstport"), to.to_string());
            prop_assert_eq!(outcome.value(row, "interface_id"), format!("eni-{}", from % 3));
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        start in prop::sample::select(vec!["", "version srcaddr ", "{", "[", "{\"message\":\"", "PAR1", "\u{1f}"]),
        batch_rows in 1..4_usize,
        chunk in 1..50_usize,
    ) {
        let input = [start.as_bytes(), &bytes].concat();
        for projection in [Projection::engine(), Projection::all()] {
            let options = DecodeOptions { projection, batch_rows, max_line_bytes: 100, ..engine() };
            let pieces = decode_once(&input, &options, chunk);
            prop_assert_eq!(pieces, decode_once(&input, &options, input.len()));
        }
        let _ = ParquetDecoder::try_new(Bytes::from(input), &engine()).map(Iterator::count);
    }

    #[test]
    fn arbitrary_json_never_panics(
        text in r#"(\{|\}|\[|\]|,|:|"|\\|"message":|"events":\[|"message":"2 1 eni-1"|null|12|\\u00e9| |\n){0,60}"#,
        chunk in 1..20_usize,
    ) {
        let text = format!("{{{text}");
        let options = DecodeOptions { batch_rows: 2, max_line_bytes: 50, ..engine() };
        prop_assert_eq!(
            decode_once(text.as_bytes(), &options, chunk),
            decode_once(text.as_bytes(), &options, text.len())
        );
    }

    #[test]
    fn arbitrary_compressed_bytes_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        magic in prop::sample::select(vec![
            &b"\x1f\x8b"[..], b"\x1f\x8b\x08\x00\0\0\0\0\0\x03", b"\x1f\x8b\x08\x1e", b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18", b"",
        ]),
        limit in 0..2000_u64,
    ) {
        let input = [magic, &bytes].concat();
        let mut decoder = flowgate::decode::Decoder::new(engine());
        if let Ok((_, plain)) = reader(&input[..], limit) {
            let _: Result<(), DecodeError> = pump(plain, &mut decoder, |_| Ok(()));
        }
        prop_assert!(decoder.tally().is_conserved());
    }
}
