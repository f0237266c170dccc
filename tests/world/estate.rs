//! The account behind `bench`: tiers that serve each other, of any size.
//!
//! A tier is a group of interfaces with ten rules of its own, and what its traffic looks like does not depend on how many
//! tiers there are. Rules beyond these ten stand in further groups that the interfaces have as well: they look at the
//! same addresses and ports as the traffic but permit none of it, so that what is permitted, and by how many rules,
//! stays the same while the number of rules grows.

use std::io;
use std::net::Ipv4Addr;
use std::ops::Range;

use super::config::{Account, Eni, FOREVER, PrefixList, Subnet, Vpc, acl, id};
use super::net::Cidr;
use super::rng::Rng;

/// Rules that every tier has.
const CORE: usize = 10;
/// Interfaces of a tier, as far as the rules suffice for so many tiers.
const PER_TIER: usize = 5;
/// Rules of a further group: the default quota of AWS.
const QUOTA: usize = 60;
/// Further groups that an interface has: with its tier's, the default quota of AWS.
const FURTHER: usize = 4;
/// Only so many tiers have an interface without traffic: else NODATA would crowd out the traffic.
const IDLE_TIERS: usize = 40;
/// Addresses that a subnet keeps for itself, rounded up.
const RESERVED: usize = 10;

pub struct Estate {
    pub account: Account,
    pub tiers: usize,
}

impl Estate {
    /// The tier's interfaces.
    pub fn members(&self, tier: usize) -> Range<usize> {
        members(self.account.enis.len(), self.tiers, tier)
    }

    /// Those of them that may have traffic: all but the last.
    pub fn busy(&self, tier: usize) -> Range<usize> {
        let all = self.members(tier);
        all.start..(all.end - 1).max(all.start + 1)
    }

    /// Interfaces without traffic: NODATA in every interval.
    pub fn idle(&self) -> impl Iterator<Item = usize> {
        (1..self.tiers.min(IDLE_TIERS)).step_by(2).map(|tier| self.members(tier).end - 1)
    }
}

fn members(interfaces: usize, tiers: usize, tier: usize) -> Range<usize> {
    tier * interfaces / tiers..(tier + 1) * interfaces / tiers
}

/// The service port of a tier.
pub fn port_of(tier: usize) -> u16 {
    20_000 + 100 * (tier % 400) as u16
}

/// Builds an account. Tier `n` serves tier `n+1` and `n+2`; every fourth one serves the internet.
///
/// # Errors
/// When there are too few interfaces or rules for a tier, or more interfaces than addresses.
pub fn build(interfaces: usize, rules: usize) -> io::Result<Estate> {
    let tiers = (rules / CORE).min(interfaces / PER_TIER);
    if tiers == 0 {
        let text = format!("at least {PER_TIER} interfaces and {CORE} rules");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let (block, bits) = network(interfaces, tiers)?;
    let mut account = Account {
        vpcs: vec![Vpc {
            id: id("vpc", "bench"),
            name: "bench".into(),
            cidr: block,
            cidr6: None,
            logged: true,
        }],
        acls: vec![acl("bench", 0, true, &["in 100 allow all * 0.0.0.0/0", "out 100 allow all * 0.0.0.0/0"])],
        lists: vec![PrefixList {
            id: id("pl", "bench"),
            name: "offices".into(),
            aws: false,
            entries: vec![(Cidr::parse("192.0.2.0/24"), "Offices")],
        }],
        ..Account::default()
    };
    let further = (rules - CORE * tiers).div_ceil(QUOTA);
    for tier in 0..tiers {
        account.add_group(&format!("tier-{tier}"), "A tier", 0);
    }
    for group in 0..further {
        account.add_group(&format!("further-{group}"), "Rules that permit nothing here", 0);
    }
    for tier in 0..tiers {
        add_core(&mut account, tier, tiers, block);
        let subnet = address(block, tier << bits);
        account.subnets.push(Subnet {
            id: id("subnet", &format!("bench-{tier}")),
            name: format!("bench-{tier}"),
            vpc: 0,
            az: ["eu-west-1a", "eu-west-1b"][tier % 2],
            cidr: Cidr::parse(&format!("{subnet}/{}", 32 - bits)),
            cidr6: None,
            acl: 0,
            public: is_public(tier),
        });
        for (n, eni) in members(interfaces, tiers, tier).enumerate() {
            let name = format!("bench-{tier}-{n}");
            let mut groups = vec![tier];
            groups.extend((0..FURTHER.min(further)).map(|k| tiers + (FURTHER * eni + k) % further));
            account.enis.push(Eni {
                id: id("eni", &name),
                kind: "interface",
                subnet: tier,
                ips: vec![address(block, (tier << bits) + RESERVED + n)],
                ip6: None,
                groups,
                instance: Some(id("i", &name)),
                description: String::new(),
                requester: None,
                public: is_public(tier)
                    .then(|| Ipv4Addr::from_bits(0x3410_0000 + ((tier << bits) + RESERVED + n) as u32)),
                tcp_timeout: None,
                since: 0,
                until: super::config::FOREVER,
                nitro: true,
                name,
            });
        }
    }
    add_further(&mut account, rules - CORE * tiers, block);
    Ok(Estate { account, tiers })
}

pub fn is_public(tier: usize) -> bool {
    tier.is_multiple_of(4)
}

/// The block of the VPC, and how many bits of an address a tier's subnet takes.
fn network(interfaces: usize, tiers: usize) -> io::Result<(Cidr, u32)> {
    let largest = interfaces.div_ceil(tiers) + RESERVED + 1;
    if tiers <= 256 && largest <= 256 {
        return Ok((Cidr::parse("10.20.0.0/16"), 8));
    }
    // Larger than AWS would allow, so that one VPC holds them all and groups can refer to each other.
    let bits = largest.next_power_of_two().trailing_zeros().max(5);
    if tiers << bits > 1 << 20 {
        let text = format!("{interfaces} interfaces in {tiers} subnets are more than 10.64.0.0/12 holds");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok((Cidr::parse("10.64.0.0/12"), bits))
}

fn address(block: Cidr, offset: usize) -> Ipv4Addr {
    let std::net::IpAddr::V4(base) = block.base else { panic!("{block} is not IPv4") };
    Ipv4Addr::from_bits(base.to_bits() + offset as u32)
}

fn add_core(account: &mut Account, tier: usize, tiers: usize, block: Cidr) {
    let port = port_of(tier);
    let next = |n: usize| format!("sg:tier-{}", (tier + n) % tiers);
    let mut rules = vec![
        format!("in tcp {port} {}", next(1)),
        // With one tier or two, the same one twice: the other way of writing it keeps the ids apart.
        format!("in tcp {port}{} {}", if tiers == 1 { format!("-{port}") } else { String::new() }, next(2)),
        format!("in udp {} {block}", port + 1),
        "in tcp 22 pl:offices".to_owned(),
        "in tcp 9100 sg:tier-0".to_owned(),
        "in icmp any sg:tier-0".to_owned(),
        format!("in tcp {}-{} 10.30.0.0/16", port + 2, port + 9),
        "out all 0.0.0.0/0".to_owned(),
    ];
    if is_public(tier) {
        rules.push("in tcp 443 0.0.0.0/0".to_owned());
        rules.push("in tcp 80 0.0.0.0/0".to_owned());
    } else {
        rules.push(format!("in tcp {port} 10.40.0.0/16"));
        rules.push(format!("in tcp 8080 {block}"));
    }
    debug_assert_eq!(rules.len(), CORE);
    for rule in rules {
        account.add_rule(&format!("tier-{tier}"), &rule, FOREVER);
    }
}

/// Half of them name addresses of the VPC and ports that nobody there uses, half the ports of the tiers and addresses that
/// nobody has.
fn add_further(account: &mut Account, rules: usize, block: Cidr) {
    let mut rng = Rng::new(0, "further");
    let std::net::IpAddr::V4(base) = block.base else { panic!("{block} is not IPv4") };
    for n in 0..rules {
        let place = n % QUOTA;
        let (base, low) = if n % 2 == 0 {
            (base.to_bits(), 1_024 + 300 * place as u16)
        } else {
            (0x0a80_0000, 20_000 + 600 * place as u16)
        };
        let len = rng.range(20, 32) as u32;
        let within = rng.next() as u32 & 0x000f_ffff & (u32::MAX << (32 - len));
        let cidr = format!("{}/{len}", Ipv4Addr::from_bits(base | within));
        let rule = format!("in tcp {low}-{} {cidr}", low + 8);
        account.add_rule(&format!("further-{}", n / QUOTA), &rule, FOREVER);
    }
}
