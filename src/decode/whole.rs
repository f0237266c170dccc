//! gzip objects inflated in one go, about half again as fast as in a stream.
//!
//! libdeflate is fast because it has all input and all output before it; so it is for objects that are at hand
//! whole and not too large. It is also of few words: it neither says what is wrong with an object nor gives the
//! bytes before the damage. So whatever is not plainly right is left to [`super::reader`], from its beginning.
#![expect(clippy::disallowed_types, reason = "this is the place that the ban points to")]

use std::fmt;

use libdeflater::Decompressor;
use memchr::memmem;

/// Identification, deflate, flags, time, extra flags, system (RFC 1952, 2.3).
const HEADER: usize = 10;
/// CRC-32 and length of the plain bytes.
const TRAILER: usize = 8;
/// Flags that change nothing about where the data begin, and that a file name follows the header.
const TEXT: u8 = 1;
const NAME: u8 = 8;
/// Longest file name. Linux ends at 255 bytes.
const MOST_NAME: usize = 1024;
/// Deflate makes at most 258 bytes out of two bits, so a length beyond this is not to be believed.
const MOST_RATIO: usize = 1032;

/// Inflates gzip objects whole, one after the other. Each worker has one, so that the memory is asked for (and
/// its pages are touched for the first time) once per worker and not once per object.
pub struct Inflater {
    decompressor: Decompressor,
    plain: Vec<u8>,
}

impl Default for Inflater {
    fn default() -> Self {
        Self { decompressor: Decompressor::new(), plain: Vec::new() }
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").field("capacity", &self.plain.len()).finish_non_exhaustive()
    }
}

impl Inflater {
    /// The plain bytes of a gzip object, if it is a single member that is whole and sound, has nothing behind it
    /// and inflates to between 1 and `most` bytes. `None` is no judgement: read the object as a stream, which
    /// finds out what it is.
    pub fn inflate(&mut self, object: &[u8], most: usize) -> Option<&[u8]> {
        let (_, trailer) = object.split_last_chunk::<TRAILER>()?;
        let [.., a, b, c, d] = *trailer;
        let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?;
        let believable = length > 0 && length <= most && length / MOST_RATIO <= object.len();
        if !believable || !has_simple_header(object) {
            return None;
        }
        self.make_room(length, most);
        let plain = self.plain.get_mut(..length)?;
        if self.decompressor.gzip_decompress(object, plain) != Ok(length) {
            return None;
        }
        // CRC and length were found to be right behind the end of the deflate stream, but where that is, is not
        // told: another member may follow, even the same once more. If what was found there stands at the end of
        // the object and nowhere before, it can only have been found there.
        let data = object.get(HEADER..)?;
        let only = is_only_at_end(data, &[a, b, c, d])
            || is_only_at_end(data, trailer) && trailer.starts_with(&libdeflater::crc32(plain).to_le_bytes());
        only.then(|| &self.plain[..length])
    }

    /// Room for `length` bytes, and some more lest objects that differ a little make it grow each time.
    fn make_room(&mut self, length: usize, most: usize) {
        if self.plain.len() < length {
            // The old memory is given back before: its content is of no use.
            self.plain = Vec::new();
            self.plain = vec![0; (length + length / 4).min(most)];
        }
    }
}

fn is_only_at_end(data: &[u8], end: &[u8]) -> bool {
    memmem::find(data, end).is_some_and(|at| at + end.len() == data.len())
}

/// A header that libdeflate reads as flate2 does, and that flate2 finds no fault with. The others have a CRC of
/// their own, fields of any length, or bits that are reserved.
fn has_simple_header(object: &[u8]) -> bool {
    let Some(([0x1f, 0x8b, 8, flags, ..], rest)) = object.split_first_chunk::<HEADER>() else { return false };
    match flags & !TEXT {
        0 => true,
        NAME => rest.iter().take(MOST_NAME).any(|&byte| byte == 0),
        _ => false,
    }
}
