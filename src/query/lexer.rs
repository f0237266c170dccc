//! The little of SQL that must be seen before an engine reads it: what is text, what is a comment, what is a parameter.

use std::ops::Range;

/// What a piece of SQL is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name or a word of SQL.
    Word,
    /// `'…'`, or a name in `"…"` or backticks.
    Quoted,
    /// `-- …` or `/* … */`.
    Comment,
    /// `:name`, the colon included.
    Parameter,
    /// Blanks.
    Blank,
    /// Any other character.
    Sign,
}

/// A language to ask in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// SQL, of this program or of Athena: a quote within text is doubled, a backslash is a character like others.
    Sql,
    /// CloudWatch Logs Insights: a backslash escapes what follows, and `#` begins a comment.
    Insights,
}

/// Cuts a text into pieces, none of which is left out.
pub(super) fn pieces(text: &str, dialect: Dialect) -> Vec<(Kind, Range<usize>)> {
    let bytes = text.as_bytes();
    let insights = dialect == Dialect::Insights;
    let mut found: Vec<(Kind, Range<usize>)> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let before = at.checked_sub(1).map(|before| bytes[before]);
        let (kind, length) = match rest[0] {
            quote @ (b'\'' | b'"' | b'`') => (Kind::Quoted, quoted(rest, quote, insights)),
            b'#' if insights => (Kind::Comment, until(rest, |byte| byte == b'\n')),
            b'-' if !insights && rest.starts_with(b"--") => {
                (Kind::Comment, until(rest, |byte| byte == b'\n'))
            }
            b'/' if !insights && rest.starts_with(b"/*") => (Kind::Comment, nested_comment(rest)),
            b':' if rest.get(1).is_some_and(u8::is_ascii_lowercase)
                && !before.is_some_and(|byte| byte == b':' || is_of_word(byte)) =>
            {
                (Kind::Parameter, 1 + until(&rest[1..], |byte| !is_of_word(byte)))
            }
            byte if byte.is_ascii_whitespace() => {
                (Kind::Blank, until(rest, |byte| !byte.is_ascii_whitespace()))
            }
            byte if is_of_word(byte) => (Kind::Word, until(rest, |byte| !is_of_word(byte))),
            _ => (Kind::Sign, 1),
        };
        found.push((kind, at..at + length));
        at += length;
    }
    found
}

/// Letters outside of ASCII count as such, so that no piece ends within a character.
fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

fn until(bytes: &[u8], ends: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|&byte| ends(byte)).unwrap_or(bytes.len())
}

fn quoted(bytes: &[u8], quote: u8, backslash: bool) -> usize {
    let mut at = 1;
    while at < bytes.len() {
        if backslash && bytes[at] == b'\\' {
            at += 1;
        } else if bytes[at] == quote {
            if bytes.get(at + 1) != Some(&quote) {
                return at + 1;
            }
            at += 1;
        }
        at += 1;
    }
    // A backslash may be the last.
    bytes.len()
}

fn nested_comment(bytes: &[u8]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if bytes[at..].starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_dialect(text: &str, dialect: Dialect, kind: Kind) -> Vec<&str> {
        let pieces = pieces(text, dialect);
        assert_eq!(pieces.iter().map(|(_, range)| &text[range.clone()]).collect::<String>(), text);
        pieces.into_iter().filter(|piece| piece.0 == kind).map(|(_, range)| &text[range]).collect()
    }

    fn of_kind(sql: &str, kind: Kind) -> Vec<&str> {
        in_dialect(sql, Dialect::Sql, kind)
    }

    #[test]
    fn insights_has_comments_and_quotes_of_its_own() {
        let text = "# it's :no\nfilter a = \"\\\":no\" and b -- :yes | c = 'x\\";
        assert_eq!(in_dialect(text, Dialect::Insights, Kind::Parameter), [":yes"]);
    }

    #[test]
    fn a_parameter_is_one_outside_of_text_comments_and_casts() {
        let sql = "SELECT a::text, ':no', \":no\", x:no -- :no\n/* :no /* */ :no */ FROM t WHERE b=:yes AND c IN(:y_2)";
        assert_eq!(of_kind(sql, Kind::Parameter), [":yes", ":y_2"]);
    }

    #[test]
    fn a_quote_within_text_is_doubled() {
        assert_eq!(of_kind(r"a 'it''s' '\' b 'c", Kind::Quoted), ["'it''s'", r"'\'", "'c"]);
    }

    #[test]
    fn characters_stay_whole() {
        assert_eq!(of_kind("é日 :é", Kind::Word), ["é日", "é"]);
    }
}
