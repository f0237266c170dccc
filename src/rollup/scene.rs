//! What sums need to know beside the connection itself.

use std::sync::Arc;

use super::ends::Directory;
use super::sides::Sides;
use crate::connection::InterfaceFacts;
use crate::flow::{Nets, is_private};
use crate::inventory::{Timeline, Track};
use crate::watchlist::WatchList;

/// Facts of the run that rollups look up for each connection; the same for every worker.
#[derive(Debug, Default)]
pub struct Scene {
    /// Blocks of the VPCs, whenever they had them.
    inside: Nets,
    /// Which interfaces belong together.
    sides: Sides,
    /// What the user looks for, if anything.
    watch: Option<Arc<WatchList>>,
    /// Whose logs are read.
    directory: Option<Directory>,
}

impl Scene {
    /// Gathers the facts.
    #[must_use]
    pub fn new(timeline: &Timeline, interfaces: &[InterfaceFacts]) -> Self {
        let observed = timeline.observations().iter().flat_map(|o| o.vpcs.values());
        let recorded = timeline.history().vpcs.values().flat_map(Track::configurations);
        Self {
            inside: observed.chain(recorded).flat_map(|vpc| &vpc.cidrs).collect(),
            sides: Sides::new(timeline, interfaces),
            ..Self::default()
        }
    }

    /// Which interfaces belong together.
    #[must_use]
    pub fn sides(&self) -> &Sides {
        &self.sides
    }

    /// The same, when all sums are done.
    #[must_use]
    pub fn into_sides(self) -> Sides {
        self.sides
    }

    /// The same, with addresses to look for.
    #[must_use]
    pub fn watching(self, list: Option<Arc<WatchList>>) -> Self {
        Self { watch: list, ..self }
    }

    /// The same, with the interfaces whose logs are read: what both ends say is compared.
    #[must_use]
    pub fn between(self, directory: Directory) -> Self {
        Self { directory: Some(directory), ..self }
    }

    pub(super) fn directory(&self) -> Option<&Directory> {
        self.directory.as_ref()
    }

    pub(super) fn watch_list(&self) -> Option<&WatchList> {
        self.watch.as_deref()
    }

    /// Neither private (RFC 1918, RFC 6598, RFC 4193, link-local) nor within a VPC of the inventory.
    #[must_use]
    pub fn is_public(&self, bits: u128) -> bool {
        !is_private(bits) && !self.inside.contains(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::address_bits;

    #[test]
    fn neither_private_nor_of_a_vpc_is_public() {
        let block: ipnet::IpNet = "203.0.113.0/24".parse().unwrap();
        let scene = Scene { inside: [&block].into_iter().collect(), ..Scene::default() };
        let public = |text: &str| scene.is_public(address_bits(text.parse().unwrap()));
        assert!(public("198.51.100.1") && public("2001:db8::1"));
        assert!(!public("203.0.113.9") && !public("10.1.2.3") && !public("100.64.0.1") && !public("fd00::1"));
    }
}
