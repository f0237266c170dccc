//! The only way to make a finding.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Finding, Grade, Kind, Ports, Severity};
use crate::flow::Direction;
use crate::hash::fnv1a;

/// A finding without evidence, title or subject was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a {kind} finding of {detector} has no {missing}")]
pub struct IncompleteFinding {
    kind: Kind,
    detector: &'static str,
    missing: &'static str,
}

/// Collects the parts of a finding; [`FindingBuilder::build`] refuses one that lacks evidence.
#[derive(Clone, Debug)]
pub struct FindingBuilder {
    subject: Vec<String>,
    finding: Finding,
}

impl FindingBuilder {
    /// Starts a finding of a detector. `cause` is the kebab-case subclass.
    #[must_use]
    pub fn new(detector: &'static str, kind: Kind, cause: &str) -> Self {
        Self {
            subject: Vec::new(),
            finding: Finding {
                id: String::new(),
                detector,
                kind,
                cause: cause.to_owned(),
                severity: Severity::Informational,
                grade: Grade::Reliable,
                title: String::new(),
                summary: String::new(),
                account: None,
                region: None,
                vpc: None,
                interfaces: Vec::new(),
                instances: Vec::new(),
                security_group: None,
                rule_id: None,
                network_acl: None,
                direction: None,
                protocol: None,
                ports: Vec::new(),
                remotes: Vec::new(),
                start: None,
                end: None,
                counts: BTreeMap::new(),
                evidence: BTreeMap::new(),
                controls: Vec::new(),
                next: Vec::new(),
            },
        }
    }

    /// A part of what the finding is about. The id is a hash of detector, cause and these, so that it stays
    /// the same while counts grow from run to run.
    #[must_use]
    pub fn about(mut self, part: impl Into<String>) -> Self {
        self.subject.push(part.into());
        self
    }

    /// How much it matters and how far the logs carry it.
    #[must_use]
    pub fn rated(mut self, severity: Severity, grade: Grade) -> Self {
        self.finding.severity = severity;
        self.finding.grade = grade;
        self
    }

    /// One line without full stop, and a sentence or two with figures.
    #[must_use]
    pub fn told(mut self, title: impl Into<String>, summary: impl Into<String>) -> Self {
        self.finding.title = title.into();
        self.finding.summary = summary.into();
        self
    }

    /// Direction, protocol and service ports.
    #[must_use]
    pub fn service(
        mut self,
        direction: Option<Direction>,
        protocol: Option<String>,
        ports: Vec<Ports>,
    ) -> Self {
        self.finding.direction = direction;
        self.finding.protocol = protocol;
        self.finding.ports = ports;
        self
    }

    /// When, Unix seconds.
    #[must_use]
    pub fn during(mut self, start: Option<i64>, end: Option<i64>) -> Self {
        self.finding.start = start;
        self.finding.end = end;
        self
    }

    /// A number it rests on.
    #[must_use]
    pub fn count(mut self, name: &str, value: u64) -> Self {
        self.finding.counts.insert(name.to_owned(), value);
        self
    }

    /// A fact it rests on.
    #[must_use]
    pub fn evidence(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.finding.evidence.insert(name.to_owned(), value.into());
        self
    }

    /// A Security Hub control it breaks.
    #[must_use]
    pub fn control(mut self, control: &str) -> Self {
        self.finding.controls.push(control.to_owned());
        self
    }

    /// What to run or look at next.
    #[must_use]
    pub fn next(mut self, step: impl Into<String>) -> Self {
        self.finding.next.push(step.into());
        self
    }

    /// Sets the remaining, optional facts (places, remotes).
    #[must_use]
    pub fn with(mut self, set: impl FnOnce(&mut Finding)) -> Self {
        set(&mut self.finding);
        self
    }

    /// The finding.
    ///
    /// # Errors
    /// When it has no evidence, no title, no subject or no next step.
    pub fn build(mut self) -> Result<Finding, IncompleteFinding> {
        let missing = if self.finding.evidence.is_empty() {
            Some("evidence")
        } else if self.finding.title.is_empty() || self.finding.summary.is_empty() {
            Some("title or summary")
        } else if self.subject.is_empty() {
            Some("subject")
        } else if self.finding.next.is_empty() {
            Some("next step")
        } else {
            None
        };
        if let Some(missing) = missing {
            return Err(IncompleteFinding {
                kind: self.finding.kind,
                detector: self.finding.detector,
                missing,
            });
        }
        let mut parts = vec![self.finding.detector.to_owned(), self.finding.cause.clone()];
        parts.append(&mut self.subject);
        self.finding.id = format!("fgf-{:016x}", fnv1a(parts.join("\u{1f}").as_bytes()));
        Ok(self.finding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started() -> FindingBuilder {
        FindingBuilder::new("test", Kind::UnusedRule, "no-traffic").about("sgr-1").told("t", "s").next("look")
    }

    #[test]
    fn refuses_without_evidence() {
        assert!(started().build().is_err());
        assert!(started().evidence("window_seconds", 3600).build().is_ok());
    }

    #[test]
    fn id_depends_on_subject_not_on_counts() {
        let a = started().evidence("x", 1).count("connections", 1).build().unwrap();
        let b = started().evidence("x", 2).count("connections", 9).build().unwrap();
        let c = started().about("sgr-2").evidence("x", 1).build().unwrap();
        assert_eq!(a.id, b.id);
        assert_ne!(a.id, c.id);
    }
}
