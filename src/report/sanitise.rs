//! What came from outside must not drive the terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Escapes what could move the cursor, colour, hide or reorder text: control characters (C0, DEL, C1),
/// bidirectional controls ("Trojan Source", CVE-2021-42574), invisible and separator characters.
///
/// They become `\n`, `\r`, `\t` or `\u{1b}`, so that a reader sees that they were there. With `unicode`
/// off everything outside of ASCII is escaped.
#[must_use]
pub fn sanitise(text: &str, unicode: bool) -> Cow<'_, str> {
    let bad = |c: char| is_deceptive(c) || (!unicode && !c.is_ascii() && c != NO_BREAK);
    if !text.contains(bad) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => clean.push_str("\\n"),
            '\r' => clean.push_str("\\r"),
            '\t' => clean.push_str("\\t"),
            // Writing to a string can't fail.
            c if bad(c) => _ = write!(clean, "\\u{{{:x}}}", u32::from(c)),
            c => clean.push(c),
        }
    }
    Cow::Owned(clean)
}

/// Joins words that belong on one line; shown as a blank.
pub(super) const NO_BREAK: char = '\u{a0}';

/// True for characters that show something else than what is there.
pub(super) fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}'                      // soft hyphen
            | '\u{61c}' | '\u{180e}'      // Arabic letter mark, Mongolian vowel separator
            | '\u{200b}'..='\u{200f}'     // zero widths, left-to-right and right-to-left marks
            | '\u{2028}'..='\u{202e}'     // separators, embeddings and overrides
            | '\u{2060}'..='\u{206f}'     // word joiner, invisible operators, isolates, deprecated
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' // byte order mark, interlinear annotation
            | '\u{e0000}'..='\u{e007f}') // tags: text nobody sees
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_drives_a_terminal() {
        assert_eq!(sanitise("\u{1b}[31mred\u{7}", true), "\\u{1b}[31mred\\u{7}");
        assert_eq!(sanitise("a\r\nb\tc\0", true), "a\\r\\nb\\tc\\u{0}");
        assert_eq!(sanitise("\u{7f}\u{9b}31m", true), "\\u{7f}\\u{9b}31m");
    }

    #[test]
    fn escapes_what_reorders_or_hides() {
        for c in "\u{ad}\u{200b}\u{200d}\u{200e}\u{200f}\u{61c}\u{202a}\u{202e}\u{2066}\u{2069}\u{2028}\u{feff}\u{e0041}"
            .chars()
        {
            let clean = sanitise(&format!("x{c}y"), true).into_owned();
            assert_eq!(clean, format!("x\\u{{{:x}}}y", u32::from(c)));
        }
    }

    #[test]
    fn leaves_text_alone() {
        assert!(matches!(sanitise("web-tier · Überwachung 日本", true), Cow::Borrowed(_)));
        assert_eq!(sanitise("Über 日", false), "\\u{dc}ber \\u{65e5}");
    }
}
