//! The judged connections: table `connections`, a folder a day.
//!
//! Sorted so that what is asked for touches little: rows come by interface and are cut into row groups, so that the
//! least and the greatest interface of a row group tell whether to read it; within a row group they come by remote
//! address, so that its page index leaves a page or two. Bloom filters of the addresses and the interface tell which row
//! groups hold them at all.
//!
//! Each thread makes short rows of what it has judged ([`Shortener`]). Which of them go into which file follows from the
//! order in which they come, and is told at once ([`Cutter`]); sorting and encoding a file ([`Part`]) can then be done by any
//! thread.

mod columns;
mod cut;
mod meaning;
mod order;
mod rows;

use std::borrow::Cow;
use std::sync::Arc;

pub use cut::{Cutter, Part};
pub use meaning::Meanings;
pub use rows::{Rows, Shortener};

use super::DAY;

use super::StoreError;
use super::manifest::StoredFile;
use super::open::StoreWriter;
use crate::flow::InterfaceContext;

/// Rows of a row group.
const GROUP: usize = 128 * 1024;

/// Rows of a page.
const PAGE: usize = 2 * 1024;

/// Rows of the largest files.
const WAITING: usize = 512 * 1024;

/// One connection, or what belongs to one day of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionRow<'r> {
    /// Number of the interface.
    pub interface: u32,
    /// Address at the interface, IPv4 mapped into IPv6.
    pub local: u128,
    /// Address of the other side, IPv4 mapped.
    pub remote: u128,
    /// Port at the interface, 0 for protocols without.
    pub local_port: u16,
    /// Port of the other side.
    pub remote_port: u16,
    /// IANA number.
    pub protocol: u8,
    /// `inbound` or `outbound`.
    pub direction: Option<&'static str>,
    /// What decided the opener.
    pub evidence: &'static str,
    /// How far that carries.
    pub strength: &'static str,
    /// First packet of the whole connection, Unix seconds.
    pub opened: u32,
    /// First packet of this day.
    pub start: u32,
    /// Last packet of the records of this day.
    pub end: u32,
    /// It was accepted.
    pub accepted: bool,
    /// The verdict.
    pub verdict: &'static str,
    /// Its reason, empty where none is needed.
    pub reason: &'static str,
    /// Numbers of the rules that permit it.
    pub rules: Cow<'r, [u32]>,
    /// What rejected the replies.
    pub blocked_reply: Option<&'static str>,
    /// Accepted bytes towards the interface and away from it.
    pub bytes: [u64; 2],
    /// Accepted packets, the same.
    pub packets: [u64; 2],
    /// Rejected packets, the same.
    pub rejected: [u64; 2],
    /// Packets that were rejected after the connection had been accepted.
    pub late: u64,
}

impl ConnectionRow<'_> {
    /// Days since 1970.
    #[must_use]
    pub fn day(&self) -> u32 {
        self.start / DAY as u32
    }

    /// It goes on from a day before.
    #[must_use]
    pub fn continued(&self) -> bool {
        self.opened < self.start && self.opened / DAY as u32 != self.day()
    }
}

/// What the numbers of rows stand for.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Ids of interfaces, and what is known of them.
    pub interfaces: Vec<(String, InterfaceContext)>,
    /// Ids of rules.
    pub rules: Vec<String>,
    /// Ids of their security groups.
    pub groups: Vec<String>,
}

/// Writes connections, whatever their order; which files hold what follows from the order in which they are pushed.
pub struct ConnectionWriter<'a> {
    writer: &'a StoreWriter,
    names: Arc<Names>,
    shortener: Shortener,
    rows: Rows,
    cutter: Cutter,
    files: Vec<StoredFile>,
}

/// Rows that are handed on at a time.
const BATCH: usize = 1024;

impl<'a> ConnectionWriter<'a> {
    /// For the next commit of a store.
    #[must_use]
    pub fn new(writer: &'a StoreWriter, names: Names) -> Self {
        let meanings = Meanings::default();
        let (shortener, cutter) = (Shortener::new(&meanings), Cutter::new(&meanings));
        Self { writer, names: Arc::new(names), shortener, rows: Rows::default(), cutter, files: Vec::new() }
    }

    /// Takes one in.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn push(&mut self, row: &ConnectionRow<'_>) -> Result<(), StoreError> {
        self.shortener.push(row, &mut self.rows);
        if self.rows.len() >= BATCH { self.hand_on() } else { Ok(()) }
    }

    fn hand_on(&mut self) -> Result<(), StoreError> {
        let full = self.cutter.take(&self.rows.take());
        full.into_iter().try_for_each(|part| self.write(part))
    }

    fn write(&mut self, part: Part) -> Result<(), StoreError> {
        self.files.push(part.write(self.writer, &self.names)?);
        Ok(())
    }

    /// Writes the rest.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> Result<Vec<StoredFile>, StoreError> {
        self.hand_on()?;
        self.cutter.finish().into_iter().try_for_each(|part| self.write(part))?;
        Ok(self.files)
    }
}
