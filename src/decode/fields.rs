//! The ONE table of flow log fields. A field that AWS adds is one row here.
//!
//! Source: Amazon VPC User Guide, "Flow log records", table "Available fields" (versions 2 to 5 and
//! 7 to 11), and Transit Gateway guide, "Transit Gateway flow log records" (version 6). AWS adds
//! fields about twice a year, so a name that is not here is carried along and counted, never fatal.

/// How the value of a field is written in a log, and so which column it becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text that repeats: dictionary of strings.
    Text,
    /// A tag value: as [`Kind::Text`], percent-encoded in the log and decoded in the column.
    Tag,
    /// IPv4 or IPv6 address: 16 bytes big endian, IPv4 mapped.
    Address,
    /// Number from 0 to 255.
    U8,
    /// Number from 0 to 65535.
    U16,
    /// Number of 64 bits.
    U64,
    /// Unix time in seconds. Milliseconds were seen in the wild and are divided down.
    Time,
    /// `ACCEPT` or `REJECT`.
    Action,
    /// `OK`, `NODATA` or `SKIPDATA`.
    Status,
    /// `ingress` or `egress`.
    Direction,
}

/// One field of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name as in a text header, with hyphens.
    pub name: &'static str,
    /// Version of the record format that introduced it.
    pub version: u8,
    /// How its value is written.
    pub kind: Kind,
    /// True for fields that only Transit Gateway flow logs have.
    pub transit_gateway: bool,
}

const fn vpc(name: &'static str, version: u8, kind: Kind) -> Field {
    Field { name, version, kind, transit_gateway: false }
}

const fn tgw(name: &'static str, kind: Kind) -> Field {
    Field { name, version: 6, kind, transit_gateway: true }
}

/// All fields: the 54 of VPC flow logs in the order of the AWS table, then those of version 6, which
/// only Transit Gateway flow logs have.
pub const FIELDS: &[Field] = &[
    vpc("version", 2, Kind::U8),
    vpc("account-id", 2, Kind::Text),
    vpc("interface-id", 2, Kind::Text),
    vpc("srcaddr", 2, Kind::Address),
    vpc("dstaddr", 2, Kind::Address),
    vpc("srcport", 2, Kind::U16),
    vpc("dstport", 2, Kind::U16),
    vpc("protocol", 2, Kind::U8),
    vpc("packets", 2, Kind::U64),
    vpc("bytes", 2, Kind::U64),
    vpc("start", 2, Kind::Time),
    vpc("end", 2, Kind::Time),
    vpc("action", 2, Kind::Action),
    vpc("log-status", 2, Kind::Status),
    vpc("vpc-id", 3, Kind::Text),
    vpc("subnet-id", 3, Kind::Text),
    vpc("instance-id", 3, Kind::Text),
    vpc("tcp-flags", 3, Kind::U8),
    vpc("type", 3, Kind::Text),
    vpc("pkt-srcaddr", 3, Kind::Address),
    vpc("pkt-dstaddr", 3, Kind::Address),
    vpc("region", 4, Kind::Text),
    vpc("az-id", 4, Kind::Text),
    vpc("sublocation-type", 4, Kind::Text),
    vpc("sublocation-id", 4, Kind::Text),
    vpc("pkt-src-aws-service", 5, Kind::Text),
    vpc("pkt-dst-aws-service", 5, Kind::Text),
    vpc("flow-direction", 5, Kind::Direction),
    vpc("traffic-path", 5, Kind::U8),
    vpc("ecs-cluster-arn", 7, Kind::Text),
    vpc("ecs-cluster-name", 7, Kind::Text),
    vpc("ecs-container-instance-arn", 7, Kind::Text),
    vpc("ecs-container-instance-id", 7, Kind::Text),
    vpc("ecs-container-id", 7, Kind::Text),
    vpc("ecs-second-container-id", 7, Kind::Text),
    vpc("ecs-service-name", 7, Kind::Text),
    vpc("ecs-task-definition-arn", 7, Kind::Text),
    vpc("ecs-task-arn", 7, Kind::Text),
    vpc("ecs-task-id", 7, Kind::Text),
    vpc("reject-reason", 8, Kind::Text),
    vpc("resource-id", 9, Kind::Text),
    vpc("encryption-status", 10, Kind::U8),
    vpc("instance-tag", 11, Kind::Tag),
    vpc("instance-tag-2", 11, Kind::Tag),
    vpc("interface-tag", 11, Kind::Tag),
    vpc("interface-tag-2", 11, Kind::Tag),
    vpc("asg-tag", 11, Kind::Tag),
    vpc("asg-tag-2", 11, Kind::Tag),
    vpc("interface-type", 11, Kind::Text),
    vpc("next-hop-interface-id", 11, Kind::Text),
    vpc("next-hop-subnet-id", 11, Kind::Text),
    vpc("next-hop-az-id", 11, Kind::Text),
    vpc("next-hop-vpc-id", 11, Kind::Text),
    vpc("next-hop-interface-type", 11, Kind::Text),
    tgw("resource-type", Kind::Text),
    tgw("tgw-id", Kind::Text),
    tgw("tgw-attachment-id", Kind::Text),
    tgw("tgw-src-vpc-account-id", Kind::Text),
    tgw("tgw-dst-vpc-account-id", Kind::Text),
    tgw("tgw-src-vpc-id", Kind::Text),
    tgw("tgw-dst-vpc-id", Kind::Text),
    tgw("tgw-src-subnet-id", Kind::Text),
    tgw("tgw-dst-subnet-id", Kind::Text),
    tgw("tgw-src-eni", Kind::Text),
    tgw("tgw-dst-eni", Kind::Text),
    tgw("tgw-src-az-id", Kind::Text),
    tgw("tgw-dst-az-id", Kind::Text),
    tgw("tgw-pair-attachment-id", Kind::Text),
    tgw("packets-lost-no-route", Kind::U64),
    tgw("packets-lost-blackhole", Kind::U64),
    tgw("packets-lost-mtu-exceeded", Kind::U64),
    tgw("packets-lost-ttl-expired", Kind::U64),
];

/// The field of that name. `_` counts as `-` and case does not matter: Parquet columns, Athena and
/// Security Lake write underscores where text headers have hyphens.
#[must_use]
pub fn lookup(name: &[u8]) -> Option<&'static Field> {
    FIELDS.iter().find(|field| {
        field.name.len() == name.len()
            && field.name.bytes().zip(name).all(|(known, &given)| known == canonical(given))
    })
}

fn canonical(byte: u8) -> u8 {
    if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() }
}

impl Field {
    /// Name of the column that holds this field: the name with `_` for `-`.
    #[must_use]
    pub fn column(&self) -> String {
        self.name.replace('-', "_")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_has_54_vpc_fields_and_18_of_transit_gateways() {
        assert_eq!(FIELDS.iter().filter(|f| !f.transit_gateway).count(), 54);
        assert_eq!(FIELDS.iter().filter(|f| f.transit_gateway).count(), 18);
        assert!(FIELDS.iter().all(|f| f.transit_gateway == (f.version == 6)));
        assert!(FIELDS.iter().all(|f| (2..=11).contains(&f.version)));
    }

    #[test]
    fn names_are_unique_and_found_in_every_spelling() {
        for field in FIELDS {
            assert_eq!(lookup(field.name.as_bytes()), Some(field));
            assert_eq!(lookup(field.column().to_uppercase().as_bytes()), Some(field));
        }
        assert_eq!(lookup(b"srcaddress"), None);
        assert_eq!(lookup(b""), None);
    }
}
