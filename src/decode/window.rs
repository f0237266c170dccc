//! One row in a window of fixed size: the values of [`super::fast`].

use std::ops::Range;

use super::assemble::Assembler;
use super::columns::stored;
use super::fast::{Record, Step};
use super::passed::Texts;
use super::row::Op;
use super::token::{self, ABOVE_9, HIGH_BITS, LOW_BITS, POWERS_OF_10, ZEROS, leading_digits, spelled};

/// Bytes in which a row has to end. A power of two: offsets are cut to it.
pub(super) const ROW: usize = 1024;
/// Bytes that must follow the beginning of a row: the row, and what a load at its last byte reaches.
pub(super) const WINDOW: usize = ROW + 16;

/// Reads one row into a record.
pub(super) struct Reader<'a> {
    pub(super) window: &'a [u8; WINDOW],
    pub(super) rows: &'a Assembler,
    pub(super) texts: &'a mut [Texts],
    pub(super) record: &'a mut Record,
    /// Where the source and the space behind it are.
    pub(super) source: Range<usize>,
    /// Where the destination and the space behind it are.
    pub(super) destination: Range<usize>,
}

impl Reader<'_> {
    /// Reads a row; returns where its newline is.
    #[inline(always)]
    pub(super) fn row<const DEFAULT: bool>(&mut self, steps: &[Step]) -> Option<usize> {
        self.record.missing = 0;
        let mut steps = steps;
        let mut at = 0;
        if DEFAULT {
            // Spelled out: with the kind of value known, each call becomes straight code.
            at = self.pass(0, at)?;
            at = self.value(Op::SrcAddr, self.space(at)?)?;
            at = self.value(Op::DstAddr, self.space(at)?)?;
            at = self.value(Op::SrcPort, self.space(at)?)?;
            at = self.value(Op::DstPort, self.space(at)?)?;
            at = self.value(Op::Protocol, self.space(at)?)?;
            at = self.value(Op::Packets, self.space(at)?)?;
            at = self.value(Op::Bytes, self.space(at)?)?;
            at = self.value(Op::Start, self.space(at)?)?;
            at = self.value(Op::End, self.space(at)?)?;
            at = self.value(Op::Action, self.space(at)?)?;
            at = self.value(Op::Status, self.space(at)?)?;
        } else {
            let (first, rest) = steps.split_first()?;
            at = self.step(*first, at)?;
            steps = rest;
        }
        for step in steps {
            at = self.step(*step, self.space(at)?)?;
        }
        (self.byte(at) == b'\n').then_some(at)
    }

    #[inline(always)]
    fn step(&mut self, step: Step, at: usize) -> Option<usize> {
        match step {
            Step::Texts(index) => self.pass(index, at),
            Step::Value(op) => self.value(op, at),
        }
    }

    /// Passes the space between two values.
    #[inline(always)]
    fn space(&self, at: usize) -> Option<usize> {
        (self.byte(at) == b' ').then_some(at + 1)
    }

    /// Offsets beyond the row wrap around, which `run` notices at the end.
    #[inline(always)]
    fn byte(&self, at: usize) -> u8 {
        self.window[at % ROW]
    }

    #[inline(always)]
    fn word(&self, at: usize) -> u64 {
        word_at(self.window, at)
    }

    #[inline(always)]
    fn half_word(&self, at: usize) -> u32 {
        let at = at % ROW;
        self.window[at..at + 4].first_chunk::<4>().map_or(0, |chunk| u32::from_le_bytes(*chunk))
    }

    /// Reads a value, which must not be empty; returns its end. That the value does end there, before a
    /// space or the newline, is checked by the caller.
    #[inline(always)]
    fn value(&mut self, op: Op, at: usize) -> Option<usize> {
        match op {
            Op::SrcAddr => {
                let (bits, end) = self.address(at)?;
                self.record.srcaddr = bits;
                self.source = at..end + 1;
                Some(end)
            }
            Op::DstAddr => {
                let (bits, end) = self.address(at)?;
                self.record.dstaddr = bits;
                self.destination = at..end + 1;
                Some(end)
            }
            Op::PktSrcAddr => {
                if let Some(end) = self.repeated(self.source.clone(), at) {
                    self.record.pkt_srcaddr = self.record.srcaddr;
                    Some(end)
                } else if let Some((bits, end)) = self.address(at) {
                    self.record.pkt_srcaddr = bits;
                    Some(end)
                } else {
                    self.missing(op, at)
                }
            }
            Op::PktDstAddr => {
                if let Some(end) = self.repeated(self.destination.clone(), at) {
                    self.record.pkt_dstaddr = self.record.dstaddr;
                    Some(end)
                } else if let Some((bits, end)) = self.address(at) {
                    self.record.pkt_dstaddr = bits;
                    Some(end)
                } else {
                    self.missing(op, at)
                }
            }
            Op::SrcPort => {
                let (number, end) = self.short_number(at)?;
                self.record.srcport = u16::try_from(number).ok()?;
                Some(end)
            }
            Op::DstPort => {
                let (number, end) = self.short_number(at)?;
                self.record.dstport = u16::try_from(number).ok()?;
                Some(end)
            }
            Op::Protocol => {
                let (number, end) = self.octet(at)?;
                self.record.protocol = number;
                Some(end)
            }
            Op::TcpFlags => match self.octet(at) {
                Some((number, end)) => {
                    self.record.tcp_flags = number;
                    Some(end)
                }
                None => self.missing(op, at),
            },
            Op::Packets => match self.number(at) {
                Some((number, end)) => {
                    self.record.packets = number;
                    Some(end)
                }
                None => self.missing(op, at),
            },
            Op::Bytes => match self.number(at) {
                Some((number, end)) => {
                    self.record.bytes = number;
                    Some(end)
                }
                None => self.missing(op, at),
            },
            Op::Start => {
                let (number, end) = self.time(at)?;
                self.record.start = number;
                Some(end)
            }
            Op::End => {
                let (number, end) = self.time(at)?;
                self.record.end = number;
                Some(end)
            }
            Op::Action => self.action(at),
            Op::Status => (self.word(at) & 0xffff == word_of(b"OK")).then_some(at + 2),
            Op::Direction => self.direction(at),
            Op::RejectReason => self.reject_reason(at),
            // These are passed as texts.
            Op::Interface
            | Op::Skip
            | Op::Resource
            | Op::Account
            | Op::Vpc
            | Op::Subnet
            | Op::Instance
            | Op::Region => None,
        }
    }

    /// Takes `-` for a column that may have no value.
    #[cold]
    fn missing(&mut self, op: Op, at: usize) -> Option<usize> {
        self.record.missing |= op.bit();
        (self.byte(at) == b'-').then_some(at + 1)
    }

    /// The end of a text that is not empty.
    #[inline(always)]
    fn text(&self, at: usize) -> Option<usize> {
        let mut end = at;
        loop {
            let blanks = token::blanks(self.word(end));
            if blanks != 0 {
                end += (blanks.trailing_zeros() / 8) as usize;
                return (end > at).then_some(end);
            }
            end += 8;
            if end >= ROW {
                return None;
            }
        }
    }

    /// Passes neighbouring texts.
    #[inline(always)]
    fn pass(&mut self, index: usize, at: usize) -> Option<usize> {
        for length in self.texts[index].lengths() {
            let end = at + length;
            let texts = &mut self.texts[index];
            if let Some(key) = texts.find(mark(self.window, at, end), self.window.get(at..end)?) {
                texts.note(length);
                // Overwritten, if these are not the texts with the interface among them.
                if texts.interface.is_some() {
                    self.record.interface = key;
                }
                return Some(end);
            }
        }
        self.pass_others(index, at)
    }

    #[inline(never)]
    fn pass_others(&mut self, index: usize, at: usize) -> Option<usize> {
        let mut end = self.text(at)?;
        for _ in 1..self.texts[index].columns {
            end = self.text(self.space(end)?)?;
        }
        let text = self.window.get(at..end)?;
        let mark = mark(self.window, at, end);
        let key = match self.texts[index].find(mark, text) {
            Some(key) => key,
            None => {
                let key = self.checked(index, text)?;
                self.texts[index].keep(mark, text, key);
                key
            }
        };
        self.texts[index].note(text.len());
        if self.texts[index].interface.is_some() {
            self.record.interface = key;
        }
        Some(end)
    }

    /// The number of the interface among texts not passed before, if they are as they must be.
    fn checked(&self, index: usize, text: &[u8]) -> Option<u32> {
        let texts = &self.texts[index];
        let mut key = 0;
        for (column, value) in text.split(|&byte| byte == b' ').enumerate() {
            if let Some((place, expected)) = &texts.expected
                && *place == column
                && value != expected.as_slice()
            {
                return None;
            }
            if texts.interface == Some(column) {
                key = self.rows.known_interface(Some(value).filter(|name| *name != b"-")?)?;
            }
        }
        Some(key)
    }

    /// The end of the text at `at`, if it and the space behind it are the same as in `earlier`.
    #[inline(always)]
    fn repeated(&self, earlier: Range<usize>, at: usize) -> Option<usize> {
        let length = earlier.len();
        let end = at + length;
        let same = match length {
            0 => false,
            1..=16 => {
                let words = |at: usize| u128::from(self.word(at)) | u128::from(self.word(at + 8)) << 64;
                (words(earlier.start) ^ words(at)) << (128 - 8 * length) == 0
            }
            _ => self.window.get(earlier)? == self.window.get(at..end)?,
        };
        same.then_some(end - 1)
    }

    #[cold]
    fn reject_reason(&mut self, at: usize) -> Option<usize> {
        let end = self.text(at)?;
        let reason = self.window.get(at..end)?;
        if reason == b"-" {
            return self.missing(Op::RejectReason, at);
        }
        self.record.reject_reason = self.rows.known_reject_reason(reason)?;
        Some(end)
    }

    #[inline(always)]
    fn action(&mut self, at: usize) -> Option<usize> {
        let word = self.word(at) & (u64::MAX >> 16);
        self.record.action = u8::from(word == word_of(b"REJECT"));
        (word == word_of(b"ACCEPT") || word == word_of(b"REJECT")).then_some(at + 6)
    }

    #[inline(always)]
    fn direction(&mut self, at: usize) -> Option<usize> {
        let word = self.word(at);
        if word & (u64::MAX >> 8) == word_of(b"ingress") {
            self.record.direction = 0;
            Some(at + 7)
        } else if word & (u64::MAX >> 16) == word_of(b"egress") {
            self.record.direction = 1;
            Some(at + 6)
        } else {
            self.missing(Op::Direction, at)
        }
    }

    /// A number of at most seven digits.
    #[inline(always)]
    fn short_number(&self, at: usize) -> Option<(u64, usize)> {
        let word = self.word(at) ^ ZEROS;
        // The eighth byte is taken for the end, whatever it is.
        let others = ((((word & LOW_BITS) + ABOVE_9) | word) & HIGH_BITS) | 1 << 63;
        let digits = (others.trailing_zeros() / 8) as usize;
        (digits > 0).then(|| (spelled(word, digits), at + digits))
    }

    /// A number of at most 15 digits.
    #[inline(always)]
    fn number(&self, at: usize) -> Option<(u64, usize)> {
        match self.short_number(at) {
            Some((_, end)) if end - at == 7 => self.long_number(at),
            short => short,
        }
    }

    #[inline(never)]
    fn long_number(&self, at: usize) -> Option<(u64, usize)> {
        let word = self.word(at) ^ ZEROS;
        match leading_digits(word) {
            8 => {
                let high = spelled(word, 8);
                let word = self.word(at + 8) ^ ZEROS;
                match leading_digits(word) {
                    0 => Some((high, at + 8)),
                    8 => None,
                    count => Some((high * POWERS_OF_10[count] + spelled(word, count), at + 8 + count)),
                }
            }
            count => Some((spelled(word, count), at + count)),
        }
    }

    /// A number that is most likely a time of these years: ten digits.
    #[inline(always)]
    fn time(&self, at: usize) -> Option<(u64, usize)> {
        let high = self.word(at) ^ ZEROS;
        let low = u64::from(self.half_word(at + 8)) ^ ZEROS;
        let others = ((high & LOW_BITS) + ABOVE_9) | high | (((low & LOW_BITS) + ABOVE_9) | low) & 0xffff;
        if others & HIGH_BITS != 0 {
            return self.number(at);
        }
        Some((spelled(high, 8) * 100 + (low & 0xff) * 10 + (low >> 8 & 0xff), at + 10))
    }

    /// A number below 256 without leading zeros.
    #[inline(always)]
    fn octet(&self, at: usize) -> Option<(u8, usize)> {
        let text = self.half_word(at);
        let word = text ^ ZEROS as u32;
        let others = ((word & LOW_BITS as u32) + ABOVE_9 as u32) | word;
        let digits = ((others & HIGH_BITS as u32 | 1 << 31).trailing_zeros() / 8) as usize;
        let (octet, good) = token::octet(text, digits);
        // What is good fits.
        good.then_some((octet as u8, at + digits))
    }

    #[inline(always)]
    fn address(&self, at: usize) -> Option<(i128, usize)> {
        match self.ipv4(at) {
            Some((bits, end)) => Some((stored(0xffff << 32 | u128::from(bits)), end)),
            None => self.other_address(at),
        }
    }

    #[inline(never)]
    fn other_address(&self, at: usize) -> Option<(i128, usize)> {
        let (bits, len) = token::address(self.window.get(at..)?)?;
        Some((stored(bits?), at + len))
    }

    /// `None` means "look closer".
    #[inline(always)]
    fn ipv4(&self, at: usize) -> Option<(u32, usize)> {
        let place = at % ROW;
        let text = self.window[place..place + 16].first_chunk::<16>()?;
        let (low, high) = (self.word(at), self.word(at + 8));
        // One bit for each byte that is no digit; the fourth such byte ends the address.
        let mut others = token::other_bytes(low) | token::other_bytes(high) << 8;
        let mut ends = [0; 4];
        for end in &mut ends {
            *end = (others | 1 << 15).trailing_zeros() as usize;
            others &= others.wrapping_sub(1);
        }
        let [a, b, c, len] = ends;
        let mut bits = 0;
        let mut fits = text[a % 16] == b'.' && text[b % 16] == b'.' && text[c % 16] == b'.';
        for (from, end) in [(0, a), (a + 1, b), (b + 1, c), (c + 1, len)] {
            let (octet, good) = token::octet(self.half_word(at + from), end.wrapping_sub(from));
            bits = bits << 8 | octet;
            fits &= good;
        }
        fits.then_some((bits, at + len))
    }
}

/// Offsets beyond the row wrap around.
#[inline(always)]
fn word_at(window: &[u8; WINDOW], at: usize) -> u64 {
    let at = at % ROW;
    // The default is never used: a window is longer than a row by more than a word.
    window[at..at + 8].first_chunk::<8>().map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

/// What tells a text from others of its columns: its last 16 bytes, multiplied.
#[inline(always)]
fn mark(window: &[u8; WINDOW], at: usize, end: usize) -> u64 {
    /// Odd, its bits without a pattern: the golden ratio, as Knuth proposes.
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let word = |at: usize| word_at(window, at);
    let length = end - at;
    let last = match length {
        0 => 0,
        1..8 => word(at) << (64 - 8 * length),
        _ => word(end - 8),
    };
    let before = if length < 16 { 0 } else { word(end - 16) };
    (before.wrapping_mul(FACTOR) ^ last).wrapping_mul(FACTOR)
}

/// A short word as its first bytes in memory.
const fn word_of(text: &[u8]) -> u64 {
    let mut word = 0;
    let mut at = text.len();
    while at > 0 {
        at -= 1;
        word = word << 8 | text[at] as u64;
    }
    word
}
