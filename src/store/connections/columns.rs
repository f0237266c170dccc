//! Sorted rows become columns.

use hashbrown::HashMap;

use super::cut::{Meanings, Part};
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
        let open = file.group(group.len())?;
        Columns { open, coder: &mut coder }.write(&group, &shared, &meanings)?;
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

    fn of(&self, interface: u32) -> Option<u32> {
        self.places.get(interface as usize).copied().flatten()
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
    coder: &'g mut Coder<u64>,
}

const ACTIONS: [&str; 2] = ["reject", "accept"];

impl Columns<'_> {
    fn write(mut self, group: &Group, shared: &Shared<'_>, meanings: &Meanings) -> Result<(), StoreError> {
        // In the order of the schema.
        let interfaces = || group.interface.iter().copied();
        self.text(&shared.interfaces, interfaces().map(Some), true)?;
        for known in [&shared.account, &shared.vpc, &shared.subnet, &shared.instance] {
            self.text(&known.texts, interfaces().map(|interface| known.of(interface)), false)?;
        }
        self.locals(&group.locals)?;
        self.remotes(&group.remotes)?;
        self.plain(4, &group.local_port)?;
        self.plain(4, &group.remote_port)?;
        self.counts(4, &group.protocol, false)?;
        for words in &group.words[..3] {
            self.word(meanings, words)?;
        }
        self.times(&group.opened)?;
        self.times(&group.start)?;
        self.times(&group.end)?;
        self.continued(group)?;
        self.text(&ACTIONS, group.accepted.iter().map(|accepted| Some(u32::from(*accepted))), false)?;
        self.word(meanings, &group.words[3])?;
        self.word(meanings, &group.words[4])?;
        self.rules(&shared.rules, &group.rules, meanings)?;
        self.word(meanings, &group.words[5])?;
        self.plain(8, &group.bytes[0])?;
        self.plain(8, &group.bytes[1])?;
        for counts in group.packets.iter().chain(&group.rejected) {
            self.counts(8, counts, true)?;
        }
        self.counts(8, &group.late, false)?;
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
        places: impl Iterator<Item = Option<u32>> + Clone,
        bloom: bool,
    ) -> Result<(), StoreError> {
        let there: Vec<bool> = places.clone().map(|place| place.is_some()).collect();
        let (dictionary, codes) = used(texts, places.flatten());
        let shape = Shape::Optional((codes.len() < there.len()).then_some(&there));
        self.chunk(shape, Values::Coded(&dictionary, &codes), Bounds::Sorted, (bloom, false))
    }

    fn word(&mut self, meanings: &Meanings, words: &[u8]) -> Result<(), StoreError> {
        let places = words.iter().map(|&word| (word > 0).then_some(u32::from(word)));
        self.text(&meanings.words, places, false)
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

    fn plain(&mut self, width: usize, numbers: &[i64]) -> Result<(), StoreError> {
        let bounds = Bounds::Numbers(numbers);
        self.chunk(Shape::Optional(None), Values::Numbers(width, numbers), bounds, (false, true))
    }

    fn times(&mut self, seconds: &[u32]) -> Result<(), StoreError> {
        let times: Vec<i64> = seconds.iter().map(|second| i64::from(*second) * 1_000_000).collect();
        self.chunk(Shape::Optional(None), Values::Deltas(&times), Bounds::Numbers(&times), (false, true))
    }

    /// Of few values.
    fn counts(&mut self, width: usize, numbers: &[i64], pressed: bool) -> Result<(), StoreError> {
        self.coder.clear();
        numbers.iter().for_each(|number| self.coder.push(*number as u64));
        let dictionary = self.coder.dictionary(width, |value| value);
        self.open.column(&Chunk {
            shape: Shape::Optional(None),
            values: Values::Coded(&dictionary, &self.coder.codes),
            bounds: Bounds::Numbers(numbers),
            page: PAGE,
            indexed: true,
            bloom: false,
            pressed,
        })
    }

    fn continued(&mut self, group: &Group) -> Result<(), StoreError> {
        let day = |time: u32| time / DAY as u32;
        let goes_on = |(&opened, &start): (&u32, &u32)| opened < start && day(opened) != day(start);
        let flags: Vec<bool> = group.opened.iter().zip(&group.start).map(goes_on).collect();
        self.chunk(Shape::Optional(None), Values::Flags(&flags), Bounds::Sorted, (false, false))
    }

    fn rules(&mut self, texts: &[&str], sets: &[u32], meanings: &Meanings) -> Result<(), StoreError> {
        let of = |set: &u32| &*meanings.rules[*set as usize];
        let lengths: Vec<u32> = sets.iter().map(|set| of(set).len() as u32).collect();
        let (dictionary, codes) = used(texts, sets.iter().flat_map(|set| of(set).iter().copied()));
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
