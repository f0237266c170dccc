//! Values at the beginning of a slice: numbers and addresses, eight bytes at a time.
//!
//! A value ends at the first byte up to and including space, or at the end of the slice. Lengths of
//! numbers vary from row to row in a way the branch predictor cannot learn, so the number of digits is
//! computed instead of looped over; this is most of the decoder's speed.

use std::net::IpAddr;

use super::format::is_blank;
use crate::flow::address_bits;

/// A value (`None` for `-`) and its length in bytes; or nothing if it is not of the kind asked for.
pub(super) type Parsed<T> = Option<(Option<T>, usize)>;

pub(super) const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
pub(super) const LOW_BITS: u64 = !HIGH_BITS;
pub(super) const ZEROS: u64 = 0x3030_3030_3030_3030;
/// Added to a byte below 128, sets its high bit if the byte is above 9.
pub(super) const ABOVE_9: u64 = 0x7676_7676_7676_7676;
/// Added to a byte below 128, sets its high bit if the byte is above space.
const ABOVE_SPACE: u64 = 0x5f5f_5f5f_5f5f_5f5f;
pub(super) const POWERS_OF_10: [u64; 8] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];

/// The first eight bytes, little endian, zeros after the end.
#[inline(always)]
fn word_at(rest: &[u8]) -> u64 {
    match rest.first_chunk::<8>() {
        Some(chunk) => u64::from_le_bytes(*chunk),
        None => short_word(rest),
    }
}

#[inline(never)]
fn short_word(rest: &[u8]) -> u64 {
    rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

/// How many digits lead a word whose bytes had [`ZEROS`] taken off.
#[inline(always)]
pub(super) fn leading_digits(word: u64) -> usize {
    let others = (((word & LOW_BITS) + ABOVE_9) | word) & HIGH_BITS;
    (others.trailing_zeros() / 8) as usize
}

/// The number that the first `count` (1 to 8) digits of a word spell.
#[inline(always)]
pub(super) fn spelled(word: u64, count: usize) -> u64 {
    // Digits moved to the end of the word, zeros before them; then pairs, fours and eights are summed.
    let word = word << (64 - 8 * count);
    let pairs = word.wrapping_mul(10).wrapping_add(word >> 8);
    let low = (pairs & 0x0000_00ff_0000_00ff).wrapping_mul(0x000f_4240_0000_0064);
    let high = (pairs >> 16 & 0x0000_00ff_0000_00ff).wrapping_mul(0x0000_2710_0000_0001);
    low.wrapping_add(high) >> 32
}

#[inline(always)]
fn ends_at(rest: &[u8], len: usize) -> bool {
    rest.get(len).is_none_or(|&byte| is_blank(byte))
}

/// `-` as a whole value.
#[inline(always)]
pub(super) fn is_missing(rest: &[u8]) -> bool {
    rest.first() == Some(&b'-') && ends_at(rest, 1)
}

/// True if the value is `word`.
#[inline(always)]
pub(super) fn begins(rest: &[u8], word: &[u8]) -> bool {
    rest.starts_with(word) && ends_at(rest, word.len())
}

/// The high bit of each byte of a word that is a blank.
#[inline(always)]
pub(super) fn blanks(word: u64) -> u64 {
    let visible = ((word & LOW_BITS) + ABOVE_SPACE) | word;
    !visible & HIGH_BITS
}

/// Length of the value.
#[inline(always)]
pub(super) fn length(rest: &[u8]) -> usize {
    let mut at = 0;
    while let Some(chunk) = rest.get(at..).and_then(|r| r.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        let blanks = blanks(word);
        if blanks != 0 {
            return at + (blanks.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    at + short_length(&rest[at..])
}

#[inline(never)]
fn short_length(rest: &[u8]) -> usize {
    rest.iter().take_while(|&&byte| !is_blank(byte)).count()
}

/// A decimal number without sign.
#[inline(always)]
pub(super) fn number(rest: &[u8]) -> Parsed<u64> {
    let word = word_at(rest) ^ ZEROS;
    let (value, len) = match leading_digits(word) {
        0 => return is_missing(rest).then_some((None, 1)),
        8 => {
            let word2 = word_at(&rest[8..]) ^ ZEROS;
            match leading_digits(word2) {
                0 => (spelled(word, 8), 8),
                8 => return long_number(rest),
                count => (spelled(word, 8) * POWERS_OF_10[count] + spelled(word2, count), 8 + count),
            }
        }
        count => (spelled(word, count), count),
    };
    ends_at(rest, len).then_some((Some(value), len))
}

#[cold]
fn long_number(rest: &[u8]) -> Parsed<u64> {
    let len = length(rest);
    // `parse` would accept a plus sign; sixteen digits were seen, so there is none.
    let value = std::str::from_utf8(&rest[..len]).ok()?.parse().ok()?;
    Some((Some(value), len))
}

/// An IPv4 or IPv6 address as 128 bits, IPv4 mapped.
#[inline(always)]
pub(super) fn address(rest: &[u8]) -> Parsed<u128> {
    if let Some((bits, len)) = ipv4(rest) {
        return Some((Some(0xffff << 32 | u128::from(bits)), len));
    }
    other_address(rest)
}

#[inline(never)]
fn other_address(rest: &[u8]) -> Parsed<u128> {
    if is_missing(rest) {
        return Some((None, 1));
    }
    // A value alone, as Parquet has them: blanks are put behind it.
    if rest.len() < 16 {
        let mut padded = [0; 16];
        padded[..rest.len()].copy_from_slice(rest);
        if let Some((bits, len)) = ipv4(&padded) {
            return Some((Some(0xffff << 32 | u128::from(bits)), len));
        }
    }
    let len = length(rest);
    let parsed: IpAddr = std::str::from_utf8(&rest[..len]).ok()?.parse().ok()?;
    Some((Some(address_bits(parsed)), len))
}

/// The IPv4 address, IPv4 mapped, that `len` bytes from `start` on are. `None` means "look closer".
#[inline(always)]
pub(super) fn whole_ipv4(bytes: &[u8], start: usize, len: usize) -> Option<u128> {
    let chunk = bytes.get(start..)?.first_chunk::<16>()?;
    // What follows belongs to other values; blanks are put in its place.
    let mask = u128::MAX >> (128 - 8 * Some(len).filter(|len| (1..16).contains(len))?);
    let (bits, end) = ipv4(&(u128::from_le_bytes(*chunk) & mask).to_le_bytes())?;
    (end == len).then_some(0xffff << 32 | u128::from(bits))
}

/// An IPv4 address that is followed by a blank within 16 bytes. `None` means "look closer".
#[inline(always)]
fn ipv4(rest: &[u8]) -> Option<(u32, usize)> {
    let chunk = rest.first_chunk::<16>()?;
    // One bit for each byte that is no digit; the fourth such byte ends the address.
    let mut others = other_bytes(word_at(&chunk[..8])) | other_bytes(word_at(&chunk[8..])) << 8;
    let mut ends = [0; 4];
    for end in &mut ends {
        *end = others.trailing_zeros() as usize;
        others &= others.wrapping_sub(1);
    }
    let [a, b, c, len] = ends;
    let separated = chunk.get(a) == Some(&b'.')
        && chunk.get(b) == Some(&b'.')
        && chunk.get(c) == Some(&b'.')
        && is_blank(*chunk.get(len)?);
    if !separated {
        return None;
    }
    let mut bits = 0;
    let mut fits = true;
    for (from, end) in [(0, a), (a + 1, b), (b + 1, c), (c + 1, len)] {
        let text = u32::from_le_bytes(*chunk.get(from..)?.first_chunk::<4>()?);
        let (octet, good) = octet(text, end - from);
        bits = bits << 8 | octet;
        fits &= good;
    }
    fits.then_some((bits, len))
}

/// The number that the first `digits` bytes of a half word spell, which must be digits if there are at most
/// three of them, and whether they are one to three and fit an octet. Any `digits` up to 15 or just
/// below zero, wrapped, may be asked for.
#[inline(always)]
pub(super) fn octet(text: u32, digits: usize) -> (u32, bool) {
    /// The least number of so many digits, a digit a byte. A leading zero could mean octal; it is left to
    /// the standard library, which refuses it.
    const LEAST: [u32; 16] = {
        let mut least = [u32::MAX; 16];
        least[1] = 0;
        least[2] = 0x01_00;
        least[3] = 0x01_00_00;
        least
    };
    const GREATEST: u32 = 0x02_05_05;

    let least = LEAST[digits % 16];
    // The digits moved to the end of the word: ones last, zeros before them.
    let moved = (text ^ ZEROS as u32).wrapping_shl(32_u32.wrapping_sub((digits as u32).wrapping_mul(8)));
    // Read from the ones, digits compare like the number they spell.
    let good = (least..=GREATEST).contains(&moved.swap_bytes());
    (moved.wrapping_mul(100 << 16 | 10 << 8 | 1) >> 24, good)
}

/// One bit for each byte of a word that is no digit, the first byte lowest.
#[inline(always)]
pub(super) fn other_bytes(word: u64) -> u32 {
    let word = word ^ ZEROS;
    let others = (((word & LOW_BITS) + ABOVE_9) | word) & HIGH_BITS;
    ((others >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every value is tried alone, before a space, and with more behind, since these take other paths.
    fn in_all_places<T: PartialEq + std::fmt::Debug>(
        text: &str,
        parse: fn(&[u8]) -> Parsed<T>,
        expected: Option<Option<T>>,
    ) {
        let expected = expected.map(|value| (value, text.len()));
        for behind in ["", " ", "\r", " 1", " 17 4 336 1432917027 1432917142 ACCEPT OK"] {
            assert_eq!(parse(format!("{text}{behind}").as_bytes()), expected, "{text:?} before {behind:?}");
        }
        if expected.is_some() {
            assert_eq!(parse(format!("{text}x 1 2 3 4 5 6 7 8").as_bytes()), None, "{text}x");
        }
    }

    #[test]
    fn numbers_of_every_length() {
        for digits in 1..=20 {
            for text in ["1".repeat(digits), "9".repeat(digits), format!("{:0>digits$}", 7)] {
                in_all_places(&text, number, text.parse().ok().map(Some));
            }
        }
        in_all_places("-", number, Some(None));
        for bad in ["", "-5", "+5", "5.0", "0x5", "None", "12345678x", "1234567890123456x", "\u{ff11}"] {
            in_all_places(bad, number, None);
        }
        in_all_places(&u64::MAX.to_string(), number, Some(Some(u64::MAX)));
        in_all_places("18446744073709551616", number, None);
    }

    #[test]
    fn addresses_agree_with_the_standard_library() {
        let good = [
            "0.0.0.0",
            "1.2.3.4",
            "10.0.0.164",
            "255.255.255.255",
            "192.168.100.200",
            "::",
            "::1",
            "2001:db8:1234:a100:8d6e:3477:df66:f105",
            "::ffff:10.0.0.1",
            "fe80::1",
        ];
        for text in good {
            in_all_places(text, address, Some(Some(address_bits(text.parse().unwrap()))));
        }
        let bad = [
            "256.1.1.1",
            "1.2.3",
            "1.2.3.4.5",
            "01.2.3.4",
            "1..2.3",
            "1.2.3.",
            ".1.2.3",
            "1234.1.1.1",
            "1.2.3.4/8",
            "a.b.c.d",
            "fe80::1%eth0",
            "-1.2.3.4",
            "1",
            "",
            "::ffff:",
            "1.2.3.4\u{e9}",
        ];
        for text in bad {
            in_all_places(text, address, None);
        }
        in_all_places("-", address, Some(None));
    }

    #[test]
    fn addresses_between_other_values() {
        for text in ["0.0.0.0", "255.255.255.255", "10.20.30.4"] {
            for behind in ["5", "", ".1", " ", "x"] {
                let bytes = format!("1{text}{behind}0.0.0.0.0.0.0.0");
                let expected = Some(address_bits(text.parse().unwrap()));
                assert_eq!(whole_ipv4(bytes.as_bytes(), 1, text.len()), expected, "{bytes}");
            }
            assert_eq!(whole_ipv4(format!("{text} 0.0.0.0.0.0.0.0").as_bytes(), 0, text.len() + 1), None);
        }
        for other in ["", "1.2.3", "1.2.3.456", "1.2.3.4.5", "fe80::1", "-", "100.100.100.1000", "1.2.3.4 "] {
            assert_eq!(
                whole_ipv4(format!("{other}.1.1.1.1.1.1.1.1.1").as_bytes(), 0, other.len()),
                None,
                "{other}"
            );
        }
        assert_eq!(whole_ipv4(b"1.2.3.4", 0, 7), None, "left to others");
    }

    #[test]
    fn every_ipv4_octet() {
        for octet in 0..=255_u8 {
            let text = format!("{octet}.{}.{octet}.{}", 255 - octet, octet ^ 0x55);
            in_all_places(&text, address, Some(Some(address_bits(text.parse().unwrap()))));
        }
    }

    #[test]
    fn lengths() {
        for len in 0..40 {
            let word = "x".repeat(len);
            assert_eq!(length(word.as_bytes()), len);
            assert_eq!(length(format!("{word} yyyyyyyyyyyy").as_bytes()), len);
            assert_eq!(length(format!("{word}\ty").as_bytes()), len);
            assert_eq!(length("é".repeat(len).as_bytes()), 2 * len);
        }
    }
}
