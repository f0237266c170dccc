//! Keys as AWS delivers them, and names that only look like them.

use super::{KeyParts, identity};

const FILE: &str = "123456789012_vpcflowlogs_us-east-1_fl-1234abcd_20180620T1620Z_fe123456";

fn of_file() -> KeyParts {
    KeyParts {
        account: "123456789012".to_owned(),
        region: "us-east-1".to_owned(),
        flow_log: Some("fl-1234abcd".to_owned()),
        // 2018-06-20T16:20:00Z, the example of the VPC User Guide.
        stamp: Some(1_529_511_600),
    }
}

fn of_folders(region: &str) -> KeyParts {
    KeyParts { account: "123456789012".to_owned(), region: region.to_owned(), flow_log: None, stamp: None }
}

#[test]
fn reads_the_file_name_alone_whatever_the_folders() {
    for folders in ["", "./", "/data/", "AWSLogs/999999999999/vpcflowlogs/eu-west-1/2026/01/02/"] {
        for ending in [".log.gz", ".log.parquet", ".log", ".log.zst"] {
            let name = format!("{folders}{FILE}{ending}");
            assert_eq!(KeyParts::parse(&name), Some(of_file()), "{name}");
            assert_eq!(identity(&name), Some(FILE), "{name}");
        }
    }
}

#[test]
fn reads_the_folders_where_the_file_was_renamed() {
    for folders in [
        "AWSLogs/123456789012/vpcflowlogs/us-gov-west-1/2026/02/28",
        "s/ub/AWSLogs/123456789012/vpcflowlogs/us-gov-west-1/2026/02/28/23",
        "AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=us-gov-west-1/year=2026/month=02/day=28",
        "p/AWSLogs/aws-account-id=123456789012/service=vpcflowlogs/aws-region=us-gov-west-1/year=2026/month=02/day=28/hour=00",
    ] {
        let name = format!("{folders}/part.gz");
        assert_eq!(KeyParts::parse(&name), Some(of_folders("us-gov-west-1")), "{name}");
        assert_eq!(identity(&name), None);
        assert_eq!(KeyParts::parse(&format!("{folders}/")), None, "a folder is no object");
    }
}

#[test]
fn leaves_foreign_files_alone() {
    let mut foreign: Vec<String> = [
        "-",
        "",
        "/",
        "000000.gz",
        "flows.log",
        // Other services that log into the same bucket.
        "AWSLogs/123456789012/CloudTrail/us-east-1/2026/01/02/123456789012_CloudTrail_us-east-1_20260102T0000Z_x.json.gz",
        "AWSLogs/123456789012/elasticloadbalancing/us-east-1/2026/01/02/x.log.gz",
        // Not a date, an hour, an account, a region.
        "AWSLogs/123456789012/vpcflowlogs/us-east-1/2026/02/30/x.gz",
        "AWSLogs/123456789012/vpcflowlogs/us-east-1/2026/02/03/24/x.gz",
        "AWSLogs/12345678901/vpcflowlogs/us-east-1/2026/02/03/x.gz",
        "AWSLogs/123456789012/vpcflowlogs/useast1/2026/02/03/x.gz",
        "AWSLogs/123456789012/vpcflowlogs/us-east-1/2026/2/3/x.gz",
        // Not both layouts at once, nor Hive folders in another order.
        "AWSLogs/aws-account-id=123456789012/vpcflowlogs/us-east-1/2026/02/03/x.gz",
        "AWSLogs/aws-service=vpcflowlogs/aws-account-id=123456789012/aws-region=us-east-1/year=2026/month=02/day=03/x.gz",
        // Folders in between mean that it was not delivered there.
        "AWSLogs/123456789012/vpcflowlogs/us-east-1/2026/02/03/04/old/x.gz",
    ]
    .map(str::to_owned)
    .to_vec();
    for (part, other) in [
        ("123456789012", "1234567890123"),
        ("123456789012", "12345678901x"),
        ("vpcflowlogs", "vpcdnsquerylogs"),
        ("us-east-1", "us-east"),
        ("us-east-1", "US-EAST-1"),
        ("fl-1234abcd", "1234abcd"),
        ("fl-1234abcd", "fl-"),
        ("20180620", "20180631"),
        ("T1620Z", "T2420Z"),
        ("T1620Z", "T1660Z"),
        ("T1620Z", "T+620Z"),
        ("T1620Z", "T1620"),
        ("_fe123456", ""),
        ("_fe123456", "_"),
        ("_fe123456", "_fe123456 (1)"),
        ("_fe123456", "_fe_123456"),
    ] {
        assert!(FILE.contains(part));
        foreign.push(format!("{}.log.gz", FILE.replace(part, other)));
    }
    foreign.extend([".gz", ".csv", ".log.gz.part", ""].map(|ending| format!("{FILE}{ending}")));
    for name in &foreign {
        assert_eq!(KeyParts::parse(name), None, "{name}");
        assert_eq!(identity(name), None, "{name}");
    }
}
