//! What changes nothing, blocks nothing and opens nothing.

use flowgate::tighten::{Against, Lot};

use super::world::Format;
use super::{candidate, replayed, world};

#[test]
fn the_same_inventory_makes_no_difference() {
    for (seed, format, snapshots) in [(1, Format::V5, false), (2, Format::V2, false), (3, Format::V3, true)] {
        let directory = tempfile::tempdir().unwrap();
        world(directory.path(), seed, |o| {
            o.format = format;
            o.snapshots = snapshots;
        });
        let outcome = replayed(directory.path(), Against::Standing, |timeline| {
            vec![candidate(timeline.latest().unwrap().clone())]
        });
        let replay = &outcome.replays[0];
        println!("{:?} {:?}", replay.counts, replay.undecided);
        for lot in [Lot::Blocked, Lot::Opened, Lot::Admitted] {
            assert_eq!(replay.count(lot).connections, 0, "{lot:?} {:#?}", replay.blocked.rows.first());
        }
        // Nothing is undecided only because it is not known why it is as it is.
        assert!(replay.undecided.keys().all(|why| *why == "interface-unknown"), "{:?}", replay.undecided);
        assert!(replay.groups.is_empty() && replay.acls.is_empty() && replay.moved.is_empty());
        let permitted = replay.count(Lot::Permitted).connections;
        assert!(permitted > 1_000, "{permitted}");
    }
}

/// With rules that permit everything, everything that a security group stops is opened, and nothing is cut.
#[test]
fn open_to_all_opens_whatever_a_group_stopped() {
    let directory = tempfile::tempdir().unwrap();
    world(directory.path(), 4, |_| {});
    let outcome = replayed(directory.path(), Against::Standing, |timeline| {
        let mut open = timeline.latest().unwrap().clone();
        for group in open.security_groups.values_mut() {
            let Some(first) = group.rules.first().cloned() else { continue };
            for direction in [flowgate::flow::Direction::Inbound, flowgate::flow::Direction::Outbound] {
                for net in ["0.0.0.0/0", "::/0"] {
                    let mut rule = flowgate::inventory::Rule {
                        direction,
                        protocol: None,
                        ports: None,
                        icmp: None,
                        peer: flowgate::inventory::RulePeer::Cidr(net.parse().unwrap()),
                        synthetic: true,
                        ..first.clone()
                    };
                    rule.id = rule.synthetic_id();
                    group.rules.push(rule);
                }
            }
        }
        vec![candidate(open)]
    });
    let replay = &outcome.replays[0];
    println!("{:?}", replay.counts);
    assert_eq!(replay.count(Lot::Blocked).connections, 0);
    let verdicts = &outcome.summary.verdicts;
    let rejected: u64 = verdicts.iter().filter(|v| v.reason == "security-group").map(|v| v.connections).sum();
    assert!(rejected > 100);
    assert_eq!(replay.count(Lot::Opened).connections, rejected, "{verdicts:?}");
    assert!(replay.groups.iter().any(|group| !group.wider.is_empty()));
}
