//! Where a store lies: in a directory, or in S3. Everything that reads or changes one asks here.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;

use super::inputs::{Input, Remote};
use super::{AnalyzeConfig, AnalyzeError, Cancel};
use crate::mirror::{self, Stop, Writing};
use crate::source::S3Url;
use crate::store::{Disk, Join, Need, Store, StoreError, StoreWriter};

/// Where a store lies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StorePlace {
    /// A directory.
    Directory(PathBuf),
    /// `s3://bucket/prefix`.
    S3(S3Url),
}

impl StorePlace {
    /// What the user typed.
    ///
    /// # Errors
    /// What is wrong with an URL, for people.
    pub fn parse(text: &OsStr) -> Result<Self, String> {
        let words = text.to_string_lossy();
        match S3Url::parse(&words) {
            Some(url) => url.map(Self::S3),
            None => match words.to_ascii_lowercase().split_once(':') {
                Some(("s3" | "s3a" | "gs" | "https" | "http", _)) => {
                    Err("is no directory, and not in S3".to_owned())
                }
                _ => Ok(Self::Directory(PathBuf::from(text))),
            },
        }
    }
}

impl fmt::Display for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => path.display().fmt(f),
            Self::S3(url) => url.fmt(f),
        }
    }
}

/// Opens a store to read from it. Of one in S3 only what is needed is fetched, and only that may be read then: everything
/// that reads a store, whatever for, opens it here.
///
/// # Errors
/// When there is none, it is damaged or newer than this program, or it can't be reached.
pub fn open_store(place: &StorePlace, remote: &Remote, need: &Need) -> Result<Store, StoreError> {
    open_until(place, remote, need, &Cancel::default())
}

/// As [`open_store`], which somebody may stop.
pub(super) fn open_until(
    place: &StorePlace,
    remote: &Remote,
    need: &Need,
    cancel: &Cancel,
) -> Result<Store, StoreError> {
    match place {
        StorePlace::Directory(directory) => Store::open(directory),
        StorePlace::S3(url) => mirror::open(url, &options(remote, &Disk::default(), cancel), need),
    }
}

/// What failed because somebody stopped it.
pub(super) fn stopped(error: AnalyzeError, cancel: &Cancel) -> AnalyzeError {
    match error {
        AnalyzeError::Store(StoreError::Elsewhere { .. }) if cancel.is_cancelled() => {
            AnalyzeError::Interrupted { objects: 0, bytes: 0, records: 0 }
        }
        other => other,
    }
}

fn options(remote: &Remote, disk: &Disk, cancel: &Cancel) -> mirror::Options {
    let cancel = cancel.clone();
    mirror::Options {
        connect: remote.connect.clone(),
        s3: remote.s3,
        copies: remote.copies.clone(),
        now: remote.now,
        max_requests: remote.max_requests,
        part_bytes: remote.part_bytes,
        disk: disk.clone(),
        stop: Stop::when(move || cancel.is_cancelled()),
    }
}

/// A store that is ours to change.
pub(super) struct Writable {
    pub writer: StoreWriter,
    /// Where the store is only a copy.
    original: Option<Writing>,
}

impl Writable {
    /// Opens a store with what was read; with `make`, begins one where there is none.
    pub fn open(
        place: &StorePlace,
        remote: &Remote,
        disk: &Disk,
        make: bool,
        need: &Need,
        cancel: &Cancel,
    ) -> Result<Self, StoreError> {
        match place {
            StorePlace::Directory(directory) => {
                let open = if make { StoreWriter::open } else { StoreWriter::open_existing };
                Ok(Self { writer: open(directory, disk.clone())?, original: None })
            }
            StorePlace::S3(url) => {
                let (writer, original) =
                    mirror::open_to_write(url, &options(remote, disk, cancel), make, need)?;
                Ok(Self { writer, original: Some(original) })
            }
        }
    }

    /// Makes sure that this can be read of it.
    pub fn fetch(&self, need: &Need) -> Result<(), StoreError> {
        let manifest = self.writer.store().manifest();
        self.original.as_ref().map_or(Ok(()), |original| original.fetch(manifest, need))
    }

    /// Joins files. Returns how many were joined, and into how many.
    pub fn join(&mut self, which: Join) -> Result<(u64, u64), StoreError> {
        self.fetch(&Need::files(&which.files(self.writer.store().manifest())))?;
        self.writer.join(which)
    }
}

/// Joins all files of each day. Returns how many were joined, and into how many.
///
/// # Errors
/// When there is no store, or something cannot be written: the store is as it was.
pub fn compact(place: &StorePlace, remote: &Remote, disk: &Disk) -> Result<(u64, u64), StoreError> {
    Writable::open(place, remote, disk, false, &Need::nothing(), &Cancel::default())?.join(Join::All)
}

/// Lets go of everything of days before this one (days since 1970). Returns what went: files and bytes.
///
/// # Errors
/// When there is no store, or something cannot be written: the store is as it was.
pub fn prune(
    place: &StorePlace,
    remote: &Remote,
    disk: &Disk,
    before: u32,
) -> Result<(u64, u64), StoreError> {
    Writable::open(place, remote, disk, false, &Need::nothing(), &Cancel::default())?.writer.prune(before)
}

/// The folder below which AWS delivers: there is no store in it.
const DELIVERED: &str = "AWSLogs";

/// The inputs with stores in S3 told from logs, for which S3 is asked once for each.
pub(super) fn resolve(config: &AnalyzeConfig) -> Vec<Input> {
    let is_store = |url: &S3Url| {
        let is_delivered = url.prefix.split('/').any(|folder| folder == DELIVERED);
        // Where that can't be told, listing will say why.
        !is_delivered
            && mirror::is_at(url, &options(&config.remote, &Disk::default(), &config.cancel)) == Some(true)
    };
    let told = |input: &Input| match input {
        Input::S3(url) if is_store(url) => Input::Store(StorePlace::S3(url.clone())),
        other => other.clone(),
    };
    config.inputs.iter().map(told).collect()
}

/// A store is no source of a store.
pub(super) fn refuse_stores(inputs: &[Input]) -> Result<(), AnalyzeError> {
    let found = inputs.iter().find(|input| matches!(input, Input::Store(_)));
    found.map_or(Ok(()), |input| {
        Err(StoreError::Elsewhere {
            message: format!("{input}: is a store"),
            help: "name the logs it was made of".to_owned(),
        }
        .into())
    })
}
