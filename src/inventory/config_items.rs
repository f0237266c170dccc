//! Configuration items of AWS Config: history and snapshot files as delivered to S3, and the output of
//! get-resource-config-history (domain D.9).
//!
//! The two spell some members differently, and the API has `configuration` as JSON in a string. Inside of it are the
//! shapes of the EC2 API in camel case, with plain strings beside the objects for IPv4 ranges.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::cursor::Node;
use super::error::FieldError;
use super::{
    FlowLog, History, NetworkAcl, NetworkInterface, Peering, PrefixList, SecurityGroup, State, Subnet, Track,
    Version, Vpc, groups, objects,
};

type Result<T> = std::result::Result<T, FieldError>;

/// The member that holds items.
pub(super) const ITEMS: &str = "configurationItems";

/// True for an object with members that only configuration items have.
pub(super) fn is_item(has: impl Fn(&str) -> bool) -> bool {
    has("configurationItemCaptureTime") && (has("resourceType") || has("resourceId"))
}

/// True for an element of [`ITEMS`], also of one that was cut off: S3 files begin items with `relatedEvents`,
/// `relationships` (thousands, for a VPC) and `configuration`.
pub(super) fn marks_item(has: impl Fn(&str) -> bool) -> bool {
    const MEMBERS: [&str; 8] = [
        "relatedEvents",
        "relationships",
        "configuration",
        "supplementaryConfiguration",
        "configurationItemVersion",
        "configurationItemCaptureTime",
        "configurationItemStatus",
        "resourceType",
    ];
    MEMBERS.into_iter().any(has)
}

/// One item, as far as it concerns us.
#[derive(Clone, Debug, PartialEq)]
struct Item {
    daily: bool,
    state: State<Object>,
    /// A present resource whose configuration is missing.
    blank: bool,
}

/// Index into [`TYPES`] and id.
type Resource = (usize, String);

/// Time, and `configurationStateId`, which orders the items of a second.
type Place = (i64, u64);

#[derive(Clone, Debug, PartialEq)]
enum Object {
    Group(SecurityGroup),
    Interface(NetworkInterface),
    Acl(NetworkAcl),
    Subnet(Subnet),
    Vpc(Vpc),
    PrefixList(PrefixList),
    Peering(Peering),
    FlowLog(FlowLog),
}

/// The resource types that are read.
const TYPES: [&str; 8] = [
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::NetworkInterface",
    "AWS::EC2::NetworkAcl",
    "AWS::EC2::Subnet",
    "AWS::EC2::VPC",
    "AWS::EC2::PrefixList",
    "AWS::EC2::VPCPeeringConnection",
    "AWS::EC2::FlowLog",
];

/// What the files say together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryReport {
    /// Files with configuration items.
    pub files: usize,
    /// Items read, repeated ones included, those of other types not.
    pub items: usize,
    /// Items that other items repeat: a snapshot file repeats what history files say.
    pub repeated: usize,
    /// Items of types that say nothing about traffic, by type.
    pub passed_over: BTreeMap<String, usize>,
    /// Resources with an item that should have a configuration and has none.
    pub blank: BTreeSet<String>,
    /// Resources that two items of the same state describe differently.
    pub conflicts: BTreeSet<String>,
    /// Resources whose older items are missing: the output says that there is more.
    pub truncated: BTreeSet<String>,
}

/// Items while files are read.
#[derive(Debug, Default)]
pub(super) struct Items {
    /// Each once: snapshot files repeat everything, several times a day.
    items: BTreeMap<Resource, BTreeMap<Place, Item>>,
    read: usize,
    repeated: usize,
    conflicts: BTreeSet<String>,
    passed_over: BTreeMap<String, usize>,
    /// Resources of output that says there is more, and of output that does not.
    open: BTreeSet<String>,
    closed: BTreeSet<String>,
    seen: bool,
    files: usize,
}

impl Items {
    /// True when not even an empty list of items was seen.
    pub fn is_empty(&self) -> bool {
        !self.seen
    }

    /// Reads the list of items under [`ITEMS`]. `more` if the output says that there is more.
    pub fn list(&mut self, node: &Node<'_>, more: bool) -> Result<()> {
        self.seen = true;
        let ids = node.each(ITEMS, |item| self.item(item))?.into_iter().flatten();
        if more {
            self.open.extend(ids);
        } else {
            self.closed.extend(ids);
        }
        Ok(())
    }

    /// Reads an item and names its resource, if it is of a type that matters.
    pub fn item(&mut self, node: &Node<'_>) -> Result<Option<String>> {
        self.seen = true;
        let name = node.need_text("resourceType")?;
        let Some(kind) = TYPES.into_iter().position(|known| known == name) else {
            *self.passed_over.entry(name).or_default() += 1;
            return Ok(None);
        };
        let expected = "a time such as 2026-03-01T00:00:00Z";
        let captured = node
            .get("configurationItemCaptureTime")
            .ok_or_else(|| node.missing("configurationItemCaptureTime", expected))?;
        let time = objects::timestamp(&captured)?;
        // Records have no other times.
        if !(0..=i64::from(u32::MAX)).contains(&time) {
            return Err(captured.wrong(expected));
        }
        let status = node.text_or_empty("configurationItemStatus")?;
        let order = ["configurationStateId", "configurationStateID"]
            .iter()
            .find_map(|key| node.get(key)?.text().ok()?.parse().ok())
            .unwrap_or(0);
        let daily = node.text_or_empty("recordingFrequency")?.eq_ignore_ascii_case("daily");
        let state = match status.as_str() {
            "ResourceDeleted" => State::Gone,
            "ResourceNotRecorded" | "ResourceDeletedNotRecorded" => State::Unrecorded,
            _ => match configuration(node, TYPES[kind])? {
                Some(object) => State::Present(object),
                None => State::Unrecorded,
            },
        };
        let not_recorded = status.ends_with("NotRecorded");
        let blank = matches!(state, State::Unrecorded) && !not_recorded;
        let told = match &state {
            State::Present(object) => object.id(),
            State::Gone | State::Unrecorded => "",
        };
        let id = if told.is_empty() { node.need_text("resourceId")? } else { told.to_owned() };
        self.read += 1;
        self.put((kind, id.clone()), (time, order), Item { daily, state, blank });
        Ok(Some(id))
    }

    /// Of items for the same state, the one of the later file holds.
    fn put(&mut self, resource: Resource, place: Place, item: Item) {
        let id = resource.1.clone();
        match self.items.entry(resource).or_default().entry(place) {
            Entry::Vacant(entry) => {
                entry.insert(item);
            }
            Entry::Occupied(mut entry) => {
                self.repeated += 1;
                if *entry.get() != item {
                    self.conflicts.insert(id);
                    entry.insert(item);
                }
            }
        }
    }

    /// Adds what a file says. Files have to come in path order.
    pub fn append(&mut self, mut other: Self) {
        self.seen |= other.seen;
        self.files += usize::from(other.seen);
        self.read += other.read;
        self.repeated += other.repeated;
        self.conflicts.append(&mut other.conflicts);
        for (resource, items) in other.items {
            for (place, item) in items {
                self.put(resource.clone(), place, item);
            }
        }
        for (name, count) in other.passed_over {
            *self.passed_over.entry(name).or_default() += count;
        }
        self.open.append(&mut other.open);
        self.closed.append(&mut other.closed);
    }

    /// The versions of all resources. Rules still have synthetic ids.
    pub fn finish(self) -> (History, HistoryReport) {
        let mut report = HistoryReport {
            files: self.files,
            items: self.read,
            repeated: self.repeated,
            passed_over: self.passed_over,
            conflicts: self.conflicts,
            truncated: self.open.difference(&self.closed).cloned().collect(),
            ..HistoryReport::default()
        };
        let mut history = History::default();
        let mut drafts = Drafts::default();
        for ((kind, id), items) in self.items {
            if items.values().any(|item| item.blank) {
                report.blank.insert(id.clone());
            }
            for ((time, _), item) in items {
                drafts.take(kind, &id, time, item);
            }
        }
        history.security_groups = tracks(drafts.groups);
        history.interfaces = tracks(drafts.interfaces);
        history.network_acls = tracks(drafts.acls);
        history.subnets = tracks(drafts.subnets);
        history.vpcs = tracks(drafts.vpcs);
        history.prefix_lists = tracks(drafts.lists);
        history.peerings = tracks(drafts.peerings);
        history.flow_logs = tracks(drafts.flow_logs);
        (history, report)
    }
}

type Draft<T> = BTreeMap<String, Vec<Version<T>>>;

#[derive(Default)]
struct Drafts {
    groups: Draft<SecurityGroup>,
    interfaces: Draft<NetworkInterface>,
    acls: Draft<NetworkAcl>,
    subnets: Draft<Subnet>,
    vpcs: Draft<Vpc>,
    lists: Draft<PrefixList>,
    peerings: Draft<Peering>,
    flow_logs: Draft<FlowLog>,
}

impl Drafts {
    fn take(&mut self, kind: usize, id: &str, from: i64, item: Item) {
        fn put<T>(
            draft: &mut Draft<T>,
            id: &str,
            from: i64,
            item: Item,
            pick: impl FnOnce(Object) -> Option<T>,
        ) {
            let state = match item.state {
                State::Present(object) => pick(object).map_or(State::Unrecorded, State::Present),
                State::Gone => State::Gone,
                State::Unrecorded => State::Unrecorded,
            };
            let version = Version { from, daily: item.daily, confirmed: from, state };
            draft.entry(id.to_owned()).or_default().push(version);
        }
        macro_rules! pick {
            ($draft:ident, $object:ident) => {
                put(
                    &mut self.$draft,
                    id,
                    from,
                    item,
                    |o| if let Object::$object(x) = o { Some(x) } else { None },
                )
            };
        }
        match kind {
            0 => pick!(groups, Group),
            1 => pick!(interfaces, Interface),
            2 => pick!(acls, Acl),
            3 => pick!(subnets, Subnet),
            4 => pick!(vpcs, Vpc),
            5 => pick!(lists, PrefixList),
            6 => pick!(peerings, Peering),
            _ => pick!(flow_logs, FlowLog),
        }
    }
}

/// Versions by resource. Items that change nothing we know of (relationships, say) begin no new version.
fn tracks<T: PartialEq>(draft: Draft<T>) -> BTreeMap<String, Track<T>> {
    let track = |mut versions: Vec<Version<T>>| {
        versions.dedup_by(|next, last| {
            // What is unknown twice need not be the same.
            let same = next.state == last.state && !matches!(next.state, State::Unrecorded);
            if same {
                last.confirmed = next.from;
            }
            same
        });
        Track::new(versions)
    };
    draft.into_iter().map(|(id, versions)| (id, track(versions))).collect()
}

impl Object {
    fn id(&self) -> &str {
        match self {
            Self::Group(x) => &x.id,
            Self::Interface(x) => &x.id,
            Self::Acl(x) => &x.id,
            Self::Subnet(x) => &x.id,
            Self::Vpc(x) => &x.id,
            Self::PrefixList(x) => &x.id,
            Self::Peering(x) => &x.id,
            Self::FlowLog(x) => &x.id,
        }
    }
}

/// The resource that an item describes; `None` where there is no configuration.
fn configuration(item: &Node<'_>, kind: &str) -> Result<Option<Object>> {
    let Some(node) = item.get("configuration") else { return Ok(None) };
    let value = match node.value() {
        Value::String(text) if text.trim().is_empty() => return Ok(None),
        Value::String(text) => {
            serde_json::from_str(text).map_err(|_| node.wrong("a JSON object, or one in a string"))?
        }
        other => other.clone(),
    };
    match &value {
        Value::Null => return Ok(None),
        Value::Object(members) if members.is_empty() => return Ok(None),
        Value::Object(_) => {}
        _ => return Err(node.wrong("a JSON object, or one in a string")),
    }
    let mut value = spelled_as_the_api(value);
    let account = ["awsAccountId", "accountId"].iter().find_map(|key| item.opt_account(key).ok()?);
    let region = item.opt_text("awsRegion")?;
    // Types of CloudFormation's making have short names for ids.
    let short = match kind {
        "AWS::EC2::FlowLog" => Some(("FlowLogId", "Id")),
        "AWS::EC2::PrefixList" => Some(("PrefixListId", "Id")),
        _ => None,
    };
    if let (Some((long, short)), Some(members)) = (short, value.as_object_mut())
        && !members.contains_key(long)
    {
        let id = members
            .get(short)
            .cloned()
            .unwrap_or_else(|| Value::from(item.text_or_empty("resourceId").unwrap_or_default()));
        members.insert(long.to_owned(), id);
    }
    let node = item.below("configuration", &value);
    Ok(Some(match kind {
        "AWS::EC2::SecurityGroup" => {
            let group = groups::security_group(&node)?;
            Object::Group(SecurityGroup {
                account: group.account.or(account),
                region: group.region.or(region),
                ..group
            })
        }
        "AWS::EC2::NetworkInterface" => {
            let interface = objects::network_interface(&node)?;
            Object::Interface(NetworkInterface {
                account: interface.account.or(account),
                region: interface.region.or(region),
                ..interface
            })
        }
        "AWS::EC2::NetworkAcl" => {
            let acl = objects::network_acl(&node)?;
            Object::Acl(NetworkAcl { account: acl.account.or(account), ..acl })
        }
        "AWS::EC2::Subnet" => {
            let subnet = objects::subnet(&node)?;
            Object::Subnet(Subnet {
                account: subnet.account.or(account),
                region: subnet.region.or(region),
                ..subnet
            })
        }
        "AWS::EC2::VPC" => {
            let (vpc, _) = objects::vpc(&node)?;
            Object::Vpc(Vpc { account: vpc.account.or(account), ..vpc })
        }
        "AWS::EC2::PrefixList" => Object::PrefixList(objects::prefix_list(&node)?),
        "AWS::EC2::VPCPeeringConnection" => Object::Peering(objects::peering(&node)?.0),
        _ => Object::FlowLog(objects::flow_log(&node)?),
    }))
}

/// `ipPermissions` becomes `IpPermissions`, and so on. `ipv4Ranges` takes the place of the plain strings that
/// `ipRanges` repeats it with; strings that it lacks are kept.
fn spelled_as_the_api(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(spelled_as_the_api).collect(),
        Value::Object(members) => {
            let mut spelled = serde_json::Map::new();
            for (key, value) in members {
                let mut letters = key.chars();
                let key = letters.next().map_or(String::new(), |first| {
                    format!("{}{}", first.to_ascii_uppercase(), letters.as_str())
                });
                spelled.insert(key, spelled_as_the_api(value));
            }
            if let Some(Value::Array(ranges)) = spelled.remove("Ipv4Ranges") {
                let known: BTreeSet<String> =
                    ranges.iter().filter_map(|r| Some(r.get("CidrIp")?.as_str()?.to_owned())).collect();
                let legacy = match spelled.remove("IpRanges") {
                    Some(Value::Array(legacy)) => legacy,
                    _ => Vec::new(),
                };
                let text = |range: &Value| {
                    range.as_str().or_else(|| range.get("CidrIp")?.as_str()).map(str::to_owned)
                };
                let missing = legacy.into_iter().filter(|r| text(r).is_none_or(|r| !known.contains(&r)));
                let missing: Vec<Value> = missing.collect();
                spelled.insert("IpRanges".into(), ranges.into_iter().chain(missing).collect());
            }
            Value::Object(spelled)
        }
        other => other,
    }
}
