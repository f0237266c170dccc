//! Could a connection whose rule is gone be one from before? (domain C.2; EC2 User Guide, "Security group connection
//! tracking")
//!
//! Removing a rule does not end the connections that were tracked: their packets are accepted until they have been
//! idle for longer than the timeout. So an accepted connection that nothing permits any more is no alarm as long as it
//! may have been open when the rule was there. For that it must have passed unseen since: before the log began, where
//! capture lost records, or idle.

use super::evaluate::Policy;
use super::recorded::Removal;
use super::scope::{Opening, Scope};
use crate::connection::{Connection, Coverage};
use crate::flow::{Direction, Protocol};
use crate::inventory::{ConnectionTracking, NetworkInterface, Rule, RulePeer, Timeline};

/// Default idle timeouts in seconds. Established TCP connections stay tracked for five days, on newer instance types
/// for 350 s, which the inventory does not tell.
const TCP_ESTABLISHED: u32 = 432_000;
const UDP_STREAM: u32 = 180;
const OTHER: u32 = 600;

/// Without TCP flags nothing tells a connection that goes on from one that is opened. This long after unseen time it
/// counts as going on.
const UNFLAGGED: u32 = 600;

/// Records' times are good to so many seconds (domain A.1).
const UNCERTAINTY: u32 = 60;

/// Interface types whose traffic is always tracked.
const ALWAYS_TRACKED: [&str; 8] = [
    "nat_gateway",
    "natGateway",
    "network_load_balancer",
    "vpc_endpoint",
    "lambda",
    "gateway_load_balancer_endpoint",
    "global_accelerator_managed",
    "transit_gateway",
];

/// Why an accepted connection whose rule is gone can, or cannot, be one from before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tracking {
    /// It can: it was there when watching began.
    FromBefore,
    /// It can: its first packet is one from the middle of a stream, so its handshake lies in time that was not seen.
    Resumed,
    /// It cannot: it was opened after the rule was gone.
    Handshake,
    /// It cannot: nothing of it was seen for longer than such connections stay tracked while idle.
    Expired,
    /// It cannot: the rule's traffic was not tracked, so that the removal would have cut it.
    Untracked,
}

impl Tracking {
    /// Every word.
    pub const ALL: [Self; 5] =
        [Self::FromBefore, Self::Resumed, Self::Handshake, Self::Expired, Self::Untracked];

    /// True if the connection may have been open while the rule was there.
    #[must_use]
    pub fn may_be_older(self) -> bool {
        matches!(self, Self::FromBefore | Self::Resumed)
    }

    /// Kebab-case word of the outputs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FromBefore => "there-when-watching-began",
            Self::Resumed => "in-mid-stream",
            Self::Handshake => "opened-after-removal",
            Self::Expired => "unseen-for-longer-than-the-idle-timeout",
            Self::Untracked => "not-tracked",
        }
    }
}

/// What an interface's settings say about tracking.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tracker {
    timeouts: ConnectionTracking,
    /// Its traffic is tracked, whatever the rules say.
    always: bool,
}

impl Tracker {
    pub fn of(interface: &str, timeline: &Timeline) -> Self {
        let of = |known: &NetworkInterface| Self {
            timeouts: known.tracking,
            always: ALWAYS_TRACKED.contains(&known.kind.as_str()),
        };
        timeline.interface(interface).map(of).unwrap_or_default()
    }

    /// How long a connection may have been unseen before its first record here, and still be tracked.
    fn patience(&self, connection: &Connection) -> u32 {
        let timeouts = &self.timeouts;
        match connection.protocol {
            Protocol::TCP if flagged(connection) => timeouts.tcp_established.unwrap_or(TCP_ESTABLISHED),
            Protocol::TCP => timeouts.tcp_established.unwrap_or(TCP_ESTABLISHED).min(UNFLAGGED),
            Protocol::UDP => timeouts.udp_stream.unwrap_or(UDP_STREAM),
            _ => OTHER,
        }
        .saturating_add(UNCERTAINTY)
    }
}

fn flagged(connection: &Connection) -> bool {
    connection.forward()[0].flagged || connection.backward()[0].flagged
}

impl Policy {
    /// Whether an accepted connection may be older than the removal of the rules that had permitted it.
    pub(super) fn tracking(
        &self,
        connection: &Connection,
        direction: Direction,
        removal: &Removal,
        coverage: &Coverage,
    ) -> Tracking {
        // Rejected SYNs that came first belong to it as well: retries before somebody opened the door.
        let (forward, back) = (connection.forward(), connection.backward());
        if connection.protocol == Protocol::TCP && (forward[0].syn || back[0].syn_ack) {
            return Tracking::Handshake;
        }
        let tracker = self.tracker(connection.interface);
        if !unseen_since(connection.first, removal.time, tracker.patience(connection), coverage) {
            return Tracking::Expired;
        }
        if !tracker.always && self.was_untracked(connection, direction, removal) {
            return Tracking::Untracked;
        }
        if connection.protocol == Protocol::TCP && flagged(connection) {
            Tracking::Resumed
        } else {
            Tracking::FromBefore
        }
    }

    /// Traffic is not tracked if rules for TCP or UDP from (to) everywhere permit it and a rule of the other direction
    /// permits all responses. Where a narrower rule permits it, too, it may have been tracked.
    fn was_untracked(&self, connection: &Connection, direction: Direction, removal: &Removal) -> bool {
        if !matches!(connection.protocol, Protocol::TCP | Protocol::UDP) || removal.rules.is_empty() {
            return false;
        }
        let everywhere = |rule: &Rule| matches!(rule.peer, RulePeer::Cidr(net) if net.prefix_len() == 0);
        let rule = |number: &u32| self.rule(*number);
        let opens = |r: &Rule| r.protocol == Some(connection.protocol) && everywhere(r);
        if !removal.rules.iter().all(|number| rule(number).is_some_and(opens)) {
            return false;
        }
        let reverse = Opening::of(connection, direction.reverse());
        let mut scope = Scope::around(connection.remote);
        let back = self.decide_opening(&reverse, removal.time.saturating_sub(1), &mut scope, Vec::new());
        let answers = |r: &Rule| {
            everywhere(r)
                && r.protocol.is_none_or(|p| p == connection.protocol)
                && r.ports.is_none_or(|(low, high)| low <= 1 && high == u16::MAX)
        };
        back.rules.iter().any(|number| rule(number).is_some_and(answers))
    }
}

/// True if a connection first seen at `first` may have passed unseen all the time since `removal`: from unseen time to
/// unseen time, and never idle for more than `patience` between.
fn unseen_since(first: u32, removal: i64, patience: u32, coverage: &Coverage) -> bool {
    let mut at = first;
    while let Some((from, to)) = coverage.unseen_before(at, patience) {
        if at.saturating_sub(to) > patience {
            return false;
        }
        if i64::from(from) < removal {
            return true;
        }
        at = from;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Watched from 600,000 on; nothing is known of 603,000 to 603,599, and records were lost from 606,000 to 606,599.
    fn coverage() -> Coverage {
        Coverage::of_buckets(&[1000..=1004, 1006..=1100], &[1010..=1010])
    }

    #[test]
    fn what_was_not_seen_may_be_older() {
        let unseen =
            |first: u32, removal: i64, patience: u32| unseen_since(first, removal, patience, &coverage());
        // From the beginning.
        assert!(unseen(600_100, 500_000, 180) && !unseen(601_000, 500_000, 180));
        // The connection may be older than the log, whenever the rule went.
        assert!(unseen(600_100, 600_050, 180));
        // Idle since before the log began.
        assert!(unseen(650_000, 620_000, 432_000) && !unseen(650_000, 620_000, 350));
        // Hidden in the gap, when the rule was there, or not.
        assert!(unseen(603_700, 603_300, 180) && !unseen(603_700, 602_000, 180));
        // Hidden where records were lost, and in the gap before that, and never idle for long.
        assert!(unseen(606_700, 603_300, 2_500) && !unseen(606_700, 603_300, 2_300));
        assert!(unseen(606_700, 606_300, 180));
    }
}
