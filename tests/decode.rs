//! The decode room from outside: bytes in, batches and tallies out.

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
