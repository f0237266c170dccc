//! A source in memory that fails on request, for tests of everything that reads.

use std::collections::BTreeMap;
use std::io;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::Sender;
use tokio::task::spawn_blocking;

use super::{BoxFuture, CHUNK_BYTES, Listing, Object, Selection, Source, SourceError, check_length};

/// What goes wrong with an object of a [`MemorySource`], and after how many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection breaks: [`SourceError::Unreadable`].
    BreaksAt(usize),
    /// The body ends early: [`SourceError::Short`].
    EndsAt(usize),
    /// Nothing arrives for a while, then all is well.
    StallsAt(usize, Duration),
}

impl Fault {
    fn at(self) -> usize {
        match self {
            Self::BreaksAt(at) | Self::EndsAt(at) | Self::StallsAt(at, _) => at,
        }
    }
}

/// Objects held in memory, each with at most one scripted [`Fault`].
#[derive(Clone, Debug)]
pub struct MemorySource {
    objects: BTreeMap<String, (Bytes, Option<Fault>)>,
    chunk_bytes: usize,
    list_fails: bool,
}

impl Default for MemorySource {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), chunk_bytes: CHUNK_BYTES, list_fails: false }
    }
}

impl MemorySource {
    /// An empty source.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an object. Its name is read the way the name of a file is.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, body: impl Into<Bytes>) -> Self {
        self.objects.insert(name.into(), (body.into(), None));
        self
    }

    /// Adds an object that goes wrong. A fault beyond its end never happens.
    #[must_use]
    pub fn with_fault(mut self, name: impl Into<String>, body: impl Into<Bytes>, fault: Fault) -> Self {
        self.objects.insert(name.into(), (body.into(), Some(fault)));
        self
    }

    /// Sends chunks of this many bytes (at least one) in place of [`CHUNK_BYTES`].
    #[must_use]
    pub fn with_chunk_bytes(self, bytes: usize) -> Self {
        Self { chunk_bytes: bytes.max(1), ..self }
    }

    /// Makes the listing break off with an error after its objects, as when a later page is refused.
    #[must_use]
    pub fn with_failing_list(self) -> Self {
        Self { list_fails: true, ..self }
    }
}

impl Source for MemorySource {
    fn list<'a>(&'a self, selection: &'a Selection) -> BoxFuture<'a, Listing> {
        Box::pin(async move {
            let objects = self.objects.iter();
            let found = objects.map(|(name, (body, _))| Object::new(name, Some(body.len() as u64))).collect();
            let errors = if self.list_fails { vec![broken("memory")] } else { Vec::new() };
            Listing::build(found, Vec::new(), errors, selection, "memory")
        })
    }

    fn fetch<'a>(&'a self, object: &'a Object, to: Sender<Bytes>) -> BoxFuture<'a, Result<u64, SourceError>> {
        Box::pin(async move {
            let (body, fault) = self
                .objects
                .get(&object.name)
                .ok_or_else(|| SourceError::UnknownObject { name: object.name.clone() })?;
            let mut fault = fault.filter(|fault| fault.at() < body.len());
            let mut sent = 0;
            loop {
                match fault {
                    Some(now) if now.at() == sent => match now {
                        Fault::BreaksAt(_) => return Err(broken(&object.name)),
                        Fault::EndsAt(_) => return check_length(object, sent as u64),
                        Fault::StallsAt(_, time) => {
                            // The runtime has no timer. A sleeper that is not waited for does no harm.
                            let _ = spawn_blocking(move || thread::sleep(time)).await;
                            fault = None;
                        }
                    },
                    _ => {}
                }
                if sent == body.len() {
                    return check_length(object, sent as u64);
                }
                let end = (sent + self.chunk_bytes).min(body.len());
                let end = fault.map_or(end, |fault| end.min(fault.at()));
                if to.send(body.slice(sent..end)).await.is_err() {
                    return Ok(sent as u64);
                }
                sent = end;
            }
        })
    }
}

fn broken(name: &str) -> SourceError {
    SourceError::from_io(name, io::Error::new(io::ErrorKind::ConnectionReset, "connection reset (scripted)"))
}
