//! Every mistake has its place.

use super::super::{Clause, End, Mode, Selector};
use super::*;
use crate::flow::Direction;

/// `line:column message` of each fault.
fn faults(text: &str) -> Vec<String> {
    let faults = parse(text).unwrap_err();
    faults.iter().map(|f| format!("{}:{} {}", f.line, f.column, f.message)).collect()
}

/// Faults of a good file with these lines added to its expectation, from line 7 on.
fn with(lines: &str) -> Vec<String> {
    faults(&format!(
        "version = 1\n[tier.app]\nsecurity-group = \"app\"\n[[expect]]\nname = \"x\"\nto = \"app\"\n{lines}\n"
    ))
}

#[test]
fn a_file_says_what_it_says() {
    let text = r#"
version = 1
[tier]
lb.description = "ELB *"
[tier.db]
tag = ["Tier=db", "Role"]
vpc = "vpc-1"
except = ["lb"]
[[expect]]
name = "db"
to = ["db", "lb"]
on = ["mysql", 5432, "udp 1-2"]
only-from = ["lb", "10.0.0.0/8", "192.0.2.7", "sg-1", "pl-1", "same-vpc"]
same-vpc = true
severity = "high"
[[expect]]
name = "out"
from = "everything"
never-to = "internet"
"#;
    let read = parse(text).unwrap();
    let names: Vec<&str> = read.tiers.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["db", "lb", "10.0.0.0/8", "192.0.2.7", "sg-1", "pl-1"]);
    assert_eq!(read.tiers[0].clauses.len(), 3);
    assert!(matches!(&read.tiers[0].clauses[0], Clause::Except(tiers) if *tiers == [1]));
    assert!(matches!(&read.tiers[1].clauses[0], Clause::Interface(Selector::Description, _)));
    let [db, out] = &read.expectations[..] else { panic!() };
    assert_eq!((db.line, db.mode, db.direction), (10, Mode::Only, Direction::Inbound));
    assert_eq!((db.same_vpc, db.severity), (true, Some("high")));
    assert_eq!(db.tiers, [End::Tier(0), End::Tier(1)]);
    assert_eq!(db.peers.last(), Some(&End::SameVpc));
    assert_eq!(read.sentence(out), "from everything: never to internet");
    assert_eq!(
        read.sentence(db),
        "to db, lb on tcp 3306, tcp 5432, udp 1-2: only from lb, 10.0.0.0/8, 192.0.2.7, sg-1, pl-1, same-vpc, in the same VPC"
    );
}

#[test]
fn mistakes_of_sentences_have_their_places() {
    assert_eq!(with("only-from = \"ap\""), ["7:13 there is no tier `ap`"]);
    assert_eq!(
        with("only-form = \"app\""),
        [
            "4:1 this expectation does not say who is on the other side",
            "7:1 an expectation has no key `only-form`"
        ]
    );
    assert_eq!(with("only-to = \"app\""), ["7:1 `only-to` does not go with `to`"]);
    assert_eq!(
        with("only-from = \"app\"\nmay-from = \"app\""),
        ["8:1 `only-from` and `may-from` exclude each other"]
    );
    assert_eq!(
        with("only-from = \"app\"\non = [\"shh\", 70000]"),
        ["8:7 there is no service `shh`", "8:14 port 70000 is beyond 65535"]
    );
    assert_eq!(with("only-from = []"), ["7:13 `only-from` is empty"]);
    assert_eq!(with("only-from = 4"), ["7:13 `only-from` holds a integer, not a string"]);
    assert_eq!(with("only-from = \"10.0.0.1/8\""), ["7:13 10.0.0.1/8 has bits set beyond its prefix length"]);
    assert_eq!(with("only-from = \"10.0.0.256\""), ["7:13 `10.0.0.256` is no block of addresses"]);
    assert_eq!(with("only-from = \"everything\""), ["7:13 `everything` can't stand here"]);
    assert_eq!(
        with("never-from = \"app\"\nsame-vpc = true"),
        ["8:12 `same-vpc` goes with only- and may-, not with never-"]
    );
    assert_eq!(with("only-from = \"app\"\nseverity = \"hihg\""), ["8:12 there is no severity `hihg`"]);
    assert_eq!(with("only-from = \"app\"\nfrom = \"app\""), ["8:8 `to` and `from` exclude each other"]);
    assert_eq!(
        with("only-from = \"app\"\n[[expect]]\nname = \"x\"\nto = \"app\"\nmay-from = \"app\""),
        ["9:8 there are two expectations of this name: the other is in line 5"]
    );
}

#[test]
fn mistakes_of_tiers_and_of_the_file_have_their_places() {
    assert_eq!(faults(""), ["1:1 `version` is missing", "1:1 nothing is expected"]);
    assert_eq!(faults("version = 2\nexpect = []"), ["1:11 version 2 is not known to this flowgate"]);
    assert_eq!(faults("version = \nexpect = []").len(), 1);
    let tiers = |text: &str| faults(&format!("version = 1\nexpect = []\n{text}"));
    assert_eq!(tiers("[tier.a]\nsecurity-grp = \"x\""), ["4:1 tier `a` has no key `security-grp`"]);
    assert_eq!(
        tiers("[tier.a]\nexcept = \"b\"\n[tier.b]\ncidr = \"::/0\""),
        ["3:7 tier `a` does not say who belongs to it"]
    );
    assert_eq!(
        tiers("[tier.internet]\ncidr = \"::/0\""),
        ["3:7 `internet` is a word that means something already"]
    );
    assert_eq!(tiers("[tier.\"a b\"]\ncidr = \"::/0\"").len(), 1);
    assert_eq!(
        tiers("[tier.a]\ntier = \"b\"\n[tier.b]\ntier = \"c\"\n[tier.c]\nexcept = \"a\"\ncidr = \"::/0\""),
        ["8:10 tier `c` contains `a`, which contains `c`"]
    );
    assert_eq!(tiers("[tier.a]\ntier = \"a\""), ["4:8 tier `a` contains itself"]);
    let deep: String = (0..40).map(|n| format!("[tier.t{n:02}]\ntier = \"t{:02}\"\n", n + 1)).collect();
    assert_eq!(tiers(&format!("{deep}[tier.t40]\ncidr = \"::/0\"")).len(), 2);
}

#[test]
fn unknown_words_come_with_those_that_are_known() {
    let text = "version = 1\n[tier.app]\nsecurity-group = \"a\"\n[[expect]]\nname = \"x\"\nto = \"ap\"\nmay-from = \"interent\"";
    let faults = parse(text).unwrap_err();
    let known = |at: usize| faults[at].unknown.as_ref().unwrap();
    assert_eq!(known(0).known, ["app", "everything"]);
    assert!(known(1).known.iter().any(|word| word == "internet"));
    assert_eq!(faults[0].excerpt(), ["  |", "6 | to = \"ap\"", "  |      ^^^^"]);
}

/// Pieces that files are made of, and of which wrong files are, too.
const PIECES: [&str; 24] = [
    "version = 1\n",
    "[tier.a]\n",
    "[tier.b]\n",
    "[[expect]]\n",
    "[expect]\n",
    "name = \"x\"\n",
    "to = \"a\"\n",
    "from = [\"b\", \"everything\"]\n",
    "only-from = [\"a\", \"10.0.0.0/8\", \"internet\"]\n",
    "never-to = \"ö\u{1b}\"\n",
    "on = [22, \"tcp 1-0\", \"dns\", 0x16, 1.5]\n",
    "same-vpc = true\n",
    "severity = \"hihg\"\n",
    "cidr = \"10.0.0.1/8\"\n",
    "tier = \"b\"\n",
    "except = [\"a\", \"c\"]\n",
    "security-group = [\"sg-1\", 4]\n",
    "tag = \"\"\n",
    "# ünder\t\r\n",
    "\"\"\"\n",
    "[",
    "=",
    "\u{feff}",
    "tier = { a = { cidr = \"::/0\" } }\n",
];

proptest::proptest! {
    #[test]
    fn anything_is_read_or_has_its_places(pieces in proptest::collection::vec(0..PIECES.len(), 0..14), cut in 0..400_usize) {
        let mut text: String = pieces.iter().map(|n| PIECES[*n]).collect();
        if let Some((at, _)) = text.char_indices().nth(cut) {
            text.truncate(at);
        }
        if let Err(faults) = parse(&text) {
            assert!(!faults.is_empty());
            for fault in faults {
                // Lines end at line feeds; the last may be empty.
                let line = text.split('\n').nth(fault.line - 1).unwrap();
                let line = line.trim_end_matches('\r');
                assert_eq!(fault.source, line.chars().take(200).collect::<String>());
                assert!(fault.width >= 1 && fault.column <= line.chars().count() + 2, "{fault:?}");
                assert_eq!(fault.excerpt().len(), 3);
            }
        }
    }
}
