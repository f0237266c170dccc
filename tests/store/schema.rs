//! The files of a store have the columns that `Table` says, and nothing else.

use std::collections::BTreeSet;
use std::fs::File;

use flowgate::store::Table;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::support::{files, flowgate, world};
use crate::world::Format;

#[test]
fn files_have_the_schema_of_their_table() {
    let directory = tempfile::tempdir().unwrap();
    let (_, inventory) = world(directory.path(), Format::V5, 26.0, 61);
    let (logs, store) = (directory.path().join("AWSLogs"), directory.path().join("store"));
    let all: [&dyn AsRef<std::ffi::OsStr>; 9] = [
        &"ingest",
        &logs,
        &"--inventory",
        &inventory,
        &"--store",
        &store,
        &"--analyze",
        &"--fail-on",
        &"never",
    ];
    flowgate(0, &all);
    for table in Table::ALL {
        let paths = files(&store.join(table.name()));
        assert!(!paths.is_empty(), "{}", table.name());
        for path in paths {
            let folder = path.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
            assert_eq!(folder.starts_with("dt="), table.by_day(), "{}", path.display());
            let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap();
            assert_eq!(reader.schema().fields(), table.schema().fields(), "{}", path.display());
            let metadata = reader.metadata().file_metadata().key_value_metadata().unwrap();
            let metadata: Vec<(&str, Option<&str>)> =
                metadata.iter().map(|entry| (entry.key.as_str(), entry.value.as_deref())).collect();
            let schema = format!("flowgate.{}/v1", table.name());
            assert_eq!(metadata, [("flowgate.schema", Some(schema.as_str()))], "plain files for everybody");
        }
    }
    for table in Table::ALL {
        let names: Vec<&str> = table.columns().iter().map(|column| column.name).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
        assert_eq!(Table::from_name(table.name()), Some(table));
    }
}
