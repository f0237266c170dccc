//! One interface that lets nothing in, for logs that were made elsewhere.

use std::path::Path;

use flowgate::finding::Finding;
use flowgate::{AnalyzeConfig, Input, Silent, analyze};
use serde_json::{Value, json};

/// The first line of a log.
pub const LOG: &str = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end \
    action log-status tcp-flags\n";

pub struct Host<'a> {
    address: &'a str,
}

impl<'a> Host<'a> {
    /// With this address.
    pub fn new(address: &'a str) -> Self {
        Self { address }
    }

    /// What is found in a log of its.
    pub fn findings(&self, log: &str, set: impl FnOnce(&mut AnalyzeConfig)) -> Vec<Finding> {
        let directory = tempfile::tempdir().unwrap();
        self.write(directory.path());
        std::fs::write(directory.path().join("flow.log"), log).unwrap();
        let mut config = AnalyzeConfig {
            inputs: vec![Input::parse(directory.path().join("flow.log").as_os_str()).unwrap()],
            inventories: vec![directory.path().join("inventory")],
            only: vec!["rejected-spike".into()],
            threads: 2,
            ..AnalyzeConfig::default()
        };
        set(&mut config);
        let conclusions = analyze(&config, None, &Silent).unwrap();
        assert_eq!(conclusions.summary.tally.malformed, 0, "every line was understood");
        conclusions.findings
    }

    fn write(&self, directory: &Path) {
        let put = |name: &str, value: Value| {
            let place = directory.join("inventory");
            std::fs::create_dir_all(&place).unwrap();
            std::fs::write(place.join(format!("{name}.json")), value.to_string()).unwrap();
        };
        let group = json!({"GroupId": "sg-1", "GroupName": "host", "VpcId": "vpc-1", "OwnerId": "123456789012",
            "IpPermissions": [], "IpPermissionsEgress": []});
        put("describe-security-groups", json!({"SecurityGroups": [group]}));
        let rule = json!({"SecurityGroupRuleId": "sgr-1", "GroupId": "sg-1", "IsEgress": true, "IpProtocol": "-1",
            "FromPort": -1, "ToPort": -1, "CidrIpv4": "0.0.0.0/0"});
        put("describe-security-group-rules", json!({"SecurityGroupRules": [rule]}));
        let interface = json!({"NetworkInterfaceId": "eni-1", "InterfaceType": "interface", "VpcId": "vpc-1",
            "OwnerId": "123456789012", "SubnetId": "subnet-1", "PrivateIpAddress": self.address, "Status": "in-use",
            "Groups": [{"GroupId": "sg-1", "GroupName": "host"}],
            "PrivateIpAddresses": [{"Primary": true, "PrivateIpAddress": self.address}]});
        put("describe-network-interfaces", json!({"NetworkInterfaces": [interface]}));
    }
}
