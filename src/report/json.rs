//! What files of JSON have in common.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use super::sanitise::is_deceptive;
use crate::finding::Ports;

/// A service port or a range: `443` or `"1000-2000"`.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum PortsJson {
    One(u16),
    Range(String),
}

impl From<&Ports> for PortsJson {
    fn from(ports: &Ports) -> Self {
        match ports {
            Ports::One(port) => Self::One(*port),
            Ports::Range(..) => Self::Range(ports.to_string()),
        }
    }
}

/// One object on a line of its own.
pub(super) fn write_line(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    write_safely(&serde_json::to_string(value)?, out)
}

/// One object over several lines.
pub(super) fn write_pretty(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    write_safely(&serde_json::to_string_pretty(value)?, out)
}

/// Writes JSON as [`escaped`] makes it, and ends the line.
fn write_safely(json: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", escaped(json))
}

/// A value on one line, safe to show.
pub(crate) fn json_line(value: &Value) -> String {
    escaped(&value.to_string()).into_owned()
}

/// JSON with `\u` escapes for what would drive or deceive the terminal of somebody who looks at it. JSON allows it for
/// any character of a string, and outside of strings there are none.
pub(super) fn escaped(json: &str) -> Cow<'_, str> {
    let bad = |c: char| c != '\n' && is_deceptive(c);
    if !json.contains(bad) {
        return Cow::Borrowed(json);
    }
    let mut safe = String::with_capacity(json.len() + 64);
    for c in json.chars() {
        if bad(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string can't fail.
                _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// An object without what is not known: null, empty lists and empty objects.
pub(super) fn known(value: Value) -> Value {
    let something = |value: &Value| match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(keys) => !keys.is_empty(),
        _ => true,
    };
    match value {
        Value::Object(keys) => Value::Object(
            keys.into_iter()
                // What a detector says stays as it said it.
                .map(|(key, value)| if key == "evidence" { (key, value) } else { (key, known(value)) })
                .filter(|(_, value)| something(value))
                .collect(),
        ),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deceptive_characters_are_escaped_and_come_back() {
        let text = "a\u{9b}31m\u{202e}b\u{e0041}\u{1b}[0m\n日";
        let mut out = Vec::new();
        write_line(&text, &mut out).unwrap();
        let json = String::from_utf8(out).unwrap();
        assert_eq!(json, "\"a\\u009b31m\\u202eb\\udb40\\udc41\\u001b[0m\\n日\"\n");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
