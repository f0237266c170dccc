//! Any bytes as a Parquet file: an error or rows, no panic that gets out, every row accounted for. The first byte
//! chooses the settings.
#![no_main]

use bytes::Bytes;
use flowgate::decode::{DecodeOptions, ParquetDecoder, Projection};
use libfuzzer_sys::fuzz_target;

fuzz_target!(
    // libFuzzer's hook aborts at every panic; the decoder fences those of the Parquet library, which are not ours.
    init: drop(std::panic::take_hook()),
    |data: &[u8]| {
        let [settings, file @ ..] = data else { return };
        let options = DecodeOptions {
            projection: if settings & 1 == 0 { Projection::engine() } else { Projection::all() },
            batch_rows: usize::from(settings >> 1) + 1,
            max_object_bytes: 1 << 20,
            ..DecodeOptions::default()
        };
        let Ok(mut decoder) = ParquetDecoder::try_new(Bytes::copy_from_slice(file), &options) else { return };
        let mut rows = 0;
        for batch in &mut decoder {
            let Ok(batch) = batch else { return };
            rows += batch.len() as u64;
        }
        assert_eq!(rows, decoder.tally().records);
        assert!(decoder.tally().is_conserved(), "{:?}", decoder.tally());
    }
);
