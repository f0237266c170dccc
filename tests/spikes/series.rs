//! Series of counts whose odd times somebody labelled, as rejected attempts: the Numenta Anomaly Benchmark (Lavin and
//! Ahmad, "Evaluating Real-time Anomaly Detection Algorithms", 2015). The user has its directory.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use super::host::{Host, LOG};
use super::world::Random;

/// Series of numbers of things, not of temperatures and shares.
const COUNTS: [&str; 9] = [
    "art_increase_spike_density",
    "art_load_balancer_spikes",
    "ec2_disk_write_bytes",
    "ec2_network_in",
    "elb_request_count",
    "grok_asg_anomaly",
    "nyc_taxi",
    "rogue_agent",
    "Twitter_volume",
];
/// A usual value is so many attempts in 5 minutes, and none is more than this many.
const USUAL: f64 = 20.0;
const MOST: f64 = 20_000.0;

fn time(text: &str) -> Option<i64> {
    let time = chrono::NaiveDateTime::parse_from_str(text.get(..19)?, "%Y-%m-%d %H:%M:%S").ok()?;
    Some(time.and_utc().timestamp())
}

fn windows(of: &Value) -> Vec<(i64, i64)> {
    let one = |pair: &Value| Some((time(pair[0].as_str()?)?, time(pair[1].as_str()?)?));
    of.as_array().into_iter().flatten().filter_map(one).collect()
}

fn values(path: &Path) -> Option<Vec<(i64, f64)>> {
    let text = std::fs::read_to_string(path).ok()?;
    let row = |line: &str| {
        let (at, value) = line.split_once(',')?;
        Some((time(at)?, value.trim().parse::<f64>().ok()?))
    };
    let mut rows: Vec<(i64, f64)> = text.lines().filter_map(row).collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    Some(rows)
}

/// Evaluates every series that is there and prints a table.
pub fn evaluate(directory: &Path) {
    let labels = std::fs::read(directory.join("labels/combined_windows.json")).expect("labels");
    let labels: Value = serde_json::from_slice(&labels).expect("labels in JSON");
    println!(
        "{:<34} {:>5} {:>7} {:>9} {:>9} {:>8} {:>7} {:>8}",
        "series", "days", "windows", "rare rise", "episodes", "inside", "outside", "windows hit"
    );
    let mut sums = [0_usize; 5];
    for (name, label) in labels.as_object().into_iter().flatten() {
        let short = name.rsplit('/').next().unwrap_or(name).trim_end_matches(".csv");
        let known = COUNTS.iter().any(|count| short.starts_with(count));
        let Some(rows) = values(&directory.join("data").join(name)).filter(|rows| known && rows.len() > 2)
        else {
            continue;
        };
        let windows = windows(label);
        let mut sorted: Vec<f64> = rows.iter().map(|r| r.1).collect();
        sorted.sort_by(f64::total_cmp);
        let median = sorted[sorted.len() / 2].max(sorted.iter().copied().find(|v| *v > 0.0).unwrap_or(1.0));
        let within_any = |at: i64| windows.iter().position(|(from, to)| (*from..=*to).contains(&at));
        // What rises to four times the median, and to twice of all but three days outside of the windows.
        let high = |(from, to): &&(i64, i64)| {
            let within = rows.iter().filter(|r| (*from..=*to).contains(&r.0)).map(|r| r.1);
            let most = within.fold(0.0, f64::max);
            let outside = rows.iter().filter(|r| within_any(r.0).is_none() && r.1 * 2.0 >= most);
            let days: BTreeSet<i64> = outside.map(|r| r.0 / 86_400).collect();
            most >= 4.0 * median && days.len() < 3
        };
        let high = windows.iter().filter(high).count();
        let findings = Host::new("10.1.0.5").findings(&log(&rows, median), |_| {});
        let hits = |(from, to): &(i64, i64)| {
            let about = findings.iter().filter(|f| f.start.unwrap() <= *to && *from <= f.end.unwrap());
            about.count()
        };
        let hit = windows.iter().filter(|window| hits(window) > 0).count();
        let inside = findings
            .iter()
            .filter(|f| windows.iter().any(|(from, to)| f.start.unwrap() <= *to && *from <= f.end.unwrap()))
            .count();
        let days = (rows[rows.len() - 1].0 - rows[0].0) / 86_400;
        let outside = findings.len() - inside;
        println!(
            "{short:<34} {days:>5} {:>7} {:>9} {:>9} {inside:>8} {outside:>7} {hit:>8}",
            windows.len(),
            high,
            findings.len()
        );
        for (sum, n) in sums.iter_mut().zip([windows.len(), high, inside, outside, hit]) {
            *sum += n;
        }
    }
    let [windows, high, inside, outside, hit] = sums;
    println!(
        "{windows} windows, {high} of them with a rise that is rare elsewhere; {hit} hit by {inside} alarms, {outside} alarms outside"
    );
}

/// Each value as so many attempts in each of its 5 minutes, on one port, from anywhere.
fn log(rows: &[(i64, f64)], median: f64) -> String {
    let mut random = Random(1);
    let steps = rows.windows(2).map(|pair| pair[1].0 - pair[0].0).filter(|step| *step > 0);
    let step = steps.min().unwrap_or(300).max(300);
    let mut log = LOG.to_owned();
    for (at, value) in rows {
        for bucket in 0..step / 300 {
            let from = at + bucket * 300;
            writeln!(
                log,
                "3 123456789012 eni-1 10.1.0.9 10.1.0.5 50000 443 6 1 44 {from} {} ACCEPT OK 3",
                from + 1
            )
            .unwrap();
            for _ in 0..(value / median * USUAL).round().clamp(0.0, MOST) as u32 {
                let (source, at) = (random.outside(), from + random.range(0, 299));
                let port = random.range(1024, 65_535);
                writeln!(
                    log,
                    "3 123456789012 eni-1 {source} 10.1.0.5 {port} 22 6 1 44 {at} {} REJECT OK 2",
                    at + 1
                )
                .unwrap();
            }
        }
    }
    log
}
