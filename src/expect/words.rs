//! Words of the file: services by name, and sides by word.

use super::{End, Service};
use crate::flow::Protocol;

const fn tcp(port: u16) -> Service {
    Service { protocol: Some(Protocol::TCP), ports: (port, port) }
}

const fn udp(port: u16) -> Service {
    Service { protocol: Some(Protocol::UDP), ports: (port, port) }
}

/// Services by name: the ports that IANA or the software's own manual gives them.
pub(super) const SERVICES: [(&str, &[Service]); 26] = [
    ("cassandra", &[tcp(9042)]),
    ("dns", &[udp(53), tcp(53)]),
    ("elasticsearch", &[tcp(9200), tcp(9300)]),
    ("ftp", &[tcp(21)]),
    ("http", &[tcp(80)]),
    ("https", &[tcp(443)]),
    ("icmp", &[Service { protocol: None, ports: (0, u16::MAX) }]),
    ("kafka", &[tcp(9092), tcp(9094)]),
    ("ldap", &[tcp(389)]),
    ("ldaps", &[tcp(636)]),
    ("memcached", &[tcp(11211)]),
    ("mongodb", &[tcp(27017)]),
    ("mssql", &[tcp(1433)]),
    ("mysql", &[tcp(3306)]),
    ("nfs", &[tcp(2049)]),
    ("ntp", &[udp(123)]),
    ("oracle", &[tcp(1521)]),
    ("postgresql", &[tcp(5432)]),
    ("rdp", &[tcp(3389), udp(3389)]),
    ("redis", &[tcp(6379)]),
    ("redshift", &[tcp(5439)]),
    ("smb", &[tcp(445)]),
    ("smtp", &[tcp(25)]),
    ("snmp", &[udp(161)]),
    ("ssh", &[tcp(22)]),
    ("winrm", &[tcp(5985), tcp(5986)]),
];

/// Words for the other side.
pub(super) const PEERS: [(&str, End); 4] = [
    ("anywhere", End::Anywhere),
    ("inside", End::Inside),
    ("internet", End::Internet),
    ("same-vpc", End::SameVpc),
];

/// The word for every interface.
pub(super) const EVERYTHING: &str = "everything";

/// Words of severities, the worst first.
pub(super) const SEVERITIES: [&str; 5] = ["critical", "high", "medium", "low", "informational"];

/// The services that a word stands for: `ssh`, `tcp 22`, `tcp/8000-8100`, `udp`, `protocol 47`.
///
/// # Errors
/// What is wrong.
pub(super) fn services(text: &str) -> Result<Vec<Service>, String> {
    let text = text.trim();
    if let Some((_, services)) = SERVICES.iter().find(|(name, _)| *name == text) {
        return Ok(services.to_vec());
    }
    let (protocol, ports) = text.split_once(['/', ' ']).unwrap_or((text, ""));
    let ports = ports.trim();
    let number = match protocol {
        "tcp" => 6,
        "udp" => 17,
        "protocol" => ports.parse().map_err(|_| format!("`{ports}` is no protocol number"))?,
        _ => return Err(format!("there is no service `{text}`")),
    };
    let all = (0, u16::MAX);
    let ports = if protocol == "protocol" || ports.is_empty() { all } else { range(ports)? };
    // Both families have their own number for one and the same thing.
    let protocol = Some(Protocol(number)).filter(|p| !p.is_icmp());
    Ok(vec![Service { protocol, ports }])
}

/// `22`, `8000-8100`.
fn range(text: &str) -> Result<(u16, u16), String> {
    let port = |text: &str| -> Result<u16, String> {
        let text = text.trim();
        let number = text.parse::<u64>().map_err(|_| format!("`{text}` is no port"))?;
        u16::try_from(number).map_err(|_| format!("port {number} is beyond 65535"))
    };
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let (low, high) = (port(low)?, port(high)?);
    if low > high {
        return Err(format!("the range {low}-{high} is empty"));
    }
    Ok((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_sorted_and_read() {
        assert!(SERVICES.is_sorted_by_key(|(name, _)| *name));
        let one = |text: &str| services(text).map(|s| s.iter().map(Service::to_string).collect::<Vec<_>>());
        assert_eq!(one("ssh"), Ok(vec!["tcp 22".to_owned()]));
        assert_eq!(one("tcp/22"), one("ssh"));
        assert_eq!(one("dns"), Ok(vec!["udp 53".to_owned(), "tcp 53".to_owned()]));
        assert_eq!(one("tcp 8000-8100"), Ok(vec!["tcp 8000-8100".to_owned()]));
        assert_eq!(one("udp"), Ok(vec!["udp".to_owned()]));
        assert_eq!(one("protocol 47"), Ok(vec!["protocol 47".to_owned()]));
        assert_eq!(one("protocol 58"), Ok(vec!["icmp".to_owned()]));
        for wrong in ["", "shh", "tcp 70000", "tcp 9-8", "tcp x", "protocol 300", "icmp 8", "47"] {
            assert!(services(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_service_is_its_protocol_and_ports() {
        let is = |text: &str, protocol: u8, port: u16| {
            services(text).unwrap().iter().any(|s| s.is(Protocol(protocol), port))
        };
        assert!(is("tcp 80-90", 6, 80) && is("tcp 80-90", 6, 90) && !is("tcp 80-90", 6, 91));
        assert!(!is("tcp 80", 17, 80) && is("icmp", 1, 0) && is("icmp", 58, 0) && !is("icmp", 6, 0));
        assert!(is("protocol 47", 47, 0));
    }
}
