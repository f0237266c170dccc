//! The account that is simulated: account 111122223333 in eu-west-1, one VPC that is logged, one peered
//! VPC that is not.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::config::{Account, Eni, FOREVER, Peering, PrefixList, Subnet, Vpc, acl, id};
use super::net::{Cidr, ip};

/// Interfaces that carry the base group: scraped and pinged by the monitoring host, reached by the bastion.
pub const BASE_HOSTS: [&str; 11] =
    ["web-1", "web-2", "web-3", "app-1", "app-2", "app-3", "db-1", "db-2", "cache", "dns", "legacy"];

/// Security groups: name, VPC, description, rules in the language of `config`.
const GROUPS: &[(&str, usize, &str, &[&str])] = &[
    (
        "base",
        0,
        "Every host: administration and monitoring",
        &[
            "in tcp 22 sg:bastion",
            "in tcp 9100 sg:monitoring",
            "in icmp any sg:monitoring",
            "out udp 514 sg:monitoring",
        ],
    ),
    (
        "alb",
        0,
        "Public load balancer",
        &[
            "in tcp 80 0.0.0.0/0",
            "in tcp 443 0.0.0.0/0",
            "in tcp 80 ::/0",
            "in tcp 443 ::/0",
            "in tcp 443 203.0.113.0/24",
            "in icmp 3/4 0.0.0.0/0",
            "out tcp 8080 sg:web",
        ],
    ),
    (
        "web",
        0,
        "Web tier",
        &["in tcp 8080 sg:alb", "in tcp 8081 sg:alb", "out all 0.0.0.0/0", "out all ::/0"],
    ),
    (
        "app",
        0,
        "Application tier, service on a high port",
        &[
            "in tcp 51080 sg:web",
            "in tcp 51080 sg:peer-clients",
            "in tcp 51443 2a05:d018:1234:ab00::/56",
            "in tcp 7946 sg:app",
            "in udp 7946 sg:app",
            "in tcp 22 10.20.0.0/24",
            "in tcp 5005 10.20.0.0/16",
            "out all 0.0.0.0/0",
            "out all ::/0",
        ],
    ),
    (
        "db",
        0,
        "Databases",
        &[
            "in tcp 5432 sg:app",
            "in tcp 5432 sg:lambda",
            "in tcp 3306 sg:app",
            "in tcp 2049 sg:app",
            "in tcp 1433 10.40.0.0/16",
            "!in tcp 5432 sg:web",
            "out tcp 443 pl:com.amazonaws.eu-west-1.s3",
            "out udp 53 10.20.0.2/32",
        ],
    ),
    ("cache", 0, "Cache, opened too wide", &["in tcp 6379 sg:app", "in tcp 0-65535 10.20.0.0/16"]),
    (
        "bastion",
        0,
        "Administration from the offices",
        &[
            "in tcp 22 pl:offices",
            "in tcp 3389 pl:offices",
            "!in tcp 8443 192.0.2.66/32",
            "out tcp 22 10.20.0.0/16",
            "out udp 123 0.0.0.0/0",
            "out tcp 443 0.0.0.0/0",
        ],
    ),
    (
        "monitoring",
        0,
        "Monitoring host",
        &[
            "in udp 514 10.0.0.0/8",
            "in tcp 0-65535 10.30.0.0/16",
            "in tcp 9090 10.30.1.0/24",
            "out all 0.0.0.0/0",
            "out all ::/0",
        ],
    ),
    (
        "dns",
        0,
        "Own DNS server",
        &["in udp 53 10.20.0.0/16", "in tcp 53 10.20.0.0/16", "out all 0.0.0.0/0", "out all ::/0"],
    ),
    ("lambda", 0, "Report function", &["out tcp 5432 sg:db"]),
    (
        "vpn",
        0,
        "Site-to-site tunnels",
        &[
            "in 50 198.51.100.77/32",
            "in udp 500 198.51.100.77/32",
            "in udp 4500 198.51.100.77/32",
            "out 47 10.30.1.9/32",
            "out 50 198.51.100.77/32",
        ],
    ),
    (
        "legacy",
        0,
        "Old host behind a strict network ACL",
        &["in tcp 8443 sg:web", "out all 0.0.0.0/0", "out all ::/0"],
    ),
    (
        "spare",
        0,
        "Reserved interface, no traffic",
        &["in tcp 8443 10.20.0.0/16", "out all 0.0.0.0/0", "out all ::/0"],
    ),
    ("unattached", 0, "Attached to nothing", &["in tcp 3000 10.20.0.0/16", "out all 0.0.0.0/0"]),
    ("default", 0, "default VPC security group", &["in all sg:default", "out all 0.0.0.0/0"]),
    ("peer-clients", 1, "Clients in the peered VPC", &["out all 0.0.0.0/0"]),
];

/// Interfaces: name, subnet, type, addresses (primary first), last IPv6 segment (0 for none), groups, public address.
type EniLine = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
    u16,
    &'static [&'static str],
    &'static str,
);

const ENIS: &[EniLine] = &[
    ("alb-1", "public-a", "interface", &["10.20.0.11"], 0x11, &["alb"], "52.16.10.11"),
    ("alb-2", "public-b", "interface", &["10.20.1.11"], 0x11, &["alb"], "52.16.10.12"),
    ("nat", "public-a", "nat_gateway", &["10.20.0.220"], 0, &[], "52.16.10.20"),
    ("bastion", "public-a", "interface", &["10.20.0.22"], 0, &["bastion"], "52.16.10.22"),
    ("vpn", "public-b", "interface", &["10.20.1.50"], 0, &["vpn"], "52.16.10.50"),
    ("web-1", "private-a", "interface", &["10.20.10.21"], 0x21, &["web", "base"], ""),
    ("web-2", "private-b", "interface", &["10.20.11.22"], 0x22, &["web", "base"], ""),
    ("web-3", "private-a", "interface", &["10.20.10.23"], 0x23, &["web", "base"], ""),
    ("app-1", "private-a", "interface", &["10.20.10.31", "10.20.10.131"], 0x31, &["app", "base"], ""),
    ("app-2", "private-b", "interface", &["10.20.11.32"], 0x32, &["app", "base"], ""),
    ("app-3", "private-a", "interface", &["10.20.10.33"], 0x33, &["app", "base"], ""),
    ("lambda", "private-a", "lambda", &["10.20.10.77"], 0, &["lambda"], ""),
    ("monitoring", "private-a", "interface", &["10.20.10.90"], 0, &["monitoring"], ""),
    ("dns", "private-b", "interface", &["10.20.11.53"], 0, &["dns", "base"], ""),
    ("spare", "private-b", "interface", &["10.20.11.99"], 0, &["spare"], ""),
    ("db-1", "db-a", "interface", &["10.20.20.41"], 0, &["db", "base"], ""),
    ("db-2", "db-b", "interface", &["10.20.21.42"], 0, &["db", "base"], ""),
    ("cache", "db-a", "interface", &["10.20.20.61"], 0, &["cache", "base"], ""),
    ("legacy", "legacy", "interface", &["10.20.30.15"], 0, &["legacy", "base"], ""),
    ("peer-client-1", "peer-a", "interface", &["10.30.1.10"], 0, &["peer-clients"], ""),
    ("peer-client-2", "peer-a", "interface", &["10.30.1.11"], 0, &["peer-clients"], ""),
    ("peer-router", "peer-a", "interface", &["10.30.1.9"], 0, &["peer-clients"], ""),
];

/// Builds the account. `changes` are the times (milliseconds) at which, in a world with snapshots, the rule
/// `in tcp 8888 10.30.1.0/24` is removed from the group `app` and the interface `app-4` is added.
pub fn build(changes: Option<(i64, i64)>) -> Account {
    let mut account = Account {
        vpcs: vec![
            Vpc {
                id: id("vpc", "main"),
                name: "main".into(),
                cidr: Cidr::parse("10.20.0.0/16"),
                cidr6: Some(Cidr::parse("2a05:d018:1234:ab00::/56")),
                logged: true,
            },
            Vpc {
                id: id("vpc", "partner"),
                name: "partner".into(),
                cidr: Cidr::parse("10.30.0.0/16"),
                cidr6: None,
                logged: false,
            },
        ],
        services: vec![
            (Cidr::parse("52.218.0.0/17"), "S3"),
            (Cidr::parse("52.92.0.0/17"), "S3"),
            (Cidr::parse("54.154.0.0/16"), "EC2"),
        ],
        ..Account::default()
    };
    add_subnets(&mut account);
    account.peerings.push(Peering { id: id("pcx", "main-partner"), requester: 0, accepter: 1 });
    add_prefix_lists(&mut account);
    for (name, vpc, description, _) in GROUPS {
        account.add_group(name, description, *vpc);
    }
    for (name, _, _, rules) in GROUPS {
        for rule in *rules {
            account.add_rule(name, rule, FOREVER);
        }
    }
    for &(name, subnet, kind, ips, v6, groups, public) in ENIS {
        add_eni(&mut account, (name, subnet, kind, ips, v6, groups, public), 0);
    }
    if let Some((removed, added)) = changes {
        account.add_rule("app", "in tcp 8888 10.30.1.0/24", removed);
        let line: EniLine = ("app-4", "private-b", "interface", &["10.20.11.34"], 0x34, &["app", "base"], "");
        add_eni(&mut account, line, added);
    }
    // The idle connection of the world lasts longer than 350 s on these two, and the inventory says that it may.
    for name in ["app-1", "db-1"] {
        let index = account.eni(name);
        account.enis[index].tcp_timeout = Some(7200);
    }
    account
}

fn add_subnets(account: &mut Account) {
    account.acls = vec![
        acl(
            "public",
            0,
            false,
            &[
                "in 50 deny all * 198.51.100.128/25",
                "in 60 deny all * 2001:db8:bad::/48",
                "in 100 allow all * 0.0.0.0/0",
                "in 101 allow all * ::/0",
                "out 100 allow all * 0.0.0.0/0",
                "out 101 allow all * ::/0",
            ],
        ),
        acl(
            "private",
            0,
            false,
            &[
                "in 100 allow all * 10.0.0.0/8",
                "in 105 allow all * 2a05:d018:1234:ab00::/56",
                "in 110 allow tcp 1024-65535 0.0.0.0/0",
                "in 120 allow udp 1024-65535 0.0.0.0/0",
                "in 130 allow udp 123 0.0.0.0/0",
                "in 140 allow udp 53 0.0.0.0/0",
                "out 100 allow all * 0.0.0.0/0",
                "out 105 allow all * ::/0",
            ],
        ),
        acl(
            "db",
            0,
            false,
            &[
                "in 100 allow tcp 22 10.20.0.0/16",
                "in 110 allow icmp * 10.20.0.0/16",
                "in 120 allow tcp 1024-65535 0.0.0.0/0",
                "out 100 allow tcp 0-65535 10.20.0.0/16",
                "out 110 allow tcp 443 0.0.0.0/0",
                "out 120 allow udp 514 10.20.0.0/16",
                "out 130 allow icmp * 10.20.0.0/16",
            ],
        ),
        // Lets requests in and never lets an answer out; and the other way round for the internet.
        acl(
            "legacy",
            0,
            false,
            &[
                "in 100 allow all * 10.0.0.0/8",
                "out 100 allow tcp 443 0.0.0.0/0",
                "out 110 allow udp 514 10.20.0.0/16",
            ],
        ),
        acl("default-main", 0, true, &["in 100 allow all * 0.0.0.0/0", "out 100 allow all * 0.0.0.0/0"]),
        acl("default-partner", 1, true, &["in 100 allow all * 0.0.0.0/0", "out 100 allow all * 0.0.0.0/0"]),
    ];
    let lines = [
        ("public-a", 0, "eu-west-1a", "10.20.0.0/24", "2a05:d018:1234:ab00::/64", 0, true),
        ("public-b", 0, "eu-west-1b", "10.20.1.0/24", "2a05:d018:1234:ab01::/64", 0, true),
        ("private-a", 0, "eu-west-1a", "10.20.10.0/24", "2a05:d018:1234:ab10::/64", 1, false),
        ("private-b", 0, "eu-west-1b", "10.20.11.0/24", "2a05:d018:1234:ab11::/64", 1, false),
        ("db-a", 0, "eu-west-1a", "10.20.20.0/24", "", 2, false),
        ("db-b", 0, "eu-west-1b", "10.20.21.0/24", "", 2, false),
        ("legacy", 0, "eu-west-1a", "10.20.30.0/24", "", 3, false),
        ("peer-a", 1, "eu-west-1a", "10.30.1.0/24", "", 5, false),
    ];
    account.subnets = lines
        .into_iter()
        .map(|(name, vpc, az, cidr, cidr6, acl, public)| Subnet {
            id: id("subnet", name),
            name: name.to_owned(),
            vpc,
            az,
            cidr: Cidr::parse(cidr),
            cidr6: (!cidr6.is_empty()).then(|| Cidr::parse(cidr6)),
            acl,
            public,
        })
        .collect();
}

fn add_prefix_lists(account: &mut Account) {
    let list = |id: String, name: &str, aws, entries: &[(&str, &'static str)]| PrefixList {
        id,
        name: name.to_owned(),
        aws,
        entries: entries.iter().map(|(cidr, text)| (Cidr::parse(cidr), *text)).collect(),
    };
    account.lists = vec![
        list(
            id("pl", "offices"),
            "offices",
            false,
            &[("192.0.2.0/28", "Head office"), ("198.51.100.16/28", "Branch")],
        ),
        list(
            "pl-6da54004".to_owned(),
            "com.amazonaws.eu-west-1.s3",
            true,
            &[("52.218.0.0/17", ""), ("52.92.0.0/17", "")],
        ),
        list("pl-6fa54006".to_owned(), "com.amazonaws.eu-west-1.dynamodb", true, &[("52.94.24.0/23", "")]),
    ];
    account.endpoint_blocks = account.lists[1].entries.iter().map(|(block, _)| *block).collect();
}

fn add_eni(account: &mut Account, line: EniLine, since: i64) {
    let (name, subnet, kind, ips, v6, groups, public) = line;
    let managed = kind != "interface" || name.starts_with("alb");
    let subnet = account.subnet(subnet);
    let ip6 = (v6 != 0).then(|| {
        let block = account.subnets[subnet].cidr6.unwrap_or_else(|| panic!("{name}: subnet without IPv6"));
        match block.base {
            std::net::IpAddr::V6(base) => Ipv6Addr::from(u128::from(base) | u128::from(v6)),
            std::net::IpAddr::V4(_) => panic!("{name}: IPv4 block in cidr6"),
        }
    });
    let (description, requester) = match (kind, managed) {
        ("nat_gateway", _) => {
            (format!("Interface for NAT Gateway {}", id("nat", name)), Some("111122223333"))
        }
        ("lambda", _) => (
            "AWS Lambda VPC ENI-report-4f1c7a52-0d3e-4c5b-9a64-2f8f3f0c1b7e".to_owned(),
            Some("AROAEXAMPLE:report"),
        ),
        (_, true) => ("ELB app/shop/50dc6c495c0c9188".to_owned(), Some("amazon-elb")),
        _ => (String::new(), None),
    };
    let ips: Vec<Ipv4Addr> = ips.iter().map(|text| text.parse().expect("address literal")).collect();
    assert!(
        ips.iter().all(|&ip| account.subnets[subnet].cidr.contains(ip.into())),
        "{name}: outside its subnet"
    );
    account.enis.push(Eni {
        id: id("eni", name),
        name: name.to_owned(),
        kind,
        subnet,
        ips,
        ip6,
        groups: groups.iter().map(|group| account.group(group)).collect(),
        instance: (!managed).then(|| id("i", name)),
        description,
        requester,
        public: (!public.is_empty()).then(|| match ip(public) {
            std::net::IpAddr::V4(ip) => ip,
            std::net::IpAddr::V6(_) => panic!("{name}: public address is IPv6"),
        }),
        tcp_timeout: None,
        since,
        until: FOREVER,
        nitro: !managed && !matches!(name, "cache" | "legacy" | "vpn"),
    });
}
