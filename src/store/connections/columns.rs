//! Sorted rows become columns.

use hashbrown::HashMap;

use super::cut::{Meanings, Part, Waiting};
use super::order::{Group, Texts, groups};
use super::{Names, PAGE};
use crate::flow::InterfaceContext;
use crate::store::encode::{Bounds, Chunk, Coder, Dictionary, GroupFile, OpenGroup, Shape, Values};
use crate::store::files::{Place, properties};
use crate::store::manifest::StoredFile;
use crate::store::{DAY, StoreError, Table};

/// Writes a file.
pub(super) fn write(place: &Place, path: &str, part: Part, names: &Names) -> Result<StoredFile, StoreError> {
    let Part { day, rows, meanings, .. } = part;
    let shared = Shared::new(names);
    let schema = Table::Connections.schema();
    let properties = properties("connections").build();
    let mut file = GroupFile::create(place, path.to_owned(), Some(day), &schema, properties, false)?;
    let mut coder = Coder::default();
    for group in groups(&rows) {
        let open = file.group(group.rows.len())?;
        Columns { open, rows: &group.rows, coder: &mut coder }.write(&group, &shared, &meanings)?;
    }
    file.finish()
}

/// Texts that many rows share.
struct Shared<'n> {
    interfaces: Vec<&'n str>,
    account: Known<'n>,
    vpc: Known<'n>,
    subnet: Known<'n>,
    instance: Known<'n>,
    rules: Vec<&'n str>,
}

/// Something that is known of interfaces: the texts, and by interface its place among them.
struct Known<'n> {
    texts: Vec<&'n str>,
    places: Vec<Option<u32>>,
}

impl<'n> Known<'n> {
    fn new(names: &'n Names, what: impl Fn(&'n InterfaceContext) -> Option<&'n str>) -> Self {
        let mut texts: Vec<&str> = Vec::new();
        let mut numbers: HashMap<&str, u32> = HashMap::new();
        let mut place = |text| {
            *numbers.entry(text).or_insert_with(|| {
                texts.push(text);
                texts.len() as u32 - 1
            })
        };
        let known = names.interfaces.iter().map(|(_, context)| what(context));
        let places = known.map(|text| text.map(&mut place)).collect();
        Self { texts, places }
    }

    fn of(&self, row: &Waiting) -> Option<u32> {
        self.places.get(row.interface as usize).copied().flatten()
    }
}

impl<'n> Shared<'n> {
    fn new(names: &'n Names) -> Self {
        Self {
            interfaces: names.interfaces.iter().map(|(id, _)| id.as_str()).collect(),
            account: Known::new(names, |context| context.account.as_deref()),
            vpc: Known::new(names, |context| context.vpc.as_deref()),
            subnet: Known::new(names, |context| context.subnet.as_deref()),
            instance: Known::new(names, |context| context.instance.as_deref()),
            rules: names.rules.iter().map(String::as_str).collect(),
        }
    }
}

/// The columns of a row group.
struct Columns<'g> {
    open: OpenGroup<'g>,
    rows: &'g [Waiting],
    coder: &'g mut Coder<u64>,
}

const ACTIONS: [&str; 2] = ["reject", "accept"];

impl Columns<'_> {
    fn write(mut self, group: &Group, shared: &Shared<'_>, meanings: &Meanings) -> Result<(), StoreError> {
        // In the order of the schema.
        self.text(&shared.interfaces, |row| Some(row.interface), true)?;
        self.text(&shared.account.texts, |row| shared.account.of(row), false)?;
        self.text(&shared.vpc.texts, |row| shared.vpc.of(row), false)?;
        self.text(&shared.subnet.texts, |row| shared.subnet.of(row), false)?;
        self.text(&shared.instance.texts, |row| shared.instance.of(row), false)?;
        self.locals(&group.locals)?;
        self.remotes(&group.remotes)?;
        self.plain(4, |row| row.ports[0].into())?;
        self.plain(4, |row| row.ports[1].into())?;
        self.counts(4, |row| row.protocol.into(), false)?;
        self.word(meanings, 0)?;
        self.word(meanings, 1)?;
        self.word(meanings, 2)?;
        self.times(|row| row.opened)?;
        self.times(|row| row.start)?;
        self.times(|row| row.end)?;
        self.continued()?;
        self.text(&ACTIONS, |row| Some(u32::from(row.accepted)), false)?;
        self.word(meanings, 3)?;
        self.word(meanings, 4)?;
        self.rules(&shared.rules, meanings)?;
        self.word(meanings, 5)?;
        self.plain(8, |row| row.bytes[0])?;
        self.plain(8, |row| row.bytes[1])?;
        self.counts(8, |row| row.packets[0], true)?;
        self.counts(8, |row| row.packets[1], true)?;
        self.counts(8, |row| row.rejected[0], true)?;
        self.counts(8, |row| row.rejected[1], true)?;
        self.counts(8, |row| row.late, false)?;
        self.open.end()
    }

    /// Words and small numbers are not compressed: a page of them is read as it lies, and their dictionaries leave little to
    /// compress.
    fn chunk(
        &mut self,
        shape: Shape<'_>,
        values: Values<'_>,
        bounds: Bounds<'_>,
        (bloom, pressed): (bool, bool),
    ) -> Result<(), StoreError> {
        self.open.column(&Chunk { shape, values, bounds, page: PAGE, indexed: true, bloom, pressed })
    }

    fn text(
        &mut self,
        texts: &[&str],
        place: impl Fn(&Waiting) -> Option<u32>,
        bloom: bool,
    ) -> Result<(), StoreError> {
        let places: Vec<Option<u32>> = self.rows.iter().map(place).collect();
        let (dictionary, codes) = used(texts, places.iter().copied().flatten());
        let there: Vec<bool> = places.iter().map(Option::is_some).collect();
        let shape = Shape::Optional((codes.len() < places.len()).then_some(&there));
        self.chunk(shape, Values::Coded(&dictionary, &codes), Bounds::Sorted, (bloom, false))
    }

    fn word(&mut self, meanings: &Meanings, at: usize) -> Result<(), StoreError> {
        let place = |row: &Waiting| (row.words[at] > 0).then_some(u32::from(row.words[at]));
        self.text(&meanings.words, place, false)
    }

    /// There are few.
    fn locals(&mut self, texts: &Texts) -> Result<(), StoreError> {
        let values = Values::Coded(&texts.texts, &texts.places);
        self.chunk(Shape::Optional(None), values, Bounds::Sorted, (true, false))
    }

    /// A dictionary of these would be larger than all that a lookup reads of the column; as of the next two.
    fn remotes(&mut self, texts: &Texts) -> Result<(), StoreError> {
        let values = Values::Spread(&texts.texts, &texts.places);
        self.chunk(Shape::Optional(None), values, Bounds::Sorted, (true, true))
    }

    fn plain(&mut self, width: usize, of: impl Fn(&Waiting) -> u64) -> Result<(), StoreError> {
        let numbers: Vec<i64> = self.rows.iter().map(|row| of(row).min(i64::MAX as u64) as i64).collect();
        let bounds = Bounds::Numbers(&numbers);
        self.chunk(Shape::Optional(None), Values::Numbers(width, &numbers), bounds, (false, true))
    }

    fn times(&mut self, of: impl Fn(&Waiting) -> u32) -> Result<(), StoreError> {
        let numbers: Vec<i64> = self.rows.iter().map(|row| i64::from(of(row)) * 1_000_000).collect();
        let bounds = Bounds::Numbers(&numbers);
        self.chunk(Shape::Optional(None), Values::Deltas(&numbers), bounds, (false, true))
    }

    /// Of few values.
    fn counts(
        &mut self,
        width: usize,
        of: impl Fn(&Waiting) -> u64,
        pressed: bool,
    ) -> Result<(), StoreError> {
        let rows = self.rows;
        let number = |row: &Waiting| of(row).min(i64::MAX as u64);
        self.coder.clear();
        rows.iter().for_each(|row| self.coder.push(number(row)));
        let numbers: Vec<i64> = rows.iter().map(|row| number(row) as i64).collect();
        let dictionary = self.coder.dictionary(width, |value| value);
        self.open.column(&Chunk {
            shape: Shape::Optional(None),
            values: Values::Coded(&dictionary, &self.coder.codes),
            bounds: Bounds::Numbers(&numbers),
            page: PAGE,
            indexed: true,
            bloom: false,
            pressed,
        })
    }

    fn continued(&mut self) -> Result<(), StoreError> {
        let goes_on = |row: &Waiting| row.opened < row.start && row.opened / DAY as u32 != row.day();
        let flags: Vec<bool> = self.rows.iter().map(goes_on).collect();
        self.chunk(Shape::Optional(None), Values::Flags(&flags), Bounds::Sorted, (false, false))
    }

    fn rules(&mut self, texts: &[&str], meanings: &Meanings) -> Result<(), StoreError> {
        let of = |row: &Waiting| &*meanings.rules[row.rules as usize];
        let lengths: Vec<u32> = self.rows.iter().map(|row| of(row).len() as u32).collect();
        let (dictionary, codes) = used(texts, self.rows.iter().flat_map(|row| of(row).iter().copied()));
        self.chunk(Shape::List(&lengths), Values::Coded(&dictionary, &codes), Bounds::Sorted, (true, false))
    }
}

/// The texts at some places, each once and sorted, and the places among these.
fn used(texts: &[&str], places: impl Iterator<Item = u32>) -> (Dictionary, Vec<u32>) {
    let mut codes: Vec<u32> = places.collect();
    let mut there = vec![false; texts.len()];
    codes.iter().for_each(|&place| there[place as usize] = true);
    let mut used: Vec<u32> = (0..texts.len() as u32).filter(|&place| there[place as usize]).collect();
    used.sort_by_key(|&place| texts[place as usize]);
    let mut renumbered = vec![0; texts.len()];
    for (number, &place) in (0..).zip(&used) {
        renumbered[place as usize] = number;
    }
    codes.iter_mut().for_each(|code| *code = renumbered[*code as usize]);
    (Dictionary::of(used.iter().map(|&place| texts[place as usize])), codes)
}
