//! Lists as they are found in the wild, lookups against brute force, and bytes that are no list at all.

use proptest::prelude::*;

use super::*;
use crate::flow::address_bits;

fn list(text: impl AsRef<[u8]>) -> WatchList {
    let mut loader = Loader::default();
    loader.add("list.txt", text.as_ref());
    loader.finish()
}

fn bits(text: &str) -> u128 {
    address_bits(text.parse().unwrap())
}

/// The entry that holds an address, and its label.
fn entry(list: &WatchList, address: &str) -> Option<(String, String)> {
    let entry = list.entry(list.find(bits(address))?).unwrap();
    Some((entry.text, entry.label.unwrap_or_default()))
}

fn told(text: &str, label: &str) -> Option<(String, String)> {
    Some((text.to_owned(), label.to_owned()))
}

#[test]
fn plain_lists() {
    let list = list(
        "\u{feff}# header\r\n; another\r\n// a third\r\n\r\n  198.51.100.7  \r\n203.0.113.0/24 # bad block\r\n\
         2001:db8::/32 // six\r\n192.0.2.9/28;SBL1\r\n192.0.2.64 - 192.0.2.70\r\n192.0.2.80-192.0.2.81 ; pair\r\n",
    );
    assert_eq!(list.sources[0], Source { name: "list.txt".into(), entries: 6, ..Source::default() });
    assert_eq!(entry(&list, "198.51.100.7"), told("198.51.100.7", ""));
    assert_eq!(entry(&list, "198.51.100.8"), None);
    assert_eq!(entry(&list, "203.0.113.255"), told("203.0.113.0/24", "bad block"));
    assert_eq!(entry(&list, "2001:db8:1::5"), told("2001:db8::/32", "six"));
    assert_eq!(entry(&list, "192.0.2.0"), told("192.0.2.0/28", "SBL1"));
    assert_eq!(entry(&list, "192.0.2.70"), told("192.0.2.64-192.0.2.70", ""));
    assert_eq!(entry(&list, "192.0.2.81"), told("192.0.2.80/31", "pair"));
}

#[test]
fn feeds_as_they_are_published() {
    let drop = list("; Spamhaus DROP List 2026/03/01\n; Last-Modified: x\n1.10.16.0/20 ; SBL256894\n");
    assert_eq!(entry(&drop, "1.10.31.255"), told("1.10.16.0/20", "SBL256894"));
    let drop = list(concat!(
        "{\"cidr\":\"1.10.16.0/20\",\"sblid\":\"SBL256894\",\"rir\":\"apnic\"}\n",
        "{\"cidr\":\"2001:db8::/33\",\"sblid\":\"SBL2\",\"rir\":\"x\"}\n",
        "{\"type\":\"metadata\",\"timestamp\":1740817262,\"size\":99,\"copyright\":\"(c) Spamhaus\"}\n"
    ));
    assert_eq!((drop.sources[0].entries, drop.sources[0].bad), (2, 0));
    assert_eq!(entry(&drop, "1.10.16.1"), told("1.10.16.0/20", "SBL256894"));
    let netset = list("#\n# firehol_level1\n#\n# Maintainer : x\n0.0.0.0/8\n5.134.128.0/19\n");
    assert_eq!(netset.sources[0].entries, 2);
    assert_eq!(netset.warnings.len(), 1, "{:?}", netset.warnings);
    let csv = list("first_seen,dst_ip,dst_port,malware\n2026-01-01 00:00:00,\"203.0.113.5\",443,Dridex\n");
    assert_eq!(entry(&csv, "203.0.113.5"), told("203.0.113.5", "Dridex"));
    let bare = list("# \"first_seen\",\"ip\"\n\"2026-01-01\",\"203.0.113.5\",\"443\",\"online, still\"\n");
    assert_eq!(entry(&bare, "203.0.113.5"), told("203.0.113.5", "online, still"));
    let geo = list("start_ip;end_ip;country\n203.0.113.0;203.0.113.9;XX\n");
    assert_eq!(entry(&geo, "203.0.113.9"), told("203.0.113.0-203.0.113.9", ""));
    let ranges =
        list("{\"syncToken\":\"1\",\"prefixes\":[{\"ip_prefix\":\"3.5.140.0/22\",\"service\":\"AMAZON\"}]}");
    assert_eq!(entry(&ranges, "3.5.140.9"), told("3.5.140.0/22", "AMAZON"));
    let strings = list("[\n  \"203.0.113.5\",\n  \"nobody.example\",\n  \"2001:db8::1\"\n]");
    let bad = BadLine { line: 3, column: 3, text: "nobody.example".into() };
    assert_eq!((strings.sources[0].entries, strings.sources[0].first_bad.clone()), (2, Some(bad)));
    let ipset = list("create bad hash:net\nadd bad 203.0.113.0/24\n");
    assert_eq!((ipset.sources[0].entries, ipset.sources[0].bad), (1, 1));
    let words =
        list("203.0.113.5 seen in March\n203.0.113.16 255.255.255.240\n203.0.113.9: c2\n203.0.113.40:8080\n");
    assert_eq!(entry(&words, "203.0.113.5"), told("203.0.113.5", "seen in March"));
    assert_eq!(entry(&words, "203.0.113.31"), told("203.0.113.16/28", ""));
    assert_eq!(entry(&words, "203.0.113.9"), told("203.0.113.9", "c2"));
    assert_eq!(entry(&words, "203.0.113.40"), told("203.0.113.40", ""));
}

#[test]
fn defanged_and_foreign_encodings() {
    let list = list(
        "198[.]51[.]100[.]7\nhxxp://198[.]51[.]100[.]8/gate.php\n198.51.100[.]9, c2\nhxxps://evil[.]example/x\n",
    );
    assert!((7..=9).all(|n| list.find(bits(&format!("198.51.100.{n}"))).is_some()));
    let bad = list.sources[0].first_bad.clone().unwrap();
    assert_eq!((list.sources[0].bad, bad.line, bad.column), (1, 4, 1));
    let mut wide = vec![0xff, 0xfe];
    wide.extend("198.51.100.7\r\n".encode_utf16().flat_map(u16::to_le_bytes));
    assert!(super::tests::list(&wide).find(bits("198.51.100.7")).is_some());
    assert!(super::tests::list("198.51.100.7\r198.51.100.8\r").find(bits("198.51.100.8")).is_some());
}

#[test]
fn what_nobody_can_mean_is_counted() {
    let text = "198.51.100.7\n  198.51.100.300\n10.0.0/8\n198.51.100.9 - 198.51.100.1\n1.2.3.4/33\n010.1.2.3\n\
                198.51.100.1,198.51.100.9\n198.51.100.1;198.51.100.9\nit was at 198.51.100.1 that we met\nlocalhost\n2001:db8::/129\n";
    let list = list(text);
    assert_eq!((list.sources[0].entries, list.sources[0].bad), (1, 10), "{:?}", list.sources);
    let first = list.sources[0].first_bad.clone().unwrap();
    assert_eq!((first.line, first.column, first.text.as_str()), (2, 3, "198.51.100.300"));
}

#[test]
fn the_most_specific_entry_counts() {
    let list = list("0.0.0.0/0 all\n203.0.113.0/24 block\n203.0.113.7 host\n203.0.113.0/24\n10.0.0.0/8\n");
    assert_eq!(entry(&list, "203.0.113.7"), told("203.0.113.7", "host"));
    assert_eq!(entry(&list, "203.0.113.8"), told("203.0.113.0/24", "block"));
    assert_eq!(entry(&list, "8.8.8.8"), told("0.0.0.0/0", "all"));
    assert_eq!(list.len(), 4);
    assert_eq!(
        list.warnings,
        [Warning::Broad(2, "0.0.0.0/0".into()), Warning::Overlapping(3, "10.0.0.0/8".into())]
    );
}

#[test]
fn a_million_entries_load_at_once() {
    let mut text = String::new();
    for n in 0..1_000_000_u32 {
        let [a, b, c, d] = n.wrapping_mul(2_654_435_761).to_be_bytes();
        text.push_str(&format!("{a}.{b}.{c}.{d}\n"));
    }
    let list = list(&text);
    assert_eq!(list.len(), 1_000_000);
    for n in (0..1_000_000_u32).step_by(997) {
        let bits = mapped(n.wrapping_mul(2_654_435_761));
        let entry = list.entry(list.find(bits).unwrap()).unwrap();
        assert_eq!(entry.text, std::net::Ipv4Addr::from(bits as u32).to_string());
    }
}

fn range() -> impl Strategy<Value = (u128, u128)> {
    // Close together, so that they overlap; at both ends of both families, too.
    let base = prop_oneof![
        Just(0xffff_0000_0000_u128),
        Just(0xffff_ffff_ff00),
        Just(0xffff_0a00_0000),
        Just(0_u128),
        Just(u128::MAX - 255),
        Just(0x2001_0db8_u128 << 96)
    ];
    (base, 0_u128..256, 0_u128..256).prop_map(|(base, a, b)| (base + a.min(b), base + a.max(b)))
}

proptest! {
    #[test]
    fn lookups_are_those_of_brute_force(ranges in prop::collection::vec(range(), 1..40)) {
        let mut loader = Loader::default();
        loader.add("none", b"");
        ranges.iter().enumerate().for_each(|(n, &range)| loader.entry(range, &format!("n{n}")));
        let list = loader.finish();
        for base in ranges.iter().map(|r| r.0 & !0xff) {
            for bits in base..=base + 255 {
                let holding = ranges.iter().filter(|(low, high)| (*low..=*high).contains(&bits));
                let smallest = holding.map(|(low, high)| high - low).min();
                let found = list.find(bits).map(|n| list.entry(n).unwrap());
                prop_assert_eq!(found.is_some(), smallest.is_some());
                if let (Some(found), Some(smallest)) = (found, smallest) {
                    let n: usize = found.label.unwrap()[1..].parse().unwrap();
                    let (low, high) = ranges[n];
                    prop_assert!((low..=high).contains(&bits) && high - low == smallest);
                    prop_assert_eq!(address::parse(&found.text), Some((low, high)), "{}", found.text);
                }
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let list = list(&bytes);
        _ = list.find(0);
        _ = list.find(u128::MAX);
    }

    #[test]
    fn no_text_makes_it_panic(text in "[\\[\\]{}\",;:#/.0-9a-fx \t\r\n\\-]{0,200}") {
        let list = list(&text);
        for n in 0..list.len() as u32 {
            let entry = list.entry(n).unwrap();
            prop_assert!(address::parse(&entry.text).is_some(), "{}", entry.text);
        }
    }

    #[test]
    fn written_and_read_it_is_the_same(bits in any::<u128>(), length in 0_u32..=128, v4 in any::<bool>()) {
        let bits = if v4 { mapped(bits as u32) } else { bits };
        let width = if is_v4(bits) { 32 } else { 128 };
        let text = format!("{}/{}", crate::flow::address_from_bits(bits), length.min(width));
        let net: ipnet::IpNet = text.parse().unwrap();
        prop_assert_eq!(address::parse(&text), Some(crate::flow::net_range(&net)));
    }
}
