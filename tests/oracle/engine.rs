//! Runs the engine and reads what it says.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int64Type, UInt8Type, UInt16Type, UInt64Type};
use flowgate::finding::Conclusions;
use flowgate::pipeline::{AnalyzeConfig, Input, MemoryPlan, Silent, analyze};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::judge::{Row, Usage};

/// The files of a case.
pub struct Place {
    root: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    pub fn logs(&self) -> PathBuf {
        self.root.path().join("logs")
    }

    pub fn inventory(&self) -> PathBuf {
        self.root.path().join("inventory")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub fn analyze(&self, threads: usize, connections_out: Option<&Path>) -> Conclusions {
        self.analyze_with(MemoryPlan::default(), threads, connections_out)
    }

    pub fn analyze_with(
        &self,
        memory: MemoryPlan,
        threads: usize,
        connections_out: Option<&Path>,
    ) -> Conclusions {
        let config = AnalyzeConfig {
            memory,
            inputs: vec![Input::Local(self.logs())],
            inventories: vec![self.inventory()],
            threads,
            connections_out: connections_out.map(Path::to_owned),
            ..AnalyzeConfig::default()
        };
        analyze(&config, None, &Silent).unwrap()
    }
}

/// The connections table, sorted.
pub fn rows(path: &Path) -> Vec<Row> {
    let file = std::fs::File::open(path).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch.unwrap();
        let column = |name: &str| batch.column_by_name(name).unwrap();
        let text = |name: &str, at: usize| {
            let array = column(name).as_string::<i32>();
            array.is_valid(at).then(|| array.value(at).to_owned())
        };
        for at in 0..batch.num_rows() {
            let need = |name: &str| text(name, at).unwrap();
            let port = |name: &str| column(name).as_primitive::<UInt16Type>().value(at);
            let time = |name: &str| column(name).as_primitive::<Int64Type>().value(at);
            let ids = column("rules").as_list::<i32>().value(at);
            let ids = ids.as_string::<i32>();
            let rules: BTreeSet<String> = (0..ids.len()).map(|i| ids.value(i).to_owned()).collect();
            assert_eq!(rules.len(), ids.len(), "a rule is named twice");
            rows.push(Row {
                interface: need("interface"),
                local: need("local"),
                remote: need("remote"),
                local_port: port("local_port"),
                remote_port: port("remote_port"),
                protocol: column("protocol").as_primitive::<UInt8Type>().value(at),
                start: time("start"),
                end: time("end"),
                direction: text("direction", at),
                evidence: need("evidence"),
                action: need("action"),
                verdict: need("verdict"),
                reason: need("reason"),
                rules,
                blocked_reply: text("blocked_reply", at),
                bytes: column("bytes").as_primitive::<UInt64Type>().value(at),
            });
        }
    }
    rows.sort();
    rows
}

/// Rule usage, rules without any left out.
pub fn usage(conclusions: &Conclusions) -> Usage {
    conclusions
        .rules
        .iter()
        .filter(|r| r.connections > 0)
        .map(|r| (r.rule_id.clone(), (r.connections, r.sole_connections, r.bytes)))
        .collect()
}
