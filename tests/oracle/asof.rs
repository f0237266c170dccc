//! The configuration as of a time, the slow way: every combination of states that may have held is built as a whole
//! configuration and asked; then their answers are put together.
//!
//! The world is told to the engine as files of AWS Config and dumps, so that loading is checked, too.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

use flowgate::connection::{Connection, Evidence, Part, RejectReason};
use flowgate::flow::{Direction, Protocol};
use flowgate::inventory::{LoadOptions, load};
use flowgate::policy::{AclVerdict, Policy};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::asof_world::{
    ACLS, Event, GROUPS, INTERFACES, Kind, LAST_DUMP, LISTS, NETWORK, SUBNETS, Sets, Shown, World, group_id,
    interface_id, subnet_block, subnet_id, world,
};
use super::model::{AclEntry, Config, Group, Interface, Peer, PrefixList, Rule, Subnet};
use super::rules::{self, Opening};

/// What is known of one resource from some time on.
#[derive(Clone)]
struct Sighting<S> {
    time: i64,
    state: Option<S>,
    partial: bool,
    dump: bool,
    daily: bool,
}

impl<S: PartialEq> Sighting<S> {
    fn same(&self, other: &Self) -> bool {
        self.state == other.state && !self.partial && !other.partial
    }
}

/// A state that may have held: 0 is sure, 1 weak, 2 partial.
type Held<S> = (Option<S>, u8);

fn sightings<S: Clone + PartialEq>(events: &[Event<S>], dumps: &[(i64, Option<S>)]) -> Vec<Sighting<S>> {
    let mut list: Vec<Sighting<S>> = Vec::new();
    let mut known = None;
    for event in events {
        let (state, partial) = match &event.kind {
            Kind::Is(state) => {
                known = Some(state.clone());
                (known.clone(), false)
            }
            Kind::Deleted => {
                known = None;
                (None, false)
            }
            Kind::NotRecorded | Kind::Blank => (known.clone(), true),
        };
        list.push(Sighting { time: event.time, state, partial, dump: false, daily: event.daily });
    }
    for (time, state) in dumps {
        let before = events.iter().rposition(|event| event.time <= *time);
        let after = events.iter().any(|event| event.time > *time);
        let tells = match before {
            None => true,
            Some(i) if events[i].time == *time => false,
            Some(i) => !after || matches!(events[i].kind, Kind::NotRecorded | Kind::Blank),
        };
        if events.is_empty() || (tells && state.is_some()) {
            list.push(Sighting {
                time: *time,
                state: state.clone(),
                partial: false,
                dump: true,
                daily: false,
            });
        }
    }
    list.sort_by_key(|s| s.time);
    list
}

/// Every state that may have held at a time.
fn held<S: Clone + PartialEq>(list: &[Sighting<S>], at: i64) -> Vec<Held<S>> {
    let Some(first) = list.first() else { return vec![(None, 0)] };
    let mut held: Vec<Held<S>> = Vec::new();
    let mut begin = i64::MIN;
    for (i, sighting) in list.iter().enumerate() {
        // When the change to this state may have been made, and seen.
        begin = match i.checked_sub(1).map(|i| &list[i]) {
            None => i64::MIN,
            // An item that says the same again tells of no change.
            Some(last) if !sighting.dump && !last.dump && sighting.same(last) => begin,
            Some(last) if sighting.dump || last.dump || last.partial => last.time,
            Some(last) if sighting.daily => (sighting.time - 86_400).max(last.time) - 60,
            Some(_) => sighting.time - 300,
        };
        let end = list.get(i + 1).map_or(i64::MAX, |next| next.time.saturating_add(60));
        if at < begin || end < at {
            continue;
        }
        let trust = match () {
            () if i == 0 && at < first.time && !first.dump => 2,
            () if i == 0 && at < first.time && first.time != LAST_DUMP => 1,
            () => 2 * u8::from(sighting.partial),
        };
        match held.iter_mut().find(|(state, _)| *state == sighting.state) {
            Some((_, same)) => *same = (*same).max(trust),
            None => held.push((sighting.state.clone(), trust)),
        }
    }
    held
}

/// One choice for every resource: index of the state.
fn combinations(sizes: &[usize]) -> Vec<Vec<usize>> {
    let mut all = vec![vec![]];
    for &size in sizes {
        all = all.iter().flat_map(|c| (0..size).map(move |i| [c.as_slice(), &[i]].concat())).collect();
    }
    all
}

/// What all the combinations say.
#[derive(Debug, Default)]
struct Answer {
    known: bool,
    unknown: bool,
    has_groups: bool,
    certain: Option<BTreeSet<String>>,
    possible: BTreeSet<String>,
    empty: bool,
    unresolved: bool,
    weak: bool,
    acl_open: BTreeSet<bool>,
    acl_reply: BTreeSet<bool>,
}

struct Ask {
    at: i64,
    inbound: bool,
    remote: IpAddr,
    port: u16,
}

/// The naive answer, or nothing where there are too many combinations.
fn answer(world: &World, ask: &Ask) -> Option<Answer> {
    let at = ask.at;
    let dumps = |pick: &dyn Fn(&Sets) -> Option<usize>| -> Vec<(i64, Option<usize>)> {
        world.dumps.iter().map(|d| (d.time, pick(&d.sets))).collect()
    };
    let list = |i: usize| held(&sightings(&world.lists[i], &dumps(&|s| s.lists[i])), at);
    let group = |i: usize| held(&sightings(&world.groups[i], &dumps(&|s| s.groups[i])), at);
    let acl = |i: usize| held(&sightings(&world.acls[i], &dumps(&|s| s.acls[i])), at);
    let interface = |i: usize| {
        let mut states = held(&sightings(&world.interfaces[i], &dumps(&|s| s.interfaces[i])), at);
        // An interface of which only another time is known may or may not have been a member.
        if states.iter().any(|(_, trust)| *trust == 2) && !states.iter().any(|(s, _)| s.is_none()) {
            states.push((None, 2));
        }
        states
    };
    let mut states: Vec<Vec<Held<usize>>> = Vec::new();
    states.extend((0..INTERFACES).map(interface));
    states.extend((0..GROUPS).map(group));
    states.extend((0..ACLS).map(acl));
    states.extend((0..LISTS).map(list));
    let sizes: Vec<usize> = states.iter().map(Vec::len).collect();
    if sizes.iter().product::<usize>() > 1500 {
        return None;
    }
    let mut answer = Answer { has_groups: true, ..Answer::default() };
    for choice in combinations(&sizes) {
        let picked: Vec<Held<usize>> = choice.iter().zip(&states).map(|(&i, s)| s[i]).collect();
        take(world, ask, &picked, &mut answer);
    }
    Some(answer)
}

/// Builds one whole configuration, asks it, and takes its answer in.
fn take(world: &World, ask: &Ask, picked: &[Held<usize>], answer: &mut Answer) {
    let (interfaces, rest) = picked.split_at(INTERFACES);
    let (groups, rest) = rest.split_at(GROUPS);
    let (acls, lists) = rest.split_at(ACLS);
    let config = build(world, interfaces, groups, acls, lists);
    let Some(mine) = interfaces[0].0 else {
        answer.unknown = true;
        return;
    };
    let opening = Opening {
        interface: 0,
        inbound: ask.inbound,
        remote: ask.remote,
        protocol: 6,
        local_port: if ask.inbound { ask.port } else { 40_000 },
        remote_port: if ask.inbound { 40_000 } else { ask.port },
    };
    let said = rules::decide(&config, opening);
    answer.known = true;
    let shown: &Shown = &world.shown[mine];
    answer.has_groups &= !shown.groups.is_empty();
    let mut partial = interfaces[0].1 == 2;
    answer.weak |= interfaces[0].1 > 0;
    for &g in &shown.groups {
        let needs = lists_of(world, g);
        for (_, trust) in [groups[g]].into_iter().chain(needs.into_iter().map(|l| lists[l])) {
            answer.weak |= trust > 0;
            partial |= trust == 2;
        }
    }
    if let Some(last) = acl_of(world, acls, shown.subnet) {
        answer.weak |= acls[last].1 > 0;
        answer.acl_open.insert(said.acl_denies_opening);
        answer.acl_reply.insert(said.acl_denies_reply);
    }
    answer.empty |= said.rules.is_empty();
    answer.unresolved |= said.rules.is_empty() && (said.unresolved || partial);
    answer.possible.extend(said.rules.iter().cloned());
    answer.certain = Some(match answer.certain.take() {
        None => said.rules,
        Some(known) => known.intersection(&said.rules).cloned().collect(),
    });
}

/// The prefix lists that any known version of a group uses: one that is not known makes all of them doubtful.
fn lists_of(world: &World, group: usize) -> Vec<usize> {
    let dumps: Vec<_> = world.dumps.iter().map(|d| (d.time, d.sets.groups[group])).collect();
    let states = sightings(&world.groups[group], &dumps).into_iter().filter_map(|s| s.state);
    let uses = states.into_iter().any(|s| world.group_states[s].iter().any(|r| r.peer == 2));
    if uses { vec![0] } else { vec![] }
}

/// Of several network ACLs that claim a subnet, the last one counts.
fn acl_of(world: &World, acls: &[Held<usize>], subnet: usize) -> Option<usize> {
    (0..ACLS)
        .rev()
        .find(|&i| acls[i].0.is_some_and(|state| world.acl_states[state].subnets.contains(&subnet)))
}

fn build(
    world: &World,
    interfaces: &[Held<usize>],
    groups: &[Held<usize>],
    acls: &[Held<usize>],
    lists: &[Held<usize>],
) -> Config {
    let networks = vec![NETWORK.parse().unwrap()];
    let mut config = Config { interfaces: vec![], subnets: vec![], groups: vec![], lists: vec![], networks };
    for (i, (state, _)) in interfaces.iter().enumerate() {
        let shown = state.map(|s| &world.shown[s]);
        config.interfaces.push(Interface {
            id: interface_id(i),
            listed: shown.is_some(),
            addresses: shown.map(|s| s.addresses.clone()).unwrap_or_default(),
            groups: shown.map(|s| s.groups.iter().map(|&g| group_id(g)).collect()).unwrap_or_default(),
            subnet: shown.map_or(0, |s| s.subnet),
            timeouts: [None; 3],
        });
    }
    // Groups that were ever told of exist, so that a reference to one without members matches nothing.
    config.interfaces.push(Interface {
        id: "nobody".into(),
        listed: true,
        addresses: vec![],
        groups: world.known_groups().into_iter().map(group_id).collect(),
        subnet: 0,
        timeouts: [None; 3],
    });
    for s in 0..SUBNETS {
        let entries = acl_of(world, acls, s).map(|i| world.acl_states[acls[i].0.unwrap()].entries.clone());
        let acl = entries.map(|entries| entries.into_iter().map(AclEntry::from).collect());
        config.subnets.push(Subnet { id: subnet_id(s), cidrs: vec![subnet_block(s).parse().unwrap()], acl });
    }
    for (g, (state, _)) in groups.iter().enumerate() {
        let Some(state) = state else { continue };
        let rules = world.group_states[*state].iter().map(|rule| Rule {
            id: rule.key(g),
            egress: rule.egress,
            protocol: Some(6),
            ports: rule.ports,
            peer: match rule.peer {
                0 => Peer::Cidr("10.0.1.0/24".parse().unwrap()),
                1 => Peer::Cidr("0.0.0.0/0".parse().unwrap()),
                2 => Peer::List("pl-00000000".into()),
                n => Peer::Group(group_id(n - 3)),
            },
        });
        config.groups.push(Group { id: group_id(g), rules: rules.collect() });
    }
    for (l, (state, _)) in lists.iter().enumerate() {
        let entries = state.map(|s| world.list_states[s].clone());
        config.lists.push(PrefixList { id: format!("pl-{l:08}"), entries });
    }
    config
}

/// IPv4 mapped into IPv6.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(a) => u128::from(a.to_ipv6_mapped()),
        IpAddr::V6(a) => u128::from(a),
    }
}

fn connection(ask: &Ask) -> Connection {
    let part = Part { records: 1, packets: 1, bytes: 60, syn: true, ..Part::default() };
    Connection {
        interface: 0,
        local: bits("10.0.0.5".parse().unwrap()),
        remote: bits(ask.remote),
        local_port: if ask.inbound { ask.port } else { 40_000 },
        remote_port: if ask.inbound { 40_000 } else { ask.port },
        protocol: Protocol::TCP,
        opener: Some(if ask.inbound { Direction::Inbound } else { Direction::Outbound }),
        evidence: Evidence::TcpFlags,
        local_known: true,
        first: ask.at as u32,
        last: ask.at as u32,
        inward: [part, Part::default()],
        outward: [part, Part::default()],
        late: Part::default(),
        reason: RejectReason::None,
    }
}

/// Times of interest: around every event and dump.
fn times(world: &World, picks: &[(usize, usize, i64)]) -> Vec<i64> {
    const OFFSETS: [i64; 16] =
        [-86_461, -86_460, -86_400, -3_000, -301, -300, -299, -61, -60, -1, 0, 1, 59, 60, 61, 500];
    let moments = world.moments();
    let pick = |&(moment, offset, shift): &(usize, usize, i64)| {
        let base = moments[moment % moments.len()];
        if shift == 0 { base + OFFSETS[offset % OFFSETS.len()] } else { base + shift }
    };
    picks.iter().map(pick).collect()
}

/// True if the history has a say in the traffic of the judged interface. Otherwise pairs of dumps are judged as wholes,
/// as if there was no history: see below.
fn concerned(world: &World) -> bool {
    let dumped = world.dumps.iter().filter_map(|d| d.sets.interfaces[0]);
    let mut groups = dumped.flat_map(|s| &world.shown[s].groups);
    !world.interfaces[0].is_empty() || groups.any(|&g| !world.groups[g].is_empty())
}

fn check(world: &World, root: &Path, picks: &[(usize, usize, i64)]) -> Result<usize, TestCaseError> {
    if !concerned(world) {
        return Ok(0);
    }
    super::asof_world::write(world, root);
    let loaded = load(&[root.to_owned()], &LoadOptions::default()).unwrap();
    let policy = Policy::new(&loaded.timeline, &[interface_id(0)]);
    // A rule keeps one identity, whoever told of it.
    let mut ids: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let key = |rule: &flowgate::inventory::Rule| {
        format!(
            "{}|{}|{}|{}",
            rule.group,
            rule.direction.as_str(),
            rule.port_text(),
            rule.peer_text(Some("111122223333"))
        )
    };
    for rule in policy.rules() {
        ids.entry(key(rule)).or_default().insert(&rule.id);
    }
    prop_assert!(ids.values().all(|known| known.len() == 1), "{:?}", ids);
    let mut checked = 0;
    for at in times(world, picks) {
        for (remote, port, inbound) in [
            ("10.0.1.7", 22, true),
            ("10.0.2.7", 22, true),
            ("10.0.3.9", 443, true),
            ("10.0.1.7", 443, false),
            ("203.0.113.9", 22, false),
        ] {
            let ask = Ask { at, inbound, remote: remote.parse().unwrap(), port };
            let Some(answer) = answer(world, &ask) else { continue };
            checked += 1;
            let direction = if inbound { Direction::Inbound } else { Direction::Outbound };
            let told = policy.decide(&connection(&ask), direction);
            let context = || {
                format!(
                    "{remote} {port} {direction:?} at {at}\n{told:?}\n{answer:?}\n{:?}",
                    (
                        &world.interfaces,
                        &world.groups,
                        &world.acls,
                        &world.lists,
                        &world.dumps,
                        &world.shown,
                        &world.group_states,
                        &world.acl_states,
                        &world.list_states
                    )
                )
            };
            prop_assert_eq!(told.known, answer.known, "{}", context());
            if !answer.known {
                continue;
            }
            let certain = answer.certain.clone().unwrap();
            let rules = if certain.is_empty() { &answer.possible } else { &certain };
            let named: BTreeSet<String> = told.rules.iter().map(|&n| key(policy.rule(n).unwrap())).collect();
            prop_assert_eq!(&named, rules, "{}", context());
            prop_assert_eq!(told.has_groups, answer.has_groups, "{}", context());
            // The engine looks at groups one by one: where different rules permit in every combination, it may say
            // weak (or unresolved) although every one of them permits. It must never be more certain.
            let vague = certain.is_empty() && !answer.possible.is_empty();
            let weak = answer.weak || answer.unknown || (answer.empty && !answer.possible.is_empty());
            prop_assert!(told.weak == weak || (told.weak && vague), "weak: {}", context());
            let unresolved = answer.unresolved;
            prop_assert!(
                told.unresolved == unresolved || (told.unresolved && vague),
                "unresolved: {}",
                context()
            );
            for (told, said) in [(told.acl_open, &answer.acl_open), (told.acl_reply, &answer.acl_reply)] {
                let denies = said.len() == 1 && said.contains(&true);
                prop_assert_eq!(told.is_some_and(AclVerdict::denies), denies, "{}", context());
            }
        }
    }
    Ok(checked)
}

fn picks() -> impl Strategy<Value = Vec<(usize, usize, i64)>> {
    let shift = prop_oneof![3 => Just(0_i64), 1 => -4_000..4_000_i64];
    prop::collection::vec((any::<usize>(), any::<usize>(), shift), 1..24)
}

proptest! {
    #![proptest_config(super::settings(super::cases()))]

    /// What the engine decides as of a time is what all the configurations together say that may have held then.
    #[test]
    fn decisions_agree_with_whole_configurations(world in world(), picks in picks()) {
        let root = tempfile::tempdir().unwrap();
        check(&world, root.path(), &picks)?;
    }
}

/// What a generated case has to reach: an agreement about what never happens would be worth nothing.
#[test]
fn worlds_reach_every_answer() {
    let mut runner = TestRunner::deterministic();
    let strategy = (world(), picks());
    let mut met: BTreeMap<&str, usize> = BTreeMap::new();
    for _ in 0..400 {
        let (world, picks) = strategy.new_tree(&mut runner).unwrap().current();
        for at in times(&world, &picks) {
            let ask = Ask { at, inbound: true, remote: "10.0.1.7".parse().unwrap(), port: 22 };
            let Some(answer) = answer(&world, &ask) else { continue };
            let certain = answer.certain.clone().unwrap_or_default();
            let sure = answer.known && !answer.unknown && !answer.weak;
            for (word, is) in [
                ("unknown", !answer.known),
                ("known or not", answer.known && answer.unknown),
                ("surely permitted", sure && !certain.is_empty()),
                (
                    "surely refused",
                    sure && answer.has_groups && !answer.unresolved && answer.possible.is_empty(),
                ),
                ("perhaps permitted", certain.is_empty() && !answer.possible.is_empty()),
                ("only some rules are sure", !certain.is_empty() && certain.len() < answer.possible.len()),
                ("several rules", certain.len() > 1),
                ("by membership", answer.possible.iter().any(|rule| rule.contains("|sg-"))),
                ("by membership for sure", certain.iter().any(|rule| rule.contains("|sg-"))),
                ("by list", answer.possible.iter().any(|rule| rule.contains("|pl-"))),
                ("unresolved", answer.unresolved),
                ("weak", answer.weak),
                ("without groups", answer.known && !answer.has_groups),
                ("denied by ACL", answer.acl_open.len() == 1 && answer.acl_open.contains(&true)),
                ("perhaps denied by ACL", answer.acl_open.len() == 2),
            ] {
                *met.entry(word).or_default() += usize::from(is);
            }
        }
    }
    println!("{met:#?}");
    assert!(met.values().all(|n| *n >= 20), "{met:#?}");
}

/// A decision in words that do not depend on how rules are numbered.
fn words(
    policy: &Policy,
    ask: &Ask,
) -> (bool, bool, BTreeSet<String>, bool, bool, Option<bool>, Option<bool>) {
    let direction = if ask.inbound { Direction::Inbound } else { Direction::Outbound };
    let told = policy.decide(&connection(ask), direction);
    let rules = told.rules.iter().map(|&n| policy.rule(n).unwrap().id.clone()).collect();
    let denies = |v: Option<AclVerdict>| v.map(AclVerdict::denies);
    let (open, reply) = (denies(told.acl_open), denies(told.acl_reply));
    (told.known, told.has_groups, rules, told.weak, told.unresolved, open, reply)
}

proptest! {
    #![proptest_config(super::settings(super::cases()))]

    /// Resources that only dumps describe are judged as if there was no history beside them: an item about a group
    /// that nothing uses changes nothing.
    #[test]
    fn dumps_mean_the_same_beside_a_history((mut world, picks) in (world(), picks())) {
        for events in [&mut world.interfaces, &mut world.groups, &mut world.acls, &mut world.lists] {
            events.iter_mut().for_each(Vec::clear);
        }
        prop_assume!(!world.dumps.is_empty());
        let root = tempfile::tempdir().unwrap();
        super::asof_world::write(&world, root.path());
        let of = |root: &Path| {
            let loaded = load(&[root.to_owned()], &LoadOptions::default()).unwrap();
            (loaded.timeline.history().is_empty(), Policy::new(&loaded.timeline, &[interface_id(0)]))
        };
        let (none, alone) = of(root.path());
        prop_assert!(none);
        let other = json!({"configurationItems": [{"resourceType": "AWS::EC2::SecurityGroup",
            "resourceId": "sg-9", "configurationItemCaptureTime": "2023-11-14T22:13:20Z",
            "configuration": {"groupId": "sg-9", "ipPermissions": []}}]});
        std::fs::write(root.path().join("other.json"), other.to_string()).unwrap();
        let (none, beside) = of(root.path());
        prop_assert!(!none);
        for at in times(&world, &picks) {
            for (remote, port, inbound) in
                [("10.0.1.7", 22, true), ("10.0.3.9", 443, true), ("203.0.113.9", 22, false)]
            {
                let ask = Ask { at, inbound, remote: remote.parse().unwrap(), port };
                let (a, b) = (words(&alone, &ask), words(&beside, &ask));
                prop_assert_eq!(&a, &b, "{} {} {}\n{:?}", remote, port, at, world.dumps);
            }
        }
    }
}

#[test]
fn an_undated_dump_beside_a_history_is_the_last_word() {
    // The history ends with the rule; the dump, made now, lacks it: after the last item it may have gone.
    let root = tempfile::tempdir().unwrap();
    let item = |time: &str, permissions: Value| {
        json!({"configurationItems": [{
            "resourceType": "AWS::EC2::SecurityGroup", "resourceId": "sg-1", "configurationItemStatus": "OK",
            "configurationItemCaptureTime": time,
            "configuration": {"groupId": "sg-1", "ipPermissions": permissions}}]})
    };
    let ssh = json!([{"ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "ipRanges": ["0.0.0.0/0"]}]);
    std::fs::write(root.path().join("a.json"), item("2023-11-14T00:00:00Z", ssh).to_string()).unwrap();
    let dump = json!({
        "SecurityGroups": [{"GroupId": "sg-1", "IpPermissions": []}],
        "NetworkInterfaces": [{"NetworkInterfaceId": "eni-1", "PrivateIpAddress": "10.0.0.5",
            "Groups": [{"GroupId": "sg-1"}]}]});
    std::fs::write(root.path().join("now.json"), dump.to_string()).unwrap();
    let loaded = load(&[root.path().to_owned()], &LoadOptions::default()).unwrap();
    assert_eq!(loaded.timeline.latest().unwrap().security_groups["sg-1"].rules, []);
    let policy = Policy::new(&loaded.timeline, &["eni-1".to_owned()]);
    let ask = |at| Ask { at, inbound: true, remote: "192.0.2.1".parse().unwrap(), port: 22 };
    let after = policy.decide(&connection(&ask(1_700_000_000)), Direction::Inbound);
    assert!(after.permits() && after.weak);
    let before = policy.decide(&connection(&ask(1_600_000_000)), Direction::Inbound);
    assert!(before.permits() && before.weak, "what was before the first item is not known");
}
