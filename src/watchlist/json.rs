//! Lists in JSON: arrays of strings or objects, objects that hold such, one object a line.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::address::{self, Range};
use super::load::Loader;

/// Names of fields that hold an address or block, as [`key`] writes them; the most telling first.
pub(super) const ADDRESS_KEYS: [&str; 34] = [
    "cidr",
    "cidrs",
    "ipprefix",
    "ipv4prefix",
    "ipv6prefix",
    "ipcidr",
    "cidrip",
    "cidripv6",
    "network",
    "netblock",
    "subnet",
    "prefix",
    "ip",
    "ips",
    "ipaddress",
    "ipaddr",
    "ipv4",
    "ipv6",
    "address",
    "addr",
    "range",
    "iprange",
    "indicator",
    "indicatorvalue",
    "ioc",
    "iocvalue",
    "srcip",
    "sourceip",
    "dstip",
    "destinationip",
    "remoteip",
    "host",
    "value",
    "entry",
];

/// Names of fields with the first address of a range.
pub(super) const LOW_KEYS: [&str; 8] =
    ["start", "startip", "ipstart", "rangestart", "firstip", "fromip", "low", "startaddress"];

/// Names of fields with the last address of a range.
pub(super) const HIGH_KEYS: [&str; 8] =
    ["end", "endip", "ipend", "rangeend", "lastip", "toip", "high", "endaddress"];

/// Names of fields that say what an address is listed for.
pub(super) const LABEL_KEYS: [&str; 22] = [
    "label",
    "comment",
    "comments",
    "description",
    "desc",
    "name",
    "title",
    "threat",
    "threattype",
    "malware",
    "malwarefamily",
    "family",
    "actor",
    "category",
    "categories",
    "reason",
    "sblid",
    "note",
    "notes",
    "tags",
    "tag",
    "service",
];

/// A name without case and punctuation: `IP_Prefix` and `ipPrefix` are one.
pub(super) fn key(name: &str) -> String {
    let plain = name.chars().filter(char::is_ascii_alphanumeric);
    plain.map(|c| c.to_ascii_lowercase()).take(32).collect()
}

/// Reads a document of JSON. False if it is none: nothing was taken from it then.
pub(super) fn document(bytes: &[u8], into: &mut Loader) -> bool {
    let start = bytes.iter().position(|b| !b.is_ascii_whitespace());
    if !start.is_some_and(|at| matches!(bytes[at], b'[' | b'{')) || !is_one_document(bytes) {
        return false;
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    // Value by value, so that a list of a million objects is never held whole.
    let mut take = |value: &Value| walk(value, into, &|text| place(bytes, text));
    _ = Each(&mut take).deserialize(&mut deserializer);
    true
}

/// A pass that keeps nothing: lines of JSON are several documents, and a defanged address is none.
fn is_one_document(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

/// Line and column of a string in the document.
fn place(bytes: &[u8], text: &str) -> (u64, u64) {
    let quoted = Value::from(text).to_string();
    let at = memchr::memmem::find(bytes, quoted.as_bytes()).unwrap_or(0);
    let line_start = memchr::memrchr(b'\n', &bytes[..at]).map_or(0, |n| n + 1);
    let line = memchr::memchr_iter(b'\n', &bytes[..at]).count() as u64 + 1;
    (line, String::from_utf8_lossy(&bytes[line_start..at]).chars().count() as u64 + 1)
}

/// Reads an object that stands in a line. False if it is no JSON.
pub(super) fn line(text: &str, into: &mut Loader, place: &dyn Fn() -> (u64, u64)) -> bool {
    let Ok(value) = serde_json::from_str::<Value>(text) else { return false };
    walk(&value, into, &|_| place());
    true
}

/// Hands on what a list is made of: the items of an array or the values of an object, at the outermost level.
struct Each<'a>(&'a mut dyn FnMut(&Value));

impl<'de> DeserializeSeed<'de> for Each<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Each<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array or an object")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<(), S::Error> {
        while let Some(item) = items.next_element::<Value>()? {
            (self.0)(&item);
        }
        Ok(())
    }

    fn visit_map<M: MapAccess<'de>>(self, mut entries: M) -> Result<(), M::Error> {
        let mut object = serde_json::Map::new();
        while let Some((name, value)) = entries.next_entry::<String, Value>()? {
            object.insert(name, value);
        }
        (self.0)(&Value::Object(object));
        Ok(())
    }
}

/// `place` tells line and column of a text.
fn walk(value: &Value, into: &mut Loader, place: &dyn Fn(&str) -> (u64, u64)) {
    match value {
        Value::String(text) => match address::parse(text) {
            Some(range) => into.entry(range, ""),
            None => into.bad(text, || place(text)),
        },
        Value::Array(items) => items.iter().for_each(|item| walk(item, into, place)),
        Value::Object(object) => walk_object(object, into, place),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn walk_object(
    object: &serde_json::Map<String, Value>,
    into: &mut Loader,
    place: &dyn Fn(&str) -> (u64, u64),
) {
    let named: Vec<(String, &Value)> = object.iter().map(|(name, value)| (key(name), value)).collect();
    let first = |known: &[&str]| known.iter().find_map(|k| named.iter().find(|(name, _)| name == k));
    let label = first(&LABEL_KEYS).map(|(_, value)| text_of(value)).unwrap_or_default();
    if let (Some((_, Value::String(low))), Some((_, Value::String(high)))) =
        (first(&LOW_KEYS), first(&HIGH_KEYS))
        && let Some(range) = address::parse(&format!("{low}-{high}"))
    {
        into.entry(range, &label);
        return;
    }
    let mut used = false;
    let mut unread: Option<&str> = None;
    for (_, value) in named.iter().filter(|(name, _)| ADDRESS_KEYS.contains(&name.as_str())) {
        let items = match value {
            Value::Array(items) => items.as_slice(),
            one => std::slice::from_ref(*one),
        };
        for text in items.iter().filter_map(Value::as_str) {
            match address::parse(text) {
                Some(range) => {
                    let range: Range = range;
                    used = true;
                    into.entry(range, &label);
                }
                None => unread = unread.or(Some(text)),
            }
        }
    }
    if used {
        return;
    }
    if let Some(text) = unread {
        into.bad(text, || place(text));
        return;
    }
    // What surrounds a list: `{"prefixes": […]}`; or an object of addresses: `{"192.0.2.7": "a label"}`.
    for (name, value) in object {
        match (address::parse(name), value) {
            (Some(range), value) => into.entry(range, &text_of(value)),
            (None, Value::Array(_) | Value::Object(_)) => walk_nested(value, into, place),
            (None, _) => {}
        }
    }
}

/// Further inside strings are mostly other things than entries: only those of arrays that hold an address count.
fn walk_nested(value: &Value, into: &mut Loader, place: &dyn Fn(&str) -> (u64, u64)) {
    let strings = |items: &[Value]| items.iter().all(Value::is_string);
    let address = |item: &Value| item.as_str().is_some_and(|text| address::parse(text).is_some());
    match value {
        Value::Array(items) if strings(items) && !items.iter().any(address) => {}
        other => walk(other, into, place),
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).take(8).collect::<Vec<_>>().join(", "),
        _ => String::new(),
    }
}
