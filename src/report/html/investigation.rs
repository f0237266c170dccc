//! An investigation as a page: the sections of the terminal, and a picture of the time line. It has no script at all.

use std::io::{self, Write};

use minijinja::context;
use minijinja::value::Value;
use serde::Serialize;

use super::text::{self, anchor};
use super::timeline::{Course, Episode, draw};
use super::{STYLE, shown, templates};
use crate::finding::{ChangeNote, TimeLine, Traffic};
use crate::investigate::{Investigation, LineStep, first_view};
use crate::report::investigation::{Part, Table, sections, title, window};

/// What a template sees of a section.
#[derive(Serialize)]
struct SectionView {
    id: String,
    title: String,
    parts: Vec<PartView>,
}

#[derive(Default, Serialize)]
struct PartView {
    form: &'static str,
    text: String,
    items: Vec<String>,
    facts: Vec<(String, String)>,
    table: Option<TableView>,
}

#[derive(Serialize)]
struct TableView {
    title: Option<String>,
    /// For who does not see it.
    about: String,
    columns: Vec<ColumnView>,
    rows: Vec<Vec<CellView>>,
    more: Option<String>,
}

#[derive(Serialize)]
struct ColumnView {
    name: &'static str,
    numeric: bool,
}

#[derive(Serialize)]
struct CellView {
    text: String,
    mark: Option<&'static str>,
    class: Option<&'static str>,
}

fn table(table: &Table, section: &str) -> TableView {
    let filled =
        |at: usize| table.rows.iter().any(|row| row.get(at).is_some_and(|cell| !cell.text.is_empty()));
    let columns: Vec<usize> = (0..table.columns.len()).filter(|&at| filled(at)).collect();
    TableView {
        title: table.title.clone(),
        about: table.title.clone().unwrap_or_else(|| section.to_owned()),
        columns: columns
            .iter()
            .map(|&at| ColumnView { name: table.columns[at].name, numeric: table.columns[at].numeric })
            .collect(),
        rows: table
            .rows
            .iter()
            .map(|row| {
                let cells = columns.iter().filter_map(|&at| Some((at, row.get(at)?)));
                let cell = |(at, cell): (usize, &crate::report::investigation::Cell)| CellView {
                    text: cell.text.clone(),
                    mark: cell.mark,
                    class: match (table.columns[at].numeric, cell.code) {
                        (true, _) => Some("n"),
                        (false, true) => Some("code"),
                        (false, false) => is_time(&cell.text).then_some("nowrap"),
                    },
                };
                cells.map(cell).collect()
            })
            .collect(),
        more: table.more.clone(),
    }
}

/// `2026-03-01T00:00:00Z`.
fn is_time(text: &str) -> bool {
    text.len() == 20 && text.ends_with('Z')
}

fn part(part: &Part, section: &str) -> PartView {
    let form = |form| PartView { form, ..PartView::default() };
    match part {
        Part::Facts(facts) => PartView { facts: facts.clone(), ..form("facts") },
        Part::Table(of) => PartView { table: Some(table(of, section)), ..form("table") },
        Part::Text(text) => PartView { text: text.clone(), ..form("text") },
        Part::Warning(text) => PartView { text: text.clone(), ..form("warning") },
        Part::List(items) => PartView { items: items.clone(), ..form("list") },
        Part::Commands(commands) => PartView { facts: commands.clone(), ..form("commands") },
        Part::TimeLine(of) => PartView { table: Some(table(of, section)), ..form("line") },
    }
}

pub(in crate::report) fn write_investigation(told: &Investigation, out: &mut dyn Write) -> io::Result<()> {
    // Templates are part of the program: that they can be rendered is tested.
    let page = render(told).map_err(io::Error::other)?;
    out.write_all(page.as_bytes())
}

fn render(told: &Investigation) -> Result<String, minijinja::Error> {
    let policy = format!(
        "default-src 'none'; style-src {}; base-uri 'none'; form-action 'none'",
        text::hash_source(STYLE)
    );
    let view = |section: crate::report::investigation::Section| SectionView {
        id: anchor(&section.id).into_owned(),
        parts: section.parts.iter().map(|of| part(of, &section.title)).collect(),
        title: section.title,
    };
    let sections: Vec<SectionView> = sections(told).into_iter().map(view).collect();
    let context = context! {
        policy => policy,
        style => Value::from_safe_string(STYLE.to_owned()),
        version => env!("CARGO_PKG_VERSION"),
        title => title(told),
        window => window(told),
        incomplete => told.is_incomplete(),
        sections => shown(sections),
        timeline => shown(timeline(told)),
    };
    templates()?.get_template("investigation.html")?.render(context)
}

fn timeline(told: &Investigation) -> Option<super::timeline::Timeline> {
    let line = &first_view(&told.views)?.line;
    let (first, last) = (line.steps.first()?, line.steps.last()?);
    // A first step that is cut off is drawn as wide as the others.
    let from = if line.steps.len() > 1 { first.to - line.step } else { first.from };
    let bucket = |step: &LineStep| {
        let [permitted, escaped, rejected, misdropped, unjudged] = step.traffic.verdicts;
        // Of those that can't be judged the table does not tell which were accepted, but the sums do.
        let accepted_unjudged = step.traffic.accepted.saturating_sub(permitted + escaped);
        let rejected_unjudged = unjudged.saturating_sub(accepted_unjudged);
        Traffic { permitted, escaped, accepted_unjudged, rejected, misdropped, rejected_unjudged }
    };
    let drawn = TimeLine { from, width: line.step, buckets: line.steps.iter().map(bucket).collect() };
    let within = |at: i64| at >= first.from && at < last.to;
    let changes: Vec<ChangeNote> = told
        .changes
        .list
        .iter()
        .filter(|change| within(change.to))
        .map(|change| ChangeNote {
            from: change.from.unwrap_or(change.to),
            to: change.to,
            resource: change.resource.clone(),
            what: change.what.clone(),
            interfaces: 0,
        })
        .collect();
    let episode = |finding: &crate::investigate::FindingNote| {
        let severity = ["critical", "high", "medium", "low"];
        let severity = severity.into_iter().find(|word| *word == finding.severity).unwrap_or("informational");
        let (from, to) = finding.has_its_time().then_some((finding.start?, finding.end?))?;
        let (title, href) = (finding.title.clone(), "#findings".to_owned());
        (within(from) || within(to)).then_some(Episode { from, to, severity, title, href })
    };
    let why = |step: &LineStep| {
        if step.no_records {
            Some("no records in the store")
        } else if step.silent {
            Some("no record of its interfaces")
        } else {
            (step.skipdata > 0).then_some("records were lost (SKIPDATA)")
        }
    };
    let gaps = line.steps.iter().filter_map(|step| Some((step.from, step.to, why(step)?.to_owned())));
    let picture = draw(&Course {
        line: &drawn,
        episodes: told.findings.list.iter().filter_map(episode).collect(),
        changes: &changes,
        more_changes: told.changes.more,
        gaps: gaps.collect(),
        href: &|_| None,
    })?;
    Some(picture.without_lists())
}
