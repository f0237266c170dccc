//! `cloudwatch:/vpc/flow-logs`.

use std::fmt;

/// A log group as the user names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogGroup {
    /// Its name.
    pub name: String,
    /// Where it lies, if it was named by its ARN.
    pub home: Option<Home>,
}

/// What an ARN says about where a log group lies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Home {
    /// `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: String,
    /// Region.
    pub region: String,
    /// Account.
    pub account: String,
}

impl LogGroup {
    /// Reads `cloudwatch:NAME` or `cloudwatch:arn:aws:logs:REGION:ACCOUNT:log-group:NAME`, either with `:*` behind it,
    /// as policies write it; `None` if it does not begin with `cloudwatch:`.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    #[must_use]
    pub fn parse(text: &str) -> Option<Result<Self, String>> {
        let rest = text.strip_prefix("cloudwatch:")?;
        let rest = rest.strip_suffix(":*").unwrap_or(rest);
        Some(if rest.starts_with("arn:") { Self::from_arn(rest) } else { Self::named(rest, None) })
    }

    fn from_arn(arn: &str) -> Result<Self, String> {
        let parts: Vec<&str> = arn.split(':').collect();
        let ["arn", partition, "logs", region, account, "log-group", name] = parts[..] else {
            return Err(format!(
                "`{arn}` is no ARN of a log group: arn:aws:logs:REGION:ACCOUNT:log-group:NAME"
            ));
        };
        let lower = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if !lower(partition) || !lower(region) {
            return Err(format!("`{arn}` names no partition and region"));
        }
        if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
            return Err(format!("`{arn}` names no account: that is 12 digits"));
        }
        let home = Home { partition: partition.into(), region: region.into(), account: account.into() };
        Self::named(name, Some(home))
    }

    fn named(name: &str, home: Option<Home>) -> Result<Self, String> {
        // CloudWatch Logs API Reference, CreateLogGroup: 1 to 512 of these.
        let sound = (1..=512).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-/.#".contains(&b));
        if sound {
            Ok(Self { name: name.to_owned(), home })
        } else {
            Err(format!("`{name}` is no name of a log group: letters, digits and `_-/.#`"))
        }
    }

    /// The ARN without `:*`, if it was named by one.
    #[must_use]
    pub fn arn(&self) -> Option<String> {
        let Home { partition, region, account } = self.home.as_ref()?;
        Some(format!("arn:{partition}:logs:{region}:{account}:log-group:{}", self.name))
    }
}

/// As the user names it.
impl fmt::Display for LogGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cloudwatch:{}", self.arn().as_ref().unwrap_or(&self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::LogGroup;

    #[test]
    fn names_and_arns() {
        for name in ["/vpc/flow-logs", "flow", "a.b_c#1/D", "/aws/vpc/eni-1"] {
            let group = LogGroup::parse(&format!("cloudwatch:{name}")).unwrap().unwrap();
            assert_eq!((group.name.as_str(), &group.home), (name, &None));
            assert_eq!(group.to_string(), format!("cloudwatch:{name}"));
            assert_eq!(LogGroup::parse(&format!("cloudwatch:{name}:*")).unwrap().unwrap(), group);
        }
        let arn = "arn:aws-cn:logs:cn-north-1:123456789012:log-group:/vpc/flow";
        for text in [format!("cloudwatch:{arn}"), format!("cloudwatch:{arn}:*")] {
            let group = LogGroup::parse(&text).unwrap().unwrap();
            assert_eq!(group.name, "/vpc/flow");
            let home = group.home.as_ref().unwrap();
            assert_eq!(
                (&*home.partition, &*home.region, &*home.account),
                ("aws-cn", "cn-north-1", "123456789012")
            );
            assert_eq!(group.arn().as_deref(), Some(arn));
        }
    }

    #[test]
    fn everything_else_is_refused_or_left_alone() {
        for other in ["/vpc/flow", "s3://cloudwatch:x", "CloudWatch:x", "cloudwatch"] {
            assert_eq!(LogGroup::parse(other), None, "{other}");
        }
        let long = format!("cloudwatch:{}", "x".repeat(513));
        for wrong in [
            "cloudwatch:",
            "cloudwatch:*",
            "cloudwatch:my group",
            "cloudwatch:group:eni-1-all",
            "cloudwatch:gro\u{fc}p",
            "cloudwatch:arn:aws:logs:eu-west-1:123456789012:log-group:",
            "cloudwatch:arn:aws:logs:eu-west-1:123456789012:log-group:x:log-stream:y",
            "cloudwatch:arn:aws:logs:eu-west-1:12345678901:log-group:x",
            "cloudwatch:arn:aws:logs::123456789012:log-group:x",
            "cloudwatch:arn:aws:s3:::bucket",
            &long,
        ] {
            assert!(matches!(LogGroup::parse(wrong), Some(Err(_))), "{wrong}");
        }
    }
}
