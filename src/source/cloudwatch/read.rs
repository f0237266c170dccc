//! Reads one slice, page by page.

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc::Sender;

use super::client::{Refused, Requests};
use super::find::Slice;
use super::pages::{Ask, Event, Page, Pages, Stuck};
use crate::aws::Failure;
use crate::source::{CHUNK_BYTES, SourceError};

/// What is read, and under which name.
pub(super) struct Read<'a> {
    pub requests: &'a Requests,
    pub slice: &'a Slice,
    pub name: &'a str,
    /// Events of a page at most.
    pub page: i32,
}

impl Read<'_> {
    /// Sends a line for each event, in chunks, and returns how many bytes.
    pub async fn stream(&self, to: &Sender<Bytes>) -> Result<u64, SourceError> {
        let mut pages = Pages::new(self.slice.range.clone());
        // What is in it is of pages that arrived whole: a page that breaks off is asked for again.
        let mut pending = BytesMut::new();
        let mut sent = 0;
        // Attempts since the last answer, and since the last new event.
        let (mut failed, mut refused) = (0, 0);
        while let Some(ask) = pages.ask() {
            // No request for what nobody takes.
            if to.is_closed() {
                return Ok(sent);
            }
            match self.page(&ask).await {
                Ok(page) => {
                    failed = 0;
                    if pages.take(page, &mut pending).map_err(|stuck| self.stuck(stuck))? > 0 {
                        refused = 0;
                    }
                }
                // Tokens expire after 24 hours. The same request went well without one.
                Err(failure) if ask.token.is_some() && is_invalid(&failure) => {
                    self.pause(failure, &mut refused).await?;
                    pages.token_refused().map_err(|stuck| self.stuck(stuck))?;
                }
                Err(failure) if failure.is_transient() => self.pause(failure, &mut failed).await?,
                Err(failure) => return Err(self.failed(failure)),
            }
            while pending.len() >= CHUNK_BYTES {
                let chunk = pending.split_to(CHUNK_BYTES).freeze();
                let bytes = chunk.len() as u64;
                if to.send(chunk).await.is_err() {
                    return Ok(sent);
                }
                sent += bytes;
            }
        }
        let rest = pending.len() as u64;
        if rest == 0 || to.send(pending.freeze()).await.is_err() {
            return Ok(sent);
        }
        Ok(sent + rest)
    }

    async fn page(&self, ask: &Ask) -> Result<Page, Failure> {
        let group = &self.slice.group;
        let (name, identifier) = group.naming();
        let streams = &self.slice.streams;
        let request = group
            .place
            .client
            .filter_log_events()
            .set_log_group_name(name)
            .set_log_group_identifier(identifier)
            .set_log_stream_names((!streams.is_empty()).then(|| streams.to_vec()))
            .start_time(ask.start)
            .end_time(ask.end)
            .set_next_token(ask.token.clone())
            .limit(self.page)
            .send();
        let answer = self.requests.once(&group.place.filter, request).await?;
        let events = answer.events.unwrap_or_default().into_iter();
        let events = events.map(|event| Event {
            id: event.event_id,
            timestamp: event.timestamp,
            message: event.message,
        });
        Ok(Page { events: events.collect(), next: answer.next_token })
    }

    async fn pause(&self, failure: Failure, count: &mut u32) -> Result<(), SourceError> {
        self.requests.pause(failure, count, self.name).await.map_err(|failure| self.failed(failure))
    }

    fn failed(&self, failure: Failure) -> SourceError {
        let group = &self.slice.group;
        Refused {
            name: self.name,
            region: &group.place.region,
            group: &group.group,
            action: "logs:FilterLogEvents",
            resource: &group.resource,
        }
        .error(failure)
    }

    fn stuck(&self, stuck: Stuck) -> SourceError {
        let problem = match stuck {
            Stuck::Circle => "the service sends the same pages again and again",
            Stuck::Barren => "the service sends page after page without an event",
            Stuck::Unordered => {
                "the service gave up in the middle, and its events are in no order to go on from"
            }
        };
        let next =
            "what came so far is used, the rest of this time is missing: run again, or read less at once"
                .to_owned();
        SourceError::Unusable { name: self.name.to_owned(), problem: problem.to_owned(), next }
    }
}

fn is_invalid(failure: &Failure) -> bool {
    failure.code.as_deref() == Some("InvalidParameterException")
}
