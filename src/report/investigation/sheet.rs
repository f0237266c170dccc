//! What both forms of an investigation for people say: sections of facts, tables and lists.

/// A section of the page.
#[derive(Clone, Debug)]
pub(in crate::report) struct Section {
    /// For links.
    pub id: String,
    pub title: String,
    pub parts: Vec<Part>,
}

/// A part of a section.
#[derive(Clone, Debug)]
pub(in crate::report) enum Part {
    /// Names with what they are.
    Facts(Vec<(String, String)>),
    Table(Table),
    /// Running text.
    Text(String),
    /// Worth a look.
    Warning(String),
    /// One line each.
    List(Vec<String>),
    /// What it tells, and the command.
    Commands(Vec<(String, String)>),
    /// The time line of the page, with rows for who sees no picture.
    TimeLine(Table),
}

/// A table.
#[derive(Clone, Debug, Default)]
pub(in crate::report) struct Table {
    pub title: Option<String>,
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<Cell>>,
    /// What is left out.
    pub more: Option<String>,
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(in crate::report) struct Column {
    pub name: &'static str,
    /// Aligned to the right.
    pub numeric: bool,
    /// Left out where there is no room.
    pub extra: bool,
}

impl Column {
    /// Left out where there is no room.
    pub(super) fn extra(self) -> Self {
        Self { extra: true, ..self }
    }
}

/// A column of text.
pub(super) fn text(name: &'static str) -> Column {
    Column { name, numeric: false, extra: false }
}

/// A column of numbers.
pub(super) fn num(name: &'static str) -> Column {
    Column { name, numeric: true, extra: false }
}

/// What stands in a table.
#[derive(Clone, Debug, Default)]
pub(in crate::report) struct Cell {
    pub text: String,
    /// `verdict` or `sev`, of one of their words: shown with their mark.
    pub mark: Option<&'static str>,
    /// An id or an address.
    pub code: bool,
}

impl Cell {
    pub(super) fn code(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: true, ..Self::default() }
    }

    pub(super) fn mark(kind: &'static str, word: impl Into<String>) -> Self {
        Self { text: word.into(), mark: Some(kind), ..Self::default() }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, ..Self::default() }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}
