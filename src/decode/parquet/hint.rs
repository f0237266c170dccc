//! Which text columns to ask the reader for as dictionaries.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::{ConvertedType, Encoding, EncodingMask};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

/// The same file with its text columns as dictionaries where that saves work: where the file has them so. Pages
/// without a dictionary would be given one by hashing every value, so a column with such pages stays as it is.
pub(super) fn with_dictionaries(
    metadata: &Arc<ParquetMetaData>,
    plain: ArrowReaderMetadata,
) -> ArrowReaderMetadata {
    let leaves = metadata.file_metadata().schema_descr();
    let mut changed = false;
    let mut fields = Vec::with_capacity(plain.schema().fields().len());
    for (root, field) in plain.schema().fields().iter().enumerate() {
        // A root that is a leaf too; of a nested one nothing is read.
        let leaf = (0..leaves.num_columns()).find(|leaf| leaves.get_column_root_idx(*leaf) == root);
        let coded = leaf.is_some_and(|leaf| {
            let kinds = (field.data_type(), leaves.column(leaf).converted_type());
            let texts = matches!(
                kinds,
                (DataType::Utf8, ConvertedType::UTF8) | (DataType::Binary, ConvertedType::NONE)
            );
            let groups = metadata.row_groups().iter().filter(|group| group.num_rows() != 0);
            texts && groups.filter_map(|group| group.columns().get(leaf)).all(has_dictionary_alone)
        });
        if coded {
            changed = true;
            let kind = DataType::Dictionary(Box::new(DataType::Int32), Box::new(field.data_type().clone()));
            fields.push(Arc::new(field.as_ref().clone().with_data_type(kind)));
        } else {
            fields.push(Arc::clone(field));
        }
    }
    if !changed {
        return plain;
    }
    let schema = Arc::new(Schema::new_with_metadata(fields, plain.schema().metadata().clone()));
    let reading = ArrowReaderOptions::new().with_skip_arrow_metadata(true).with_schema(schema);
    ArrowReaderMetadata::try_new(Arc::clone(metadata), reading).unwrap_or(plain)
}

/// True if all pages of a column are in terms of its dictionary, as far as the footer says.
fn has_dictionary_alone(column: &ColumnChunkMetaData) -> bool {
    let in_dictionary = |mask: &EncodingMask| {
        mask.encodings().all(|one| matches!(one, Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY))
    };
    column.dictionary_page_offset().is_some() && column.page_encoding_stats_mask().is_none_or(in_dictionary)
}
