//! The order of connections in a file, and addresses as text in that order.

use std::cmp::Ordering;

use super::GROUP;
use super::rows::{Rows, Short, Wide};
use crate::store::address::{Text, narrow, rank};
use crate::store::encode::{Coder, Dictionary};

/// What rows are sorted by, and which row it is.
type Keyed = (u64, u32);

/// Says which rows make up which row group, and in which order: row groups by interface, in each the rows by remote
/// address, as text since readers compare the text: 10.0.0.9 comes after 10.0.0.10.
pub(super) struct Groups<'r> {
    rows: &'r Rows,
    /// Of each row its interface and start; those of row groups that were made come first.
    keys: Vec<Keyed>,
    made: usize,
    coder: Coder<u128>,
}

/// The rows of a row group.
#[derive(Default)]
pub(super) struct Group {
    pub rows: Vec<Short>,
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

impl<'r> Groups<'r> {
    pub fn new(rows: &'r Rows) -> Self {
        let key = |row: &Short| (u64::from(row.interface) << 32) | u64::from(row.start);
        let keys = rows.short.iter().map(key).zip(0..).collect();
        Self { rows, keys, made: 0, coder: Coder::default() }
    }

    /// Makes the next row group, in the place of another; says whether there was one.
    pub fn next(&mut self, group: &mut Group) -> bool {
        let Self { rows, keys, made, coder } = self;
        let left = &mut keys[*made..];
        if left.len() > GROUP {
            let order = |a: &Keyed, b: &Keyed| a.0.cmp(&b.0).then_with(|| tie(rows, a.1, b.1));
            left.select_nth_unstable_by(GROUP, order);
        }
        let of_group = &left[..left.len().min(GROUP)];
        *made += of_group.len();
        if !of_group.is_empty() {
            group.sort(rows, of_group, coder);
        }
        !of_group.is_empty()
    }
}

impl Group {
    fn sort(&mut self, rows: &Rows, of_group: &[Keyed], coder: &mut Coder<u128>) {
        let mut order = by_remote(rows, of_group, coder);
        order.sort_unstable();
        for alike in order.chunk_by_mut(|a, b| a.0 == b.0).filter(|alike| alike.len() > 1) {
            alike.sort_unstable_by(|a, b| tie(rows, a.1, b.1));
        }
        self.rows.clear();
        self.rows.extend(order.iter().map(|(_, at)| rows.short[*at as usize]));
        let Texts { texts, places } = &mut self.remotes;
        places.clear();
        *texts = Dictionary::default();
        let mut last = None;
        for ((key, _), row) in order.iter().zip(&self.rows) {
            if last != Some(key >> 32) {
                texts.push(Text::of(rows.rest(row).remote).bytes());
                last = Some(key >> 32);
            }
            places.push(texts.len() as u32 - 1);
        }
        self.locals = Texts::of(self.rows.iter().map(|row| rows.rest(row).local), coder);
    }
}

/// Rows with their place by remote address and start.
fn by_remote(rows: &Rows, of_group: &[Keyed], coder: &mut Coder<u128>) -> Vec<Keyed> {
    let at = |row: &Keyed| &rows.short[row.1 as usize];
    let ranked = of_group.iter().map(|keyed| {
        let row = at(keyed);
        let rank = row.remote().or_else(|| narrow(rows.rest(row).remote)).map(rank)?;
        Some(((u64::from(rank) << 32) | u64::from(row.start), keyed.1))
    });
    if let Some(all) = ranked.collect() {
        return all;
    }
    // Some are IPv6 addresses.
    let remotes = Texts::of(of_group.iter().map(|keyed| rows.rest(at(keyed)).remote), coder);
    let placed = of_group.iter().zip(remotes.places);
    placed.map(|(keyed, place)| ((u64::from(place) << 32) | u64::from(at(keyed).start), keyed.1)).collect()
}

/// Two connections never are the same in all of this.
fn tie(rows: &Rows, a: u32, b: u32) -> Ordering {
    let [(a, of_a), (b, of_b)] = [a, b].map(|at| {
        let row = &rows.short[at as usize];
        (row, rows.rest(row))
    });
    let key = |row: &Short, rest: &Wide| {
        (
            row.interface,
            rest.remote,
            row.ports[1],
            rest.local,
            row.ports[0],
            row.protocol,
            row.opened,
            row.end,
        )
    };
    let sums = |rest: &Wide| (rest.bytes, rest.packets, rest.rejected);
    key(a, &of_a).cmp(&key(b, &of_b)).then_with(|| sums(&of_a).cmp(&sums(&of_b)))
}

impl Texts {
    fn of(addresses: impl Iterator<Item = u128>, coder: &mut Coder<u128>) -> Self {
        coder.clear();
        addresses.for_each(|address| coder.push(address));
        let texts: Vec<Text> = coder.values().iter().map(|bits| Text::of(*bits)).collect();
        let mut order: Vec<u32> = (0..texts.len() as u32).collect();
        order.sort_unstable_by_key(|number| texts[*number as usize].bytes());
        let (mut ranks, mut dictionary) = (vec![0; texts.len()], Dictionary::default());
        for (rank, number) in (0..).zip(order) {
            ranks[number as usize] = rank;
            dictionary.push(texts[number as usize].bytes());
        }
        Self { texts: dictionary, places: coder.codes.iter().map(|code| ranks[*code as usize]).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ConnectionRow;
    use super::super::rows::Shortener;
    use super::*;
    use crate::flow::address_bits;

    fn bits(text: &str) -> u128 {
        address_bits(text.parse().unwrap())
    }

    const IPV4: [&str; 8] = [
        "10.0.0.9",
        "10.0.0.10",
        "0.0.0.0",
        "255.255.255.255",
        "100.20.3.109",
        "10.0.0.1",
        "1.100.0.0",
        "10.0.0.9",
    ];

    const IPV6: [&str; 6] =
        ["::", "::1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:60", "2001:db8:1:2:3:4:5:5f", "fe80::1"];

    #[test]
    fn rows_of_a_group_come_by_text() {
        for all in [&IPV4[..], &IPV6, &[&IPV4[..], &IPV6].concat()] {
            let (mut rows, mut shortener) = (Rows::default(), Shortener::default());
            for (start, text) in (0..).zip(all) {
                let row = ConnectionRow {
                    remote: bits(text),
                    local: bits(text),
                    start,
                    ..ConnectionRow::default()
                };
                shortener.push(&row, &mut rows);
            }
            let mut sorted = all.to_vec();
            sorted.sort_unstable();
            let (mut groups, mut group) = (Groups::new(&rows), Group::default());
            assert!(groups.next(&mut group));
            let mut distinct = sorted.clone();
            distinct.dedup();
            for texts in [&group.remotes, &group.locals] {
                assert_eq!(texts.texts, Dictionary::of(distinct.iter().copied()));
                let found: Vec<&str> = texts.places.iter().map(|place| distinct[*place as usize]).collect();
                assert_eq!(found, sorted);
            }
            // What is the same comes by time.
            assert!(
                group
                    .rows
                    .windows(2)
                    .zip(sorted.windows(2))
                    .all(|(rows, texts)| { texts[0] != texts[1] || rows[0].start < rows[1].start })
            );
            assert!(!groups.next(&mut group));
        }
    }

    #[test]
    fn row_groups_are_by_interface_whatever_the_order() {
        let row = |number: u32| ConnectionRow {
            interface: number * 7 % 11,
            // Many at the same time.
            start: number % 3,
            remote: bits("10.0.0.1"),
            local: bits("10.0.0.2"),
            local_port: (number % 60_000) as u16,
            opened: number / 60_000,
            ..ConnectionRow::default()
        };
        let count = 2 * GROUP as u32 + 1000;
        let groups = |numbers: &mut dyn Iterator<Item = u32>| {
            let (mut rows, mut shortener) = (Rows::default(), Shortener::default());
            numbers.for_each(|number| shortener.push(&row(number), &mut rows));
            let (mut groups, mut group, mut all) = (Groups::new(&rows), Group::default(), Vec::new());
            while groups.next(&mut group) {
                let key = |row: &Short| (row.interface, row.start, row.ports[0], row.opened);
                all.push(group.rows.iter().map(key).collect::<Vec<_>>());
            }
            all
        };
        let forwards = groups(&mut (0..count));
        assert_eq!(forwards.iter().map(Vec::len).collect::<Vec<_>>(), [GROUP, GROUP, 1000]);
        assert!(forwards.windows(2).all(|pair| {
            let last = pair[0].iter().map(|row| (row.0, row.1)).max();
            last <= pair[1].iter().map(|row| (row.0, row.1)).min()
        }));
        assert_eq!(groups(&mut (0..count).rev()), forwards);
    }
}
