//! The page, in a terminal and in a browser.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::investigate::hand::{EVIL, Hand};
use crate::investigate::support::{flowgate, text};

fn picture(name: &str, shown: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/investigate").join(name);
    if std::env::var_os("FLOWGATE_BLESS").is_some() {
        fs::write(&path, shown).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(shown == expected, "{name} differs; FLOWGATE_BLESS=1 draws it again\n{shown}");
}

/// In the world's directory, so that the picture does not know where that is.
fn show(hand: &Hand, words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_flowgate"))
        .env_clear()
        .env("LC_ALL", "C.UTF-8")
        .current_dir(hand.path(""))
        .arg("investigate")
        .args(words)
        .args(["--store", "store", "--inventory", "inventory"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn the_terminal_shows_what_its_picture_shows() {
    let hand = Hand::new();
    picture("address.txt", &show(&hand, &["203.0.113.7", "--width", "120"]));
    picture(
        "interface-around.txt",
        &show(&hand, &["eni-0a01", "--around", "2026-03-01T00:05:00Z", "--width", "120"]),
    );
    picture("group.txt", &show(&hand, &["sg-0a01", "--width", "120"]));
    picture("nothing.txt", &show(&hand, &["203.0.113.9", "--width", "80"]));
}

#[test]
fn hostile_names_are_text() {
    let hand = Hand::new();
    for words in [&["10.0.2.20"][..], &["eni-0a01"], &["sg-0a01"], &["i-0a01", "--around", "2026-03-01"]] {
        let shown = show(&hand, words);
        assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown}");
    }
    assert!(show(&hand, &["10.0.2.20", "--width", "400"]).contains("\\u{1b}[31m\\u{202e}"));
    let page = hand.path("page.html");
    show(&hand, &["eni-0a01", "--report", page.to_str().unwrap()]);
    let html = fs::read_to_string(&page).unwrap();
    assert!(!html.contains(['\u{1b}', '\u{202e}']) && !html.contains("<script"));
    assert!(html.contains("&lt;script&gt;") && EVIL.contains("<script>"));
    assert!(html.contains("default-src &#x27;none&#x27;; style-src &#x27;sha256-"), "{}", &html[..600]);
}

#[test]
fn the_commands_to_go_on_with_work() {
    let hand = Hand::new();
    // A store whose name has to be quoted.
    let named = hand.path("my store; $(touch ran) 'x'");
    fs::rename(hand.store(), &named).unwrap();
    let known: Vec<String> =
        flowgate::cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let mut ran = 0;
    for subject in [
        "203.0.113.7",
        "10.0.2.20",
        "eni-0a01",
        "i-0b01",
        "sg-0a01",
        "sgr-0a01",
        "10.0.0.0/16",
        "203.0.113.9",
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_flowgate"))
            .args(["investigate", subject, "--width", "100", "--inventory", "inventory", "--store"])
            .arg(&named)
            .current_dir(hand.path(""))
            .output()
            .unwrap();
        let shown = text(&output.stdout);
        let commands = shown.lines().skip_while(|line| *line != "Go on with").skip(1);
        for line in commands.filter(|line| !line.trim_start().starts_with('#')) {
            let command = line.trim();
            let name = command.split(' ').nth(1).unwrap();
            if !known.iter().any(|one| one == name) {
                // Of another part of the program, which is not there.
                assert!(["sql", "query"].contains(&name), "{command}");
                continue;
            }
            let script = format!("flowgate() {{ '{}' \"$@\"; }}; {command}", env!("CARGO_BIN_EXE_flowgate"));
            let output =
                Command::new("bash").args(["-c", &script]).current_dir(hand.path("")).output().unwrap();
            let code = output.status.code();
            let fine = code == Some(0) || (name == "analyze" && code == Some(1));
            assert!(fine, "{code:?} {command}\n{}", text(&output.stderr));
            ran += 1;
        }
    }
    assert!(ran > 40, "{ran}");
    assert!(!hand.path("ran").exists());
}

#[test]
fn a_browser_shows_the_page_without_running_or_loading_anything() {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .flat_map(|dir| names.map(|name| dir.join(name)))
        .find(|file| file.is_file());
    let Some(chromium) = found else {
        eprintln!("left out: there is no chromium; tests/run.sh installs it on Debian");
        return;
    };
    let hand = Hand::new();
    let page = hand.path("page.html");
    show(&hand, &["eni-0a01", "--report", page.to_str().unwrap()]);
    let dump = Command::new(chromium)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", "--virtual-time-budget=2000"])
        .arg(format!("--user-data-dir={}", hand.path("profile").display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    let dom = text(&dump.stdout);
    // Every section is there, the picture too; nothing of the hostile name became an element.
    for id in
        ["who", "own-sums", "own-line", "own-peers", "own-services", "own-rules", "changes", "limits", "next"]
    {
        assert!(dom.contains(&format!("id=\"{id}\"")), "{id}: {dom}");
    }
    assert!(dom.contains("<svg class=\"timeline\"") && !dom.contains("<script") && !dom.contains("<img"));
    flowgate(0, &[&"store", &"info", &"--store", &hand.store()]);
}

/// Every key of an object and of all below it. Below `names`, `verdicts` and `blocked_replies` keys are data.
fn keys(value: &serde_json::Value, all: &mut std::collections::BTreeSet<String>) {
    match value {
        serde_json::Value::Array(items) => items.iter().for_each(|item| keys(item, all)),
        serde_json::Value::Object(object) => {
            for (key, value) in object {
                all.insert(key.clone());
                match key.as_str() {
                    "verdicts" | "blocked_replies" => {}
                    "names" if value.is_object() => {
                        value.as_object().unwrap().values().for_each(|value| keys(value, all));
                    }
                    _ => keys(value, all),
                }
            }
        }
        _ => {}
    }
}

#[test]
fn the_book_has_every_key() {
    let hand = Hand::new();
    let (store, inventory) = (hand.store(), hand.path("inventory"));
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_flowgate"))
        .arg("analyze")
        .args([&store, &std::path::PathBuf::from("--inventory"), &inventory])
        .args(["--keep", "--quiet"])
        .output()
        .unwrap();
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", text(&output.stderr));
    let book = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/output.md")).unwrap();
    let section = book.split("\n## Investigation\n").nth(1).unwrap();
    let told: std::collections::BTreeSet<String> =
        section.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    let mut written = std::collections::BTreeSet::new();
    let subjects = [
        &["10.0.2.20"][..],
        &["eni-0b01", "--around", "2026-03-01"],
        &["sg-0a01"],
        &["sgr-0a02"],
        &["203.0.113.9"],
        &["10.0.77.1"],
    ];
    for words in subjects {
        let told = hand.ask(words[0], &words[1..]);
        if words[0] == "10.0.2.20" {
            let findings = told["findings"]["list"].as_array().unwrap();
            assert!(findings.iter().any(|finding| finding["kind"] == "unexpected-accept"), "{told:#}");
        }
        keys(&told, &mut written);
    }
    let missing: Vec<&String> = written.difference(&told).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(written.len() > 90, "{}", written.len());
}

/// What the README shows of the sample. `…` stands for what it leaves out.
#[test]
fn the_readme_shows_what_the_program_says() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let section = readme.split("\n## What happened around this\n").nth(1).unwrap();
    let block = section.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let sample = crate::investigate::support::sample();
    let store = directory.path().join("store");
    flowgate(
        0,
        &[&"ingest", &sample.join("AWSLogs"), &"--inventory", &sample.join("inventory"), &"--store", &store],
    );
    let output = Command::new(env!("CARGO_BIN_EXE_flowgate"))
        .env_clear()
        .env("LC_ALL", "C.UTF-8")
        .current_dir(directory.path())
        .args(["investigate", "10.20.20.41", "--store", "store"])
        .output()
        .unwrap();
    let said = text(&output.stdout);
    let mut said = said.lines().map(str::trim_end);
    for line in block.lines().map(str::trim_end).filter(|line| line.trim() != "…") {
        assert!(said.any(|one| one == line), "{line:?} is not said, or not in this order");
    }
}
