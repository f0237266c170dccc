//! The order of connections in a file, and addresses as text in that order.

use std::net::IpAddr;

use super::GROUP;
use super::cut::Waiting;
use crate::flow::address_from_bits;
use crate::store::encode::{Coder, Dictionary};

/// The rows of a row group, in order, column by column: there are many columns, and rows are long.
#[derive(Default)]
pub(super) struct Group {
    pub interface: Vec<u32>,
    pub local_port: Vec<i64>,
    pub remote_port: Vec<i64>,
    pub protocol: Vec<i64>,
    pub opened: Vec<u32>,
    pub start: Vec<u32>,
    pub end: Vec<u32>,
    pub accepted: Vec<bool>,
    pub rules: Vec<u32>,
    pub words: [Vec<u8>; 6],
    pub bytes: [Vec<i64>; 2],
    pub packets: [Vec<i64>; 2],
    pub rejected: [Vec<i64>; 2],
    pub late: Vec<i64>,
    pub remotes: Texts,
    pub locals: Texts,
}

/// Addresses of the rows as text.
#[derive(Default)]
pub(super) struct Texts {
    /// Each once, sorted.
    pub texts: Dictionary,
    /// Of each row: the place of its text.
    pub places: Vec<u32>,
}

/// Row groups by interface, in each the rows by remote address, as text since readers compare the text: 10.0.0.9 comes
/// after 10.0.0.10.
pub(super) fn groups(rows: &[Waiting]) -> impl Iterator<Item = Group> {
    let mut order: Vec<(u64, u32)> = (0..)
        .zip(rows)
        .map(|(at, row)| ((u64::from(row.interface) << 32) | u64::from(row.start), at))
        .collect();
    order.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| tie(&rows[a.1 as usize], &rows[b.1 as usize])));
    let groups = order.len().div_ceil(GROUP);
    let mut coder = Coder::default();
    (0..groups).map(move |number| {
        let of_group = &order[number * GROUP..((number + 1) * GROUP).min(order.len())];
        let rows: Vec<&Waiting> = of_group.iter().map(|(_, at)| &rows[*at as usize]).collect();
        group(&rows, &mut coder)
    })
}

fn group(rows: &[&Waiting], coder: &mut Coder<u128>) -> Group {
    let remotes = Texts::of(rows.iter().map(|row| row.remote), coder);
    let mut order: Vec<(u64, u32)> = (0..)
        .zip(rows.iter().zip(&remotes.places))
        .map(|(at, (row, place))| ((u64::from(*place) << 32) | u64::from(row.start), at))
        .collect();
    order.sort_unstable();
    let mut group = Group::default();
    for (_, at) in &order {
        group.push(rows[*at as usize]);
    }
    group.locals = Texts::of(order.iter().map(|(_, at)| rows[*at as usize].local), coder);
    group.remotes = Texts { places: order.iter().map(|(key, _)| (key >> 32) as u32).collect(), ..remotes };
    group
}

/// Two connections never are the same in all of this.
fn tie(a: &Waiting, b: &Waiting) -> std::cmp::Ordering {
    let key = |r: &Waiting| (r.remote, r.ports[1], r.local, r.ports[0], r.protocol, r.opened, r.end);
    key(a).cmp(&key(b)).then_with(|| (a.bytes, a.packets, a.rejected).cmp(&(b.bytes, b.packets, b.rejected)))
}

impl Group {
    pub fn len(&self) -> usize {
        self.interface.len()
    }

    fn push(&mut self, row: &Waiting) {
        let count = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.interface.push(row.interface);
        self.local_port.push(row.ports[0].into());
        self.remote_port.push(row.ports[1].into());
        self.protocol.push(row.protocol.into());
        self.opened.push(row.opened);
        self.start.push(row.start);
        self.end.push(row.end);
        self.accepted.push(row.accepted);
        self.rules.push(row.rules);
        self.words.iter_mut().zip(row.words).for_each(|(words, word)| words.push(word));
        for way in 0..2 {
            self.bytes[way].push(count(row.bytes[way]));
            self.packets[way].push(count(row.packets[way]));
            self.rejected[way].push(count(row.rejected[way]));
        }
        self.late.push(count(row.late));
    }
}

/// A text that is to be sorted: its first 16 bytes as a number, all of it if there are more, and which address it is.
type Sortable = (u128, Option<String>, u32);

impl Texts {
    fn of(addresses: impl Iterator<Item = u128>, coder: &mut Coder<u128>) -> Self {
        coder.clear();
        addresses.for_each(|address| coder.push(address));
        let mut texts: Vec<Sortable> =
            (0..).zip(coder.values()).map(|(number, &bits)| sortable(bits, number)).collect();
        // What is short ends with zeros, which come before every letter.
        texts.sort_unstable();
        let mut ranks = vec![0; texts.len()];
        for (rank, (.., number)) in (0..).zip(&texts) {
            ranks[*number as usize] = rank;
        }
        let places = coder.codes.iter().map(|code| ranks[*code as usize]).collect();
        let mut dictionary = Dictionary::default();
        for (head, long, _) in &texts {
            match long {
                Some(text) => dictionary.push(text.as_bytes()),
                None => {
                    let bytes = head.to_be_bytes();
                    let length = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
                    dictionary.push(&bytes[..length]);
                }
            }
        }
        Self { texts: dictionary, places }
    }
}

fn sortable(bits: u128, number: u32) -> Sortable {
    let mut head = [0; 16];
    match address_from_bits(bits) {
        IpAddr::V4(address) => {
            let mut at = 0;
            for (place, octet) in address.octets().into_iter().enumerate() {
                if place > 0 {
                    head[at] = b'.';
                    at += 1;
                }
                for (digit, least) in [(octet / 100, 100), (octet / 10 % 10, 10), (octet % 10, 0)] {
                    if octet >= least {
                        head[at] = b'0' + digit;
                        at += 1;
                    }
                }
            }
            (u128::from_be_bytes(head), None, number)
        }
        IpAddr::V6(address) => {
            let text = address.to_string();
            let length = text.len().min(16);
            head[..length].copy_from_slice(&text.as_bytes()[..length]);
            (u128::from_be_bytes(head), Some(text), number)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_sorted_as_text() {
        let all = [
            "10.0.0.9",
            "10.0.0.10",
            "0.0.0.0",
            "255.255.255.255",
            "100.20.3.109",
            "::",
            "::1",
            "2001:db8:1:2:3:4:5:6",
            "2001:db8:1:2:3:4:5:60",
            "2001:db8:1:2:3:4:5:5f",
            "10.0.0.9",
            "fe80::1",
        ];
        let bits = |text: &str| match text.parse().unwrap() {
            IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
            IpAddr::V6(address) => address.to_bits(),
        };
        let texts = Texts::of(all.iter().map(|text| bits(text)), &mut Coder::default());
        let mut sorted = all.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let places: Vec<u32> = all.iter().map(|text| sorted.binary_search(text).unwrap() as u32).collect();
        assert_eq!(texts.places, places);
        assert_eq!(texts.texts, Dictionary::of(sorted));
    }
}
