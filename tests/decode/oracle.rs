//! The decoder against a slow and obvious one: split at blanks, look up by name, parse with the standard
//! library.

use std::net::IpAddr;

use flowgate::decode::DecodeOptions;
use flowgate::flow::{CaptureStatus, Protocol};
use proptest::prelude::*;

use super::support::{Outcome, V2, decode_once, engine};

const REST_OF_V5: &str = "vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr region az-id sublocation-type \
                          sublocation-id pkt-src-aws-service pkt-dst-aws-service flow-direction traffic-path";
const LATER: &str = "reject-reason resource-id instance-tag a-new-field";

/// What becomes of a row.
enum Fate {
    Record(String),
    Idle((String, CaptureStatus, i64, i64)),
    Malformed,
}

/// The values of a row by the names of their fields; `-` is none.
struct Row<'a>(Vec<(&'a str, &'a str)>);

impl Row<'_> {
    fn has(&self, field: &str) -> bool {
        self.0.iter().any(|(name, _)| *name == field)
    }

    fn get(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|(name, value)| *name == field && *value != "-").map(|(_, value)| *value)
    }

    /// `Err` if there is a value that is no number up to `most`.
    fn number(&self, field: &str, most: u64) -> Result<Option<u64>, ()> {
        let Some(text) = self.get(field) else { return Ok(None) };
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|number| digits && *number <= most);
        number.map(Some).ok_or(())
    }

    fn address(&self, field: &str) -> Result<Option<IpAddr>, ()> {
        self.get(field)
            .map(|text| text.parse::<IpAddr>().map(|ip| ip.to_canonical()).map_err(|_| ()))
            .transpose()
    }

    fn code(&self, field: &str, words: [&str; 2]) -> Result<Option<usize>, ()> {
        self.get(field).map(|text| words.iter().position(|word| *word == text).ok_or(())).transpose()
    }

    fn interval(&self) -> Result<(i64, i64), ()> {
        let time = |field| -> Result<i64, ()> {
            let mut time = self.number(field, u64::MAX)?.ok_or(())?;
            if time > 100_000_000_000 {
                time /= 1000;
            }
            if time > 100_000_000_000 { Err(()) } else { i64::try_from(time).map_err(|_| ()) }
        };
        let (start, end) = (time("start")?, time("end")?);
        if end < start { Err(()) } else { Ok((start, end)) }
    }

    fn status(&self) -> Result<CaptureStatus, ()> {
        match self.get("log-status") {
            Some("OK") => Ok(CaptureStatus::Ok),
            Some("NODATA") => Ok(CaptureStatus::NoData),
            Some("SKIPDATA") => Ok(CaptureStatus::SkipData),
            Some(_) => Err(()),
            None if self.get("srcaddr").is_none() => Ok(CaptureStatus::NoData),
            None => Ok(CaptureStatus::Ok),
        }
    }

    fn fate(&self) -> Result<Fate, ()> {
        let status = self.status()?;
        let interface = self.get("interface-id").or(self.get("resource-id")).ok_or(())?;
        let (start, end) = self.interval()?;
        if status != CaptureStatus::Ok {
            return Ok(Fate::Idle((interface.to_owned(), status, start, end)));
        }
        let protocol = self.number("protocol", 255)?.ok_or(())?;
        let port = |field| match self.number(field, 65535)? {
            None if Protocol(protocol as u8).has_ports() => Err(()),
            port => Ok(port.unwrap_or(0)),
        };
        let mut text = format!(
            "interface_id={interface} srcaddr={} dstaddr={} srcport={} dstport={} protocol={protocol}",
            self.address("srcaddr")?.ok_or(())?,
            self.address("dstaddr")?.ok_or(())?,
            port("srcport")?,
            port("dstport")?,
        );
        let mut show = |field: &str, value: Option<String>| {
            if self.has(field) {
                text += &format!(" {}={}", field.replace('-', "_"), value.as_deref().unwrap_or("-"));
            }
        };
        show("packets", self.number("packets", u64::MAX)?.map(|n| n.to_string()));
        show("bytes", self.number("bytes", u64::MAX)?.map(|n| n.to_string()));
        show("start", Some(start.to_string()));
        show("end", Some(end.to_string()));
        show("action", Some(self.code("action", ["ACCEPT", "REJECT"])?.ok_or(())?.to_string()));
        show("tcp-flags", self.number("tcp-flags", 255)?.map(|n| n.to_string()));
        show("flow-direction", self.code("flow-direction", ["ingress", "egress"])?.map(|n| n.to_string()));
        show("pkt-srcaddr", self.address("pkt-srcaddr")?.map(|ip| ip.to_string()));
        show("pkt-dstaddr", self.address("pkt-dstaddr")?.map(|ip| ip.to_string()));
        show("reject-reason", self.get("reject-reason").map(str::to_owned));
        Ok(Fate::Record(text))
    }
}

/// Decodes lines of one format, none of which is a header.
fn slowly(names: &[&str], lines: &[String]) -> Outcome {
    let mut outcome = Outcome::default();
    for line in lines {
        let values: Vec<_> = line.split(|c: char| c <= ' ').filter(|value| !value.is_empty()).collect();
        if values.is_empty() {
            continue;
        }
        let fits = values.len() == names.len();
        let row = Row(names.iter().copied().zip(values).collect());
        let tally = &mut outcome.tally;
        tally.lines += 1;
        match if fits { row.fate().unwrap_or(Fate::Malformed) } else { Fate::Malformed } {
            Fate::Record(text) => {
                tally.records += 1;
                outcome.rows.push(text);
            }
            Fate::Idle(row) => {
                tally.count(row.1);
                outcome.coverage.push(row);
            }
            Fate::Malformed => tally.malformed += 1,
        }
    }
    outcome
}

/// A value for a field: mostly good, some just so, some bad. `dice` decides.
fn value(field: &str, dice: u64, other: u64, odd: bool) -> String {
    const NUMBERS: [&str; 21] = [
        "0",
        "00",
        "007",
        "256",
        "255",
        "65535",
        "65536",
        "99999",
        "999999",
        "1234567",
        "12345678",
        "123456789",
        "100000000000",
        "100000000001",
        "1566848875123",
        "123456789012345",
        "1234567890123456",
        "12345678901234567",
        "18446744073709551615",
        "18446744073709551616",
        "+1",
    ];
    const ADDRESSES: [&str; 17] = [
        "255.255.255.255",
        "0.0.0.0",
        "::1",
        "2001:db8:1234:a100:8d6e:3477:df66:f105",
        "::ffff:10.0.0.1",
        "256.1.1.1",
        "1.2.3",
        "1.2.3.4.5",
        "01.2.3.4",
        "1..2.3",
        "1.2.3.1234",
        "100.100.100.1000",
        "1.2.3.4x",
        "1234567890123456",
        "....",
        "1.1.1.999",
        "10.0.0.1,",
    ];
    let pick = |list: &[&str]| list[dice as usize % list.len()].to_owned();
    if odd && dice.is_multiple_of(3) {
        return ["-", "--", "-1", "x", "\u{e9}"][other as usize % 5].to_owned();
    }
    match field {
        "srcaddr" | "dstaddr" | "pkt-srcaddr" | "pkt-dstaddr" => {
            let [a, b, c, d, ..] = other.to_le_bytes();
            if odd { pick(&ADDRESSES) } else { format!("{}.{}.{c}.{d}", a % 16, b % 120) }
        }
        "srcport" | "dstport" | "protocol" | "packets" | "bytes" | "start" | "end" | "tcp-flags" if odd => {
            pick(&NUMBERS)
        }
        "srcport" | "dstport" => (dice % 65536).to_string(),
        "protocol" => ["6", "17", "1", "58"][dice as usize % 4].to_owned(),
        "tcp-flags" => (dice % 32).to_string(),
        "packets" | "bytes" => (other >> (dice % 64)).to_string(),
        "start" => (1_630_619_000 + dice % 300).to_string(),
        "end" => (1_630_619_300 + dice % 60).to_string(),
        "action" if odd => pick(&["ACCEPTED", "accept", "ACCEP", "REJECTx", "-"]),
        "action" => pick(&["ACCEPT", "REJECT"]),
        "log-status" if odd => pick(&["NODATA", "SKIPDATA", "OKAY", "O", "-", "OK-"]),
        "log-status" => "OK".to_owned(),
        "flow-direction" if odd => pick(&["in", "egresss", "ingres", "-"]),
        "flow-direction" => pick(&["ingress", "egress"]),
        "interface-id" if odd => pick(&["e", "eni-0123456789abc", "eni-0123456789abcdef01234567", "nat-1"]),
        "interface-id" => format!("eni-0b2fc54570{}6bc00", (dice % 8).saturating_sub(5)),
        "reject-reason" => pick(&["-", "BPA", "-", "EC"]),
        // Now and then longer than the short way takes.
        _ if odd => "x".repeat(if dice.is_multiple_of(5) { 500 } else { dice as usize % 70 + 1 }),
        // Mostly the same as in the row before, as in real logs.
        _ if !dice.is_multiple_of(8) => "vpc-0461a0610".to_owned(),
        _ => ["-", "a", "vpc-0461a0611", "us-east-1"][other as usize % 4].to_owned(),
    }
}

/// Names of a format: the usual ones, or any order of what the engine needs and some of the rest.
fn format() -> impl Strategy<Value = Vec<&'static str>> {
    let everything =
        || [V2, REST_OF_V5, LATER].into_iter().flat_map(|names| names.split(' ')).collect::<Vec<_>>();
    let needed =
        ["interface-id", "srcaddr", "dstaddr", "srcport", "dstport", "protocol", "start", "end", "action"];
    let some =
        proptest::sample::subsequence(everything(), 0..=everything().len()).prop_map(move |mut names| {
            names.extend(needed.iter().filter(|need| !names.contains(need)).collect::<Vec<_>>());
            names
        });
    prop_oneof![
        2 => Just(V2.split(' ').collect()),
        2 => Just(V2.split(' ').chain(REST_OF_V5.split(' ')).collect()),
        1 => Just(everything()),
        3 => some.prop_shuffle(),
    ]
}

fn row(names: Vec<&'static str>) -> impl Strategy<Value = String> {
    let values = prop::collection::vec((any::<u64>(), any::<u64>()), names.len());
    // One field in so many is odd; 0 is none. Likewise blanks.
    let oddness = prop::sample::select(vec![0_u64, 0, 0, 0, 100, 20]);
    (values, oddness.clone(), oddness, any::<u64>()).prop_map(move |(values, odd, odd_blanks, dice)| {
        let mut line = String::new();
        for (index, (name, (a, b))) in names.iter().zip(&values).enumerate() {
            if index > 0 {
                let is_odd = odd_blanks > 0 && (a ^ b).is_multiple_of(odd_blanks);
                line += if is_odd { ["  ", "\t", " \r", ""][*b as usize % 4] } else { " " };
            }
            // Packet addresses and real ones tend to agree.
            let twin =
                name.strip_prefix("pkt-").and_then(|name| names.iter().position(|other| *other == name));
            let (a, b) = twin.filter(|_| !a.is_multiple_of(4)).map_or((*a, *b), |twin| values[twin]);
            line += &value(name, a >> 8, b, odd > 0 && a.is_multiple_of(odd));
        }
        if odd_blanks > 0 && dice.is_multiple_of(4) {
            line += ["\r", " ", " more", "\t\r"][(dice / 4) as usize % 4];
        }
        line
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_row_means_what_the_obvious_way_says(
        (names, mut lines) in format().prop_flat_map(|names| {
            (Just(names.clone()), prop::collection::vec(row(names), 1..40))
        }),
        batch_rows in prop::sample::select(vec![1_usize, 2, 33, 70, 1000]),
        chunk in prop::sample::select(vec![50_usize, 1500, 1 << 20]),
    ) {
        // Blank lines leave room behind the last row, which the decoder wants for its short way.
        lines.extend(std::iter::repeat_n(" ".to_owned(), 600));
        let text = format!("{}\n{}\n", names.join(" "), lines.join("\n"));
        let mut outcome = decode_once(text.as_bytes(), &DecodeOptions { batch_rows, ..engine() }, chunk);
        let mut expected = slowly(&names, &lines);
        outcome.tally.examples.clear();
        if names.contains(&"a-new-field") {
            expected.tally.unknown_fields.insert("a-new-field".to_owned(), expected.tally.lines);
        }
        prop_assert_eq!(outcome, expected);
    }
}
