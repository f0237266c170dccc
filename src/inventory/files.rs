//! Finds files and reads them: directories, gzip, byte order marks.

#![allow(
    clippy::disallowed_types,
    reason = "decode and inventory do not see each other; the bytes are capped here"
)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::error::{FileProblem, Problem};
use super::recognise::looks_like_inventory;

/// How much of a file is looked at before the decision to read it.
const HEAD: u64 = 64 * 1024;

/// Files in path order with what is wrong with the paths. The value is true for a file that was
/// named, as opposed to found in a directory.
pub(super) fn find(paths: &[PathBuf]) -> (BTreeMap<PathBuf, bool>, Vec<FileProblem>) {
    let mut files = BTreeMap::new();
    let mut problems = Vec::new();
    for path in paths {
        match fs::metadata(path) {
            Ok(meta) if meta.is_dir() => walk(path, &mut Vec::new(), &mut files, &mut problems),
            Ok(_) => drop(files.insert(path.clone(), true)),
            Err(error) => problems.push(FileProblem { path: path.clone(), problem: error.into() }),
        }
    }
    (files, problems)
}

fn walk(
    directory: &Path,
    above: &mut Vec<PathBuf>,
    files: &mut BTreeMap<PathBuf, bool>,
    problems: &mut Vec<FileProblem>,
) {
    let mut bad =
        |path: &Path, problem: Problem| problems.push(FileProblem { path: path.to_owned(), problem });
    let real = match fs::canonicalize(directory) {
        Ok(real) if above.contains(&real) => return bad(directory, Problem::DirectoryLoop),
        Ok(real) => real,
        Err(error) => return bad(directory, error.into()),
    };
    let entries = match fs::read_dir(directory).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
        Ok(entries) => entries,
        Err(error) => return bad(directory, error.into()),
    };
    above.push(real);
    for entry in entries {
        // Hidden: a snapshot that is still being written (`live::snapshot`), or what an editor keeps.
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        match fs::metadata(&path) {
            Ok(meta) if meta.is_dir() => walk(&path, above, files, problems),
            // A file that was also named keeps that.
            Ok(meta) if meta.is_file() => drop(files.entry(path).or_insert(false)),
            // Sockets and the like.
            Ok(_) => {}
            Err(error) => problems.push(FileProblem { path, problem: error.into() }),
        }
    }
    above.pop();
}

/// What a file holds.
pub(super) enum Content {
    /// Text that may be JSON.
    Text(Vec<u8>),
    /// No JSON, and nobody said it was.
    NotJson,
    /// JSON too large to read which does not begin like inventory.
    Other,
}

/// Reads a file. `named` files and those whose name says JSON are read whatever they begin with.
pub(super) fn read(path: &Path, named: bool, max_bytes: u64) -> Result<Content, Problem> {
    let mut file = File::open(path)?;
    let mut magic = Vec::new();
    file.by_ref().take(2).read_to_end(&mut magic)?;
    let gzip = magic == [0x1f, 0x8b];
    let whole = io::Cursor::new(magic).chain(file);
    let mut reader: Box<dyn Read> = if gzip { Box::new(MultiGzDecoder::new(whole)) } else { Box::new(whole) };

    let mut bytes = Vec::new();
    let expected = named || says_json(path);
    match reader.by_ref().take(HEAD).read_to_end(&mut bytes) {
        Ok(_) => {}
        // Something that only looks compressed.
        Err(_) if gzip && !expected => return Ok(Content::NotJson),
        Err(error) => return Err(error.into()),
    }
    let head = plain(bytes.clone());
    let opens = head.iter().find(|b| !b.is_ascii_whitespace()).is_some_and(|b| matches!(b, b'{' | b'['));
    if !expected && !opens {
        return Ok(Content::NotJson);
    }
    reader.take(max_bytes.saturating_sub(bytes.len() as u64).saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        return if named || looks_like_inventory(&head) {
            Err(Problem::TooLarge { limit: max_bytes })
        } else {
            Ok(Content::Other)
        };
    }
    Ok(Content::Text(plain(bytes)))
}

/// True if the name of a file promises JSON.
pub(super) fn says_json(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    [".json", ".jsonl", ".ndjson"].iter().any(|end| name.ends_with(end))
}

/// UTF-8 without byte order mark. UTF-16 is what `>` writes in Windows PowerShell.
pub(super) fn plain(mut bytes: Vec<u8>) -> Vec<u8> {
    let wide = |unit: fn([u8; 2]) -> u16| {
        let units = bytes[2..].chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
        char::decode_utf16(units)
            .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect::<String>()
            .into_bytes()
    };
    match bytes.as_slice() {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, ..] => bytes.split_off(3),
        _ => bytes,
    }
}
