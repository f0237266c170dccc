//! Table `findings`: what the last analysis that was kept concluded.

use arrow::array::ArrayRef;
use serde::{Deserialize, Serialize};

use super::columns::{text, texts, time};
use super::open::StoreWriter;
use super::{Manifest, StoreError, Table};

/// What the findings that are kept rest on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeptFindings {
    /// The commit that they came with.
    pub generation: u64,
    /// Only records from this time on were analyzed, Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<i64>,
    /// Only records before this time were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<i64>,
    /// The inventory, as it was named.
    pub inventories: Vec<String>,
    /// The detectors, if not all were run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub detectors: Vec<String>,
    /// Something that was not read could have changed the conclusions.
    pub incomplete: bool,
}

/// A finding. Fields are the columns of [`Table::Findings`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "see `Table::columns`")]
pub struct FindingRow {
    pub id: String,
    pub detector: &'static str,
    pub kind: &'static str,
    pub cause: String,
    pub severity: &'static str,
    pub grade: &'static str,
    pub title: String,
    pub summary: String,
    pub account: Option<String>,
    pub region: Option<String>,
    pub vpc: Option<String>,
    pub interfaces: Vec<String>,
    pub instances: Vec<String>,
    pub security_group: Option<String>,
    pub rule_id: Option<String>,
    pub network_acl: Option<String>,
    pub direction: Option<&'static str>,
    pub protocol: Option<String>,
    pub ports: Vec<String>,
    pub remotes: Vec<String>,
    pub start: Option<i64>,
    pub end: Option<i64>,
    pub counts: String,
    pub evidence: String,
    pub controls: Vec<String>,
    pub next: Vec<String>,
}

/// In the order of [`Table::columns`].
fn columns(rows: &[FindingRow]) -> Vec<ArrayRef> {
    type Row = FindingRow;
    let given = |f: &dyn Fn(&Row) -> &str| text(rows.iter().map(|row| Some(f(row))));
    let maybe = |f: &dyn Fn(&Row) -> &Option<String>| text(rows.iter().map(|row| f(row).as_deref()));
    let list = |f: &dyn Fn(&Row) -> &Vec<String>| texts(rows.iter().map(|row| f(row).as_slice()));
    vec![
        given(&|row| &row.id),
        given(&|row| row.detector),
        given(&|row| row.kind),
        given(&|row| &row.cause),
        given(&|row| row.severity),
        given(&|row| row.grade),
        given(&|row| &row.title),
        given(&|row| &row.summary),
        maybe(&|row| &row.account),
        maybe(&|row| &row.region),
        maybe(&|row| &row.vpc),
        list(&|row| &row.interfaces),
        list(&|row| &row.instances),
        maybe(&|row| &row.security_group),
        maybe(&|row| &row.rule_id),
        maybe(&|row| &row.network_acl),
        text(rows.iter().map(|row| row.direction)),
        maybe(&|row| &row.protocol),
        list(&|row| &row.ports),
        list(&|row| &row.remotes),
        time(rows.iter().map(|row| row.start)),
        time(rows.iter().map(|row| row.end)),
        given(&|row| &row.counts),
        given(&|row| &row.evidence),
        list(&|row| &row.controls),
        list(&|row| &row.next),
    ]
}

impl Manifest {
    /// The findings that are kept are of before the store changed last. `None` if none were ever kept.
    #[must_use]
    pub fn findings_are_outdated(&self) -> Option<bool> {
        self.findings.as_ref().map(|kept| kept.generation < self.changed)
    }
}

impl StoreWriter {
    /// Puts findings in the place of those that were kept, in the order in which they come. The generation of `kept` is
    /// that of this commit, whatever it was.
    ///
    /// # Errors
    /// When they cannot be written: the store is as it was.
    pub fn commit_findings(&mut self, rows: Vec<FindingRow>, kept: KeptFindings) -> Result<(), StoreError> {
        let file = self.write_whole(Table::Findings, rows, columns)?;
        let mut manifest = self.store().manifest().clone();
        manifest.tables.remove(Table::Findings.name());
        if let Some(file) = &file {
            manifest.add(Table::Findings, file.clone());
        }
        manifest.findings = Some(KeptFindings { generation: manifest.generation + 1, ..kept });
        self.commit(manifest, file.as_slice())
    }
}
