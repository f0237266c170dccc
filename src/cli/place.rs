//! Options of everything that works on a store: the same words everywhere.

use std::path::{Path, PathBuf};

use super::Environment;
use super::aws::AwsArguments;
use super::failure::{Failure, Problem};
use crate::pipeline::{Remote, StorePlace};
use crate::source::S3Options;

/// Which store, and how to get at it if it is in S3.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct PlaceArguments {
    /// Directory of the store, or `s3://bucket/prefix`
    #[arg(long, value_name = "DIR", required = true)]
    pub store: PathBuf,

    #[command(flatten)]
    pub access: AccessArguments,
}

/// How to get at what is in S3: a store, or logs.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct AccessArguments {
    #[command(flatten)]
    pub aws: AwsArguments,
    /// Name the bucket in the path of an URL, not in its host
    #[arg(long, help_heading = "AWS")]
    pub path_style: bool,
    /// Pay for requests to buckets whose requester pays
    #[arg(long, help_heading = "AWS")]
    pub requester_pays: bool,
    /// Where copies of stores in S3 are kept [default: flowgate/stores in the user's cache directory]
    #[arg(long, value_name = "DIR", help_heading = "AWS")]
    pub store_cache: Option<PathBuf>,
}

impl PlaceArguments {
    /// Where it is.
    ///
    /// # Errors
    /// Everything that is wrong, not only the first.
    pub fn place(&self, environment: &Environment) -> Result<(StorePlace, Remote), Failure> {
        self.access.place(&self.store, environment)
    }
}

impl AccessArguments {
    /// Where a store is, and how to get at it.
    ///
    /// # Errors
    /// Everything that is wrong, not only the first.
    pub fn place(&self, store: &Path, environment: &Environment) -> Result<(StorePlace, Remote), Failure> {
        let mut problems = self.aws.problems();
        match place(store) {
            Ok(place) if problems.is_empty() => return Ok((place, self.remote(environment))),
            Ok(_) => {}
            Err(problem) => problems.push(problem),
        }
        Err(Failure::usage(problems))
    }

    /// What they say of S3; everything else as always.
    pub fn remote(&self, environment: &Environment) -> Remote {
        let cache =
            || environment.cache_directory.as_ref().map(|cache| cache.join("flowgate").join("stores"));
        Remote {
            connect: self.aws.connect(environment),
            s3: S3Options { requester_pays: self.requester_pays, path_style: self.path_style },
            now: environment.now,
            copies: self.store_cache.clone().or_else(cache),
            ..Remote::default()
        }
    }
}

/// What `--store` names.
pub(super) fn place(text: &Path) -> Result<StorePlace, Problem> {
    if text.is_file() {
        return Err(Problem::new(format!("--store {}: is a file", text.display()))
            .help("name the directory of a store, or a new one"));
    }
    StorePlace::parse(text.as_os_str()).map_err(|reason| {
        Problem::new(format!("--store {}: {reason}", text.display()))
            .help("name a directory, or write it like s3://bucket/prefix")
    })
}
