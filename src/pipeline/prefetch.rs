//! Objects on their way: found, asked for, and waiting for a worker, in order and within bounds.
//!
//! An object is asked for only when there is room for all of it (or for half of the budget, if it is larger), and
//! rooms are given in the order in which workers take objects. So nothing that a worker waits for can be held up by what
//! comes after it, and no connection lies idle because a worker is slow.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use super::body::{Body, body};
use super::formats::Formats;
use super::ingest::{Plan, Target};
use super::inputs::Feed;
use super::{Cancel, Event, Progress};
use crate::decode::DecodeOptions;
use crate::source::{CHUNK_BYTES, Listing, Object, Selection, Sieve, Source, SourceError};

/// Bytes of a local object in flight: enough to read while a worker inflates.
const LOCAL_BYTES: u64 = 4 * CHUNK_BYTES as u64;

/// Objects found and not asked for yet.
const FOUND: usize = 1000;

/// Objects that wait for a worker, beside the bounds on bytes.
const READY: usize = 1000;

/// What an object of unknown size is given, and the least of all: a page of events, some chunks.
const UNKNOWN_BYTES: u64 = 4 << 20;
const LEAST_BYTES: u64 = 64 << 10;

/// How much may be on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Remote objects that are fetched at a time.
    pub requests: usize,
    /// Bytes of remote objects fetched and not taken by a worker.
    pub bytes: u64,
    /// Local objects that are open at a time.
    pub local: usize,
}

/// An object whose bytes are coming.
pub(super) struct Ready {
    pub object: Object,
    /// Number of the flow log that delivered it, 0 if unknown.
    pub stream: u16,
    pub body: Body,
    pub options: Arc<DecodeOptions>,
    /// What a store is to know of it.
    pub target: Option<Target>,
    pub fetch: JoinHandle<Result<u64, SourceError>>,
    /// Given back when the object has been decoded.
    _room: OwnedSemaphorePermit,
}

/// What was found, when all is on its way.
#[derive(Default)]
pub(super) struct Fed {
    /// Without the objects.
    pub listing: Listing,
    pub objects: u64,
    /// Flow log ids by their number - 1.
    pub streams: Vec<String>,
    /// Objects that the store holds already.
    pub known: u64,
}

/// Finds all objects and hands them out in order. Ends early when nobody takes them.
pub(super) struct Feeder<'a> {
    pub selection: &'a Selection,
    pub limits: Limits,
    pub formats: &'a Formats,
    pub runtime: Handle,
    pub progress: &'a dyn Progress,
    pub cancel: &'a Cancel,
    pub out: Sender<Ready>,
    /// Flow logs that have their numbers already.
    pub streams: Vec<String>,
    /// Which objects a store wants.
    pub plan: Option<Plan>,
}

impl Feeder<'_> {
    pub async fn run(self, feeds: Vec<Feed>) -> Fed {
        // Room for the smallest object twice, however little was allowed.
        let budget = self.limits.bytes.max(2 * LEAST_BYTES);
        let kib = |bytes: u64| usize::try_from(bytes.div_ceil(1024)).unwrap_or(usize::MAX);
        let everything = Selection::default();
        let mut line = Line {
            out: &self.out,
            formats: self.formats,
            runtime: &self.runtime,
            progress: self.progress,
            cancel: self.cancel,
            requests: Arc::new(Semaphore::new(self.limits.requests.clamp(1, Semaphore::MAX_PERMITS))),
            room: Arc::new(Semaphore::new(kib(budget).min(u32::MAX as usize))),
            local: Arc::new(Semaphore::new(self.limits.local.max(1))),
            budget,
            // Each source sees to its own.
            sieve: (feeds.len() > 1).then(|| Sieve::new(&everything)),
            streams: (1..).zip(&self.streams).map(|(number, id)| (id.clone(), number)).collect(),
            fed: Fed { streams: self.streams, ..Fed::default() },
            plan: self.plan,
            bytes: Some(0),
        };
        let mut listings = Vec::new();
        for feed in feeds {
            match feed {
                Feed::Listed(source, mut listing) => {
                    for object in std::mem::take(&mut listing.objects) {
                        if !line.add(&source, object, true).await {
                            break;
                        }
                    }
                    listings.push(listing);
                }
                Feed::Remote(source) => {
                    let (found, mut objects) = channel(FOUND);
                    let take = async {
                        while let Some(object) = objects.recv().await {
                            if !line.add(&source, object, false).await {
                                break;
                            }
                        }
                        // Or the walk would wait for room for ever.
                        drop(objects);
                    };
                    let (listing, ()) = tokio::join!(source.walk(self.selection, found), take);
                    listings.push(listing);
                }
            }
        }
        line.finish(listings)
    }
}

struct Line<'a> {
    out: &'a Sender<Ready>,
    formats: &'a Formats,
    runtime: &'a Handle,
    progress: &'a dyn Progress,
    cancel: &'a Cancel,
    requests: Arc<Semaphore>,
    /// In KiB, so that 4 TiB fit a permit's 32 bits.
    room: Arc<Semaphore>,
    local: Arc<Semaphore>,
    budget: u64,
    /// Finds what several sources hold.
    sieve: Option<Sieve<'a>>,
    streams: HashMap<String, u16>,
    plan: Option<Plan>,
    fed: Fed,
    bytes: Option<u64>,
}

impl Line<'_> {
    /// Sends an object on its way. False if nobody waits for it.
    async fn add(&mut self, source: &Arc<dyn Source>, object: Object, local: bool) -> bool {
        let object = match &mut self.sieve {
            Some(sieve) => sieve.offer(object),
            None => Some(object),
        };
        let Some(object) = object else { return true };
        let target = match &mut self.plan {
            None => None,
            Some(plan) => match plan.target(&object, local) {
                Some(target) => Some(target),
                None => {
                    self.fed.known += 1;
                    return true;
                }
            },
        };
        self.fed.objects += 1;
        self.bytes = self.bytes.zip(object.size).map(|(sum, size)| sum + size);
        self.progress.event(&Event::Listed { objects: self.fed.objects, bytes: self.bytes });
        let (request, room, bytes) = if local {
            (None, Arc::clone(&self.local).acquire_owned().await, LOCAL_BYTES)
        } else {
            let request = Arc::clone(&self.requests).acquire_owned().await.ok();
            let bytes = object.size.unwrap_or(UNKNOWN_BYTES).clamp(LEAST_BYTES, self.budget / 2);
            let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
            (request, Arc::clone(&self.room).acquire_many_owned(kib).await, bytes)
        };
        // Nobody closes these semaphores.
        let Ok(room) = room else { return false };
        let stream = self.stream(&object);
        let options = self.formats.options(&object);
        let (to, body) = body(source.as_ref(), &object, bytes, &options);
        let (source, wanted) = (Arc::clone(source), object.clone());
        let cancel = self.cancel.clone();
        let fetch = self.runtime.spawn(async move {
            // Closes the channel, too, so that a worker does not wait for what does not come.
            let outcome = tokio::select! {
                outcome = to.fetch(source.as_ref(), &wanted) => outcome,
                () = cancel.cancelled() => Err(SourceError::Interrupted { name: wanted.name.clone() }),
            };
            drop(request);
            outcome
        });
        self.out.send(Ready { object, stream, body, options, target, fetch, _room: room }).await.is_ok()
    }

    /// A number for the flow log that delivered the object: 0 if unknown, or if there are too many.
    fn stream(&mut self, object: &Object) -> u16 {
        // The streams of a log group are told apart by interface; two groups may hold the same traffic.
        let group = object.name.starts_with("cloudwatch:").then(|| object.name.rsplit_once('/')).flatten();
        let id =
            object.key.as_ref().and_then(|key| key.flow_log.as_deref()).or(group.map(|(group, _)| group));
        let Some(id) = id else { return 0 };
        if let Some(number) = self.streams.get(id) {
            return *number;
        }
        let Ok(number) = u16::try_from(self.fed.streams.len() + 1) else { return 0 };
        self.fed.streams.push(id.to_owned());
        self.streams.insert(id.to_owned(), number);
        number
    }

    fn finish(self, listings: Vec<Listing>) -> Fed {
        let mut all = self.sieve.map(|sieve| sieve.finish("")).unwrap_or_default();
        // Whether anything was found is what each source said.
        all.errors.clear();
        for listing in listings {
            all.absorb(listing);
        }
        Fed { listing: all, ..self.fed }
    }
}

/// As many as may wait for a worker.
pub(super) fn waiting_line() -> (Sender<Ready>, Receiver<Ready>) {
    channel(READY)
}

#[cfg(test)]
mod tests;
