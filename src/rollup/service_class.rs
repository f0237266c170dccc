//! What was tried, coarsely: the ports that tend to be noisy, or attacked, together.

use crate::connection::Connection;
use crate::flow::{Direction, Protocol};

/// A class of services. Baselines are kept per class, so that a few attempts on databases are not lost in the noise on
/// Telnet; finer, and each would have too little to learn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceClass {
    /// SSH, Telnet, RDP, VNC, WinRM.
    RemoteAccess,
    /// RPC, NetBIOS, SMB.
    Windows,
    /// Databases, caches, queues, Docker, etcd.
    DataStore,
    /// HTTP on its usual ports.
    Web,
    /// Ports below 1024 that none of the others has.
    WellKnown,
    /// All other ports.
    High,
    /// ICMP and other protocols without ports.
    NoPorts,
    /// Answers to questions that nobody here asked: somebody forges this address as a source (backscatter; Moore et
    /// al., "Inferring Internet Denial-of-Service Activity", 2006).
    Unasked,
}

/// Services that answer over UDP and are known to be abused with forged sources.
const UDP_ANSWERS: [u16; 6] = [53, 123, 161, 389, 1900, 11211];
/// Where clients' ports begin (RFC 6335; Linux begins at 32768, others higher).
const EPHEMERAL: u16 = 32_768;

impl ServiceClass {
    /// In the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::RemoteAccess,
        Self::Windows,
        Self::DataStore,
        Self::Web,
        Self::WellKnown,
        Self::High,
        Self::NoPorts,
        Self::Unasked,
    ];

    /// What a rejected connection tried.
    pub(super) fn of(connection: &Connection) -> Self {
        if is_unasked(connection) {
            return Self::Unasked;
        }
        if !connection.protocol.has_ports() {
            return Self::NoPorts;
        }
        match connection.service_port() {
            22 | 23 | 2222 | 2323 | 3389 | 5900..=5910 | 5985 | 5986 => Self::RemoteAccess,
            135..=139 | 445 => Self::Windows,
            1433
            | 1434
            | 1521
            | 2375..=2380
            | 3306
            | 5432
            | 5672
            | 5984
            | 6379
            | 7000
            | 7001
            | 8086
            | 9042
            | 9092
            | 9200
            | 9300
            | 11211
            | 27017..=27019 => Self::DataStore,
            80 | 81 | 443 | 3000 | 5000 | 8000 | 8008 | 8080 | 8081 | 8443 | 8888 | 9090 => Self::Web,
            0..=1023 => Self::WellKnown,
            _ => Self::High,
        }
    }
}

/// True for a rejected answer without a question: a SYN-ACK, or a reset or datagram from a service to a client's port,
/// while the interface sent nothing. A scanner may use a service's port as its own, but it sends a SYN.
pub(super) fn is_unasked(connection: &Connection) -> bool {
    let came = &connection.inward[1];
    let alone = came.any()
        && !connection.inward[0].any()
        && !connection.outward.iter().any(crate::connection::Part::any)
        && !connection.late.any();
    if !alone || connection.local_port < 1024 {
        return false;
    }
    match connection.protocol {
        Protocol::TCP if came.flagged => {
            came.syn_ack && !came.syn || came.closed && !came.syn && connection.remote_port < 1024
        }
        Protocol::TCP => {
            connection.opener != Some(Direction::Outbound)
                && matches!(connection.remote_port, 22 | 25 | 53 | 80 | 443)
                && connection.local_port >= EPHEMERAL
        }
        Protocol::UDP => UDP_ANSWERS.contains(&connection.remote_port) && connection.local_port >= EPHEMERAL,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::{Evidence, Part, RejectReason};

    fn rejected(ports: (u16, u16), part: Part) -> Connection {
        Connection {
            interface: 0,
            local: 1,
            remote: 2,
            local_port: ports.0,
            remote_port: ports.1,
            protocol: Protocol::TCP,
            opener: Some(Direction::Inbound),
            evidence: Evidence::TcpFlags,
            local_known: true,
            first: 0,
            last: 0,
            inward: [Part::default(), Part { records: 1, ..part }],
            outward: [Part::default(); 2],
            late: Part::default(),
            reason: RejectReason::None,
        }
    }

    #[test]
    fn numbers_are_places() {
        for (number, class) in ServiceClass::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, number);
        }
    }

    #[test]
    fn a_syn_from_a_service_port_is_a_scan_and_an_answer_is_not() {
        let flagged = Part { flagged: true, ..Part::default() };
        let syn = Part { syn: true, ..flagged };
        let syn_ack = Part { syn_ack: true, ..flagged };
        let reset = Part { closed: true, ..flagged };
        assert_eq!(ServiceClass::of(&rejected((40_000, 443), syn)), ServiceClass::High);
        assert_eq!(ServiceClass::of(&rejected((40_000, 443), syn_ack)), ServiceClass::Unasked);
        assert_eq!(ServiceClass::of(&rejected((40_000, 443), reset)), ServiceClass::Unasked);
        assert_eq!(ServiceClass::of(&rejected((40_000, 50_000), reset)), ServiceClass::High);
        assert_eq!(ServiceClass::of(&rejected((22, 443), syn_ack)), ServiceClass::RemoteAccess);
        // Without flags only the ports tell.
        assert_eq!(ServiceClass::of(&rejected((40_000, 443), Part::default())), ServiceClass::Unasked);
        assert_eq!(ServiceClass::of(&rejected((8080, 443), Part::default())), ServiceClass::Web);
        let mut asked = rejected((40_000, 443), syn_ack);
        asked.outward[0].records = 1;
        assert_eq!(ServiceClass::of(&asked), ServiceClass::High, "it was asked");
        let udp = Connection { protocol: Protocol::UDP, ..rejected((40_000, 53), Part::default()) };
        assert_eq!(ServiceClass::of(&udp), ServiceClass::Unasked);
    }
}
