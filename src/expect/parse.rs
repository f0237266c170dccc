//! From text to expectations: everything that is wrong, not only the first.

mod read;
mod sentences;
mod tiers;

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::{Expectations, Fault};
use read::{Reader, Spanned};
use sentences::Sentence;
use tiers::Names;

/// Larger files are no lists of expectations.
pub const MAX_BYTES: u64 = 1 << 20;

/// Tiers within tiers, at most.
const DEPTH: usize = 16;

/// Reads a file.
///
/// # Errors
/// Every mistake, in the order of the file.
pub fn parse(text: &str) -> Result<Expectations, Vec<Fault>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader::new(text);
    if !errors.is_empty() {
        for error in errors {
            // The parser's words begin small and end without a stop, as ours do.
            let fault = reader.fault(&error.span().unwrap_or(0..0), error.message().trim());
            reader.add(fault.help("the file is TOML: https://toml.io"));
        }
        return Err(reader.finish());
    }
    let root = document.get_ref();
    reader.keys(root, &["version", "tier", "expect"], "the file");
    version(&mut reader, root);

    let empty = DeTable::new();
    let tiers = match root.get("tier") {
        None => &empty,
        Some(value) => reader.table(value, "`tier`", "write [tier.NAME]").unwrap_or(&empty),
    };
    let mut names = Names::new(&mut reader, tiers);
    names.read(&mut reader, tiers);
    let mut expectations = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for value in list(&mut reader, root.get("expect")) {
        let Some(table) = reader.table(value, "`expect`", "write [[expect]]") else { continue };
        if let Some(read) = Sentence::new(&mut reader, &mut names, value.span(), table).read() {
            let fresh = seen.get(&read.name).copied();
            match (fresh, table.get("name")) {
                (Some(first), Some(name)) => {
                    let message =
                        format!("there are two expectations of this name: the other is in line {first}");
                    let fault = reader.fault(&name.span(), message);
                    reader.add(fault.help("findings are told by name: give each its own"));
                }
                _ => _ = seen.insert(read.name.clone(), read.line),
            }
            expectations.push(read);
        }
    }
    if root.get("expect").is_none() {
        let fault = reader.fault(&(text.len()..text.len()), "nothing is expected");
        reader.add(fault.help("write an [[expect]], or let `flowgate expect init` draft some"));
    }
    let tiers = names.finish(&mut reader);
    let faults = reader.finish();
    if faults.is_empty() { Ok(Expectations { tiers, expectations }) } else { Err(faults) }
}

fn version(reader: &mut Reader<'_>, root: &DeTable<'_>) {
    let wrong = match root.get("version") {
        None => Some((0..0, "`version` is missing".to_owned())),
        Some(value) => match value.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 && number.as_str() == "1" => None,
            DeValue::Integer(number) => {
                Some((value.span(), format!("version {} is not known to this flowgate", number.as_str())))
            }
            other => Some((value.span(), format!("`version` is a {}, not a number", other.type_str()))),
        },
    };
    if let Some((span, message)) = wrong {
        let fault = reader.fault(&span, message);
        reader.add(fault.help("begin the file with: version = 1"));
    }
}

/// The tables of an array of tables.
fn list<'a, 'i>(
    reader: &mut Reader<'_>,
    value: Option<&'a Spanned<DeValue<'i>>>,
) -> &'a [Spanned<DeValue<'i>>] {
    match value {
        None => &[],
        Some(value) => match value.get_ref() {
            DeValue::Array(array) => array,
            _ => {
                let fault = reader.fault(&value.span(), "`expect` is a list of tables");
                reader.add(fault.help("write [[expect]], with two brackets, before each"));
                &[]
            }
        },
    }
}

#[cfg(test)]
mod tests;
