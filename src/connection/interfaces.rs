//! The interfaces of a run: their numbers, and the facts about them that need every record.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use hashbrown::HashMap;

use super::common::CommonAddress;
use super::coverage::Coverage;
use super::overlap::StreamFacts;
use crate::flow::InterfaceContext;

/// An interface as one flow log shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lane {
    /// Number of the interface.
    pub interface: u32,
    /// Number of the flow log, 0 if unknown.
    pub stream: u16,
}

/// The interfaces of a run and their lanes, numbered as they are met. Renumbered in name order before pairing, so that
/// nothing depends on who came first.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    inner: Mutex<Interned>,
}

#[derive(Debug, Default)]
struct Interned {
    numbers: HashMap<String, u32>,
    entries: Vec<(String, InterfaceContext)>,
    lane_numbers: HashMap<Lane, u32>,
    lanes: Vec<Lane>,
}

impl Interner {
    /// The number of an interface's lane; its context is completed with what this mention knows.
    pub fn lane(&self, name: &str, stream: u16, context: &InterfaceContext) -> u32 {
        let mut guard = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Interned { numbers, entries, lane_numbers, lanes } = &mut *guard;
        let interface = match numbers.get(name) {
            Some(&number) => {
                complete(&mut entries[number as usize].1, context);
                number
            }
            None => {
                let number = u32::try_from(entries.len()).unwrap_or(u32::MAX);
                numbers.insert(name.to_owned(), number);
                entries.push((name.to_owned(), context.clone()));
                number
            }
        };
        let lane = Lane { interface, stream };
        *lane_numbers.entry(lane).or_insert_with(|| {
            lanes.push(lane);
            u32::try_from(lanes.len() - 1).unwrap_or(u32::MAX)
        })
    }
}

/// Fills the gaps of a context; where two mentions disagree the smaller text stays, whoever came first.
fn complete(into: &mut InterfaceContext, from: &InterfaceContext) {
    let merge = |a: &mut Option<String>, b: &Option<String>| {
        if let Some(b) = b
            && a.as_ref().is_none_or(|a| b < a)
        {
            *a = Some(b.clone());
        }
    };
    merge(&mut into.account, &from.account);
    merge(&mut into.vpc, &from.vpc);
    merge(&mut into.subnet, &from.subnet);
    merge(&mut into.instance, &from.instance);
    merge(&mut into.region, &from.region);
}

/// One interface of the run.
#[derive(Clone, Debug, Default)]
pub struct InterfaceFacts {
    /// `eni-…` (or `nat-…` for a regional NAT gateway).
    pub id: String,
    /// What the records say about it beside its id.
    pub context: InterfaceContext,
    /// What was watched.
    pub coverage: Coverage,
    pub(crate) common: [CommonAddress; 2],
}

/// What one worker learned of one lane.
#[derive(Clone, Debug, Default)]
pub(super) struct LaneFacts {
    pub lane: u32,
    pub common: [CommonAddress; 2],
    pub coverage: Coverage,
    /// Of the flow log: accepts and rejects are those of the coverage.
    pub stream: StreamFacts,
    /// Buckets of the last record's start and end, which are in the sets already.
    pub last: Option<(u32, u32)>,
}

/// All interfaces, in the order of their ids.
pub(super) struct Census {
    pub interfaces: Vec<InterfaceFacts>,
    /// By lane, with the interfaces' final numbers.
    pub lanes: Vec<Lane>,
    pub stream_facts: BTreeMap<(u32, u16), StreamFacts>,
}

/// Puts together what workers learned.
pub(super) fn census(interner: Interner, workers: impl Iterator<Item = Vec<LaneFacts>>) -> Census {
    let interned = interner.inner.into_inner().unwrap_or_else(PoisonError::into_inner);
    let Interned { mut entries, mut lanes, .. } = interned;
    let mut by_name: Vec<usize> = (0..entries.len()).collect();
    by_name.sort_by(|&a, &b| entries[a].0.cmp(&entries[b].0));
    let mut renumber = vec![0_u32; entries.len()];
    for (new, &old) in by_name.iter().enumerate() {
        renumber[old] = u32::try_from(new).unwrap_or(u32::MAX);
    }
    let mut interfaces: Vec<InterfaceFacts> = by_name
        .iter()
        .map(|&old| {
            let (id, context) = std::mem::take(&mut entries[old]);
            InterfaceFacts { id, context, ..InterfaceFacts::default() }
        })
        .collect();
    for lane in &mut lanes {
        lane.interface = renumber[lane.interface as usize];
    }
    let mut stream_facts: BTreeMap<(u32, u16), StreamFacts> = BTreeMap::new();
    for LaneFacts { lane, common, coverage, stream, .. } in workers.flatten() {
        let Lane { interface, stream: number } = lanes[lane as usize];
        let facts = &mut interfaces[interface as usize];
        for (into, from) in facts.common.iter_mut().zip(&common) {
            into.merge(from);
        }
        let into = stream_facts.entry((interface, number)).or_default();
        into.accepts += coverage.accepts;
        into.rejects += coverage.rejects;
        into.richness = into.richness.max(stream.richness);
        into.buckets.merge(&stream.buckets);
        facts.coverage.merge(&coverage);
    }
    Census { interfaces, lanes, stream_facts }
}
