//! A small estate with logs and an inventory, written by hand; shares nothing with the engine.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use flowgate::pipeline::{AnalyzeConfig, Input, MemoryPlan, Silent, analyze};
use serde_json::{Value, json};

/// 2025-10-09T09:00:00Z, a multiple of ten minutes.
pub const START: u64 = 1_760_000_400;
/// Seconds of logs.
pub const SPAN: u64 = 3 * 3600;

const ACCOUNT: &str = "123456789012";

/// An interface.
pub struct Eni {
    pub id: &'static str,
    pub vpc: &'static str,
    pub address: &'static str,
    pub groups: Vec<&'static str>,
    pub kind: &'static str,
    /// Its log is among the logs.
    pub logged: bool,
}

pub fn eni(id: &'static str, address: &'static str, groups: &[&'static str]) -> Eni {
    Eni { id, vpc: "vpc-1", address, groups: groups.to_vec(), kind: "interface", logged: true }
}

/// Who says what to whom; times are seconds from the start.
#[derive(Clone, Copy)]
pub struct Talk {
    pub at: u64,
    pub client: &'static str,
    pub server: &'static str,
    pub port: u16,
    pub from_port: u16,
    /// Packets and bytes there and back.
    pub there: (u64, u64),
    pub back: (u64, u64),
}

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// Let through, answered.
    Through,
    /// Let through, and nothing came back.
    Unanswered,
    /// Let through, refused with a RST.
    Refused,
    /// Rejected at the server's interface.
    RejectedThere,
    /// Rejected at the client's own interface.
    RejectedHere,
}

/// Of which end the records are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    Both,
    Client,
    Server,
}

/// Group, rule id, egress, protocol, ports, peer (CIDR or group).
pub type Rule = (&'static str, &'static str, bool, &'static str, (i32, i32), &'static str);

#[derive(Default)]
pub struct Estate {
    pub enis: Vec<Eni>,
    pub rules: Vec<Rule>,
    pub peerings: Vec<(&'static str, &'static str)>,
    /// Entries of the one network ACL: number, allow, egress, CIDR.
    pub acl: Vec<(u32, bool, bool, &'static str)>,
    lines: String,
    next_port: u16,
}

impl Estate {
    pub fn new(enis: Vec<Eni>) -> Self {
        let acl = vec![(100, true, false, "0.0.0.0/0"), (100, true, true, "0.0.0.0/0")];
        let mut estate = Self { enis, acl, next_port: 32_768, ..Self::default() };
        estate.lines.push_str(
            "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status tcp-flags flow-direction\n",
        );
        let quiet: Vec<(&str, &str)> =
            estate.enis.iter().filter(|e| e.logged).map(|e| (e.id, e.address)).collect();
        for (id, address) in quiet {
            for at in (0..SPAN).step_by(600) {
                let (from, to) = (START + at, START + at + 599);
                writeln!(estate.lines, "5 {ACCOUNT} {id} - - - - - - - {from} {to} - NODATA - -").unwrap();
            }
            // Its log holds rejects: somebody knocks at a port that nobody has.
            estate.record(id, ("198.18.0.1", address), (40_000, 4), (1, 60), 700, ("REJECT", 2, "ingress"));
        }
        estate
    }

    fn record(
        &mut self,
        id: &str,
        (source, destination): (&str, &str),
        (from, to): (u16, u16),
        (packets, bytes): (u64, u64),
        at: u64,
        (action, flags, direction): (&str, u8, &str),
    ) {
        let (start, end) = (START + at, START + at + 20);
        writeln!(
            self.lines,
            "5 {ACCOUNT} {id} {source} {destination} {from} {to} 6 {packets} {bytes} {start} {end} {action} OK {flags} {direction}"
        )
        .unwrap();
    }

    /// Two dozen packets there and back; every talk has a client port of its own.
    pub fn talk(&mut self, at: u64, client: &'static str, server: &'static str, port: u16) -> Talk {
        self.next_port += 1;
        let from_port = self.next_port;
        Talk { at, client, server, port, from_port, there: (12, 2_400), back: (14, 18_000) }
    }

    /// Writes what the logs of the ends hold of a talk.
    pub fn say(&mut self, talk: &Talk, came: Came, seen: Seen) {
        let who = |address: &str| {
            self.enis.iter().find(|e| e.address == address && e.logged && e.vpc == "vpc-1").map(|e| e.id)
        };
        let (client, server) = (who(talk.client), who(talk.server));
        let (there, back) = match came {
            Came::Through => (talk.there, Some(talk.back)),
            Came::Refused => ((1, 60), Some((1, 40))),
            _ => ((2, 120), None),
        };
        let (opening, answer) = match came {
            Came::Through => (3, 19),
            Came::Refused => (2, 4),
            _ => (2, 0),
        };
        let ports = (talk.from_port, talk.port);
        if let Some(id) = client.filter(|_| seen != Seen::Server) {
            let action = if came == Came::RejectedHere { "REJECT" } else { "ACCEPT" };
            self.record(id, (talk.client, talk.server), ports, there, talk.at, (action, opening, "egress"));
            if let Some(back) = back {
                let ends = (talk.server, talk.client);
                self.record(id, ends, (ports.1, ports.0), back, talk.at, ("ACCEPT", answer, "ingress"));
            }
        }
        if came == Came::RejectedHere {
            return;
        }
        if let Some(id) = server.filter(|_| seen != Seen::Client) {
            let action = if came == Came::RejectedThere { "REJECT" } else { "ACCEPT" };
            // Half a minute later, by its own clock.
            let at = talk.at + 30;
            self.record(id, (talk.client, talk.server), ports, there, at, (action, opening, "ingress"));
            if let Some(back) = back {
                let ends = (talk.server, talk.client);
                self.record(id, ends, (ports.1, ports.0), back, at, ("ACCEPT", answer, "egress"));
            }
        }
    }

    /// A line of the log as it stands.
    pub fn line(&mut self, line: &str) {
        self.lines.push_str(line);
        self.lines.push('\n');
    }

    pub fn write(&self, directory: &Path) {
        fs::create_dir_all(directory.join("inventory")).unwrap();
        fs::write(directory.join("flow.log"), &self.lines).unwrap();
        let put = |name: &str, value: Value| {
            let path = directory.join("inventory").join(format!("{name}.json"));
            fs::write(path, value.to_string()).unwrap();
        };
        let rules: Vec<Value> = self
            .rules
            .iter()
            .map(|(group, id, egress, protocol, (low, high), peer)| {
                let mut rule = json!({
                    "SecurityGroupRuleId": id, "GroupId": group, "IsEgress": egress, "IpProtocol": protocol,
                    "FromPort": low, "ToPort": high,
                });
                if peer.starts_with("sg-") {
                    rule["ReferencedGroupInfo"] = json!({"GroupId": peer, "UserId": ACCOUNT});
                } else if peer.contains(':') {
                    rule["CidrIpv6"] = json!(peer);
                } else {
                    rule["CidrIpv4"] = json!(peer);
                }
                rule
            })
            .collect();
        put("describe-security-group-rules", json!({"SecurityGroupRules": rules}));
        let mut names: Vec<&str> = self.enis.iter().flat_map(|e| e.groups.iter().copied()).collect();
        names.sort_unstable();
        names.dedup();
        let groups: Vec<Value> = names
            .iter()
            .map(|id| {
                json!({"GroupId": id, "GroupName": id, "VpcId": "vpc-1", "OwnerId": ACCOUNT,
                    "IpPermissions": [], "IpPermissionsEgress": []})
            })
            .collect();
        put("describe-security-groups", json!({"SecurityGroups": groups}));
        let interfaces: Vec<Value> = self
            .enis
            .iter()
            .map(|e| {
                let groups: Vec<Value> =
                    e.groups.iter().map(|g| json!({"GroupId": g, "GroupName": g})).collect();
                json!({"NetworkInterfaceId": e.id, "InterfaceType": e.kind, "VpcId": e.vpc, "OwnerId": ACCOUNT,
                    "SubnetId": format!("subnet-{}", e.vpc), "PrivateIpAddress": e.address, "Groups": groups,
                    "PrivateIpAddresses": [{"Primary": true, "PrivateIpAddress": e.address}], "Status": "in-use"})
            })
            .collect();
        put("describe-network-interfaces", json!({"NetworkInterfaces": interfaces}));
        let entries: Vec<Value> = self
            .acl
            .iter()
            .map(|(number, allow, egress, cidr)| {
                json!({"CidrBlock": cidr, "Egress": egress, "Protocol": "-1", "RuleNumber": number,
                    "RuleAction": if *allow { "allow" } else { "deny" }})
            })
            .collect();
        let acl = json!({"NetworkAclId": "acl-1", "VpcId": "vpc-1", "OwnerId": ACCOUNT, "IsDefault": true,
            "Associations": [{"NetworkAclId": "acl-1", "SubnetId": "subnet-vpc-1", "NetworkAclAssociationId": "a-1"}],
            "Entries": entries});
        put("describe-network-acls", json!({"NetworkAcls": [acl]}));
        let peerings: Vec<Value> = self
            .peerings
            .iter()
            .map(|(one, other)| {
                json!({"VpcPeeringConnectionId": format!("pcx-{one}-{other}"), "Status": {"Code": "active"},
                    "RequesterVpcInfo": {"VpcId": one}, "AccepterVpcInfo": {"VpcId": other}})
            })
            .collect();
        put("describe-vpc-peering-connections", json!({"VpcPeeringConnections": peerings}));
        put(
            "describe-vpcs",
            json!({"Vpcs": [{"VpcId": "vpc-1", "OwnerId": ACCOUNT, "CidrBlock": "10.0.0.0/16",
            "CidrBlockAssociationSet": [{"CidrBlock": "10.0.0.0/16", "CidrBlockState": {"State": "associated"}}]}]}),
        );
    }

    /// Findings of one detector and the summary; the same for any number of threads and any memory.
    pub fn analyze(&self, detector: &str, watchlists: &[PathBuf]) -> (Vec<Value>, Value) {
        let directory = tempfile::tempdir().unwrap();
        self.write(directory.path());
        run(directory.path(), &directory.path().join("flow.log"), detector, watchlists)
    }
}

pub fn run(directory: &Path, logs: &Path, detector: &str, watchlists: &[PathBuf]) -> (Vec<Value>, Value) {
    let run = |name: &str, threads: usize, memory: MemoryPlan| {
        let config = AnalyzeConfig {
            inputs: vec![Input::Local(logs.to_owned())],
            inventories: vec![directory.join("inventory")],
            watchlists: watchlists.to_vec(),
            only: vec![detector.to_owned()],
            threads,
            memory,
            ..AnalyzeConfig::default()
        };
        let conclusions = analyze(&config, None, &Silent).unwrap();
        let out = directory.join(name);
        flowgate::report::write_dir(&out, &conclusions).unwrap();
        ["findings.jsonl", "summary.json"].map(|file| fs::read_to_string(out.join(file)).unwrap())
    };
    let one = run("one", 1, MemoryPlan::default());
    assert_eq!(one, run("two", 2, MemoryPlan::default()), "threads");
    assert_eq!(one, run("starving", 2, MemoryPlan::starving()), "memory");
    let findings = one[0].lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (findings, serde_json::from_str(&one[1]).unwrap())
}

/// Cause, severity, title.
pub fn told(findings: &[Value]) -> Vec<(&str, &str, &str)> {
    findings
        .iter()
        .map(|f| {
            let of = |name: &str| f[name].as_str().unwrap();
            (of("cause"), of("severity"), of("title"))
        })
        .collect()
}
