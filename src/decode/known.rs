//! Formats in wide use, for logs without a header that nobody gives the format of.

use std::sync::LazyLock;

use super::fields::FIELDS;
use super::format::LogFormat;

/// Formats of which a line looks like no other's: `no_line_fits_two` sees to that.
pub(super) static FORMATS: LazyLock<Vec<LogFormat>> = LazyLock::new(|| {
    let mut formats = vec![LogFormat::v2_default()];
    // All fields up to a version in the order of the table "Available fields": what AWS's own Athena tables
    // (Athena User Guide, "Amazon VPC flow logs") and most templates have.
    for version in [3, 4, 5, 7, 8, 9, 10, 11] {
        let fields = FIELDS.iter().filter(|field| !field.transit_gateway && field.version <= version);
        formats.push(LogFormat::from_names(fields.map(|field| field.name)));
    }
    formats.extend(CUSTOM.map(|names| LogFormat::from_names(names.split(' '))));
    formats
});

/// Other orders.
const CUSTOM: [&str; 8] = [
    // All fields up to version 5 by name: "Select all" of the VPC console, AWS workshops and solutions
    // ("VPC Flow Logs Analysis Dashboard", "Centralized Logging with OpenSearch").
    "account-id action az-id bytes dstaddr dstport end flow-direction instance-id interface-id log-status packets \
     pkt-dst-aws-service pkt-dstaddr pkt-src-aws-service pkt-srcaddr protocol region srcaddr srcport start \
     sublocation-id sublocation-type subnet-id tcp-flags traffic-path type version vpc-id",
    // The same with reject-reason.
    "account-id action az-id bytes dstaddr dstport end flow-direction instance-id interface-id log-status packets \
     pkt-dst-aws-service pkt-dstaddr pkt-src-aws-service pkt-srcaddr protocol region reject-reason srcaddr srcport \
     start sublocation-id sublocation-type subnet-id tcp-flags traffic-path type version vpc-id",
    // VPC User Guide, "Flow log record examples": TCP flag sequence.
    "version vpc-id subnet-id instance-id interface-id account-id type srcaddr dstaddr srcport dstport pkt-srcaddr \
     pkt-dstaddr protocol bytes packets start end action tcp-flags log-status",
    // There: traffic through a NAT gateway.
    "instance-id interface-id srcaddr dstaddr pkt-srcaddr pkt-dstaddr",
    // There: traffic through a transit gateway.
    "version interface-id account-id vpc-id subnet-id instance-id srcaddr dstaddr srcport dstport protocol \
     tcp-flags type pkt-srcaddr pkt-dstaddr action log-status",
    // There: service name, traffic path and flow direction.
    "version srcaddr dstaddr srcport dstport protocol start end type packets bytes account-id vpc-id subnet-id \
     instance-id interface-id region az-id sublocation-type sublocation-id action tcp-flags pkt-srcaddr pkt-dstaddr \
     pkt-src-aws-service pkt-dst-aws-service traffic-path flow-direction log-status",
    // EC2 API reference, `CreateFlowLogs` by the AWS CLI: a custom format.
    "version vpc-id subnet-id instance-id srcaddr dstaddr srcport dstport protocol tcp-flags type pkt-srcaddr \
     pkt-dstaddr",
    // Transit Gateway guide, "Transit Gateway flow log records": the default format.
    "version resource-type account-id tgw-id tgw-attachment-id tgw-src-vpc-account-id tgw-dst-vpc-account-id \
     tgw-src-vpc-id tgw-dst-vpc-id tgw-src-subnet-id tgw-dst-subnet-id tgw-src-eni tgw-dst-eni tgw-src-az-id \
     tgw-dst-az-id tgw-pair-attachment-id srcaddr dstaddr srcport dstport protocol packets bytes start end \
     log-status type packets-lost-no-route packets-lost-blackhole packets-lost-mtu-exceeded packets-lost-ttl-expired \
     tcp-flags region flow-direction pkt-src-aws-service pkt-dst-aws-service",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::likeness::Likeness;

    #[test]
    fn no_line_fits_two() {
        for (at, one) in FORMATS.iter().enumerate() {
            assert_eq!(one.unknown().count(), 0, "{one}");
            for other in &FORMATS[at + 1..] {
                let same = one.columns().len() == other.columns().len();
                let (a, b) = (Likeness::new(one, true), Likeness::new(other, true));
                assert!(!same || (a.excludes(&b) && b.excludes(&a)), "{one} is like {other}");
            }
        }
    }
}
