//! What changed in the configuration that concerns the subject.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::configured::{Configuration, InterfaceState, RuleState, UNDATED};
use crate::store::Period;

/// A change of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// Made at the latest then, Unix seconds.
    pub to: i64,
    /// Made after then; `None` if nothing tells.
    pub from: Option<i64>,
    /// What changed: an id of a group or an interface.
    pub resource: String,
    /// The rule, if it is one that changed.
    pub rule: Option<String>,
    /// What became of it.
    pub what: String,
}

/// Whose changes are told.
#[derive(Clone, Debug, Default)]
pub(super) struct Concerned {
    /// Interfaces, by id.
    pub interfaces: BTreeSet<String>,
    /// Groups: their rules.
    pub groups: BTreeSet<String>,
    /// Groups of those that it talks to: rules that name its addresses.
    pub groups_of_peers: BTreeSet<String>,
    /// Rules.
    pub rules: BTreeSet<String>,
    /// Its addresses.
    pub network: Option<IpNet>,
}

impl Concerned {
    fn rule(&self, state: &RuleState) -> bool {
        let names = || {
            let peer = state.peer.parse::<IpNet>().ok();
            // A rule for everybody names nobody.
            peer.zip(self.network).is_some_and(|(peer, own)| peer.prefix_len() > 0 && overlap(&peer, &own))
        };
        self.rules.contains(&state.id)
            || self.groups.contains(&state.group)
            || (self.groups_of_peers.contains(&state.group) && names())
    }
}

pub(super) fn overlap(a: &IpNet, b: &IpNet) -> bool {
    let holds = |net: &IpNet, address: IpAddr| net.contains(&address);
    holds(a, b.network()) || holds(b, a.network())
}

/// All changes of what is concerned, in the order of time.
pub(super) fn changes(configuration: &Configuration, concerned: &Concerned) -> Vec<Change> {
    let mut all = BTreeSet::new();
    let rules: Vec<&RuleState> = configuration.rules_that(|state| concerned.rule(state)).collect();
    for same in rules.chunk_by(|a, b| a.id == b.id) {
        story(
            same,
            |rule| rule.period,
            |before, after| {
                let of = |rule: &RuleState| (rule.group.clone(), Some(rule.id.clone()));
                match (before, after) {
                    (None, Some(new)) => Some((of(new), format!("rule added: {}", terms(new)))),
                    (Some(old), None) => Some((of(old), format!("rule removed: {}", terms(old)))),
                    (Some(old), Some(new)) => {
                        let (was, is) = (terms(old), terms(new));
                        let what = if was == is {
                            (old.description != new.description).then(|| "rule described anew".to_owned())?
                        } else {
                            format!("rule changed: {is}; before: {was}")
                        };
                        Some((of(new), what))
                    }
                    (None, None) => None,
                }
            },
            &mut all,
        );
    }
    let ours = |state: &InterfaceState| concerned.interfaces.contains(&state.id);
    let interfaces: Vec<&InterfaceState> = configuration.interfaces_that(ours).collect();
    for same in interfaces.chunk_by(|a, b| a.id == b.id) {
        story(
            same,
            |interface| interface.period,
            |before, after| match (before, after) {
                (None, Some(new)) => Some(((new.id.clone(), None), appeared(new))),
                (Some(old), None) => Some(((old.id.clone(), None), "interface gone".to_owned())),
                (Some(old), Some(new)) => Some(((new.id.clone(), None), difference(old, new)?)),
                (None, None) => None,
            },
            &mut all,
        );
    }
    all.into_iter().collect()
}

/// A resource, and the rule of it.
type What = (String, Option<String>);

/// Tells of the begin and the end of each stretch; where one ends as the next begins, that is one change.
fn story<T>(
    stretches: &[&T],
    period: impl Fn(&T) -> Period,
    tell: impl Fn(Option<&T>, Option<&T>) -> Option<(What, String)>,
    all: &mut BTreeSet<Change>,
) {
    let mut note = |from: Option<i64>, to: i64, told: Option<(What, String)>| {
        if let Some(((resource, rule), what)) = told {
            all.insert(Change { to, from, resource, rule, what });
        }
    };
    let begin = |period: &Period| period.seen_from.unwrap_or(UNDATED);
    for (at, &stretch) in stretches.iter().enumerate() {
        let this = period(stretch);
        let before = at.checked_sub(1).map(|at| stretches[at]);
        // It follows on the one before if that ended in the same stretch of time.
        let follows =
            before.filter(|&before| period(before).gone_by.is_some_and(|gone| gone >= begin(&this)));
        if let Some(after) = this.appeared_after {
            note(Some(after), begin(&this), tell(follows, Some(stretch)));
        }
        let next = stretches.get(at + 1).map(|&next| period(next));
        let goes_on = next.is_some_and(|next| {
            next.appeared_after.is_some() && this.gone_by.is_some_and(|gone| gone >= begin(&next))
        });
        if let (Some(by), false) = (this.gone_by, goes_on) {
            note(this.seen_to, by, tell(Some(stretch), None));
        }
    }
}

/// `inbound tcp 443 from 10.0.0.0/8`.
#[must_use]
pub fn terms(rule: &RuleState) -> String {
    let way = if rule.direction == "outbound" { "to" } else { "from" };
    let ports = if rule.port_range == "all" && rule.protocol == "all" {
        String::new()
    } else {
        format!(" {}", rule.port_range)
    };
    format!("{} {}{ports} {way} {}", rule.direction, rule.protocol, rule.peer)
}

fn appeared(new: &InterfaceState) -> String {
    if new.groups.is_empty() {
        "interface appeared".to_owned()
    } else {
        format!("interface appeared, in {}", new.groups.join(", "))
    }
}

fn difference(old: &InterfaceState, new: &InterfaceState) -> Option<String> {
    let mut parts = Vec::new();
    for (name, was, is) in [
        ("group", &old.groups, &new.groups),
        ("address", &old.addresses, &new.addresses),
        ("public address", &old.public_addresses, &new.public_addresses),
    ] {
        let gone =
            was.iter().filter(|item| !is.contains(item)).map(|item| format!("{name} {item} taken away"));
        let come = is.iter().filter(|item| !was.contains(item)).map(|item| format!("{name} {item} added"));
        parts.extend(gone.chain(come));
    }
    match (&old.instance, &new.instance) {
        (was, is) if was == is => {}
        (_, Some(is)) => parts.push(format!("attached to {is}")),
        (Some(was), None) => parts.push(format!("detached from {was}")),
        (None, None) => {}
    }
    if parts.is_empty() && (&old.name, &old.description) != (&new.name, &new.description) {
        parts.push("named or described anew".to_owned());
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(ports: &str, period: [Option<i64>; 4]) -> RuleState {
        let [appeared_after, seen_from, seen_to, gone_by] = period;
        RuleState {
            id: "sgr-1".into(),
            period: Period { appeared_after, seen_from, seen_to, gone_by },
            group: "sg-1".into(),
            direction: "inbound".into(),
            protocol: "tcp".into(),
            port_range: ports.into(),
            peer: "10.0.0.0/8".into(),
            ..RuleState::default()
        }
    }

    fn told(rules: Vec<RuleState>) -> Vec<(Option<i64>, i64, String)> {
        let configuration = Configuration { rules: Some(rules), ..Configuration::default() }.sorted();
        let concerned = Concerned { groups: ["sg-1".to_owned()].into(), ..Concerned::default() };
        let all = changes(&configuration, &concerned);
        all.into_iter().map(|change| (change.from, change.to, change.what)).collect()
    }

    #[test]
    fn what_always_was_and_still_is_is_no_change() {
        assert!(told(vec![rule("22", [None, Some(10), Some(90), None])]).is_empty());
    }

    #[test]
    fn a_rule_comes_changes_and_goes() {
        let all = told(vec![
            rule("22", [Some(10), Some(20), Some(30), Some(40)]),
            rule("22-23", [Some(30), Some(40), Some(50), Some(60)]),
            rule("22", [Some(70), Some(80), Some(90), None]),
        ]);
        let expected = [
            (Some(10), 20, "rule added: inbound tcp 22 from 10.0.0.0/8"),
            (
                Some(30),
                40,
                "rule changed: inbound tcp 22-23 from 10.0.0.0/8; before: inbound tcp 22 from 10.0.0.0/8",
            ),
            (Some(50), 60, "rule removed: inbound tcp 22-23 from 10.0.0.0/8"),
            (Some(70), 80, "rule added: inbound tcp 22 from 10.0.0.0/8"),
        ];
        assert_eq!(all, expected.map(|(from, to, what)| (from, to, what.to_owned())));
    }

    #[test]
    fn networks_overlap_if_one_holds_the_other() {
        let net = |text: &str| text.parse::<IpNet>().unwrap();
        assert!(overlap(&net("10.0.0.0/8"), &net("10.1.2.3/32")));
        assert!(overlap(&net("10.1.2.3/32"), &net("10.0.0.0/8")));
        assert!(!overlap(&net("10.0.0.0/9"), &net("10.128.0.0/9")));
        assert!(!overlap(&net("0.0.0.0/0"), &net("::/0")));
    }
}
