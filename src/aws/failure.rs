//! What AWS, or the way to it, said no with.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::Backoff;

/// Attempts to reach an endpoint: a wrong one stays wrong, and whoever mistyped it waits.
const UNREACHABLE: u32 = 5;

/// What can be done about a [`Failure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureKind {
    /// Too many requests: wait, then try again.
    Throttled,
    /// The connection or the service broke: try again.
    Transient,
    /// There is no way to the endpoint: try again, but not for long.
    Unreachable,
    /// There are no credentials, or they have expired.
    Credentials,
    /// A permission is missing.
    Denied,
    /// It does not exist (any more).
    Missing,
    /// It is not what it was: a precondition failed.
    Changed,
    /// The bucket is in another region.
    Elsewhere,
    /// Anything else; trying again does not help.
    Other,
}

impl FailureKind {
    /// What to do next where that does not depend on the service that was asked.
    pub(crate) fn next(self) -> Option<&'static str> {
        match self {
            Self::Transient => Some("check the network and the service's status, then run again"),
            Self::Unreachable => {
                Some("check the endpoint (--endpoint-url, AWS_ENDPOINT_URL), the region and the network")
            }
            _ => None,
        }
    }
}

/// A failed request, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What can be done.
    pub kind: FailureKind,
    /// Error code of the service (`AccessDenied`), if it answered with one.
    pub code: Option<String>,
    /// What was said, in one line.
    pub message: String,
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// The region that S3 named as the bucket's.
    pub region: Option<String>,
}

/// Codes of the services used here that mean "slower" (S3, CloudWatch Logs, EC2, STS).
const THROTTLED: [&str; 9] = [
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "TooManyRequestsException",
    "LimitExceededException",
];

const TRANSIENT: [&str; 9] = [
    "ConditionalRequestConflict",
    "InternalError",
    "InternalFailure",
    "InternalServiceError",
    "OperationAborted",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
];

const CREDENTIALS: [&str; 10] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
    "AuthFailure",
    "RequestTimeTooSkewed",
];

const DENIED: [&str; 6] = [
    "AccessDenied",
    "AccessDeniedException",
    "AllAccessDisabled",
    "AccountProblem",
    "UnauthorizedOperation",
    "NotAuthorized",
];

const MISSING: [&str; 6] =
    ["NoSuchKey", "NoSuchBucket", "NoSuchVersion", "NotFound", "ResourceNotFoundException", "NoSuchUpload"];

impl Failure {
    /// Takes an error of an SDK apart.
    pub fn of<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let response = error.raw_response();
        let status = response.map(|r| r.status().as_u16());
        let header = |name: &str| response.and_then(|r| r.headers().get(name)).map(str::to_owned);
        let region = header("x-amz-bucket-region");
        let meta = error.as_service_error().map(ProvideErrorMetadata::meta);
        let code = meta.and_then(|m| m.code()).map(str::to_owned);
        let said = meta.and_then(|m| m.message()).map(str::to_owned);
        let kind = kind_of(error, code.as_deref(), status, region.as_deref());
        let refused = error.as_service_error().is_some() && code.is_none();
        let message = said.unwrap_or_else(|| match kind {
            // The status says more than the SDK does.
            _ if refused => String::new(),
            // Too deep a chain to be read; its end says it.
            FailureKind::Credentials => format!("no AWS credentials: {}", innermost(error)),
            _ => chain(error),
        });
        Self { kind, code, message: one_line(&message), status, region }
    }

    /// A transfer that broke off in the middle.
    #[must_use]
    pub fn broken(message: impl Into<String>) -> Self {
        let message = one_line(&message.into());
        Self { kind: FailureKind::Transient, code: None, message, status: None, region: None }
    }

    /// A transfer that broke off with an error.
    #[must_use]
    pub fn broken_by(error: &(dyn Error + 'static)) -> Self {
        Self::broken(chain(error))
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.kind, FailureKind::Throttled | FailureKind::Transient | FailureKind::Unreachable)
    }

    /// How long to wait after so many failed attempts, or `None` if no other should be made. `who` as in
    /// [`Backoff::after`].
    #[must_use]
    pub fn wait(&self, backoff: &Backoff, failed: u32, who: &str) -> Option<Duration> {
        let hopeless = self.kind == FailureKind::Unreachable && failed >= UNREACHABLE;
        backoff.after(failed, who).filter(|_| self.is_transient() && !hopeless)
    }

    /// Whether the answer speaks of a KMS key.
    #[must_use]
    pub fn is_about_kms(&self) -> bool {
        let code = self.code.as_deref().unwrap_or_default();
        code.starts_with("KMS") || self.message.contains("kms:") || self.message.contains(":kms:")
    }
}

/// `AccessDenied: User … is not authorized`.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.code, self.status) {
            (Some(code), _) if self.message.is_empty() => f.write_str(code),
            (Some(code), _) => write!(f, "{code}: {}", self.message),
            (None, Some(status)) if self.message.is_empty() => write!(f, "HTTP status {status}"),
            (None, Some(status)) if status >= 400 => write!(f, "HTTP status {status}: {}", self.message),
            _ => f.write_str(&self.message),
        }
    }
}

fn kind_of<E>(
    error: &SdkError<E, HttpResponse>,
    code: Option<&str>,
    status: Option<u16>,
    region: Option<&str>,
) -> FailureKind
where
    E: Error + 'static,
{
    let is = |codes: &[&str]| code.is_some_and(|code| codes.contains(&code));
    if is(&THROTTLED) || status == Some(429) {
        return FailureKind::Throttled;
    }
    if is(&CREDENTIALS) || lacks_credentials(error) {
        return FailureKind::Credentials;
    }
    if is(&DENIED) {
        return FailureKind::Denied;
    }
    let elsewhere = is(&["PermanentRedirect", "AuthorizationHeaderMalformed", "TemporaryRedirect"])
        || matches!(status, Some(301 | 307 | 400));
    if region.is_some() && elsewhere {
        return FailureKind::Elsewhere;
    }
    if is(&MISSING) {
        return FailureKind::Missing;
    }
    if is(&["PreconditionFailed"]) || status == Some(412) {
        return FailureKind::Changed;
    }
    if is(&TRANSIENT) {
        return FailureKind::Transient;
    }
    match status {
        // What is not there will not be there next time.
        Some(501) => FailureKind::Other,
        Some(500.. | 408) => FailureKind::Transient,
        // An answer that can't be read: cut short, or not from the service at all.
        Some(200..=299) => FailureKind::Transient,
        Some(403) => FailureKind::Denied,
        Some(404) => FailureKind::Missing,
        Some(_) => FailureKind::Other,
        None => match error {
            SdkError::TimeoutError(_) => FailureKind::Transient,
            // So hyper says that there was no connection at all: refused, no such name, no TLS.
            SdkError::DispatchFailure(_) if chain(error).contains("(Connect)") => FailureKind::Unreachable,
            SdkError::DispatchFailure(failure) if !failure.is_user() => FailureKind::Transient,
            SdkError::ResponseError(_) => FailureKind::Transient,
            _ => FailureKind::Other,
        },
    }
}

fn lacks_credentials(error: &(dyn Error + 'static)) -> bool {
    let mut at = Some(error);
    while let Some(error) = at {
        if error.is::<CredentialsError>() {
            return true;
        }
        at = error.source();
    }
    false
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut at = error;
    while let Some(source) = at.source() {
        at = source;
    }
    at.to_string()
}

/// All that the error and its sources say, without repetitions.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut at = Some(error);
    while let Some(error) = at {
        let text = error.to_string();
        if !said.iter().any(|before| before.contains(&text)) {
            said.push(text);
        }
        at = error.source();
    }
    said.join(": ")
}

/// Without line breaks, and without the dot at its end: it goes on after a semicolon.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").trim_end_matches('.').to_owned()
}
