//! Where a finding belongs in AWS: account, region, and names of what it is about.

use std::collections::BTreeSet;

use super::FormatOptions;
use crate::finding::{Conclusions, Finding};

/// Accounts and regions of findings, told by them, by the user, or by all others having the same.
pub(super) struct Places {
    account: Option<String>,
    region: Option<String>,
}

impl Places {
    pub fn new(conclusions: &Conclusions, options: &FormatOptions<'_>) -> Self {
        let findings = || conclusions.findings.iter();
        let covered = conclusions.summary.coverage.iter().filter_map(|row| row.account.as_deref());
        let accounts = findings().filter_map(|finding| finding.account.as_deref()).chain(covered);
        let regions = findings().filter_map(|finding| finding.region.as_deref());
        Self {
            account: options.account.clone().or_else(|| only(accounts.filter(|word| is_account(word)))),
            region: options.region.clone().or_else(|| only(regions.filter(|word| is_region(word)))),
        }
    }

    /// Account and region, where both are known.
    pub fn complete<'a>(&'a self, finding: &'a Finding) -> Option<(&'a str, &'a str)> {
        Some((self.account(finding)?, self.region(finding)?))
    }

    pub fn account<'a>(&'a self, finding: &'a Finding) -> Option<&'a str> {
        finding.account.as_deref().filter(|word| is_account(word)).or(self.account.as_deref())
    }

    pub fn region<'a>(&'a self, finding: &'a Finding) -> Option<&'a str> {
        finding.region.as_deref().filter(|word| is_region(word)).or(self.region.as_deref())
    }
}

fn only<'a>(words: impl Iterator<Item = &'a str>) -> Option<String> {
    let words: BTreeSet<&str> = words.collect();
    words.first().filter(|_| words.len() == 1).map(|word| (*word).to_owned())
}

/// Twelve digits.
pub(super) fn is_account(word: &str) -> bool {
    word.len() == 12 && word.bytes().all(|b| b.is_ascii_digit())
}

/// `eu-west-1`, `us-gov-east-1`. Open, because new ones appear; closed enough for a file's name.
pub(super) fn is_region(word: &str) -> bool {
    word.len() <= 32
        && word.split('-').count() >= 3
        && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// The partition of a region (AWS General Reference, "Amazon Resource Names").
pub(super) fn partition(region: &str) -> &'static str {
    const PREFIXES: [(&str, &str); 6] = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-isob-", "aws-iso-b"),
        ("us-isof-", "aws-iso-f"),
        ("eu-isoe-", "aws-iso-e"),
        ("us-iso-", "aws-iso"),
    ];
    PREFIXES.iter().find(|(prefix, _)| region.starts_with(prefix)).map_or("aws", |(_, partition)| partition)
}

/// Something in EC2 that a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subject<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its type in the AWS Security Finding Format.
    pub asff: &'static str,
    /// Its type as CloudFormation has it.
    pub cloudformation: &'static str,
    /// Its type in an ARN of EC2 (Service Authorization Reference, "Resource types defined by Amazon EC2").
    pub arn: &'static str,
}

impl Subject<'_> {
    pub fn arn(&self, account: &str, region: &str) -> String {
        format!("arn:{}:ec2:{region}:{account}:{}/{}", partition(region), self.arn, self.id)
    }
}

/// What a finding is about, the narrowest first.
pub(super) fn subjects(finding: &Finding) -> Vec<Subject<'_>> {
    let groups: [(&[String], &str, &str, &str); 6] = [
        (finding.rule_id.as_slice(), "Other", "AWS::EC2::SecurityGroupRule", "security-group-rule"),
        (
            finding.security_group.as_slice(),
            "AwsEc2SecurityGroup",
            "AWS::EC2::SecurityGroup",
            "security-group",
        ),
        (finding.network_acl.as_slice(), "AwsEc2NetworkAcl", "AWS::EC2::NetworkAcl", "network-acl"),
        (&finding.interfaces, "AwsEc2NetworkInterface", "AWS::EC2::NetworkInterface", "network-interface"),
        (&finding.instances, "AwsEc2Instance", "AWS::EC2::Instance", "instance"),
        (finding.vpc.as_slice(), "AwsEc2Vpc", "AWS::EC2::VPC", "vpc"),
    ];
    let subjects = groups.into_iter().flat_map(|(ids, asff, cloudformation, arn)| {
        ids.iter().map(move |id| Subject { id, asff, cloudformation, arn })
    });
    subjects.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_follow_from_regions() {
        let regions = ["eu-west-1", "cn-north-1", "us-gov-east-1", "us-iso-east-1", "us-isob-east-1"];
        assert_eq!(regions.map(partition), ["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b"]);
    }

    #[test]
    fn words_that_name_no_place_are_not_taken() {
        assert!(is_account("123456789012") && !is_account("12345678901") && !is_account("12345678901x"));
        assert!(is_region("eu-west-1") && is_region("us-gov-east-1"));
        assert!(!is_region("../../x") && !is_region("eu") && !is_region("a-b-\u{202e}") && !is_region(""));
    }
}
