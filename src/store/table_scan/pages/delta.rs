//! Numbers as differences, in blocks of which each part has a width of its own: Parquet's delta encoding.

/// More in a page than any has.
const MOST: usize = 1 << 24;

/// The first numbers of a page; fewer if there are no more.
pub(super) fn first(bytes: &[u8], count: usize, into: &mut Vec<i64>) -> Option<()> {
    into.clear();
    let mut reader = Reader(bytes);
    let block = usize::try_from(reader.varint()?).ok()?;
    let parts = usize::try_from(reader.varint()?).ok()?;
    let all = usize::try_from(reader.varint()?).ok()?.min(MOST);
    let size = block.checked_div(parts).filter(|size| size % 8 == 0 && (8..=MOST).contains(size))?;
    let mut last = reader.zigzag()?;
    let count = count.min(all);
    if count > 0 {
        into.push(last);
    }
    while into.len() < count {
        let least = reader.zigzag()?;
        let widths = reader.bytes(parts)?;
        for &width in widths {
            if into.len() >= count {
                break;
            }
            let width = u32::from(width);
            if width > 64 {
                return None;
            }
            let packed = reader.bytes(size / 8 * width as usize)?;
            let mask = if width == 64 { u64::MAX } else { (1 << width) - 1 };
            for at in 0..size.min(count - into.len()) {
                let above = bits(packed, at * width as usize) & mask;
                last = last.wrapping_add(least).wrapping_add(above as i64);
                into.push(last);
            }
        }
    }
    Some(())
}

/// The 64 bits from there on, or as many as there are.
#[inline]
fn bits(bytes: &[u8], bit: usize) -> u64 {
    let (byte, shift) = (bit / 8, bit % 8);
    let rest = bytes.get(byte..).unwrap_or_default();
    if let Some(eight) = rest.first_chunk::<8>() {
        let low = u64::from_le_bytes(*eight) >> shift;
        let high = rest.get(8).map_or(0, |byte| u64::from(*byte));
        return if shift == 0 { low } else { low | (high << (64 - shift)) };
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    u64::from_le_bytes(last) >> shift
}

struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn bytes(&mut self, count: usize) -> Option<&'b [u8]> {
        let (these, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(these)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.bytes(1)?[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn zigzag(&mut self) -> Option<i64> {
        let number = self.varint()?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parquet::basic::Encoding;
    use parquet::data_type::Int64Type;
    use parquet::file::properties::WriterProperties;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;
    use proptest::prelude::*;

    use super::*;

    /// As the parquet crate writes them.
    fn encode(numbers: &[i64]) -> Vec<u8> {
        let schema = Arc::new(parse_message_type("message m { required int64 n; }").unwrap());
        let properties = WriterProperties::builder()
            .set_dictionary_enabled(false)
            .set_encoding(Encoding::DELTA_BINARY_PACKED)
            .build();
        let mut file = Vec::new();
        let mut writer = SerializedFileWriter::new(&mut file, schema, Arc::new(properties)).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(numbers, None, None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
        writer.close().unwrap();
        let reader = SerializedFileReader::new(bytes::Bytes::from(file)).unwrap();
        let mut pages = reader.get_row_group(0).unwrap().get_column_page_reader(0).unwrap();
        pages.get_next_page().unwrap().unwrap().buffer().to_vec()
    }

    proptest! {
        #[test]
        fn the_first_of_what_was_written(
            mut numbers in prop::collection::vec(any::<i64>(), 1..400),
            bits in 0_u32..64,
            count in 0_usize..400,
        ) {
            numbers.iter_mut().for_each(|number| *number >>= bits);
            let bytes = encode(&numbers);
            let mut read = Vec::new();
            prop_assert_eq!(first(&bytes, count, &mut read), Some(()));
            numbers.truncate(count);
            prop_assert_eq!(read, numbers);
        }

        #[test]
        fn damage_does_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = first(&bytes, 3_000, &mut Vec::new());
        }
    }
}
