//! Reads objects: in one stream that goes on where it broke off, or by ranges.

use std::ops::Range;
use std::time::Duration;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc::Sender;

use super::checksum::Stored;
use super::client::{Requests, reading_failed};
use crate::aws::{Failure, FailureKind};
use crate::source::{CHUNK_BYTES, Object, SourceError, check_length};

/// Progress that earns a fresh count of attempts: a transfer cut off again and again after a few bytes must end.
const PROGRESS: u64 = 64 * 1024;

/// What is read, and how patiently.
pub(super) struct Get<'a> {
    pub requests: &'a Requests,
    pub bucket: &'a str,
    pub key: &'a str,
    pub object: &'a Object,
    /// Longest wait for more of a body.
    pub stall: Duration,
}

/// A body under way.
struct Body {
    stream: ByteStream,
    /// Bytes to pass over: a service that ignores ranges sends the object from its beginning.
    skip: u64,
    /// Longest wait for more.
    stall: Duration,
}

impl Get<'_> {
    /// Sends the object's bytes in chunks and returns how many.
    pub async fn stream(&self, to: &Sender<Bytes>) -> Result<u64, SourceError> {
        let mut state = State {
            at: 0,
            size: self.object.size,
            version: self.object.version.clone(),
            stored: None,
            failed: 0,
            settled: 0,
        };
        let mut pending = BytesMut::new();
        loop {
            let failure = match self.part(&mut state, &mut pending, to).await {
                Ok(Part::Complete) => break,
                Ok(Part::Unwanted) => return Ok(state.at),
                Err(failure) => failure,
            };
            if failure.kind == FailureKind::Changed && state.at == 0 && state.version.is_some() {
                // Replaced since it was listed and before it was read: what is there now is read whole.
                state.version = None;
                state.size = None;
                continue;
            }
            if state.at >= state.settled + PROGRESS {
                state.settled = state.at;
                state.failed = 0;
            }
            let again = self.requests.pause(&failure, &mut state.failed, &self.object.name).await;
            again.map_err(|failure| self.failed(failure))?;
        }
        if !pending.is_empty() && to.send(pending.freeze()).await.is_err() {
            return Ok(state.at);
        }
        if let Some(stored) = state.stored {
            stored.check(&self.object.name)?;
        }
        check_length(&Object { size: state.size, ..self.object.clone() }, state.at)
    }

    /// One request: from where the last broke off to the end, or to where this one does.
    async fn part(
        &self,
        state: &mut State,
        pending: &mut BytesMut,
        to: &Sender<Bytes>,
    ) -> Result<Part, Failure> {
        if state.at > 0 && state.size == Some(state.at) {
            return Ok(Part::Complete);
        }
        let range = (state.at > 0).then(|| format!("bytes={}-", state.at));
        let answer = self.open(range, state.version.as_deref()).await?;
        if state.at == 0 {
            state.version = answer.e_tag.clone();
            state.stored = Stored::of(&answer);
            if state.size.is_none() {
                state.size = answer.content_length.and_then(|length| u64::try_from(length).ok());
            }
        }
        let mut body = Body { skip: skip(&answer, state.at)?, stream: answer.body, stall: self.stall };
        loop {
            let Some(chunk) = body.next().await? else { break };
            if let Some(stored) = &mut state.stored {
                stored.update(&chunk);
            }
            state.at += chunk.len() as u64;
            if state.size.is_some_and(|size| state.at > size) {
                return Err(Failure {
                    kind: FailureKind::Other,
                    ..Failure::broken("more bytes arrived than the object has")
                });
            }
            pending.extend_from_slice(&chunk);
            while pending.len() >= CHUNK_BYTES {
                if to.send(pending.split_to(CHUNK_BYTES).freeze()).await.is_err() {
                    return Ok(Part::Unwanted);
                }
            }
        }
        match state.size {
            Some(size) if state.at < size => {
                Err(Failure::broken(format!("the answer ended after {} of {size} bytes", state.at)))
            }
            _ => Ok(Part::Complete),
        }
    }

    /// One attempt to open this version of the object. Not every service that speaks the protocol of S3 heeds
    /// `If-Match`, so that what it sends is compared, too.
    async fn open(&self, range: Option<String>, version: Option<&str>) -> Result<GetObjectOutput, Failure> {
        let answer = self.requests.open(self.bucket, self.key, range, version).await?;
        match (version, answer.e_tag()) {
            (Some(wanted), Some(got)) if tag(wanted) != tag(got) => Err(Failure {
                kind: FailureKind::Changed,
                ..Failure::broken(format!("the answer is of another version ({got})"))
            }),
            _ => Ok(answer),
        }
    }

    /// These bytes of the object.
    pub async fn range(&self, range: &Range<u64>) -> Result<Bytes, SourceError> {
        let wanted = range.end.saturating_sub(range.start);
        if wanted == 0 {
            return Ok(Bytes::new());
        }
        let mut failed = 0;
        let mut got = BytesMut::new();
        let mut settled = 0;
        loop {
            match self.range_part(range, wanted, &mut got).await {
                Ok(()) => return Ok(got.freeze()),
                Err(failure) => {
                    if got.len() as u64 >= settled + PROGRESS {
                        settled = got.len() as u64;
                        failed = 0;
                    }
                    let again = self.requests.pause(&failure, &mut failed, &self.object.name).await;
                    again.map_err(|failure| self.failed(failure))?;
                }
            }
        }
    }

    async fn range_part(&self, range: &Range<u64>, wanted: u64, got: &mut BytesMut) -> Result<(), Failure> {
        let from = range.start + got.len() as u64;
        let header = Some(format!("bytes={from}-{}", range.end - 1));
        let answer = self.open(header, self.object.version.as_deref()).await?;
        let mut body = Body { skip: skip(&answer, from)?, stream: answer.body, stall: self.stall };
        loop {
            let left = wanted - got.len() as u64;
            if left == 0 {
                return Ok(());
            }
            match body.next().await? {
                Some(chunk) => {
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
                    got.extend_from_slice(&chunk[..take]);
                }
                None => {
                    return Err(Failure::broken(format!(
                        "the answer ended {left} bytes before the end of the range"
                    )));
                }
            }
        }
    }

    fn failed(&self, failure: Failure) -> SourceError {
        reading_failed(&self.object.name, self.bucket, self.key, failure)
    }
}

/// How far a stream has come.
struct State {
    at: u64,
    size: Option<u64>,
    version: Option<String>,
    stored: Option<Stored>,
    failed: u32,
    /// Where the count of attempts last began anew.
    settled: u64,
}

enum Part {
    Complete,
    /// Nobody takes the bytes any more.
    Unwanted,
}

impl Body {
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let next = tokio::time::timeout(self.stall, self.stream.next()).await;
            let Some(chunk) = next.map_err(|_| Failure::broken("nothing arrived any more"))? else {
                return Ok(None);
            };
            let mut chunk = chunk.map_err(|error| Failure::broken_by(&error))?;
            if self.skip == 0 {
                return Ok(Some(chunk));
            }
            let skip = usize::try_from(self.skip).unwrap_or(usize::MAX).min(chunk.len());
            self.skip -= skip as u64;
            let rest = chunk.split_off(skip);
            if !rest.is_empty() {
                return Ok(Some(rest));
            }
        }
    }
}

/// An ETag without its quotes, which some services leave out in listings.
fn tag(tag: &str) -> &str {
    tag.trim_matches('"')
}

/// Bytes to pass over until `from`: none if the answer begins there, all before it if it is of the whole object.
fn skip(answer: &GetObjectOutput, from: u64) -> Result<u64, Failure> {
    let Some(range) = answer.content_range() else { return Ok(from) };
    // `bytes 100-199/1000`, RFC 9110, 14.4.
    let first: Option<u64> =
        range.strip_prefix("bytes ").and_then(|r| r.split('-').next()).and_then(|n| n.parse().ok());
    match first {
        Some(first) if first <= from => Ok(from - first),
        _ => Err(Failure::broken(format!("the answer is of another range ({range})"))),
    }
}
