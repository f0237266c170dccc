//! Many new links, few explanations.

use std::collections::BTreeMap;

use super::contacts::{Learned, New, What};
use super::services;
use crate::finding::Severity;
use crate::flow::Direction;
use crate::rollup::{Rollups, Side};

/// What several new links have in common, in the order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// The side itself is new.
    Side(Side),
    /// Many clients of one service.
    Service(Side, What),
    /// Many servers of one client on one port.
    Peers(Side, What, Option<Direction>),
    /// Many ports between two.
    Ports(Side, Side),
    /// One port among many.
    Port(What, Option<Direction>, Severity),
    /// One client that begins many things.
    Client(Side, Option<Direction>, Severity),
    /// One server of which many things are used.
    Server(Side, Option<Direction>, Severity),
    /// Nothing: it stands alone.
    Alone(Side, Side, What),
}

impl Why {
    pub fn cause(self) -> &'static str {
        match self {
            Self::Side(_) => "new-interfaces",
            Self::Service(..) => "new-service",
            Self::Peers(..) => "new-peers",
            Self::Ports(..) => "new-ports",
            Self::Port(..) => "new-port",
            Self::Client(..) => "new-behaviour",
            Self::Server(..) => "new-services",
            Self::Alone(..) => "new-contact",
        }
    }

    /// How many links it must explain.
    fn least(self) -> usize {
        match self {
            Self::Side(_) | Self::Alone(..) => 1,
            Self::Service(..) | Self::Peers(..) | Self::Ports(..) => 2,
            Self::Port(..) => 3,
            Self::Client(..) | Self::Server(..) => 4,
        }
    }
}

/// What is told as one.
pub(super) struct Story<'a> {
    pub why: Why,
    pub links: Vec<New<'a>>,
}

/// The broad ones only join what matters as much: one log-in must not drown among many.
fn explanations(learned: &Learned<'_>, new: &New<'_>, severity: Severity) -> Vec<Why> {
    if let Some((_, side, _)) = new.seen.iter().find(|(_, side, _)| !learned.is_old(*side)) {
        return vec![Why::Side(*side)];
    }
    vec![
        Why::Service(new.server, new.what),
        Why::Peers(new.client, new.what, new.outside),
        Why::Ports(new.client, new.server),
        Why::Port(new.what, new.outside, severity),
        Why::Client(new.client, new.outside, severity),
        Why::Server(new.server, new.outside, severity),
    ]
}

/// Whichever explains most comes first, until nothing explains more than itself.
pub(super) fn explain<'a>(learned: &Learned<'_>, mut news: Vec<(New<'a>, Severity)>) -> Vec<Story<'a>> {
    let mut stories = Vec::new();
    while !news.is_empty() {
        let mut counts: BTreeMap<Why, usize> = BTreeMap::new();
        for why in news.iter().flat_map(|(new, severity)| explanations(learned, new, *severity)) {
            *counts.entry(why).or_default() += 1;
        }
        let able = counts.into_iter().filter(|(why, count)| *count >= why.least());
        // Of equals the first.
        let best = able.max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(&a.0)));
        let Some((why, _)) = best else { break };
        let (links, rest): (Vec<_>, Vec<_>) = news
            .into_iter()
            .partition(|(new, severity)| explanations(learned, new, *severity).contains(&why));
        stories.push(Story { why, links: links.into_iter().map(|(new, _)| new).collect() });
        news = rest;
    }
    stories.extend(
        news.into_iter()
            .map(|(new, _)| Story { why: Why::Alone(new.client, new.server, new.what), links: vec![new] }),
    );
    stories
}

/// What the id of a finding rests on: security groups, blocks and ports, not numbers of this run.
pub(super) fn subject(rollups: &Rollups, why: Why) -> String {
    let name = |side: Side| rollups.sides.name(side);
    match why {
        Why::Side(side) => name(side),
        Why::Service(server, what) => format!("{} {}", name(server), service(what)),
        Why::Peers(client, what, outside) => format!("{} {} {outside:?}", name(client), service(what)),
        Why::Ports(client, server) => format!("{} {}", name(client), name(server)),
        Why::Port(what, outside, severity) => format!("{} {outside:?} {severity}", service(what)),
        Why::Client(client, outside, severity) => format!("{} {outside:?} {severity}", name(client)),
        Why::Server(server, outside, severity) => format!("of {} {outside:?} {severity}", name(server)),
        Why::Alone(client, server, what) => format!("{} {} {}", name(client), name(server), service(what)),
    }
}

/// `tcp 22 (SSH)`, `udp 5000-5007`, `50`.
pub(super) fn service((protocol, low, high): What) -> String {
    match (low, high) {
        (0, 0) => format!("protocol {protocol}"),
        (low, high) if low == high => format!("{protocol} {}", services::name(low)),
        (low, high) => format!("{protocol} {low}-{high}"),
    }
}
