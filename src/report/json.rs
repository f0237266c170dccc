//! What the three files of the output contract have in common.

use std::io::{self, Write};

use serde::Serialize;

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

/// Writes JSON with `\u` escapes for what would drive or deceive the terminal of somebody who looks at
/// the file. JSON allows it for any character of a string, and outside of strings there are none.
fn write_safely(json: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut rest = json;
    while let Some((at, c)) = rest.char_indices().find(|&(_, c)| c != '\n' && is_deceptive(c)) {
        out.write_all(&rest.as_bytes()[..at])?;
        for unit in c.encode_utf16(&mut [0; 2]) {
            write!(out, "\\u{unit:04x}")?;
        }
        rest = &rest[at + c.len_utf8()..];
    }
    writeln!(out, "{rest}")
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
