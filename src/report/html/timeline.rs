//! Accepted and rejected connections over time, with episodes and changes of the configuration, as geometry of an SVG.

use serde::Serialize;

use super::estate::Estate;
use super::findings;
use super::text::{minute, short};
use crate::finding::{ChangeNote, Finding, TimeLine, Traffic};
use crate::report::numbers::{duration, number};

const WIDTH: f64 = 1000.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 962.0;
/// Accepted: from the baseline up.
const ACCEPTED: (f64, f64) = (16.0, 136.0);
/// Rejected: from the top down, in a scale of its own.
const REJECTED: (f64, f64) = (146.0, 216.0);
const LANES: f64 = 236.0;
const LANE: f64 = 13.0;
/// Most lanes of episodes, and episodes.
const MOST_LANES: usize = 10;
const MOST_EPISODES: usize = 80;
/// Changes listed below.
const CHANGES: usize = 60;
/// Rows of the table below.
const ROWS: usize = 32;

#[derive(Debug, Serialize)]
pub(super) struct Timeline {
    width: f64,
    height: f64,
    left: f64,
    right: f64,
    base: f64,
    rejected_top: f64,
    changes_y: f64,
    lanes_y: f64,
    bucket: String,
    described: String,
    paths: Vec<(&'static str, String)>,
    hits: Vec<Hit>,
    gaps: Vec<Hit>,
    grid: Vec<(f64, String)>,
    ticks: Vec<(f64, String)>,
    episodes: Vec<Mark>,
    more_episodes: usize,
    changes: Vec<Mark>,
    told_changes: Vec<(String, String, String, Option<String>, String)>,
    more_changes: u64,
    rows: Vec<Vec<String>>,
    row: String,
}

#[derive(Debug, Serialize)]
struct Hit {
    x: f64,
    w: f64,
    title: String,
}

/// An episode or a change.
#[derive(Debug, Serialize)]
struct Mark {
    x: f64,
    w: f64,
    y: f64,
    class: &'static str,
    title: String,
    href: Option<String>,
}

impl Timeline {
    /// The picture alone: what is listed below it is told elsewhere.
    pub fn without_lists(self) -> Self {
        Self { told_changes: Vec::new(), more_changes: 0, rows: Vec::new(), ..self }
    }
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// What is drawn.
pub(super) struct Course<'a> {
    pub line: &'a TimeLine,
    /// Findings that have a time of their own, the worst in front.
    pub episodes: Vec<Episode>,
    pub changes: &'a [ChangeNote],
    pub more_changes: u64,
    /// Where there is nothing to be seen because nothing was recorded: from, to, and why.
    pub gaps: Vec<(i64, i64, String)>,
    /// The page of what a change is of.
    pub href: &'a dyn Fn(&str) -> Option<String>,
}

/// A finding with a time of its own.
pub(super) struct Episode {
    pub from: i64,
    pub to: i64,
    pub severity: &'static str,
    pub title: String,
    pub href: String,
}

/// Nothing if there was no traffic.
pub(super) fn timeline(estate: &Estate<'_>) -> Option<Timeline> {
    let picture = &estate.conclusions.picture;
    draw(&Course {
        line: &picture.traffic,
        episodes: episodes_of(estate, picture.traffic.width * picture.traffic.buckets.len() as i64),
        changes: &picture.changes,
        more_changes: picture.more_changes,
        gaps: Vec::new(),
        href: &|resource| estate.group(resource).href.or_else(|| estate.interface(resource).href),
    })
}

/// Nothing if there was no traffic.
pub(super) fn draw(course: &Course<'_>) -> Option<Timeline> {
    let line = course.line;
    let buckets = &line.buckets;
    if buckets.is_empty() || line.width <= 0 {
        return None;
    }
    let span = line.width * buckets.len() as i64;
    let x = |at: i64| LEFT + (at - line.from).clamp(0, span) as f64 * (RIGHT - LEFT) / span as f64;
    let most = |of: &dyn Fn(&Traffic) -> u64| buckets.iter().map(of).max().unwrap_or(0).max(1);
    let (most_accepted, most_rejected) = (most(&Traffic::accepts), most(&Traffic::rejects));
    let tall = |n: u64, most: u64, (top, bottom): (f64, f64)| {
        // Something must be seen.
        if n == 0 { 0.0 } else { (n as f64 * (bottom - top) / most as f64).max(1.5) }
    };
    let mut paths = [
        ("permitted", String::new()),
        ("unjudged", String::new()),
        ("escaped", String::new()),
        ("rejected", String::new()),
        ("unjudged", String::new()),
        ("misdropped", String::new()),
    ];
    let mut hits = Vec::new();
    for (at, t) in (0..).zip(buckets) {
        let begin = line.from + at * line.width;
        let (left, right) = (x(begin), x(begin + line.width));
        let wide = (right - left - if right - left > 3.0 { 0.6 } else { 0.0 }).max(0.8);
        let mut up = ACCEPTED.1;
        for (path, n) in [(0, t.permitted), (1, t.accepted_unjudged), (2, t.escaped)] {
            let h = tall(n, most_accepted, ACCEPTED);
            up -= h;
            bar(&mut paths[path].1, left, up, wide, h);
        }
        let mut down = REJECTED.0;
        for (path, n) in [(3, t.rejected), (4, t.rejected_unjudged), (5, t.misdropped)] {
            let h = tall(n, most_rejected, REJECTED);
            bar(&mut paths[path].1, left, down, wide, h);
            down += h;
        }
        if t.accepts() + t.rejects() > 0 {
            hits.push(Hit { x: round(left), w: round((right - left).max(0.8)), title: told(begin, t) });
        }
    }
    let (episodes, more_episodes, lanes) = episodes(&course.episodes, &x);
    let changes_y = LANES + lanes as f64 * LANE + if lanes > 0 { 10.0 } else { 0.0 };
    let mark = |c: &ChangeNote| Mark {
        x: round(x(c.from)),
        w: round(x(c.to) - x(c.from)),
        y: changes_y,
        class: "change",
        title: short(&format!("{}: {}: {}", when(c.from, c.to), c.resource, c.what), 300),
        href: None,
    };
    let told_change = |c: &ChangeNote| {
        let href = (course.href)(&c.resource);
        (when(c.from, c.to), c.resource.clone(), c.what.clone(), href, number(c.interfaces))
    };
    let width = duration(line.width);
    Some(Timeline {
        width: WIDTH,
        height: changes_y + if course.changes.is_empty() { 24.0 } else { 44.0 },
        left: LEFT,
        right: RIGHT,
        base: ACCEPTED.1,
        rejected_top: REJECTED.0,
        changes_y,
        lanes_y: LANES,
        described: format!(
            "At most {} accepted and {} rejected connections in {width}; {} and {} marked.",
            number(most_accepted),
            number(most_rejected),
            crate::report::count(episodes.len() as u64, "episode"),
            crate::report::count(course.changes.len() as u64, "change"),
        ),
        bucket: width,
        paths: paths.into_iter().filter(|(_, path)| !path.is_empty()).collect(),
        hits,
        gaps: course
            .gaps
            .iter()
            .map(|(from, to, why)| Hit {
                x: round(x(*from)),
                w: round((x(*to) - x(*from)).max(0.8)),
                title: short(&format!("{}: {why}", when(*from, *to)), 300),
            })
            .collect(),
        grid: vec![
            (ACCEPTED.0, number(most_accepted)),
            ((ACCEPTED.0 + ACCEPTED.1) / 2.0, half(most_accepted)),
            (REJECTED.1, number(most_rejected)),
        ],
        ticks: ticks(line.from, span, &x),
        episodes,
        more_episodes,
        changes: course.changes.iter().map(mark).collect(),
        told_changes: course.changes.iter().take(CHANGES).map(told_change).collect(),
        more_changes: course.more_changes + course.changes.len().saturating_sub(CHANGES) as u64,
        rows: rows(line),
        row: duration(line.width * step(buckets.len()) as i64),
    })
}

/// Labels in the middle only where they are whole numbers.
fn half(most: u64) -> String {
    if most.is_multiple_of(2) { number(most / 2) } else { String::new() }
}

fn bar(path: &mut String, x: f64, y: f64, w: f64, h: f64) {
    if h > 0.0 {
        *path += &format!("M{} {}h{}v{}h{}z", round(x), round(y), round(w), round(h), round(-w));
    }
}

fn told(begin: i64, t: &Traffic) -> String {
    let parts = [
        ("permitted", t.permitted),
        ("escaped", t.escaped),
        ("rejected", t.rejected),
        ("misdropped", t.misdropped),
        ("not evaluable", t.accepted_unjudged + t.rejected_unjudged),
    ];
    let parts: Vec<String> =
        parts.iter().filter(|(_, n)| *n > 0).map(|(name, n)| format!("{} {name}", number(*n))).collect();
    format!("{}: {}", minute(begin), parts.join(", "))
}

fn when(from: i64, to: i64) -> String {
    if to - from < 60 { minute(to) } else { format!("{} to {}", minute(from), minute(to)) }
}

/// Findings that have a time of their own.
fn episodes_of(estate: &Estate<'_>, span: i64) -> Vec<Episode> {
    let of_a_time = |f: &&Finding| match (f.start, f.end) {
        (Some(start), Some(end)) => end - start < span * 9 / 10 && !f.kind.as_str().ends_with("-rule"),
        _ => false,
    };
    let episode = |f: &Finding| {
        Some(Episode {
            from: f.start?,
            to: f.end?,
            severity: f.severity.as_str(),
            title: f.title.clone(),
            href: findings::link(estate, f).href,
        })
    };
    estate.conclusions.findings.iter().filter(of_a_time).filter_map(episode).collect()
}

/// The worst in front, in as many lanes as they need.
fn episodes(all: &[Episode], x: &dyn Fn(i64) -> f64) -> (Vec<Mark>, usize, usize) {
    let mut lanes: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut marks = Vec::new();
    for f in all.iter().take(MOST_EPISODES) {
        let (left, right) = (x(f.from), x(f.to).max(x(f.from) + 9.0));
        let free = |lane: &Vec<(f64, f64)>| lane.iter().all(|(l, r)| right + 2.0 < *l || left > *r + 2.0);
        let lane = match lanes.iter().position(free) {
            Some(lane) => lane,
            None if lanes.len() < MOST_LANES => {
                lanes.push(Vec::new());
                lanes.len() - 1
            }
            None => continue,
        };
        lanes[lane].push((left, right));
        marks.push(Mark {
            x: round(left),
            w: round(right - left),
            y: LANES + lane as f64 * LANE,
            class: f.severity,
            title: short(&format!("{} ({}): {}", f.severity, when(f.from, f.to), f.title), 300),
            href: Some(f.href.clone()),
        });
    }
    let more = all.len() - marks.len();
    (marks, more, lanes.len())
}

/// Steps of time that people count in.
const STEPS: [i64; 15] = [
    300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 1_209_600,
    2_592_000, 31_536_000,
];

fn ticks(from: i64, span: i64, x: &dyn Fn(i64) -> f64) -> Vec<(f64, String)> {
    let step = STEPS.into_iter().find(|step| span / step <= 10).unwrap_or(span.max(1));
    let first = (from + step - 1).div_euclid(step) * step;
    let mut ticks = Vec::new();
    let mut at = first;
    while at <= from + span && ticks.len() < 16 {
        let time = chrono::DateTime::from_timestamp(at, 0);
        let form = match step {
            86_400.. => "%b %-d",
            _ if at.rem_euclid(86_400) == 0 || at == first => "%b %-d %H:%M",
            _ => "%H:%M",
        };
        ticks.push((round(x(at)), time.map_or_else(String::new, |t| t.format(form).to_string())));
        at += step;
    }
    ticks
}

/// How many buckets become a row.
fn step(buckets: usize) -> usize {
    buckets.div_ceil(ROWS)
}

fn rows(line: &TimeLine) -> Vec<Vec<String>> {
    let step = step(line.buckets.len());
    let row = |(at, part): (usize, &[Traffic])| {
        let sum = |of: &dyn Fn(&Traffic) -> u64| number(part.iter().map(of).sum());
        vec![
            minute(line.from + (at * step) as i64 * line.width),
            sum(&|t| t.permitted),
            sum(&|t| t.escaped),
            sum(&|t| t.rejected),
            sum(&|t| t.misdropped),
            sum(&|t| t.accepted_unjudged + t.rejected_unjudged),
        ]
    };
    line.buckets.chunks(step).enumerate().map(row).collect()
}
