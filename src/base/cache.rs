//! Where what can be computed again is kept.

use std::path::PathBuf;

/// This user's cache folder for this program, if the platform has such a place. It may not exist yet.
pub fn cache_folder() -> Option<PathBuf> {
    Some(directories::BaseDirs::new()?.cache_dir().join("secateur"))
}
