//! From a JSON document to facts: finds the lists of AWS objects in whatever wraps them.
//!
//! Wrappers seen in the wild: plain AWS CLI output, a recorded API call
//! (`{"status_code": 200, "data": {…}}`), one file per account with lower-case list names, arrays of
//! any of these, and lists or objects whose name was lost (`--query SecurityGroups`, JSON lines).

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde_json::Value;

use super::config_items::{ITEMS, Items, is_item};
use super::cursor::Node;
use super::error::{FieldError, Problem};
use super::kind::{Kind, LISTS, is_telling};
use super::place::Hints;
use super::{
    FlowLog, NetworkAcl, NetworkInterface, Peering, PrefixList, Rule, SecurityGroup, Subnet, Vpc, groups,
    objects,
};

/// One thing a document says.
#[derive(Debug)]
pub(super) enum Fact {
    Group(SecurityGroup),
    /// A rule with its `sgr-` id, and the owner of its group.
    Rule(Rule, Option<String>),
    /// `full` is false for an interface that was only seen inside of an instance.
    Interface {
        interface: NetworkInterface,
        full: bool,
    },
    Acl(NetworkAcl),
    Subnet(Subnet),
    Vpc(Vpc),
    PrefixList(PrefixList),
    /// Entries of a list; `more` if this is a page and not the last one.
    Entries {
        list: String,
        cidrs: Vec<IpNet>,
        more: bool,
    },
    Peering(Peering),
    FlowLog(FlowLog),
    /// The region a VPC is in.
    Region {
        vpc: String,
        region: String,
    },
}

/// How often a kind was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Elements of its lists.
    pub elements: usize,
    /// A page was seen that says there are more.
    pub open: bool,
    /// A list, or its last page, was seen.
    pub closed: bool,
}

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct Extract {
    pub facts: Vec<Fact>,
    pub seen: BTreeMap<Kind, Seen>,
    /// Items of AWS Config, which carry their own times.
    pub items: Items,
    /// Replies of failed API calls.
    pub error_replies: usize,
}

impl Extract {
    pub fn count(&mut self, kind: Kind, elements: usize, more: bool) {
        let seen = self.seen.entry(kind).or_default();
        seen.elements += elements;
        seen.open |= more;
        seen.closed |= !more;
    }

    /// Adds what a document says. Documents of other shapes say nothing.
    pub fn document(&mut self, node: &Node<'_>, hints: &Hints) -> Result<(), Problem> {
        match node.value() {
            Value::Array(items) if !items.is_empty() && items.iter().all(is_entry) => {
                self.entries(node, None, false, hints)
            }
            Value::Array(items) => {
                items.iter().enumerate().try_for_each(|(i, value)| self.document(&node.at(i, value), hints))
            }
            Value::Object(_) => self.object(node, hints),
            _ => Ok(()),
        }
    }

    fn object(&mut self, node: &Node<'_>, hints: &Hints) -> Result<(), Problem> {
        if node.has("status_code")
            && let Some(data) = node.get("data")
        {
            // Anything but 200 is the reply of a call that failed.
            if node.get("status_code").is_some_and(|status| status.integer() != Ok(200)) {
                self.error_replies += 1;
                return Ok(());
            }
            return self.document(&data, hints);
        }
        if is_item(|key| node.has(key)) {
            self.items.item(node)?;
            return Ok(());
        }
        if node.get(ITEMS).is_some() {
            let more = node.opt_text("nextToken").is_ok_and(|token| token.is_some());
            return Ok(self.items.list(node, more)?);
        }
        // Before the lists: an instance has NetworkInterfaces and SecurityGroups of its own.
        if let Some(kind) = Kind::of_object(|key| node.has(key)) {
            self.count(kind, 1, false);
            return Ok(self.element(kind, node)?);
        }
        let more = node.opt_text("NextToken").is_ok_and(|token| token.is_some());
        let mut recognised = false;
        let mut blank = Vec::new();
        for (key, kind) in LISTS.into_iter().filter(|(key, _)| node.has(key)) {
            let empty = node.get(key).is_none_or(|list| list.value().as_array().is_some_and(Vec::is_empty));
            if empty && kind != Kind::PrefixListEntries {
                blank.push(kind);
                recognised |= is_telling(key);
            } else {
                recognised |= self.list(node, key, kind, more, hints)?;
            }
        }
        // An empty list says that there are none, in a document that is inventory.
        for kind in blank.into_iter().filter(|_| recognised) {
            self.count(kind, 0, more);
        }
        if !recognised && node.get("Error").is_some_and(|error| error.has("Code")) {
            self.error_replies += 1;
        }
        Ok(())
    }

    /// Reads the list under `key`. False if it is something else under a name that AWS uses, too.
    fn list(
        &mut self,
        node: &Node<'_>,
        key: &str,
        kind: Kind,
        more: bool,
        hints: &Hints,
    ) -> Result<bool, Problem> {
        let Some(list) = node.get(key) else { return Ok(false) };
        let Some(items) = list.value().as_array() else {
            return if is_telling(key) { Err(list.wrong("an array").into()) } else { Ok(false) };
        };
        let marked = |value: &Value| kind.marks(|key| value.get(key).is_some());
        if !items.is_empty() && !items.iter().any(marked) {
            return Ok(false);
        }
        if kind == Kind::PrefixListEntries {
            let named = node.opt_text("PrefixListId")?;
            if items.is_empty() && named.is_none() && hints.prefix_list.is_none() {
                return Ok(false);
            }
            self.entries(&list, named, more, hints)?;
            return Ok(true);
        }
        self.count(kind, items.len(), more);
        for (i, value) in items.iter().enumerate() {
            let element = list.at(i, value);
            if !value.is_object() {
                return Err(element.wrong("an object").into());
            }
            self.element(kind, &element)?;
        }
        Ok(true)
    }

    /// Reads entries of a prefix list, which do not say of which: a wrapper, the file name or the
    /// directory has to.
    fn entries(
        &mut self,
        list: &Node<'_>,
        named: Option<String>,
        more: bool,
        hints: &Hints,
    ) -> Result<(), Problem> {
        let id = named.or_else(|| hints.prefix_list.clone()).ok_or(Problem::UnnamedPrefixList)?;
        let cidrs = list.elements(objects::prefix_list_entry)?;
        self.count(Kind::PrefixListEntries, cidrs.len(), more);
        self.facts.push(Fact::Entries { list: id, cidrs, more });
        Ok(())
    }

    /// Adds what an element of a list says.
    pub fn element(&mut self, kind: Kind, node: &Node<'_>) -> Result<(), FieldError> {
        let fact = match kind {
            Kind::SecurityGroups => Fact::Group(groups::security_group(node)?),
            Kind::SecurityGroupRules => {
                let (rule, owner) = groups::security_group_rule(node)?;
                Fact::Rule(rule, owner)
            }
            Kind::NetworkInterfaces => {
                Fact::Interface { interface: objects::network_interface(node)?, full: true }
            }
            Kind::Instances => return self.instances(node),
            Kind::NetworkAcls => Fact::Acl(objects::network_acl(node)?),
            Kind::Subnets => Fact::Subnet(objects::subnet(node)?),
            Kind::Vpcs => {
                let (vpc, region) = objects::vpc(node)?;
                self.facts.extend(region.map(|region| Fact::Region { vpc: vpc.id.clone(), region }));
                Fact::Vpc(vpc)
            }
            Kind::PrefixLists => Fact::PrefixList(objects::prefix_list(node)?),
            // Entries are read as a list: one on its own says nothing.
            Kind::PrefixListEntries => return Ok(()),
            Kind::Peerings => {
                let (peering, regions) = objects::peering(node)?;
                let regions = regions.into_iter().map(|(vpc, region)| Fact::Region { vpc, region });
                self.facts.extend(regions);
                Fact::Peering(peering)
            }
            Kind::FlowLogs => Fact::FlowLog(objects::flow_log(node)?),
        };
        self.facts.push(fact);
        Ok(())
    }

    /// An instance, or a reservation of some.
    fn instances(&mut self, node: &Node<'_>) -> Result<(), FieldError> {
        let found = if node.has("Instances") {
            node.each("Instances", objects::instance_interfaces)?.into_iter().flatten().collect()
        } else {
            objects::instance_interfaces(node)?
        };
        self.facts.extend(found.into_iter().map(|interface| Fact::Interface { interface, full: false }));
        Ok(())
    }
}

/// True for `{"Cidr": …}` with or without a description, an element of `--query Entries`.
fn is_entry(value: &Value) -> bool {
    value.as_object().is_some_and(|object| {
        object.contains_key("Cidr") && object.keys().all(|key| key == "Cidr" || key == "Description")
    })
}
