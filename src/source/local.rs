//! Files, directories, patterns and standard input.

mod pattern;
mod walk;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc::Sender;
use tokio::task::{JoinError, spawn_blocking};

use super::{BoxFuture, CHUNK_BYTES, Listing, Object, STDIN, Selection, Source, SourceError, check_length};

/// Anything that bytes can be read from, on whichever thread.
type Input = Box<dyn Read + Send>;

/// The file system and standard input, as far as the user named them.
///
/// An input is, in this order: `-` for standard input, a file (taken whatever its name), a directory
/// (walked, see below), or a pattern if nothing of that very name exists.
///
/// A walk goes into every directory once, follows symbolic links, passes over hidden names, and takes
/// the files whose ending flow logs have. JSON files are taken too, marked
/// [`super::ContentHint::Json`]: whether one is an export of CloudWatch Logs or an inventory dump can't
/// be told by name. A pattern takes every file it matches except for hidden ones and known
/// non-logs such as `README.md`; `*` stays within a directory, `**` goes below it.
pub struct LocalSource {
    inputs: Vec<PathBuf>,
    /// Taken by the one fetch of standard input.
    stdin: Mutex<Option<Input>>,
}

impl LocalSource {
    /// A source of these inputs. The order and repetitions don't matter.
    #[must_use]
    pub fn new<P: Into<PathBuf>>(inputs: impl IntoIterator<Item = P>) -> Self {
        let mut inputs: Vec<PathBuf> = inputs.into_iter().map(Into::into).collect();
        inputs.sort();
        inputs.dedup();
        Self { inputs, stdin: Mutex::new(Some(Box::new(io::stdin()))) }
    }

    /// Reads this in place of the process's standard input.
    #[must_use]
    pub fn with_stdin(self, stdin: impl Read + Send + 'static) -> Self {
        Self { stdin: Mutex::new(Some(Box::new(stdin))), ..self }
    }

    async fn open(&self, name: &str) -> Result<Input, SourceError> {
        if name == STDIN {
            // Only an assignment happens under this lock, so a poisoned one is as good as new.
            let stdin = self.stdin.lock().unwrap_or_else(PoisonError::into_inner).take();
            return stdin.ok_or(SourceError::StdinTwice);
        }
        let path = PathBuf::from(name);
        match off_thread(move || File::open(path)).await.map_err(|Gone| interrupted(name))? {
            Ok(file) => Ok(Box::new(file)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                Err(SourceError::Vanished { name: name.to_owned() })
            }
            Err(e) => Err(SourceError::from_io(name, e)),
        }
    }
}

impl Source for LocalSource {
    fn list<'a>(&'a self, selection: &'a Selection) -> BoxFuture<'a, Listing> {
        Box::pin(async move {
            let looked_in =
                self.inputs.iter().map(|input| input.to_string_lossy()).collect::<Vec<_>>().join(", ");
            if self.inputs.is_empty() {
                return Listing { errors: vec![SourceError::NoInput], ..Listing::default() };
            }
            let inputs = self.inputs.clone();
            match off_thread(move || walk::find(&inputs)).await {
                Ok((found, skipped, errors)) => Listing::build(found, skipped, errors, selection, &looked_in),
                Err(Gone) => Listing { errors: vec![interrupted(&looked_in)], ..Listing::default() },
            }
        })
    }

    fn has_ranges(&self, object: &Object) -> bool {
        object.name != STDIN && object.size.is_some()
    }

    fn fetch_range<'a>(
        &'a self,
        object: &'a Object,
        range: Range<u64>,
    ) -> BoxFuture<'a, Result<Bytes, SourceError>> {
        Box::pin(async move {
            let path = PathBuf::from(&object.name);
            let read = off_thread(move || read_range(&path, &range)).await;
            match read.map_err(|Gone| interrupted(&object.name))? {
                Ok(bytes) => Ok(bytes),
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    Err(SourceError::Vanished { name: object.name.clone() })
                }
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                    let got = std::fs::metadata(&object.name).map_or(0, |file| file.len());
                    Err(SourceError::Short {
                        name: object.name.clone(),
                        expected: object.size.unwrap_or(0),
                        got,
                    })
                }
                Err(e) => Err(SourceError::from_io(&object.name, e)),
            }
        })
    }

    fn fetch<'a>(&'a self, object: &'a Object, to: Sender<Bytes>) -> BoxFuture<'a, Result<u64, SourceError>> {
        Box::pin(async move {
            let mut input = self.open(&object.name).await?;
            let mut sent = 0;
            loop {
                // One job per chunk, so that a dropped fetch leaves no thread waiting for the channel.
                let (chunk, rest) = off_thread(move || (read_chunk(&mut input), input))
                    .await
                    .map_err(|Gone| interrupted(&object.name))?;
                input = rest;
                let chunk = chunk.map_err(|e| SourceError::from_io(&object.name, e))?;
                if chunk.is_empty() {
                    return check_length(object, sent);
                }
                let length = chunk.len() as u64;
                if to.send(chunk).await.is_err() {
                    return Ok(sent);
                }
                sent += length;
            }
        })
    }
}

fn read_range(path: &Path, range: &Range<u64>) -> io::Result<Bytes> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(range.start))?;
    let length = usize::try_from(range.end.saturating_sub(range.start)).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes)?;
    Ok(bytes.into())
}

/// Reads a full chunk, or what is left, or nothing at the end.
fn read_chunk(input: &mut Input) -> io::Result<Bytes> {
    let mut chunk = Vec::with_capacity(CHUNK_BYTES);
    input.take(CHUNK_BYTES as u64).read_to_end(&mut chunk)?;
    Ok(chunk.into())
}

/// The runtime shut down before the work was done.
struct Gone;

/// Runs blocking work where it holds up no other task.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Gone> {
    spawn_blocking(work).await.map_err(|e: JoinError| match e.try_into_panic() {
        // A panic in there is ours: it goes on as if the work had been done here.
        Ok(panic) => resume_unwind(panic),
        Err(_) => Gone,
    })
}

fn interrupted(name: &str) -> SourceError {
    SourceError::Interrupted { name: name.to_owned() }
}
