//! Tells inventory from other JSON by a look at its beginning.

#![allow(
    clippy::disallowed_types,
    reason = "decode and inventory do not see each other; the bytes are capped here"
)]

use std::io::Read;

use flate2::read::MultiGzDecoder;

use super::config_items::{ITEMS, is_item, marks_item};
use super::files::plain;
use super::kind::{Kind, is_telling, list_kind};

/// Compressed bytes are unpacked up to this size.
const MAX_UNPACKED: u64 = 1024 * 1024;
/// Wrappers around a list: an array of recorded API calls has three.
const MAX_DEPTH: usize = 4;
/// Elements of an array, or documents of a stream, that are looked at.
const MAX_SIBLINGS: usize = 16;

/// True if the bytes, the whole of a file or its beginning, hold a list or an object that
/// [`load`](super::load()) reads. Needs no valid JSON: what is cut off, is not looked at. Some 64 KiB
/// are enough for everything the AWS CLI writes. Gzip and byte order marks are seen through.
///
/// Meant for picking inventory files out of a directory that also holds logs: exported log events
/// are JSON, too, but none of these.
#[must_use]
pub fn looks_like_inventory(bytes: &[u8]) -> bool {
    let bytes = if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut unpacked = Vec::new();
        // The end may be missing; what came before is kept.
        let _ = MultiGzDecoder::new(bytes).take(MAX_UNPACKED).read_to_end(&mut unpacked);
        unpacked
    } else {
        bytes.to_vec()
    };
    let bytes = plain(bytes);
    let mut scan = Scan { bytes: &bytes, at: 0 };
    (0..MAX_SIBLINGS).map_while(|_| scan.value(0)).any(|found| found)
}

/// A position in JSON text. Methods give `None` at the end of the text and where it is no JSON.
struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    fn peek(&mut self) -> Option<u8> {
        while self.bytes.get(self.at)?.is_ascii_whitespace() {
            self.at += 1;
        }
        self.bytes.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> Option<bool> {
        let same = self.peek()? == byte;
        self.at += usize::from(same);
        Some(same)
    }

    /// A string, its content as written.
    fn string(&mut self) -> Option<&'a [u8]> {
        if !self.eat(b'"')? {
            return None;
        }
        let start = self.at;
        loop {
            match self.bytes.get(self.at)? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        self.bytes.get(start..self.at - 1)
    }

    /// Reads a value and says whether it is inventory. Stops early if it is.
    fn value(&mut self, depth: usize) -> Option<bool> {
        match self.peek()? {
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            _ => self.skip().map(|()| false),
        }
    }

    fn array(&mut self, depth: usize) -> Option<bool> {
        self.eat(b'[')?;
        for looked_at in 0.. {
            if self.eat(b']')? {
                break;
            }
            if looked_at >= MAX_SIBLINGS || depth >= MAX_DEPTH {
                self.skip()?;
            } else if self.value(depth + 1)? {
                return Some(true);
            }
            self.eat(b',')?;
        }
        Some(false)
    }

    fn object(&mut self, depth: usize) -> Option<bool> {
        let mut keys: Vec<&[u8]> = Vec::new();
        let found = self.members(depth, &mut keys);
        // Also for an object that was cut off: the members seen so far may be enough.
        let has = |key: &str| keys.contains(&key.as_bytes());
        if found != Some(true) && (Kind::of_object(has).is_some() || is_entry(&keys) || is_item(has)) {
            return Some(true);
        }
        found
    }

    fn members(&mut self, depth: usize, keys: &mut Vec<&'a [u8]>) -> Option<bool> {
        self.eat(b'{')?;
        loop {
            if self.eat(b'}')? {
                return Some(false);
            }
            let key = self.string()?;
            if !self.eat(b':')? {
                return None;
            }
            keys.push(key);
            let name = std::str::from_utf8(key).unwrap_or_default();
            let found = match (list_kind(name), self.peek()?) {
                (Some(kind), b'[') => {
                    self.list(is_telling(name), |keys| kind.marks(|key| keys.contains(&key.as_bytes())))?
                }
                (None, b'[') if name == ITEMS => {
                    self.list(true, |keys| marks_item(|key| keys.contains(&key.as_bytes())))?
                }
                (Some(_), b'n') if is_telling(name) => true,
                // The envelope of recorded API calls.
                (None, _) if name == "data" && depth < MAX_DEPTH => self.value(depth + 1)?,
                _ => self.skip().map(|()| false)?,
            };
            // An instance or the like has lists of its own, and is inventory itself.
            if found {
                return Some(true);
            }
            self.eat(b',')?;
        }
    }

    /// A list under a name AWS uses: its first element has to fit. An empty one is enough where the
    /// name is telling.
    fn list(&mut self, telling: bool, marks: impl Fn(&[&[u8]]) -> bool) -> Option<bool> {
        let start = self.at;
        self.eat(b'[')?;
        let found = match self.peek()? {
            b']' => telling,
            b'{' => marks(&self.keys()),
            _ => false,
        };
        self.at = start;
        if !found {
            self.skip()?;
        }
        Some(found)
    }

    /// The names of the members of an object, as far as the text goes. Does not look into them, so
    /// that nested lists cost no more than flat ones.
    fn keys(&mut self) -> Vec<&'a [u8]> {
        let mut keys = Vec::new();
        let mut next = |scan: &mut Self| {
            keys.push(scan.string()?);
            scan.eat(b':')?;
            scan.skip()?;
            scan.eat(b',')
        };
        if self.eat(b'{') == Some(true) {
            while next(self) == Some(true) {}
        }
        keys
    }

    /// Skips a value without looking inside.
    fn skip(&mut self) -> Option<()> {
        let mut open = 0_usize;
        loop {
            match self.peek()? {
                b'"' => drop(self.string()?),
                b'{' | b'[' => {
                    open += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    open = open.checked_sub(1)?;
                    self.at += 1;
                }
                b',' | b':' if open > 0 => self.at += 1,
                b',' | b':' => return None,
                _ => {
                    while self.bytes.get(self.at).is_some_and(|b| !b" \t\r\n,:{}[]\"".contains(b)) {
                        self.at += 1;
                    }
                }
            }
            if open == 0 {
                return Some(());
            }
        }
    }
}

fn is_entry(keys: &[&[u8]]) -> bool {
    keys.contains(&b"Cidr".as_slice()) && keys.iter().all(|key| matches!(*key, b"Cidr" | b"Description"))
}
