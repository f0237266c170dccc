//! Ends that contradict each other.

use serde_json::{Value, json};

use super::estate::{Came, Eni, Estate, SPAN, Seen, eni, told};

const WEB: [&str; 3] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];
const DB: [&str; 2] = ["10.0.0.11", "10.0.0.12"];
const HIDDEN: &str = "10.0.0.21";

/// Three web servers and two databases that get along; an address of the same kind in another VPC; one without a log.
fn estate() -> Estate {
    let mut enis: Vec<Eni> = Vec::new();
    for (id, address) in [("eni-w1", WEB[0]), ("eni-w2", WEB[1]), ("eni-w3", WEB[2])] {
        enis.push(eni(id, address, &["sg-web"]));
    }
    for (id, address) in [("eni-d1", DB[0]), ("eni-d2", DB[1])] {
        enis.push(eni(id, address, &["sg-db"]));
    }
    enis.push(Eni { logged: false, ..eni("eni-h1", HIDDEN, &["sg-db"]) });
    enis.push(Eni { vpc: "vpc-9", ..eni("eni-x1", DB[1], &["sg-other"]) });
    let mut estate = Estate::new(enis);
    estate.rules = vec![
        ("sg-web", "sgr-out", true, "-1", (-1, -1), "0.0.0.0/0"),
        ("sg-db", "sgr-db", false, "tcp", (5432, 5432), "sg-web"),
        ("sg-db", "sgr-any", false, "tcp", (9000, 9999), "10.0.0.0/16"),
    ];
    for at in (650..SPAN - 650).step_by(240) {
        for web in WEB {
            for server in DB {
                let talk = estate.talk(at, web, server, 5432);
                estate.say(&talk, Came::Through, Seen::Both);
            }
        }
        // Rejected where it begins, or by somebody from outside: no contradiction.
        let talk = estate.talk(at, DB[0], WEB[1], 8080);
        estate.say(&talk, Came::RejectedHere, Seen::Both);
        let talk = estate.talk(at, "198.51.100.4", WEB[1], 22);
        estate.say(&talk, Came::RejectedThere, Seen::Both);
        // The other end has no log.
        let talk = estate.talk(at, WEB[0], HIDDEN, 5432);
        estate.say(&talk, Came::Through, Seen::Both);
    }
    estate
}

fn one(findings: &[Value]) -> &Value {
    let [one] = findings else { panic!("{:#?}", told(findings)) };
    one
}

#[test]
fn ends_that_get_along_are_not_told() {
    let mut estate = estate();
    // Single losses at both ends, far apart.
    for (at, seen) in [(1_300, Seen::Client), (5_000, Seen::Server)] {
        let talk = estate.talk(at, WEB[0], DB[0], 5432);
        estate.say(&talk, Came::Through, seen);
    }
    // A burst within one lost file, of a service that is not used otherwise.
    for n in 0..20 {
        let talk = estate.talk(4_000 + n * 12, WEB[1], DB[1], 9_100);
        estate.say(&talk, Came::Through, Seen::Server);
    }
    let (findings, summary) = estate.analyze("ends-disagree", &[]);
    assert!(findings.is_empty(), "{:#?}", told(&findings));
    let ends = &summary["ends"];
    assert_eq!(ends["joined"], 240, "{ends}");
    assert_eq!((&ends["agreeing"], &ends["disagreeing"]), (&json!(240), &json!(22)));
    assert_eq!(
        ends["by_cause"],
        json!({"never-arrived": 1, "never-left": 21, "rejected-on-arrival": 0, "size-disagrees": 0})
    );
    assert_eq!(ends["rejected_at_one_end"], 40);
}

#[test]
fn what_is_rejected_on_arrival_is_told_with_what_stopped_it() {
    let mut estate = estate();
    for at in (700..6_000).step_by(300) {
        for web in [WEB[0], WEB[2]] {
            let talk = estate.talk(at, web, DB[1], 6379);
            estate.say(&talk, Came::RejectedThere, Seen::Both);
        }
    }
    let (findings, summary) = estate.analyze("ends-disagree", &[]);
    let finding = one(&findings);
    assert_eq!((&finding["cause"], &finding["severity"]), (&json!("rejected-on-arrival"), &json!("medium")));
    assert_eq!((&finding["ports"], &finding["interfaces"]), (&json!([6379]), &json!(["eni-d2"])));
    assert_eq!(finding["evidence"]["sources"], json!(["eni-w1", "eni-w3"]));
    assert_eq!(finding["evidence"]["stopped_by"], json!({"security-group": 36}));
    assert_eq!(finding["evidence"]["let_pass_by"][0]["rule_id"], "sgr-out");
    assert_eq!(finding["security_group"], "sg-db");
    assert_eq!(summary["ends"]["by_cause"]["rejected-on-arrival"], 36);
}

#[test]
fn a_network_acl_that_stops_it_is_named() {
    let mut estate = estate();
    estate.acl.insert(0, (50, false, false, "10.0.0.2/32"));
    for at in [700, 2_000, 4_000] {
        let talk = estate.talk(at, WEB[1], DB[0], 5432);
        estate.say(&talk, Came::RejectedThere, Seen::Both);
    }
    let (findings, _) = estate.analyze("ends-disagree", &[]);
    let finding = one(&findings);
    assert_eq!(finding["evidence"]["stopped_by"], json!({"network-acl-in": 3}));
    assert_eq!((&finding["network_acl"], &finding["severity"]), (&json!("acl-1"), &json!("low")));
    assert_eq!(finding["counts"]["agreeing"], 240);
    assert!(finding["next"][0].as_str().unwrap().ends_with("let it in at acl-1; else stop it at the source"));
}

#[test]
fn what_never_left_or_never_arrived_is_told_if_it_goes_on() {
    for (seen, cause) in [(Seen::Server, "never-left"), (Seen::Client, "never-arrived")] {
        let mut estate = estate();
        for at in [700, 1_500, 2_900, 4_400] {
            let talk = estate.talk(at, WEB[1], DB[0], 9_200);
            estate.say(&talk, Came::Through, seen);
        }
        let (findings, _) = estate.analyze("ends-disagree", &[]);
        let finding = one(&findings);
        assert_eq!((&finding["cause"], &finding["severity"]), (&json!(cause), &json!("low")));
        assert_eq!((&finding["grade"], &finding["counts"]["connections"]), (&json!("weak"), &json!(4)));
        assert_eq!(finding["evidence"]["sources"], json!(["eni-w2"]));
        assert_eq!(finding["evidence"]["targets"], json!(["eni-d1"]));
    }
}

#[test]
fn a_reject_at_home_of_what_arrived_is_told() {
    let mut estate = estate();
    let talk = estate.talk(700, WEB[1], DB[0], 9_300);
    estate.say(&talk, Came::RejectedHere, Seen::Client);
    estate.say(&talk, Came::Unanswered, Seen::Server);
    let (findings, _) = estate.analyze("ends-disagree", &[]);
    let finding = one(&findings);
    assert_eq!((&finding["cause"], &finding["grade"]), (&json!("never-left"), &json!("reliable")));
    assert_eq!(finding["evidence"]["stopped_by"], json!({"misdropped": 1}));
}

#[test]
fn sizes_that_disagree_again_and_again_are_told() {
    let mut estate = estate();
    for at in [700, 1_500, 2_900] {
        let talk = estate.talk(at, WEB[1], DB[0], 9_400);
        estate.say(&talk, Came::Through, Seen::Client);
        let less = super::estate::Talk { back: (400, 500_000), ..talk };
        estate.say(&less, Came::Through, Seen::Server);
    }
    let (findings, _) = estate.analyze("ends-disagree", &[]);
    let finding = one(&findings);
    assert_eq!(
        (&finding["cause"], &finding["severity"]),
        (&json!("size-disagrees"), &json!("informational"))
    );
    assert_eq!(finding["counts"]["sent_packets"], 3 * (12 + 400));
    assert_eq!(finding["counts"]["arrived_packets"], 3 * (12 + 14));
}

#[test]
fn ends_whose_log_cannot_tell_are_not_accused() {
    let plant = |estate: &mut Estate| {
        for at in [700, 1_500, 2_900, 4_400] {
            let talk = estate.talk(at, WEB[1], DB[0], 9_200);
            estate.say(&talk, Came::Through, Seen::Server);
        }
    };
    // SKIPDATA at the sender in all of these times.
    let mut skipping = estate();
    plant(&mut skipping);
    for at in [700, 1_500, 2_900, 4_400] {
        let from = super::estate::START + at;
        skipping.line(&format!("5 123456789012 eni-w2 - - - - - - - {from} {} - SKIPDATA - -", from + 59));
    }
    // A load balancer may have handed them on.
    let mut balanced = estate();
    plant(&mut balanced);
    balanced.enis.push(Eni {
        kind: "network_load_balancer",
        logged: false,
        ..eni("eni-nlb", "10.0.0.99", &[])
    });
    // Two interfaces have had the address.
    let mut twice = estate();
    plant(&mut twice);
    twice.enis.push(eni("eni-w8", WEB[1], &["sg-web"]));
    twice.line(&format!("5 123456789012 eni-w8 - - - - - - - {0} {0} - NODATA - -", super::estate::START));
    for estate in [skipping, balanced, twice] {
        let (findings, summary) = estate.analyze("ends-disagree", &[]);
        assert!(findings.is_empty(), "{:#?}", told(&findings));
        assert!(summary["ends"]["not_compared"].as_u64().unwrap() >= 4);
    }
}

#[test]
fn logs_that_contradict_each_other_everywhere_are_told_once() {
    let mut estate = estate();
    for at in [700, 1_500, 2_900, 4_400] {
        for port in 9_500..9_530 {
            let talk = estate.talk(at, WEB[1], DB[0], port);
            estate.say(&talk, Came::Through, Seen::Server);
        }
    }
    let (findings, _) = estate.analyze("ends-disagree", &[]);
    let finding = one(&findings);
    assert_eq!((&finding["cause"], &finding["counts"]["connections"]), (&json!("never-left"), &json!(120)));
    assert_eq!(finding["counts"]["groups"], 30);
}
