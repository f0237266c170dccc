//! The one place that reads the environment.

#![allow(clippy::disallowed_methods, reason = "this is the place the others are told to leave it to")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::thread::available_parallelism;

use super::settings::FILE;
use crate::report::Look;
use crate::store::Disk;

/// Width where nothing says otherwise: fits most terminals, and mails.
const DEFAULT_WIDTH: usize = 100;
/// Wider lines are hard to read.
const WIDEST: usize = 200;

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless the environment says otherwise.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What the process was started with.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// The command line, the program's name first.
    pub arguments: Vec<OsString>,
    /// `NO_COLOR` is set and not empty (no-color.org).
    pub no_color: bool,
    /// `CLICOLOR_FORCE` is set, and neither empty nor 0 (bixense.com/clicolors).
    pub force_color: bool,
    /// `CLICOLOR` is 0.
    pub clicolor_off: bool,
    /// `TERM` is `dumb`.
    pub dumb: bool,
    /// The locale is of UTF-8.
    pub unicode: bool,
    /// `COLUMNS`, if it is a number.
    pub columns: Option<usize>,
    /// Columns of the terminal, if there is one.
    pub terminal_width: Option<usize>,
    /// Standard output is a terminal.
    pub stdout_is_terminal: bool,
    /// Standard error is a terminal.
    pub stderr_is_terminal: bool,
    /// Processors.
    pub threads: usize,
    /// Memory that this process may have, in bytes: the machine's, or what a container is given.
    pub memory: u64,
    /// Where large temporary files belong: `TMPDIR`, else `/var/tmp`, since `/tmp` is in memory on many systems.
    pub spill_directory: PathBuf,
    /// Where programs keep what can be had again: `XDG_CACHE_HOME`, else what is usual on the system, below `HOME`.
    pub cache_directory: Option<PathBuf>,
    /// `AWS_CA_BUNDLE`: which certificate authorities to trust, as the AWS CLI takes it.
    pub ca_bundle: Option<PathBuf>,
    /// Variables that begin with `FLOWGATE_`.
    pub variables: BTreeMap<String, String>,
    /// `flowgate.toml`, if the current directory has one.
    pub config_file: Option<PathBuf>,
    /// The time, seconds since 1970 in UTC.
    pub now: i64,
    /// For tests: the change of the file system at which a store's writer dies. `FLOWGATE_TEST_ABORT_AT_STEP`.
    pub abort_at_step: Option<u64>,
    /// Signals may be taken over: this is the program itself, not a test of it.
    pub owns_process: bool,
}

impl Environment {
    /// That of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let text = |name: &str| std::env::var_os(name).map(|v| v.to_string_lossy().into_owned());
        let set = |name: &str| text(name).filter(|value| !value.is_empty());
        // The first that is set decides (POSIX, 8.2).
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default();
        let locale = locale.to_ascii_lowercase();
        Self {
            arguments: std::env::args_os().collect(),
            no_color: set("NO_COLOR").is_some(),
            force_color: set("CLICOLOR_FORCE").is_some_and(|value| value != "0"),
            clicolor_off: set("CLICOLOR").is_some_and(|value| value == "0"),
            dumb: set("TERM").is_some_and(|value| value == "dumb"),
            unicode: cfg!(windows) || locale.contains("utf-8") || locale.contains("utf8"),
            columns: set("COLUMNS").and_then(|value| value.parse().ok()),
            terminal_width: terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)),
            stdout_is_terminal: io::stdout().is_terminal(),
            stderr_is_terminal: io::stderr().is_terminal(),
            threads: available_parallelism().map_or(1, usize::from),
            memory: memory(|path| std::fs::read_to_string(path).ok()),
            spill_directory: set("TMPDIR").map_or_else(large_temporary_files, PathBuf::from),
            cache_directory: cache_directory(|name| set(name).map(PathBuf::from)),
            ca_bundle: set("AWS_CA_BUNDLE").map(PathBuf::from),
            variables: std::env::vars_os()
                .map(|(name, value)| (name.to_string_lossy().into_owned(), value))
                .filter(|(name, _)| name.starts_with("FLOWGATE_"))
                .map(|(name, value)| (name, value.to_string_lossy().into_owned()))
                .collect(),
            config_file: Some(PathBuf::from(FILE)).filter(|path| path.is_file()),
            now: chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now()).timestamp(),
            abort_at_step: set("FLOWGATE_TEST_ABORT_AT_STEP").and_then(|value| value.parse().ok()),
            owns_process: true,
        }
    }

    /// The file system as a store's writer changes it.
    pub(super) fn disk(&self) -> Disk {
        self.abort_at_step.map_or_else(Disk::default, Disk::that_aborts_at)
    }

    /// Now, Unix seconds: for names, never for conclusions.
    #[expect(
        clippy::unused_self,
        reason = "the clock is a part of the environment, and is asked when it is needed"
    )]
    pub(super) fn now(&self) -> i64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        // A clock before 1970 is not set.
        since.ok().and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or_default()
    }

    /// How standard output looks.
    pub(super) fn stdout(&self, choice: ColorChoice, width: Option<usize>) -> Look {
        self.look(choice, width, self.stdout_is_terminal)
    }

    /// How standard error looks.
    pub(super) fn stderr(&self, choice: ColorChoice, width: Option<usize>) -> Look {
        self.look(choice, width, self.stderr_is_terminal)
    }

    /// True when a line can be drawn over again on standard error.
    pub(super) fn can_animate(&self) -> bool {
        self.stderr_is_terminal && !self.dumb
    }

    fn look(&self, choice: ColorChoice, width: Option<usize>, is_terminal: bool) -> Look {
        let color = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto if self.no_color => false,
            ColorChoice::Auto if self.force_color => true,
            ColorChoice::Auto => is_terminal && !self.dumb && !self.clicolor_off,
        };
        let known = self.columns.or(self.terminal_width.filter(|_| is_terminal));
        let width = width.unwrap_or_else(|| known.unwrap_or(DEFAULT_WIDTH).clamp(Look::MIN_WIDTH, WIDEST));
        Look { width, color, unicode: self.unicode }
    }
}

/// The time for a line of a log, RFC 3339 in UTC with milliseconds.
pub(super) fn now_text() -> String {
    let now = chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now());
    now.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// Only absolute paths count (XDG Base Directory Specification).
fn cache_directory(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let absolute = |name: &str| variable(name).filter(|path| path.is_absolute());
    let usual = || match () {
        () if cfg!(windows) => absolute("LOCALAPPDATA"),
        () if cfg!(target_os = "macos") => absolute("HOME").map(|home| home.join("Library").join("Caches")),
        () => absolute("HOME").map(|home| home.join(".cache")),
    };
    absolute("XDG_CACHE_HOME").or_else(usual)
}

fn large_temporary_files() -> PathBuf {
    let lasting = PathBuf::from("/var/tmp");
    if cfg!(unix) && lasting.is_dir() { lasting } else { std::env::temp_dir() }
}

/// Where nothing tells how much memory there is.
const MEMORY: u64 = 4 << 30;

/// The memory of the machine as Linux tells it (proc(5)), or less if a control group may have only less (cgroup v2
/// `memory.max`, v1 `memory.limit_in_bytes`).
fn memory(read: impl Fn(&str) -> Option<String>) -> u64 {
    let machine = read("/proc/meminfo").and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    });
    let groups = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let allowed = groups.iter().filter_map(|path| read(path)?.trim().parse::<u64>().ok()).min();
    machine.into_iter().chain(allowed).min().unwrap_or(MEMORY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colored(environment: &Environment, choice: ColorChoice) -> bool {
        environment.stdout(choice, None).color
    }

    #[test]
    fn colour_follows_flag_then_environment_then_terminal() {
        use ColorChoice::{Always, Auto, Never};
        let pipe = Environment::default();
        let terminal = Environment { stdout_is_terminal: true, ..Environment::default() };
        let no_color = Environment { no_color: true, force_color: true, ..terminal.clone() };
        let forced = Environment { force_color: true, dumb: true, ..Environment::default() };
        let dumb = Environment { dumb: true, ..terminal.clone() };
        let off = Environment { clicolor_off: true, ..terminal.clone() };
        let auto = [&pipe, &terminal, &no_color, &forced, &dumb, &off].map(|e| colored(e, Auto));
        assert_eq!(auto, [false, true, false, true, false, false]);
        assert!(colored(&no_color, Always));
        assert!(!colored(&forced, Never));
    }

    #[test]
    fn memory_is_the_machines_or_the_containers() {
        let meminfo = "MemTotal:       16384 kB\nMemFree:            1 kB\n";
        let files = |max: &'static str| {
            move |path: &str| match path {
                "/proc/meminfo" => Some(meminfo.to_owned()),
                "/sys/fs/cgroup/memory.max" => Some(max.to_owned()),
                _ => None,
            }
        };
        assert_eq!(memory(files("max\n")), 16 << 20);
        assert_eq!(memory(files("1048576\n")), 1 << 20);
        assert_eq!(memory(|_| None), MEMORY);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn copies_lie_where_others_are() {
        let of = |set: &[(&str, &str)]| {
            cache_directory(|name| {
                set.iter().find(|(known, _)| *known == name).map(|(_, value)| PathBuf::from(value))
            })
        };
        let (home, xdg) = (("HOME", "/u/me"), ("XDG_CACHE_HOME", "/var/cache/me"));
        assert_eq!(of(&[home, xdg]), Some(PathBuf::from("/var/cache/me")));
        assert_eq!(of(&[home]), Some(PathBuf::from("/u/me/.cache")));
        assert_eq!(of(&[home, ("XDG_CACHE_HOME", "here")]), Some(PathBuf::from("/u/me/.cache")));
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn width_follows_flag_then_columns_then_terminal() {
        let width = |e: &Environment, flag| e.stdout(ColorChoice::Auto, flag).width;
        let mut e = Environment { terminal_width: Some(80), ..Environment::default() };
        assert_eq!(width(&e, None), DEFAULT_WIDTH, "a pipe is not as wide as the terminal behind it");
        e.stdout_is_terminal = true;
        assert_eq!(width(&e, None), 80);
        e.columns = Some(120);
        assert_eq!(width(&e, None), 120);
        assert_eq!(width(&e, Some(60)), 60);
        e.columns = Some(10);
        assert_eq!(width(&e, None), Look::MIN_WIDTH);
        e.columns = Some(999);
        assert_eq!(width(&e, None), WIDEST);
    }
}
