//! The decoder that looks what it is given: plain lines, or lines in an envelope.

use super::envelope::{Envelope, Event};
use super::error::{DecodeError, SchemaProblem};
use super::format::is_blank;
use super::options::{DecodeOptions, FormatOrigin};
use super::text::TextDecoder;
use crate::flow::{FlowBatch, Tally};

/// Decodes flow logs in text, wrapped or not, pushed at it in chunks of any size. The protocol is that of
/// [`TextDecoder`], which does the work; the first byte that is not blank tells JSON from lines.
///
/// In JSON the "line" of a malformed example is the position of the message among the messages.
///
/// ```
/// # fn main() -> Result<(), flowgate::decode::DecodeError> {
/// use flowgate::decode::{DecodeOptions, Decoder};
///
/// let mut input = &b"{\"message\": \"2 123456789010 eni-1 10.0.0.1 10.0.0.2 443 49152 6 10 840 1 2 ACCEPT OK\"}"[..];
/// let mut decoder = Decoder::new(DecodeOptions::default());
/// let mut records = 0;
/// while !input.is_empty() {
///     let taken = decoder.decode(input)?;
///     if taken < input.len() {
///         records += decoder.flush()?.map_or(0, |batch| batch.len());
///     }
///     input = &input[taken..];
/// }
/// decoder.finish()?;
/// while let Some(batch) = decoder.flush()? {
///     records += batch.len();
/// }
/// assert_eq!(records, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Decoder {
    text: TextDecoder,
    mode: Mode,
    max_message: usize,
    /// Lines taken out of the envelope that wait for room in the batch, from `pending_from` on.
    pending: Vec<u8>,
    pending_from: usize,
}

#[derive(Debug)]
enum Mode {
    Unknown,
    Lines,
    Json(Envelope),
}

impl Decoder {
    /// A decoder for one object.
    #[must_use]
    pub fn new(options: DecodeOptions) -> Self {
        let max_message = options.max_line_bytes;
        let text = TextDecoder::new(options);
        Self { text, mode: Mode::Unknown, max_message, pending: Vec::new(), pending_from: 0 }
    }

    /// As [`TextDecoder::decode`].
    ///
    /// # Errors
    /// None today; what cannot be understood is counted, not fatal.
    pub fn decode(&mut self, input: &[u8]) -> Result<usize, DecodeError> {
        if matches!(self.mode, Mode::Unknown) {
            self.mode = match input.iter().find(|&&byte| !is_blank(byte)) {
                None => Mode::Unknown,
                Some(b'{' | b'[') => {
                    self.text.restart();
                    Mode::Json(Envelope::new(self.max_message))
                }
                Some(_) => Mode::Lines,
            };
        }
        let mut at = 0;
        loop {
            if !self.drain()? {
                return Ok(at);
            }
            let Mode::Json(envelope) = &mut self.mode else {
                return self.text.decode(input);
            };
            if at == input.len() || self.text.is_full() {
                return Ok(at);
            }
            let (taken, event) = envelope.advance(&input[at..]);
            at += taken;
            self.take(event);
        }
    }

    /// As [`TextDecoder::flush`].
    ///
    /// # Errors
    /// [`DecodeError::Arrow`] if the columns do not fit together, which would be a defect.
    pub fn flush(&mut self) -> Result<Option<FlowBatch>, DecodeError> {
        let batch = self.text.flush()?;
        self.drain()?;
        match batch {
            None => self.text.flush(),
            batch => Ok(batch),
        }
    }

    /// As [`TextDecoder::finish`].
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn finish(&mut self) -> Result<(), DecodeError> {
        let event = match &mut self.mode {
            Mode::Json(envelope) => envelope.finish(),
            Mode::Unknown | Mode::Lines => return self.text.finish(),
        };
        self.take(event);
        self.drain().map(|_| ())
    }

    /// As [`TextDecoder::finish_truncated`].
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn finish_truncated(&mut self) -> Result<(), DecodeError> {
        if let Mode::Json(envelope) = &mut self.mode {
            // A document cut short and a line cut short count alike.
            if envelope.finish().is_some() {
                self.drain()?;
                self.text.reject_truncated();
            }
        } else {
            self.text.finish_truncated();
        }
        Ok(())
    }

    /// As [`TextDecoder::tally`].
    #[must_use]
    pub fn tally(&self) -> &Tally {
        self.text.tally()
    }

    /// As [`TextDecoder::rejected_schema`].
    #[must_use]
    pub fn rejected_schema(&self) -> Option<&SchemaProblem> {
        self.text.rejected_schema()
    }

    /// As [`TextDecoder::formats_used`].
    #[must_use]
    pub fn formats_used(&self) -> Vec<(FormatOrigin, String, u64)> {
        self.text.formats_used()
    }

    fn take(&mut self, event: Option<Event>) {
        match (event, &self.mode) {
            (Some(Event::Message), Mode::Json(envelope)) => {
                self.pending.extend_from_slice(envelope.message());
                self.pending.push(b'\n');
            }
            (Some(Event::Broken(reason)), _) => self.text.reject(reason),
            _ => {}
        }
    }

    /// Hands pending lines on. False if the batch is full before all are.
    fn drain(&mut self) -> Result<bool, DecodeError> {
        while self.pending_from < self.pending.len() {
            let taken = self.text.decode(&self.pending[self.pending_from..])?;
            if taken == 0 {
                return Ok(false);
            }
            self.pending_from += taken;
        }
        self.pending.clear();
        self.pending_from = 0;
        Ok(true)
    }
}
