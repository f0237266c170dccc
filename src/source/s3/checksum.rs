//! The checksum that was stored with an object, against the bytes that arrived.

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::types::ChecksumType;
use aws_smithy_checksums::ChecksumAlgorithm;
use aws_smithy_checksums::http::HttpChecksum;
use aws_smithy_types::base64;

use crate::source::SourceError;

/// A checksum of the whole object. The SDK checks the body of a single answer; this one goes on over as many as the
/// object takes.
pub(super) struct Stored {
    algorithm: &'static str,
    /// In base64, as the service sends it.
    expected: String,
    sum: Box<dyn HttpChecksum>,
}

impl Stored {
    /// The first checksum that the answer has of the whole object. Those of multipart uploads may be checksums of
    /// checksums (S3 User Guide, "Checking object integrity"); they say nothing here.
    pub fn of(answer: &GetObjectOutput) -> Option<Self> {
        if answer.checksum_type() == Some(&ChecksumType::Composite) {
            return None;
        }
        let stored = [
            ("CRC64NVME", answer.checksum_crc64_nvme(), ChecksumAlgorithm::Crc64Nvme),
            ("CRC32C", answer.checksum_crc32_c(), ChecksumAlgorithm::Crc32c),
            ("CRC32", answer.checksum_crc32(), ChecksumAlgorithm::Crc32),
            ("SHA256", answer.checksum_sha256(), ChecksumAlgorithm::Sha256),
            ("SHA1", answer.checksum_sha1(), ChecksumAlgorithm::Sha1),
        ];
        stored.into_iter().find_map(|(algorithm, expected, sum)| {
            // A composite one has the number of parts behind it: `…==-3`.
            let expected = expected.filter(|value| !value.contains('-'))?.to_owned();
            Some(Self { algorithm, expected, sum: sum.into_impl() })
        })
    }

    /// Takes the next bytes of the object.
    pub fn update(&mut self, bytes: &[u8]) {
        self.sum.update(bytes);
    }

    /// Compares, when all bytes were taken.
    pub fn check(self, name: &str) -> Result<(), SourceError> {
        if base64::encode(self.sum.finalize()) == self.expected {
            return Ok(());
        }
        Err(SourceError::Checksum { name: name.to_owned(), algorithm: self.algorithm })
    }
}
