//! What options are unless the command line says: `FLOWGATE_…` variables, then `flowgate.toml`, then defaults.
//!
//! The table of settings is the command line itself: every option of a subcommand can be set, under the name of its
//! flag, in a section named like the subcommand (`[analyze]`, `[expect-init]`). A new option or subcommand needs nothing here.

mod file;
mod show;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};

use super::failure::{Failure, Problem};
use super::{Environment, suggest};

pub(super) use show::{Arguments, execute};

/// The file that is read without being named.
pub(super) const FILE: &str = "flowgate.toml";
const PREFIX: &str = "FLOWGATE_";
/// Variables of this prefix that are no settings: where the file is, and two of our tests.
const OTHERS: [&str; 3] = ["FLOWGATE_CONFIG", "FLOWGATE_BLESS", "FLOWGATE_TEST_VENV"];

/// Options that mean the same for every subcommand that has them, and may stand above the sections.
const SHARED: [&str; 18] = [
    "inventory",
    "log-format",
    "max-object-bytes",
    "profile",
    "assume-role",
    "external-id",
    "endpoint-url",
    "no-sign-request",
    "path-style",
    "requester-pays",
    "max-requests",
    "max-requests-per-second",
    "max-inflight-bytes",
    "threads",
    "memory",
    "spill-dir",
    "store",
    "store-cache",
];
/// Subcommands that only tell about the program.
const WITHOUT: [&str; 5] = ["completions", "config", "detectors", "explain", "man"];

/// An option of a subcommand.
#[derive(Clone, Debug)]
struct Setting {
    /// Words of the subcommand; none for options of every subcommand.
    path: Vec<String>,
    /// As clap knows it.
    id: String,
    /// As people know it: the flag without the dashes.
    key: String,
    /// Takes no value.
    switch: bool,
    /// Takes several values.
    list: bool,
    /// Values may be joined by this.
    delimiter: Option<char>,
    defaults: Vec<String>,
}

impl Setting {
    fn new(path: &[String], arg: &Arg) -> Option<Self> {
        let key = match arg.get_long() {
            Some("help" | "version" | "config") => return None,
            Some(long) => long.to_owned(),
            None if arg.get_id() == "inputs" => "inputs".to_owned(),
            None => return None,
        };
        Some(Self {
            path: path.to_vec(),
            id: arg.get_id().to_string(),
            key,
            switch: matches!(arg.get_action(), ArgAction::SetTrue),
            list: matches!(arg.get_action(), ArgAction::Append),
            delimiter: arg.get_value_delimiter(),
            defaults: arg.get_default_values().iter().map(|v| v.to_string_lossy().into_owned()).collect(),
        })
    }

    fn variable(&self) -> String {
        let words = self.path.iter().chain([&self.key]);
        let words: Vec<String> = words.map(|word| word.to_uppercase().replace('-', "_")).collect();
        format!("{PREFIX}{}", words.join("_"))
    }

    /// The table of the file. Not one within another: `inventory` is a key, too.
    fn section(&self) -> String {
        self.path.join("-")
    }

    fn is_shared(&self) -> bool {
        self.path.is_empty() || SHARED.contains(&&*self.key)
    }
}

/// Every option that can be set.
fn settings(command: &Command) -> Vec<Setting> {
    fn walk(command: &Command, path: &[String], found: &mut Vec<Setting>) {
        found.extend(command.get_arguments().filter_map(|arg| Setting::new(path, arg)));
        for sub in command.get_subcommands().filter(|sub| !WITHOUT.contains(&sub.get_name())) {
            walk(sub, &[path, &[sub.get_name().to_owned()]].concat(), found);
        }
    }
    let mut found = Vec::new();
    walk(command, &[], &mut found);
    found
}

/// Where a value was said.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    Variable(String),
    Line { file: PathBuf, line: usize, excerpt: Vec<String> },
}

impl Origin {
    fn name(&self) -> String {
        match self {
            Self::Variable(name) => name.clone(),
            Self::Line { file, line, .. } => format!("{}:{line}", file.display()),
        }
    }
}

/// What was said about an option.
#[derive(Clone, Debug)]
struct Said {
    values: Vec<String>,
    origin: Origin,
}

/// What was said, by subcommand and option.
#[derive(Debug, Default)]
pub(super) struct Settings {
    said: BTreeMap<(Vec<String>, String), Said>,
    file: Option<PathBuf>,
    unknown: Vec<String>,
}

impl Settings {
    /// Reads the file and the variables.
    ///
    /// # Errors
    /// Every mistake in them.
    pub fn read(environment: &Environment, command: &Command) -> Result<Self, Failure> {
        let known = settings(command);
        let mut read = Self::default();
        let mut problems = Vec::new();
        let named =
            flag(environment).or_else(|| environment.variables.get("FLOWGATE_CONFIG").map(PathBuf::from));
        if let Some(path) = named.or_else(|| environment.config_file.clone()) {
            match file::read(&path, &known) {
                Ok(said) => read.said = said,
                Err(found) => problems.extend(found),
            }
            read.file = Some(path);
        }
        read.variables(environment, &known, &mut problems);
        read.check(command, &known, &mut problems);
        if problems.is_empty() { Ok(read) } else { Err(Failure::usage(problems)) }
    }

    /// Options that are shared are said first, those of one subcommand win over them; variables over the file.
    fn variables(&mut self, environment: &Environment, known: &[Setting], problems: &mut Vec<Problem>) {
        let mut used: BTreeSet<String> = OTHERS.map(str::to_owned).into();
        for setting in known {
            let own = setting.variable();
            let shared = Setting { path: Vec::new(), ..setting.clone() }.variable();
            let names = if setting.is_shared() { vec![own, shared] } else { vec![own] };
            used.extend(names.iter().cloned());
            let value = |name: &String| environment.variables.get(name).filter(|value| !value.is_empty());
            let Some((name, text)) = names.iter().find_map(|name| Some((name, value(name)?))) else {
                continue;
            };
            let values = match (setting.switch, setting.delimiter) {
                (true, _) => match switch(text) {
                    Some(value) => vec![value.to_string()],
                    None => {
                        problems.push(Problem::new(format!("{name}: {text:?} is neither true nor false")));
                        continue;
                    }
                },
                (false, Some(delimiter)) => text.split(delimiter).map(str::to_owned).collect(),
                (false, None) => vec![text.clone()],
            };
            let said = Said { values, origin: Origin::Variable(name.clone()) };
            self.said.insert((setting.path.clone(), setting.id.clone()), said);
        }
        let unknown = environment.variables.keys().filter(|name| !used.contains(*name));
        self.unknown = unknown
            .map(|name| match suggest::nearest(name, used.iter().map(String::as_str)) {
                Some(near) => format!("{name} is no setting; did you mean {near}?"),
                None => format!("{name} is no setting"),
            })
            .collect();
    }

    /// Asks clap about each value, as if it had been a flag.
    fn check(&self, command: &Command, known: &[Setting], problems: &mut Vec<Problem>) {
        for setting in known.iter().filter(|setting| !setting.switch && setting.key != "inputs") {
            let Some(said) = self.of(setting) else { continue };
            let flags = said.values.iter().map(|value| format!("--{}={value}", setting.key));
            let line =
                std::iter::once("flowgate".to_owned()).chain(setting.path.iter().cloned()).chain(flags);
            let Err(error) = command.clone().try_get_matches_from(line) else { continue };
            // Only what is wrong with the value itself: the rest of the command line is not there.
            if !matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::ValueValidation) {
                continue;
            }
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
            let near = match (error.get(ContextKind::SuggestedValue), error.get(ContextKind::ValidValue)) {
                (Some(ContextValue::String(near)), _) => Some(format!("did you mean `{near}`?")),
                (_, Some(ContextValue::Strings(valid))) => Some(format!("one of {}", valid.join(", "))),
                _ => None,
            };
            let excerpt = match &said.origin {
                Origin::Line { excerpt, .. } => excerpt.clone(),
                Origin::Variable(_) => Vec::new(),
            };
            let mut problem = Problem::new(format!("{}: {first}", said.origin.name())).excerpt(excerpt);
            problem.help = near;
            problems.push(problem);
        }
    }

    fn of(&self, setting: &Setting) -> Option<&Said> {
        self.said.get(&(setting.path.clone(), setting.id.clone()))
    }

    /// The command line with what was said as its defaults: flags still win.
    pub fn apply(&self, command: Command) -> Command {
        self.apply_below(command, &[])
    }

    fn apply_below(&self, mut command: Command, path: &[String]) -> Command {
        for ((_, id), said) in self.said.iter().filter(|((whose, _), _)| whose == path) {
            let values = said.values.clone();
            command = command.mut_arg(id, |arg| arg.required(false).default_values(values));
        }
        let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
        for name in names {
            let below = [path, std::slice::from_ref(&name)].concat();
            command = command.mut_subcommand(&name, |sub| self.apply_below(sub, &below));
        }
        command
    }

    /// The file, if something in it is about this subcommand and nobody named it.
    pub fn remark(&self, environment: &Environment, path: &[String]) -> Option<String> {
        let file = self.file.as_ref().filter(|file| environment.config_file.as_ref() == Some(file))?;
        let applies = |said: &Said| matches!(said.origin, Origin::Line { .. });
        let about = self.said.iter().any(|((whose, _), said)| path.starts_with(whose) && applies(said));
        about.then(|| format!("{} says some options; `flowgate config show` tells which", file.display()))
    }
}

/// What `--config` names, before clap can be asked: what it is to ask with is in that file.
fn flag(environment: &Environment) -> Option<PathBuf> {
    let mut words = environment.arguments.iter().skip(1).take_while(|word| *word != OsStr::new("--"));
    let mut named = None;
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        if text == "--config" {
            named = words.next().map(PathBuf::from);
        } else if let Some(path) = text.strip_prefix("--config=") {
            named = Some(PathBuf::from(path));
        }
    }
    named
}

fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}
