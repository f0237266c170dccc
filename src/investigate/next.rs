//! Commands to go on with: each works when it is pasted into a shell.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::model::{Investigation, NextStep};
use super::subject::Subject;
use super::view::first_view;
use crate::flow::address_from_bits;

/// Other sides, findings and rules to go on with.
const EACH: usize = 3;

/// Words as a shell of POSIX reads them. Characters that a terminal would not show as they are, are written as escapes
/// (`$'…'`, of bash, zsh, ksh and POSIX of 2024).
#[must_use]
pub fn shell(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| quote(word)).collect();
    quoted.join(" ")
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    // Whatever is not plainly a letter or a digit may be something that is not shown as it is.
    let shown = |c: char| matches!(c, ' '..='~') || (c.is_alphanumeric() && !c.is_ascii());
    if word.chars().all(shown) {
        return format!("'{}'", word.replace('\'', r"'\''"));
    }
    let mut text = String::from("$'");
    for c in word.chars() {
        match c {
            '\'' | '\\' => text.extend(['\\', c]),
            c if shown(c) => text.push(c),
            c => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    // Of three octal digits: what follows can't be taken for one more. Writing to a string can't fail.
                    _ = write!(text, "\\{byte:03o}");
                }
            }
        }
    }
    text.push('\'');
    text
}

/// A text in SQL.
fn sql_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn time(seconds: i64) -> String {
    let time = chrono::DateTime::from_timestamp(seconds, 0);
    time.map_or_else(|| seconds.to_string(), |time| time.format("%Y-%m-%dT%H:%M:%SZ").to_string())
}

pub(super) fn next(told: &Investigation) -> Vec<NextStep> {
    let mut steps = Steps { told, list: Vec::new() };
    if told.nothing.is_some() {
        steps.of_nothing();
        return steps.list;
    }
    steps.times();
    steps.others();
    steps.why();
    steps.questions();
    steps.list
}

struct Steps<'a> {
    told: &'a Investigation,
    list: Vec<NextStep>,
}

impl Steps<'_> {
    fn add(&mut self, why: impl Into<String>, words: &[&str]) {
        let words = ["flowgate"].iter().chain(words).map(|&word| word.to_owned()).collect();
        let step = NextStep { why: why.into(), words };
        if !self.list.iter().any(|known| known.words == step.words) {
            self.list.push(step);
        }
    }

    fn investigate(&mut self, why: impl Into<String>, subject: &str, around: Option<i64>) {
        let request = &self.told.request;
        let inventories: Vec<&str> =
            request.inventories.iter().flat_map(|path| ["--inventory", path.as_str()]).collect();
        let (at, span);
        let mut words = vec!["investigate", subject, "--store", request.store.as_str()];
        words.extend(inventories);
        if let Some(around) = around {
            at = time(around);
            words.extend(["--around", at.as_str()]);
            if let Some((asked, seconds)) = request.around
                && asked == around
            {
                span = format!("{seconds}s");
                words.extend(["--span", span.as_str()]);
            }
        }
        self.add(why, &words);
    }

    /// What to look at closely.
    fn times(&mut self) {
        if self.told.request.around.is_some() {
            return;
        }
        let subject = self.told.request.subject.to_string();
        let views = &self.told.views;
        let escape = views.iter().flat_map(|view| &view.escapes).map(|note| note.start).min();
        if let Some(at) = escape {
            self.investigate("around the first accept that no rule explains", &subject, Some(at));
        }
        let latest = self.told.changes.list.last().map(|change| change.to);
        if let Some(at) = latest.filter(|at| *at < i64::from(u32::MAX)) {
            self.investigate("around the latest change of its configuration", &subject, Some(at));
        }
        let new = first_view(views).and_then(|view| view.new_peers.last()).and_then(|(_, sum)| sum.first);
        if let Some(at) = new {
            self.investigate("around the latest first contact", &subject, Some(at));
        }
    }

    /// Who else is concerned.
    fn others(&mut self) {
        let Some(view) = first_view(&self.told.views) else { return };
        let around = self.told.request.around.map(|(at, _)| at);
        let most = view.peers.by_connections.iter().take(EACH).chain(view.peers.by_bytes.first());
        let peers: Vec<String> = most.map(|(peer, _)| address_from_bits(*peer).to_string()).collect();
        for peer in peers {
            self.investigate("one of those that it talked to most", &peer, around);
        }
        let own = self.told.request.subject.to_string();
        let groups = self.told.identity.groups.iter().filter(|group| group.id != own);
        let groups: Vec<String> = groups.take(EACH).map(|group| group.id.clone()).collect();
        for group in groups {
            self.investigate("its security group", &group, around);
        }
        let rules = view.rules.by_connections.iter().filter(|(rule, _)| *rule != own).take(EACH);
        let rules: Vec<String> = rules.map(|(rule, _)| rule.clone()).collect();
        for rule in rules {
            self.investigate("a rule that permitted its connections", &rule, around);
        }
        if !matches!(self.told.request.subject, Subject::Interface(_)) {
            let interfaces = view.interfaces.by_connections.iter().take(EACH);
            let interfaces: Vec<String> = interfaces.map(|(id, _)| id.clone()).collect();
            for interface in interfaces {
                self.investigate("an interface whose records tell of it", &interface, around);
            }
        }
    }

    /// What findings and verdicts mean.
    fn why(&mut self) {
        let told = self.told;
        let mut detectors: BTreeSet<&str> =
            told.findings.list.iter().map(|finding| finding.detector.as_str()).take(EACH).collect();
        let has = |verdict: &str| told.views.iter().any(|view| view.total.verdict(verdict) > 0);
        detectors.extend(has("escaped").then_some("unexpected-accept"));
        detectors.extend(has("misdropped").then_some("misdropped"));
        for detector in detectors {
            self.add("what this kind of finding means, and what to do", &["explain", detector]);
        }
    }

    /// Questions of the store's tables.
    fn questions(&mut self) {
        let told = self.told;
        let store = told.request.store.as_str();
        let subject = told.request.subject.to_string();
        let query = |name: &str, param: &str| {
            let param = format!("{param}={subject}");
            ["query", name, "--param", &param, "--store", store].map(str::to_owned)
        };
        let packaged = match &told.request.subject {
            Subject::Address(_) => Some(("all of it as a table", query("who-talked-to", "address"))),
            Subject::Rule(_) => Some(("all that used the rule", query("rule-users", "rule"))),
            Subject::Group(_) => Some(("what hangs on its rules alone", query("sole-matches", "group"))),
            Subject::Network(_) | Subject::Interface(_) | Subject::Instance(_) => None,
        };
        if let Some((why, words)) = packaged {
            self.add(why, &words.each_ref().map(String::as_str));
        }
        let own = match &told.request.subject {
            Subject::Address(_) => {
                format!("(local = {0} OR remote = {0})", sql_text(&subject))
            }
            Subject::Network(_) => {
                format!("(in_network(local, {0}) OR in_network(remote, {0}))", sql_text(&subject))
            }
            Subject::Interface(_) => format!("interface = {}", sql_text(&subject)),
            Subject::Instance(_) | Subject::Group(_) | Subject::Rule(_) => return self.analyze(),
        };
        let when = match told.request.around {
            Some((at, span)) => format!(
                " AND \"start\" BETWEEN TIMESTAMP '{}' AND TIMESTAMP '{}'",
                time(at - span).replace('T', " ").replace('Z', ""),
                time(at + span).replace('T', " ").replace('Z', ""),
            ),
            None => String::new(),
        };
        let question = format!(
            "SELECT \"start\", interface, direction, local, local_port, remote, remote_port, verdict, bytes_in, bytes_out \
             FROM connections WHERE {own}{when} ORDER BY \"start\" LIMIT 100"
        );
        self.add("its connections one by one; change it as you like", &["sql", &question, "--store", store]);
        self.analyze();
    }

    /// Judged again from all records, with what the detectors say.
    fn analyze(&mut self) {
        let told = self.told;
        if !told.findings.kept && !told.request.inventories.is_empty() {
            let mut words = vec!["analyze", told.request.store.as_str()];
            words.extend(told.request.inventories.iter().flat_map(|path| ["--inventory", path.as_str()]));
            words.push("--keep");
            self.add("find what is odd in all of it, and keep that in the store", &words);
        }
        let interfaces: Vec<&str> =
            told.identity.interfaces.iter().map(|state| state.id.as_str()).take(EACH).collect();
        if told.request.inventories.is_empty() || interfaces.is_empty() {
            return;
        }
        let mut words = vec!["analyze", told.request.store.as_str()];
        words.extend(told.request.inventories.iter().flat_map(|path| ["--inventory", path.as_str()]));
        words.extend(interfaces.iter().flat_map(|id| ["--interface", id]));
        self.add("judge its records again, with all detectors", &words);
    }

    fn of_nothing(&mut self) {
        let told = self.told;
        if let Some((block, _)) = told.nothing.as_ref().and_then(|nothing| nothing.around.as_ref()) {
            self.investigate("the block around it", &block.to_string(), None);
        }
        let subnets: Vec<String> = told
            .identity
            .subnets
            .iter()
            .flat_map(|subnet| &subnet.networks)
            .filter(|network| told.request.subject.network().is_some_and(|own| network.contains(&own)))
            .map(ToString::to_string)
            .collect();
        for subnet in subnets.iter().take(EACH) {
            self.investigate("the subnet that it is in", subnet, None);
        }
        self.add("what the store holds", &["store", "info", "--store", told.request.store.as_str()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_words_stay_one_word_and_show_what_they_are() {
        let quote = |word: &str| shell(&[word.to_owned()]);
        assert_eq!(quote("10.0.3.0/24"), "10.0.3.0/24");
        assert_eq!(quote(""), "''");
        assert_eq!(quote("my store; rm -rf ~"), "'my store; rm -rf ~'");
        assert_eq!(quote("it's"), r"'it'\''s'");
        assert_eq!(quote("$(id)`id`"), "'$(id)`id`'");
        assert_eq!(quote("a\u{1b}[2J\nb'\\1"), r"$'a\033[2J\012b\'\\1'");
        assert_eq!(quote("\u{202e}x"), r"$'\342\200\256x'");
        assert_eq!(quote("Übung"), "'Übung'");
    }

    #[test]
    #[cfg(unix)]
    fn a_shell_reads_what_was_meant() {
        for word in
            ["plain", "", "a b", "it's", "$HOME `id` $(id) \\ \" ! * ?", "x\u{1b}[2J\ny\t\u{202e}'z\\", "Ü日"]
        {
            let command = format!("printf %s {}", shell(&[word.to_owned()]));
            let Ok(output) = std::process::Command::new("bash").args(["-c", &command]).output() else {
                return;
            };
            assert_eq!(String::from_utf8_lossy(&output.stdout), word, "{command}");
        }
    }
}
