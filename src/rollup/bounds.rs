//! How much sums may keep. One place, so that the whole can be added up.

/// Budgets of a [`super::Rollup`]. Only tests have other than the default: results depend on them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Addresses that all rules together keep, unless there are more rules: 24 bytes each, and as much again in slots
    /// that are free.
    pub peers: usize,
    /// Ports, or ranges of them, that all rules together keep, unless there are more rules: 16 bytes each, and slots.
    pub ports: usize,
    /// Combinations of rules, in words of 4 bytes.
    pub sets: usize,
    /// Escaped and misdropped connections, in units of 24 bytes: a cell takes 20 and one per remote address.
    pub odd: usize,
    /// The same for connections that are not as expected.
    pub unmet: usize,
    /// Connections with rejected replies, in the same units.
    pub blocked: usize,
    /// Services and their peers, in units of 56 bytes: a service takes 6 and one per peer.
    pub contacts: usize,
    /// Outbound connections by remote address, in words of 8 bytes: an address takes 12, and one per connection if there
    /// are several.
    pub calls: usize,
    /// Interfaces and hours: 16 bytes each.
    pub hours: usize,
    /// Services reached from the internet, in the same units.
    pub exposed: usize,
    /// Accepted connections with watched addresses, in the same units.
    pub watched: usize,
    /// Entries of watch lists whose connections were rejected, by direction: 32 bytes each, and slots.
    pub knocks: usize,
    /// Views of connections between interfaces of the run, of one partition: 112 bytes each, and as much while it grows.
    pub views: usize,
    /// Pairs of ends and a service that contradict each other: 220 bytes each, and slots.
    pub contradictions: usize,
    /// Pairs that agree: 24 bytes each, and slots.
    pub agreements: usize,
    /// Rejected attempts of sources outside.
    pub outside: Limits,
    /// Rejected attempts of private sources.
    pub inside: Limits,
    /// Who was accepted where, of each side: entries of 40 bytes, and slots.
    pub admitted: usize,
}

/// Budget of rejected attempts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Attempts of 32 bytes, and as many marks of 16. More are there at times, see below.
    pub attempts: usize,
    /// Cells of 24 bytes.
    pub cells: usize,
}

impl Limits {
    /// Attempts at any time: so many more that thinning is worth its while.
    pub fn rows(self) -> usize {
        self.attempts / 3 * 4
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            peers: 1 << 18,
            ports: 1 << 18,
            sets: 3 << 20,
            odd: 400_000,
            unmet: 200_000,
            blocked: 100_000,
            contacts: 1 << 17,
            calls: 3 << 19,
            hours: 400_000,
            exposed: 200_000,
            watched: 200_000,
            knocks: 1 << 16,
            views: 1 << 16,
            contradictions: 20_000,
            agreements: 100_000,
            outside: Limits { attempts: 300_000, cells: 400_000 },
            inside: Limits { attempts: 150_000, cells: 200_000 },
            admitted: 1 << 16,
        }
    }
}
