//! What if these rules had held all along?
//!
//! A replay asks one configuration about traffic of other times. Rules, network ACLs, prefix lists and peerings are
//! those of one inventory throughout; who was where with which addresses in which groups stays as it was at the time.

use std::collections::{BTreeMap, BTreeSet};

use super::{History, Inventory, NetworkInterface, SecurityGroup, State, Timeline, Track, Version};

/// What a configuration changes about the groups of interfaces: taken out, put in.
type Moves<'a> = BTreeMap<&'a str, (Vec<&'a String>, Vec<&'a String>)>;

impl Timeline {
    /// The same interfaces, addresses and memberships over time, with the rules of `configuration` throughout.
    ///
    /// Where `configuration` has an interface in other groups than the latest inventory, these groups are left, and
    /// entered, throughout as well. A group that `configuration` lacks, but of whose VPC it has others, was deleted: it
    /// permits nothing. Of a VPC of which it has no group at all, it says nothing: the latest groups hold.
    #[must_use]
    pub fn holding(&self, configuration: &Inventory) -> Self {
        let empty = Inventory::default();
        let latest = self.latest().unwrap_or(&empty);
        let standing = complete(configuration, latest);
        let moves = moves(configuration, latest);
        let mut observations: Vec<Inventory> = self.observations().to_vec();
        if observations.is_empty() {
            observations.push(Inventory::default());
        }
        for observation in &mut observations {
            observation.security_groups.clone_from(&standing.security_groups);
            observation.network_acls.clone_from(&standing.network_acls);
            observation.prefix_lists.clone_from(&standing.prefix_lists);
            observation.peerings.clone_from(&standing.peerings);
            observation.interfaces.values_mut().for_each(|interface| regroup(interface, &moves));
        }
        if self.history().is_empty() {
            return Self::new(observations);
        }
        let mut history = History {
            security_groups: always(&standing.security_groups),
            network_acls: always(&standing.network_acls),
            prefix_lists: always(&standing.prefix_lists),
            peerings: always(&standing.peerings),
            ..self.history().clone()
        };
        for track in history.interfaces.values_mut() {
            let versions = track.versions().iter().cloned().map(|mut version| {
                if let State::Present(interface) = &mut version.state {
                    regroup(interface, &moves);
                }
                version
            });
            *track = Track::new(versions.collect());
        }
        Self::with_history(observations, history)
    }
}

/// A track of one version that holds from ever to ever.
fn always<T: Clone>(objects: &BTreeMap<String, T>) -> BTreeMap<String, Track<T>> {
    let version = |object: &T| Version {
        from: i64::MIN,
        daily: false,
        confirmed: i64::MAX,
        state: State::Present(object.clone()),
    };
    objects.iter().map(|(id, object)| (id.clone(), Track::new(vec![version(object)]))).collect()
}

/// The configuration with what it does not speak of taken from the latest inventory.
fn complete(configuration: &Inventory, latest: &Inventory) -> Inventory {
    let mut whole = Inventory {
        security_groups: configuration.security_groups.clone(),
        network_acls: configuration.network_acls.clone(),
        prefix_lists: configuration.prefix_lists.clone(),
        peerings: configuration.peerings.clone(),
        ..Inventory::default()
    };
    let spoken: BTreeSet<Option<&String>> =
        configuration.security_groups.values().map(|group| group.vpc.as_ref()).collect();
    for (id, group) in &latest.security_groups {
        let held = whole.security_groups.contains_key(id);
        if !held {
            let rules = match spoken.contains(&group.vpc.as_ref()) {
                true => Vec::new(),
                false => group.rules.clone(),
            };
            whole.security_groups.insert(id.clone(), SecurityGroup { rules, ..group.clone() });
        }
    }
    let spoken: BTreeSet<Option<&String>> =
        configuration.network_acls.values().map(|acl| acl.vpc.as_ref()).collect();
    let associated: BTreeSet<&String> =
        configuration.network_acls.values().flat_map(|acl| &acl.subnets).collect();
    for (id, acl) in &latest.network_acls {
        if whole.network_acls.contains_key(id) || spoken.contains(&acl.vpc.as_ref()) {
            continue;
        }
        // A subnet has one network ACL: what is proposed counts.
        let subnets = acl.subnets.iter().filter(|subnet| !associated.contains(subnet)).cloned().collect();
        whole.network_acls.insert(id.clone(), super::NetworkAcl { subnets, ..acl.clone() });
    }
    for (id, list) in &latest.prefix_lists {
        let known = whole.prefix_lists.get(id).is_some_and(|list| list.entries.is_some());
        if !known {
            whole.prefix_lists.insert(id.clone(), list.clone());
        }
    }
    for (id, peering) in &latest.peerings {
        whole.peerings.entry(id.clone()).or_insert_with(|| peering.clone());
    }
    whole
}

fn moves<'a>(configuration: &'a Inventory, latest: &'a Inventory) -> Moves<'a> {
    let mut moves = Moves::new();
    for (id, then) in &configuration.interfaces {
        let Some(now) = latest.interfaces.get(id) else { continue };
        if now.groups != then.groups {
            let out = now.groups.iter().filter(|group| !then.groups.contains(group));
            let into = then.groups.iter().filter(|group| !now.groups.contains(group));
            moves.insert(id, (out.collect(), into.collect()));
        }
    }
    moves
}

fn regroup(interface: &mut NetworkInterface, moves: &Moves<'_>) {
    let Some((out, into)) = moves.get(interface.id.as_str()) else { return };
    interface.groups.retain(|group| !out.contains(&group));
    interface.groups.extend(into.iter().map(|group| (*group).clone()));
    interface.groups.sort_unstable();
    interface.groups.dedup();
}
