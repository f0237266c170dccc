//! What is wrong with a file, and where.

use std::ops::Range;

/// One mistake, with the line that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub message: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Characters of the line that are meant, at least 1.
    pub width: usize,
    /// The line as it is in the file.
    pub source: String,
    /// What to do.
    pub help: Option<String>,
    /// A word that means nothing here, with those that would.
    pub unknown: Option<Unknown>,
}

/// A word and what could have been meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// As it was written.
    pub given: String,
    /// What would be right.
    pub known: Vec<String>,
}

/// The longest part of a line that is shown.
const SHOWN: usize = 200;

impl Fault {
    /// A mistake in these bytes of the text.
    pub(super) fn new(text: &str, span: &Range<usize>, message: impl Into<String>) -> Self {
        let (mut start, mut end) = (span.start.min(text.len()), span.end.min(text.len()));
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        // What is missing at the end of the text is missing in its last line.
        if start == text.len() && text.ends_with('\n') {
            start -= 1;
        }
        let begin = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[begin..].find('\n').map_or(text.len(), |at| begin + at);
        let meant = text[start..end.clamp(start, line_end.max(start))].chars().count();
        let line = text[begin..line_end].trim_end_matches('\r');
        Self {
            message: message.into(),
            line: line_of(text, start),
            column: text[begin..start].chars().count() + 1,
            width: meant.max(1),
            source: line.chars().take(SHOWN).collect(),
            help: None,
            unknown: None,
        }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    pub(super) fn known<'a>(self, given: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let known = known.into_iter().map(str::to_owned).collect();
        Self { unknown: Some(Unknown { given: given.to_owned(), known }), ..self }
    }

    /// Number, bar and source; then the caret. Without the places of tabs, which have no width to rely on.
    #[must_use]
    pub fn excerpt(&self) -> [String; 3] {
        let number = self.line.to_string();
        let gap = " ".repeat(number.len());
        let room = self.source.chars().count().saturating_sub(self.column - 1).max(1);
        let carets = "^".repeat(self.width.min(room));
        [
            format!("{gap} |"),
            format!("{number} | {}", self.source.replace('\t', " ")),
            format!("{gap} | {}{carets}", " ".repeat((self.column - 1).min(SHOWN))),
        ]
    }
}

/// The line of a byte, from 1.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at].iter().filter(|b| **b == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_characters() {
        let text = "a = 1\n  ö = \"x\"\r\n";
        let at = text.find('x').unwrap();
        let fault = Fault::new(text, &(at..at + 1), "wrong");
        assert_eq!((fault.line, fault.column, fault.width), (2, 8, 1));
        assert_eq!(fault.excerpt(), ["  |", "2 |   ö = \"x\"", "  |        ^"]);
    }

    #[test]
    fn the_end_and_many_lines_have_a_place_too() {
        let text = "a = [\n 1,\n";
        let end = Fault::new(text, &(text.len()..text.len()), "unclosed");
        assert_eq!((end.line, end.column, end.width), (2, 4, 1));
        let all = Fault::new(text, &(4..text.len()), "all");
        assert_eq!((all.line, all.column, all.width), (1, 5, 1));
        let nothing = Fault::new("", &(0..0), "empty");
        assert_eq!((nothing.line, nothing.column, nothing.source.as_str()), (1, 1, ""));
    }
}
