//! How do we reach AWS?
//!
//! One [`Connect`] holds what the user said about credentials, endpoint and patience; [`Connect::load`]
//! turns it into the configuration that every SDK client here is made of. Everything not said comes from
//! the SDK's own chain: environment, shared configuration and credentials files, SSO, web identity,
//! process credentials, container and instance metadata.
//!
//! The SDK does not retry for us: an object takes more than one request, and only who reads it knows
//! whether there was progress. [`Backoff`] says how long to wait, [`Failure`] whether that can help.

mod backoff;
mod failure;
mod http;
mod profile;

use std::path::PathBuf;
use std::time::Duration;

use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;

/// An access key with its secret. Debug output leaves the secret out.
pub use aws_credential_types::Credentials;
pub use backoff::Backoff;
pub use failure::{Failure, FailureKind};
use profile::ProfileCredentials;

/// Where nothing names a region: S3 answers there for buckets of every region and says which it is.
const FALLBACK_REGION: &str = "us-east-1";

/// How to reach AWS. The default is what the SDK's own chain finds.
#[derive(Clone, Debug)]
pub struct Connect {
    /// Profile of the shared configuration files.
    pub profile: Option<String>,
    /// Region, for services that are asked in one.
    pub region: Option<String>,
    /// Endpoint in place of AWS's own, as `http://127.0.0.1:9000`.
    pub endpoint_url: Option<String>,
    /// Role to assume with the credentials found.
    pub role: Option<Role>,
    /// These credentials in place of those that the chain finds, for programs that have their own.
    pub credentials: Option<Credentials>,
    /// Send requests unsigned, for public buckets.
    pub anonymous: bool,
    /// PEM file with the only certificate authorities to trust (`AWS_CA_BUNDLE`).
    pub ca_bundle: Option<PathBuf>,
    /// How long to wait for a connection.
    pub connect_timeout: Duration,
    /// How long to wait for an answer to begin, and for more of it to arrive.
    pub read_timeout: Duration,
    /// How to wait between attempts, and how many to make without progress.
    pub backoff: Backoff,
}

/// A role to assume (`sts:AssumeRole`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its ARN.
    pub arn: String,
    /// The external id that its trust policy asks for.
    pub external_id: Option<String>,
}

impl Default for Connect {
    fn default() -> Self {
        Self {
            profile: None,
            region: None,
            endpoint_url: None,
            role: None,
            credentials: None,
            anonymous: false,
            ca_bundle: None,
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(30),
            backoff: Backoff::default(),
        }
    }
}

impl Connect {
    /// Resolves the configuration. Credentials are fetched with the first request, not here.
    ///
    /// Must be called from within a tokio runtime.
    ///
    /// # Errors
    /// If the file of certificate authorities can't be used.
    pub async fn load(&self) -> Result<SdkConfig, ConnectError> {
        let base = self.base().await?;
        let Some(role) = &self.role else { return Ok(base) };
        let region = base.region().cloned().unwrap_or_else(|| Region::from_static(FALLBACK_REGION));
        let mut provider =
            AssumeRoleProvider::builder(&role.arn).session_name("flowgate").region(region).configure(&base);
        if let Some(id) = &role.external_id {
            provider = provider.external_id(id);
        }
        let provider = provider.build().await;
        Ok(self.loader()?.credentials_provider(provider).load().await)
    }

    /// Without the role.
    async fn base(&self) -> Result<SdkConfig, ConnectError> {
        let base = self.loader()?.load().await;
        let Some(profile) = &self.profile else { return Ok(base) };
        if self.anonymous || self.credentials.is_some() {
            return Ok(base);
        }
        let config = ProviderConfig::default()
            .with_http_client(http::client(self.ca_bundle.as_deref())?)
            .with_region(base.region().cloned());
        let provider = ProfileCredentials::new(profile, &config);
        Ok(self.loader()?.credentials_provider(provider).load().await)
    }

    fn loader(&self) -> Result<aws_config::ConfigLoader, ConnectError> {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(self.connect_timeout)
            .read_timeout(self.read_timeout)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http::client(self.ca_bundle.as_deref())?)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            // Answers that are read whole have no other limit: the read timeout ends with their head.
            .stalled_stream_protection(self.watch());
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(url) = &self.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        if let Some(credentials) = &self.credentials {
            loader = loader.credentials_provider(credentials.clone());
        }
        if self.anonymous {
            loader = loader.no_credentials();
        }
        Ok(loader)
    }

    /// Gives up on an answer that stops arriving.
    pub(crate) fn watch(&self) -> StalledStreamProtectionConfig {
        StalledStreamProtectionConfig::enabled().grace_period(self.read_timeout).build()
    }

    /// The region of a configuration, or one that any service of AWS answers in.
    #[must_use]
    pub fn region_of(config: &SdkConfig) -> String {
        config.region().map_or_else(|| FALLBACK_REGION.to_owned(), ToString::to_string)
    }
}

/// Why AWS can't even be tried.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The file of certificate authorities.
    #[error(
        "{path}: the certificate authorities can't be used: {reason}; AWS_CA_BUNDLE must name a PEM file"
    )]
    CaBundle {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
}
