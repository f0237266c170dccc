//! Findings that the user knows of: what is left out, until when, and why.

use chrono::NaiveDate;
use ipnet::IpNet;

use super::{Finding, Ports};

const DAY: i64 = 86_400;
/// Share of a source's attempts from which on a finding is about it.
const MAIN: f64 = 0.5;

/// One line of an ignore list. Everything it names must fit.
#[derive(Clone, Debug, PartialEq)]
pub struct IgnoreEntry {
    /// Where it comes from.
    pub source: Option<IpNet>,
    /// Service ports, inclusive.
    pub ports: Option<(u16, u16)>,
    /// Id of the detector.
    pub detector: Option<String>,
    /// The last day it holds for, UTC.
    pub until: NaiveDate,
    /// Why.
    pub reason: String,
    /// What was written before the date.
    pub text: String,
}

/// What is left out of the findings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IgnoreList {
    /// In the order of the file.
    pub entries: Vec<IgnoreEntry>,
}

/// What an entry left out of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// What the entry names.
    pub text: String,
    /// Its reason.
    pub reason: String,
    /// Its last day, `YYYY-MM-DD`.
    pub until: String,
    /// Findings it left out.
    pub findings: u64,
    /// It ended before the logs did.
    pub expired: bool,
}

impl IgnoreList {
    /// Reads lines of `SOURCE PORT DETECTOR DATE REASON`: an address or CIDR, a port or range `LOW-HIGH`, the id of a
    /// detector, of which at least one must be there, in any order; the last day, `YYYY-MM-DD`; and the reason. What
    /// follows a `#` at the begin of a line is a remark.
    ///
    /// # Errors
    /// What is wrong with each line that can't be read.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let (mut entries, mut problems) = (Vec::new(), Vec::new());
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match IgnoreEntry::parse(line) {
                Ok(entry) => entries.push(entry),
                Err(problem) => problems.push(format!("line {number}: {problem}")),
            }
        }
        if problems.is_empty() { Ok(Self { entries }) } else { Err(problems) }
    }

    /// Takes out what an entry fits, the first one of several. `end` is the last second of the logs.
    #[must_use]
    pub fn apply(&self, findings: Vec<Finding>, end: i64) -> (Vec<Finding>, Vec<Ignored>) {
        let mut counts = vec![0_u64; self.entries.len()];
        let mut kept = Vec::with_capacity(findings.len());
        for finding in findings {
            match self.entries.iter().position(|entry| entry.fits(&finding, end)) {
                Some(at) => counts[at] += 1,
                None => kept.push(finding),
            }
        }
        let told = |(entry, findings): (&IgnoreEntry, u64)| Ignored {
            text: entry.text.clone(),
            reason: entry.reason.clone(),
            until: entry.until.to_string(),
            findings,
            expired: entry.ends() <= end,
        };
        (kept, self.entries.iter().zip(counts).map(told).collect())
    }
}

impl IgnoreEntry {
    fn parse(line: &str) -> Result<Self, String> {
        let (mut source, mut ports, mut detector) = (None, None, None);
        let mut rest = line;
        while let Some(word) = rest.split_whitespace().next() {
            let begin = rest.len() - rest.trim_start().len();
            let after = &rest[begin + word.len()..];
            if let Ok(until) = NaiveDate::parse_from_str(word, "%Y-%m-%d") {
                let text = line[..line.len() - rest.len()].trim().to_owned();
                let reason = after.trim().to_owned();
                if text.is_empty() {
                    return Err("names nothing to ignore before the date".to_owned());
                }
                if reason.is_empty() {
                    return Err("has no reason after the date".to_owned());
                }
                return Ok(Self { source, ports, detector, until, reason, text });
            }
            if let Some(net) = net(word) {
                source = Some(net);
            } else if let Some(range) = range(word) {
                ports = Some(range);
            } else if word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') {
                detector = Some(word.to_owned());
            } else {
                return Err(format!("`{word}` is no address, port, detector or date (YYYY-MM-DD)"));
            }
            rest = after;
        }
        Err("has no last day (YYYY-MM-DD) and reason".to_owned())
    }

    /// The first second it does not hold for.
    fn ends(&self) -> i64 {
        self.until.and_time(chrono::NaiveTime::MIN).and_utc().timestamp() + DAY
    }

    fn fits(&self, finding: &Finding, end: i64) -> bool {
        let in_time = finding.end.unwrap_or(end) < self.ends();
        let detector = self.detector.as_ref().is_none_or(|id| id == finding.detector);
        let within = |low: u16, high: u16| {
            !finding.ports.is_empty()
                && finding.ports.iter().all(|port| match port {
                    Ports::One(port) => (low..=high).contains(port),
                    Ports::Range(from, to) => low <= *from && *to <= high,
                })
        };
        in_time
            && detector
            && self.ports.is_none_or(|(low, high)| within(low, high))
            && self.source.is_none_or(|net| is_from(finding, &net))
    }
}

/// The finding is about this source: all of the remote addresses, or the one that most comes from.
fn is_from(finding: &Finding, net: &IpNet) -> bool {
    let mut remotes =
        finding.remotes.iter().map(|remote| self::net(remote).is_some_and(|r| net.contains(&r)));
    let Some(first) = remotes.next() else { return false };
    let share = finding.evidence.get("top_source_share").and_then(serde_json::Value::as_f64);
    first && (remotes.all(|is_in| is_in) || share.is_some_and(|share| share >= MAIN))
}

fn net(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(IpNet::from))
}

fn range(text: &str) -> Option<(u16, u16)> {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let (low, high) = (low.parse().ok()?, high.parse().ok()?);
    (low <= high).then_some((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{FindingBuilder, Grade, Kind, Severity};

    fn finding(remotes: &[&str], port: u16, share: f64) -> Finding {
        let builder = FindingBuilder::new("rejected-spike", Kind::RejectedSpike, "port-scan");
        let builder = builder.about("x").rated(Severity::Low, Grade::Reliable).told("t", "s").next("n");
        let builder = builder.evidence("top_source_share", share).during(Some(0), Some(1_772_409_600));
        let builder = builder.with(|f| {
            f.remotes = remotes.iter().map(|&r| r.to_owned()).collect();
            f.ports = vec![Ports::One(port)];
        });
        builder.build().unwrap()
    }

    fn left(list: &str, finding: Finding) -> bool {
        let (kept, ignored) = IgnoreList::parse(list).unwrap().apply(vec![finding], 1_772_500_000);
        assert_eq!(kept.is_empty(), ignored.iter().map(|i| i.findings).sum::<u64>() == 1);
        !kept.is_empty()
    }

    #[test]
    fn everything_named_must_fit() {
        let scan = || finding(&["10.0.0.9"], 22, 1.0);
        assert!(!left("10.0.0.0/24 2026-03-02 our scanner", scan()));
        assert!(!left("# a remark\n\nrejected-spike 10.0.0.9 20-23 2030-01-01 our scanner", scan()));
        assert!(left("10.0.1.0/24 2030-01-01 another", scan()));
        assert!(left("10.0.0.9 80 2030-01-01 another port", scan()));
        assert!(left("beacon 10.0.0.9 2030-01-01 another detector", scan()));
        assert!(left("10.0.0.9 2026-03-01 it was over the day before", scan()));
        assert!(!left("10.0.0.9 2030-01-01 mostly it", finding(&["10.0.0.9", "10.7.7.7"], 22, 0.9)));
        assert!(left("10.0.0.9 2030-01-01 one of many", finding(&["10.0.0.9", "10.7.7.7"], 22, 0.3)));
    }

    #[test]
    fn problems_name_their_lines() {
        let problems =
            IgnoreList::parse("10.0.0.9\n10.0.0.9 2030-01-01\n2030-01-01 why\n10.0.0.9/x 2030-01-01 y");
        let problems = problems.unwrap_err();
        assert_eq!(problems.len(), 4, "{problems:?}");
        assert!(problems[1].starts_with("line 2: ") && problems[3].contains("10.0.0.9/x"), "{problems:?}");
    }

    #[test]
    fn an_entry_that_ended_before_the_logs_says_so() {
        let list = IgnoreList::parse("22 2026-03-02 soon over\n22 2026-03-04 still good").unwrap();
        let (_, told) = list.apply(Vec::new(), 1_772_500_000);
        assert_eq!(told.iter().map(|i| i.expired).collect::<Vec<_>>(), [true, false]);
    }
}
