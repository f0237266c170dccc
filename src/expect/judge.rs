//! Which expectations a connection breaks.

use std::collections::BTreeSet;

use super::bits::Tri;
use super::estate::{Estate, Side, When};
use super::{End, Expectation, Expectations, Mode, Service};
use crate::connection::Connection;
use crate::flow::{Action, Direction, Protocol};
use crate::hash::mix64;
use crate::inventory::{Timeline, Trust};

/// Expectations, compiled for the interfaces of one run.
#[derive(Debug)]
pub struct Expected {
    file: Expectations,
    estate: Estate,
    /// By number in the run: the interface's number in the estate.
    run: Vec<Option<u32>>,
    /// By number in the run and direction: the `only-` and `never-` expectations that may be about it.
    about: Vec<[Box<[u32]>; 2]>,
    /// The `may-` expectations, by direction.
    welcome: [Vec<u32>; 2],
}

/// An expectation that a connection breaks, or may break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shortfall {
    /// Number of the expectation in the file.
    pub expectation: u32,
    /// Number of the tier that the interface is in; [`Shortfall::EVERYTHING`] if it is about every interface.
    pub tier: u32,
    /// It is broken. Otherwise nothing can be said: a fact is missing, or changed about then.
    pub broken: bool,
    /// It rests on an observation of another time.
    pub weak: bool,
}

impl Shortfall {
    /// In place of a tier: every interface.
    pub const EVERYTHING: u32 = u32::MAX;
}

impl Expected {
    /// Compiles. `interfaces` are the ids of the run, in the order of their numbers.
    #[must_use]
    pub fn new(file: &Expectations, timeline: &Timeline, interfaces: &[String]) -> Self {
        let estate = Estate::new(file, timeline);
        let run: Vec<Option<u32>> = interfaces.iter().map(|id| estate.number(id)).collect();
        let mut welcome = [Vec::new(), Vec::new()];
        for (number, expectation) in (0..).zip(&file.expectations) {
            if expectation.mode == Mode::May {
                welcome[expectation.direction as usize].push(number);
            }
        }
        let about = run.iter().map(|&number| {
            [Direction::Inbound, Direction::Outbound].map(|direction| {
                let mut numbers = Vec::new();
                for (n, expectation) in (0..).zip(&file.expectations) {
                    let asks = expectation.mode != Mode::May && expectation.direction == direction;
                    if asks && may_be_in(&estate, expectation, number) {
                        numbers.push(n);
                    }
                }
                numbers.into_boxed_slice()
            })
        });
        let about = about.collect();
        Self { file: file.clone(), estate, run, about, welcome }
    }

    /// The expectations.
    #[must_use]
    pub fn file(&self) -> &Expectations {
        &self.file
    }

    /// Numbers of the expectations that no interface of the run can break: nothing in the logs is of their tiers.
    #[must_use]
    pub fn idle(&self) -> Vec<u32> {
        let mut idle: Vec<u32> = (0..)
            .zip(&self.file.expectations)
            .filter(|(_, expectation)| expectation.mode != Mode::May)
            .map(|(number, _)| number)
            .collect();
        let about: BTreeSet<u32> = self.about.iter().flatten().flatten().copied().collect();
        idle.retain(|number| !about.contains(number));
        idle
    }

    /// Appends what an opening falls short of.
    fn ask(&self, opening: &Opening, when: &mut When, found: &mut Vec<Shortfall>) {
        let about = &self.about[opening.interface as usize][opening.direction as usize];
        let asked = |e: &Expectation| {
            e.services.is_empty() || e.services.iter().any(|s: &Service| s.is(opening.protocol, opening.port))
        };
        let mut sides: Option<(Side<'_>, Side<'_>)> = None;
        // Who a may- welcomes; and who an only- names, which is enough for a never-.
        let (mut welcome, mut named) = (None, None);
        for &number in about {
            let expectation = &self.file.expectations[number as usize];
            if !asked(expectation) {
                continue;
            }
            let (local, remote) = &*sides.get_or_insert_with(|| {
                let local = self.estate.local(self.run[opening.interface as usize], opening.local, when);
                let remote = self.estate.remote(&local, opening.remote, when);
                (local, remote)
            });
            let (member, tier) = self.member(expectation, local, when);
            if member == Tri::No {
                continue;
            }
            let others = self.peers(expectation, local, remote, when);
            let kept = if expectation.mode == Mode::Never { others.not() } else { others };
            if kept == Tri::Yes {
                continue;
            }
            let mut names = |numbers: &[u32], mode: Mode| {
                let all = numbers.iter().map(|n| &self.file.expectations[*n as usize]);
                let those = all.filter(|e| e.mode == mode && asked(e));
                let is = those.map(|e| self.member(e, local, when).0.min(self.peers(e, local, remote, when)));
                is.max().unwrap_or(Tri::No)
            };
            let mut allowed =
                *welcome.get_or_insert_with(|| names(&self.welcome[opening.direction as usize], Mode::May));
            if expectation.mode == Mode::Never {
                allowed = allowed.max(*named.get_or_insert_with(|| names(about, Mode::Only)));
            }
            let broken = member.min(kept.not()).min(allowed.not());
            if broken != Tri::No {
                let weak = local.weak || remote.weak;
                found.push(Shortfall { expectation: number, tier, broken: broken == Tri::Yes, weak });
            }
        }
    }

    /// Whether the interface is one that the expectation is about, and the first tier that it is in.
    fn member(&self, expectation: &Expectation, local: &Side<'_>, when: &mut When) -> (Tri, u32) {
        let mut best = (Tri::No, Shortfall::EVERYTHING);
        for end in &expectation.tiers {
            let (is, tier) = match end {
                End::Tier(tier) => (self.estate.belongs(*tier, local, when), *tier as u32),
                _ => (Tri::Yes, Shortfall::EVERYTHING),
            };
            if is > best.0 {
                best = (is, tier);
            }
        }
        best
    }

    /// Whether the other side is among those that the expectation names.
    fn peers(&self, expectation: &Expectation, local: &Side<'_>, remote: &Side<'_>, when: &mut When) -> Tri {
        let own = local.vpc();
        let is = |end: &End| match end {
            End::Tier(tier) => self.estate.belongs(*tier, remote, when),
            End::Internet => remote.internet,
            End::Inside => self.estate.is_inside(remote, own),
            End::SameVpc => self.estate.is_in(remote, own),
            End::Anywhere | End::Everything => Tri::Yes,
        };
        let any = expectation.peers.iter().map(is).max().unwrap_or(Tri::No);
        if expectation.same_vpc { any.min(self.estate.is_in(remote, own)) } else { any }
    }
}

/// Whether an expectation may be about an interface, at any time.
fn may_be_in(estate: &Estate, expectation: &Expectation, number: Option<u32>) -> bool {
    let Some(lane) = number.and_then(|number| estate.lane(number)) else { return true };
    let standings: Vec<_> = lane.values().flatten().collect();
    // Where it is not known, or only partly, anything may be true.
    let doubt = lane.starts().map(|start| lane.at(start)).any(|states| {
        states.iter().any(|c| c.trust == Trust::Partial) || states.iter().all(|c| c.value.is_none())
    });
    let in_tier = |tier: usize| {
        doubt
            || standings.iter().any(|standing| {
                let side = Side {
                    address: None,
                    states: vec![standing],
                    unknown: false,
                    internet: Tri::No,
                    weak: false,
                };
                estate.belongs(tier, &side, &mut When::at(0)) != Tri::No
            })
    };
    expectation.tiers.iter().any(|end| match end {
        End::Tier(tier) => in_tier(*tier),
        _ => true,
    })
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Opening {
    local: u128,
    remote: u128,
    interface: u32,
    direction: Direction,
    protocol: Protocol,
    port: u16,
}

impl Opening {
    fn of(connection: &Connection, direction: Direction) -> Self {
        let port = match direction {
            Direction::Inbound => connection.local_port,
            Direction::Outbound => connection.remote_port,
        };
        Self {
            local: connection.local,
            remote: connection.remote,
            interface: connection.interface,
            direction,
            protocol: connection.protocol,
            port,
        }
    }

    fn hash(&self) -> u64 {
        let address = self.remote as u64 ^ (self.remote >> 64) as u64;
        let rest =
            u64::from(self.interface) << 32 | u64::from(self.port) << 16 | u64::from(self.protocol.0) << 1;
        mix64(address ^ mix64(rest | self.direction as u64))
    }
}

/// An answer and from when to when it holds.
#[derive(Clone, Debug)]
struct Answer {
    opening: Opening,
    span: (i64, i64),
    found: Vec<Shortfall>,
}

/// Answers that are kept; most questions come again soon.
const KEPT: usize = 1024;

/// Asks about one connection after the other, and remembers some answers. They do not depend on what was asked before.
#[derive(Debug)]
pub struct Examiner<'e> {
    expected: &'e Expected,
    answers: Vec<Option<Answer>>,
    both: Vec<Shortfall>,
}

impl<'e> Examiner<'e> {
    /// Has not been asked yet.
    #[must_use]
    pub fn new(expected: &'e Expected) -> Self {
        Self { expected, answers: vec![None; KEPT], both: Vec::new() }
    }

    /// What an accepted connection falls short of, as of its first packet. Where it cannot be told who opened it, nothing
    /// is broken, but something may be.
    pub fn examine(&mut self, connection: &Connection) -> &[Shortfall] {
        let itself = connection.local == connection.remote;
        if connection.action() != Action::Accept || !connection.local_known || itself {
            return &[];
        }
        let time = i64::from(connection.first);
        if let Some(direction) = connection.opener {
            return self.found(Opening::of(connection, direction), time);
        }
        self.both.clear();
        for direction in [Direction::Inbound, Direction::Outbound] {
            let opening = Opening::of(connection, direction);
            if !self.expected.about[opening.interface as usize][direction as usize].is_empty() {
                let found = self.found(opening, time).to_vec();
                self.both.extend(found.into_iter().map(|s| Shortfall { broken: false, ..s }));
            }
        }
        &self.both
    }

    fn found(&mut self, opening: Opening, time: i64) -> &[Shortfall] {
        let about = &self.expected.about[opening.interface as usize][opening.direction as usize];
        if about.is_empty() {
            return &[];
        }
        let place = opening.hash() as usize % KEPT;
        let slot = &mut self.answers[place];
        let known =
            slot.as_ref().is_some_and(|a| a.opening == opening && a.span.0 <= time && time <= a.span.1);
        if !known {
            let mut found = slot.take().map(|a| a.found).unwrap_or_default();
            found.clear();
            let mut when = When::at(time);
            self.expected.ask(&opening, &mut when, &mut found);
            *slot = Some(Answer { opening, span: when.span, found });
        }
        slot.as_ref().map_or(&[], |answer| &answer.found)
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
