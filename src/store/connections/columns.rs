//! Sorted rows become columns.

use std::sync::Arc;

use super::cut::Part;
use super::meaning::{BLOCKED_REPLY, DIRECTION, EVIDENCE, Meaning, REASON, STRENGTH, VERDICT};
use super::order::{Group, Groups, Texts};
use super::rows::{Rows, Short, Wide};
use super::{DAY, Names, PAGE};
use crate::flow::InterfaceContext;
use crate::store::encode::{Bounds, Chunk, Coder, Dictionary, GroupFile, OpenGroup, Shape, Values};
use crate::store::files::{Place, properties};
use crate::store::manifest::StoredFile;
use crate::store::{StoreError, Table};

/// Writes a file.
pub(super) fn write(place: &Place, path: &str, part: &Part, names: &Names) -> Result<StoredFile, StoreError> {
    let meanings = part.meanings.all();
    let schema = Table::Connections.schema();
    let properties = properties("connections").build();
    let mut file = GroupFile::create(place, path.to_owned(), Some(part.day), &schema, properties, false)?;
    let (mut groups, mut group) = (Groups::new(&part.rows), Group::default());
    let mut room = Room::default();
    while groups.next(&mut group) {
        let open = file.group(group.rows.len())?;
        let columns = Columns { open, group: &group, rows: &part.rows, room: &mut room };
        columns.write(names, &meanings)?;
    }
    file.finish()
}

/// What is known of interfaces, in the order of the schema.
const KNOWN: [fn(&InterfaceContext) -> Option<&str>; 4] = [
    |context| context.account.as_deref(),
    |context| context.vpc.as_deref(),
    |context| context.subnet.as_deref(),
    |context| context.instance.as_deref(),
];

/// The interfaces, or the meanings, of the rows of a row group.
struct Used {
    /// Their numbers, each once.
    numbers: Vec<u32>,
    /// Of each row: the place of its number.
    places: Vec<u32>,
}

impl Used {
    /// Of numbers below `count`.
    fn of(all: impl Iterator<Item = u32>, count: usize) -> Self {
        let (mut numbers, mut known) = (Vec::new(), vec![u32::MAX; count]);
        let place = |number: u32| {
            let place = &mut known[number as usize];
            if *place == u32::MAX {
                *place = numbers.len() as u32;
                numbers.push(number);
            }
            *place
        };
        let places = all.map(place).collect();
        Self { numbers, places }
    }
}

/// Room for a column, used again and again.
#[derive(Default)]
struct Room {
    codes: Vec<u32>,
    there: Vec<bool>,
    numbers: Vec<i64>,
    coder: Coder<u64>,
}

/// The columns of a row group.
struct Columns<'g> {
    open: OpenGroup<'g>,
    group: &'g Group,
    rows: &'g Rows,
    room: &'g mut Room,
}

impl Columns<'_> {
    fn write(mut self, names: &Names, meanings: &[Arc<Meaning>]) -> Result<(), StoreError> {
        let rows = &self.group.rows;
        let interfaces = &Used::of(rows.iter().map(|row| row.interface), names.interfaces.len());
        let said = &Used::of(rows.iter().map(|row| row.meaning), meanings.len());
        let interface = |number: u32| &names.interfaces[number as usize];
        let meaning = |number: u32| &*meanings[number as usize];
        let word = |at: usize| move |number: u32| meaning(number).words[at];
        // In the order of the schema.
        self.text(interfaces, |number| Some(interface(number).0.as_str()), true)?;
        for what in KNOWN {
            self.text(interfaces, |number| what(&interface(number).1), false)?;
        }
        self.locals()?;
        self.remotes()?;
        self.steps(|row| row.ports[0].into())?;
        self.steps(|row| row.ports[1].into())?;
        self.counts(4, |row, _| row.protocol.into(), false)?;
        for at in [DIRECTION, EVIDENCE, STRENGTH] {
            self.text(said, word(at), false)?;
        }
        self.steps(|row| micros(row.opened))?;
        self.steps(|row| micros(row.start))?;
        self.steps(|row| micros(row.end))?;
        self.continued()?;
        self.text(said, |number| Some(if meaning(number).accepted { "accept" } else { "reject" }), false)?;
        self.text(said, word(VERDICT), false)?;
        self.text(said, word(REASON), false)?;
        self.rules(said, meanings, &names.rules)?;
        self.text(said, word(BLOCKED_REPLY), false)?;
        self.amounts(|rest| rest.bytes[0])?;
        self.amounts(|rest| rest.bytes[1])?;
        for way in 0..2 {
            self.counts(8, |_, rest| rest.packets[way], true)?;
        }
        for way in 0..2 {
            self.counts(8, |_, rest| rest.rejected[way], true)?;
        }
        self.counts(8, |_, rest| rest.late, false)?;
        self.open.end()
    }

    /// Texts that many rows share. Neither these nor small numbers are compressed: a page of them is read as it lies, and their
    /// dictionaries leave little to compress.
    fn text<'t>(
        &mut self,
        used: &Used,
        text: impl Fn(u32) -> Option<&'t str>,
        bloom: bool,
    ) -> Result<(), StoreError> {
        let texts: Vec<Option<&str>> = used.numbers.iter().map(|number| text(*number)).collect();
        let sorted = sorted(texts.iter().flatten().copied());
        let code = |text: &str| sorted.binary_search(&text).unwrap_or_default() as u32;
        let Room { codes, there, .. } = &mut *self.room;
        codes.clear();
        let shape = match texts.iter().copied().collect::<Option<Vec<&str>>>() {
            Some(texts) => {
                let by_place: Vec<u32> = texts.into_iter().map(code).collect();
                codes.extend(used.places.iter().map(|place| by_place[*place as usize]));
                Shape::Optional(None)
            }
            None => {
                let by_place: Vec<Option<u32>> = texts.into_iter().map(|text| text.map(code)).collect();
                let of_row = || used.places.iter().map(|place| by_place[*place as usize]);
                codes.extend(of_row().flatten());
                there.clear();
                there.extend(of_row().map(|code| code.is_some()));
                Shape::Optional(Some(&*there))
            }
        };
        let dictionary = Dictionary::of(sorted.iter().copied());
        self.open.column(&Chunk { bloom, ..chunk(shape, Values::Coded(&dictionary, codes), Bounds::Sorted) })
    }

    /// There are few.
    fn locals(&mut self) -> Result<(), StoreError> {
        let Texts { texts, places } = &self.group.locals;
        let values = Values::Coded(texts, places);
        self.open.column(&Chunk { bloom: true, ..chunk(Shape::Optional(None), values, Bounds::Sorted) })
    }

    /// A dictionary of these would be larger than all that a lookup reads of the column.
    fn remotes(&mut self) -> Result<(), StoreError> {
        let Texts { texts, places } = &self.group.remotes;
        let values = Values::Spread(texts, places);
        self.open.column(&Chunk {
            bloom: true,
            pressed: true,
            ..chunk(Shape::Optional(None), values, Bounds::Sorted)
        })
    }

    /// Numbers of many values that are near each other. What is left of them has no pattern to compress.
    fn steps(&mut self, number: impl Fn(&Short) -> i64) -> Result<(), StoreError> {
        let numbers = &mut self.room.numbers;
        numbers.clear();
        numbers.extend(self.group.rows.iter().map(number));
        self.open.column(&chunk(Shape::Optional(None), Values::Deltas(numbers), Bounds::Numbers(numbers)))
    }

    /// Numbers of many values, some of them large.
    fn amounts(&mut self, amount: impl Fn(&Wide) -> u64) -> Result<(), StoreError> {
        let (numbers, rows) = (&mut self.room.numbers, self.rows);
        numbers.clear();
        numbers.extend(self.group.rows.iter().map(|row| signed(amount(&rows.rest(row)))));
        let values = Values::Numbers(8, numbers);
        self.open.column(&Chunk {
            pressed: true,
            ..chunk(Shape::Optional(None), values, Bounds::Numbers(numbers))
        })
    }

    /// Numbers of few values.
    fn counts(
        &mut self,
        width: usize,
        count: impl Fn(&Short, &Wide) -> u64,
        pressed: bool,
    ) -> Result<(), StoreError> {
        let (Room { numbers, coder, .. }, rows) = (&mut *self.room, self.rows);
        coder.clear();
        numbers.clear();
        numbers.extend(self.group.rows.iter().map(|row| signed(count(row, &rows.rest(row)))));
        numbers.iter().for_each(|number| coder.push(*number as u64));
        let dictionary = coder.dictionary(width, |value| value);
        let values = Values::Coded(&dictionary, &coder.codes);
        self.open.column(&Chunk { pressed, ..chunk(Shape::Optional(None), values, Bounds::Numbers(numbers)) })
    }

    fn continued(&mut self) -> Result<(), StoreError> {
        let day = |time: u32| time / DAY as u32;
        let goes_on = |row: &Short| row.opened < row.start && day(row.opened) != day(row.start);
        let flags = &mut self.room.there;
        flags.clear();
        flags.extend(self.group.rows.iter().map(goes_on));
        self.open.column(&chunk(Shape::Optional(None), Values::Flags(flags), Bounds::Sorted))
    }

    fn rules(&mut self, said: &Used, meanings: &[Arc<Meaning>], ids: &[String]) -> Result<(), StoreError> {
        let of =
            |number: &u32| meanings[*number as usize].rules.iter().map(|rule| ids[*rule as usize].as_str());
        let sorted = sorted(said.numbers.iter().flat_map(of));
        let code = |text: &str| sorted.binary_search(&text).unwrap_or_default() as u32;
        let by_place: Vec<Vec<u32>> =
            said.numbers.iter().map(|number| of(number).map(code).collect()).collect();
        let lengths: Vec<u32> =
            said.places.iter().map(|place| by_place[*place as usize].len() as u32).collect();
        let codes = &mut self.room.codes;
        codes.clear();
        said.places.iter().for_each(|place| codes.extend_from_slice(&by_place[*place as usize]));
        let dictionary = Dictionary::of(sorted.iter().copied());
        let values = Values::Coded(&dictionary, codes);
        self.open.column(&Chunk { bloom: true, ..chunk(Shape::List(&lengths), values, Bounds::Sorted) })
    }
}

fn chunk<'a>(shape: Shape<'a>, values: Values<'a>, bounds: Bounds<'a>) -> Chunk<'a> {
    Chunk { shape, values, bounds, page: PAGE, indexed: true, bloom: false, pressed: false }
}

/// Each text once, in order.
fn sorted<'t>(texts: impl Iterator<Item = &'t str>) -> Vec<&'t str> {
    let mut sorted: Vec<&str> = texts.collect();
    sorted.sort_unstable();
    sorted.dedup();
    sorted
}

fn micros(second: u32) -> i64 {
    i64::from(second) * 1_000_000
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
