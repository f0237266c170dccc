//! Overlapping flow logs over one interface: which one counts.
//!
//! A VPC flow log and a subnet flow log, or an ACCEPT, a REJECT and an ALL flow log, write the same
//! traffic into separate objects, and no record has an id (domain B.2). For each interface the flow logs
//! are ranked; a record counts unless a better flow log that logs its action covers that time.

use std::collections::BTreeMap;

use super::buckets::BucketSet;
use super::coverage::COVERAGE_BUCKET;
use super::record::Body;
use crate::flow::Action;

/// What one flow log delivered about one interface, to find overlapping flow logs (domain B.2).
#[derive(Clone, Debug, Default)]
pub(crate) struct StreamFacts {
    pub accepts: u64,
    pub rejects: u64,
    /// Optional engine columns seen: richer formats are preferred.
    pub richness: u8,
    pub buckets: BucketSet,
}

/// What the inventory knows of a flow log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StreamInfo {
    /// `Some((accepts, rejects))` from `TrafficType`.
    pub logs: Option<(bool, bool)>,
    /// `MaxAggregationInterval`, seconds.
    pub interval: Option<u32>,
    /// Place among the ids in order: streams are numbered as they are found.
    pub rank: usize,
}

/// Decides record by record. Empty where no interface has more than one flow log.
#[derive(Debug, Default)]
pub(crate) struct Election {
    /// Per interface: its flow logs, best first.
    ranked: BTreeMap<u32, Vec<Candidate>>,
}

#[derive(Debug)]
struct Candidate {
    stream: u16,
    accepts: bool,
    rejects: bool,
    buckets: BucketSet,
}

impl Election {
    /// Ranks the flow logs of each interface: ALL before ACCEPT or REJECT only, then the richer format, then
    /// the shorter aggregation interval, then the order of their ids.
    pub fn hold(facts: BTreeMap<(u32, u16), StreamFacts>, infos: &[StreamInfo]) -> Self {
        let mut ranked: BTreeMap<u32, Vec<(StreamFacts, u16)>> = BTreeMap::new();
        for ((interface, stream), fact) in facts {
            ranked.entry(interface).or_default().push((fact, stream));
        }
        ranked.retain(|_, streams| streams.len() > 1);
        let ranked = ranked
            .into_iter()
            .map(|(interface, mut streams)| {
                let info = |stream: u16| infos.get(usize::from(stream)).copied().unwrap_or_default();
                let logs = |fact: &StreamFacts, stream: u16| {
                    info(stream).logs.unwrap_or((fact.accepts > 0, fact.rejects > 0))
                };
                streams.sort_by_key(|(fact, stream)| {
                    let (accepts, rejects) = logs(fact, *stream);
                    let interval = info(*stream).interval.unwrap_or(COVERAGE_BUCKET);
                    (!(accepts && rejects), u8::MAX - fact.richness, interval, info(*stream).rank, *stream)
                });
                let candidates = streams
                    .into_iter()
                    .map(|(fact, stream)| {
                        let (accepts, rejects) = logs(&fact, stream);
                        Candidate { stream, accepts, rejects, buckets: fact.buckets }
                    })
                    .collect();
                (interface, candidates)
            })
            .collect();
        Self { ranked }
    }

    /// True where no interface has more than one flow log.
    pub fn is_empty(&self) -> bool {
        self.ranked.is_empty()
    }

    /// True when a better flow log than `stream` logged the same traffic.
    pub fn is_duplicate(&self, interface: u32, stream: u16, body: &Body) -> bool {
        let Some(candidates) = self.ranked.get(&interface) else { return false };
        candidates.iter().take_while(|c| c.stream != stream).any(|c| {
            let logs = match body.action() {
                Action::Accept => c.accepts,
                Action::Reject => c.rejects,
            };
            logs && c.buckets.contains(body.start / COVERAGE_BUCKET)
        })
    }

    /// Interfaces that more than one flow log covers.
    pub fn overlapped(&self) -> usize {
        self.ranked.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(accepts: u64, rejects: u64, richness: u8, buckets: &[u32]) -> StreamFacts {
        StreamFacts { accepts, rejects, richness, buckets: buckets.iter().copied().collect() }
    }

    fn record(start: u32, action: Action) -> Body {
        let mut body = Body::new(6, start, start + 10, 1, 40);
        body.set_action(action);
        body
    }

    #[test]
    fn all_beats_accept_only_where_it_covers() {
        let map = BTreeMap::from([((0, 1), facts(5, 0, 3, &[0, 1, 2])), ((0, 2), facts(5, 5, 0, &[1]))]);
        let election = Election::hold(map, &[]);
        assert!(election.is_duplicate(0, 1, &record(700, Action::Accept)));
        assert!(!election.is_duplicate(0, 1, &record(100, Action::Accept)), "not covered by the better one");
        assert!(!election.is_duplicate(0, 2, &record(700, Action::Accept)));
    }

    #[test]
    fn accept_and_reject_logs_complement_each_other() {
        let map = BTreeMap::from([((0, 1), facts(5, 0, 0, &[0])), ((0, 2), facts(0, 5, 0, &[0]))]);
        let election = Election::hold(map, &[]);
        assert!(!election.is_duplicate(0, 1, &record(0, Action::Accept)));
        assert!(!election.is_duplicate(0, 2, &record(0, Action::Reject)));
    }

    #[test]
    fn one_flow_log_needs_no_election() {
        let election = Election::hold(BTreeMap::from([((0, 1), facts(1, 1, 0, &[0]))]), &[]);
        assert_eq!(election.overlapped(), 0);
        assert!(!election.is_duplicate(0, 1, &record(0, Action::Accept)));
    }
}
