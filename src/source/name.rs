//! What a file's name promises: is it a log, and of which kind?

use std::path::MAIN_SEPARATOR;

use super::ContentHint;

/// The names a walk through a directory takes, for messages.
pub(super) const LOOKED_FOR: &str = "*.log, *.txt, *.parquet, *.json, *.jsonl, *.gz and *.zst";

/// Files that lie beside logs and are none, whatever their ending.
const NOT_LOGS: [&str; 6] =
    ["readme", "license", "notice", "manifest.toml", "aws-logs-write-test", "_success"];

/// Whether a file that the user did not name is worth reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promise {
    /// The ending is one that flow logs have.
    Log,
    /// The ending says nothing.
    Unclear,
    /// Documentation, archives and the like.
    NotALog,
}

/// Judges a file by its name alone.
pub(super) fn promise(name: &str) -> Promise {
    let lower = file_name(name).to_ascii_lowercase();
    let (inner, compressed) = without_compression(&lower);
    if NOT_LOGS.iter().any(|known| lower.starts_with(known))
        || [".md", ".tar", ".tgz", ".zip", ".toml", ".sha256"].iter().any(|ending| inner.ends_with(ending))
    {
        return Promise::NotALog;
    }
    // A compressed file of another ending may well be a log: CloudWatch Logs exports are `000000.gz`.
    if compressed || content_hint(&lower) != ContentHint::Unknown { Promise::Log } else { Promise::Unclear }
}

/// What the ending says about the content, compression aside.
pub(super) fn content_hint(name: &str) -> ContentHint {
    let lower = file_name(name).to_ascii_lowercase();
    let (inner, compressed) = without_compression(&lower);
    match inner.rsplit_once('.') {
        Some((_, "log" | "txt")) => ContentHint::Text,
        Some((_, "parquet")) => ContentHint::Parquet,
        Some((_, "json" | "jsonl" | "ndjson")) => ContentHint::Json,
        // An export task of CloudWatch Logs numbers its files: `000000.gz`.
        None if compressed && !inner.is_empty() && inner.bytes().all(|b| b.is_ascii_digit()) => {
            ContentHint::Text
        }
        _ => ContentHint::Unknown,
    }
}

/// True for what the shell and people take as hidden.
pub(super) fn is_hidden(file_name: &str) -> bool {
    file_name.starts_with('.')
}

fn file_name(name: &str) -> &str {
    name.rsplit(['/', MAIN_SEPARATOR]).next().unwrap_or(name)
}

fn without_compression(file_name: &str) -> (&str, bool) {
    match file_name.strip_suffix(".gz").or_else(|| file_name.strip_suffix(".zst")) {
        Some(inner) => (inner, true),
        None => (file_name, false),
    }
}

#[cfg(test)]
mod tests {
    use super::{ContentHint, Promise, content_hint, promise};

    #[test]
    fn endings_decide_what_a_walk_takes() {
        for name in
            ["a.log", "a.log.gz", "b/a.gz", "A.LOG.GZ", "a.log.zst", "a.zst", "a.log.parquet", "a.txt"]
        {
            assert_eq!(promise(name), Promise::Log, "{name}");
        }
        for name in ["events.json", "events.jsonl", "events.json.gz", "000000.gz"] {
            assert_eq!(promise(name), Promise::Log, "{name}");
        }
        for name in
            ["README", "readme.txt", "x/README.md", "notes.md", "MANIFEST.toml", "LICENSE.txt", "a.tar.gz"]
        {
            assert_eq!(promise(name), Promise::NotALog, "{name}");
        }
        for name in ["delivery-stream-1-2026-01-01-00-00-00", "a.csv", "log", ""] {
            assert_eq!(promise(name), Promise::Unclear, "{name}");
        }
    }

    #[test]
    fn content_is_read_below_the_compression() {
        assert_eq!(content_hint("x.y/a.log.gz"), ContentHint::Text);
        assert_eq!(content_hint("a.txt"), ContentHint::Text);
        assert_eq!(content_hint("export/000000.gz"), ContentHint::Text);
        assert_eq!(content_hint("a.log.parquet"), ContentHint::Parquet);
        assert_eq!(content_hint("a.json.zst"), ContentHint::Json);
        assert_eq!(content_hint("a.gz"), ContentHint::Unknown);
        assert_eq!(content_hint("a.log/b"), ContentHint::Unknown);
        assert_eq!(content_hint("-"), ContentHint::Unknown);
    }
}
