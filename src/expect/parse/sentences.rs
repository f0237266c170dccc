//! Expectations: who may reach whom.

use std::ops::Range;

use toml::de::DeTable;

use super::super::words::{self, SERVICES, SEVERITIES};
use super::super::{Expectation, Mode, Service};
use super::read::Reader;
use super::tiers::Names;
use crate::flow::Direction;

const KEYS: [&str; 12] = [
    "name",
    "to",
    "from",
    "on",
    "only-from",
    "never-from",
    "may-from",
    "only-to",
    "never-to",
    "may-to",
    "same-vpc",
    "severity",
];

const MODES: [(Mode, [&str; 2]); 3] = [
    (Mode::Only, ["only-from", "only-to"]),
    (Mode::Never, ["never-from", "never-to"]),
    (Mode::May, ["may-from", "may-to"]),
];

/// One expectation while it is read.
pub(super) struct Sentence<'r, 't, 'a, 'i> {
    reader: &'r mut Reader<'t>,
    names: &'r mut Names,
    /// Its heading.
    span: Range<usize>,
    table: &'a DeTable<'i>,
}

impl<'r, 't, 'a, 'i> Sentence<'r, 't, 'a, 'i> {
    pub fn new(
        reader: &'r mut Reader<'t>,
        names: &'r mut Names,
        span: Range<usize>,
        table: &'a DeTable<'i>,
    ) -> Self {
        Self { reader, names, span, table }
    }

    fn complain(&mut self, span: &Range<usize>, message: impl Into<String>, help: &str) {
        let fault = self.reader.fault(span, message);
        self.reader.add(fault.help(help));
    }

    /// The expectation, as far as it can be made out.
    pub fn read(mut self) -> Option<Expectation> {
        self.reader.keys(self.table, &KEYS, "an expectation");
        let name = match self.table.get("name") {
            Some(value) => self.reader.string("name", value),
            None => {
                self.complain(
                    &self.span.clone(),
                    "this expectation has no name",
                    "findings are told by it: name = \"…\"",
                );
                None
            }
        };
        let services = self.services();
        let severity = self.severity();
        let same =
            self.table.get("same-vpc").map(|value| (self.reader.boolean("same-vpc", value), value.span()));
        let direction = self.direction()?;
        let (mode, peers) = self.peers(direction);
        let here = if direction == Direction::Inbound { "to" } else { "from" };
        let tiers = self.ends(here, true);
        if let (Some((true, span)), Some(Mode::Never)) = (&same, mode) {
            self.complain(
                &span.clone(),
                "`same-vpc` goes with only- and may-, not with never-",
                "name `same-vpc` among the others to forbid the whole VPC",
            );
        }
        let (name, span) = name?;
        Some(Expectation {
            name,
            line: self.reader.line(span.start),
            direction,
            tiers,
            mode: mode?,
            peers,
            services,
            same_vpc: same.is_some_and(|(same, _)| same),
            severity,
        })
    }

    /// Whose interfaces judge.
    fn direction(&mut self) -> Option<Direction> {
        match (self.table.get("to"), self.table.get("from")) {
            (Some(_), None) => Some(Direction::Inbound),
            (None, Some(_)) => Some(Direction::Outbound),
            (None, None) => {
                let help = "write to = \"TIER\" with only-from, never-from or may-from, or from = \"TIER\" with only-to, never-to or may-to";
                self.complain(&self.span.clone(), "this expectation does not say whom it is about", help);
                None
            }
            (Some(_), Some(value)) => {
                let help = "keep `to` and say only-from for the others, or keep `from` and say only-to";
                self.complain(&value.span(), "`to` and `from` exclude each other", help);
                None
            }
        }
    }

    fn ends(&mut self, key: &str, here: bool) -> Vec<super::super::End> {
        let Some(value) = self.table.get(key) else { return Vec::new() };
        let words = self.reader.words(key, value, false);
        words.iter().filter_map(|word| self.names.end(self.reader, word, here)).collect()
    }

    fn peers(&mut self, direction: Direction) -> (Option<Mode>, Vec<super::super::End>) {
        let mut found: Option<(Mode, &'static str)> = None;
        for (mode, keys) in MODES {
            let key = keys[direction as usize];
            if self.table.get(key).is_some() {
                if let (Some((_, first)), Some((name, _))) = (found, self.table.get_key_value(key)) {
                    let message = format!("`{first}` and `{key}` exclude each other");
                    self.complain(&name.span(), message, "make two expectations of it");
                } else {
                    found = Some((mode, key));
                }
            }
            let wrong = keys[direction.reverse() as usize];
            if let Some((name, _)) = self.table.get_key_value(wrong) {
                let word = if direction == Direction::Inbound { "to" } else { "from" };
                self.complain(
                    &name.span(),
                    format!("`{wrong}` does not go with `{word}`"),
                    &format!("write {key}"),
                );
                found = found.or(Some((mode, key)));
            }
        }
        let Some((mode, key)) = found else {
            let keys: Vec<&str> = MODES.iter().map(|(_, keys)| keys[direction as usize]).collect();
            let help = format!("add one of {}", keys.join(", "));
            self.complain(
                &self.span.clone(),
                "this expectation does not say who is on the other side",
                &help,
            );
            return (None, Vec::new());
        };
        (Some(mode), self.ends(key, false))
    }

    fn services(&mut self) -> Vec<Service> {
        let Some(value) = self.table.get("on") else { return Vec::new() };
        let mut services = Vec::new();
        for (text, span) in self.reader.words("on", value, true) {
            match words::services(&text) {
                Ok(read) => services.extend(read),
                Err(message) => {
                    let fault = self.reader.fault(&span, message);
                    let fault = fault.help(
                        "write tcp 22, tcp 8000-8100, udp 53, icmp, protocol 47, or a name such as ssh",
                    );
                    self.reader.add(fault.known(&text, SERVICES.iter().map(|(name, _)| *name)));
                }
            }
        }
        services
    }

    fn severity(&mut self) -> Option<&'static str> {
        let (text, span) = self.table.get("severity").and_then(|v| self.reader.string("severity", v))?;
        let known = SEVERITIES.iter().find(|word| **word == text);
        if known.is_none() {
            let fault = self.reader.fault(&span, format!("there is no severity `{text}`"));
            let fault = fault.help(format!("it is one of {}", SEVERITIES.join(", ")));
            self.reader.add(fault.known(&text, SEVERITIES));
        }
        known.copied()
    }
}
