//! What is shown while it works, on a terminal only.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::log;
use crate::pipeline::{Event, Progress};
use crate::report::{Look, Page, Span, Tone, number};

/// Before the inputs are listed, and where their size is not known.
const UNMEASURED: &str = "{spinner} {wide_msg}";
/// While objects of known size are read. What does not fit is cut: a bar over two lines leaves traces.
const MEASURED: &str = "{spinner} {bar:16} {decimal_bytes}/{decimal_total_bytes}, {eta} left, {wide_msg}";
/// Afterwards.
const STEP: &str = "{spinner} {msg} ({elapsed})";

/// A bar on standard error, and warnings above it.
pub(super) struct Meter<'a> {
    bar: ProgressBar,
    look: Look,
    /// `None` says nothing at all.
    stderr: Option<Mutex<&'a mut (dyn Write + Send)>>,
    started: Instant,
    objects: AtomicU64,
    done: AtomicU64,
    records: AtomicU64,
    /// Everything goes into the log instead.
    logs: bool,
    /// When the log last told how far it is, in seconds from the start.
    told: AtomicU64,
}

/// Seconds between lines of the log about how far it is.
const PACE: u64 = 10;

impl<'a> Meter<'a> {
    /// `stderr` gets the warnings; the bar draws on the terminal itself if `animated`.
    /// With a log, neither: events go there.
    pub fn new(stderr: Option<&'a mut (dyn Write + Send)>, look: Look, animated: bool) -> Self {
        let logs = log::is_on();
        let animated = animated && !logs;
        let target = if animated { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        if animated {
            bar.set_style(style(UNMEASURED, look));
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        Self {
            bar,
            look,
            stderr: stderr.map(Mutex::new),
            started: Instant::now(),
            objects: AtomicU64::new(0),
            done: AtomicU64::new(0),
            records: AtomicU64::new(0),
            logs,
            told: AtomicU64::new(0),
        }
    }

    /// Tells the log how far it is, now and then: rate, and what is left at that rate.
    fn log_reading(&self) {
        let seconds = self.started.elapsed().as_secs();
        let told = self.told.load(Relaxed);
        // Of threads that come at once, one tells.
        if seconds < told + PACE || self.told.compare_exchange(told, seconds, Relaxed, Relaxed).is_err() {
            return;
        }
        let (objects, done) = (self.objects.load(Relaxed), self.done.load(Relaxed));
        let records = self.records.load(Relaxed);
        let (bytes, of_bytes) = (self.bar.position(), self.bar.length().unwrap_or_default());
        let left = (of_bytes > bytes && bytes > 0)
            .then(|| (of_bytes - bytes) as f64 / bytes as f64 * seconds as f64)
            .map(|left| left as u64);
        tracing::info!(
            target: log::TARGET, objects, done, records, bytes, of_bytes, records_per_second = records / seconds.max(1),
            seconds_left = left, "reading"
        );
    }

    fn log(&self, event: &Event) {
        match event {
            Event::Listed { objects, bytes } => {
                self.objects.store(*objects, Relaxed);
                match bytes {
                    Some(bytes) => self.bar.set_length(*bytes),
                    None => self.bar.unset_length(),
                }
            }
            Event::Read { bytes, records } => {
                self.records.fetch_add(*records, Relaxed);
                self.bar.inc(*bytes);
                self.log_reading();
            }
            Event::ObjectDone => _ = self.done.fetch_add(1, Relaxed),
            Event::Phase(phase) => {
                let objects = self.done.load(Relaxed);
                let records = self.records.load(Relaxed);
                // Milliseconds are enough.
                let seconds = (self.started.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
                tracing::info!(target: log::TARGET, objects, records, seconds, "{phase}");
            }
            Event::Warning(text) => tracing::warn!(target: log::TARGET, "{text}"),
        }
    }

    fn reading(&self) -> String {
        let seconds = self.started.elapsed().as_secs_f64().max(0.001);
        format!(
            "{}/{} objects, {} records/s",
            number(self.done.load(Relaxed)),
            number(self.objects.load(Relaxed)),
            number((self.records.load(Relaxed) as f64 / seconds) as u64),
        )
    }

    fn warn(&self, text: &str) {
        let Some(stderr) = &self.stderr else { return };
        // A thread that panicked while it held this left a line unfinished at worst.
        let mut stderr = stderr.lock().unwrap_or_else(PoisonError::into_inner);
        self.bar.suspend(|| {
            let page = &mut Page::new(&mut **stderr, self.look);
            // Nobody is left to be told if standard error is gone.
            _ = page.flow(&[Span::new(Tone::Warn, "warning:"), Span::plain(" ")], 2, &[Span::plain(text)]);
        });
    }
}

impl Progress for Meter<'_> {
    fn event(&self, event: &Event) {
        if self.logs {
            return self.log(event);
        }
        match event {
            Event::Listed { objects, bytes } => {
                // Told again and again while more is found; a style is made of text each time.
                let first = self.objects.swap(*objects, Relaxed) == 0;
                match bytes {
                    Some(bytes) => {
                        self.bar.set_length(*bytes);
                        if first {
                            self.bar.set_style(style(MEASURED, self.look));
                        }
                    }
                    None if self.bar.length().is_some() => {
                        self.bar.unset_length();
                        self.bar.set_style(style(UNMEASURED, self.look));
                    }
                    None => {}
                }
                self.bar.set_message(self.reading());
            }
            Event::Read { bytes, records } => {
                self.records.fetch_add(*records, Relaxed);
                self.bar.inc(*bytes);
                self.bar.set_message(self.reading());
            }
            Event::ObjectDone => {
                self.done.fetch_add(1, Relaxed);
                self.bar.set_message(self.reading());
            }
            Event::Phase(phase) => {
                self.bar.set_style(style(STEP, self.look));
                self.bar.set_message(*phase);
            }
            Event::Warning(text) => self.warn(text),
        }
    }
}

impl Drop for Meter<'_> {
    /// Leaves no trace above the report.
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str, look: Look) -> ProgressStyle {
    // A template that can't be read would be a slip in this file, and no reason to stop the analysis.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
    if look.unicode {
        style.progress_chars("━╸─")
    } else {
        style.progress_chars("=> ").tick_chars("|/-\\ ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_can_be_read() {
        for template in [UNMEASURED, MEASURED, STEP] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
