//! The decode room from outside: bytes in, batches and tallies out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests; clippy exempts only the test functions themselves, not their helpers"
)]

mod decode {
    mod decompress;
    mod envelope;
    mod formats;
    mod oracle;
    mod parquet;
    mod properties;
    mod push;
    mod rules;
    mod support;
    mod turns;
    mod vectors;
}
