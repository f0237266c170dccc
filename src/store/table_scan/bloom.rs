//! Bloom filters, of which only the blocks are read that a question needs.
//!
//! A filter is up to 128 KB, and an address is told by 32 bytes of it. Which these are and which bits of them, the
//! parquet crate does not say; but it can be seen in a filter that holds nothing else.

use std::collections::BTreeSet;
use std::io;
use std::sync::OnceLock;

use parquet::bloom_filter::Sbbf;

use super::input::Input;

/// With more texts than this a filter is not asked: one of them would be in it.
const MOST: usize = 64;

/// The smallest filter is one block of `1 << LEAST` bytes, the largest that is asked `1 << GREATEST`.
const LEAST: u32 = 5;
const GREATEST: u32 = 22;

/// Where some texts are in filters of every size.
#[derive(Debug)]
pub(super) struct Probes {
    texts: Vec<String>,
    sizes: [OnceLock<Option<InSize>>; (GREATEST - LEAST + 1) as usize],
}

#[derive(Debug)]
struct InSize {
    /// Bytes before the blocks.
    header: u64,
    /// Of each text: where its block begins, and its bits.
    blocks: Vec<(u64, [u8; BLOCK])>,
}

const BLOCK: usize = 1 << LEAST;

impl Probes {
    /// Of these texts, unless they are too many.
    pub fn new(texts: &BTreeSet<String>) -> Option<Self> {
        let texts: Vec<String> = texts.iter().cloned().collect();
        (texts.len() <= MOST).then(|| Self { texts, sizes: Default::default() })
    }

    /// Whether a filter at this place may hold one of the texts that are not left out. What is no such filter as we write
    /// them may hold anything.
    pub fn may_be_in(
        &self,
        input: &Input,
        (offset, length): (u64, u64),
        asked: impl Fn(&str) -> bool,
    ) -> io::Result<bool> {
        let Some(size) = length.checked_ilog2().filter(|size| (LEAST..=GREATEST).contains(size)) else {
            return Ok(true);
        };
        let Some(known) = self.sizes[(size - LEAST) as usize].get_or_init(|| self.in_size(1 << size)) else {
            return Ok(true);
        };
        if known.header + (1 << size) != length {
            return Ok(true);
        }
        for (text, (place, bits)) in self.texts.iter().zip(&known.blocks) {
            if asked(text) {
                let mut block = [0; BLOCK];
                input.read_at(offset + known.header + place, &mut block)?;
                if block.iter().zip(bits).all(|(there, bit)| there & bit == *bit) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Nothing if filters are not what they were thought to be.
    fn in_size(&self, size: usize) -> Option<InSize> {
        let mut header = 0;
        let blocks = self.texts.iter().map(|text| {
            let mut filter = Sbbf::new_with_num_of_bytes(size);
            filter.insert(text.as_str());
            let mut bytes = Vec::with_capacity(size + 64);
            filter.write(&mut bytes).ok()?;
            header = bytes.len().checked_sub(size)?;
            let (blocks, _) = bytes[header..].as_chunks::<BLOCK>();
            let place = blocks.iter().position(|block| block.iter().any(|byte| *byte != 0))?;
            Some(((place * BLOCK) as u64, blocks[place]))
        });
        let blocks = blocks.collect::<Option<Vec<_>>>()?;
        Some(InSize { header: header as u64, blocks })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_block_says_what_the_whole_filter_says() {
        for size in [32, 64, 1024, 32 * 1024] {
            let mut filter = Sbbf::new_with_num_of_bytes(size);
            // About as full as filters are.
            for number in 0..size / 2 {
                filter.insert(format!("10.0.{}.{}", number / 256, number % 256).as_str());
            }
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(b"PAR1").unwrap();
            filter.write(&mut file).unwrap();
            let input = Input::new(file).unwrap();
            let length = input.bytes() - 4;
            let (mut held, mut not) = (0, 0);
            for number in 0..2_000 {
                let text = format!("10.{}.{}.7", number % 3, number);
                let probes = Probes::new(&[text.clone()].into()).unwrap();
                let may = probes.may_be_in(&input, (4, length), |_| true).unwrap();
                assert_eq!(may, filter.check(text.as_str()), "{text} in {size}");
                *(if may { &mut held } else { &mut not }) += 1;
                assert!(!probes.may_be_in(&input, (4, length), |_| false).unwrap());
                // Another length is no filter of ours.
                assert!(probes.may_be_in(&input, (4, length - 1), |_| true).unwrap());
            }
            assert!(held > 0 && not > 0);
            let many: BTreeSet<String> = ["nowhere", "10.0.0.1"].map(str::to_owned).into();
            assert!(Probes::new(&many).unwrap().may_be_in(&input, (4, length), |_| true).unwrap());
            assert!(Probes::new(&many).unwrap().may_be_in(&input, (1 << 40, length), |_| true).is_err());
        }
        let many = (0..65).map(|number: i32| number.to_string()).collect();
        assert!(Probes::new(&many).is_none());
    }
}
