//! The picture of the sample.

use crate::finding::{
    ChangeNote, Edge, GroupNote, InterfaceNote, Node, NodeKind, Picture, RuleNote, Service, TimeLine, Traffic,
};

/// 2026-03-01T00:00:00Z.
const START: i64 = 1_772_323_200;

pub(super) fn picture() -> Picture {
    let bucket = |hour: u64| Traffic {
        permitted: 100 + hour * 10,
        escaped: u64::from(hour == 9) * 14,
        rejected: 5 + u64::from(hour == 0) * 812,
        misdropped: u64::from(hour == 20) * 2,
        accepted_unjudged: 1,
        rejected_unjudged: 0,
    };
    let node = |kind, name: &str, groups: &[&str]| Node {
        kind,
        name: name.to_owned(),
        groups: groups.iter().map(|&g| g.to_owned()).collect(),
        vpc: Some("vpc-0001".to_owned()),
        interfaces: 2,
    };
    let edge = |from, to, connections| Edge {
        from,
        to,
        connections,
        services: vec![Service { name: "tcp 5432 (PostgreSQL)".to_owned(), connections }],
        more_services: 1,
    };
    let note = |name: &str| GroupNote {
        name: name.to_owned(),
        vpc: Some("vpc-0001".to_owned()),
        ..GroupNote::default()
    };
    Picture {
        traffic: TimeLine { from: START, width: 3_600, buckets: (0..24).map(bucket).collect() },
        changes: vec![ChangeNote {
            from: START + 3_600,
            to: START + 7_200,
            resource: "sg-0web".to_owned(),
            what: "removed rule tcp 22 from 0.0.0.0/0".to_owned(),
            interfaces: 2,
        }],
        more_changes: 0,
        nodes: vec![
            node(NodeKind::Internet, "internet", &[]),
            node(NodeKind::Group, "web", &["sg-0web"]),
            node(NodeKind::Group, "db", &["sg-0db"]),
        ],
        edges: vec![edge(0, 1, 2_000), edge(1, 2, 900), edge(2, 1, 3), edge(1, 1, 7)],
        more_edges: 2,
        more_connections: 5,
        approximate: false,
        groups: [("sg-0web".to_owned(), note("web"))].into(),
        interfaces: [(
            "eni-0aaa1111bbbb2222c".to_owned(),
            InterfaceNote {
                label: Some("web 1".to_owned()),
                groups: vec!["sg-0web".to_owned()],
                ..InterfaceNote::default()
            },
        )]
        .into(),
        rules: [(
            "sgr-1".to_owned(),
            RuleNote { openness: 48.0, blocks: vec![("10.0.0.0/24".to_owned(), 9)] },
        )]
        .into(),
    }
}
