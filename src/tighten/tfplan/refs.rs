//! Which resource an unknown value will come from: the expressions of the configuration.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::values::{Change, Told};

/// How many modules an expression is followed through.
const DEPTH: u32 = 16;

/// The configuration part of a plan, and the ids of its resources.
#[derive(Debug)]
pub(super) struct Configuration<'p> {
    root: &'p Value,
    /// Address to id: the real one where it is known, else the address itself in parentheses.
    ids: BTreeMap<String, String>,
}

impl<'p> Configuration<'p> {
    pub fn new(document: &'p Value, changes: &[Change<'p>]) -> Self {
        let root = document.get("configuration").and_then(|c| c.get("root_module")).unwrap_or(&Value::Null);
        let ids = changes.iter().map(|change| (change.address.to_owned(), id_of(change)));
        Self { root, ids: ids.collect() }
    }

    /// The ids that attribute `key` of a resource will have: of resources of one of these types. `None` if that can't be
    /// told.
    pub fn ids(&self, change: &Change<'_>, key: &str, kinds: &[&str]) -> Option<Vec<String>> {
        let path = module_path(change.module);
        let module = self.module(&path)?;
        let plain = format!("{}.{}", change.kind, change.name);
        let resources = module.get("resources").and_then(Value::as_array)?;
        let resource = resources.iter().find(|r| r.get("address").and_then(Value::as_str) == Some(&plain))?;
        let expression = resource.get("expressions")?.get(key)?;
        let mut found = BTreeSet::new();
        self.follow(expression, change.module, kinds, change.index, DEPTH, &mut found)?;
        (!found.is_empty()).then(|| found.into_iter().collect())
    }

    /// True if the configuration of a resource sets an attribute, or has a block of this name.
    pub fn sets(&self, change: &Change<'_>, key: &str) -> bool {
        let path = module_path(change.module);
        let plain = format!("{}.{}", change.kind, change.name);
        let resources = self.module(&path).and_then(|m| m.get("resources")).and_then(Value::as_array);
        let resource = resources
            .into_iter()
            .flatten()
            .find(|r| r.get("address").and_then(Value::as_str) == Some(&plain));
        match resource {
            Some(resource) => resource.get("expressions").is_some_and(|e| e.get(key).is_some()),
            // Without its configuration nothing can be ruled out.
            None => true,
        }
    }

    /// Collects ids that an expression refers to; `None` where it leads to something that can't be followed.
    fn follow(
        &self,
        expression: &Value,
        module: &str,
        kinds: &[&str],
        index: Option<&Value>,
        depth: u32,
        found: &mut BTreeSet<String>,
    ) -> Option<()> {
        if depth == 0 {
            return None;
        }
        if let Some(value) = expression.get("constant_value") {
            found.extend(super::values::texts(value).into_iter().map(str::to_owned));
            return Some(());
        }
        let references = expression.get("references").and_then(Value::as_array)?;
        let references: Vec<&str> = references.iter().filter_map(Value::as_str).collect();
        for reference in most_exact(&references) {
            let mut parts = reference.split('.');
            let head = parts.next()?;
            match head {
                "each" | "count" | "path" | "terraform" | "self" => {}
                "var" => {
                    let (name, (parent, call)) = (parts.next()?, last_call(module)?);
                    let calls = self.module(&module_path(parent))?.get("module_calls")?;
                    let given = calls.get(call)?.get("expressions")?.get(name)?;
                    self.follow(given, parent, kinds, index, depth - 1, found)?;
                }
                "module" => {
                    let (call, output) = (parts.next()?, parts.next()?);
                    let (plain, key) = split_key(call);
                    let calls = self.module(&module_path(module))?.get("module_calls")?;
                    let outputs = calls.get(plain)?.get("module")?.get("outputs")?;
                    let given = outputs.get(split_key(output).0)?.get("expression")?;
                    let own = key.map_or_else(|| plain.to_owned(), |_| call.to_owned());
                    let inner = if module.is_empty() {
                        format!("module.{own}")
                    } else {
                        format!("{module}.module.{own}")
                    };
                    self.follow(given, &inner, kinds, None, depth - 1, found)?;
                }
                // Locals are not in the plan, and data sources that are read after apply are unknown.
                "local" | "data" => return None,
                kind if kinds.contains(&kind) => {
                    let name = parts.next()?;
                    found.insert(self.instance(module, kind, name, index)?);
                }
                _ => {}
            }
        }
        Some(())
    }

    /// The id of the instance of a resource that is meant: the only one, or that with the same key.
    fn instance(&self, module: &str, kind: &str, name: &str, index: Option<&Value>) -> Option<String> {
        let prefix = if module.is_empty() { String::new() } else { format!("{module}.") };
        let exact = format!("{prefix}{kind}.{name}");
        if let Some(id) = self.ids.get(&exact) {
            return Some(id.clone());
        }
        let plain = format!("{prefix}{kind}.{}", split_key(name).0);
        if let Some(index) = index
            && let Some(id) = self.ids.get(&format!("{plain}[{index}]"))
        {
            return Some(id.clone());
        }
        let keyed = format!("{plain}[");
        let mut all = self.ids.iter().filter(|(address, _)| address.starts_with(&keyed));
        let first = all.next()?.1;
        all.next().is_none().then(|| first.clone())
    }

    fn module(&self, path: &[&str]) -> Option<&'p Value> {
        let mut module = self.root;
        for name in path {
            module = module.get("module_calls")?.get(*name)?.get("module")?;
        }
        Some(module)
    }
}

/// The id of a resource after apply; of one that is not there yet its address in parentheses.
pub(super) fn id_of(change: &Change<'_>) -> String {
    let known = match change.will("id") {
        Told::Known(value) if !change.replaced => value.as_str(),
        _ => None,
    };
    let was = change.was_text("id").filter(|_| !change.replaced);
    known.or(was).map_or_else(|| format!("({})", change.address), str::to_owned)
}

/// `aws_security_group.a` is in the list beside `aws_security_group.a.id`: only the longest of each counts.
fn most_exact<'r>(references: &[&'r str]) -> Vec<&'r str> {
    let extends = |long: &str, short: &str| {
        long.len() > short.len()
            && long.starts_with(short)
            && matches!(long.as_bytes().get(short.len()), Some(b'.' | b'['))
    };
    references.iter().copied().filter(|one| !references.iter().any(|other| extends(other, one))).collect()
}

/// `module.a["x.y"].module.b` is `[a, b]`.
fn module_path(module: &str) -> Vec<&str> {
    let mut path = Vec::new();
    let mut rest = module;
    while let Some(tail) = rest.strip_prefix("module.") {
        let (name, after) = step(tail);
        path.push(split_key(name).0);
        rest = after;
    }
    path
}

/// The module that calls this one, and the name of the call.
fn last_call(module: &str) -> Option<(&str, &str)> {
    let mut rest = module;
    loop {
        let tail = rest.strip_prefix("module.")?;
        let (name, after) = step(tail);
        if after.is_empty() {
            let parent = &module[..module.len() - rest.len()];
            return Some((parent.trim_end_matches('.'), split_key(name).0));
        }
        rest = after;
    }
}

/// A name with its key, and what follows the dot behind it.
fn step(text: &str) -> (&str, &str) {
    let mut quoted = false;
    let mut last = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '"' if last != '\\' => quoted = !quoted,
            '.' if !quoted => return (&text[..at], &text[at + 1..]),
            _ => {}
        }
        last = c;
    }
    (text, "")
}

/// `web["a"]` is `web` and its key.
fn split_key(name: &str) -> (&str, Option<&str>) {
    match name.split_once('[') {
        Some((plain, key)) => (plain, Some(key.trim_end_matches(']'))),
        None => (name, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_modules() {
        assert_eq!(module_path(""), [""; 0]);
        assert_eq!(module_path("module.a"), ["a"]);
        assert_eq!(module_path("module.a[\"x.y\"].module.b[0]"), ["a", "b"]);
        assert_eq!(last_call("module.a[\"x.y\"].module.b[0]"), Some(("module.a[\"x.y\"]", "b")));
        assert_eq!(last_call("module.a"), Some(("", "a")));
        assert_eq!(last_call(""), None);
    }

    #[test]
    fn the_longest_reference_counts() {
        let all = ["aws_security_group.a.id", "aws_security_group.a", "aws_security_group.ab"];
        assert_eq!(most_exact(&all), ["aws_security_group.a.id", "aws_security_group.ab"]);
    }
}
