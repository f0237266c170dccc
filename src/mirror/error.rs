//! What AWS says about a store, in the words of stores.

use super::Address;
use crate::aws::{Failure, FailureKind};
use crate::source::SourceError;
use crate::source::s3::next_step;
use crate::store::StoreError;

/// What was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    Listing,
    Reading,
    Writing,
    Removing,
}

/// What a refusal means to the user. `path` is that of a file of the store, or empty.
pub(super) fn refused(address: &Address, path: &str, doing: Doing, failure: &Failure) -> StoreError {
    let Address { bucket, prefix } = address;
    let code = failure.code.as_deref().unwrap_or_default();
    let objects = format!("arn:aws:s3:::{bucket}/{prefix}*");
    let help = match failure.kind {
        _ if failure.is_about_kms() => match doing {
            Doing::Writing => {
                "allow kms:GenerateDataKey and kms:Decrypt on the key of the bucket, in the key's policy, too"
                    .to_owned()
            }
            _ => "allow kms:Decrypt on the key that the store is encrypted with, in the key's policy, too"
                .to_owned(),
        },
        FailureKind::Denied => match doing {
            Doing::Listing => format!("allow s3:ListBucket on arn:aws:s3:::{bucket}"),
            // Without leave to list, S3 does not tell what is not there from what is hidden.
            Doing::Reading => {
                format!("allow s3:GetObject on {objects}, and s3:ListBucket on arn:aws:s3:::{bucket}")
            }
            Doing::Writing => format!("allow s3:PutObject on {objects}"),
            Doing::Removing => format!("allow s3:DeleteObject on {objects}"),
        },
        FailureKind::Missing if code == "NoSuchBucket" || doing == Doing::Listing => {
            "check the bucket's name".to_owned()
        }
        FailureKind::Throttled => "run again later: nothing is lost".to_owned(),
        _ => next_step(failure),
    };
    StoreError::Elsewhere { message: format!("{}: {failure}", address.name(path)), help }
}

/// Why a file could not be fetched.
pub(super) fn unread(address: &Address, path: &str, error: SourceError) -> StoreError {
    match error {
        SourceError::Aws { failure, .. } => refused(address, path, Doing::Reading, &failure),
        SourceError::Vanished { .. } => {
            StoreError::Damaged { path: address.name(path), message: "the file is missing".to_owned() }
        }
        // They name the object and the next step.
        other => StoreError::Elsewhere { message: other.to_string(), help: String::new() },
    }
}

/// The runtime could not be started, or a task died.
#[expect(clippy::needless_pass_by_value, reason = "so that `map_err` takes it")]
pub(super) fn internal(message: impl ToString) -> StoreError {
    StoreError::Elsewhere {
        message: format!("internal failure: {}", message.to_string()),
        help: "run again".to_owned(),
    }
}
