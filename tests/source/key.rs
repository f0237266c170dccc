//! Every layout is read back to what it was made of, and no name whatever upsets the parser.

use chrono::DateTime;
use flowgate::source::{KeyParts, Object};
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct Key {
    parts: KeyParts,
    file: String,
    plain: String,
    hive: String,
    hour: String,
}

fn keys() -> impl Strategy<Value = Key> {
    let region = prop_oneof!["[a-z]{2}-[a-z]{4,9}-[1-9]", "[a-z]{2,4}-[a-z]{2,3}-[a-z]{4,9}-[1-9]"];
    let ending = prop_oneof![Just(".log.gz"), Just(".log.parquet"), Just(".log"), Just(".log.zst")];
    // Whole minutes from 2000 to 2096.
    let minute = 15_778_080i64..66_000_000;
    ("[0-9]{12}", region, "fl-[0-9a-f]{8,17}", minute, "[0-9a-f]{8}", ending).prop_map(
        |(account, region, flow_log, minute, hash, ending)| {
            let time = DateTime::from_timestamp(minute * 60, 0).unwrap();
            let file = format!(
                "{account}_vpcflowlogs_{region}_{flow_log}_{}_{hash}{ending}",
                time.format("%Y%m%dT%H%MZ")
            );
            let plain = format!("AWSLogs/{account}/vpcflowlogs/{region}/{}", time.format("%Y/%m/%d"));
            let hive = format!(
                "AWSLogs/aws-account-id={account}/aws-service=vpcflowlogs/aws-region={region}/{}",
                time.format("year=%Y/month=%m/day=%d")
            );
            let hour = time.format("%H").to_string();
            let parts = KeyParts { account, region, flow_log: Some(flow_log), stamp: Some(minute * 60) };
            Key { parts, file, plain, hive, hour }
        },
    )
}

proptest! {
    #[test]
    fn every_layout_reads_back(key in keys(), prefix in "([a-zA-Z0-9._=-]{1,8}/){0,3}") {
        let Key { parts, file, plain, hive, hour } = key;
        let folders = [
            plain.clone(),
            format!("{plain}/{hour}"),
            hive.clone(),
            format!("{hive}/hour={hour}"),
            hive.replace("aws-service=", "service="),
            format!("{}/hour={hour}", hive.replace("aws-service=", "service=")),
        ];
        for folders in folders {
            let name = format!("{prefix}{folders}/{file}");
            prop_assert_eq!(KeyParts::parse(&name), Some(parts.clone()), "{}", name);
            let renamed = format!("{prefix}{folders}/renamed.gz");
            let told = KeyParts { flow_log: None, stamp: None, ..parts.clone() };
            prop_assert_eq!(KeyParts::parse(&renamed), Some(told), "{}", renamed);
        }
        prop_assert_eq!(KeyParts::parse(&file), Some(parts));
    }

    #[test]
    fn a_damaged_file_name_is_foreign_or_still_itself(key in keys(), at in any::<prop::sample::Index>(), c in any::<char>()) {
        let mut damaged: Vec<char> = key.file.chars().collect();
        let at = at.index(damaged.len());
        damaged[at] = c;
        let damaged: String = damaged.into_iter().collect();
        // Whatever is still accepted is exactly what the name says.
        if let Some(parts) = KeyParts::parse(&damaged) {
            let time = DateTime::from_timestamp(parts.stamp.unwrap(), 0).unwrap();
            let says = format!(
                "{}_vpcflowlogs_{}_{}_{}_",
                parts.account, parts.region, parts.flow_log.unwrap(), time.format("%Y%m%dT%H%MZ")
            );
            prop_assert!(damaged.rsplit('/').next().unwrap().starts_with(&says), "{} {}", damaged, says);
        }
    }

    #[test]
    fn no_name_upsets_it(name in any::<String>(), keyish in "[0-9a-zTZ_/=.-]{0,120}") {
        for name in [name, keyish] {
            prop_assert_eq!(KeyParts::parse(&name), Object::new(name.clone(), None).key);
            // Nothing short of the whole layout is taken for a key.
            prop_assert!(KeyParts::parse(&name).is_none() || name.contains("vpcflowlogs"));
        }
    }
}
