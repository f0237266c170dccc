//! Ports that administer machines or hold data, and what Security Hub says of them.

use ipnet::IpNet;

/// Ports whose exposure is worth more than a note: remote administration and data stores.
fn notable() -> impl Iterator<Item = (u16, &'static str)> {
    crate::rollup::services().iter().filter(|s| s.notable).map(|s| (s.port, s.name))
}

/// The name of a sensitive service.
pub(super) fn sensitive(port: u16) -> Option<&'static str> {
    notable().find(|(p, _)| *p == port).map(|(_, name)| name)
}

/// True for services at which people log in.
pub(super) fn takes_logins(port: u16) -> bool {
    matches!(port, 21..=23 | 445 | 3389 | 5900 | 5985 | 5986)
}

/// Sensitive services within a range of ports.
pub(super) fn sensitive_within(low: u16, high: u16) -> Vec<(u16, &'static str)> {
    notable().filter(|(p, _)| (low..=high).contains(p)).collect()
}

/// `22 (SSH)`, or just the number.
pub(super) fn name(port: u16) -> String {
    sensitive(port).map_or_else(|| port.to_string(), |service| format!("{port} ({service})"))
}

/// True for 0.0.0.0/0 and ::/0.
pub(super) fn is_everyone(net: &IpNet) -> bool {
    net.prefix_len() == 0
}

/// Security Hub controls that a rule open to everyone breaks (Security Hub user guide, "Amazon EC2 controls").
pub(super) fn controls(blocks: &[IpNet], tcp: bool, low: u16, high: u16) -> Vec<&'static str> {
    let v4 = blocks.iter().any(|b| is_everyone(b) && matches!(b, IpNet::V4(_)));
    let v6 = blocks.iter().any(|b| is_everyone(b) && matches!(b, IpNet::V6(_)));
    let mut controls = Vec::new();
    if !v4 && !v6 {
        return controls;
    }
    let holds = |port: u16| (low..=high).contains(&port);
    if tcp && holds(22) {
        controls.push("EC2.13");
    }
    if tcp && holds(3389) {
        controls.push("EC2.14");
    }
    // Of UDP no port is authorised by default.
    if !tcp || !matches!((low, high), (80, 80) | (443, 443)) {
        controls.push("EC2.18");
    }
    const HIGH_RISK: [u16; 24] = [
        20, 21, 22, 23, 25, 110, 135, 143, 445, 1433, 1434, 3000, 3306, 3389, 4333, 5000, 5432, 5500, 5601,
        8080, 8088, 8888, 9200, 9300,
    ];
    if tcp && HIGH_RISK.iter().any(|&p| holds(p)) {
        controls.push("EC2.19");
    }
    if tcp && (holds(22) || holds(3389)) {
        if v4 {
            controls.push("EC2.53");
        }
        if v6 {
            controls.push("EC2.54");
        }
    }
    controls
}
