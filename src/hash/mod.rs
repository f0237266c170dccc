//! Which number stands for these bytes?
//!
//! Numbers that are the same on every machine, in every run and in every version: ids of findings and rules, which draw
//! of a sample an address is, how long whoever waits. The standard library's hashers promise none of that. They are
//! no secret and no seal: who wants two inputs to meet, finds them. This room knows nobody.

/// FNV-1a with 64 bits (Fowler, Noll, Vo; RFC 9923): small, documented, and enough to name things.
#[must_use]
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// A step of SplitMix64 from this state (Steele, Lea, Flood 2014): every bit of the result depends on every bit of the
/// value.
#[inline]
#[must_use]
pub(crate) fn mix64(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fnv1a_is_that_of_its_authors() {
        // Their test vectors.
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn mix64_is_splitmix64() {
        // The first numbers of the authors' generator from seed 0.
        let golden = 0x9e37_79b9_7f4a_7c15_u64;
        assert_eq!(mix64(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(mix64(golden), 0x6e78_9e6a_a1b9_65f4);
        assert_eq!(mix64(golden.wrapping_mul(2)), 0x06c4_5d18_8009_454f);
    }
}
