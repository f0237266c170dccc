//! Ports of services that administer machines, hold data or share files.

use crate::flow::Protocol;

/// What a service is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceKind {
    /// Shells, remote desktops, control planes.
    Administration,
    /// Data stores and caches.
    Database,
    /// Files.
    FileSharing,
    /// Mail.
    Mail,
    /// Web interfaces of tools, and servers under development.
    WebConsole,
}

impl ServiceKind {
    /// Kebab-case word of the outputs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Administration => "administration",
            Self::Database => "database",
            Self::FileSharing => "file-sharing",
            Self::Mail => "mail",
            Self::WebConsole => "web-console",
        }
    }
}

/// Over which protocols a service is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Tcp,
    Udp,
    Both,
}

/// A service that does not belong on the internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownService {
    /// Its port.
    pub port: u16,
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub class: ServiceKind,
    over: Over,
    /// Among those of Security Hub's EC2.19 and EC2.53/54, and the common data stores these do not name.
    pub notable: bool,
}

const fn notable(port: u16, name: &'static str, class: ServiceKind) -> KnownService {
    KnownService { port, name, class, over: Over::Tcp, notable: true }
}

const fn notable_both(port: u16, name: &'static str, class: ServiceKind) -> KnownService {
    KnownService { port, name, class, over: Over::Both, notable: true }
}

const fn further(port: u16, name: &'static str, class: ServiceKind, over: Over) -> KnownService {
    KnownService { port, name, class, over, notable: false }
}

use ServiceKind::{Administration, Database, FileSharing, Mail, WebConsole};

/// By port.
static SERVICES: [KnownService; 43] = [
    notable(20, "FTP data", FileSharing),
    notable(21, "FTP", FileSharing),
    notable(22, "SSH", Administration),
    notable(23, "Telnet", Administration),
    notable(25, "SMTP", Mail),
    further(69, "TFTP", FileSharing, Over::Udp),
    notable(110, "POP3", Mail),
    notable(135, "RPC", Administration),
    further(139, "NetBIOS", FileSharing, Over::Tcp),
    notable(143, "IMAP", Mail),
    further(161, "SNMP", Administration, Over::Udp),
    further(389, "LDAP", Administration, Over::Both),
    notable(445, "SMB", FileSharing),
    further(623, "IPMI", Administration, Over::Udp),
    further(873, "rsync", FileSharing, Over::Tcp),
    notable(1433, "SQL Server", Database),
    notable_both(1434, "SQL Server browser", Database),
    notable(1521, "Oracle", Database),
    further(2049, "NFS", FileSharing, Over::Both),
    notable(2375, "Docker", Administration),
    further(2376, "Docker over TLS", Administration, Over::Tcp),
    notable(2379, "etcd", Database),
    further(3000, "development server", WebConsole, Over::Tcp),
    notable(3306, "MySQL", Database),
    notable_both(3389, "RDP", Administration),
    notable(5432, "PostgreSQL", Database),
    notable(5500, "VNC", Administration),
    notable(5601, "Kibana", WebConsole),
    notable(5900, "VNC", Administration),
    further(5984, "CouchDB", Database, Over::Tcp),
    notable(5985, "WinRM", Administration),
    further(5986, "WinRM over TLS", Administration, Over::Tcp),
    notable(6379, "Redis", Database),
    further(6443, "Kubernetes API", Administration, Over::Tcp),
    notable(8888, "alternative HTTP", WebConsole),
    further(9042, "Cassandra", Database, Over::Tcp),
    notable(9200, "Elasticsearch", Database),
    notable(9300, "Elasticsearch transport", Database),
    further(10_250, "kubelet", Administration, Over::Tcp),
    notable_both(11_211, "memcached", Database),
    notable(27_017, "MongoDB", Database),
    further(27_018, "MongoDB", Database, Over::Tcp),
    further(50_070, "HDFS", WebConsole, Over::Tcp),
];

/// Every service, by port.
#[must_use]
pub fn services() -> &'static [KnownService] {
    &SERVICES
}

/// The service behind a port.
#[must_use]
pub fn service(protocol: Protocol, port: u16) -> Option<&'static KnownService> {
    let at = SERVICES.binary_search_by_key(&port, |service| service.port).ok()?;
    let service = &SERVICES[at];
    let over = match protocol {
        Protocol::TCP => service.over != Over::Udp,
        Protocol::UDP => service.over != Over::Tcp,
        _ => false,
    };
    over.then_some(service)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_found_by_port_and_protocol() {
        assert!(SERVICES.is_sorted_by(|a, b| a.port < b.port));
        assert_eq!(service(Protocol::TCP, 22).map(|s| s.name), Some("SSH"));
        assert!(service(Protocol::UDP, 22).is_none() && service(Protocol::TCP, 161).is_none());
        assert!(service(Protocol::UDP, 3389).is_some() && service(Protocol::ICMP, 22).is_none());
        assert!(service(Protocol::TCP, 443).is_none());
    }
}
