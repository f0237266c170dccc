//! Samples of other projects decode to exactly the rows their origin describes.

use flowgate::decode::{DecodeOptions, ParquetDecoder, SchemaProblem};
use flowgate::flow::CaptureStatus::{NoData, SkipData};

use super::support::{Outcome, all, decode, engine, vector};

/// Decodes with both projections, which must agree on what became of the lines.
fn both(name: &str) -> Outcome {
    let input = vector(name);
    let with_all = decode(&input, &all());
    let with_engine = decode(&input, &engine());
    assert_eq!(with_all.tally, with_engine.tally);
    assert_eq!(with_engine.problem, None);
    for (row, text) in with_engine.rows.iter().enumerate() {
        assert!(text.split(' ').all(|part| with_all.rows[row].split(' ').any(|other| other == part)));
    }
    with_all
}

#[test]
fn aws_centralized_logging_has_10_accepts_and_7_nodata() {
    let outcome = both("aws-solutions-centralized-logging/vpcflow_v2_header.log");
    assert_eq!((outcome.tally.lines, outcome.tally.records, outcome.tally.nodata), (17, 10, 7));
    assert!(outcome.rows.iter().all(|row| row.contains(" action=0 ")));
    assert_eq!(
        outcome.rows[0],
        "interface_id=eni-0b7ee7497ac15992e srcaddr=205.185.127.13 dstaddr=10.255.1.170 srcport=52284 dstport=9034 \
         protocol=17 packets=1 bytes=147 start=1651646509 end=1651646511 action=0 version=2 account_id=123456789012 \
         log_status=OK"
    );
    assert_eq!(
        outcome.coverage[0],
        ("eni-0477053d545f22d48".to_owned(), NoData, 1_651_646_498, 1_651_646_529)
    );
}

#[test]
fn cribl_has_60_records_of_4_interfaces() {
    let outcome = both("criblpacks/v2_header_real.log");
    assert_eq!((outcome.tally.lines, outcome.tally.records), (60, 60));
    assert_eq!(outcome.rows.iter().filter(|row| row.contains(" action=1 ")).count(), 40);
    let mut interfaces: Vec<_> = (0..60).map(|row| outcome.value(row, "interface_id")).collect();
    interfaces.sort_unstable();
    interfaces.dedup();
    assert_eq!(interfaces.len(), 4);
    let sum = |column| (0..60).map(|row| outcome.value(row, column).parse::<u64>().unwrap()).sum::<u64>();
    // Sums made with awk over the file.
    assert_eq!((sum("packets"), sum("bytes")), (908, 4496269));
}

#[test]
fn flowlogs_reader_v2_without_header() {
    let outcome = both("obsrvbl-flowlogs-reader/v2_noheader.log");
    assert_eq!((outcome.tally.lines, outcome.tally.records), (5, 3));
    assert_eq!((outcome.tally.nodata, outcome.tally.skipdata), (1, 1));
    assert_eq!(outcome.coverage[1].1, SkipData);
    assert_eq!(outcome.value(2, "action"), "1");
}

#[test]
fn flowlogs_reader_v3_and_v4_lack_the_action() {
    for (name, version) in [("v3", "3"), ("v4", "4")] {
        let input = vector(&format!("obsrvbl-flowlogs-reader/{name}_custom_header.log"));
        let outcome = decode(&input, &all());
        assert_eq!((outcome.tally.lines, outcome.tally.records), (2, 2));
        assert_eq!(outcome.value(1, "version"), version);
        assert_eq!(outcome.value(1, "pkt_srcaddr"), "172.18.160.9");
        assert_eq!(outcome.value(1, "tcp_flags"), "3");

        let refused = decode(&input, &engine());
        assert_eq!((refused.tally.lines, refused.tally.other_schema), (2, 2));
        assert_eq!(refused.problem, Some(SchemaProblem::MissingFields(vec!["interface-id", "action"])));
    }
}

#[test]
fn flowlogs_reader_v5_ends_with_a_bogus_line() {
    let outcome = both("obsrvbl-flowlogs-reader/v5_custom_header.log");
    assert_eq!((outcome.tally.lines, outcome.tally.records, outcome.tally.malformed), (3, 2, 1));
    assert_eq!(outcome.reasons(), [(4, "expected 29 fields, found 2")]);
    assert_eq!(outcome.value(0, "flow_direction"), "0");
    assert_eq!(outcome.value(1, "flow_direction"), "1");
    assert_eq!(outcome.value(0, "traffic_path"), "-");
    assert_eq!(outcome.value(1, "traffic_path"), "7");
    assert_eq!(outcome.value(0, "pkt_src_aws_service"), "S3");
}

#[test]
fn flowlogs_reader_v6_is_of_a_transit_gateway() {
    let input = vector("obsrvbl-flowlogs-reader/v6_custom_header.log");
    for options in [engine(), all()] {
        let outcome = decode(&input, &options);
        assert_eq!((outcome.tally.lines, outcome.tally.other_schema), (1, 1));
        assert_eq!(outcome.problem, Some(SchemaProblem::TransitGateway));
    }
}

/// The third row is idle but says protocol 8080 (hand-made data): only its place and time are looked at.
#[test]
fn flowlogs_reader_parquet_holds_numbers_as_text() {
    let file = vector("obsrvbl-flowlogs-reader/flows.parquet");
    for options in [engine(), all()] {
        let options = DecodeOptions { batch_rows: 2, ..options };
        let mut decoder = ParquetDecoder::try_new(file.clone().into(), &options).unwrap();
        let mut outcome = Outcome::default();
        for batch in &mut decoder {
            outcome.add(&batch.unwrap());
        }
        outcome.tally = decoder.tally().clone();
        assert!(outcome.tally.is_conserved());
        assert_eq!(decoder.rejected_schema(), None);
        let tally = &outcome.tally;
        assert_eq!((tally.lines, tally.records, tally.nodata, tally.malformed), (3, 1, 2, 0));
        let covered = |eni: &str| (eni.to_owned(), NoData, 1_439_387_263, 1_439_387_264);
        assert_eq!(outcome.coverage, [covered("eni-202010ab"), covered("eni-202010ab")]);
        assert!(outcome.rows[0].starts_with(
            "interface_id=eni-102010ab srcaddr=198.51.100.1 dstaddr=192.0.2.1 srcport=443 dstport=49152 protocol=6 \
             packets=10 bytes=840 start=1439387263 end=1439387264 action=0"
        ));
    }
}

#[test]
fn security_lake_sample_is_comma_separated() {
    let outcome = both("ocsf-examples/vpcflowlog.raw");
    assert_eq!((outcome.tally.lines, outcome.tally.records), (1, 1));
    assert_eq!(outcome.value(0, "reject_reason"), "Accepted");
    assert_eq!(outcome.value(0, "srcaddr"), "1.2.3.4");
    assert_eq!(outcome.value(0, "version"), "8");
    assert_eq!(outcome.value(0, "ecs_container_instance_id"), "-");
}

#[test]
fn opensearch_has_22_equal_records() {
    let outcome = both("opensearch-catalog/v2_noheader.log");
    assert_eq!((outcome.tally.lines, outcome.tally.records), (22, 22));
    assert!(outcome.rows.iter().all(|row| *row == outcome.rows[0]));
}

#[test]
fn panther_has_6_records_one_rejected() {
    let outcome = both("panther-labs-panther-analysis/v2_noheader_attack_scenario.log");
    assert_eq!((outcome.tally.lines, outcome.tally.records), (6, 6));
    let actions: Vec<_> = (0..6).map(|row| outcome.value(row, "action")).collect();
    assert_eq!(actions, ["0", "0", "1", "0", "0", "0"]);
}

#[test]
fn vrl_v2_with_icmp_and_ipv6() {
    let outcome = both("vectordotdev-vrl/v2_default_noheader.log");
    assert_eq!((outcome.tally.lines, outcome.tally.records), (7, 5));
    assert_eq!((outcome.tally.nodata, outcome.tally.skipdata), (1, 1));
    assert_eq!(outcome.value(3, "protocol"), "1");
    assert_eq!(outcome.value(4, "srcaddr"), "2001:db8:1234:a100:8d6e:3477:df66:f105");
}

#[test]
fn vrl_v3() {
    let flags = both("vectordotdev-vrl/v3_tcpflags_header.log");
    assert_eq!((flags.tally.lines, flags.tally.records), (8, 8));
    let seen: Vec<_> = (0..8).map(|row| flags.value(row, "tcp_flags")).collect();
    assert_eq!(seen, ["2", "18", "2", "18", "1", "1", "3", "19"]);

    let nat = decode(vector("vectordotdev-vrl/v3_nat_gateway_6fields_header.log"), &all());
    assert_eq!((nat.tally.lines, nat.tally.records), (6, 6));
    assert_eq!(nat.rows[2].split(' ').count(), 6);
    assert_eq!(nat.value(1, "instance_id"), "-");
    assert_eq!(nat.value(3, "pkt_srcaddr"), "203.0.113.5");

    let appliance = decode(vector("vectordotdev-vrl/v3_transit_gateway_appliance_header.log"), &all());
    assert_eq!((appliance.tally.lines, appliance.tally.records), (4, 4));
    assert_eq!(appliance.value(3, "pkt_dstaddr"), "10.20.33.164");
}

#[test]
fn vrl_v5_and_v7() {
    let v5 = both("vectordotdev-vrl/v5_traffic_path_header.log");
    assert_eq!((v5.tally.lines, v5.tally.records), (2, 2));
    assert_eq!(v5.value(1, "traffic_path"), "8");

    let v7 = decode(vector("vectordotdev-vrl/v7_ecs_header.log"), &all());
    assert_eq!((v7.tally.lines, v7.tally.records), (1, 1));
    assert_eq!(v7.value(0, "ecs_service_name"), "my-service");
    assert_eq!(v7.value(0, "ecs_second_container_id"), "-");
}

/// The second of the two records has neither an interface nor a resource: a row like any other, unless
/// it is to be judged.
#[test]
fn vrl_v11() {
    let input = vector("vectordotdev-vrl/v11_reject_reason_nexthop_header.log");
    let v11 = decode(&input, &all());
    assert_eq!((v11.tally.lines, v11.tally.records), (2, 2));
    assert_eq!(v11.value(0, "interface_id"), "nat-0c50d5961bcb2d47b");
    assert_eq!(v11.value(0, "resource_id"), "nat-0c50d5961bcb2d47b");
    assert_eq!(v11.value(0, "reject_reason"), "BPA");
    assert_eq!(v11.value(0, "encryption_status"), "1");
    assert_eq!(v11.value(0, "next_hop_interface_type"), "network_load_balancer");
    assert_eq!((v11.value(1, "interface_id"), v11.value(1, "resource_id")), ("", "-"));
    assert_eq!((v11.value(1, "srcport"), v11.value(1, "reject_reason")), ("34210", "-"));

    let judged = decode(&input, &engine());
    assert_eq!((judged.tally.lines, judged.tally.records, judged.tally.malformed), (2, 1, 1));
    assert_eq!(judged.reasons(), [(3, "no interface: interface-id and resource-id are missing")]);
    assert_eq!(judged.value(0, "interface_id"), "nat-0c50d5961bcb2d47b");
}

/// Rows of each file as their collection counts them: with idle ones, without the bogus line at the end of
/// one. The Transit Gateway row is read and refused.
#[test]
fn every_sample_has_the_rows_its_origin_says() {
    let files = [
        ("aws-solutions-centralized-logging/vpcflow_v2_header.log", 17),
        ("criblpacks/v2_header_real.log", 60),
        ("obsrvbl-flowlogs-reader/v2_noheader.log", 5),
        ("obsrvbl-flowlogs-reader/v3_custom_header.log", 2),
        ("obsrvbl-flowlogs-reader/v4_custom_header.log", 2),
        ("obsrvbl-flowlogs-reader/v5_custom_header.log", 2),
        ("obsrvbl-flowlogs-reader/v6_custom_header.log", 1),
        ("ocsf-examples/vpcflowlog.raw", 1),
        ("opensearch-catalog/v2_noheader.log", 22),
        ("panther-labs-panther-analysis/v2_noheader_attack_scenario.log", 6),
        ("vectordotdev-vrl/v2_default_noheader.log", 7),
        ("vectordotdev-vrl/v3_tcpflags_header.log", 8),
        ("vectordotdev-vrl/v3_nat_gateway_6fields_header.log", 6),
        ("vectordotdev-vrl/v3_transit_gateway_appliance_header.log", 4),
        ("vectordotdev-vrl/v5_traffic_path_header.log", 2),
        ("vectordotdev-vrl/v7_ecs_header.log", 1),
        ("vectordotdev-vrl/v11_reject_reason_nexthop_header.log", 2),
    ];
    for (name, rows) in files {
        let tally = decode(vector(name), &all()).tally;
        let bogus = u64::from(name.ends_with("v5_custom_header.log"));
        assert_eq!((tally.lines - tally.malformed, tally.malformed), (rows, bogus), "{name}");
        let transit_gateway = u64::from(name.ends_with("v6_custom_header.log"));
        assert_eq!(tally.other_schema, transit_gateway, "{name}");
    }
}
