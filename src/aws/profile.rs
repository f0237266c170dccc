//! Credentials of a profile that the user named.

use std::error::Error;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};

/// The profile's, and nothing else: keys in the environment don't count, as with the AWS CLI. The SDK's own chain takes
/// them first and without a word, and passes over a profile that does not exist.
#[derive(Debug)]
pub(super) struct ProfileCredentials {
    profile: String,
    provider: ProfileFileCredentialsProvider,
}

impl ProfileCredentials {
    pub fn new(profile: &str, config: &ProviderConfig) -> Self {
        let provider =
            ProfileFileCredentialsProvider::builder().configure(config).profile_name(profile).build();
        Self { profile: profile.to_owned(), provider }
    }
}

impl ProvideCredentials for ProfileCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move {
            self.provider.provide_credentials().await.map_err(|error| match error {
                // Its own text says that there are none, and not of what.
                CredentialsError::CredentialsNotLoaded(_) => {
                    let why = error.source().map(|source| format!(" ({source})")).unwrap_or_default();
                    CredentialsError::not_loaded(format!(
                        "the profile `{}` does not exist or has none{why}",
                        self.profile
                    ))
                }
                other => other,
            })
        })
    }
}
