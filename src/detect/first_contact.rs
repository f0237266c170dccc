//! Who talks to whom for the first time.
//!
//! ## What it finds
//! Accepted connections between two sides on a service that was never used between them during the baseline. Sides are
//! interfaces with the same security groups, subnets (for addresses that no inventory knows), and blocks of addresses
//! (/24, /56) for everybody else.
//!
//! ## Why it matters
//! Intruders do what nobody did before: a server that calls an address abroad on an odd port, a web server that logs in
//! to its neighbours. Deploys do, too; those are told once, and quietly.
//!
//! ## How it decides
//! What was seen until the end of the baseline (`--baseline`, else the first half of the window; at least a day) is known;
//! what was first seen later is new, if both sides answered each other and a rule permitted it. Instances come and go:
//! what one of a group did, all did, and an address that no inventory knows stands for everybody in its subnet.
//! Where peers are new all the time, a new one is no news: a service that met 2 new peers in the second half of the
//! baseline, or 3 after its first quarter, or has more than 1,024 of them, is left out, and so are links that use 3 or more
//! new ports in that time, or belong to a side that began to use 3 or more with public peers. What `beacon` or `outbound-volume` tell of is not told again.
//!
//! What has one explanation is one finding: a side that is new itself (`new-interfaces`); many clients of one service
//! (`new-service`), many peers of one client (`new-peers`), many ports between two (`new-ports`), a port that many begin
//! to use (`new-port`), one side that begins many things (`new-behaviour`), or of which many are used
//! (`new-services`). The one that explains most is taken first.
//! The rest is `new-contact`.
//!
//! Medium: a public address is called on a port other than 80 and 443, and less than half of the group does so; a port
//! that administers machines or holds data is reached from a public block; one interface of three or more with the same
//! groups logs in (SSH, RDP, SMB, WinRM …) inside. Low: the same where half of the group does it or three
//! sides knew that port with public addresses; other services reached from public blocks; one interface of three or more
//! with anything else inside. Informational: the rest, new interfaces, 80 and 443. What three or more groups begin
//! to do is low at most, as is everything with a baseline of less than two days, what hosts do that no inventory knows, and a new peer where the baseline saw one or two after its first quarter.
//!
//! ## When it is wrong
//! What happens once a week is new in a window of a week. A new partner or tool is as new as an intruder. Grade
//! `weak`: a baseline of less than three days or with gaps (less than 80 % watched), or openers that rest on port
//! numbers.
//!
//! ## Tuning
//! `--baseline 2026-03-01..2026-03-08` with a week that is known to be good, and `--from` and `--to` that hold it and what to
//! compare with it. `--skip first-contact` turns it off.
//!
//! ## What to do
//! Ask whoever deployed last. If nobody knows: which process opened it, and what else did the interface do after that
//! time?

use std::collections::{BTreeMap, BTreeSet};

use super::contacts::{Learned, New, compare};
use super::normal::watched;
use super::story::{Story, Why, explain, service, subject};
use super::{Detector, Input, Meta, beacon, counted, finish, outbound_volume, rule_class, services};
use crate::finding::{Finding, FindingBuilder, Grade, Kind, Ports, Severity};
use crate::flow::{Direction, Protocol, address_from_bits};
use crate::rollup::{Baseline, Rollups, Side, SideKind};

/// See the file's manual.
pub(super) struct FirstContact;

static META: Meta = Meta {
    id: "first-contact",
    kind: Kind::FirstContact,
    title: "who talks to whom for the first time",
    manual: include_str!("first_contact.rs"),
};

/// Ports that administer machines: whoever reaches them may log in.
const ADMINISTRATION: [u16; 9] = [22, 23, 135, 445, 3389, 5900, 5985, 5986, 2375];
const LISTED: usize = 20;
/// So many sides that begin to do the same make it a change of the environment.
const EVERYBODY: usize = 3;

impl Detector for FirstContact {
    fn meta(&self) -> &'static Meta {
        &META
    }

    fn detect(&self, input: &Input<'_>) -> Vec<Finding> {
        let rollups = input.rollups;
        let Some(baseline) = rollups.baseline() else { return Vec::new() };
        if rollups.contacts.services.is_blurred() {
            return Vec::new();
        }
        let (learned, mut news) = compare(rollups, baseline);
        let told = told_elsewhere(rollups);
        news.retain(|new| {
            !is_made_up(new) && !told.contains(&(new.client, new.what.0.0, new.what.1, new.server))
        });
        let teller = Teller { rollups, baseline, learned: &learned, names: names(rollups) };
        let news = news
            .into_iter()
            .map(|new| {
                let severity = teller.severity(&new);
                (new, severity)
            })
            .collect();
        let stories = explain(&learned, news);
        stories.iter().filter_map(|story| finish(teller.describe(story))).collect()
    }
}

/// An ephemeral port whose opener is a guess: more likely an answer.
fn is_made_up(new: &New<'_>) -> bool {
    new.is_guessed() && new.what.1 >= 32_768
}

/// What beacons and volumes tell of: client, protocol, port, block.
fn told_elsewhere(rollups: &Rollups) -> BTreeSet<(Side, u8, u16, Side)> {
    let beacons = beacon::find(rollups);
    let calls = beacons.iter().flat_map(|found| &found.calls);
    let calls = calls.map(|(row, _)| (row.interface, beacon::target(row)));
    let volumes = outbound_volume::find(rollups);
    let all = calls.chain(volumes.iter().flat_map(outbound_volume::Found::targets));
    let known = all.filter_map(|(interface, (protocol, port, block))| {
        Some((rollups.sides.known(interface)?, protocol, port, block))
    });
    known.collect()
}

/// Names of security groups by id.
fn names(rollups: &Rollups) -> BTreeMap<String, String> {
    let named = rollups.rules.iter().filter(|rule| !rule.group_name.is_empty());
    named.map(|rule| (rule.group.clone(), rule.group_name.clone())).collect()
}

struct Teller<'a> {
    rollups: &'a Rollups,
    baseline: Baseline,
    learned: &'a Learned<'a>,
    names: BTreeMap<String, String>,
}

impl Teller<'_> {
    /// `sg-1 (web)`, `10.0.0.0/24`.
    fn name(&self, side: Side) -> String {
        match side.kind() {
            SideKind::Group(number) => match self.rollups.sides.groups.get(number as usize) {
                Some(group) if !group.security_groups.is_empty() => {
                    let named = group.security_groups.iter().map(|id| match self.names.get(id) {
                        Some(name) => format!("{id} ({name})"),
                        None => id.clone(),
                    });
                    named.collect::<Vec<_>>().join(" + ")
                }
                _ => self.rollups.sides.name(side),
            },
            _ => self.rollups.sides.name(side),
        }
    }

    /// Interfaces of a side that were there after the baseline, 0 if that is not known.
    fn members(&self, side: Side) -> Vec<u32> {
        let SideKind::Group(number) = side.kind() else { return Vec::new() };
        let all = self.rollups.sides.groups.get(number as usize).map_or(&[][..], |group| &group.members);
        let later = |m: &u32| {
            self.rollups.interfaces[*m as usize].coverage.last.is_some_and(|last| last >= self.baseline.to)
        };
        all.iter().copied().filter(later).collect()
    }

    fn severity(&self, new: &New<'_>) -> Severity {
        let (protocol, port, high) = new.what;
        let members = self.members(new.client).len() as u64;
        let clients = new.clients().unwrap_or(0);
        let one_of_many = members >= 3 && clients == 1;
        let half = members >= 3 && clients * 2 >= members;
        let web = port == high && (port == 80 || port == 443);
        let sensitive = protocol == Protocol::TCP && !services::sensitive_within(port, high).is_empty();
        let severity = match new.outside {
            Some(_) if web => Severity::Informational,
            Some(Direction::Outbound) => {
                let key = (Direction::Outbound, new.what);
                let known = self.learned.common.get(&key).is_some_and(|users| users.len() >= EVERYBODY);
                if half || known { Severity::Low } else { Severity::Medium }
            }
            Some(Direction::Inbound) if sensitive => Severity::Medium,
            Some(Direction::Inbound) => Severity::Low,
            None if one_of_many && ADMINISTRATION.iter().any(|p| (port..=high).contains(p)) => {
                Severity::Medium
            }
            None if one_of_many => Severity::Low,
            None => Severity::Informational,
        };
        // Of hosts that no inventory knows, nobody can tell what they are for.
        let own = if new.outside == Some(Direction::Inbound) { new.server } else { new.client };
        let unknown = !matches!(own.kind(), SideKind::Group(_));
        // A well-known port at one end only is a good guess.
        let guessed = new.is_guessed() && port >= 1024;
        if guessed || new.happens || unknown { severity.min(Severity::Low) } else { severity }
    }

    fn rated(&self, story: &Story<'_>) -> Severity {
        let worst = story.links.iter().map(|new| self.severity(new)).max().unwrap_or(Severity::Informational);
        let clients: BTreeSet<Side> = story.links.iter().map(|new| new.client).collect();
        let inside = story.links.iter().any(|new| new.outside != Some(Direction::Inbound));
        let worst = if self.baseline.seconds() < Baseline::FAIR { worst.min(Severity::Low) } else { worst };
        match story.why {
            Why::Side(_) => Severity::Informational,
            Why::Service(..) | Why::Port(..) if inside && clients.len() >= EVERYBODY => {
                worst.min(Severity::Low)
            }
            _ => worst,
        }
    }

    /// How much of the baseline the interfaces of a side were watched.
    fn coverage(&self, interface: u32) -> f64 {
        let own = [interface];
        let group = self.rollups.sides.group_of(interface).map_or(&own[..], |group| &group.members);
        let (from, to) = (self.baseline.from / 600, self.baseline.to / 600);
        let mut seen: BTreeSet<u32> = BTreeSet::new();
        for member in group.iter().take(50) {
            let buckets = watched(&self.rollups.interfaces[*member as usize], 600);
            seen.extend(buckets.range(from..to));
        }
        seen.len() as f64 / f64::from((to - from).max(1))
    }

    fn describe(&self, story: &Story<'_>) -> FindingBuilder {
        let links = &story.links;
        let rollups = self.rollups;
        // All have a link, and that was seen at least once.
        let seen = || links.iter().flat_map(|new| &new.seen);
        let first = links.iter().map(New::first).min().unwrap_or(0);
        let last = links.iter().map(New::last).max().unwrap_or(0);
        let connections: u64 = links.iter().map(New::connections).sum();
        let began = seen().min_by_key(|(d, _, c)| (c.first, std::cmp::Reverse(*d), c.interface()));
        let interface = began.map_or(0, |(.., contact)| contact.interface());
        let row = &rollups.interfaces[interface as usize];
        let coverage = self.coverage(interface);
        let guessed = links.iter().filter(|new| new.is_guessed()).count();
        let reliable =
            self.baseline.seconds() >= Baseline::GOOD && coverage >= 0.8 && guessed * 2 <= links.len();
        let grade = if reliable { Grade::Reliable } else { Grade::Weak };
        let (title, summary) = self.told(story, connections, &row.id);
        let interfaces: BTreeSet<u32> = seen().map(|(.., contact)| contact.interface()).collect();
        let mut remotes: Vec<String> = Vec::new();
        for (.., contact) in seen() {
            let remote = address_from_bits(contact.remote()).to_string();
            if !remotes.contains(&remote) && remotes.len() < LISTED {
                remotes.push(remote);
            }
        }
        let ports: BTreeSet<(u16, u16)> = links.iter().map(|new| (new.what.1, new.what.2)).collect();
        let protocols: BTreeSet<Protocol> = links.iter().map(|new| new.what.0).collect();
        let directions: BTreeSet<Direction> = seen().map(|(direction, ..)| *direction).collect();
        let rules: BTreeSet<&str> = seen()
            .filter_map(|(.., contact)| Some(rollups.rule(contact.rule()?)?.id.as_str()))
            .take(LISTED)
            .collect();
        let listed: Vec<String> = links
            .iter()
            .take(LISTED)
            .map(|new| {
                format!("{} -> {} {}", self.name(new.client), self.name(new.server), service(new.what))
            })
            .collect();
        let client = links[0].client;
        let builder = FindingBuilder::new(META.id, META.kind, story.why.cause())
            .about(subject(rollups, story.why))
            .rated(self.rated(story), grade)
            .told(title, summary)
            .service(
                directions.iter().max().copied(),
                (protocols.len() == 1).then(|| links[0].what.0.to_string()),
                ports
                    .iter()
                    .filter(|(_, high)| *high > 0)
                    .take(LISTED)
                    .map(|&(l, h)| listed_port(l, h))
                    .collect(),
            )
            .during(Some(i64::from(first)), Some(i64::from(last)))
            .count("connections", connections)
            .count("links", links.len() as u64)
            .count("clients", links.iter().map(|new| new.client).collect::<BTreeSet<_>>().len() as u64)
            .count("servers", links.iter().map(|new| new.server).collect::<BTreeSet<_>>().len() as u64)
            .evidence("first_contact", rule_class::instant(i64::from(first)))
            .evidence("baseline_from", rule_class::instant(i64::from(self.baseline.from)))
            .evidence("baseline_to", rule_class::instant(i64::from(self.baseline.to)))
            .evidence("baseline_watched", (coverage * 1000.0).round() / 1000.0)
            .evidence("began_at", row.id.clone())
            .evidence("client_interfaces", self.members(client).len() as u64)
            .evidence("contacts", serde_json::json!(listed))
            .evidence("permitted_by", serde_json::json!(rules))
            .evidence("openers_guessed", guessed as u64)
            .next(match story.why {
                Why::Side(_) => "see whether they were meant to be deployed".to_owned(),
                _ => format!(
                    "ask who deployed or changed something before {}; if nobody did, find the process on {}",
                    rule_class::instant(i64::from(first)),
                    row.id
                ),
            });
        builder.with(|f| {
            f.account.clone_from(&row.account);
            f.region.clone_from(&row.region);
            f.vpc.clone_from(&row.vpc);
            let rows = interfaces.iter().take(LISTED).map(|i| &rollups.interfaces[*i as usize]);
            f.interfaces = rows.clone().map(|r| r.id.clone()).collect();
            f.instances =
                rows.filter_map(|r| r.instance.clone()).collect::<BTreeSet<_>>().into_iter().collect();
            f.remotes = remotes;
        })
    }

    fn told(&self, story: &Story<'_>, connections: u64, interface: &str) -> (String, String) {
        let links = &story.links;
        let new = &links[0];
        let count =
            |of: &dyn Fn(&New<'_>) -> Side| links.iter().map(of).collect::<BTreeSet<_>>().len() as u64;
        let (clients, servers) = (count(&|n| n.client), count(&|n| n.server));
        let what = service(new.what);
        let title = match story.why {
            Why::Side(side) => format!("{} began to talk after the baseline", self.name(side)),
            Why::Service(server, _) => match new.outside {
                Some(Direction::Inbound) => {
                    format!(
                        "{} of {} is new to {}",
                        what,
                        self.name(server),
                        counted(clients, "public block")
                    )
                }
                _ => format!(
                    "{} use {what} of {} for the first time",
                    counted(clients, "group"),
                    self.name(server)
                ),
            },
            Why::Peers(client, ..) => {
                format!(
                    "{} uses {what} of {} for the first time",
                    self.name(client),
                    counted(servers, "new peer")
                )
            }
            Why::Ports(client, server) => format!(
                "{} uses {} of {} for the first time",
                self.name(client),
                counted(links.len() as u64, "service"),
                self.name(server)
            ),
            Why::Port(..) => {
                format!(
                    "{what} is new between {} and {}",
                    counted(clients, "client group"),
                    counted(servers, "peer")
                )
            }
            Why::Client(client, ..) => format!(
                "{} uses {} for the first time",
                self.name(client),
                counted(links.len() as u64, "service")
            ),
            Why::Server(server, ..) => format!(
                "{} of {} are used for the first time",
                counted(links.len() as u64, "service"),
                self.name(server)
            ),
            Why::Alone(client, server, _) => match new.outside {
                Some(Direction::Outbound) if new.clients() == Some(1) => format!(
                    "{interface} called {} on {what} for the first time",
                    remote(new).unwrap_or_else(|| self.name(server))
                ),
                Some(Direction::Inbound) => format!(
                    "{} reached {what} of {} for the first time",
                    remote(new).unwrap_or_else(|| self.name(client)),
                    self.name(server)
                ),
                _ if new.clients() == Some(1) && self.members(client).len() > 1 => {
                    format!("{interface} uses {what} of {} for the first time", self.name(server))
                }
                _ => format!("{} uses {what} of {} for the first time", self.name(client), self.name(server)),
            },
        };
        let of_group = match (new.clients(), self.members(new.client).len() as u64) {
            (Some(some), all @ 2..) if clients == 1 => {
                format!(
                    " by {}{} of {} with {}",
                    // Counted by bits of a hash.
                    if some > 8 { "about " } else { "" },
                    some.min(all),
                    counted(all, "interface"),
                    self.name(new.client)
                )
            }
            _ => String::new(),
        };
        let summary = format!(
            "{}{of_group}. The baseline of {:.1} days has none.",
            counted(connections, "connection"),
            f64::from(self.baseline.seconds()) / 86_400.0,
        );
        (title, summary)
    }
}

fn listed_port(low: u16, high: u16) -> Ports {
    if low == high { Ports::One(low) } else { Ports::Range(low, high) }
}

/// The remote address of the first connection as the account's end saw it.
fn remote(new: &New<'_>) -> Option<String> {
    let (.., contact) = new.seen.first()?;
    Some(address_from_bits(contact.remote()).to_string())
}
