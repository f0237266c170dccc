//! Rules that say what others of their group say: no log is needed to tell.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::Draft;
use crate::inventory::{Rule, RulePeer};
use crate::tighten::plan::Action;

/// Groups with more rules than AWS would ever allow are not compared rule by rule.
const MOST_RULES: usize = 2000;

/// True if `outer` permits whatever `inner` does.
fn contains(outer: &Rule, inner: &Rule) -> bool {
    let ports = |rule: &Rule| rule.ports.unwrap_or((0, u16::MAX));
    let ((low, high), (from, to)) = (ports(outer), ports(inner));
    let any = |icmp: Option<(i16, i16)>| icmp.is_none_or(|(kind, _)| kind < 0);
    let icmp = any(outer.icmp)
        || outer.icmp == inner.icmp
        || matches!((outer.icmp, inner.icmp), (Some((a, -1)), Some((b, _))) if a == b);
    let peers = match (&outer.peer, &inner.peer) {
        (RulePeer::Cidr(outer), RulePeer::Cidr(inner)) => outer.contains(inner),
        (RulePeer::Group { id: a, .. }, RulePeer::Group { id: b, .. }) => a == b,
        (RulePeer::PrefixList(a), RulePeer::PrefixList(b)) => a == b,
        _ => false,
    };
    (outer.protocol.is_none() || (outer.protocol == inner.protocol && icmp))
        && (outer.protocol.is_none() || (low <= from && to <= high))
        && peers
}

/// Which rules others of the same group and direction contain: by place, the place of a containing one that nothing
/// contains. `stays` are the rules that nothing else takes out.
pub(super) fn contained(rules: &[&Rule], stays: impl Fn(usize) -> bool) -> BTreeMap<usize, usize> {
    if rules.len() > MOST_RULES {
        return BTreeMap::new();
    }
    // Of equal ones the first stays.
    let within = |inner: usize, outer: usize| {
        inner != outer
            && contains(rules[outer], rules[inner])
            && (outer < inner || !contains(rules[inner], rules[outer]))
    };
    let all = || (0..rules.len()).filter(|at| stays(*at));
    let top: Vec<usize> = all().filter(|at| !all().any(|other| within(*at, other))).collect();
    let outer = |inner: usize| top.iter().copied().find(|outer| within(inner, *outer));
    (0..rules.len()).filter_map(|inner| Some((inner, outer(inner)?))).collect()
}

/// Rules that together say what one can say: neighbouring ports of one peer, neighbouring blocks of one service.
pub(super) fn neighbours<'a>(rules: &[&'a Rule]) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let mut taken: BTreeSet<&'a str> = BTreeSet::new();
    let mut by_peer: BTreeMap<_, Vec<&'a Rule>> = BTreeMap::new();
    for rule in rules.iter().filter(|rule| rule.ports.is_some()) {
        by_peer.entry((rule.protocol, peer_key(&rule.peer))).or_default().push(rule);
    }
    for mut together in by_peer.into_values() {
        together.sort_by_key(|rule| rule.ports);
        let mut run: Vec<&Rule> = Vec::new();
        let mut end = 0_u32;
        for rule in together {
            let Some((low, high)) = rule.ports else { continue };
            if !run.is_empty() && u32::from(low) > end + 1 {
                drafts.extend(join_ports(&std::mem::take(&mut run), &mut taken));
            }
            end = if run.is_empty() { u32::from(high) } else { end.max(u32::from(high)) };
            run.push(rule);
        }
        drafts.extend(join_ports(&run, &mut taken));
    }
    let mut by_service: BTreeMap<_, Vec<(&'a Rule, IpNet)>> = BTreeMap::new();
    for rule in rules.iter().filter(|rule| !taken.contains(rule.id.as_str())) {
        if let RulePeer::Cidr(net) = &rule.peer {
            by_service.entry((rule.protocol, rule.ports, rule.icmp)).or_default().push((rule, *net));
        }
    }
    for mut together in by_service.into_values() {
        together.sort_by_key(|(_, net)| *net);
        let mut blocks = IpNet::aggregate(&together.iter().map(|(_, net)| *net).collect::<Vec<_>>());
        blocks.sort_unstable();
        let mut rest = together.as_slice();
        for block in blocks {
            // Each lies in exactly one, in the same order.
            let (within, after) = rest.split_at(rest.partition_point(|(_, net)| block.contains(net)));
            rest = after;
            if within.len() > 1 {
                let within: Vec<&Rule> = within.iter().map(|(rule, _)| *rule).collect();
                drafts.push(joined(&within, |rule| rule.peer = RulePeer::Cidr(block)));
            }
        }
    }
    drafts
}

/// What makes peers the same; what is only known about a group is left out.
fn peer_key(peer: &RulePeer) -> String {
    match peer {
        RulePeer::Cidr(net) => net.to_string(),
        RulePeer::PrefixList(id) | RulePeer::Group { id, .. } => id.clone(),
    }
}

fn join_ports<'a>(run: &[&'a Rule], taken: &mut BTreeSet<&'a str>) -> Option<Draft> {
    if run.len() < 2 {
        return None;
    }
    taken.extend(run.iter().map(|rule| rule.id.as_str()));
    let low = run.iter().filter_map(|rule| rule.ports).map(|ports| ports.0).min()?;
    let high = run.iter().filter_map(|rule| rule.ports).map(|ports| ports.1).max()?;
    Some(joined(run, |rule| rule.ports = Some((low, high))))
}

fn joined(rules: &[&Rule], set: impl FnOnce(&mut Rule)) -> Draft {
    let mut remove: Vec<Rule> = rules.iter().map(|rule| (*rule).clone()).collect();
    remove.sort_by(|a, b| a.id.cmp(&b.id));
    let mut rule = remove[0].clone();
    set(&mut rule);
    rule.synthetic = true;
    rule.id = rule.synthetic_id();
    rule.description = Some(super::description(&remove[0].id));
    let why = format!("{} neighbouring rules of the group say what one can say", remove.len());
    Draft::new(Action::MergeDuplicates, remove, vec![rule], why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Direction, Protocol};

    fn rule(id: &str, protocol: Option<u8>, ports: Option<(u16, u16)>, peer: &str) -> Rule {
        Rule {
            id: id.into(),
            synthetic: false,
            group: "sg-1".into(),
            direction: Direction::Inbound,
            protocol: protocol.map(Protocol),
            ports,
            icmp: None,
            peer: RulePeer::Cidr(peer.parse().unwrap()),
            description: None,
        }
    }

    #[test]
    fn contained_rules_go_into_the_widest() {
        let rules = [
            rule("a", Some(6), Some((443, 443)), "10.0.0.0/16"),
            rule("b", Some(6), None, "10.0.0.0/8"),
            rule("c", None, None, "10.0.0.0/8"),
            rule("d", None, None, "10.0.0.0/8"),
            rule("e", Some(6), Some((443, 443)), "0.0.0.0/0"),
        ];
        let rules: Vec<&Rule> = rules.iter().collect();
        let found = contained(&rules, |_| true);
        assert_eq!(found, [(0, 2), (1, 2), (3, 2)].into());
        // The container goes: the next one does.
        let found = contained(&rules, |at| at != 2);
        assert_eq!(found, [(0, 3), (1, 3)].into());
        let found = contained(&rules, |at| at == 0);
        assert_eq!(found, BTreeMap::new());
    }

    #[test]
    fn a_type_of_icmp_contains_its_codes_only() {
        let with = |icmp| Rule { icmp, ..rule("a", Some(1), None, "10.0.0.0/8") };
        let echo = with(Some((8, 0)));
        assert!(contains(&with(Some((-1, -1))), &echo) && contains(&with(Some((8, -1))), &echo));
        assert!(!contains(&with(Some((3, -1))), &echo) && !contains(&echo, &with(Some((-1, -1)))));
    }

    #[test]
    fn neighbours_become_one() {
        let rules = [
            rule("a", Some(6), Some((80, 80)), "10.0.0.0/8"),
            rule("b", Some(6), Some((81, 90)), "10.0.0.0/8"),
            rule("c", Some(6), Some((92, 92)), "10.0.0.0/8"),
            rule("d", Some(17), Some((53, 53)), "10.1.0.0/17"),
            rule("e", Some(17), Some((53, 53)), "10.1.128.0/17"),
            rule("f", Some(17), Some((53, 53)), "10.3.0.0/17"),
        ];
        let drafts = neighbours(&rules.iter().collect::<Vec<_>>());
        let told: Vec<(Vec<&str>, String)> = drafts
            .iter()
            .map(|d| {
                (d.remove.iter().map(|r| &*r.id).collect(), format!("{:?}", (d.add[0].ports, &d.add[0].peer)))
            })
            .collect();
        assert_eq!(told[0], (vec!["a", "b"], "(Some((80, 90)), Cidr(10.0.0.0/8))".to_owned()));
        assert_eq!(told[1], (vec!["d", "e"], "(Some((53, 53)), Cidr(10.1.0.0/16))".to_owned()));
        assert_eq!(told.len(), 2);
    }
}
