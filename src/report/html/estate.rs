//! Who is related to whom, and what has a page of its own.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::text::{anchor, search_for};
use crate::finding::{Conclusions, Finding, RuleRow};
use crate::tighten::{Change, Plan};

/// Most pages of groups, and rules on them all together.
const GROUPS: usize = 400;
const GROUP_RULES: usize = 2_500;
/// Most pages of interfaces.
const INTERFACES: usize = 600;
/// Findings with all of their evidence, and about how many bytes these take.
const FINDINGS: usize = 2_000;
const FINDING_BYTES: usize = 5_500_000;

/// A word with or without a place to go to.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Link {
    pub text: String,
    pub href: Option<String>,
}

impl Link {
    pub fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), href: None }
    }
}

/// Conclusions with everything looked up.
pub(super) struct Estate<'a> {
    pub conclusions: &'a Conclusions,
    pub plan: Option<&'a Plan>,
    /// Rules by group.
    pub rules: BTreeMap<&'a str, Vec<&'a RuleRow>>,
    pub findings_of_group: BTreeMap<&'a str, Vec<&'a Finding>>,
    pub findings_of_interface: BTreeMap<&'a str, Vec<&'a Finding>>,
    pub findings_of_rule: BTreeMap<&'a str, Vec<&'a Finding>>,
    pub changes: BTreeMap<&'a str, Vec<&'a Change>>,
    /// Interfaces by group.
    pub members: BTreeMap<&'a str, Vec<&'a str>>,
    rule_ids: BTreeSet<&'a str>,
    pub group_pages: BTreeSet<&'a str>,
    pub interface_pages: BTreeSet<&'a str>,
    /// How many findings, from the first, have a page.
    pub articles: usize,
    pub finding_pages: BTreeSet<&'a str>,
    /// Rules that the plan leaves as they are, and why.
    pub left: BTreeMap<&'a str, &'a str>,
}

impl<'a> Estate<'a> {
    pub fn new(conclusions: &'a Conclusions, plan: Option<&'a Plan>) -> Self {
        let articles = articles(&conclusions.findings);
        let left = plan.into_iter().flat_map(|plan| &plan.left);
        let mut estate = Self {
            conclusions,
            plan,
            rules: BTreeMap::new(),
            findings_of_group: BTreeMap::new(),
            findings_of_interface: BTreeMap::new(),
            findings_of_rule: BTreeMap::new(),
            changes: BTreeMap::new(),
            members: BTreeMap::new(),
            rule_ids: conclusions.rules.iter().map(|rule| rule.rule_id.as_str()).collect(),
            group_pages: BTreeSet::new(),
            interface_pages: BTreeSet::new(),
            articles,
            finding_pages: conclusions.findings.iter().take(articles).map(|f| f.id.as_str()).collect(),
            left: left.map(|(id, why)| (id.as_str(), why.as_str())).collect(),
        };
        for rule in &conclusions.rules {
            estate.rules.entry(&rule.security_group).or_default().push(rule);
        }
        for (group, rules) in &estate.rules {
            let interfaces = rules.first().into_iter().flat_map(|rule| rule.interfaces.iter());
            estate.members.insert(group, interfaces.map(String::as_str).collect());
        }
        for finding in &conclusions.findings {
            for interface in &finding.interfaces {
                estate.findings_of_interface.entry(interface).or_default().push(finding);
            }
            if let Some(group) = &finding.security_group {
                estate.findings_of_group.entry(group).or_default().push(finding);
            }
            if let Some(rule) = &finding.rule_id {
                estate.findings_of_rule.entry(rule).or_default().push(finding);
            }
        }
        for change in plan.into_iter().flat_map(|plan| &plan.changes) {
            estate.changes.entry(&change.group).or_default().push(change);
        }
        estate.choose_groups();
        estate.choose_interfaces();
        estate
    }

    /// Those with most to say.
    fn choose_groups(&mut self) {
        let weight = |group: &&str| {
            let findings = self.findings_of_group.get(group).map_or(0, Vec::len);
            let changes = self.changes.get(group).map_or(0, Vec::len);
            let connections: u64 =
                self.rules.get(group).into_iter().flatten().map(|rule| rule.connections).sum();
            (findings + changes, connections)
        };
        let mut groups: Vec<&str> = self.rules.keys().copied().collect();
        groups.sort_by_key(|group| std::cmp::Reverse(weight(group)));
        let mut rules = 0;
        for group in groups.into_iter().take(GROUPS) {
            let more = self.rules.get(group).map_or(0, Vec::len);
            if rules + more <= GROUP_RULES {
                rules += more;
                self.group_pages.insert(group);
            }
        }
    }

    fn choose_interfaces(&mut self) {
        let mut all: Vec<_> = self.conclusions.summary.coverage.iter().collect();
        let findings = |id: &str| self.findings_of_interface.get(id).map_or(0, Vec::len);
        all.sort_by_key(|c| std::cmp::Reverse((findings(&c.interface), !c.in_inventory, c.records)));
        self.interface_pages = all.into_iter().take(INTERFACES).map(|c| c.interface.as_str()).collect();
    }

    /// Name and id of a group, as far as known.
    pub fn group_name(&self, id: &str) -> String {
        match self.conclusions.picture.groups.get(id) {
            Some(note) if !note.name.is_empty() => note.name.clone(),
            _ => id.to_owned(),
        }
    }

    pub fn group(&self, id: &str) -> Link {
        let href = match (self.group_pages.contains(id), self.rules.contains_key(id)) {
            (true, _) => Some(format!("#group-{}", anchor(id))),
            (false, true) => Some(search_for("rules", id)),
            (false, false) => None,
        };
        Link { text: id.to_owned(), href }
    }

    pub fn interface(&self, id: &str) -> Link {
        let coverage = &self.conclusions.summary.coverage;
        let href = if self.interface_pages.contains(id) {
            Some(format!("#interface-{}", anchor(id)))
        } else {
            coverage
                .binary_search_by(|c| c.interface.as_str().cmp(id))
                .is_ok()
                .then(|| search_for("interfaces", id))
        };
        Link { text: id.to_owned(), href }
    }

    pub fn rule(&self, id: &str) -> Link {
        let known = self.rule_ids.contains(id);
        Link { text: id.to_owned(), href: known.then(|| format!("#rule-{}", anchor(id))) }
    }
}

fn articles(findings: &[Finding]) -> usize {
    let mut bytes = 0;
    let fits = |finding: &&Finding| {
        let evidence: usize =
            finding.evidence.iter().map(|(key, value)| key.len() + value.to_string().len()).sum();
        let next: usize = finding.next.iter().map(String::len).sum();
        let named = finding.interfaces.len().min(20)
            + finding.remotes.len().min(20)
            + finding.instances.len().min(20);
        bytes += 3_000 + 60 * named + 2 * (finding.title.len() + finding.summary.len() + evidence + next);
        bytes <= FINDING_BYTES
    };
    findings.iter().take(FINDINGS).take_while(fits).count()
}
