//! Tiers: who is who, by name or where it stands.

use std::collections::BTreeMap;
use std::ops::Range;

use ipnet::IpNet;
use toml::de::DeTable;

use super::super::words::{EVERYTHING, PEERS};
use super::super::{Clause, End, Pattern, Selector, Tier};
use super::DEPTH;
use super::read::{Reader, Word};

/// The tiers of a file while it is read.
pub(super) struct Names {
    numbers: BTreeMap<String, usize>,
    tiers: Vec<Tier>,
    /// Which tier names which, and where.
    references: Vec<Vec<(usize, Range<usize>)>>,
}

impl Names {
    /// Knows the names, so that tiers may name each other in any order.
    pub fn new(reader: &mut Reader<'_>, tables: &DeTable<'_>) -> Self {
        let mut names = Self { numbers: BTreeMap::new(), tiers: Vec::new(), references: Vec::new() };
        for key in tables.keys() {
            let name = key.get_ref();
            let simple = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            let wrong = if name.is_empty() || !name.chars().all(simple) {
                Some("is no name: letters, digits, `-` and `_` make one")
            } else if name == EVERYTHING || PEERS.iter().any(|(word, _)| word == name) {
                Some("is a word that means something already")
            } else if inline_kind(name).is_some() {
                Some("looks like an id of AWS")
            } else {
                None
            };
            if let Some(wrong) = wrong {
                let fault = reader.fault(&key.span(), format!("`{name}` {wrong}"));
                reader.add(fault.help("give the tier another name"));
            }
            names.numbers.insert(name.to_string(), names.tiers.len());
            names.add(name, reader.line(key.span().start), true, Vec::new());
        }
        names
    }

    fn add(&mut self, name: &str, line: usize, named: bool, clauses: Vec<Clause>) -> usize {
        self.tiers.push(Tier { name: name.to_owned(), line, named, clauses });
        self.references.push(Vec::new());
        self.tiers.len() - 1
    }

    /// Reads what each tier stands for.
    pub fn read(&mut self, reader: &mut Reader<'_>, tables: &DeTable<'_>) {
        let mut known: Vec<&str> = Selector::ALL.iter().map(|(key, _)| *key).collect();
        known.extend(["cidr", "except", "prefix-list", "tier"]);
        known.sort_unstable();
        for (number, (key, value)) in tables.iter().enumerate() {
            let whose = format!("tier `{}`", key.get_ref());
            let Some(table) = reader.table(value, &whose, "write [tier.NAME] and its keys below") else {
                continue;
            };
            reader.keys(table, &known, &whose);
            let mut clauses = Vec::new();
            for (key, value) in table {
                let name = key.get_ref().as_ref();
                if !known.contains(&name) {
                    continue;
                }
                let words = reader.words(name, value, false);
                clauses.extend(self.clause(reader, number, name, words));
            }
            if clauses.iter().all(|clause| matches!(clause, Clause::Except(_))) && known_only(table, &known) {
                let fault = reader.fault(&key.span(), format!("{whose} does not say who belongs to it"));
                reader.add(fault.help(format!("name its members by one of: {}", known.join(", "))));
            }
            self.tiers[number].clauses = clauses;
        }
    }

    fn clause(
        &mut self,
        reader: &mut Reader<'_>,
        number: usize,
        key: &str,
        words: Vec<Word>,
    ) -> Option<Clause> {
        if words.is_empty() {
            return None;
        }
        let patterns = |words: Vec<Word>| words.into_iter().map(|(text, _)| Pattern::new(text)).collect();
        Some(match key {
            "cidr" => Clause::Cidr(words.iter().filter_map(|word| cidr(reader, word)).collect()),
            "prefix-list" => Clause::PrefixList(patterns(words)),
            "tier" | "except" => {
                let mut tiers = Vec::new();
                for (name, span) in &words {
                    match self.numbers.get(name) {
                        Some(&other) => {
                            self.references[number].push((other, span.clone()));
                            tiers.push(other);
                        }
                        None => self.unknown(reader, name, span, &[]),
                    }
                }
                if key == "tier" { Clause::Tiers(tiers) } else { Clause::Except(tiers) }
            }
            _ => {
                let (_, selector) = Selector::ALL.iter().find(|(known, _)| *known == key)?;
                Clause::Interface(*selector, patterns(words))
            }
        })
    }

    fn unknown(&self, reader: &mut Reader<'_>, name: &str, span: &Range<usize>, words: &[&str]) {
        let fault = reader.fault(span, format!("there is no tier `{name}`"));
        let known = self.numbers.keys().map(String::as_str).chain(words.iter().copied());
        let help = if words.is_empty() {
            "name one of the file's tiers".to_owned()
        } else {
            format!("name a tier, a CIDR, an id (sg-…, pl-…, eni-…), or one of: {}", words.join(", "))
        };
        reader.add(fault.help(help).known(name, known));
    }

    /// Who is meant: a tier, a word, or what stands there. `here`: it is the side that judges.
    pub fn end(&mut self, reader: &mut Reader<'_>, (text, span): &Word, here: bool) -> Option<End> {
        if let Some(&number) = self.numbers.get(text) {
            return Some(End::Tier(number));
        }
        let word = PEERS.iter().find(|(word, _)| word == text).map(|(_, end)| *end);
        match (word, text == EVERYTHING, here) {
            (Some(end), _, false) => return Some(end),
            (None, true, true) => return Some(End::Everything),
            (Some(_), _, true) | (None, true, false) => {
                let help = if here {
                    format!("here interfaces are meant: name a tier, or `{EVERYTHING}`")
                } else {
                    "here the other side is meant: `anywhere` is everybody".to_owned()
                };
                let fault = reader.fault(span, format!("`{text}` can't stand here"));
                reader.add(fault.help(help));
                return None;
            }
            (None, false, _) => {}
        }
        let line = reader.line(span.start);
        if let Some(clause) = inline_kind(text).map(|make| make(Pattern::new(text.as_str()))) {
            return Some(End::Tier(self.add(text, line, false, vec![clause])));
        }
        // What has a slash, a colon, or four parts is meant to be an address.
        if text.contains(['/', ':']) || text.split('.').count() == 4 {
            let net = cidr(reader, &(text.clone(), span.clone()))?;
            return Some(End::Tier(self.add(text, line, false, vec![Clause::Cidr(vec![net])])));
        }
        let words: Vec<&str> = if here { vec![EVERYTHING] } else { PEERS.iter().map(|p| p.0).collect() };
        self.unknown(reader, text, span, &words);
        None
    }

    /// The tiers, if none contains itself.
    pub fn finish(self, reader: &mut Reader<'_>) -> Vec<Tier> {
        // 0 not seen, 1 on the way, 2 done.
        let mut seen = vec![0_u8; self.tiers.len()];
        for number in 0..self.tiers.len() {
            self.descend(number, 0, &mut seen, reader);
        }
        self.tiers
    }

    fn descend(&self, number: usize, depth: usize, seen: &mut [u8], reader: &mut Reader<'_>) {
        if seen[number] == 2 {
            return;
        }
        seen[number] = 1;
        for (other, span) in &self.references[number] {
            let (this, that) = (&self.tiers[number].name, &self.tiers[*other].name);
            if seen[*other] == 1 {
                let message = if number == *other {
                    format!("tier `{this}` contains itself")
                } else {
                    format!("tier `{this}` contains `{that}`, which contains `{this}`")
                };
                let fault = reader.fault(span, message);
                reader.add(fault.help("break the circle"));
            } else if depth >= DEPTH {
                let message = format!("tiers are nested more than {DEPTH} deep here");
                let fault = reader.fault(span, message);
                reader.add(fault.help("name the members of the inner tiers directly"));
            } else {
                self.descend(*other, depth + 1, seen, reader);
            }
        }
        seen[number] = 2;
    }
}

/// Every key is one that a tier has; otherwise there was a complaint already.
fn known_only(table: &DeTable<'_>, known: &[&str]) -> bool {
    table.keys().all(|key| known.contains(&key.get_ref().as_ref()))
}

type Make = fn(Pattern) -> Clause;

/// What an id of AWS stands for where a tier could.
fn inline_kind(text: &str) -> Option<Make> {
    if text.starts_with("sg-") {
        Some(|pattern| Clause::Interface(Selector::SecurityGroup, vec![pattern]))
    } else if text.starts_with("eni-") {
        Some(|pattern| Clause::Interface(Selector::Interface, vec![pattern]))
    } else if text.starts_with("pl-") {
        Some(|pattern| Clause::PrefixList(vec![pattern]))
    } else {
        None
    }
}

/// A block, or an address for itself.
fn cidr(reader: &mut Reader<'_>, (text, span): &Word) -> Option<IpNet> {
    let net = text.parse::<IpNet>().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(IpNet::from));
    match net {
        Some(net) if net == net.trunc() => Some(net),
        Some(net) => {
            let fault = reader.fault(span, format!("{text} has bits set beyond its prefix length"));
            reader.add(fault.help(format!("write {}, or {}", net.trunc(), net.addr())));
            None
        }
        None => {
            let fault = reader.fault(span, format!("`{text}` is no block of addresses"));
            reader.add(fault.help("write it like 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32"));
            None
        }
    }
}
