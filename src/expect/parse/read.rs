//! Values of the tree, with the places they come from.

use std::ops::Range;

pub(super) use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::super::Fault;
use super::super::fault::line_of;

/// The text, and what was found wrong with it.
pub(super) struct Reader<'t> {
    text: &'t str,
    faults: Vec<Fault>,
}

/// A string and where it stands.
pub(super) type Word = (String, Range<usize>);

impl<'t> Reader<'t> {
    pub fn new(text: &'t str) -> Self {
        Self { text, faults: Vec::new() }
    }

    pub fn fault(&self, span: &Range<usize>, message: impl Into<String>) -> Fault {
        Fault::new(self.text, span, message)
    }

    pub fn add(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    pub fn line(&self, at: usize) -> usize {
        line_of(self.text, at.min(self.text.len()))
    }

    pub fn finish(mut self) -> Vec<Fault> {
        self.faults.sort_by_key(|fault| (fault.line, fault.column));
        self.faults
    }

    /// Complains about keys that are not among these.
    pub fn keys(&mut self, table: &DeTable<'_>, known: &[&str], whose: &str) {
        for key in table.keys().filter(|key| !known.contains(&key.get_ref().as_ref())) {
            let given = key.get_ref();
            let fault = self.fault(&key.span(), format!("{whose} has no key `{given}`"));
            self.add(fault.known(given, known.iter().copied()));
        }
    }

    pub fn table<'a, 'i>(
        &mut self,
        value: &'a Spanned<DeValue<'i>>,
        what: &str,
        help: &str,
    ) -> Option<&'a DeTable<'i>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            let kind = value.get_ref().type_str();
            let fault = self.fault(&value.span(), format!("{what} is a {kind}, not a table"));
            self.add(fault.help(help));
        }
        table
    }

    pub fn boolean(&mut self, key: &str, value: &Spanned<DeValue<'_>>) -> bool {
        value.get_ref().as_bool().unwrap_or_else(|| {
            let fault = self.fault(&value.span(), format!("`{key}` is true or false"));
            self.add(fault);
            false
        })
    }

    pub fn string(&mut self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<Word> {
        let text = value.get_ref().as_str();
        match text {
            Some(text) if !text.trim().is_empty() => Some((text.to_owned(), value.span())),
            Some(_) => {
                let fault = self.fault(&value.span(), format!("`{key}` is empty"));
                self.add(fault);
                None
            }
            None => {
                let kind = value.get_ref().type_str();
                let fault = self.fault(&value.span(), format!("`{key}` holds a {kind}, not a string"));
                self.add(fault.help("write it in quotes"));
                None
            }
        }
    }

    /// One string, or a list of them. `numbers`: integers count, too.
    pub fn words(&mut self, key: &str, value: &Spanned<DeValue<'_>>, numbers: bool) -> Vec<Word> {
        let one = |reader: &mut Self, value: &Spanned<DeValue<'_>>| match value.get_ref() {
            DeValue::Integer(number) if numbers && number.radix() == 10 => {
                Some((format!("tcp {}", number.as_str()), value.span()))
            }
            _ => reader.string(key, value),
        };
        let Some(array) = value.get_ref().as_array() else {
            return one(self, value).into_iter().collect();
        };
        if array.is_empty() {
            let fault = self.fault(&value.span(), format!("`{key}` is empty"));
            self.add(fault.help("name at least one, or leave the key out"));
        }
        array.iter().filter_map(|value| one(self, value)).collect()
    }
}
