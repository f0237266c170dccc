//! The decode room from outside: bytes in, batches and tallies out.

mod decode {
    mod decompress;
    mod envelope;
    mod parquet;
    mod properties;
    mod rules;
    mod support;
    mod vectors;
}
