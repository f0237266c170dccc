//! Texts that are passed over, remembered, so that the next row with the same need not be looked at in detail.

/// Places at first, and at most. Rows of some thousand interfaces may come in turn.
const FEWEST: usize = 8;
const MOST: usize = 4096;

/// Neighbouring columns whose texts are passed, among them perhaps the interface. Rows come in any order of
/// interfaces, but there are not many of these, and all that is passed at once hangs together.
#[derive(Clone, Debug)]
pub(super) struct Texts {
    pub(super) columns: usize,
    /// Which of them is the interface.
    pub(super) interface: Option<usize>,
    /// Which of them must have a certain value.
    pub(super) expected: Option<(usize, Vec<u8>)>,
    /// What they were in rows before, each at the place that its mark tells; a power of two of places.
    seen: Vec<Seen>,
    /// Leaves so many bits of a mark as number the places.
    shift: u32,
    /// How often something took a place since there were so many.
    taken: usize,
    /// Lengths that came last, both different: the next text probably has the same.
    lengths: [usize; 2],
}

/// Compares some ten bytes: a call of the library's routine takes longer.
#[inline(always)]
fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let (Some(end), Some(other_end)) = (one.last_chunk::<8>(), other.last_chunk::<8>()) else {
        return one == other;
    };
    let word = |chunk: &[u8; 8]| u64::from_le_bytes(*chunk);
    let (words, others) = (one.as_chunks::<8>().0, other.as_chunks::<8>().0);
    let differing = words.iter().zip(others).fold(0, |bits, (a, b)| bits | (word(a) ^ word(b)));
    // The last eight overlap those before, or are the same.
    differing | (word(end) ^ word(other_end)) == 0
}

/// The texts of one row, with the spaces between. Empty if there are none.
#[derive(Clone, Debug, Default)]
struct Seen {
    text: Vec<u8>,
    /// The number of the interface among them.
    key: u32,
}

impl Texts {
    pub(super) fn new() -> Self {
        Self {
            columns: 0,
            interface: None,
            expected: None,
            seen: vec![Seen::default(); FEWEST],
            shift: u64::BITS - FEWEST.ilog2(),
            taken: 0,
            lengths: [0; 2],
        }
    }

    /// Lengths to try.
    #[inline(always)]
    pub(super) fn lengths(&self) -> [usize; 2] {
        self.lengths
    }

    /// The interface's number if the text is that of a row before. `mark` depends on the text alone.
    #[inline(always)]
    pub(super) fn find(&self, mark: u64, text: &[u8]) -> Option<u32> {
        let seen = self.seen.get(self.place(mark))?;
        (!text.is_empty() && is_same(&seen.text, text)).then_some(seen.key)
    }

    #[inline(always)]
    fn place(&self, mark: u64) -> usize {
        // The highest bits of a product depend on all bits of its factors.
        (mark >> self.shift) as usize
    }

    /// Remembers a text in the place of another one.
    pub(super) fn keep(&mut self, mark: u64, text: &[u8], key: u32) {
        self.taken += 1;
        if self.taken > 2 * self.seen.len() && self.seen.len() < MOST {
            let places = 2 * self.seen.len();
            self.seen = vec![Seen::default(); places];
            self.shift = u64::BITS - places.ilog2();
            self.taken = 0;
        }
        let place = self.place(mark);
        let Some(seen) = self.seen.get_mut(place) else { return };
        seen.text.clear();
        seen.text.extend_from_slice(text);
        seen.key = key;
    }

    /// Notes the length of a text.
    #[inline(always)]
    pub(super) fn note(&mut self, length: usize) {
        if self.lengths[0] != length {
            self.lengths = [length, self.lengths[0]];
        }
    }

    /// To be called when the numbers of interfaces start over.
    pub(super) fn forget(&mut self) {
        self.taken = 0;
        if self.interface.is_some() {
            for seen in &mut self.seen {
                seen.text.clear();
            }
        }
    }
}
