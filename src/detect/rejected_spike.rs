//! Far more rejected attempts than usual.
//!
//! ## What it finds
//! Episodes in which rejected attempts rise far above what is usual at that place and time: scans, brute force, surges,
//! and internal clients that are suddenly refused; and scanners so slow that no rise shows them.
//!
//! ## Why it matters
//! Rejects from inside mean a broken dependency or a compromised host looking around. Rejects from outside are
//! mostly noise; what stands out of it may have got in somewhere else.
//!
//! ## How it decides
//! Attempts are counted, not packets: retransmitted SYNs are one attempt, late packets of closed connections none.
//! A series is one interface, direction, class of services (remote access, Windows, data stores, web, other well-known
//! ports, high ports, no ports, unasked answers), cause and source side (private or not) in 5-minute buckets. Buckets
//! that were not watched and those with SKIPDATA are missing, not zero.
//!
//! *Usual* is the median over the weeks for that hour of the week from two weeks of logs on, over the days for that hour
//! of the day from three days on (of an even number the lower one), with a fifth of the level over all times; in shorter
//! logs the level alone. The level is a mean after the oddest buckets (three hours of them, or 1 % if that is more) were
//! brought down to the next one. The first ten minutes after a gap may hold what had to wait in it. A series from
//! outside is judged from its first attempt on, so that what is merely new does not stand out for long.
//! Counts are taken for negative binomial: their variance is the mean and a share of its square, which is learned
//! from the series (Cameron and Trivedi, "Regression Analysis of Count Data", 2013). A bucket alarms if such a count is so
//! unlikely that of all alarms of the run at most 1 % come about by chance (Benjamini and Yekutieli 2001, which holds for
//! tests that depend on each other, as neighbouring buckets do), and if it holds at least 20 attempts (8 that were
//! opened inside) and four times the usual number. A stretch half of which there was on three other days, and on one in ten,
//! is usual; of attempts from outside also if that was at other interfaces.
//!
//! Adjacent alarms make an episode, over all series of one source, else of one port, else of one interface, else of a
//! group or VPC (`scope`). Without any rise these are told: a private source that is refused on one port at five
//! interfaces within an hour; a private client that is refused five times within an hour what it was granted before; and
//! scanners. A scanner was refused at so many different targets, and answered at so few, that it is one by sequential
//! hypothesis testing (threshold random walk; Jung, Paxson, Berger, Balakrishnan 2004, with their probabilities of 0.8 and
//! 0.2) over the whole log; its final likelihood ratio is told, which does not depend on the order of steps, and of those
//! called so at most 1 % are so by chance. It must have tried ten ports of one interface, or ten interfaces, in however long
//! a time. One that knocked in half of all hours, for 24 hours at 60 targets (inside 6 hours, 20 targets), is a `slow-scan`.
//!
//! Told on their own are slow scans and those who tried 60 ports of one interface (20 if inside, and that interface serves
//! them nothing); of those outside the five with most evidence. What the internet does to everybody is summed up: one
//! informational finding lists all others that scan ports (`scanners` in its evidence, with ports, interfaces and times),
//! and one those that sweep over interfaces. It is of low severity if one of them was answered on a sensitive port.
//!
//! `cause` says what it looks like: `port-scan`, `host-sweep`, `brute-force`, `distributed-surge`, `slow-scan`,
//! `broken-dependency` (a client inside, mostly one that used to be accepted), `blocked-egress`, `blocked-reply` (by a
//! network ACL), `backscatter` (answers that nobody asked for: somebody forges the address) or `unclassified`.
//! Scanners inside matter more than those outside; being answered on a port that was tried, or on a sensitive one, raises
//! the severity, and `accepted_at` says where. `change` is what was changed at these interfaces in the hour before.
//!
//! Every attempt is counted in its 5 minutes, however many there are: beyond 300,000 from outside and 150,000 from inside
//! they wait on disk, 16 bytes each. Then of every series what is usual is learned from all of its buckets; kept are those
//! that stand out, beginning with 5 attempts and 1.5 times the usual number; if those are too many, only those that stand
//! out further. Who tried what is known of up to 16,384 attempts of such a bucket (fewer, if that makes more than 300,000), and
//! of all else from a sample; without disk, of 16,384 in 5 minutes. Findings that rest on a part have `approximate` in their
//! evidence, the number of attempts sampled, and the standard errors of the numbers of sources and ports and of the shares,
//! each as a share of one. With a sample, scanners and sweeps inside with few attempts may be missed: they make no bucket
//! stand out.
//!
//! How well all this works, and at what cost, is measured: docs/rejected-spikes.md.
//!
//! ## When it is wrong
//! A window shorter than three hours has hardly a baseline; such findings are graded `weak`. A daily job that is
//! refused every day looks like a spike in a window of less than four days. Hours are UTC: a peak that moves with the
//! clock of a country moves by one hour twice a year. Of several changes before an episode only the last one is named.
//!
//! ## Tuning
//! Feed a longer window of logs. `--sensitivity low` asks for more of everything above, `high` for less. `--ignore FILE`
//! leaves out scanners of one's own, until a date and with a reason, but not from the lists of scanners.
//! `--skip rejected-spike` turns it off.
//!
//! ## What to do
//! For sources inside: find the process behind the source address, and see whether the change that is named was meant.
//! For sources outside: see whether the same source was accepted anywhere.

mod alarm;
mod classify;
mod context;
mod describe;
mod episode;
mod picks;
mod scanners;
mod scans;
mod tail;

use super::{Detector, Input, Meta, finish};
use crate::finding::{Finding, Kind};
use alarm::Watches;
use context::FirstSeen;
use episode::Episode;

/// See the file's manual.
pub(super) struct RejectedSpike;

static META: Meta = Meta {
    id: "rejected-spike",
    kind: Kind::RejectedSpike,
    title: "far more rejected attempts than usual",
    manual: include_str!("rejected_spike.rs"),
};

/// Scanners from outside that are told one by one; the internet is full of them.
const SCANNERS_LISTED: usize = 5;

impl Detector for RejectedSpike {
    fn meta(&self) -> &'static Meta {
        &META
    }

    fn detect(&self, input: &Input<'_>) -> Vec<Finding> {
        let rollups = input.rollups;
        if rollups.rejects.is_empty() {
            return Vec::new();
        }
        let mut watches = Watches::new(rollups);
        let stretches = alarm::stretches(rollups, &mut watches, input.sensitivity.into());
        let mut episodes: Vec<Episode> =
            stretches.into_iter().map(|s| Episode::of(&rollups.rejects, s)).collect();
        let picked = picks::picks(rollups, &episodes, &mut watches);
        episodes.extend(picked);
        let episodes = episode::merge(rollups, episodes);
        let scanners =
            scanners::scanners(rollups, &episodes, &mut watches, input.sensitivity, SCANNERS_LISTED);
        let seen = FirstSeen::new(rollups, &episodes.iter().chain(scanners.told.iter().map(|(_, e)| e)));
        let mut findings: Vec<Finding> =
            episodes.iter().filter_map(|e| finish(describe::spike(rollups, e, &seen))).collect();
        let told = scanners.told.iter();
        findings.extend(told.filter_map(|(scanner, e)| finish(scans::one(rollups, scanner, e, &seen))));
        findings.extend(scans::noise(rollups, &scanners.noise).into_iter().filter_map(finish));
        findings
    }
}
