//! `--log`: what happens, as lines of text or JSON on standard error, for machines that watch.
//!
//! Our own events and the warnings of what we are built on (retries, refused connections) go through `tracing`. What
//! AWS's SDK says in detail stays off: it can hold requests.

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use super::environment::now_text;
use super::failure::Failure;
use crate::report::sanitise;

/// How to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum LogFormat {
    /// Lines for people.
    Text,
    /// An object a line.
    Json,
}

/// The word before our events.
pub(super) const TARGET: &str = "flowgate";

/// Starts logging, for the rest of the process.
pub(super) fn start(format: LogFormat) {
    let subscriber = tracing_subscriber::registry().with(Lines(format));
    // A second one is refused, and the first goes on.
    _ = tracing::subscriber::set_global_default(subscriber);
}

/// The log is on: what is shown while it works, and beside the result, goes there. Asked of `tracing`, because it is one
/// for the whole process, and so that no command has to hand it on.
pub(super) fn is_on() -> bool {
    tracing::dispatcher::has_been_set()
}

/// Logs why there is no result.
pub(super) fn failure(failure: &Failure) {
    for problem in &failure.problems {
        let help = problem.help.as_deref().unwrap_or_default();
        let exit = failure.exit.code();
        tracing::error!(target: TARGET, help, exit, "{}", problem.message);
    }
}

struct Lines(LogFormat);

impl<S: Subscriber> Layer<S> for Lines {
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        let most = if metadata.target() == TARGET { Level::INFO } else { Level::WARN };
        *metadata.level() <= most
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields(Map::new());
        event.record(&mut fields);
        let metadata = event.metadata();
        let line = line(self.0, &now_text(), *metadata.level(), metadata.target(), fields.0);
        // One call a line, so that those of threads don't mix. Nobody is left to be told if it can't be written.
        _ = io::stderr().lock().write_all(line.as_bytes());
    }
}

fn line(format: LogFormat, time: &str, level: Level, target: &str, mut fields: Map<String, Value>) -> String {
    let level = level.as_str().to_ascii_lowercase();
    let message = fields.remove("message").unwrap_or_default();
    fields.retain(|_, value| value != "");
    if format == LogFormat::Json {
        let mut object = Map::new();
        for (key, value) in [("time", time), ("level", &level), ("target", target)] {
            object.insert(key.to_owned(), value.into());
        }
        object.insert("message".to_owned(), message);
        object.extend(fields);
        return format!("{}\n", crate::report::json_line(&Value::Object(object)));
    }
    let mut text = format!("{time} {level:5} {}", message.as_str().unwrap_or_default());
    for (key, value) in fields {
        // Writing to a string can't fail.
        _ = write!(text, " {key}={value}");
    }
    format!("{}\n", sanitise(&text, true))
}

/// The fields of an event.
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_within_its_line() {
        let fields = || {
            let pairs = [("message", "a\nb \u{1b}[2J\u{202e}"), ("help", ""), ("phase", "x\ny")];
            pairs.into_iter().map(|(key, value)| (key.to_owned(), Value::from(value))).collect::<Map<_, _>>()
        };
        for format in [LogFormat::Text, LogFormat::Json] {
            let line = line(format, "2026-03-01T00:00:00Z", Level::WARN, TARGET, fields());
            assert_eq!(line.matches('\n').count(), 1, "{line}");
            assert!(!line.contains(['\u{1b}', '\u{202e}']), "{line}");
            assert!(!line.contains("help"), "{line}");
        }
        let json = line(LogFormat::Json, "t", Level::WARN, TARGET, fields());
        let value: Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&value["level"], &value["message"]), (&"warn".into(), &"a\nb \u{1b}[2J\u{202e}".into()));
    }
}
