//! Where data is looked for.

use std::path::{Path, PathBuf};

use super::DataError;

/// Folders that may hold datasets, in the order they are looked in; a dataset lies in a folder of its own name in one
/// of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchPath(Vec<PathBuf>);

impl SearchPath {
    /// The folder named on the command line (`--data DIR`), then the environment variable `SECATEUR_DATA`, then the
    /// user's data folder on this platform.
    pub fn new(explicit: Option<PathBuf>) -> Self {
        let variable = std::env::var_os("SECATEUR_DATA")
            .filter(|value| !value.is_empty())
            .map(PathBuf::from);
        let user = directories::BaseDirs::new().map(|base| base.data_dir().join("secateur"));
        let mut places: Vec<PathBuf> = Vec::new();
        for place in [explicit, variable, user].into_iter().flatten() {
            if !places.contains(&place) {
                places.push(place);
            }
        }
        Self(places)
    }

    /// Exactly these folders.
    pub fn of(places: Vec<PathBuf>) -> Self {
        Self(places)
    }

    /// The folders, in the order they are looked in.
    pub fn places(&self) -> &[PathBuf] {
        &self.0
    }

    /// The folder that downloads go into: the first one.
    ///
    /// # Errors
    /// [`DataError::NoFolder`] if there is none.
    pub fn download_root(&self) -> Result<&Path, DataError> {
        self.0
            .first()
            .map(PathBuf::as_path)
            .ok_or(DataError::NoFolder)
    }
}
