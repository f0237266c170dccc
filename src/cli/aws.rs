//! Options of everything that asks AWS: the same words everywhere.

use super::failure::Problem;
use super::{Environment, values};
use crate::aws::{Connect, Role};

/// How to reach AWS. What is not said comes from where the AWS CLI takes it, too.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct AwsArguments {
    /// Profile of ~/.aws/config [default: AWS_PROFILE]
    #[arg(long, value_name = "NAME", help_heading = "AWS")]
    pub profile: Option<String>,
    /// Role to assume with the credentials found
    #[arg(long, value_name = "ARN", help_heading = "AWS")]
    pub assume_role: Option<String>,
    /// External id that the role asks for
    #[arg(long, value_name = "ID", requires = "assume_role", help_heading = "AWS")]
    pub external_id: Option<String>,
    /// Endpoint in place of AWS's own [default: AWS_ENDPOINT_URL]
    #[arg(long, value_name = "URL", help_heading = "AWS")]
    pub endpoint_url: Option<String>,
    /// Do not sign requests: for public buckets
    #[arg(long, help_heading = "AWS")]
    pub no_sign_request: bool,
}

impl AwsArguments {
    /// What is wrong with them.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(arn) = self.assume_role.as_ref().filter(|arn| !values::is_role(arn)) {
            problems.push(
                Problem::new(format!("--assume-role {arn}: not the ARN of a role"))
                    .help("write it like arn:aws:iam::123456789012:role/Reader"),
            );
        }
        let sound = |url: &&String| url.starts_with("http://") || url.starts_with("https://");
        if let Some(url) = self.endpoint_url.as_ref().filter(|url| !sound(url)) {
            problems.push(
                Problem::new(format!("--endpoint-url {url}: not an URL"))
                    .help("write it like https://s3.example.com or http://127.0.0.1:9000"),
            );
        }
        problems
    }

    pub fn connect(&self, environment: &Environment) -> Connect {
        Connect {
            profile: self.profile.clone(),
            endpoint_url: self.endpoint_url.clone(),
            role: self
                .assume_role
                .as_ref()
                .map(|arn| Role { arn: arn.clone(), external_id: self.external_id.clone() }),
            anonymous: self.no_sign_request,
            ca_bundle: environment.ca_bundle.clone(),
            ..Connect::default()
        }
    }
}
