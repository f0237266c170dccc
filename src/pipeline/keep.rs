//! What a store says is concluded anew, and kept in it.

use super::stores::{StorePlace, Writable};
use super::{AnalyzeConfig, AnalyzeError, Event, Progress, analyze};
use crate::finding::{Conclusions, Finding};
use crate::flow::Direction;
use crate::store::{Disk, FindingRow, KeptFindings, Need};

/// Analyzes a store, which must be the only input of `config`, and keeps the findings in it. Nobody else may write to it
/// until that is done.
///
/// # Errors
/// When there is no result, or it can't be kept; the findings that were kept before are still there then.
pub fn analyze_and_keep(
    config: &AnalyzeConfig,
    store: &StorePlace,
    disk: &Disk,
    progress: &dyn Progress,
) -> Result<Conclusions, AnalyzeError> {
    let mut store = Writable::open(store, &config.remote, disk, false, &Need::nothing(), &config.cancel)?;
    let conclusions = analyze(config, None, progress)?;
    progress.event(&Event::Phase("committing"));
    let AnalyzeConfig { selection, only, skip, .. } = config;
    let runs = |id: &&str| {
        let named = |ids: &[String]| ids.iter().any(|named| named == id);
        (only.is_empty() || named(only)) && !named(skip)
    };
    let all = crate::detect::registry();
    let detectors: Vec<String> = all.iter().map(|meta| meta.id).filter(runs).map(str::to_owned).collect();
    let kept = KeptFindings {
        generation: 0,
        from: selection.from,
        to: selection.to,
        inventories: conclusions.summary.inventories.clone(),
        detectors: if detectors.len() == all.len() { Vec::new() } else { detectors },
        incomplete: conclusions.is_incomplete(),
    };
    store.writer.commit_findings(conclusions.findings.iter().map(row).collect(), kept)?;
    Ok(conclusions)
}

fn row(finding: &Finding) -> FindingRow {
    let f = finding.clone();
    FindingRow {
        id: f.id,
        detector: f.detector,
        kind: f.kind.as_str(),
        cause: f.cause,
        severity: f.severity.as_str(),
        grade: f.grade.as_str(),
        title: f.title,
        summary: f.summary,
        account: f.account,
        region: f.region,
        vpc: f.vpc,
        interfaces: f.interfaces,
        instances: f.instances,
        security_group: f.security_group,
        rule_id: f.rule_id,
        network_acl: f.network_acl,
        direction: f.direction.map(Direction::as_str),
        protocol: f.protocol,
        ports: f.ports.iter().map(ToString::to_string).collect(),
        remotes: f.remotes,
        start: f.start,
        end: f.end,
        // Maps of text and numbers: neither fails.
        counts: serde_json::to_string(&f.counts).unwrap_or_default(),
        evidence: serde_json::to_string(&f.evidence).unwrap_or_default(),
        controls: f.controls,
        next: f.next,
    }
}
