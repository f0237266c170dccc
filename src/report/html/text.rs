//! What came from outside becomes text, anchors and links, and nothing else.

use std::borrow::Cow;
use std::fmt::Write as _;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, Error, Output, State, escape_formatter};
use sha2::{Digest as _, Sha256};

use crate::report::sanitise;

/// An environment in which every value is sanitised and escaped before it is written, whichever template writes it.
pub(super) fn environment() -> Environment<'static> {
    let mut env = Environment::new();
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
        env.set_syntax(syntax);
    }
    // Whatever a template is called: there is nothing but HTML here.
    env.set_auto_escape_callback(|_| AutoEscape::Html);
    env.set_formatter(format);
    env
}

fn format(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    match value.as_str() {
        Some(text) if !value.is_safe() => match sanitise(text, true) {
            Cow::Borrowed(_) => escape_formatter(out, state, value),
            Cow::Owned(clean) => escape_formatter(out, state, &Value::from(clean)),
        },
        _ => escape_formatter(out, state, value),
    }
}

/// A name for an `id` attribute: the id itself if it is a plain word, else a hash of it.
pub(super) fn anchor(id: &str) -> Cow<'_, str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if !id.is_empty() && id.len() <= 64 && id.bytes().all(plain) {
        return Cow::Borrowed(id);
    }
    let digest = Sha256::digest(id.as_bytes());
    let mut text = String::from("x");
    for byte in digest.iter().take(12) {
        // Writing to a string can't fail.
        _ = write!(text, "{byte:02x}");
    }
    Cow::Owned(text)
}

/// The page of a table with a search for this text.
pub(super) fn search_for(page: &str, text: &str) -> String {
    let mut href = format!("#{page}?q=");
    for byte in sanitise(text, true).bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => href.push(char::from(byte)),
            _ => _ = write!(href, "%{byte:02X}"),
        }
    }
    href
}

/// JSON that may stand in a `script` element: nothing in it begins a tag, a comment or an entity, nor ends a line of
/// JavaScript, and what it says is sanitised.
pub(super) fn json(mut value: serde_json::Value) -> String {
    clean(&mut value);
    let mut out = String::new();
    for c in value.to_string().chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => _ = write!(out, "\\u{:04x}", u32::from(c)),
            c => out.push(c),
        }
    }
    out
}

fn clean(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) => {
            if let Cow::Owned(clean) = sanitise(text, true) {
                *text = clean;
            }
        }
        serde_json::Value::Array(list) => list.iter_mut().for_each(clean),
        // Keys are ours.
        serde_json::Value::Object(map) => map.values_mut().for_each(clean),
        _ => {}
    }
}

/// The content of an element as a policy names it: `'sha256-…'` (CSP 3, "hash-source").
pub(super) fn hash_source(content: &str) -> String {
    format!("'sha256-{}'", base64(&Sha256::digest(content.as_bytes())))
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let sextet = (bits >> (18 - 6 * at) & 63) as usize;
            text.push(if at <= chunk.len() { char::from(ALPHABET[sextet]) } else { '=' });
        }
    }
    text
}

/// `unused-rule` and `first_record` as words.
pub(super) fn words(name: &str) -> String {
    name.replace(['-', '_'], " ")
}

/// Long text, cut.
pub(super) fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// `2026-03-01 09:12`, UTC.
pub(super) fn minute(seconds: i64) -> String {
    let time = chrono::DateTime::from_timestamp(seconds, 0);
    time.map_or_else(|| seconds.to_string(), |t| t.format("%Y-%m-%d %H:%M").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_in_the_standard() {
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
        ];
        for (text, encoded) in vectors {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
        assert_eq!(hash_source(""), "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='");
    }

    #[test]
    fn anchors_are_plain() {
        assert_eq!(anchor("sg-0a_B9"), "sg-0a_B9");
        for evil in ["", "a b", "\"><script>", "javascript:alert(1)", "é", &"x".repeat(65)] {
            let name = anchor(evil);
            assert!(name.len() == 25 && name.bytes().all(|b| b.is_ascii_alphanumeric()), "{evil}: {name}");
        }
        assert_eq!(search_for("rules", "a b&c=\"é"), "#rules?q=a%20b%26c%3D%22%C3%A9");
    }

    #[test]
    fn json_never_leaves_its_element_and_comes_back() {
        let evil = "</script><!--\u{2028}&amp;\u{202e}\0";
        let text = json(serde_json::json!([evil, { "k": evil }]));
        assert!(!text.contains(['<', '>', '&', '\u{2028}', '\u{202e}', '\0']), "{text}");
        let back: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(back[0], "</script><!--\\u{2028}&amp;\\u{202e}\\u{0}");
        assert_eq!(back[0], back[1]["k"]);
    }

    #[test]
    fn whatever_a_template_writes_is_escaped() {
        let mut env = environment();
        env.add_template("t.txt", "<p title=\"{{ a }}\">{{ a }}</p>{{ b|safe }}").unwrap();
        let context = minijinja::context! { a => "<img src=x onerror='1'>\"\u{1b}\u{202e}", b => "<br>" };
        let shown = env.get_template("t.txt").unwrap().render(context).unwrap();
        let text = "&lt;img src=x onerror=&#x27;1&#x27;&gt;&quot;\\u{1b}\\u{202e}";
        assert_eq!(shown, format!("<p title=\"{text}\">{text}</p><br>"));
    }
}
