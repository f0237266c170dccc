//! Service fan-in: how many tuples meet at an endpoint.
//!
//! A service's (address, port) is met by many (peer, port); a client's is met by one. Counts are kept in a
//! count-min sketch (Cormode and Muthukrishnan 2005) of fixed size whose two counters of an endpoint share a cache line
//! (blocking, as Putze, Sanders and Singler 2007 do to Bloom filters): memory, not arithmetic, is what counting costs.
//! It never undercounts, and at the sizes chosen in [`FanIn::for_records`] it overcounts an endpoint by one in about 7 %
//! of cases at 10 million tuples and practically never below a million. Addition commutes, so the thread count does not
//! matter; and the size does not depend on the memory there is, since decisions do on the counts.

use std::sync::atomic::{AtomicU16, Ordering};

use super::record::Endpoint;

const ROWS: usize = 2;
/// Counters per cache line of 64 bytes.
const LINE: usize = 32;
/// Counting stops here; what lies above is "many" for every purpose.
const CEILING: u16 = 50_000;

/// Counts of tuples per endpoint. Endpoints of different VPCs are kept apart by `scope`.
#[derive(Debug)]
pub(crate) struct FanIn {
    counters: Vec<AtomicU16>,
    /// Lines - 1; their number is a power of two.
    mask: usize,
}

impl FanIn {
    /// Sized for a number of records: 2 × 2 bytes per slot, at most 64 MiB.
    pub fn for_records(records: usize) -> Self {
        let slots = records.next_power_of_two().clamp(1 << 14, 1 << 24);
        let counters = (0..slots * ROWS).map(|_| AtomicU16::new(0)).collect();
        Self { counters, mask: slots * ROWS / LINE - 1 }
    }

    fn slots(&self, scope: u64, end: &Endpoint, protocol: u8) -> [usize; ROWS] {
        let high = (end.packet >> 64) as u64;
        let low = end.packet as u64;
        let mut hash =
            scope ^ (u64::from(end.port) << 16 | u64::from(protocol)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for part in [high, low] {
            hash = (hash ^ part).wrapping_mul(0xff51_afd7_ed55_8ccd);
            hash ^= hash >> 32;
        }
        let within = (hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53) >> 56) as usize;
        let line = (hash as usize & self.mask) * LINE;
        [line + within % (LINE / 2), line + LINE / 2 + within / (LINE / 2)]
    }

    /// One more tuple at this endpoint.
    pub fn add(&self, scope: u64, end: &Endpoint, protocol: u8) {
        for slot in self.slots(scope, end, protocol) {
            let counter = &self.counters[slot];
            if counter.load(Ordering::Relaxed) < CEILING {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Tuples seen at this endpoint, at least 1 for one that was added.
    pub fn count(&self, scope: u64, end: &Endpoint, protocol: u8) -> u32 {
        let smallest = self
            .slots(scope, end, protocol)
            .iter()
            .map(|&slot| self.counters[slot].load(Ordering::Relaxed).min(CEILING))
            .min();
        u32::from(smallest.unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(address: u128, port: u16) -> Endpoint {
        Endpoint { address, packet: address, port }
    }

    #[test]
    fn never_undercounts_and_rarely_overcounts() {
        let fan = FanIn::for_records(100_000);
        for client in 0..10_000_u128 {
            fan.add(1, &end(0xa00_0001, 443), 6);
            fan.add(1, &end(0xb00_0000 + client, 40_000), 6);
        }
        assert!(fan.count(1, &end(0xa00_0001, 443), 6) >= 10_000);
        let over = (0..10_000_u128).filter(|c| fan.count(1, &end(0xb00_0000 + c, 40_000), 6) != 1).count();
        assert!(over < 300, "{over} of 10000 overcounted");
        assert_eq!(fan.count(2, &end(0xa00_0001, 443), 6).min(1), 0, "other VPCs are apart");
    }

    #[test]
    fn stops_at_the_ceiling() {
        let fan = FanIn::for_records(1);
        for _ in 0..60_000 {
            fan.add(0, &end(1, 1), 6);
        }
        assert_eq!(fan.count(0, &end(1, 1), 6), u32::from(CEILING));
    }
}
