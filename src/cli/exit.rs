//! What the exit code says.

use std::process::ExitCode;

/// How a run ended. A code never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Complete, and nothing to report.
    Clean,
    /// Complete, and something to report.
    Findings,
    /// The user asked for something impossible.
    Usage,
    /// No result.
    Failed,
    /// There is a result that something not read could change.
    Incomplete,
    /// A signal stopped it: nothing was concluded.
    Interrupted,
}

impl Exit {
    /// Every exit code, in order.
    pub const ALL: [Self; 6] =
        [Self::Clean, Self::Findings, Self::Usage, Self::Failed, Self::Incomplete, Self::Interrupted];

    /// The number.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Findings => 1,
            Self::Usage => 2,
            Self::Failed => 3,
            Self::Incomplete => 4,
            // 128 and the number of SIGINT, as shells have it.
            Self::Interrupted => 130,
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::Clean => "complete, nothing at or above --fail-on",
            Self::Findings => "complete, something is",
            Self::Usage => "usage or configuration error",
            Self::Failed => "failed, no result",
            Self::Incomplete => "finished but incomplete (wins over 0 and 1)",
            Self::Interrupted => "stopped by Ctrl-C, nothing concluded",
        }
    }

    /// The table of the help.
    pub(super) fn table() -> String {
        let rows: Vec<String> =
            Self::ALL.iter().map(|exit| format!("  {:<3}  {}", exit.code(), exit.meaning())).collect();
        format!("Exit codes:\n{}", rows.join("\n"))
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
