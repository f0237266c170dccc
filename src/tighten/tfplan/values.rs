//! One resource of a plan, before and after.

use serde_json::Value;

/// What a plan does to one resource.
#[derive(Clone, Debug)]
pub(super) struct Change<'p> {
    /// `module.app.aws_security_group.web["a"]`.
    pub address: &'p str,
    /// `module.app`, with its keys; empty for the root.
    pub module: &'p str,
    /// `aws_security_group`.
    pub kind: &'p str,
    /// `web`.
    pub name: &'p str,
    /// Key of `count` or `for_each`.
    pub index: Option<&'p Value>,
    /// What was there, if anything.
    pub before: Option<&'p Value>,
    /// What will be there, if anything; what is unknown is null, or missing.
    pub after: Option<&'p Value>,
    unknown: &'p Value,
    /// It is made, not changed: what was there under its address is another.
    pub replaced: bool,
    /// Nothing is done.
    pub idle: bool,
    /// Terraform forgets it, and leaves it as it is.
    pub forgotten: bool,
}

/// An attribute after apply.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Told<'p> {
    /// It has a value.
    Known(&'p Value),
    /// It has none.
    Absent,
    /// It is known after apply only, wholly or in part.
    Unknown,
}

impl<'p> Change<'p> {
    /// `None` for data sources, and for what is malformed.
    pub fn new(change: &'p Value) -> Option<Self> {
        let text = |key: &str| change.get(key).and_then(Value::as_str);
        if text("mode").is_some_and(|mode| mode != "managed") {
            return None;
        }
        let inner = change.get("change")?;
        let object = |key: &str| inner.get(key).filter(|value| value.is_object());
        let actions: Vec<&str> = inner.get("actions")?.as_array()?.iter().filter_map(Value::as_str).collect();
        let forgotten = actions.contains(&"forget");
        Some(Self {
            address: text("address")?,
            module: text("module_address").unwrap_or(""),
            kind: text("type")?,
            name: text("name").unwrap_or(""),
            index: change.get("index"),
            before: object("before"),
            after: object("after"),
            unknown: inner.get("after_unknown").unwrap_or(&Value::Null),
            replaced: actions.contains(&"create") && actions.contains(&"delete"),
            idle: actions.iter().all(|action| matches!(*action, "no-op" | "read")),
            forgotten: forgotten && !actions.contains(&"create"),
        })
    }

    /// An attribute of what is there.
    pub fn was(&self, key: &str) -> Option<&'p Value> {
        self.before?.get(key).filter(|value| !value.is_null())
    }

    /// The text of an attribute of what is there.
    pub fn was_text(&self, key: &str) -> Option<&'p str> {
        self.was(key)?.as_str().filter(|text| !text.is_empty())
    }

    /// An attribute of what will be there.
    pub fn will(&self, key: &str) -> Told<'p> {
        if self.unknown.get(key).is_some_and(has_true) {
            return Told::Unknown;
        }
        match self.after.and_then(|after| after.get(key)).filter(|value| !value.is_null()) {
            Some(value) => Told::Known(value),
            None => Told::Absent,
        }
    }

    /// True if nothing of what the keys name is different, or unknown.
    pub fn same(&self, keys: &[&str]) -> bool {
        !self.replaced
            && keys.iter().all(|key| match self.will(key) {
                Told::Known(value) => self.was(key) == Some(value),
                Told::Absent => self.was(key).is_none(),
                Told::Unknown => false,
            })
    }
}

/// True if anything in it is unknown: `after_unknown` mirrors the value, with `true` at what is.
fn has_true(value: &Value) -> bool {
    match value {
        Value::Bool(unknown) => *unknown,
        Value::Array(list) => list.iter().any(has_true),
        Value::Object(map) => map.values().any(has_true),
        _ => false,
    }
}

/// The texts of a list; a text is a list of one.
pub(super) fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text.as_str()],
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// A whole number, also one written as text, as older providers do.
pub(super) fn number(value: Option<&Value>) -> Option<i64> {
    let value = value?;
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}
