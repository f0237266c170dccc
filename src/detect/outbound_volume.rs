//! Far more bytes leave than usual.
//!
//! ## What it finds
//! Hours in which an interface sends far more to public addresses than it ever does, and to whom.
//!
//! ## Why it matters
//! That is what stealing data looks like from the network. It may as well be a new backup, an export or a runaway job;
//! somebody should know of it.
//!
//! ## How it decides
//! Bytes that leave an interface for public addresses are counted by hour: uploads (the interface opened the connection)
//! and downloads (the other side did) apart. Long connections are taken to have sent evenly. Hours without coverage are
//! missing, not zero. The history is the period of `--baseline`, else all other hours of the window; it takes 60 hours.
//! An hour alarms if it holds at least 256 MB, lies five robust standard deviations above the median of the history (on
//! the logarithm; 1.4826 x MAD, at least 0.2), and is eight times the median and eight times what left at the same
//! time of day, give or take an hour, on any other day: backups that recur are no alarm. Adjacent hours are one episode.
//!
//! An episode is dropped if the interface has three or more of them, or others of its group have as many to other blocks, of
//! an eighth of its bytes or more (jobs without a fixed hour or host); if a third as much went to
//! the same block (/24, /56) on another day; and, of downloads, if no block has 60 % of it: that is a crowd of
//! visitors. If half of a group (same security groups, three or more) has an episode at the same time, that is one finding of low
//! severity. High: 5 GB or more to a block that the interface never talked to before. Low: to a block that five interfaces
//! or more use and less than 10 GB; or with a history of less than five days that `--baseline` does not name, or by an interface that is not in the
//! inventory, of whose kind nothing is known. Else medium.
//!
//! ## When it is wrong
//! A weekly job is new in a window of one week. Theft that is spread over days, or smaller than what is usual, stays
//! below. Traffic through a proxy is that of the proxy. Uploads to S3 look alike, whoever owns the bucket, and traffic through
//! VPC endpoints counts only where their addresses are public.
//! Grade `weak`: less than five days of history that `--baseline` does not name, or an interface that is not in the inventory.
//!
//! ## Tuning
//! `--baseline` tells what was normal; a longer window knows more days. `--skip outbound-volume` turns it off.
//!
//! ## What to do
//! Ask the owner whether the transfer was meant. If not: what is at the address, which process sent, and what
//! could it read?

use std::collections::{BTreeMap, BTreeSet};

use super::beacon::{Target, callers, target};
use super::normal::{MAD_SCALE, amount, companions, duration, spread, watched};
use super::{Detector, Input, Meta, at_interfaces, counted, finish, services};
use crate::finding::{Finding, FindingBuilder, Grade, Kind, Ports, Severity};
use crate::flow::{Direction, address_from_bits};
use crate::rollup::{CallRow, Rollups, Side};

/// See the file's manual.
pub(super) struct OutboundVolume;

static META: Meta = Meta {
    id: "outbound-volume",
    kind: Kind::OutboundVolume,
    title: "far more bytes leave than usual",
    manual: include_str!("outbound_volume.rs"),
};

const LEAST_BYTES: u64 = 256_000_000;
const LEAST_RATIO: f64 = 8.0;
const LEAST_DEVIATIONS: f64 = 5.0;
/// Of the logarithm to base 10: a factor of 1.6.
const LEAST_SPREAD: f64 = 0.2;
/// Added before taking the logarithm, so that the first kilobyte is no sensation.
const PAD: f64 = 1e6;
/// Seconds of history that it takes.
const LEAST_HISTORY: u64 = 60 * 3600;
const GOOD_HISTORY: u64 = 5 * 86_400;
/// Episodes of one interface that make a habit.
const HABIT: usize = 3;
const DAY: u64 = 86_400;
/// So many interfaces make a block a common one.
const COMMON: usize = 5;
const LISTED: usize = 20;

impl Detector for OutboundVolume {
    fn meta(&self) -> &'static Meta {
        &META
    }

    fn detect(&self, input: &Input<'_>) -> Vec<Finding> {
        let rollups = input.rollups;
        find(rollups).iter().filter_map(|found| finish(describe(rollups, found))).collect()
    }
}

/// Hours in which one interface sends far more than usual.
#[derive(Debug)]
pub(super) struct Episode<'a> {
    pub interface: u32,
    inbound: bool,
    /// Unix seconds, the end not included.
    from: u64,
    to: u64,
    bytes: u64,
    /// What such hours would have held.
    expected: f64,
    history_seconds: u64,
    /// Bytes by block, most first, and what calls they are from.
    blocks: Vec<(Side, u64, Vec<&'a CallRow>)>,
    /// Several with the same block are told as one.
    times: u64,
}

impl<'a> Episode<'a> {
    fn join(&mut self, other: Self) {
        self.from = self.from.min(other.from);
        self.to = self.to.max(other.to);
        self.bytes += other.bytes;
        self.expected += other.expected;
        self.times += other.times;
        for (block, bytes, rows) in other.blocks {
            match self.blocks.iter_mut().find(|(b, ..)| *b == block) {
                // Both have the same rows: those of the interface with the block.
                Some((_, sum, known)) => {
                    *sum += bytes;
                    known.extend(rows);
                    let mut seen: Vec<*const CallRow> = Vec::new();
                    known.retain(|row: &&'a CallRow| {
                        let is_new = !seen.contains(&std::ptr::from_ref(*row));
                        seen.push(*row);
                        is_new
                    });
                }
                None => self.blocks.push((block, bytes, rows)),
            }
        }
        self.blocks.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    }
}

/// Episodes that are told together, those of a group or one alone.
#[derive(Debug)]
pub(super) struct Found<'a> {
    pub episodes: Vec<Episode<'a>>,
    /// Most of a group does it at the same time.
    shared: bool,
    /// Interfaces that use the block that got most.
    users: usize,
    /// The interface never talked to it before.
    new: bool,
}

impl Found<'_> {
    /// What got the most of it: interface and target.
    pub fn targets(&self) -> BTreeSet<(u32, Target)> {
        let of = |e: &Episode<'_>| {
            let (interface, first) = (e.interface, e.blocks.first());
            first
                .into_iter()
                .flat_map(|(.., rows)| rows.iter())
                .map(|r| (interface, target(r)))
                .collect::<Vec<_>>()
        };
        self.episodes.iter().flat_map(of).collect()
    }
}

/// Everything that is worth telling.
pub(super) fn find(rollups: &Rollups) -> Vec<Found<'_>> {
    let hours = &rollups.contacts.hours;
    // Wider buckets or merged interfaces have no time of day.
    if hours.seconds() > 3 * 3600 || hours.interfaces_merged() > 1 {
        return Vec::new();
    }
    let interfaces = 0..u32::try_from(rollups.interfaces.len()).unwrap_or(u32::MAX);
    let mut episodes: Vec<Episode<'_>> = interfaces
        .flat_map(|interface| [(interface, false), (interface, true)])
        .flat_map(|(interface, inbound)| of_interface(rollups, interface, inbound))
        .collect();
    drop_habits(rollups, &mut episodes);
    let mut found = Vec::new();
    while let Some(episode) = (!episodes.is_empty()).then(|| episodes.remove(0)) {
        let group = companions(rollups, episode.interface, second(episode.from), second(episode.to));
        let alike = |e: &Episode<'_>| {
            e.inbound == episode.inbound
                && group.contains(&e.interface)
                && e.from < episode.to + 3600
                && episode.from < e.to + 3600
        };
        let many: BTreeSet<u32> =
            episodes.iter().filter(|e| alike(e)).map(|e| e.interface).chain([episode.interface]).collect();
        if group.len() >= 3 && many.len() * 2 >= group.len() && many.len() >= 2 {
            let (mut together, others): (Vec<_>, Vec<_>) = episodes.into_iter().partition(alike);
            episodes = others;
            together.insert(0, episode);
            found.push(Found { episodes: together, shared: true, users: 0, new: false });
        } else {
            found.push(Found { episodes: vec![episode], shared: false, users: 0, new: false });
        }
    }
    let targets = found.iter().flat_map(Found::targets).map(|(_, target)| target).collect();
    let callers = callers(rollups, &targets);
    for one in &mut found {
        let mut users: BTreeSet<u32> = BTreeSet::new();
        let begin = one.episodes[0].from;
        one.new = !one.episodes[0].blocks.is_empty();
        for (interface, target) in one.targets() {
            let Some(callers) = callers.get(&target) else { continue };
            users.extend(callers.keys());
            let before = |first: &u32| u64::from(*first) + 3600 < begin;
            one.new &= !callers.get(&interface).is_some_and(before);
        }
        one.users = users.len();
    }
    found
}

/// What others of a group do now and then with whomever is what such hosts are for.
fn drop_habits(rollups: &Rollups, episodes: &mut Vec<Episode<'_>>) {
    let group = |e: &Episode<'_>| rollups.sides.known(e.interface);
    let block = |e: &Episode<'_>| e.blocks.first().map(|(block, ..)| *block);
    let habit: Vec<bool> = episodes
        .iter()
        .map(|one| {
            let others = episodes.iter().filter(|other| {
                other.interface != one.interface
                    && other.inbound == one.inbound
                    && group(other) == group(one)
                    && group(one).is_some()
                    && block(other) != block(one)
                    && other.bytes.saturating_mul(8) >= one.bytes
            });
            // At one time it is something that all do together.
            let days: BTreeSet<u64> = others.map(|other| other.from / (DAY / 2)).collect();
            days.len() >= HABIT
        })
        .collect();
    let mut habit = habit.into_iter();
    episodes.retain(|_| !habit.next().unwrap_or(false));
}

fn second(time: u64) -> u32 {
    u32::try_from(time).unwrap_or(u32::MAX)
}

fn of_interface(rollups: &Rollups, interface: u32, inbound: bool) -> Vec<Episode<'_>> {
    let hours = &rollups.contacts.hours;
    let sent: BTreeMap<u32, u64> = hours.of(interface, inbound).collect();
    if !sent.values().any(|bytes| *bytes >= LEAST_BYTES) {
        return Vec::new();
    }
    let width = hours.seconds();
    let given = rollups.given_baseline;
    let learned = |bucket: u32| {
        let at = u64::from(bucket) * width;
        given.is_none_or(|b| u64::from(b.from) <= at && at + width <= u64::from(b.to))
    };
    let mut watched = watched(&rollups.interfaces[interface as usize], width);
    watched.extend(sent.keys());
    let history: Vec<u32> = watched.iter().copied().filter(|b| learned(*b)).collect();
    let history_seconds = history.len() as u64 * width;
    if history_seconds < LEAST_HISTORY {
        return Vec::new();
    }
    let bytes = |bucket: u32| sent.get(&bucket).copied().unwrap_or(0);
    let level = |bytes: u64| (bytes as f64 + PAD).log10();
    let (center, mad) = spread(&mut history.iter().map(|b| level(bytes(*b))).collect::<Vec<_>>());
    let deviation = (MAD_SCALE * mad).max(LEAST_SPREAD);
    let usual = (10_f64.powf(center) - PAD).max(0.0);
    let per_day = (DAY / width) as u32;
    let at_that_time = |bucket: u32| {
        let others = history.iter().filter(|other| {
            let apart = other.abs_diff(bucket);
            let off = apart % per_day;
            apart * 2 > per_day && off.min(per_day - off) <= 1
        });
        others.map(|other| bytes(*other)).max().unwrap_or(0) as f64
    };
    let mut episodes: Vec<Episode<'_>> = Vec::new();
    for (&bucket, &sum) in
        sent.iter().filter(|(b, n)| **n >= LEAST_BYTES && (given.is_none() || !learned(**b)))
    {
        let expected = usual.max(at_that_time(bucket));
        if (level(sum) - center) / deviation < LEAST_DEVIATIONS || (sum as f64) < LEAST_RATIO * expected {
            continue;
        }
        let from = u64::from(bucket) * width;
        match episodes.last_mut() {
            Some(open) if from <= open.to + 2 * width => {
                open.to = from + width;
                open.bytes += sum;
                open.expected += expected;
            }
            _ => episodes.push(Episode {
                interface,
                inbound,
                from,
                to: from + width,
                bytes: sum,
                expected,
                history_seconds,
                blocks: Vec::new(),
                times: 1,
            }),
        }
    }
    // Those of one night are one, for counting.
    let apart = episodes.windows(2).filter(|pair| pair[1].from >= pair[0].to + DAY / 2).count();
    if apart + 1 >= HABIT {
        return Vec::new();
    }
    let spans: Vec<(u64, u64)> = episodes.iter().map(|e| (e.from, e.to)).collect();
    for episode in &mut episodes {
        episode.blocks = blocks(rollups, episode);
    }
    episodes.retain(|episode| is_worth_telling(episode, &spans));
    // Several to the same block are one matter.
    let mut merged: Vec<Episode<'_>> = Vec::new();
    for episode in episodes {
        let block = |e: &Episode<'_>| e.blocks.first().map(|(block, ..)| *block);
        match merged.iter_mut().find(|e| block(e) == block(&episode)) {
            Some(into) => into.join(episode),
            None => merged.push(episode),
        }
    }
    merged
}

/// Bytes by block during an episode, most first.
fn blocks<'a>(rollups: &'a Rollups, episode: &Episode<'_>) -> Vec<(Side, u64, Vec<&'a CallRow>)> {
    let mut blocks: BTreeMap<Side, (u64, Vec<&CallRow>)> = BTreeMap::new();
    for row in rollups.contacts.calls.of(episode.interface).iter().filter(|r| r.inbound == episode.inbound) {
        let bytes = during(row, episode.from, episode.to);
        if bytes > 0 && super::normal::outside(rollups, row.remote) {
            let (sum, rows) = blocks.entry(Side::prefix(row.remote)).or_default();
            *sum += bytes;
            rows.push(row);
        }
    }
    let mut blocks: Vec<_> = blocks.into_iter().map(|(block, (sum, rows))| (block, sum, rows)).collect();
    blocks.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    for (.., rows) in &mut blocks {
        rows.sort_by_key(|row| std::cmp::Reverse(during(row, episode.from, episode.to)));
    }
    blocks
}

/// Bytes that a call sent in that time, about: connections that are known one by one sent when they began, or
/// evenly if there is only one; what is not known one by one, evenly.
fn during(row: &CallRow, from: u64, to: u64) -> u64 {
    if row.is_whole() && row.shots.len() > 1 {
        // One that began before may have sent most of it now.
        let begins = (from.saturating_sub(3600), to);
        let now = row.shots.iter().filter(|(at, _)| (begins.0..begins.1).contains(&u64::from(*at)));
        let known: u64 = row.shots.iter().map(|(_, bytes)| u64::from(*bytes)).sum();
        let now: u64 = now.map(|(_, bytes)| u64::from(*bytes)).sum();
        // Sizes of shots end at 4 GB.
        return (u128::from(now) * u128::from(row.bytes) / u128::from(known.max(1))) as u64;
    }
    let (first, last) = (u64::from(row.first), u64::from(row.last) + 1);
    let overlap = last.min(to).saturating_sub(first.max(from));
    (u128::from(row.bytes) * u128::from(overlap) / u128::from(last - first)) as u64
}

fn is_worth_telling(episode: &Episode<'_>, spans: &[(u64, u64)]) -> bool {
    let Some((_, most, rows)) = episode.blocks.first() else { return !episode.inbound };
    if episode.inbound && most * 10 < episode.bytes * 6 {
        return false;
    }
    // The same job, at another time of day.
    let length = episode.to - episode.from + 3600;
    let elsewhere =
        |from: u64| rows.iter().map(|row| during(row, from, from + length)).sum::<u64>() * 3 >= *most;
    let begins = rows.iter().flat_map(|row| row.shots.iter().map(|(at, _)| u64::from(*at)));
    let far = |at: &u64| at + DAY / 2 < episode.from || *at > episode.to + DAY / 2;
    // Another episode is no habit.
    let usual = |at: &u64| !spans.iter().any(|(from, to)| (from.saturating_sub(3600)..*to).contains(at));
    !begins.filter(|at| far(at) && usual(at)).collect::<BTreeSet<u64>>().into_iter().any(elsewhere)
}

fn describe(rollups: &Rollups, found: &Found<'_>) -> FindingBuilder {
    let episode = &found.episodes[0];
    let row = &rollups.interfaces[episode.interface as usize];
    let bytes: u64 = found.episodes.iter().map(|e| e.bytes).sum();
    let expected: f64 = found.episodes.iter().map(|e| e.expected).sum();
    let (from, to) =
        found.episodes.iter().fold((u64::MAX, 0), |(from, to), e| (from.min(e.from), to.max(e.to)));
    // What the user vouches for need not be long.
    let good = if rollups.given_baseline.is_some() { LEAST_HISTORY } else { GOOD_HISTORY };
    let short = episode.history_seconds < good;
    let severity = match (found.shared || short || !row.in_inventory, found.new, found.users >= COMMON) {
        (true, ..) => Severity::Low,
        (_, true, false) if bytes >= 5_000_000_000 => Severity::High,
        (_, _, true) if bytes < 10_000_000_000 => Severity::Low,
        _ => Severity::Medium,
    };
    let grade = if short || !row.in_inventory { Grade::Weak } else { Grade::Reliable };
    let calls: Vec<&CallRow> = episode.blocks.iter().flat_map(|(.., rows)| rows.iter().copied()).collect();
    let known: u64 = episode.blocks.iter().map(|(_, bytes, _)| bytes).sum();
    let top = calls.first().map(|call| address_from_bits(call.remote));
    let new = if found.new { ", which it never talked to before" } else { "" };
    let whom = match (top, episode.blocks.len()) {
        (None, _) => "public addresses".to_owned(),
        (Some(top), _) if episode.blocks[0].1 * 10 >= known.max(episode.bytes) * 6 => format!("{top}{new}"),
        (Some(top), n) => format!("{} like {top}", counted(n as u64, "block")),
    };
    let who = match found.episodes.len() {
        1 => row.id.clone(),
        n => format!("{} and {}", row.id, counted(n as u64 - 1, "more interface")),
    };
    let (amount_sent, time) = (amount(bytes), duration(to - from));
    let title = if episode.inbound {
        format!("{who} gave {amount_sent} in {time} to {whom}")
    } else {
        format!("{who} sent {amount_sent} in {time} to {whom}")
    };
    let ports: BTreeSet<u16> =
        episode.blocks.first().into_iter().flat_map(|(.., rows)| rows.iter().map(|r| r.port)).collect();
    let port_names: Vec<String> = ports.iter().take(3).map(|p| services::name(*p)).collect();
    let protocol = calls.first().map(|call| call.protocol);
    let most = |hours: &[u64]| hours.iter().copied().max().unwrap_or(0);
    let in_hours: Vec<u64> = rollups
        .contacts
        .hours
        .of(episode.interface, episode.inbound)
        .filter(|(bucket, _)| {
            let at = u64::from(*bucket) * rollups.contacts.hours.seconds();
            (episode.from..episode.to).contains(&at)
        })
        .map(|(_, bytes)| bytes)
        .collect();
    let cause = match (found.shared, episode.inbound) {
        (true, _) => "group-volume",
        (_, true) => "download",
        (_, false) => "upload",
    };
    let on = match protocol {
        Some(protocol) if !port_names.is_empty() => {
            format!(" Mostly on {protocol} {}.", port_names.join(", "))
        }
        _ => String::new(),
    };
    let mut builder = FindingBuilder::new(META.id, META.kind, cause)
        .about(row.id.clone())
        .about(episode.blocks.first().map(|(block, ..)| rollups.sides.name(*block)).unwrap_or_default())
        .rated(severity, grade)
        .told(
            title,
            format!(
                "Expected: {}. At most {} in an hour.{on}",
                amount(expected.round() as u64),
                amount(most(&in_hours))
            ),
        )
        .service(
            Some(if episode.inbound { Direction::Inbound } else { Direction::Outbound }),
            protocol.map(|p| p.to_string()),
            ports.iter().take(LISTED).filter(|p| **p > 0).map(|p| Ports::One(*p)).collect(),
        )
        .during(Some(from as i64), Some(to as i64))
        .count("bytes_out", bytes)
        .count("expected_bytes_out", expected.round() as u64)
        .count("connections", calls.iter().map(|call| call.connections).sum())
        .evidence("episodes", found.episodes.iter().map(|e| e.times).sum::<u64>())
        .evidence("history_hours", episode.history_seconds / 3600)
        .evidence("interfaces_using_the_block", found.users as u64)
        .evidence("block_is_new", found.new)
        .evidence(
            "top_blocks",
            serde_json::json!(
                episode
                    .blocks
                    .iter()
                    .take(5)
                    .map(|(block, bytes, _)| (rollups.sides.name(*block), *bytes))
                    .collect::<Vec<_>>()
            ),
        )
        .next(match top {
            Some(top) => format!("ask the owner of {} whether a transfer with {top} was meant", row.id),
            None => format!("find what {} sends: --interface {} --connections FILE", row.id, row.id),
        });
    if known * 2 < episode.bytes {
        builder = builder.evidence("bytes_with_known_blocks", known);
    }
    let rows: Vec<_> = found.episodes.iter().map(|e| &rollups.interfaces[e.interface as usize]).collect();
    at_interfaces(builder, &[row]).with(|f| {
        f.interfaces =
            rows.iter().take(LISTED).map(|r| r.id.clone()).collect::<BTreeSet<_>>().into_iter().collect();
        let instances = rows.iter().take(LISTED).filter_map(|r| r.instance.clone());
        f.instances = instances.collect::<BTreeSet<_>>().into_iter().collect();
        let mut remotes: Vec<String> =
            calls.iter().map(|c| address_from_bits(c.remote).to_string()).collect();
        let mut seen = BTreeSet::new();
        remotes.retain(|remote| seen.insert(remote.clone()));
        remotes.truncate(LISTED);
        f.remotes = remotes;
    })
}
