//! A typed view of a JSON value that knows where it is, so that errors can say so.
//!
//! Absent and `null` are the same thing, and so is an empty string where text is optional: the
//! SDKs of different languages spell "not there" in these three ways.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use serde_json::Value;

use super::error::FieldError;

type Result<T> = std::result::Result<T, FieldError>;

/// How a node is reached from its parent.
#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Key(&'a str),
    Index(usize),
}

/// A value and the way to it.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    value: &'a Value,
    step: Step<'a>,
    parent: Option<&'a Node<'a>>,
}

impl<'a> Node<'a> {
    /// A whole document.
    pub fn root(value: &'a Value) -> Self {
        Self { value, step: Step::Root, parent: None }
    }

    /// The value itself.
    pub fn value(&self) -> &'a Value {
        self.value
    }

    /// True if the object has this member, whatever its value.
    pub fn has(&self, key: &str) -> bool {
        self.value.get(key).is_some()
    }

    /// A member that is neither absent nor null.
    pub fn get<'b>(&'b self, key: &'b str) -> Option<Node<'b>> {
        let value = self.value.get(key).filter(|v| !v.is_null())?;
        Some(Node { value, step: Step::Key(key), parent: Some(self) })
    }

    /// A member whose value was read from somewhere else: JSON that was a string.
    pub fn below<'b>(&'b self, key: &'b str, value: &'b Value) -> Node<'b> {
        Node { value, step: Step::Key(key), parent: Some(self) }
    }

    /// An element of an array.
    pub fn at<'b>(&'b self, index: usize, value: &'b Value) -> Node<'b> {
        Node { value, step: Step::Index(index), parent: Some(self) }
    }

    /// The way to this node, e.g. `SecurityGroups[3].GroupId`.
    pub fn path(&self) -> String {
        let mut path = self.parent.map(Node::path).unwrap_or_default();
        match self.step {
            Step::Root => {}
            Step::Key(key) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(key);
            }
            // Writing to a String can't fail.
            Step::Index(index) => drop(write!(path, "[{index}]")),
        }
        path
    }

    /// The error that says this value is not what was expected.
    pub fn wrong(&self, expected: &'static str) -> FieldError {
        let found = match self.value {
            Value::Null => "null".to_owned(),
            Value::Bool(b) => format!("{b}"),
            Value::Number(n) => format!("the number {n}"),
            Value::String(s) => format!("{:?}", s.chars().take(60).collect::<String>()),
            Value::Array(_) => "an array".to_owned(),
            Value::Object(_) => "an object".to_owned(),
        };
        let path = self.path();
        FieldError { path: if path.is_empty() { "document".to_owned() } else { path }, expected, found }
    }

    /// The error for a member that has to be there.
    pub fn missing(&self, key: &str, expected: &'static str) -> FieldError {
        let path = Node { value: &Value::Null, step: Step::Key(key), parent: Some(self) }.path();
        FieldError { path, expected, found: "nothing".to_owned() }
    }

    /// Text. Numbers count as text: some tools turn ids and ports into numbers.
    pub fn text(&self) -> Result<String> {
        match self.value {
            Value::String(s) => Ok(s.trim().to_owned()),
            Value::Number(n) => Ok(n.to_string()),
            _ => Err(self.wrong("a string")),
        }
    }

    /// An integer, also as text or as a float without a fraction.
    pub fn integer(&self) -> Result<i64> {
        let whole = |f: f64| (f.fract() == 0.0 && f.abs() < 9e15).then_some(f as i64);
        match self.value {
            Value::Number(n) => n.as_i64().or_else(|| n.as_f64().and_then(whole)),
            Value::String(s) => s.trim().parse().ok(),
            _ => None,
        }
        .ok_or_else(|| self.wrong("an integer"))
    }

    /// A boolean, also as text.
    pub fn boolean(&self) -> Result<bool> {
        match self.value {
            Value::Bool(b) => Ok(*b),
            Value::String(s) if s.trim().eq_ignore_ascii_case("true") => Ok(true),
            Value::String(s) if s.trim().eq_ignore_ascii_case("false") => Ok(false),
            _ => Err(self.wrong("true or false")),
        }
    }

    /// A CIDR block, canonical (host bits cleared); a bare address is a block of one.
    pub fn cidr(&self) -> Result<IpNet> {
        let text = self.text()?;
        let net = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        net.map(|n| n.trunc()).ok_or_else(|| self.wrong("a CIDR block"))
    }

    /// An address. IPv4 also with dashes, as in host names: the AWS documentation has such replies.
    pub fn address(&self) -> Result<IpAddr> {
        let text = self.text()?;
        let dashed = || text.replace('-', ".").parse::<Ipv4Addr>().map(IpAddr::from);
        text.parse().or_else(|_| dashed()).map_err(|_| self.wrong("an IP address"))
    }

    /// Optional text; empty is absent.
    pub fn opt_text(&self, key: &str) -> Result<Option<String>> {
        let text = self.get(key).map(|n| n.text()).transpose()?;
        Ok(text.filter(|t| !t.is_empty()))
    }

    /// Optional text, empty if absent.
    pub fn text_or_empty(&self, key: &str) -> Result<String> {
        Ok(self.opt_text(key)?.unwrap_or_default())
    }

    /// Text that has to be there.
    pub fn need_text(&self, key: &str) -> Result<String> {
        self.opt_text(key)?.ok_or_else(|| self.missing(key, "a string"))
    }

    /// An account id. Twelve digits: a tool that made it a number lost the leading zeros.
    pub fn opt_account(&self, key: &str) -> Result<Option<String>> {
        match self.get(key) {
            Some(node) if node.value.is_number() => Ok(Some(format!("{:012}", node.integer()?))),
            _ => self.opt_text(key),
        }
    }

    /// An optional integer within bounds.
    pub fn opt_integer(&self, key: &str, min: i64, max: i64, expected: &'static str) -> Result<Option<i64>> {
        let Some(node) = self.get(key) else { return Ok(None) };
        let n = node.integer()?;
        if (min..=max).contains(&n) { Ok(Some(n)) } else { Err(node.wrong(expected)) }
    }

    /// An optional unsigned integer.
    pub fn opt_u32(&self, key: &str) -> Result<Option<u32>> {
        let n = self.opt_integer(key, 0, i64::from(u32::MAX), "an unsigned 32-bit integer")?;
        Ok(n.and_then(|n| u32::try_from(n).ok()))
    }

    /// An optional boolean, false if absent.
    pub fn flag(&self, key: &str) -> Result<bool> {
        Ok(self.get(key).map(|n| n.boolean()).transpose()?.unwrap_or(false))
    }

    /// An optional CIDR block; an empty string is absent.
    pub fn opt_cidr(&self, key: &str) -> Result<Option<IpNet>> {
        self.get(key).filter(|n| !n.is_blank()).map(|n| n.cidr()).transpose()
    }

    /// An optional address; an empty string is absent.
    pub fn opt_address(&self, key: &str) -> Result<Option<IpAddr>> {
        self.get(key).filter(|n| !n.is_blank()).map(|n| n.address()).transpose()
    }

    /// Calls `f` with each element of a list; an absent list is empty.
    pub fn each<T>(&self, key: &str, f: impl FnMut(&Node<'_>) -> Result<T>) -> Result<Vec<T>> {
        match self.get(key) {
            Some(list) => list.elements(f),
            None => Ok(Vec::new()),
        }
    }

    /// Calls `f` with each element of this array.
    pub fn elements<T>(&self, mut f: impl FnMut(&Node<'_>) -> Result<T>) -> Result<Vec<T>> {
        let items = self.value.as_array().ok_or_else(|| self.wrong("an array"))?;
        items.iter().enumerate().map(|(i, value)| f(&self.at(i, value))).collect()
    }

    /// Tags: `[{Key, Value}]` under `TagSet` or `Tags`, or a map.
    pub fn tags(&self) -> Result<BTreeMap<String, String>> {
        let Some(tags) = self.get("TagSet").or_else(|| self.get("Tags")) else { return Ok(BTreeMap::new()) };
        if let Some(map) = tags.value.as_object() {
            return map.iter().map(|(key, _)| Ok((key.clone(), tags.text_or_empty(key)?))).collect();
        }
        let pairs = tags.elements(|tag| Ok((tag.text_or_empty("Key")?, tag.text_or_empty("Value")?)))?;
        Ok(pairs.into_iter().collect())
    }

    fn is_blank(&self) -> bool {
        self.value.as_str().is_some_and(|s| s.trim().is_empty())
    }
}
