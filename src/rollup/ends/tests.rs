//! Both views of planted connections, put side by side.

use crate::connection::{Connection, Evidence, InterfaceFacts, Part, RejectReason};
use crate::flow::{Direction, Protocol, address_bits};
use crate::inventory::{Inventory, NetworkInterface, Peering, Timeline};
use crate::policy::{Cause as Stop, Decision, Judged, Verdict};

use super::table::Cause;
use super::{Directory, EndsSums, EndsTable, Uncompared, Views};

const START: u32 = 1_760_000_400;
const HOUR: u32 = 3600;

/// Interfaces by number: a, b and c in one VPC, d in a peered one, e in one that only has the same addresses as b.
fn directory(change: impl FnOnce(&mut Inventory, &mut Vec<InterfaceFacts>)) -> Directory {
    let mut inventory = Inventory::default();
    let all = [
        ("eni-a", "vpc-1", "10.0.0.1"),
        ("eni-b", "vpc-1", "10.0.0.2"),
        ("eni-c", "vpc-1", "10.0.0.3"),
        ("eni-d", "vpc-2", "10.1.0.4"),
        ("eni-e", "vpc-3", "10.0.0.2"),
        ("eni-f", "vpc-3", "10.2.0.6"),
    ];
    let mut facts = Vec::new();
    for (id, vpc, address) in all {
        let interface = NetworkInterface {
            id: id.into(),
            vpc: Some(vpc.into()),
            kind: "interface".into(),
            addresses: vec![address.parse().unwrap()],
            ..NetworkInterface::default()
        };
        inventory.interfaces.insert(id.into(), interface);
        let mut fact = InterfaceFacts { id: id.into(), ..InterfaceFacts::default() };
        let coverage = &mut fact.coverage;
        (coverage.first, coverage.last) = (Some(START), Some(START + HOUR));
        (coverage.accepts, coverage.rejects) = (1, 1);
        coverage.buckets.insert_range(START / 600, (START + HOUR) / 600);
        facts.push(fact);
    }
    let peering = Peering {
        id: "pcx-1".into(),
        status: "active".into(),
        requester_vpc: Some("vpc-2".into()),
        accepter_vpc: Some("vpc-1".into()),
    };
    inventory.peerings.insert("pcx-1".into(), peering);
    change(&mut inventory, &mut facts);
    Directory::new(&facts, &Timeline::new(vec![inventory]))
}

fn bits(text: &str) -> u128 {
    address_bits(text.parse().unwrap())
}

fn part(packets: u64, at: u32) -> Part {
    Part { records: 1, packets, bytes: packets * 100, first: at, last: at + 10, ..Part::default() }
}

/// A connection as `interface` saw it: ten packets there, eight back.
fn seen(interface: u32, local: &str, remote: &str, direction: Direction, at: u32) -> Connection {
    let outbound = direction == Direction::Outbound;
    let (there, back) = ([part(10, at), Part::default()], [part(8, at), Part::default()]);
    Connection {
        interface,
        local: bits(local),
        remote: bits(remote),
        local_port: if outbound { 40_000 } else { 443 },
        remote_port: if outbound { 443 } else { 40_000 },
        protocol: Protocol::TCP,
        opener: Some(direction),
        evidence: Evidence::TcpFlags,
        local_known: true,
        first: at,
        last: at + 10,
        inward: if outbound { back } else { there },
        outward: if outbound { there } else { back },
        late: Part::default(),
        reason: RejectReason::None,
    }
}

/// The opening was rejected.
fn rejected(mut connection: Connection) -> Connection {
    let (inward, outward) = (&mut connection.inward, &mut connection.outward);
    let opening = if connection.opener == Some(Direction::Outbound) { &mut *outward } else { &mut *inward };
    *opening = [Part::default(), opening[0]];
    let other = if connection.opener == Some(Direction::Outbound) { inward } else { outward };
    *other = [Part::default(); 2];
    connection
}

/// Nothing came back.
fn unanswered(mut connection: Connection) -> Connection {
    let outbound = connection.opener == Some(Direction::Outbound);
    *(if outbound { &mut connection.inward } else { &mut connection.outward }) = [Part::default(); 2];
    connection
}

fn compare(directory: &Directory, connections: &[Connection]) -> EndsSums {
    compare_within(directory, connections, 1000)
}

fn compare_within(directory: &Directory, connections: &[Connection], most: usize) -> EndsSums {
    let (mut views, mut table) = (Views::within(most), EndsTable::within(100, 100));
    for connection in connections {
        let accepted = connection.inward[0].any() || connection.outward[0].any();
        let verdict = if accepted { Verdict::Permitted } else { Verdict::Rejected(Stop::NetworkAclIn) };
        let judged = Judged {
            verdict,
            decision: Decision { known: true, has_groups: true, rules: vec![7], ..Decision::default() },
            blocked_reply: None,
            removed_by: None,
            removed_exactly: false,
            former: Vec::new(),
            tracking: None,
            possible: Vec::new(),
        };
        views.see(connection, &judged, directory);
    }
    views.join(directory, &mut table);
    table.finish()
}

/// From a to b, ten minutes after the beginning, as both see it.
fn both() -> (Connection, Connection) {
    let at = START + 600;
    (
        seen(0, "10.0.0.1", "10.0.0.2", Direction::Outbound, at),
        seen(1, "10.0.0.2", "10.0.0.1", Direction::Inbound, at + 20),
    )
}

fn causes(sums: &EndsSums) -> Vec<(Cause, u32, u32, u16)> {
    sums.cells.keys().map(|key| (key.cause, key.source, key.target, key.port)).collect()
}

fn uncompared(sums: &EndsSums, why: Uncompared) -> u64 {
    sums.totals.uncompared[why as usize]
}

#[test]
fn what_both_say_agrees() {
    let (a, b) = both();
    let sums = compare(&directory(|_, _| ()), &[a, b]);
    assert_eq!((sums.totals.joined, sums.totals.agreeing, sums.cells.len()), (1, 1, 0));
    assert_eq!(sums.agreeing(&(0, 1, Protocol::TCP, 443)), Some(1));
    // Times are good to a minute at each end.
    let late = Connection { first: b.first + 100, last: b.last + 100, ..b };
    assert_eq!(compare(&directory(|_, _| ()), &[a, late]).totals.joined, 1);
}

#[test]
fn contradictions_are_told_with_their_cause() {
    let all = directory(|_, _| ());
    let (a, b) = both();
    let sums = compare(&all, &[unanswered(a), rejected(b)]);
    assert_eq!(causes(&sums), [(Cause::RejectedOnArrival, 0, 1, 443)]);
    let cell = sums.cells.values().next().unwrap();
    assert_eq!(cell.stopped_by().collect::<Vec<_>>(), [("network-acl-in", 1)]);
    assert_eq!((cell.rules.as_slice(), cell.connections), ([7].as_slice(), 1));
    assert_eq!(causes(&compare(&all, &[rejected(a), b])), [(Cause::NeverLeft, 0, 1, 443)]);
    assert_eq!(causes(&compare(&all, &[b])), [(Cause::NeverLeft, 0, 1, 443)]);
    assert_eq!(causes(&compare(&all, &[a])), [(Cause::NeverArrived, 0, 1, 443)]);
    let mut less = b;
    less.inward[0] = part(100, b.first);
    let sums = compare(&all, &[a, less]);
    assert_eq!(causes(&sums), [(Cause::SizeDisagrees, 0, 1, 443)]);
    let cell = sums.cells.values().next().unwrap();
    assert_eq!((cell.sent_packets, cell.arrived_packets), (18, 108));
    let mut about = b;
    about.inward[0] = part(14, b.first);
    assert_eq!(compare(&all, &[a, about]).totals.agreeing, 1);
}

#[test]
fn a_reject_that_stays_at_home_is_no_contradiction() {
    let (a, b) = both();
    for one in [rejected(a), rejected(b)] {
        let sums = compare(&directory(|_, _| ()), &[one]);
        assert_eq!((sums.totals.rejected_at_one_end, sums.cells.len()), (1, 0));
    }
    let sums = compare(&directory(|_, _| ()), &[rejected(a), rejected(b)]);
    assert_eq!(sums.totals.agreeing, 1);
}

#[test]
fn a_missing_view_counts_only_where_it_would_be_there() {
    let (a, b) = both();
    let why = |change: &dyn Fn(&mut Inventory, &mut Vec<InterfaceFacts>), one: Connection| {
        let sums = compare(&directory(|i, f| change(i, f)), &[one]);
        assert!(sums.cells.is_empty(), "{:?}", sums.cells);
        *Uncompared::ALL.iter().find(|why| uncompared(&sums, **why) == 1).unwrap()
    };
    let kind = |id: &'static str, kind: &'static str| {
        move |i: &mut Inventory, _: &mut Vec<InterfaceFacts>| {
            i.interfaces.get_mut(id).unwrap().kind = kind.into();
        }
    };
    // The other end's log lacks that time, one kind of traffic, or says itself that it lost some.
    assert_eq!(
        why(
            &|_, f| f[1].coverage.buckets =
                [0].iter().fold(Default::default(), |mut s: crate::connection::BucketSet, b| {
                    s.insert(*b);
                    s
                }),
            a
        ),
        Uncompared::NotCovered
    );
    assert_eq!(why(&|_, f| f[1].coverage.rejects = 0, a), Uncompared::NotCovered);
    assert_eq!(why(&|_, f| f[1].coverage.skipped.insert((START + 600) / 600), a), Uncompared::NotCovered);
    assert_eq!(why(&|_, f| f[1].coverage.first = Some(START + 590), a), Uncompared::NotCovered);
    assert_eq!(why(&kind("eni-b", "nat_gateway"), a), Uncompared::OtherPath);
    assert_eq!(why(&kind("eni-c", "network_load_balancer"), b), Uncompared::OtherPath);
    let vague = Connection { evidence: Evidence::ServicePort, ..b };
    assert_eq!(why(&|_, _| (), vague), Uncompared::OpenerUnknown);
    let double = |i: &mut Inventory, _: &mut Vec<InterfaceFacts>| {
        i.interfaces.get_mut("eni-c").unwrap().addresses = vec!["10.0.0.2".parse().unwrap()];
    };
    assert_eq!(why(&double, a), Uncompared::Ambiguous);
    // A balancer keeps what arrives, not what is sent to it.
    let sums = compare(&directory(kind("eni-c", "network_load_balancer")), &[a]);
    assert_eq!(causes(&sums), [(Cause::NeverArrived, 0, 1, 443)]);
}

#[test]
fn equal_addresses_of_other_networks_are_others() {
    let all = directory(|_, _| ());
    let (a, _) = both();
    let at = a.first;
    // e has the address of b, but in a VPC that a does not reach.
    let e = seen(4, "10.0.0.2", "10.0.0.1", Direction::Inbound, at);
    let sums = compare(&all, &[a, e]);
    assert_eq!(sums.totals.joined, 0, "{sums:?}");
    assert_eq!(causes(&sums), [(Cause::NeverArrived, 0, 1, 443)]);
    // Over peering.
    let (there, here) = (
        seen(0, "10.0.0.1", "10.1.0.4", Direction::Outbound, at),
        seen(3, "10.1.0.4", "10.0.0.1", Direction::Inbound, at),
    );
    assert_eq!(compare(&all, &[there, here]).totals.agreeing, 1);
    assert_eq!(causes(&compare(&all, &[there])), [(Cause::NeverArrived, 0, 3, 443)]);
    // An address that only one interface has: joined if both are there, but nothing is missed.
    let (there, here) = (
        seen(0, "10.0.0.1", "10.2.0.6", Direction::Outbound, at),
        seen(5, "10.2.0.6", "10.0.0.1", Direction::Inbound, at),
    );
    assert_eq!(compare(&all, &[there, here]).totals.agreeing, 1);
    assert_eq!(uncompared(&compare(&all, &[there]), Uncompared::OtherPath), 1);
    // What passes by with other addresses is nobody's view.
    let passing = seen(2, "10.0.0.9", "10.0.0.1", Direction::Inbound, at);
    assert_eq!(compare(&all, &[passing]).totals, Default::default());
}

#[test]
fn beyond_the_budget_whole_tuples_are_left_out_whatever_the_order() {
    let all = directory(|_, _| ());
    let (a, b) = both();
    let mut many = Vec::new();
    for n in 0..400_u16 {
        many.push(Connection { local_port: 1000 + n, ..a });
        if n % 4 > 0 {
            many.push(Connection { remote_port: 1000 + n, ..b });
        }
    }
    let first = compare_within(&all, &many, 100);
    assert!(uncompared(&first, Uncompared::TooMany) >= 600);
    let (kept, cell) = (first.totals.joined, first.cells.values().next().unwrap().connections);
    assert!(kept > 5 && cell > 0 && kept * 2 + cell + uncompared(&first, Uncompared::TooMany) == 700);
    many.reverse();
    assert_eq!(compare_within(&all, &many, 100), first);
    let odd_first: Vec<Connection> =
        many.iter().step_by(2).chain(many.iter().skip(1).step_by(2)).copied().collect();
    assert_eq!(compare_within(&all, &odd_first, 100), first);
}
