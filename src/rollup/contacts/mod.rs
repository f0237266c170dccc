//! Accepted connections by who talks to whom, how often and how much: what detectors of novelty, beacons and outbound
//! volume look at.

mod calls;
mod hours;
mod services;

#[cfg(test)]
mod tests;

pub use calls::{CallRow, Calls};
pub use hours::Hours;
pub use services::{Contact, Service, ServiceKey, Services};

use calls::{CallKey, CallTable, HEAVY};
use hours::HourTable;
use services::ServiceTable;

use super::bounds::Bounds;
use super::scene::Scene;
use super::sides::Role;
use crate::connection::Connection;
use crate::flow::{Action, Direction};
use crate::policy::{EscapeReason, Judged, Verdict};

/// The tables as they grow.
#[derive(Debug)]
pub(super) struct ContactSums {
    services: ServiceTable,
    calls: CallTable,
    hours: HourTable,
}

impl ContactSums {
    pub fn within(bounds: &Bounds) -> Self {
        Self {
            services: ServiceTable::within(bounds),
            calls: CallTable::within(bounds),
            hours: HourTable::within(bounds),
        }
    }

    /// Takes a connection in if it was accepted and its opener is known.
    pub fn add(&mut self, connection: &Connection, judged: &Judged, scene: &Scene) {
        let Some(opener) = connection.opener else { return };
        if connection.action() != Action::Accept {
            return;
        }
        let (interface, sides) = (connection.interface, scene.sides());
        let role = sides.role(interface);
        if role == Role::Middlebox {
            return;
        }
        let public = scene.is_public(connection.remote);
        // What no rule explains is told already, and nothing was said unless both sides spoke.
        let escaped =
            matches!(judged.verdict, Verdict::Escaped(EscapeReason::NoRule | EscapeReason::RuleRemovedNew));
        if !escaped
            && connection.inward[0].any()
            && connection.outward[0].any()
            && !connection.protocol.is_icmp()
        {
            let key = ServiceKey {
                local: sides.local(interface, connection.local),
                direction: opener,
                protocol: connection.protocol,
                port: connection.service_port(),
                public,
            };
            self.services.add(key, sides.peer(connection.remote, public), connection, judged);
        }
        let (left, inbound) = (&connection.outward[0], opener == Direction::Inbound);
        if role == Role::Host && !inbound || public && inbound && left.bytes >= HEAVY {
            let key = CallKey {
                interface,
                remote: [(connection.remote >> 64) as u64, connection.remote as u64],
                port: connection.service_port(),
                protocol: connection.protocol.0,
                inbound,
                heavy: left.bytes >= HEAVY,
            };
            let answered = connection.inward[0].any();
            self.calls.add(key, (connection.first, connection.last), left.bytes, answered);
        }
        if public && left.bytes > 0 && (inbound || role == Role::Host) {
            self.hours.add(interface, inbound, left);
        }
    }

    pub fn merge(&mut self, other: Self) {
        self.services.merge(other.services);
        self.calls.merge(other.calls);
        self.hours.merge(other.hours);
    }

    pub fn heap_bytes(&self) -> usize {
        self.services.heap_bytes() + self.calls.heap_bytes() + self.hours.heap_bytes()
    }

    pub fn finish(self) -> Contacts {
        Contacts { services: self.services.finish(), calls: self.calls.finish(), hours: self.hours.finish() }
    }
}

/// Who talked to whom, how often and how much.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contacts {
    /// Services with their peers.
    pub services: Services,
    /// Outbound connections by interface and remote address, and inbound ones that took much away.
    pub calls: Calls,
    /// Bytes that left for public addresses.
    pub hours: Hours,
}
