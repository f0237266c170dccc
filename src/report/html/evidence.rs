//! What a finding rests on, as far as a page can show it.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use super::text::{short, words};
use crate::report::numbers::number;

/// Items shown of a list, and rows of a table.
const ITEMS: usize = 20;
/// Longest text.
const LONGEST: usize = 1_000;
/// How deep it is shown part by part; what lies deeper is shown as it is.
const DEPTH: usize = 3;

/// A value, in the form that suits it.
#[derive(Debug, Serialize)]
#[serde(tag = "form", rename_all = "kebab-case")]
pub(super) enum Evidence {
    Text {
        text: String,
    },
    /// A log line or something as long.
    Code {
        text: String,
    },
    List {
        items: Vec<String>,
        more: usize,
    },
    Pairs {
        pairs: Vec<(String, Evidence)>,
        more: usize,
    },
    Table {
        columns: Vec<String>,
        rows: Vec<Vec<String>>,
        more: usize,
    },
}

impl Evidence {
    pub fn new(value: &Value) -> Self {
        Self::at(value, 0)
    }

    fn at(value: &Value, depth: usize) -> Self {
        match value {
            Value::Array(list) if list.is_empty() => Self::Text { text: "none".to_owned() },
            Value::Array(list) if list.iter().all(Value::is_object) => table(list),
            Value::Array(list) => Self::List {
                items: list.iter().take(ITEMS).map(scalar).collect(),
                more: list.len().saturating_sub(ITEMS),
            },
            Value::Object(map) if depth < DEPTH => Self::Pairs {
                pairs: map.iter().take(ITEMS).map(|(k, v)| (words(k), Self::at(v, depth + 1))).collect(),
                more: map.len().saturating_sub(ITEMS),
            },
            Value::String(text) if text.len() > 60 => Self::Code { text: short(text, LONGEST) },
            other => Self::Text { text: scalar(other) },
        }
    }
}

fn table(list: &[Value]) -> Evidence {
    let keys: BTreeSet<&String> =
        list.iter().take(ITEMS).filter_map(Value::as_object).flat_map(|map| map.keys()).collect();
    let keys: Vec<&String> = keys.into_iter().take(ITEMS).collect();
    let row = |item: &Value| {
        keys.iter().map(|key| item.get(key.as_str()).map_or_else(String::new, scalar)).collect()
    };
    Evidence::Table {
        rows: list.iter().take(ITEMS).map(row).collect(),
        columns: keys.iter().map(|key| words(key)).collect(),
        more: list.len().saturating_sub(ITEMS),
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Null => "not known".to_owned(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::String(text) => short(text, LONGEST),
        Value::Number(n) => match (n.as_u64(), n.as_f64()) {
            (Some(n), _) => number(n),
            (None, Some(n)) if n.fract() != 0.0 => format!("{n:.3}").trim_end_matches('0').to_owned(),
            _ => n.to_string(),
        },
        Value::Array(list) => {
            let shown = list.iter().take(ITEMS).map(scalar).collect::<Vec<_>>().join(", ");
            if list.len() > ITEMS { format!("{shown} and {} more", list.len() - ITEMS) } else { shown }
        }
        Value::Object(map) => {
            let pair = |(key, value): (&String, &Value)| format!("{} {}", words(key), scalar(value));
            short(&map.iter().take(ITEMS).map(pair).collect::<Vec<_>>().join(", "), LONGEST)
        }
    }
}
