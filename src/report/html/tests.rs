//! The page on hand-made conclusions: its structure, what it holds, what hostile text does to it, how large it gets.

mod markup;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use self::markup::parse;
use super::super::tests::{hostile, same_as_picture, sample};
use super::*;
use crate::finding::{
    Finding, FindingBuilder, Grade, InterfaceCoverage, Kind, RuleClass, RuleEvidence, RuleRow, Severity,
};
use crate::flow::Direction;
use crate::tighten::{Action, Change, CurvePoint, Replayed, Safety};

fn page(conclusions: &Conclusions, plan: Option<&Plan>) -> String {
    render(conclusions, plan).unwrap()
}

/// What the script gets.
fn data(page: &str) -> Value {
    let (_, rest) = page.split_once("<script type=\"application/json\" id=\"data\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

fn column(data: &Value, table: &str, name: &str) -> Vec<Value> {
    let columns = data[table]["columns"].as_array().unwrap();
    let at = columns.iter().position(|c| c["n"] == name).unwrap();
    data[table]["rows"].as_array().unwrap().iter().map(|row| row[at].clone()).collect()
}

fn plan() -> Plan {
    let change = Change {
        id: "fgc-1".to_owned(),
        action: Action::Narrow,
        group: "sg-0web".to_owned(),
        group_name: "web".to_owned(),
        account: None,
        region: None,
        vpc: None,
        direction: Direction::Inbound,
        remove: Vec::new(),
        add: Vec::new(),
        why: "all peers are in three blocks".to_owned(),
        grade: Grade::Weak,
        reasons: vec!["two days are short".to_owned()],
        safety: Safety::Review,
        openness_before: 48.0,
        openness_after: Some(24.0),
        interrupts: false,
        curve: [(1, 16.0), (2, 9.5), (3, 8.0)]
            .map(|(blocks, address_bits)| CurvePoint {
                blocks,
                rules: blocks,
                address_bits,
                openness: address_bits,
            })
            .to_vec(),
        replayed: Some(Replayed { permitted: 900, blocked: 2, ..Replayed::default() }),
    };
    let left = vec![("sgr-used".to_owned(), "needed".to_owned())];
    Plan { changes: vec![change], left, ..Plan::default() }
}

#[test]
fn the_structure_is_as_drawn() {
    let page = page(&sample(), Some(&plan()));
    let mut outline = String::new();
    let tags = parse(&page);
    for (at, tag) in tags.iter().enumerate() {
        let text: String = tags[at + 1..]
            .iter()
            .take_while(|t| t.name != format!("/{}", tag.name))
            .map(|t| t.before.as_str())
            .collect();
        let ends =
            tags[at + 1..].iter().find(|t| t.name == format!("/{}", tag.name)).map_or("", |t| &t.before);
        let text = format!("{text}{ends}").split_whitespace().collect::<Vec<_>>().join(" ");
        match tag.name.as_str() {
            "h1" | "h2" | "h3" | "h4" | "caption" | "th" | "dt" => {
                outline += &format!("{}: {text}\n", tag.name);
            }
            "section" | "article" if tag.get("id").is_some() => {
                outline += &format!("\n{} #{}\n", tag.name, tag.get("id").unwrap());
            }
            _ => {}
        }
    }
    same_as_picture("report.outline.txt", &outline);
}

#[test]
fn every_id_and_count_is_that_of_the_files() {
    let conclusions = sample();
    let page = page(&conclusions, None);
    let data = data(&page);
    let findings: Vec<Value> = conclusions.findings.iter().map(|f| json!(f.id)).collect();
    assert_eq!(column(&data, "findings", "Id"), findings);
    let rules: Vec<Value> = conclusions.rules.iter().map(|r| json!(r.rule_id)).collect();
    assert_eq!(column(&data, "rules", "Rule"), rules);
    let counts: Vec<Value> = conclusions.rules.iter().map(|r| json!(r.connections)).collect();
    assert_eq!(column(&data, "rules", "Connections"), counts);
    let interfaces: Vec<Value> = conclusions.summary.coverage.iter().map(|c| json!(c.interface)).collect();
    assert_eq!(column(&data, "interfaces", "Interface"), interfaces);
    // Words by their number.
    for (row, rule) in data["rules"]["rows"].as_array().unwrap().iter().zip(&conclusions.rules) {
        let word = |name: &str| {
            let columns = data["rules"]["columns"].as_array().unwrap();
            let at = columns.iter().position(|c| c["n"] == name).unwrap();
            columns[at]["w"][usize::try_from(row[at].as_u64().unwrap()).unwrap()].as_str().unwrap().to_owned()
        };
        assert_eq!(
            [word("Class"), word("Grade"), word("Direction")],
            [rule.class.as_str(), rule.grade.as_str(), rule.direction.as_str()]
        );
    }
    let articles: Vec<String> =
        parse(&page).iter().filter_map(|t| Some(t.get("id")?.strip_prefix("finding-")?.to_owned())).collect();
    assert_eq!(articles, conclusions.findings.iter().map(|f| f.id.clone()).collect::<Vec<_>>());
    for verdict in &conclusions.summary.verdicts {
        assert!(page.contains(&crate::report::number(verdict.connections)), "{verdict:?}");
    }
    for limitation in &conclusions.summary.limitations {
        assert!(page.contains(&format!("<code>{}</code>", limitation.code)), "{limitation:?}");
    }
    assert!(page.contains("Incomplete."), "the sample is incomplete");
}

#[test]
fn the_same_conclusions_are_the_same_bytes() {
    assert_eq!(page(&sample(), Some(&plan())), page(&sample(), Some(&plan())));
}

/// Hostile text everywhere, in the picture and the rules, too.
fn poisoned(evil: &str) -> (Conclusions, Plan) {
    let mut c = hostile(evil);
    for rule in &mut c.rules {
        for text in [
            &mut rule.rule_id,
            &mut rule.security_group,
            &mut rule.protocol,
            &mut rule.port_range,
            &mut rule.peer,
        ] {
            text.push_str(evil);
        }
        rule.grade_reasons.push(evil.to_owned());
        rule.interfaces = rule.interfaces.iter().map(|i| format!("{i}{evil}")).collect();
    }
    for coverage in &mut c.summary.coverage {
        for text in [&mut coverage.account, &mut coverage.vpc, &mut coverage.subnet, &mut coverage.instance] {
            *text = Some(evil.to_owned());
        }
    }
    let p = &mut c.picture;
    for node in &mut p.nodes {
        node.name.push_str(evil);
        node.groups.iter_mut().for_each(|g| g.push_str(evil));
    }
    for edge in &mut p.edges {
        edge.services.iter_mut().for_each(|s| s.name.push_str(evil));
    }
    for change in &mut p.changes {
        change.resource.push_str(evil);
        change.what.push_str(evil);
    }
    p.groups = std::mem::take(&mut p.groups)
        .into_iter()
        .map(|(id, mut note)| {
            note.name.push_str(evil);
            note.account = Some(evil.to_owned());
            (id + evil, note)
        })
        .collect();
    p.interfaces = std::mem::take(&mut p.interfaces)
        .into_iter()
        .map(|(id, mut note)| {
            note.label = Some(evil.to_owned());
            note.network_acl = Some(evil.to_owned());
            note.groups.iter_mut().for_each(|g| g.push_str(evil));
            (id + evil, note)
        })
        .collect();
    p.rules = std::mem::take(&mut p.rules).into_iter().map(|(id, note)| (id + evil, note)).collect();
    let mut plan = plan();
    for change in &mut plan.changes {
        for text in [&mut change.id, &mut change.group, &mut change.group_name, &mut change.why] {
            text.push_str(evil);
        }
        change.reasons.push(evil.to_owned());
    }
    plan.left = plan.left.into_iter().map(|(id, why)| (id + evil, why + evil)).collect();
    (c, plan)
}

#[test]
fn hostile_text_changes_no_tag() {
    let bones = |evil: &str| -> Vec<(String, Vec<String>)> {
        let (conclusions, plan) = poisoned(evil);
        let page = page(&conclusions, Some(&plan));
        parse(&page)
            .into_iter()
            .map(|tag| (tag.name, tag.attributes.into_iter().map(|(name, _)| name).collect()))
            .collect()
    };
    // As long, so that what is cut is cut alike.
    let harmless = bones(" ha rm less ");
    assert!(harmless.len() > 500);
    let evils = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' onmouseover='alert(1)",
        "</script><script>alert(1)//",
        "javascript:alert(1)",
        "--><svg/onload=alert(1)>",
        "{{ 7 * 7 }}{% raw %}",
        "\u{202e}gpj.exe\u{0}\u{1b}[2J\u{2028}",
        "]]></style><b>",
        "&lt;b&gt;&#x3c;",
    ];
    for evil in evils {
        let evil = format!(" {evil} ");
        let found = bones(&evil);
        let differs = found.iter().zip(&harmless).find(|(a, b)| a != b);
        assert!(found.len() == harmless.len() && differs.is_none(), "{evil:?}: {differs:?}");
    }
    let word = " w".to_owned() + &"W".repeat(5_000);
    assert_eq!(bones(&word).len(), harmless.len());
}

#[test]
fn hostile_text_is_seen_as_text() {
    let (conclusions, plan) = poisoned("\u{202e}<b>\u{1b}[2J");
    let page = page(&conclusions, Some(&plan));
    assert!(page.contains("\\u{202e}&lt;b&gt;\\u{1b}[2J"));
    assert_eq!(page.chars().find(|c| *c != '\n' && crate::report::sanitise::is_deceptive(*c)), None);
    let shown = column(&data(&page), "interfaces", "Interface");
    assert!(shown[0].as_str().unwrap().ends_with("\\u{202e}<b>\\u{1b}[2J"), "{}", shown[0]);
}

#[test]
fn every_link_stays_within_the_page_and_leads_somewhere() {
    for (conclusions, plan) in [(sample(), plan()), poisoned("javascript:\"x y")] {
        let page = page(&conclusions, Some(&plan));
        let tags = parse(&page);
        let ids: BTreeSet<&str> = tags.iter().filter_map(|tag| tag.get("id")).collect();
        let mut links = 0;
        for href in tags.iter().filter_map(|tag| tag.get("href")) {
            links += 1;
            let target = href.strip_prefix('#').unwrap_or_else(|| panic!("{href} leads out"));
            let target = target.split_once('?').map_or(target, |(page, _)| page);
            assert!(ids.contains(target) || target == "all" || target.starts_with("rule-"), "{href}");
        }
        assert!(links > 50);
        assert!(!tags.iter().any(|tag| tag.get("src").is_some()));
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
    }
}

#[test]
fn the_policy_names_the_style_and_the_script() {
    let page = page(&sample(), None);
    let tags = parse(&page);
    let policy = tags.iter().find(|tag| tag.get("http-equiv") == Some("Content-Security-Policy")).unwrap();
    let policy = policy.get("content").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe") && !policy.contains("data:")
    );
    let inside = |name: &str| {
        let end = tags.iter().rfind(|tag| tag.name == format!("/{name}")).unwrap();
        end.before.clone()
    };
    for content in [inside("style"), inside("script")] {
        assert!(content.len() > 1_000);
        assert!(policy.contains(&text::hash_source(&content)), "{policy}");
    }
}

#[test]
fn colours_have_contrast_in_both_themes() {
    let themes: Vec<BTreeMap<&str, [f64; 3]>> = STYLE.split(":root {").skip(1).take(2).map(colours).collect();
    for theme in &themes {
        for text in [
            "text",
            "quiet",
            "link",
            "good",
            "warn",
            "bad",
            "critical",
            "high",
            "medium",
            "low",
            "informational",
        ] {
            for ground in ["card", "bg", "raise"] {
                let contrast = contrast(theme[text], theme[ground]);
                assert!(contrast >= 4.5, "{text} on {ground}: {contrast:.2}");
            }
        }
        for mark in ["permitted", "escaped", "rejected", "misdropped", "change"] {
            assert!(
                contrast(theme[mark], theme["card"]) >= 2.9,
                "{mark}: {:.2}",
                contrast(theme[mark], theme["card"])
            );
        }
    }
}

fn colours(block: &str) -> BTreeMap<&str, [f64; 3]> {
    let block = block.split_once('}').unwrap().0;
    let pairs = block.split("--").skip(1).filter_map(|part| part.split_once(": #"));
    let colour = |hex: &str| {
        let hex: String = hex.chars().take_while(char::is_ascii_hexdigit).collect();
        let full: String = if hex.len() == 3 { hex.chars().flat_map(|c| [c, c]).collect() } else { hex };
        [0, 2, 4].map(|at| {
            let c = f64::from(u8::from_str_radix(&full[at..at + 2], 16).unwrap()) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        })
    };
    pairs.map(|(name, value)| (name, colour(value))).collect()
}

/// WCAG 2.2, "contrast ratio".
fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let light = |c: [f64; 3]| 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2] + 0.05;
    let (a, b) = (light(a), light(b));
    a.max(b) / a.min(b)
}

/// 10,000 rules of 2,500 groups, 5,000 interfaces, 2,000 findings.
fn large() -> Conclusions {
    let mut c = sample();
    let interface = |n: usize| format!("eni-{n:017x}");
    let rule = |n: usize| RuleRow {
        rule_id: format!("sgr-{n:017x}"),
        security_group: format!("sg-{:017x}", n / 4),
        direction: Direction::Inbound,
        protocol: "tcp".to_owned(),
        port_range: "1000-2000".to_owned(),
        peer: format!("10.{}.{}.0/24", n / 256 % 256, n % 256),
        connections: n as u64 * 17,
        sole_connections: n as u64,
        bytes: 1 << 40,
        first_used: Some(1_772_323_200),
        last_used: Some(1_772_409_600),
        distinct_peers: 100,
        approximate: true,
        distinct_peers_error: 0.03,
        observed_ports: (1_000..1_006)
            .map(|port| crate::finding::PortCount { port, connections: 1_000_000 })
            .collect(),
        observed_port_ranges: Vec::new(),
        interfaces: (0..8).map(|k| interface(n / 4 * 2 + k)).collect(),
        grade: Grade::Weak,
        grade_reasons: vec![
            "the logs span 48 h, less than 7 days; capture lost records of an interface".to_owned(),
        ],
        class: RuleClass::Permissive,
        evidence: RuleEvidence::default(),
    };
    c.rules = (0..10_000).map(rule).collect();
    let coverage = |n: usize| InterfaceCoverage { interface: interface(n), ..c.summary.coverage[0].clone() };
    c.summary.coverage = (0..5_000).map(coverage).collect();
    let finding = |n: usize| -> Finding {
        let steps: Vec<Value> = (0..20)
            .map(|k| json!({"address": format!("198.51.100.{k}"), "attempts": 12_345 * k, "port": k}))
            .collect();
        FindingBuilder::new("permissive-rule", Kind::PermissiveRule, "wide-ports-and-peers")
            .about(n.to_string())
            .rated(Severity::Medium, Grade::Weak)
            .told(format!("inbound tcp 0-65535 from 10.30.0.0/16 in sg-{n:017x} (monitoring) is wider than its use"), "Of 65,536 ports it permits 3 were used, by 12 addresses of 65,536, which are in 4 blocks.")
            .evidence("top_sources", steps)
            .evidence("used_ports", json!([22, 80, 443]))
            .evidence("first_record", "2 123456789012 eni-0aaa1111bbbb2222c 203.0.113.7 10.0.1.5 51514 5432 6 9 840 1772323200 1772323260 ACCEPT OK")
            .count("connections", 1_234_567)
            .next(format!("aws ec2 describe-security-group-rules --filters Name=group-id,Values=sg-{n:017x}"))
            .with(|f| {
                f.interfaces = (0..5).map(|k| interface(n * 2 + k)).collect();
                f.security_group = Some(format!("sg-{n:017x}"));
                f.rule_id = Some(format!("sgr-{:017x}", n * 4));
            })
            .build()
            .unwrap()
    };
    c.findings = (0..2_000).map(finding).collect();
    c
}

#[test]
fn a_large_estate_is_a_file_that_opens() {
    let conclusions = large();
    let page = page(&conclusions, None);
    assert!(page.len() < 15_000_000, "{} bytes", page.len());
    let data = data(&page);
    assert_eq!(column(&data, "rules", "Rule").len(), 10_000);
    assert_eq!(column(&data, "interfaces", "Interface").len(), 5_000);
    assert_eq!(column(&data, "findings", "Id").len(), 2_000);
    let tags = parse(&page);
    let pages = |prefix: &str| {
        tags.iter().filter(|tag| tag.get("id").is_some_and(|id| id.starts_with(prefix))).count()
    };
    // What has no page is said.
    for (prefix, all, noun) in
        [("finding-", 2_000, "findings"), ("group-", 2_500, "groups"), ("interface-", 5_000, "interfaces")]
    {
        let there = pages(prefix);
        assert!(there > 300, "{prefix}: {there}");
        assert_eq!(
            there < all,
            page.contains(&format!("{} {noun} have no page", all - there)),
            "{prefix}: {there}"
        );
    }
}
