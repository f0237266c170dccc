//! Who a rule lets in, where that can be nobody, or is not known.

use super::watch::Attachments;
use crate::inventory::{Inventory, Rule, RulePeer, SecurityGroup, Timeline};

/// Whether the other side of a rule can be anybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OtherSide {
    /// Addresses that are known.
    #[default]
    Known,
    /// A prefix list whose entries, or a group whose members nobody could read.
    Unknown,
    /// A group of this inventory that no interface had while the logs ran: scaled to zero, or left behind.
    Nobody,
    /// What it refers to is gone.
    Gone(Gone),
}

/// What a stale rule refers to (VPC peering guide, "Identify your VPC security groups with stale rules"; domain C.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gone {
    /// A security group that was deleted: AWS tells no owner any more, or its account's dump lacks it.
    Group {
        /// AWS itself tells so.
        told: bool,
    },
    /// A peering connection that is not there any more, or not active.
    Peering {
        /// AWS itself tells so.
        told: bool,
    },
    /// A prefix list that the account can't see, though it sees others.
    PrefixList,
}

/// What is needed to say it.
pub(super) struct Doubt<'a> {
    pub timeline: &'a Timeline,
    pub latest: &'a Inventory,
    pub attachments: &'a Attachments<'a>,
}

/// States of a peering connection from which there is no way back (EC2 API, VpcPeeringConnectionStateReason).
const OVER: [&str; 5] = ["deleted", "deleting", "expired", "failed", "rejected"];

impl Doubt<'_> {
    pub fn other_side(&self, group: &SecurityGroup, rule: &Rule) -> OtherSide {
        match &rule.peer {
            RulePeer::Cidr(_) => OtherSide::Known,
            RulePeer::PrefixList(id) => self.list(id),
            RulePeer::Group { id, account, peering, status } => {
                self.group(group, id, account.as_deref(), peering.as_deref(), status.as_deref())
            }
        }
    }

    fn list(&self, id: &str) -> OtherSide {
        match self.latest.prefix_lists.get(id) {
            Some(list) if list.entries.is_some() => OtherSide::Known,
            Some(_) => OtherSide::Unknown,
            // Every account sees the lists of AWS, so that a dump without any was not made.
            None if self.latest.prefix_lists.is_empty() => OtherSide::Unknown,
            None => OtherSide::Gone(Gone::PrefixList),
        }
    }

    fn group(
        &self,
        owner: &SecurityGroup,
        id: &str,
        account: Option<&str>,
        peering: Option<&str>,
        status: Option<&str>,
    ) -> OtherSide {
        if status.is_some_and(|status| OVER.contains(&status)) {
            return OtherSide::Gone(Gone::Peering { told: true });
        }
        if let Some(peering) = peering {
            match self.latest.peerings.get(peering) {
                Some(known) if OVER.contains(&known.status.as_str()) => {
                    return OtherSide::Gone(Gone::Peering { told: true });
                }
                None if !self.latest.peerings.is_empty() && status.is_none() => {
                    return OtherSide::Gone(Gone::Peering { told: false });
                }
                _ => {}
            }
        }
        if self.latest.security_groups.contains_key(id) {
            let nobody = self.attachments.membership(id, None) == 0;
            return if nobody { OtherSide::Nobody } else { OtherSide::Known };
        }
        if self.attachments.membership(id, None) > 0 {
            return OtherSide::Known;
        }
        // A dump of groups is of one account and region: it tells of what it lacks only there.
        let same = account.is_some() && account == owner.account.as_deref() && peering.is_none();
        let once = self.timeline.observations().iter().any(|o| o.security_groups.contains_key(id))
            || self.timeline.history().security_groups.contains_key(id);
        match account {
            // The owner is missing where the group was deleted (EC2 API, UserIdGroupPair).
            None if peering.is_none() && owner.account.is_some() => {
                OtherSide::Gone(Gone::Group { told: true })
            }
            _ if same || once => OtherSide::Gone(Gone::Group { told: false }),
            _ => OtherSide::Unknown,
        }
    }
}
