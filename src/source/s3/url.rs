//! `s3://bucket/prefix`.

use std::fmt;

/// A bucket and the beginning of keys in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct S3Url {
    /// Bucket name, or the ARN of an access point.
    pub bucket: String,
    /// Key or beginning of keys; empty for the whole bucket.
    pub prefix: String,
}

impl S3Url {
    /// Reads `s3://bucket[/prefix]`; `None` if it does not begin like that.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    #[must_use]
    pub fn parse(text: &str) -> Option<Result<Self, String>> {
        let rest = text.strip_prefix("s3://")?;
        // An access point's ARN has a slash of its own: `arn:aws:s3:region:account:accesspoint/name/prefix`.
        let (bucket, prefix) = if rest.starts_with("arn:") {
            match rest.match_indices('/').nth(1) {
                Some((at, _)) => (&rest[..at], &rest[at + 1..]),
                None => (rest, ""),
            }
        } else {
            rest.split_once('/').unwrap_or((rest, ""))
        };
        Some(Self::checked(bucket, prefix))
    }

    fn checked(bucket: &str, prefix: &str) -> Result<Self, String> {
        // S3 User Guide, "General purpose bucket naming rules"; older buckets may be longer and in capitals.
        let sound = bucket.starts_with("arn:")
            || ((3..=255).contains(&bucket.len())
                && bucket.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)));
        if !sound {
            return Err(format!("`{bucket}` is no bucket name"));
        }
        Ok(Self { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }

    /// The name of an object with this key in the bucket.
    #[must_use]
    pub fn name_of(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket)
    }
}

impl fmt::Display for S3Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::S3Url;

    fn parts(text: &str) -> Option<Result<(String, String), String>> {
        S3Url::parse(text).map(|url| url.map(|url| (url.bucket, url.prefix)))
    }

    #[test]
    fn bucket_and_prefix() {
        let ok = |bucket: &str, prefix: &str| Some(Ok((bucket.to_owned(), prefix.to_owned())));
        assert_eq!(parts("s3://logs"), ok("logs", ""));
        assert_eq!(parts("s3://logs/"), ok("logs", ""));
        assert_eq!(parts("s3://my.logs-1/a/AWSLogs/"), ok("my.logs-1", "a/AWSLogs/"));
        assert_eq!(parts("s3://logs//odd"), ok("logs", "/odd"));
        let point = "arn:aws:s3:eu-west-1:123456789012:accesspoint/logs";
        assert_eq!(parts(&format!("s3://{point}")), ok(point, ""));
        assert_eq!(parts(&format!("s3://{point}/a/b")), ok(point, "a/b"));
    }

    #[test]
    fn everything_else_is_refused_or_left_alone() {
        assert_eq!(parts("logs/s3://x"), None);
        assert_eq!(parts("S3://x"), None);
        for wrong in ["s3://", "s3:///a", "s3://ab", "s3://lo gs/a", "s3://*/a", "s3://a@b:c/x"] {
            assert!(matches!(parts(wrong), Some(Err(_))), "{wrong}");
        }
    }
}
