//! Lists in files, compressed or not.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use super::{Loader, WatchList};

/// The largest list that is read, after decompression.
pub const MAX_LIST_BYTES: u64 = 512 << 20;

/// Why a list can't be used. Always a matter of what the user gave.
#[derive(Debug, thiserror::Error)]
pub enum WatchListError {
    /// The file can't be read.
    #[error("{}: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// There is more in it than anybody lists.
    #[error("{}: larger than {} MB", .path.display(), MAX_LIST_BYTES >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Not a single address.
    #[error("{}: no address in it{}", .path.display(), first(.bad))]
    Useless {
        /// The file.
        path: PathBuf,
        /// Line, column and text of the first thing that could not be read.
        bad: Option<super::BadLine>,
    },
}

fn first(bad: &Option<super::BadLine>) -> String {
    let text =
        |bad: &super::BadLine| format!("; line {}, column {} says {:?}", bad.line, bad.column, bad.text);
    bad.as_ref().map(text).unwrap_or_default()
}

/// Reads lists, in this order.
///
/// # Errors
/// When a file can't be read, or holds no address.
pub fn read(paths: &[PathBuf]) -> Result<WatchList, WatchListError> {
    let mut loader = Loader::default();
    for path in paths {
        let bytes = bytes(path)?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        let source = loader.add(&name, &bytes);
        if source.entries == 0 {
            return Err(WatchListError::Useless { path: path.clone(), bad: source.first_bad.clone() });
        }
    }
    Ok(loader.finish())
}

#[expect(clippy::disallowed_types, reason = "capped right here; decode is another room's")]
fn bytes(path: &Path) -> Result<Vec<u8>, WatchListError> {
    let unreadable = |source| WatchListError::Unreadable { path: path.to_owned(), source };
    let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
    let mut head = [0_u8; 2];
    let mut held = 0;
    while held < 2 {
        match file.read(&mut head[held..]).map_err(unreadable)? {
            0 => break,
            n => held += n,
        }
    }
    let whole = (&head[..held]).chain(file);
    let mut bytes = Vec::new();
    let limit = MAX_LIST_BYTES + 1;
    if head == [0x1f, 0x8b] {
        flate2::read::MultiGzDecoder::new(whole).take(limit).read_to_end(&mut bytes)
    } else {
        whole.take(limit).read_to_end(&mut bytes)
    }
    .map_err(unreadable)?;
    if bytes.len() as u64 > MAX_LIST_BYTES {
        return Err(WatchListError::TooLarge { path: path.to_owned() });
    }
    Ok(bytes)
}
