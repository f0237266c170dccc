//! Refuses listings that end in the middle.
//!
//! The SDK takes XML that breaks off for XML that ends: the keys that are missing would be missing for good, without a
//! word, if what cut the answer also corrected its length.

use aws_sdk_s3::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;

/// Looks at the end of every listing.
#[derive(Debug)]
pub(super) struct Whole;

#[dyn_dispatch_hint]
impl Intercept for Whole {
    fn name(&self) -> &'static str {
        "Whole"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // Of objects the body is not in memory.
        let body = context.response().body().bytes().unwrap_or_default();
        let is_listing = memchr::memmem::find(body, b"<ListBucketResult").is_some();
        if is_listing && !body.trim_ascii_end().ends_with(b"</ListBucketResult>") {
            return Err("the listing ends in the middle".into());
        }
        Ok(())
    }
}
