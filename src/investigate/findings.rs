//! Findings of the last analysis that was kept, and which of them touch the subject.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::changes::overlap;
use super::model::{FindingNote, Findings};
use super::rows::Named;
use super::scan::small;
use super::subject::Subject;
use crate::store::{Store, StoreError, Table, Wanted};

const COLUMNS: [&str; 13] = [
    "id",
    "detector",
    "kind",
    "severity",
    "grade",
    "title",
    "interfaces",
    "instances",
    "security_group",
    "rule_id",
    "remotes",
    "start",
    "end",
];

/// Shorter ones name half of the world, not the subject.
const LENGTHS: [u8; 2] = [8, 16];

/// The words of severities, the worst first.
const SEVERITIES: [&str; 5] = ["critical", "high", "medium", "low", "informational"];

/// Those that touch the subject or one of its interfaces.
pub(super) fn touching(
    store: &Store,
    subject: &Subject,
    interfaces: &BTreeSet<String>,
    shown: usize,
) -> Result<Findings, StoreError> {
    let mut findings = Findings { kept: store.manifest().findings.is_some(), ..Findings::default() };
    let network = subject.network();
    small(store, Table::Findings, &COLUMNS, Wanted::default(), |batch| {
        let named = Named(batch);
        let words = ["id", "detector", "kind", "severity", "grade", "title"];
        let [id, detector, kind, severity, grade, title] = words.map(|name| named.texts(name));
        let texts = [id?, detector?, kind?, severity?, grade?, title?];
        let lists = [named.lists("interfaces")?, named.lists("instances")?, named.lists("remotes")?];
        let (group, rule) = (named.texts("security_group")?, named.texts("rule_id")?);
        let (start, end) = (named.times("start")?, named.times("end")?);
        for row in 0..batch.num_rows() {
            let holds = |list: usize, id: &str| lists[list].get(row).contains(&id);
            let direct = match subject {
                Subject::Address(_) | Subject::Network(_) => None,
                Subject::Interface(id) => holds(0, id).then(|| id.clone()),
                Subject::Instance(id) => holds(1, id).then(|| id.clone()),
                Subject::Group(id) => (group.get(row) == Some(id)).then(|| id.clone()),
                Subject::Rule(id) => (rule.get(row) == Some(id)).then(|| id.clone()),
            };
            let remote = || {
                let network = network?;
                let block = |text: &str| -> Option<IpNet> {
                    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
                };
                let names = |text: &&&str| {
                    block(text).is_some_and(|remote| {
                        remote.prefix_len() >= LENGTHS[usize::from(matches!(remote, IpNet::V6(_)))]
                            && overlap(&remote, &network)
                    })
                };
                lists[2].get(row).iter().find(names).map(|&text| text.to_owned())
            };
            let interface = || {
                let ids = lists[0].get(row);
                // A group's own findings name it; those of a member are the member's.
                let own = !matches!(subject, Subject::Group(_) | Subject::Rule(_));
                ids.into_iter().find(|id| own && interfaces.contains(*id)).map(str::to_owned)
            };
            let Some(names) = direct.or_else(remote).or_else(interface) else { continue };
            let text = |at: usize| texts[at].get(row).unwrap_or_default().to_owned();
            findings.list.push(FindingNote {
                id: text(0),
                detector: text(1),
                kind: text(2),
                severity: text(3),
                grade: text(4),
                title: text(5),
                start: start.get(row),
                end: end.get(row),
                names,
            });
        }
        Ok(())
    })?;
    let rank = |note: &FindingNote| SEVERITIES.iter().position(|word| *word == note.severity);
    findings.list.sort_by_cached_key(|note| {
        (rank(note).unwrap_or(SEVERITIES.len()), Reverse(note.end), note.id.clone())
    });
    findings.more = findings.list.len().saturating_sub(shown) as u64;
    findings.list.truncate(shown);
    Ok(findings)
}
