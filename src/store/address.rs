//! Addresses as text, since that is what tables hold and sort by.

use std::net::IpAddr;

use crate::flow::address_from_bits;

/// IPv4 addresses mapped into IPv6.
const MAPPED: u128 = 0xffff << 32;

/// An IPv4 address, if it is one.
pub(super) fn narrow(address: u128) -> Option<u32> {
    (address >> 32 == MAPPED >> 32).then_some(address as u32)
}

pub(super) fn widen(address: u32) -> u128 {
    MAPPED | u128::from(address)
}

/// An address as text; compares as text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Text {
    /// Its first 16 bytes; what is short ends with zeros, which come before every letter.
    head: [u8; 16],
    /// All of it, of IPv6.
    long: Option<String>,
    length: u8,
}

impl Text {
    #[inline]
    pub fn of(address: u128) -> Self {
        if let Some(address) = narrow(address) {
            let (head, length) = dotted(address.to_be_bytes());
            return Self { head, long: None, length };
        }
        Self::of_long(address_from_bits(address))
    }

    fn of_long(address: IpAddr) -> Self {
        let text = address.to_string();
        let length = text.len().min(16);
        let mut head = [0; 16];
        head[..length].copy_from_slice(&text.as_bytes()[..length]);
        Self { head, long: Some(text), length: length as u8 }
    }

    pub fn bytes(&self) -> &[u8] {
        self.long.as_ref().map_or(&self.head[..usize::from(self.length)], String::as_bytes)
    }
}

/// A number for an IPv4 address that is the greater the later its text comes.
#[inline]
pub(super) fn rank(address: u32) -> u32 {
    u32::from_be_bytes(address.to_be_bytes().map(|octet| RANKS[usize::from(octet)]))
}

/// Of each number of a byte: its place among all of them as text. What comes after a number in an address, a dot or the
/// end, comes before digits.
const RANKS: [u8; 256] = {
    let mut ranks = [0; 256];
    let mut a = 0;
    while a < 256 {
        let mut b = 0;
        while b < 256 {
            ranks[a] += (digits(b) < digits(a)) as u8;
            b += 1;
        }
        a += 1;
    }
    ranks
};

/// A number that is the greater the later the text of another comes: its digits from the left count from 1, and where it has
/// ended there is 0.
const fn digits(number: usize) -> usize {
    match number {
        0..10 => (number + 1) * 121,
        10..100 => (number / 10 + 1) * 121 + (number % 10 + 1) * 11,
        _ => (number / 100 + 1) * 121 + (number / 10 % 10 + 1) * 11 + number % 10 + 1,
    }
}

/// The numbers of a byte, each with a dot after it, and their lengths with the dot.
const OCTETS: [([u8; 4], u8); 256] = {
    let mut octets = [([0; 4], 0); 256];
    let mut octet = 0;
    while octet < 256 {
        let digits = [b'0' + (octet / 100) as u8, b'0' + (octet / 10 % 10) as u8, b'0' + (octet % 10) as u8];
        octets[octet] = match octet {
            0..10 => ([digits[2], b'.', 0, 0], 2),
            10..100 => ([digits[1], digits[2], b'.', 0], 3),
            _ => ([digits[0], digits[1], digits[2], b'.'], 4),
        };
        octet += 1;
    }
    octets
};

/// Four bytes with dots between them, and zeros up to 16; how many are no zeros.
#[inline]
fn dotted(octets: [u8; 4]) -> ([u8; 16], u8) {
    // From the last to the first: each moves what is there already to the right.
    let (mut text, mut length) = (0_u128, 0);
    for octet in octets.into_iter().rev() {
        let (digits, more) = OCTETS[usize::from(octet)];
        text = (text << (8 * u32::from(more))) | u128::from(u32::from_le_bytes(digits));
        length += more;
    }
    // The last dot is one too many.
    let end = length - 1;
    (((text & !(0xff << (8 * u32::from(end)))).to_le_bytes()), end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::address_bits;

    fn bits(text: &str) -> u128 {
        address_bits(text.parse().unwrap())
    }

    #[test]
    fn addresses_are_text_and_sorted_as_such() {
        let mut all: Vec<String> = ["255.255.255.255", "0.0.0.0", "::", "::1", "fe80::1", "10.0.0.9"]
            .into_iter()
            .chain(["2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:60", "2001:db8:1:2:3:4:5:5f", "2::"])
            .map(str::to_owned)
            .collect();
        all.extend((0..=255).map(|octet| format!("{octet}.{octet}.7.{octet}")));
        all.extend((0..=255).map(|octet| format!("1.{octet}.{}.0", 255 - octet)));
        let mut texts: Vec<Text> = all.iter().map(|text| Text::of(bits(text))).collect();
        for (text, expected) in texts.iter().zip(&all) {
            assert_eq!(text.bytes(), expected.as_bytes());
        }
        all.sort_unstable();
        texts.sort_unstable();
        for (text, expected) in texts.iter().zip(&all) {
            assert_eq!(text.bytes(), expected.as_bytes());
        }
    }

    #[test]
    fn ranks_come_as_texts_do() {
        let mut all: Vec<u32> = (0..=255).map(|octet| octet << 8 | 7).collect();
        all.extend((0..=255).map(|octet| 10 << 24 | octet));
        let text = |address: u32| std::net::Ipv4Addr::from(address).to_string();
        all.sort_by_key(|address| rank(*address));
        assert!(all.windows(2).all(|pair| text(pair[0]) < text(pair[1])));
    }

    #[test]
    fn narrow_addresses_come_back() {
        assert_eq!(narrow(bits("203.0.113.9")).map(widen), Some(bits("203.0.113.9")));
        assert_eq!(narrow(bits("2001:db8::1")), None);
    }
}
