//! Who talks to whom on which service, told alike from whichever end it was seen, and what of it is new.

use std::collections::{BTreeMap, BTreeSet};

use crate::flow::{Direction, Protocol};
use crate::rollup::{Baseline, Contact, Rollups, Service, Side, SideKind, Sides};

/// A service: protocol and ports.
pub(super) type What = (Protocol, u16, u16);

/// Who uses what of whom.
pub(super) type Link = (Side, Side, What);

/// One link that was not there before.
#[derive(Clone, Debug)]
pub(super) struct New<'a> {
    pub client: Side,
    pub server: Side,
    pub what: What,
    /// The end that is outside, if one is.
    pub outside: Option<Direction>,
    /// Whoever saw it has met another new peer of that service since the first quarter of the baseline: such things happen.
    pub happens: bool,
    /// As it was seen, from either or both ends; the client's first.
    pub seen: Vec<(Direction, Side, &'a Contact)>,
}

impl New<'_> {
    pub fn first(&self) -> u32 {
        self.seen.iter().map(|(.., c)| c.first).min().unwrap_or(0)
    }

    pub fn last(&self) -> u32 {
        self.seen.iter().map(|(.., c)| c.last).max().unwrap_or(0)
    }

    /// Connections as the end saw them that saw most: they are the same.
    pub fn connections(&self) -> u64 {
        self.seen.iter().map(|(.., c)| u64::from(c.connections)).max().unwrap_or(0)
    }

    pub fn is_guessed(&self) -> bool {
        self.seen.iter().all(|(.., c)| c.weak * 2 > c.connections)
    }

    /// About how many interfaces of the client took part, if its end was seen.
    pub fn clients(&self) -> Option<u64> {
        self.seen.iter().find(|(d, ..)| *d == Direction::Outbound).map(|(.., c)| c.interfaces())
    }
}

/// What the baseline knows.
pub(super) struct Learned<'a> {
    sides: &'a Sides,
    baseline: Baseline,
    links: BTreeSet<(Alias, Alias, What)>,
    /// Sides that were there in the first half of the baseline.
    old: BTreeSet<Side>,
    /// Services with public peers that keep having new ones, and by how many sides they were used.
    pub common: BTreeMap<(Direction, What), BTreeSet<Side>>,
}

/// What a side may have been known as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Alias {
    Side(Side),
    /// Somebody in a subnet.
    In(u32),
}

/// A service with so many new peers after the first quarter of the baseline always has new ones.
const EVER_NEW: usize = 3;
/// The same for its second half.
const LATELY_NEW: usize = 2;
/// Ports of one link, or of one side with public peers, that were new in the second half of the baseline: they are made up
/// as they go.
const EVER_NEW_PORTS: usize = 3;

fn link(service: &Service, ports: (u16, u16), peer: Side) -> Link {
    let what = (service.key.protocol, ports.0, ports.1);
    match service.key.direction {
        Direction::Outbound => (service.key.local, peer, what),
        Direction::Inbound => (peer, service.key.local, what),
    }
}

impl<'a> Learned<'a> {
    /// What is known of a side when it is seen.
    fn known_as(&self, side: Side) -> Vec<Alias> {
        let places = self.sides.places(side).map(Alias::In);
        std::iter::once(Alias::Side(side)).chain(places).collect()
    }

    /// What must have been seen for a side not to be new: itself, somebody unknown where it is, or, of somebody unknown,
    /// anybody where he is.
    fn looked_up_as(&self, side: Side) -> Vec<Alias> {
        match side.kind() {
            SideKind::Subnet(subnet) => vec![Alias::In(subnet)],
            SideKind::Group(_) => {
                let unknown = self.sides.places(side).map(|place| Alias::Side(Sides::somebody_in(place)));
                std::iter::once(Alias::Side(side)).chain(unknown).collect()
            }
            SideKind::Prefix(..) => vec![Alias::Side(side)],
        }
    }

    fn knows(&self, (client, server, what): Link) -> bool {
        let servers = self.looked_up_as(server);
        self.looked_up_as(client)
            .into_iter()
            .any(|c| servers.iter().any(|s| self.links.contains(&(c, *s, what))))
    }

    /// A side of the account that was there when learning began.
    pub fn is_old(&self, side: Side) -> bool {
        self.looked_up_as(side).iter().any(|alias| match alias {
            Alias::Side(side) => self.old.contains(side),
            Alias::In(place) => {
                self.old.iter().any(|side| self.sides.places(*side).any(|other| other == *place))
            }
        })
    }
}

/// What is known from the baseline, and every link that is new since, by link.
pub(super) fn compare<'a>(rollups: &'a Rollups, baseline: Baseline) -> (Learned<'a>, Vec<New<'a>>) {
    let services = &rollups.contacts.services;
    let (quarter, middle) = (baseline.from + baseline.seconds() / 4, baseline.from + baseline.seconds() / 2);
    let mut learned = Learned {
        sides: &rollups.sides,
        baseline,
        links: BTreeSet::new(),
        old: BTreeSet::new(),
        common: BTreeMap::new(),
    };
    let mut new_ports: BTreeMap<(Side, Direction, Side), usize> = BTreeMap::new();
    let mut new_services: BTreeMap<(Side, Direction), usize> = BTreeMap::new();
    for service in &services.rows {
        let ports = services.ports(&service.key);
        let begin = service.contacts.iter().map(|c| c.first).min().unwrap_or(u32::MAX);
        if service.key.public && (middle..baseline.to).contains(&begin) {
            *new_services.entry((service.key.local, service.key.direction)).or_default() += 1;
        }
        for contact in service.contacts.iter().filter(|c| c.first < baseline.to) {
            let (client, server, what) = link(service, ports, contact.peer);
            for c in learned.known_as(client) {
                for s in learned.known_as(server) {
                    learned.links.insert((c, s, what));
                }
            }
            if contact.first <= middle {
                learned.old.insert(service.key.local);
            } else {
                *new_ports.entry((service.key.local, service.key.direction, contact.peer)).or_default() += 1;
            }
            if service.key.public {
                let users = learned.common.entry((service.key.direction, what)).or_default();
                users.insert(service.key.local);
            }
        }
    }
    let mut found: BTreeMap<Link, New<'a>> = BTreeMap::new();
    for service in &services.rows {
        // With whom a service began is not somebody new.
        let begin = service.contacts.iter().map(|c| c.first).min().unwrap_or(0);
        let since = |from: u32| {
            let others = service.contacts.iter().filter(|c| c.first > begin);
            others.filter(|c| (from..baseline.to).contains(&c.first)).count()
        };
        // Where peers come and go all the time, one more is no news.
        if service.is_sampled() || since(quarter) >= EVER_NEW || since(middle) >= LATELY_NEW {
            continue;
        }
        let ports = services.ports(&service.key);
        for contact in service.contacts.iter().filter(|c| c.first >= learned.baseline.to) {
            let (client, server, what) = link(service, ports, contact.peer);
            let pair = (service.key.local, service.key.direction, contact.peer);
            let mut made_up = new_ports.get(&pair).is_some_and(|n| *n >= EVER_NEW_PORTS);
            let side = (service.key.local, service.key.direction);
            made_up |= service.key.public && new_services.get(&side).is_some_and(|n| *n >= EVER_NEW_PORTS);
            if made_up || learned.knows((client, server, what)) {
                continue;
            }
            let outside = service.key.public.then_some(service.key.direction);
            let entry = found.entry((client, server, what)).or_insert_with(|| New {
                client,
                server,
                what,
                outside,
                happens: true,
                seen: Vec::new(),
            });
            entry.happens &= since(quarter) > 0;
            entry.seen.push((service.key.direction, service.key.local, contact));
        }
    }
    let mut all: Vec<New<'a>> = found.into_values().collect();
    for new in &mut all {
        new.seen.sort_by_key(|(direction, ..)| std::cmp::Reverse(*direction));
    }
    (learned, all)
}
