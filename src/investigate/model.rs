//! What is said of a subject. Plain values: `report` gives them a form.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::changes::Change;
use super::configured::{InterfaceState, RuleState, SubnetState};
use super::subject::Subject;
use super::sums::ConnectionNote;
use super::top::Ranked;
use super::traffic::{End, Service, Traffic};

/// What is asked.
#[derive(Clone, Debug)]
pub struct Request {
    /// About what.
    pub subject: Subject,
    /// Only what starts from then on, Unix seconds.
    pub from: Option<i64>,
    /// Only what starts before then.
    pub to: Option<i64>,
    /// A time, and how many seconds before and after it are looked at closely.
    pub around: Option<(i64, i64)>,
    /// Lines of each list.
    pub shown: usize,
    /// Threads to use.
    pub threads: usize,
    /// Where the store is, as it was named.
    pub store: String,
    /// Inventories, as they were named.
    pub inventories: Vec<String>,
}

/// All that is said of a subject.
#[derive(Clone, Debug)]
pub struct Investigation {
    /// What was asked.
    pub request: Request,
    /// What the store holds.
    pub held: Held,
    /// Who it is.
    pub identity: Identity,
    /// What its connections were, from each end that has some.
    pub views: Vec<View>,
    /// Names of the addresses that are shown, as far as they are known.
    pub names: BTreeMap<IpAddr, Name>,
    /// Terms of the rules that are shown, as they were last.
    pub rules: BTreeMap<String, RuleState>,
    /// Findings of the last analysis that was kept.
    pub findings: Findings,
    /// What changed in the configuration.
    pub changes: Changes,
    /// How far this can be trusted.
    pub limits: Vec<Limit>,
    /// If the store has nothing of it: what comes nearest.
    pub nothing: Option<Nothing>,
    /// Commands to go on with.
    pub next: Vec<NextStep>,
}

impl Investigation {
    /// Something that was not read could change what is said.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.limits.iter().any(|limit| limit.incomplete)
    }
}

/// What the store holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// First and last day (days since 1970) of its records.
    pub days: Option<(u32, u32)>,
    /// Days between these, included, of which it has records.
    pub days_with_records: u64,
    /// Rows of its table of connections.
    pub rows: u64,
    /// What the connections were judged by, as it was named.
    pub judged_by: Vec<String>,
    /// Tables that it lacks.
    pub lacks: Vec<&'static str>,
}

/// Who it is.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// Of an address or network: whether an interface has it, or one of its addresses. `None` for what is configured.
    pub inside: Option<bool>,
    /// Of an address or network: `public`, `private`, `shared`, `link-local`, `loopback`, `multicast`, or `other`.
    pub scope: Option<&'static str>,
    /// Its interfaces as they were last, and whether they are still there.
    pub interfaces: Vec<InterfaceState>,
    /// More interfaces.
    pub more_interfaces: u64,
    /// Its groups: those of its interfaces at any time, or itself.
    pub groups: Vec<GroupNote>,
    /// More groups.
    pub more_groups: u64,
    /// The rule, or the rules of the group, as they were last, with what used them in the window.
    pub rules: Vec<(RuleState, Traffic)>,
    /// More rules.
    pub more_rules: u64,
    /// Rules of other groups that name the group.
    pub referenced_by: Vec<RuleState>,
    /// More of these.
    pub more_references: u64,
    /// Subnets of the inventory that hold the address or the network.
    pub subnets: Vec<SubnetState>,
}

/// A security group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupNote {
    /// `sg-…`.
    pub id: String,
    /// Its name, if it is known.
    pub name: Option<String>,
    /// Its VPC.
    pub vpc: Option<String>,
    /// Its owner.
    pub account: Option<String>,
    /// Some interface of the subject is in it as of the last that is known.
    pub current: bool,
}

/// What is known of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The interface that has it.
    pub interface: String,
    /// What the interface is called.
    pub label: Option<String>,
    /// The instance that it is attached to.
    pub instance: Option<String>,
}

/// Its connections, as records of one end tell.
#[derive(Clone, Debug)]
pub struct View {
    /// Of which end.
    pub end: End,
    /// Sums over all.
    pub total: Traffic,
    /// Connections by verdict and reason, the most first.
    pub reasons: Vec<((String, String), u64)>,
    /// Connections by what rejected their replies.
    pub blocked_replies: Vec<(String, u64)>,
    /// By address of the other side.
    pub peers: Ranked<u128>,
    /// By address of the subject's side.
    pub addresses: Ranked<u128>,
    /// By service.
    pub services: Ranked<Service>,
    /// By rule that permits them.
    pub rules: Ranked<String>,
    /// By interface.
    pub interfaces: Ranked<String>,
    /// Account, VPC, subnet and instance of the interfaces that are shown.
    pub contexts: BTreeMap<String, [Option<String>; 4]>,
    /// The time line.
    pub line: Line,
    /// Other sides that were never seen before: around the time that is looked at, else the latest.
    pub new_peers: Vec<(u128, Traffic)>,
    /// More of these.
    pub more_new_peers: u64,
    /// Accepted connections that no rule explains: the nearest to the time that is looked at, else the first.
    pub escapes: Vec<ConnectionNote>,
    /// What happened around the time that is looked at.
    pub around: Option<Around>,
}

/// Before and after a time.
#[derive(Clone, Debug)]
pub struct Around {
    /// The span before.
    pub before: Traffic,
    /// The span after.
    pub after: Traffic,
    /// Connections that had begun before and went on.
    pub under_way: u64,
    /// The nearest ones that began within the span, in the order of time.
    pub near: Vec<ConnectionNote>,
}

/// The time line.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Seconds of a step.
    pub step: i64,
    /// The steps, in order.
    pub steps: Vec<LineStep>,
}

/// A step of the time line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LineStep {
    /// Begin, Unix seconds.
    pub from: i64,
    /// End: the first second that belongs to it no more.
    pub to: i64,
    /// What began in it.
    pub traffic: Traffic,
    /// Other sides that were never seen before.
    pub new_peers: u64,
    /// The store has no records of its days at all.
    pub no_records: bool,
    /// There are records of its days, but none of the subject's interfaces, not even that there was no traffic.
    pub silent: bool,
    /// SKIPDATA rows of its days, at the subject's interfaces: records were lost.
    pub skipdata: u64,
}

/// Findings of the last analysis that was kept.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Some are kept.
    pub kept: bool,
    /// Those that touch the subject, the worst first.
    pub list: Vec<FindingNote>,
    /// More of these.
    pub more: u64,
}

/// A finding that touches the subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FindingNote {
    /// Its id.
    pub id: String,
    /// The detector that found it.
    pub detector: String,
    /// Its kind.
    pub kind: String,
    /// How bad it is.
    pub severity: String,
    /// How far the evidence carries.
    pub grade: String,
    /// One line.
    pub title: String,
    /// When it began, Unix seconds.
    pub start: Option<i64>,
    /// When it ended.
    pub end: Option<i64>,
    /// What of the subject it names.
    pub names: String,
}

impl FindingNote {
    /// It is of a time of its own, not of a rule that is as it is.
    #[must_use]
    pub fn has_its_time(&self) -> bool {
        !self.kind.ends_with("-rule") && self.start.is_some() && self.end.is_some()
    }
}

/// What changed in the configuration.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Something tells of rules and interfaces.
    pub known: bool,
    /// Within the time that is looked at, or the latest; in the order of time.
    pub list: Vec<Change>,
    /// More of these.
    pub more: u64,
}

/// How far this can be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// A word for programs.
    pub code: &'static str,
    /// A sentence for people.
    pub text: String,
    /// It could change what is said.
    pub incomplete: bool,
}

/// What comes nearest to a subject of which there is nothing.
#[derive(Clone, Debug, Default)]
pub struct Nothing {
    /// The inventory or the table of interfaces or rules knows it.
    pub configured: bool,
    /// Of an address: the block around it of which there is something, and how many connections.
    pub around: Option<(Subject, u64)>,
    /// Ids of the same kind that are known: the one that was meant may be among them.
    pub known: Vec<String>,
}

/// A command to go on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextStep {
    /// What it tells.
    pub why: String,
    /// The command, word by word, `flowgate` first.
    pub words: Vec<String>,
}
