//! What to tell when it did not work.

use std::io::{self, Write};
use std::path::Path;

use super::Exit;
use crate::pipeline::{AnalyzeError, ErrorKind};
use crate::report::{Look, Page, ReportError, Span, Tone};

/// Something wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub message: String,
    /// Lines of a file, shown as they are.
    pub excerpt: Vec<String>,
    pub help: Option<String>,
}

impl Problem {
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), excerpt: Vec::new(), help: None }
    }

    /// A file or directory that an option names is not there.
    pub fn missing(flag: &str, path: &Path) -> Self {
        let named = path.to_string_lossy();
        if named.starts_with("s3://") {
            // A dump is some files, read whole; logs and stores are what can stay in S3.
            return Self::new(format!("{flag}{named}: only files and directories can be read here")).help(
                format!("copy it first: `aws s3 cp --recursive {named} inventory/`, then name the directory"),
            );
        }
        Self::new(format!("{flag}{}: no such file or directory", path.display()))
            .help("check the spelling and the current directory")
    }

    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    pub fn excerpt(self, lines: impl IntoIterator<Item = String>) -> Self {
        Self { excerpt: lines.into_iter().collect(), ..self }
    }
}

/// A run without a result: all that is wrong, and how it ends.
#[derive(Debug)]
pub(super) struct Failure {
    pub exit: Exit,
    pub problems: Vec<Problem>,
}

impl Failure {
    pub fn usage(problems: Vec<Problem>) -> Self {
        Self { exit: Exit::Usage, problems }
    }

    pub fn failed(problem: Problem) -> Self {
        Self { exit: Exit::Failed, problems: vec![problem] }
    }

    /// Writes `error: …` and `  = help: …` for each problem.
    pub fn show(&self, look: Look, stderr: &mut dyn Write) -> io::Result<()> {
        let page = &mut Page::new(stderr, look);
        for problem in &self.problems {
            // Lines of a list stay lines, but below the first, so that none can pass for an error.
            let mut lines = problem.message.lines();
            page.flow(
                &[Span::new(Tone::Bad, "error:"), Span::plain(" ")],
                2,
                &[Span::plain(lines.next().unwrap_or_default())],
            )?;
            for line in lines {
                page.flow(&[Span::plain("  ")], 4, &[Span::plain(line.trim_start())])?;
            }
            for line in &problem.excerpt {
                page.line(&[Span::plain("  "), Span::new(Tone::Faint, &**line)])?;
            }
            if let Some(help) = &problem.help {
                page.flow(&[Span::new(Tone::Note, "  = help: ")], 4, &[Span::plain(&**help)])?;
            }
        }
        Ok(())
    }
}

impl From<AnalyzeError> for Failure {
    fn from(error: AnalyzeError) -> Self {
        let problems = vec![Problem { help: error.help(), ..Problem::new(error.to_string()) }];
        match error.kind() {
            ErrorKind::Configuration => Self::usage(problems),
            ErrorKind::Failed => Self { exit: Exit::Failed, problems },
            ErrorKind::Interrupted => Self { exit: Exit::Interrupted, problems },
        }
    }
}

impl From<ReportError> for Problem {
    fn from(error: ReportError) -> Self {
        Self::new(format!("--out {error}"))
    }
}

/// What became of writing to standard output. A reader that has seen enough (`| head`) is no failure.
pub(super) fn written(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::failed(
            Problem::new(format!("can't write to standard output: {error}"))
                .help("check where it is redirected to"),
        )),
        _ => Ok(()),
    }
}
