//! `flowgate.toml`, with every mistake in its place.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::super::failure::Problem;
use super::super::suggest;
use super::{Origin, Said, Setting};

/// More than this is no file of settings.
const MOST: u64 = 1 << 20;

type Sayings = BTreeMap<(Vec<String>, String), Said>;

/// Reads it.
pub(super) fn read(path: &Path, known: &[Setting]) -> Result<Sayings, Vec<Problem>> {
    let shown = path.display();
    let fault = |message: String, help: &str| vec![Problem::new(message).help(help)];
    let readable = "name a file of settings, or leave --config out";
    let size = std::fs::metadata(path).map_err(|error| fault(format!("{shown}: {error}"), readable))?.len();
    if size > MOST {
        return Err(fault(format!("{shown}: {size} bytes are too much"), readable));
    }
    let text = std::fs::read_to_string(path).map_err(|error| fault(format!("{shown}: {error}"), readable))?;
    let mut reader = Reader { path, text: &text, known, said: BTreeMap::new(), problems: Vec::new() };
    match DeTable::parse(&text) {
        Ok(table) => reader.file(table.get_ref()),
        Err(error) => {
            let span = error.span().unwrap_or_default();
            reader.problem(&span, error.message(), None);
        }
    }
    if reader.problems.is_empty() {
        return Ok(reader.said);
    }
    reader.problems.sort_by_key(|(at, _)| *at);
    Err(reader.problems.into_iter().map(|(_, problem)| problem).collect())
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    known: &'a [Setting],
    said: Sayings,
    /// With the byte each is at.
    problems: Vec<(usize, Problem)>,
}

impl Reader<'_> {
    fn file(&mut self, table: &DeTable<'_>) {
        // Those for all first, so that those of one subcommand win.
        for (key, value) in table {
            if self.section(key.get_ref(), value.get_ref()).is_none() {
                self.key(&[], key.get_ref(), &key.span(), value);
            }
        }
        for (key, value) in table {
            let section = self.section(key.get_ref(), value.get_ref());
            let (Some(path), DeValue::Table(keys)) = (section, value.get_ref()) else { continue };
            for (key, value) in keys {
                self.key(&path, key.get_ref(), &key.span(), value);
            }
        }
    }

    /// The subcommand that a table is about.
    fn section(&self, name: &str, value: &DeValue<'_>) -> Option<Vec<String>> {
        let known = self.known.iter().find(|setting| !setting.path.is_empty() && setting.section() == name);
        known.filter(|_| matches!(value, DeValue::Table(_))).map(|setting| setting.path.clone())
    }

    fn key(&mut self, path: &[String], key: &str, span: &Range<usize>, value: &Spanned<DeValue<'_>>) {
        let fits = |setting: &&Setting| {
            setting.key == key && (setting.path == path || path.is_empty() && setting.is_shared())
        };
        let fitting: Vec<Setting> = self.known.iter().filter(fits).cloned().collect();
        if fitting.is_empty() {
            return self.unknown(path, key, span);
        }
        for setting in fitting {
            if let Some(values) = self.values(&setting, value) {
                let (line, excerpt) = self.excerpt(span);
                let origin = Origin::Line { file: self.path.to_owned(), line, excerpt };
                self.said.insert((setting.path, setting.id), Said { values, origin });
            } else {
                // Once, however many subcommands have it.
                return;
            }
        }
    }

    fn unknown(&mut self, path: &[String], key: &str, span: &Range<usize>) {
        let elsewhere = self.known.iter().find(|setting| setting.key == key && path.is_empty());
        let sections: BTreeSet<String> = self
            .known
            .iter()
            .filter(|s| path.is_empty() && !s.path.is_empty())
            .map(Setting::section)
            .collect();
        let here = self.known.iter().filter(|s| s.path == path || path.is_empty() && s.is_shared());
        let help = match elsewhere {
            Some(setting) => Some(format!("it belongs into a section, like [{}]", setting.section())),
            None => {
                suggest::nearest(key, here.map(|s| s.key.as_str()).chain(sections.iter().map(String::as_str)))
                    .map(|near| format!("did you mean `{near}`?"))
            }
        };
        let whose = if path.is_empty() { "the file".to_owned() } else { format!("[{}]", path.join("-")) };
        let help = help.or_else(|| Some("`flowgate config show` lists them".to_owned()));
        self.problem(span, &format!("{whose} has no option `{key}`"), help);
    }

    fn values(&mut self, setting: &Setting, value: &Spanned<DeValue<'_>>) -> Option<Vec<String>> {
        let wrong = |what: &str| Some(format!("`{}` is {what}", setting.key));
        let problem = match (value.get_ref(), setting.switch, setting.list) {
            (DeValue::Boolean(value), true, _) => return Some(vec![value.to_string()]),
            (_, true, _) => wrong("true or false"),
            (DeValue::Array(items), _, true) => {
                let items: Option<Vec<String>> = items.iter().map(|item| word(item.get_ref())).collect();
                match items {
                    Some(items) => return Some(items),
                    None => wrong("a list of strings"),
                }
            }
            (other, ..) => match word(other) {
                Some(word) => return Some(vec![word]),
                None if setting.list => wrong("a string or a list of strings"),
                None => wrong("one string or number"),
            },
        };
        self.problem(&value.span(), &problem.unwrap_or_default(), None);
        None
    }

    fn problem(&mut self, span: &Range<usize>, message: &str, help: Option<String>) {
        let (line, excerpt) = self.excerpt(span);
        let mut problem = Problem::new(format!("{}:{line}: {message}", self.path.display())).excerpt(excerpt);
        problem.help = help;
        self.problems.push((span.start, problem));
    }

    /// The line of a place, from 1, and what it says.
    fn excerpt(&self, span: &Range<usize>) -> (usize, Vec<String>) {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let text = self.text.lines().nth(line - 1).unwrap_or_default();
        let shown: String = text.chars().take(200).collect();
        (line, vec![format!("{line} | {shown}")])
    }
}

/// A single value as a flag has it: numbers and dates need no quotes.
fn word(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Datetime(time) => Some(time.to_string()),
        _ => None,
    }
}
