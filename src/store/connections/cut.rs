//! Connections become the contents of files, in the order in which they come.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;

use super::columns::write;
use super::{ConnectionRow, Names, WAITING};
use crate::store::StoreError;
use crate::store::files::day_name;
use crate::store::manifest::StoredFile;
use crate::store::open::StoreWriter;

/// A row that waits: words and sets of rules as numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub local: u128,
    pub remote: u128,
    pub bytes: [u64; 2],
    pub packets: [u64; 2],
    pub rejected: [u64; 2],
    pub late: u64,
    pub interface: u32,
    pub opened: u32,
    pub start: u32,
    pub end: u32,
    /// Number of the set of rules.
    pub rules: u32,
    pub ports: [u16; 2],
    pub protocol: u8,
    pub accepted: bool,
    /// Numbers of words: direction, evidence, strength, verdict, reason, blocked reply.
    pub words: [u8; 6],
}

/// What the numbers of waiting rows stand for.
#[derive(Clone, Debug)]
pub(super) struct Meanings {
    /// The first stands for nothing.
    pub words: Vec<&'static str>,
    pub rules: Vec<Arc<[u32]>>,
}

/// Says which connections make up a file.
#[derive(Debug)]
pub struct Cutter {
    waiting: BTreeMap<u32, Vec<Waiting>>,
    rows: usize,
    parts: usize,
    /// By day, so that rules that are the same in many rows are held once.
    meanings: Meanings,
    numbers: HashMap<Arc<[u32]>, u32>,
}

/// The connections of one file.
#[derive(Debug)]
pub struct Part {
    pub(super) day: u32,
    /// Unique among the files of a commit.
    number: usize,
    pub(super) rows: Vec<Waiting>,
    pub(super) meanings: Meanings,
}

impl Default for Cutter {
    fn default() -> Self {
        let meanings = Meanings { words: vec![""], rules: Vec::new() };
        Self { waiting: BTreeMap::new(), rows: 0, parts: 0, meanings, numbers: HashMap::new() }
    }
}

impl Cutter {
    /// Takes a row in; now and then a file is full.
    pub fn push(&mut self, row: &ConnectionRow) -> Option<Part> {
        let waiting = self.shorten(row);
        self.waiting.entry(row.day()).or_default().push(waiting);
        self.rows += 1;
        if self.rows < WAITING {
            return None;
        }
        // The largest, or the earliest of them.
        let most = self.waiting.iter().max_by_key(|(day, rows)| (rows.len(), u32::MAX - **day));
        let day = most.map(|(day, _)| *day)?;
        Some(self.cut(day))
    }

    /// The rest.
    pub fn finish(&mut self) -> Vec<Part> {
        let days: Vec<u32> = self.waiting.keys().copied().collect();
        days.into_iter().map(|day| self.cut(day)).collect()
    }

    fn cut(&mut self, day: u32) -> Part {
        let rows = self.waiting.remove(&day).unwrap_or_default();
        self.rows -= rows.len();
        self.parts += 1;
        Part { day, number: self.parts - 1, rows, meanings: self.meanings.clone() }
    }

    fn shorten(&mut self, row: &ConnectionRow) -> Waiting {
        let words = [
            row.direction,
            Some(row.evidence),
            Some(row.strength),
            Some(row.verdict),
            Some(row.reason),
            row.blocked_reply,
        ];
        let rules = match self.numbers.get(&*row.rules) {
            Some(&number) => number,
            None => {
                let number = self.meanings.rules.len() as u32;
                let rules: Arc<[u32]> = Arc::from(&*row.rules);
                self.meanings.rules.push(Arc::clone(&rules));
                self.numbers.insert(rules, number);
                number
            }
        };
        Waiting {
            local: row.local,
            remote: row.remote,
            bytes: row.bytes,
            packets: row.packets,
            rejected: row.rejected,
            late: row.late,
            interface: row.interface,
            opened: row.opened,
            start: row.start,
            end: row.end,
            rules,
            ports: [row.local_port, row.remote_port],
            protocol: row.protocol,
            accepted: row.accepted,
            words: words.map(|word| self.word(word)),
        }
    }

    /// There are some dozens.
    fn word(&mut self, word: Option<&'static str>) -> u8 {
        let Some(word) = word else { return 0 };
        let words = &mut self.meanings.words;
        let same = |known: &&str| std::ptr::eq(known.as_ptr(), word.as_ptr()) && known.len() == word.len();
        let known = words[1..].iter().position(same).or_else(|| words[1..].iter().position(|w| *w == word));
        let at = known.unwrap_or_else(|| {
            words.push(word);
            words.len() - 2
        });
        u8::try_from(at + 1).unwrap_or(0)
    }
}

impl Part {
    /// Rows of it.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "none is empty")]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Writes the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(self, writer: &StoreWriter, names: &Names) -> Result<StoredFile, StoreError> {
        let path = writer.connections_path(&day_name(self.day), self.number);
        write(writer.place(), &path, self, names)
    }
}
