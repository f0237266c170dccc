//! The pages of one slice: what to ask for next, and which events are new. No I/O.
//!
//! FilterLogEvents (API Reference): an answer holds up to 10,000 events or 1 MB, or fewer, or none although there are
//! more; the pages end where no token comes. Tokens live for 24 hours. Events are in the order of their timestamps.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use bytes::{BufMut, BytesMut};

/// Pages in a row that bring nothing new before that is taken for a defect. Many are normal where the wanted streams
/// are few in a large group.
const MOST_BARREN: u32 = 10_000;

/// Events that are recognised when they come again: two full pages.
const REMEMBERED: usize = 20_000;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    /// First millisecond.
    pub start: i64,
    /// Last millisecond: the service takes it as inclusive.
    pub end: i64,
    pub token: Option<String>,
}

/// One event as the service hands it out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    pub id: Option<String>,
    pub timestamp: Option<i64>,
    pub message: Option<String>,
}

/// One answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Page {
    pub events: Vec<Event>,
    pub next: Option<String>,
}

/// Why a slice can't be read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stuck {
    /// A token came that was followed before.
    Circle,
    /// Token after token, and no event.
    Barren,
    /// The pages must be asked for anew, and what was delivered can't be told from what was not.
    Unordered,
}

/// How far the pages of a slice have come.
#[derive(Debug)]
pub(super) struct Pages {
    /// Milliseconds of the slice; ends before its end.
    range: Range<i64>,
    /// Where the present chain of tokens began.
    from: i64,
    token: Option<String>,
    done: bool,
    /// How often in a row the token that was sent came back.
    repeated: u32,
    /// Tokens of the present chain.
    followed: BTreeSet<String>,
    newest: Option<i64>,
    /// Ids of the events delivered of the newest millisecond.
    edge: HashSet<Arc<str>>,
    /// Ids of the last events delivered.
    recent: Recent,
    /// Whether everything before the newest millisecond is known to be delivered, and `edge` to be complete.
    ordered: bool,
    barren: u32,
    most_barren: u32,
}

impl Pages {
    /// The pages of this slice; the end is exclusive here.
    pub fn new(range: Range<i64>) -> Self {
        Self {
            from: range.start,
            done: range.is_empty(),
            range,
            token: None,
            repeated: 0,
            followed: BTreeSet::new(),
            newest: None,
            edge: HashSet::new(),
            recent: Recent::default(),
            ordered: true,
            barren: 0,
            most_barren: MOST_BARREN,
        }
    }

    /// What to ask for, or `None` after the last page.
    pub fn ask(&self) -> Option<Ask> {
        let ask = || Ask { start: self.from, end: self.range.end - 1, token: self.token.clone() };
        (!self.done).then(ask)
    }

    /// Takes an answer that arrived whole: writes a line for each new event, and returns how many.
    pub fn take(&mut self, page: Page, lines: &mut BytesMut) -> Result<u64, Stuck> {
        let mut fresh = 0;
        for event in page.events {
            // Another slice asks for it, or nobody does.
            if event.timestamp.is_some_and(|at| !self.range.contains(&at)) {
                continue;
            }
            // The service repeats events at the edges of pages now and then.
            if event.id.as_deref().is_some_and(|id| self.edge.contains(id) || self.recent.known.contains(id))
            {
                continue;
            }
            line(event.message.as_deref(), lines);
            self.note(event);
            fresh += 1;
        }
        self.barren = if fresh > 0 { 0 } else { self.barren + 1 };
        self.follow(page.next)?;
        if !self.done && self.barren >= self.most_barren {
            return Err(Stuck::Barren);
        }
        Ok(fresh)
    }

    fn note(&mut self, event: Event) {
        let id: Option<Arc<str>> = event.id.map(Arc::from);
        if let Some(id) = &id {
            self.recent.add(Arc::clone(id));
        }
        let Some(at) = event.timestamp else {
            self.ordered = false;
            return;
        };
        if self.newest.is_none_or(|newest| at > newest) {
            self.newest = Some(at);
            self.edge.clear();
        }
        match id {
            Some(id) if self.newest == Some(at) => {
                self.edge.insert(id);
            }
            // Before the newest, or not to be recognised.
            _ => self.ordered = false,
        }
    }

    fn follow(&mut self, next: Option<String>) -> Result<(), Stuck> {
        match next {
            None => self.done = true,
            Some(next) if self.token.as_ref() == Some(&next) => {
                // The end, for GetLogEvents as documented, for FilterLogEvents as observed: some clients have looped
                // for ever there. Asked once more, because a page may also have been sent twice; what it repeats is
                // recognised.
                self.repeated += 1;
                self.done = self.repeated == 2;
            }
            Some(next) => {
                if !self.followed.insert(next.clone()) {
                    return Err(Stuck::Circle);
                }
                self.repeated = 0;
                self.token = Some(next);
            }
        }
        Ok(())
    }

    /// The service does not know its token any more: begins anew at the newest millisecond that was delivered.
    pub fn token_refused(&mut self) -> Result<(), Stuck> {
        if !self.ordered {
            return Err(Stuck::Unordered);
        }
        self.from = self.newest.unwrap_or(self.range.start);
        self.token = None;
        self.repeated = 0;
        self.followed.clear();
        Ok(())
    }
}

/// The last so many ids.
#[derive(Debug, Default)]
struct Recent {
    order: VecDeque<Arc<str>>,
    known: HashSet<Arc<str>>,
}

impl Recent {
    fn add(&mut self, id: Arc<str>) {
        self.order.push_back(Arc::clone(&id));
        self.known.insert(id);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

/// A message is one line, whatever is in it: a line break inside becomes visible and leaves one malformed record, where
/// two records, perhaps sound ones, would come out of nowhere.
fn line(message: Option<&str>, lines: &mut BytesMut) {
    let message = message.unwrap_or_default().trim_end_matches(['\n', '\r']);
    // Blank lines are passed over where lines are read, and this is an event that must be counted.
    let message = if message.trim().is_empty() { "-" } else { message };
    let mut rest = message;
    while let Some(at) = rest.find(['\n', '\r']) {
        lines.put_slice(&rest.as_bytes()[..at]);
        lines.put_slice(if rest.as_bytes()[at] == b'\n' { b"\\n" } else { b"\\r" });
        rest = &rest[at + 1..];
    }
    lines.put_slice(rest.as_bytes());
    lines.put_u8(b'\n');
}

#[cfg(test)]
mod tests;
