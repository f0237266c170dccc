//! The HTML report in a browser: pages, tables, links and themes work, nothing is loaded, nothing of the data runs.
//!
//! `tests/browser/drive.py` talks to headless Chromium. Where there is none, the tests say so and are left out;
//! `tests/run.sh` installs it.

use std::path::{Path, PathBuf};
use std::process::Command;

use flowgate::finding::{Conclusions, Finding, RuleRow};
use flowgate::report::write_report;
use flowgate::{AnalyzeConfig, Input, Silent, analyze};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    std::env::split_paths(&path).flat_map(|dir| names.map(|name| dir.join(name))).find(|file| file.is_file())
}

fn sample() -> Conclusions {
    let input = Input::parse(root().join("sample-logs").as_os_str()).unwrap();
    analyze(&AnalyzeConfig { inputs: vec![input], ..AnalyzeConfig::default() }, None, &Silent).unwrap()
}

fn read_by_a_browser(conclusions: &Conclusions, world: &str) {
    let Some(chromium) = chromium() else {
        eprintln!("left out: there is no chromium; tests/run.sh installs it on Debian");
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let report = directory.path().join("report.html");
    write_report(&report, conclusions, None).unwrap();
    let ran = Command::new("python3")
        .arg(root().join("tests/browser/drive.py"))
        .args([chromium.as_os_str(), report.as_os_str(), world.as_ref()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{said}\n{}", String::from_utf8_lossy(&ran.stderr));
}

#[test]
fn the_report_of_the_sample_works() {
    read_by_a_browser(&sample(), "plain");
}

#[test]
fn a_large_report_works_without_lag() {
    let mut conclusions = sample();
    let rules = conclusions.rules.clone();
    let rule = |n: usize| {
        let like = &rules[n % rules.len()];
        let (rule_id, security_group) = (format!("sgr-{n:017x}"), format!("sg-{:017x}", n / 4));
        RuleRow { rule_id, security_group, connections: (n * 7_919 % 10_007) as u64, ..like.clone() }
    };
    conclusions.rules = (0..10_000).map(rule).collect();
    let findings = conclusions.findings.clone();
    let finding = |n: usize| Finding { id: format!("fgf-{n:016x}"), ..findings[n % findings.len()].clone() };
    conclusions.findings = (0..2_000).map(finding).collect();
    read_by_a_browser(&conclusions, "large");
}

/// What runs, if a page takes it for anything but text.
const EVIL: &str = "\"'><script>window.ran=1</script><img src=x onerror=window.ran=1><svg/onload=window.ran=1></script></style>\
    <a href=javascript:window.ran=1>{{ 7*7 }}\u{202e}\u{0}\u{1b}[2J";

#[test]
fn nothing_of_hostile_logs_and_tags_runs() {
    let mut conclusions = sample();
    let evil = || EVIL.to_owned();
    for f in &mut conclusions.findings {
        for text in [&mut f.title, &mut f.summary, &mut f.cause] {
            text.push_str(EVIL);
        }
        for list in [&mut f.interfaces, &mut f.instances, &mut f.remotes, &mut f.next, &mut f.controls] {
            list.push(evil());
        }
        for id in [&mut f.account, &mut f.vpc, &mut f.security_group, &mut f.rule_id, &mut f.protocol] {
            *id = Some(evil());
        }
        f.counts.insert(evil(), 1);
        f.evidence.insert(evil(), serde_json::json!({ EVIL: [EVIL, { EVIL: EVIL }] }));
    }
    for r in &mut conclusions.rules {
        for text in [&mut r.rule_id, &mut r.security_group, &mut r.protocol, &mut r.port_range, &mut r.peer] {
            text.push_str(EVIL);
        }
        r.grade_reasons.push(evil());
    }
    let s = &mut conclusions.summary;
    for list in [&mut s.inputs, &mut s.inventories, &mut s.assumptions] {
        list.push(evil());
    }
    for c in &mut s.coverage {
        c.interface.push_str(EVIL);
        c.instance = Some(evil());
    }
    for l in &mut s.limitations {
        l.message.push_str(EVIL);
    }
    let p = &mut conclusions.picture;
    p.nodes.iter_mut().for_each(|node| node.name.push_str(EVIL));
    p.groups.values_mut().for_each(|note| note.name.push_str(EVIL));
    p.interfaces.values_mut().for_each(|note| note.label = Some(evil()));
    read_by_a_browser(&conclusions, "hostile");
}
