//! Puts the facts of many files together into one observation.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::documents::Fact;
use super::groups::sorted;
use super::kind::Kind;
use super::place::Hints;
use super::{
    FlowLog, Inventory, NetworkAcl, NetworkInterface, Peering, PrefixList, Rule, RulePeer, SecurityGroup,
    Subnet, Vpc,
};

/// An object that two files describe differently. Files are indices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Disagreement {
    pub kind: Kind,
    pub id: String,
    pub kept: usize,
    pub dropped: usize,
}

/// An object and where it was seen last.
#[derive(Debug)]
struct Sighting<T> {
    object: T,
    file: usize,
    /// A higher rank is a fuller description, which wins whatever the order.
    rank: u8,
}

/// Objects of one kind by id.
#[derive(Debug)]
struct Sightings<T> {
    kind: Kind,
    by_id: BTreeMap<String, Sighting<T>>,
}

impl<T: PartialEq> Sightings<T> {
    fn new(kind: Kind) -> Self {
        Self { kind, by_id: BTreeMap::new() }
    }

    fn see(&mut self, id: String, object: T, file: usize, rank: u8, conflicts: &mut Vec<Disagreement>) {
        if let Some(known) = self.by_id.get(&id) {
            if known.rank > rank || (known.rank == rank && known.object == object) {
                return;
            }
            if known.rank == rank {
                conflicts.push(Disagreement {
                    kind: self.kind,
                    id: id.clone(),
                    kept: file,
                    dropped: known.file,
                });
            }
        }
        self.by_id.insert(id, Sighting { object, file, rank });
    }
}

/// Entries of a prefix list from one file.
#[derive(Debug)]
struct Page {
    file: usize,
    cidrs: Vec<IpNet>,
    more: bool,
}

/// One observation under construction.
#[derive(Debug)]
pub(super) struct Builder {
    groups: Sightings<SecurityGroup>,
    rules: Sightings<(Rule, Option<String>)>,
    interfaces: Sightings<NetworkInterface>,
    acls: Sightings<NetworkAcl>,
    subnets: Sightings<Subnet>,
    vpcs: Sightings<Vpc>,
    lists: Sightings<PrefixList>,
    pages: BTreeMap<String, Vec<Page>>,
    peerings: Sightings<Peering>,
    flow_logs: Sightings<FlowLog>,
    regions: BTreeMap<String, String>,
    conflicts: Vec<Disagreement>,
}

/// A finished observation and what was noticed on the way.
#[derive(Debug)]
pub(super) struct Built {
    pub inventory: Inventory,
    pub conflicts: Vec<Disagreement>,
    /// Prefix lists whose last page is missing.
    pub cut_lists: Vec<String>,
    /// Interfaces that were only seen inside of instances.
    pub from_instances: Vec<String>,
    /// Groups that were only seen in describe-security-group-rules.
    pub groups_from_rules: Vec<String>,
}

impl Builder {
    pub fn new() -> Self {
        Self {
            groups: Sightings::new(Kind::SecurityGroups),
            rules: Sightings::new(Kind::SecurityGroupRules),
            interfaces: Sightings::new(Kind::NetworkInterfaces),
            acls: Sightings::new(Kind::NetworkAcls),
            subnets: Sightings::new(Kind::Subnets),
            vpcs: Sightings::new(Kind::Vpcs),
            lists: Sightings::new(Kind::PrefixLists),
            pages: BTreeMap::new(),
            peerings: Sightings::new(Kind::Peerings),
            flow_logs: Sightings::new(Kind::FlowLogs),
            regions: BTreeMap::new(),
            conflicts: Vec::new(),
        }
    }

    /// Adds a fact from a file. Files have to come in path order: the later one wins.
    pub fn add(&mut self, file: usize, fact: Fact) {
        let conflicts = &mut self.conflicts;
        match fact {
            Fact::Group(object) => self.groups.see(object.id.clone(), object, file, 0, conflicts),
            Fact::Rule(rule, owner) => self.rules.see(rule.id.clone(), (rule, owner), file, 0, conflicts),
            Fact::Interface { interface, full } => {
                self.interfaces.see(interface.id.clone(), interface, file, u8::from(full), conflicts);
            }
            Fact::Acl(object) => self.acls.see(object.id.clone(), object, file, 0, conflicts),
            Fact::Subnet(object) => self.subnets.see(object.id.clone(), object, file, 0, conflicts),
            Fact::Vpc(object) => self.vpcs.see(object.id.clone(), object, file, 0, conflicts),
            Fact::PrefixList(mut list) => {
                if let Some(cidrs) = list.entries.take() {
                    let page = Page { file, cidrs, more: false };
                    self.pages.entry(list.id.clone()).or_default().push(page);
                }
                // describe-managed-prefix-lists knows more of a list than describe-prefix-lists.
                let managed = list.account.is_some() || list.max_entries.is_some();
                self.lists.see(list.id.clone(), list, file, u8::from(managed), conflicts);
            }
            Fact::Entries { list, cidrs, more } => {
                self.pages.entry(list).or_default().push(Page { file, cidrs, more });
            }
            Fact::Peering(object) => self.peerings.see(object.id.clone(), object, file, 0, conflicts),
            Fact::FlowLog(object) => self.flow_logs.see(object.id.clone(), object, file, 0, conflicts),
            Fact::Region { vpc, region } => {
                self.regions.insert(vpc, region);
            }
        }
    }

    /// Joins rules to groups and entries to lists, and fills in regions and accounts.
    pub fn finish(mut self, observed_at: Option<i64>, hints: &[Hints]) -> Built {
        let (prefix_lists, cut_lists) = self.prefix_lists();
        let mut regions = std::mem::take(&mut self.regions);
        self.learn_regions(&mut regions);
        let region_of = |vpc: &Option<String>| vpc.as_ref().and_then(|vpc| regions.get(vpc)).cloned();
        let hint = |file: usize| hints.get(file).cloned().unwrap_or_default();

        let mut security_groups: BTreeMap<String, SecurityGroup> = BTreeMap::new();
        let mut rules: BTreeMap<String, Vec<(Rule, Option<String>, usize)>> = BTreeMap::new();
        for Sighting { object: (rule, owner), file, .. } in self.rules.by_id.into_values() {
            rules.entry(rule.group.clone()).or_default().push((rule, owner, file));
        }
        for (id, Sighting { object: mut group, file, .. }) in self.groups.by_id {
            let named = rules.remove(&id).unwrap_or_default();
            group.rules = join(group.rules, named.into_iter().map(|(rule, _, _)| rule));
            group.region = group.region.or_else(|| region_of(&group.vpc)).or_else(|| hint(file).region);
            group.account = group.account.or_else(|| hint(file).account);
            security_groups.insert(id, group);
        }
        let groups_from_rules: Vec<String> = rules.keys().cloned().collect();
        for (id, named) in rules {
            let mut group = SecurityGroup { id: id.clone(), ..SecurityGroup::default() };
            for (rule, owner, file) in named {
                group.rules.push(rule);
                group.account = group.account.or(owner).or_else(|| hint(file).account);
                group.region = group.region.or_else(|| hint(file).region);
            }
            group.rules = sorted(group.rules);
            security_groups.insert(id, group);
        }

        let mut subnets = BTreeMap::new();
        for (id, Sighting { object: mut subnet, file, .. }) in self.subnets.by_id {
            subnet.region = subnet.region.or_else(|| region_of(&subnet.vpc)).or_else(|| hint(file).region);
            subnet.account = subnet.account.or_else(|| hint(file).account);
            subnets.insert(id, subnet);
        }
        let mut interfaces = BTreeMap::new();
        let mut from_instances = Vec::new();
        for (id, Sighting { object: mut interface, file, rank }) in self.interfaces.by_id {
            let by_subnet = || interface.subnet.as_ref().and_then(|s| subnets.get(s)?.region.clone());
            let region = interface.region.clone().or_else(by_subnet).or_else(|| region_of(&interface.vpc));
            interface.region = region.or_else(|| hint(file).region);
            interface.account = interface.account.or_else(|| hint(file).account);
            if rank == 0 {
                from_instances.push(id.clone());
            }
            interfaces.insert(id, interface);
        }
        let with_account = |account: Option<String>, file: usize| account.or_else(|| hint(file).account);
        let network_acls = self.acls.by_id.into_iter().map(|(id, Sighting { object, file, .. })| {
            let account = with_account(object.account, file);
            (id, NetworkAcl { account, ..object })
        });
        let vpcs = self.vpcs.by_id.into_iter().map(|(id, Sighting { object, file, .. })| {
            let account = with_account(object.account, file);
            (id, Vpc { account, ..object })
        });
        let inventory = Inventory {
            observed_at,
            security_groups,
            interfaces,
            network_acls: network_acls.collect(),
            subnets,
            vpcs: vpcs.collect(),
            prefix_lists,
            peerings: objects(self.peerings),
            flow_logs: objects(self.flow_logs),
        };
        Built { inventory, conflicts: self.conflicts, cut_lists, from_instances, groups_from_rules }
    }

    /// A VPC is in one region, so whatever is in it tells the region of the rest.
    fn learn_regions(&self, regions: &mut BTreeMap<String, String>) {
        let subnets = self.subnets.by_id.values().map(|s| (&s.object.vpc, &s.object.region));
        let interfaces = self.interfaces.by_id.values().map(|s| (&s.object.vpc, &s.object.region));
        for (vpc, region) in subnets.chain(interfaces) {
            if let (Some(vpc), Some(region)) = (vpc, region) {
                regions.entry(vpc.clone()).or_insert_with(|| region.clone());
            }
        }
    }

    /// Lists with their entries, and the ids of those whose last page is missing.
    fn prefix_lists(&mut self) -> (BTreeMap<String, PrefixList>, Vec<String>) {
        let empty = Sightings::new(Kind::PrefixLists);
        let mut lists = objects(std::mem::replace(&mut self.lists, empty));
        let mut cut = Vec::new();
        for (id, mut pages) in std::mem::take(&mut self.pages) {
            for page in &mut pages {
                page.cidrs.sort();
                page.cidrs.dedup();
            }
            let paged = pages.iter().any(|page| page.more);
            let complete = pages.iter().any(|page| !page.more);
            let entries = if paged {
                // Pages of one listing belong together. Without the last one the list is not known:
                // part of it would make the rest look forbidden.
                let all: BTreeSet<IpNet> = pages.into_iter().flat_map(|page| page.cidrs).collect();
                complete.then(|| all.into_iter().collect())
            } else {
                for pair in pages.windows(2).filter(|pair| pair[0].cidrs != pair[1].cidrs) {
                    self.conflicts.push(Disagreement {
                        kind: Kind::PrefixListEntries,
                        id: id.clone(),
                        kept: pair[1].file,
                        dropped: pair[0].file,
                    });
                }
                pages.pop().map(|page| page.cidrs)
            };
            if entries.is_none() {
                cut.push(id.clone());
            }
            let list = lists.entry(id.clone()).or_insert_with(|| PrefixList { id, ..PrefixList::default() });
            list.entries = entries;
        }
        (lists, cut)
    }
}

fn objects<T>(sightings: Sightings<T>) -> BTreeMap<String, T> {
    sightings.by_id.into_iter().map(|(id, sighting)| (id, sighting.object)).collect()
}

/// Gives rules of describe-security-groups the ids of describe-security-group-rules. Rules that only
/// one of the two knows are kept.
fn join(mut rules: Vec<Rule>, named: impl Iterator<Item = Rule>) -> Vec<Rule> {
    for rule in named {
        match rules.iter_mut().find(|known| known.synthetic && known.same_as(&rule)) {
            Some(known) => *known = completed(rule, known),
            None => rules.push(rule),
        }
    }
    sorted(rules)
}

/// The rule with the id, and what only the other dump knows of it.
fn completed(rule: Rule, other: &Rule) -> Rule {
    let peer = match (rule.peer, &other.peer) {
        (
            RulePeer::Group { id, account, peering, status },
            RulePeer::Group { account: account2, peering: peering2, status: status2, .. },
        ) => RulePeer::Group {
            id,
            account: account.or_else(|| account2.clone()),
            peering: peering.or_else(|| peering2.clone()),
            status: status.or_else(|| status2.clone()),
        },
        (peer, _) => peer,
    };
    Rule { peer, description: rule.description.or_else(|| other.description.clone()), ..rule }
}
