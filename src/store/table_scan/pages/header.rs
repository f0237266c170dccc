//! What stands before each page: a struct in the compact protocol of Thrift, of which few fields matter here.

/// What is said of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    /// As the format numbers them.
    pub kind: i64,
    /// Bytes of the page, uncompressed and as it lies in the file.
    pub plain: usize,
    pub pressed: usize,
    /// Values, or places for them.
    pub values: usize,
    pub encoding: i64,
    /// How levels are encoded.
    pub levels: [i64; 2],
    /// Bytes of the header itself.
    pub length: usize,
}

/// Structs in structs, as deep as any header has them.
const DEEPEST: usize = 8;

impl Header {
    pub const DATA: i64 = 0;
    pub const DICTIONARY: i64 = 2;

    /// What these bytes begin with, if it is a header.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut header = Self::default();
        let mut reader = Reader { bytes, at: 0 };
        reader.fields(&mut |reader, id, kind| {
            match (id, kind) {
                (1, INTEGER) => header.kind = reader.number()?,
                (2, INTEGER) => header.plain = usize::try_from(reader.number()?).ok()?,
                (3, INTEGER) => header.pressed = usize::try_from(reader.number()?).ok()?,
                // Of data, or of a dictionary; another version of data is none of ours.
                (5 | 7, STRUCT) => reader.fields(&mut |reader, field, kind| {
                    match (field, kind) {
                        (1, INTEGER) => header.values = usize::try_from(reader.number()?).ok()?,
                        (2, INTEGER) => header.encoding = reader.number()?,
                        (3, INTEGER) => header.levels[0] = reader.number()?,
                        (4, INTEGER) => header.levels[1] = reader.number()?,
                        _ => reader.skip(kind, 0)?,
                    }
                    Some(())
                })?,
                _ => reader.skip(kind, 0)?,
            }
            Some(())
        })?;
        header.length = reader.at;
        Some(header)
    }
}

const INTEGER: u8 = 5;
const STRUCT: u8 = 12;

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at).copied();
        self.at += 1;
        byte
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn number(&mut self) -> Option<i64> {
        let number = self.varint()?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// Hands on the number and the type of each field.
    fn fields(&mut self, take: &mut dyn FnMut(&mut Self, i64, u8) -> Option<()>) -> Option<()> {
        let mut id = 0_i64;
        loop {
            let byte = self.byte()?;
            if byte == 0 {
                return Some(());
            }
            id = if byte < 0x10 { self.number()? } else { id.checked_add(i64::from(byte >> 4))? };
            take(self, id, byte & 0x0f)?;
        }
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        match kind {
            1 | 2 => {}
            3 => _ = self.byte()?,
            4..=6 => _ = self.varint()?,
            7 => self.at = self.at.checked_add(8)?,
            8 => {
                let length = usize::try_from(self.varint()?).ok()?;
                self.at = self.at.checked_add(length)?;
            }
            9 | 10 => {
                let byte = self.byte()?;
                let count = if byte >> 4 == 15 { self.varint()? } else { u64::from(byte >> 4) };
                for _ in 0..count {
                    match byte & 0x0f {
                        // In lists, flags are bytes.
                        1 | 2 => _ = self.byte()?,
                        kind => self.skip(kind, depth + 1)?,
                    }
                }
            }
            STRUCT => self.fields(&mut |reader, _, kind| reader.skip(kind, depth + 1))?,
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_do_not_matter_are_passed_over() {
        // A data page with a checksum and statistics: 5 values of encoding 8.
        let bytes = [
            0x15, 0x00, 0x15, 0xc8, 0x01, 0x15, 0x64, 0x15, 0x07, 0x1c, 0x15, 0x0a, 0x15, 0x10, 0x15, 0x06,
            0x15, 0x06, 0x1c, 0x18, 0x02, b'a', b'b', 0x28, 0x01, b'c', 0x26, 0x02, 0x00, 0x00, 0x00, 0xff,
        ];
        let header = Header::read(&bytes).unwrap();
        let expected = Header {
            kind: 0,
            plain: 100,
            pressed: 50,
            values: 5,
            encoding: 8,
            levels: [3, 3],
            length: bytes.len() - 1,
        };
        assert_eq!(header, expected);
        for length in 0..bytes.len() - 1 {
            assert_eq!(Header::read(&bytes[..length]), None, "{length} bytes");
        }
        // Nothing is deep enough to overflow, nor long enough to run over.
        assert_eq!(Header::read(&[0x1c; 10_000]), None);
        assert_eq!(Header::read(&[0xff; 100]), None);
    }
}
