//! TOML with comments. Names of the inventory may hold anything.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::GroupTier;

/// A file in the making.
#[derive(Default)]
pub(super) struct Draft {
    tiers: String,
    expectations: String,
    /// Expectations by name.
    told: BTreeMap<String, usize>,
}

const HEAD: &str = "\
# What should be true of this network, drafted from its inventory by flowgate. Read it, and correct it: it says what the
# rules allow today, not what they should.
#
#   flowgate expect check FILE --inventory DIR             says what each tier stands for
#   flowgate analyze LOGS --inventory DIR --expect FILE    tells every accepted connection that breaks it
#
# Every only-from must be true on its own. A never-from yields to whom an only-from or may-from names for the same tier and
# service; what a may-from welcomes breaks nothing. `on` limits an expectation to services, `severity` rates what breaks
# it. `flowgate expect check --help` shows all keys.

version = 1
";

impl Draft {
    pub fn tier(&mut self, name: &str, about: &str, (key, value): (&str, &str)) {
        _ = write!(self.tiers, "\n# {}\n[tier.{name}]\n{key} = {}\n", comment(about), quoted(value));
    }

    pub fn remark(&mut self, lines: &[&str]) {
        if self.expectations.ends_with("\"\n") || self.expectations.is_empty() {
            self.expectations.push('\n');
        }
        for line in lines {
            _ = writeln!(self.expectations, "# {}", comment(line));
        }
    }

    pub fn expect(&mut self, name: &str, remarks: &[&str], keys: &[(&str, String)]) {
        self.expectations.push('\n');
        for line in remarks {
            _ = writeln!(self.expectations, "# {}", comment(line));
        }
        let times = self.told.entry(name.to_owned()).or_default();
        *times += 1;
        let name = if *times > 1 { format!("{name} ({times})") } else { name.to_owned() };
        _ = writeln!(self.expectations, "[[expect]]\nname = {}", quoted(&name));
        for (key, value) in keys {
            _ = writeln!(self.expectations, "{key} = {value}");
        }
    }

    pub fn finish(self, groups: &BTreeMap<String, GroupTier>) -> String {
        let mut text = format!("{HEAD}{}", self.tiers);
        // Rules may name groups in ways that come to nothing.
        for (name, tier) in groups.iter().filter(|(name, _)| self.expectations.contains(&quoted(name))) {
            let ids: Vec<String> = tier.ids.iter().cloned().collect();
            let ids = if ids.len() == 1 { quoted(&ids[0]) } else { strings(&ids) };
            let about = comment(&tier.group_name);
            let about = if about.is_empty() { String::new() } else { format!("  # {about}") };
            _ = write!(text, "\n[tier.{name}]\nsecurity-group = {ids}{about}\n");
        }
        text + &self.expectations
    }
}

/// A basic string of TOML.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if is_unseen(c) => _ = write!(quoted, "\\U{:08X}", u32::from(c)),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

/// A list of them.
pub(super) fn strings(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    let line = format!("[{}]", quoted.join(", "));
    if line.len() <= 100 { line } else { format!("[\n    {},\n]", quoted.join(",\n    ")) }
}

/// One line without anything that acts on a terminal or an editor.
pub(super) fn comment(text: &str) -> String {
    text.chars().map(|c| if is_unseen(c) { '?' } else { c }).take(200).collect()
}

/// Control characters, and those that change the direction of text or are not seen at all.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A name for a tier: `Web Server (old)` is `web-server-old`.
pub(super) fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars().take(60) {
        if c.is_ascii_alphanumeric() || c == '_' {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    let taken = ["everything", "anywhere", "inside", "internet", "same-vpc"].contains(&slug);
    let id = ["sg-", "eni-", "pl-"].iter().any(|prefix| slug.starts_with(prefix));
    if slug.is_empty() || taken || id {
        format!("group-{slug}").trim_end_matches('-').to_owned()
    } else {
        slug.to_owned()
    }
}
