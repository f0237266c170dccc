//! Compressed bytes into plain ones, never more of them than allowed.
//!
//! The only place that touches a gzip or zstd decoder: members and frames may follow one another
//! (concatenated objects, Firehose), and a small object may claim to hold terabytes.
#![expect(clippy::disallowed_types, reason = "this is the place that the ban points to")]

use std::fmt;
use std::io::{self, BufRead, BufReader, Cursor, Read};

use flate2::bufread::GzDecoder;

use super::auto::Decoder;
use super::error::DecodeError;
use crate::flow::FlowBatch;

const CHUNK: usize = 128 * 1024;

/// How an object is compressed, told by its first bytes and never by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    Plain,
    /// gzip, one member or several.
    Gzip,
    /// Zstandard, one frame or several.
    Zstd,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}

impl Compression {
    fn of(magic: &[u8]) -> Self {
        match magic {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A frame, or a skippable frame, which parallel compressors put first.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::Plain,
        }
    }
}

/// True if the object begins as gzip does.
#[must_use]
pub fn is_gzip(beginning: &[u8]) -> bool {
    Compression::of(beginning) == Compression::Gzip
}

/// Wraps a reader so that it yields plain bytes, at most `limit` of them.
///
/// An error of the returned reader holds a [`DecodeError`]; take it out with [`DecodeError::from_io`].
/// Before [`DecodeError::Truncated`] and [`DecodeError::Corrupt`] all bytes that could be had are delivered.
///
/// # Errors
/// If the first bytes cannot be read.
pub fn reader<'a>(
    inner: impl Read + Send + 'a,
    limit: u64,
) -> Result<(Compression, Box<dyn Read + Send + 'a>), DecodeError> {
    let mut inner = Marked(inner);
    let mut magic = Vec::new();
    (&mut inner).take(4).read_to_end(&mut magic).map_err(DecodeError::from_io)?;
    let compression = Compression::of(&magic);
    let whole = Cursor::new(magic).chain(inner);
    let plain: Box<dyn Read + Send + 'a> = match compression {
        Compression::Plain => Box::new(whole),
        Compression::Gzip => {
            Box::new(Members::Reading(Box::new(GzDecoder::new(BufReader::with_capacity(CHUNK, whole)))))
        }
        Compression::Zstd => {
            let buffered = BufReader::with_capacity(CHUNK, whole);
            let decoder = zstd::stream::read::Decoder::with_buffer(buffered);
            Box::new(decoder.map_err(|source| DecodeError::Corrupt { compression, source })?)
        }
    };
    Ok((compression, Box::new(Capped { plain, compression, limit, left: limit })))
}

/// Reads everything through a decoder and hands on the batches.
///
/// If the stream is cut off or damaged, the rows before the cut are handed on first, the line that the
/// cut went through is counted as truncated, and the error is returned.
///
/// # Errors
/// What `reader` or the decoder fails with, or `sink` returns.
pub fn pump<E: From<DecodeError>>(
    mut reader: impl Read,
    decoder: &mut Decoder,
    mut sink: impl FnMut(FlowBatch) -> Result<(), E>,
) -> Result<(), E> {
    let mut buffer = vec![0; CHUNK];
    let outcome = loop {
        match reader.read(&mut buffer) {
            Ok(0) => break Ok(()),
            Ok(len) => push(&buffer[..len], decoder, &mut sink)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break Err(DecodeError::from_io(error)),
        }
    };
    match &outcome {
        Ok(()) => finish(decoder, sink)?,
        Err(_) => {
            decoder.finish_truncated()?;
            drain(decoder, sink)?;
        }
    }
    outcome.map_err(E::from)
}

/// Gives plain bytes to a decoder and hands on the batches that become full.
///
/// # Errors
/// What the decoder fails with, or `sink` returns.
pub fn push<E: From<DecodeError>>(
    mut plain: &[u8],
    decoder: &mut Decoder,
    mut sink: impl FnMut(FlowBatch) -> Result<(), E>,
) -> Result<(), E> {
    while !plain.is_empty() {
        let taken = decoder.decode(plain)?;
        plain = &plain[taken..];
        if !plain.is_empty()
            && let Some(batch) = decoder.flush()?
        {
            sink(batch)?;
        }
    }
    Ok(())
}

/// Says that the object ended and hands on the last batches.
///
/// # Errors
/// As [`push`].
pub fn finish<E: From<DecodeError>>(
    decoder: &mut Decoder,
    sink: impl FnMut(FlowBatch) -> Result<(), E>,
) -> Result<(), E> {
    decoder.finish()?;
    drain(decoder, sink)
}

fn drain<E: From<DecodeError>>(
    decoder: &mut Decoder,
    mut sink: impl FnMut(FlowBatch) -> Result<(), E>,
) -> Result<(), E> {
    while let Some(batch) = decoder.flush()? {
        sink(batch)?;
    }
    Ok(())
}

/// Marks errors of the inner reader, so that they are not taken for damage of the compressed stream.
struct Marked<R>(R);

impl<R: Read> Read for Marked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ => DecodeError::Read(error).into(),
        })
    }
}

/// gzip members one after the other. Unlike flate2's own, it tolerates zeros after a member, which tapes
/// and some uploaders pad with.
enum Members<R> {
    Reading(Box<GzDecoder<R>>),
    Between(R),
    Done,
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            *self = match std::mem::replace(self, Self::Done) {
                Self::Reading(mut member) => match member.read(buffer) {
                    Ok(0) if !buffer.is_empty() => Self::Between(member.into_inner()),
                    result => {
                        *self = Self::Reading(member);
                        return result;
                    }
                },
                Self::Between(mut inner) => {
                    let available = match inner.fill_buf() {
                        Ok(available) => available,
                        Err(error) => {
                            *self = Self::Between(inner);
                            return Err(error);
                        }
                    };
                    if available.is_empty() {
                        return Ok(0);
                    }
                    let zeros = available.iter().take_while(|&&byte| byte == 0).count();
                    let next = available.get(zeros).copied();
                    inner.consume(zeros);
                    match next {
                        None => Self::Between(inner),
                        Some(0x1f) => Self::Reading(Box::new(GzDecoder::new(inner))),
                        Some(_) => return Err(DecodeError::TrailingBytes.into()),
                    }
                }
                Self::Done => return Ok(0),
            };
        }
    }
}

/// Stops at the limit and gives errors their meaning.
struct Capped<'a> {
    plain: Box<dyn Read + Send + 'a>,
    compression: Compression,
    limit: u64,
    left: u64,
}

impl Read for Capped<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let meaning = |error| named(self.compression, error);
        if self.left == 0 && !buffer.is_empty() {
            // An object of exactly the limit is fine, so one byte more has to be asked for.
            return match self.plain.read(&mut [0]).map_err(meaning)? {
                0 => Ok(0),
                _ => Err(DecodeError::TooLarge { limit: self.limit }.into()),
            };
        }
        let room = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let len = self.plain.read(&mut buffer[..room]).map_err(meaning)?;
        self.left = self.left.saturating_sub(len as u64);
        Ok(len)
    }
}

fn named(compression: Compression, error: io::Error) -> io::Error {
    let ours = error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<DecodeError>);
    match error.kind() {
        _ if ours => error,
        io::ErrorKind::Interrupted => error,
        io::ErrorKind::UnexpectedEof => DecodeError::Truncated { compression }.into(),
        _ => DecodeError::Corrupt { compression, source: error }.into(),
    }
}
