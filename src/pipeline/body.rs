//! The bytes of one object on their way to a worker: in one stream, or only the parts of a Parquet file that are read.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, Sender, UnboundedReceiver, UnboundedSender, channel, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::decode::{DecodeOptions, ParquetPush, Step};
use crate::source::{CHUNK_BYTES, ContentHint, Object, Source, SourceError};

/// A part of a Parquet file asked for at once, at most. Larger ones are split, so that the bound on bytes holds and the
/// first bytes come early.
const PART_BYTES: u64 = 8 << 20;

/// What a worker receives.
pub(super) enum Body {
    /// All bytes, in order. The size is what was listed, if anything was.
    Stream { chunks: Receiver<Bytes>, size: Option<u64> },
    /// Parts of a Parquet file, in the order in which they are needed.
    Parts { parts: UnboundedReceiver<Part>, size: u64 },
}

/// Some bytes of a file, and the room they take until they are taken.
pub(super) struct Part {
    pub range: Range<u64>,
    pub bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

/// What a fetch sends to.
pub(super) enum Sending {
    Stream(Sender<Bytes>),
    Parts(Parts),
}

/// The sending side of [`Body::Parts`].
pub(super) struct Parts {
    to: UnboundedSender<Part>,
    /// KiB.
    room: Arc<Semaphore>,
    most: u64,
    size: u64,
    options: DecodeOptions,
}

/// Both ends, with room for so many bytes between them.
pub(super) fn body(
    source: &dyn Source,
    object: &Object,
    room: u64,
    options: &DecodeOptions,
) -> (Sending, Body) {
    let in_parts = object.content == ContentHint::Parquet && source.has_ranges(object);
    let Some(size) = object.size.filter(|_| in_parts) else {
        let chunks = usize::try_from(room.div_ceil(CHUNK_BYTES as u64)).unwrap_or(usize::MAX);
        let (to, from) = channel(chunks.clamp(1, Semaphore::MAX_PERMITS));
        return (Sending::Stream(to), Body::Stream { chunks: from, size: object.size });
    };
    let (to, parts) = unbounded_channel();
    let kib = u32::try_from(room.div_ceil(1024)).unwrap_or(u32::MAX).max(2);
    let most = (u64::from(kib) / 2 * 1024).min(PART_BYTES);
    let room = Arc::new(Semaphore::new(kib as usize));
    (Sending::Parts(Parts { to, room, most, size, options: options.clone() }), Body::Parts { parts, size })
}

impl Sending {
    /// Fetches what the worker needs. Returns how many bytes were sent.
    pub async fn fetch(self, source: &dyn Source, object: &Object) -> Result<u64, SourceError> {
        match self {
            Self::Stream(to) => source.fetch(object, to).await,
            Self::Parts(parts) => parts.fetch(source, object).await,
        }
    }
}

impl Parts {
    /// Reads the footer as the worker will, and from then on knows what it will ask for.
    async fn fetch(self, source: &dyn Source, object: &Object) -> Result<u64, SourceError> {
        let mut planner = ParquetPush::new(self.size, &self.options);
        let mut sent = 0;
        // What is wrong with the file, the worker finds out by itself.
        while let Ok(Step::Need(ranges)) = planner.next() {
            let ahead = planner.ahead();
            let footer = ahead.is_empty();
            for range in if footer { ranges } else { ahead.into_iter().flatten().collect() } {
                let mut from = range.start;
                while from < range.end {
                    let part = from..range.end.min(from + self.most);
                    from = part.end;
                    let Some(bytes) = self.send(source, object, part.clone()).await? else { return Ok(sent) };
                    sent += bytes.len() as u64;
                    if footer && planner.give(part, bytes).is_err() {
                        return Ok(sent);
                    }
                }
            }
            if !footer {
                break;
            }
        }
        Ok(sent)
    }

    /// `None` if nobody takes it.
    async fn send(
        &self,
        source: &dyn Source,
        object: &Object,
        range: Range<u64>,
    ) -> Result<Option<Bytes>, SourceError> {
        let kib = u32::try_from((range.end - range.start).div_ceil(1024)).unwrap_or(u32::MAX);
        // Never closed.
        let room = Arc::clone(&self.room).acquire_many_owned(kib).await.ok();
        let bytes = source.fetch_range(object, range.clone()).await?;
        let part = Part { range, bytes: bytes.clone(), _room: room };
        Ok(self.to.send(part).is_ok().then_some(bytes))
    }
}
