//! The HTTP client below every SDK client: rustls with ring, and the proxies of the environment.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::shared::IntoShared;

use super::ConnectError;

/// A client that trusts the system's certificate authorities, or only those of `ca_bundle`.
pub(super) fn client(ca_bundle: Option<&Path>) -> Result<SharedHttpClient, ConnectError> {
    let context = match ca_bundle {
        Some(path) => trusting(path)?,
        None => TlsContext::default(),
    };
    Ok(Client { context, connector: Arc::default() }.into_shared())
}

fn trusting(path: &Path) -> Result<TlsContext, ConnectError> {
    let wrong = |reason: String| ConnectError::CaBundle { path: path.display().to_string(), reason };
    let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    // The library takes anything and fails, or panics, with the first connection.
    if memchr::memmem::find(&pem, b"-----BEGIN CERTIFICATE-----").is_none() {
        return Err(wrong("there is no certificate in it".to_owned()));
    }
    TlsContext::builder()
        .with_trust_store(TrustStore::empty().with_pem_certificate(pem))
        .build()
        .map_err(|error| wrong(error.to_string()))
}

/// Keeps one connector, and with it one pool of connections: the SDK asks for it with every request.
#[derive(Clone, Debug)]
struct Client {
    context: TlsContext,
    connector: Arc<OnceLock<SharedHttpConnector>>,
}

impl HttpClient for Client {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let make = || {
            let mut builder = Connector::builder()
                .connector_settings(settings.clone())
                .proxy_config(ProxyConfig::from_env());
            builder.set_sleep_impl(components.sleep_impl());
            builder
                .tls_provider(Provider::Rustls(CryptoMode::Ring))
                .tls_context(self.context.clone())
                .build()
                .into_shared()
        };
        self.connector.get_or_init(make).clone()
    }
}
