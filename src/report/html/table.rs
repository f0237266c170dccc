//! Tables: a few rows as HTML for whoever runs no script, all of them as data for the script.

use serde::Serialize;
use serde_json::{Value, json};

use super::text::{anchor, minute};
use crate::report::numbers::{bytes, number};

/// Rows that are written as HTML.
pub(super) const PLAIN: usize = 200;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Words.
    Text,
    /// Ids, addresses.
    Code,
    /// A link to `#prefix-id`, where the row's id is in another column.
    Link(&'static str, usize),
    /// One of a few words, by number; shown as a mark of this class. There is a filter for it.
    Word(&'static [&'static str], &'static str),
    /// An integer.
    Number,
    /// Bytes.
    Bytes,
    /// Hundredths.
    Percent,
    /// A power of two: its exponent.
    Bits,
    /// Unix seconds.
    Time,
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub name: &'static str,
    /// What it says, for who points at it.
    pub about: &'static str,
    pub kind: Kind,
    /// Width in characters; 0 takes what is left; `HIDDEN` columns are shown in the detail of a row.
    pub width: usize,
}

/// Shown in the detail of a row only.
pub(super) const HIDDEN: usize = usize::MAX;

/// A table with its rows. Cells are what [`Kind`] says, or null.
#[derive(Debug)]
pub(super) struct Table {
    pub id: &'static str,
    /// `findings`.
    pub noun: &'static str,
    /// File with all of them.
    pub file: &'static str,
    pub columns: &'static [Column],
    pub rows: Vec<Vec<Value>>,
    /// Rows that the data leaves out.
    pub left_out: usize,
}

#[derive(Debug, Serialize)]
pub(super) struct TableView {
    id: &'static str,
    noun: &'static str,
    file: &'static str,
    total: String,
    columns: Vec<ColumnView>,
    rows: Vec<Vec<CellView>>,
    /// Rows not written as HTML, 0 if all are.
    more: usize,
    plain: usize,
    left_out: usize,
}

#[derive(Debug, Serialize)]
struct ColumnView {
    name: &'static str,
    about: &'static str,
    numeric: bool,
    width: usize,
}

#[derive(Debug, Serialize)]
struct CellView {
    text: String,
    class: &'static str,
    mark: String,
    href: Option<String>,
}

impl Kind {
    fn is_numeric(self) -> bool {
        matches!(self, Self::Number | Self::Bytes | Self::Percent | Self::Bits)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Code => "code",
            Self::Link(..) => "link",
            Self::Word(..) => "word",
            Self::Number => "number",
            Self::Bytes => "bytes",
            Self::Percent => "percent",
            Self::Bits => "bits",
            Self::Time => "time",
        }
    }

    fn text(self, cell: &Value) -> String {
        let whole = cell.as_u64();
        match self {
            _ if cell.is_null() => "–".to_owned(),
            Self::Text | Self::Code | Self::Link(..) => cell.as_str().unwrap_or_default().to_owned(),
            Self::Word(words, _) => {
                whole.and_then(|n| words.get(usize::try_from(n).ok()?)).copied().unwrap_or("?").to_owned()
            }
            Self::Number => number(whole.unwrap_or(0)),
            Self::Bytes => bytes(whole.unwrap_or(0)),
            Self::Percent => format!("{:.1}%", cell.as_f64().unwrap_or(0.0)),
            Self::Bits => format!("{:.1}", cell.as_f64().unwrap_or(0.0)),
            Self::Time => minute(cell.as_i64().unwrap_or(0)),
        }
    }
}

impl Table {
    pub fn view(&self) -> TableView {
        let shown = |column: &&Column| column.width != HIDDEN;
        let columns: Vec<&Column> = self.columns.iter().filter(shown).collect();
        let row = |row: &Vec<Value>| {
            let cells = self.columns.iter().zip(row).filter(|(column, _)| shown(column));
            cells.map(|(column, cell)| cell_view(column, cell, row)).collect()
        };
        TableView {
            id: self.id,
            noun: self.noun,
            file: self.file,
            total: number((self.rows.len() + self.left_out) as u64),
            columns: columns
                .iter()
                .map(|c| ColumnView {
                    name: c.name,
                    about: c.about,
                    numeric: c.kind.is_numeric(),
                    width: c.width,
                })
                .collect(),
            rows: self.rows.iter().take(PLAIN).map(row).collect(),
            more: (self.rows.len() + self.left_out).saturating_sub(PLAIN),
            plain: PLAIN,
            left_out: self.left_out,
        }
    }

    /// What the script gets.
    pub fn data(&self) -> Value {
        let column = |c: &Column| {
            let (words, class) =
                if let Kind::Word(words, class) = c.kind { (words, class) } else { (&[][..], "") };
            let (prefix, of) = if let Kind::Link(prefix, of) = c.kind { (prefix, of) } else { ("", 0) };
            json!({
                "n": c.name, "a": c.about, "k": c.kind.name(), "w": words, "c": class, "p": prefix, "i": of,
                "h": c.width == HIDDEN,
            })
        };
        json!({
            "noun": self.noun, "file": self.file, "left": self.left_out,
            "columns": self.columns.iter().map(column).collect::<Vec<_>>(),
            "rows": self.rows,
        })
    }
}

fn cell_view(column: &Column, cell: &Value, row: &[Value]) -> CellView {
    let text = column.kind.text(cell);
    let (class, mark, href) = match column.kind {
        Kind::Word(_, class) => (class, text.clone(), None),
        Kind::Link(prefix, of) => {
            let id = row.get(of).and_then(Value::as_str).unwrap_or_default();
            ("", String::new(), (!id.is_empty()).then(|| format!("#{prefix}-{}", anchor(id))))
        }
        Kind::Code => ("code", String::new(), None),
        kind if kind.is_numeric() => ("n", String::new(), None),
        _ => ("", String::new(), None),
    };
    CellView { text, class, mark, href }
}
