//! Files of the run folder, with the store's errors.

use super::error::StoreError;
use crate::base::write_whole;
use serde::de::DeserializeOwned;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// Writes a file whole or not at all; see [`write_whole`].
///
/// # Errors
/// [`StoreError::Io`] with the operating system's reason, or the one `fill` returned.
pub fn write_atomic(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), StoreError> {
    write_whole(path, fill).map_err(|error| StoreError::io("write", path, error))
}

/// Writes a file that can be made again from what the folder holds, such as a run's mask from its stage: the same bytes again touch
/// nothing, and others take the place of those that are there.
///
/// # Errors
/// [`StoreError::Io`].
pub fn write_view(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    match fs::read(path) {
        Ok(old) if old == bytes => Ok(()),
        _ => write_atomic(path, |file| file.write_all(bytes)),
    }
}

/// Reads a file; `None` where there is none.
///
/// # Errors
/// [`StoreError::Io`].
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::io("read", path, error)),
    }
}

/// What to do about a damaged file that each run writes.
pub const WRITTEN_ANEW: &str =
    "remove it and run its experiment again in this folder: it is written anew";

/// Reads a file of JSON; `None` where there is none. `next` says what to do about a damaged one.
///
/// # Errors
/// [`StoreError::Damaged`] or [`StoreError::Io`].
pub fn read_json<T: DeserializeOwned>(
    path: &Path,
    next: &'static str,
) -> Result<Option<T>, StoreError> {
    let Some(bytes) = read(path)? else {
        return Ok(None);
    };
    let value = serde_json::from_slice(&bytes);
    value.map(Some).map_err(|error| StoreError::Damaged {
        path: path.to_path_buf(),
        reason: error.to_string(),
        next,
    })
}

/// Writes a file where there is none; of several writers at once, one does.
///
/// # Errors
/// [`StoreError::Io`].
pub fn write_first(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    match fs::File::create_new(path).and_then(|mut file| file.write_all(bytes)) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(StoreError::io("write", path, error))
        }
        _ => Ok(()),
    }
}

/// Writes a file that must never change afterwards: the same bytes again are fine, others are refused.
///
/// # Errors
/// [`StoreError::Exists`] if `path` holds other bytes, [`StoreError::Io`] otherwise.
pub fn write_once(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    match fs::read(path) {
        Ok(old) if old == bytes => Ok(()),
        Ok(_) => Err(StoreError::Exists {
            path: path.to_path_buf(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            write_atomic(path, |file| file.write_all(bytes))
        }
        Err(error) => Err(StoreError::io("read", path, error)),
    }
}
