//! The order of connections in a file, and addresses as text in that order.

use std::net::IpAddr;

use super::GROUP;
use super::cut::Waiting;
use crate::flow::address_from_bits;
use crate::store::encode::Dictionary;

/// The rows of a row group, in order.
pub(super) struct Group {
    pub rows: Vec<Waiting>,
    pub remotes: Texts,
    pub locals: Texts,
}

/// Addresses of the rows as text.
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
    (0..groups).map(move |number| {
        let of_group = &order[number * GROUP..((number + 1) * GROUP).min(order.len())];
        group(of_group.iter().map(|(_, at)| &rows[*at as usize]).collect())
    })
}

fn group(rows: Vec<&Waiting>) -> Group {
    let remotes = Texts::of(&rows, |row| row.remote);
    let mut order: Vec<(u64, u32)> = (0..)
        .zip(rows.iter().zip(&remotes.places))
        .map(|(at, (row, place))| ((u64::from(*place) << 32) | u64::from(row.start), at))
        .collect();
    order.sort_unstable();
    let places = order.iter().map(|(key, _)| (key >> 32) as u32).collect();
    let rows: Vec<Waiting> = order.iter().map(|(_, at)| *rows[*at as usize]).collect();
    let locals = Texts::of(&rows.iter().collect::<Vec<_>>(), |row| row.local);
    Group { rows, remotes: Texts { places, ..remotes }, locals }
}

/// Two connections never are the same in all of this.
fn tie(a: &Waiting, b: &Waiting) -> std::cmp::Ordering {
    let key = |r: &Waiting| (r.remote, r.ports[1], r.local, r.ports[0], r.protocol, r.opened, r.end);
    key(a).cmp(&key(b)).then_with(|| (a.bytes, a.packets, a.rejected).cmp(&(b.bytes, b.packets, b.rejected)))
}

impl Texts {
    fn of(rows: &[&Waiting], address: impl Fn(&Waiting) -> u128) -> Self {
        let mut by_address: Vec<(u128, u32)> = (0..).zip(rows).map(|(at, row)| (address(row), at)).collect();
        by_address.sort_unstable();
        let mut texts: Vec<(String, u32)> = Vec::new();
        // First the places in the order of numbers.
        let mut places = vec![0; rows.len()];
        for same in by_address.chunk_by(|a, b| a.0 == b.0) {
            let number = texts.len() as u32;
            texts.push((text(address_from_bits(same[0].0)), number));
            for (_, at) in same {
                places[*at as usize] = number;
            }
        }
        texts.sort_unstable();
        let mut ranks = vec![0; texts.len()];
        for (rank, (_, number)) in (0..).zip(&texts) {
            ranks[*number as usize] = rank;
        }
        for place in &mut places {
            *place = ranks[*place as usize];
        }
        Self { texts: Dictionary::of(texts.iter().map(|(text, _)| text.as_str())), places }
    }
}

fn text(address: IpAddr) -> String {
    address.to_string()
}
