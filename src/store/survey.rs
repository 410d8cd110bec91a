//! Which run folders there are, and how far each has come. Like [`read_table`], it takes no lock and writes nothing.

use super::error::StoreError;
use super::folder::{IDENTITY, Owner, RESOLVED};
use super::read::{read_owner, read_resolved, read_table};
use super::rows::RunRow;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Folders below the one that is searched.
const LEVELS: usize = 2;

/// What a run folder is, at a glance. What cannot be read is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FolderSummary {
    /// Its path.
    pub dir: PathBuf,
    /// Whose results it holds.
    pub owner: Option<Owner>,
    /// The experiment's title.
    pub title: Option<String>,
    /// Runs in `results.csv`.
    pub done: Option<usize>,
    /// Those of them that failed.
    pub failed: usize,
    /// Runs that the experiment asks for.
    pub planned: Option<usize>,
    /// Lengths of its files together; files that are links to one another count once, where the system tells them.
    pub bytes: u64,
    /// When the newest of its files was written.
    pub last_write: Option<SystemTime>,
    /// What is wrong with it.
    pub problem: Option<String>,
}

/// What `resolved.json` says of the runs.
#[derive(Deserialize)]
struct PlannedRuns {
    title: String,
    seeds: Vec<u32>,
    arms: Vec<PlannedArm>,
}

#[derive(Deserialize)]
struct PlannedArm {
    variants: Vec<IgnoredAny>,
}

/// Run folders, by path: `dir` itself, or those up to two levels below it. What lies in a run folder is not searched.
///
/// # Errors
/// [`StoreError::NoResults`] if `dir` is a file, [`StoreError::Io`] if it cannot be listed. A folder below it that cannot be is passed over.
pub fn run_folders(dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut found = Vec::new();
    if is_run_folder(dir) {
        found.push(dir.to_path_buf());
    } else if dir.is_file() {
        return Err(StoreError::NoResults {
            dir: dir.to_path_buf(),
        });
    } else {
        search(dir, LEVELS, &mut found).map_err(|error| StoreError::io("read", dir, error))?;
    }
    found.sort();
    Ok(found)
}

fn search(dir: &Path, levels: usize, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if !path.is_dir() {
            continue;
        }
        if is_run_folder(&path) {
            found.push(path);
        } else if levels > 1 {
            // Others' folders lie between ours, such as lost+found.
            let _ = search(&path, levels - 1, found);
        }
    }
    Ok(())
}

/// One that has lost its identity is told by the experiment: it is damaged, and listed so.
fn is_run_folder(dir: &Path) -> bool {
    [IDENTITY, RESOLVED]
        .iter()
        .any(|name| dir.join(name).is_file())
}

/// Looks at a run folder.
pub fn summarise(dir: &Path) -> FolderSummary {
    let mut problems = Vec::new();
    let mut note = |error: StoreError| problems.push(error.to_string());
    let owner = read_owner(dir).map_err(&mut note).ok();
    let planned = read_resolved::<PlannedRuns>(dir).map_err(&mut note);
    let planned = planned.ok().flatten();
    let done = read_table::<RunRow>(dir).map_err(&mut note).ok();
    let (bytes, last_write) = weigh(dir).map_err(&mut note).unwrap_or_default();
    FolderSummary {
        dir: dir.to_path_buf(),
        owner,
        failed: done.iter().flatten().filter(|row| row.failed()).count(),
        done: done.map(|rows| rows.len()),
        planned: planned.as_ref().map(PlannedRuns::count),
        title: planned.map(|planned| planned.title),
        bytes,
        last_write,
        problem: (!problems.is_empty()).then(|| problems.join("\n")),
    }
}

impl PlannedRuns {
    fn count(&self) -> usize {
        let variants: usize = self.arms.iter().map(|arm| arm.variants.len()).sum();
        variants * self.seeds.len()
    }
}

/// Bytes of all files below a folder, and when the newest was written.
fn weigh(dir: &Path) -> Result<(u64, Option<SystemTime>), StoreError> {
    let mut linked = HashSet::new();
    let mut bytes = 0;
    let mut newest = None;
    let mut todo = vec![dir.to_path_buf()];
    // A run that goes on renames and removes files meanwhile.
    let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    while let Some(folder) = todo.pop() {
        let failed = |error| StoreError::io("read", &folder, error);
        let entries = match fs::read_dir(&folder) {
            Err(error) if gone(&error) => continue,
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let metadata = match entry.metadata() {
                Err(error) if gone(&error) => continue,
                metadata => metadata.map_err(failed)?,
            };
            if metadata.is_dir() {
                todo.push(entry.path());
                continue;
            }
            newest = newest.max(metadata.modified().ok());
            if link(&metadata).is_none_or(|link| linked.insert(link)) {
                bytes += metadata.len();
            }
        }
    }
    Ok((bytes, newest))
}

/// What a file that has several names is by all of them.
#[cfg(unix)]
fn link(metadata: &Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    (metadata.nlink() > 1).then(|| (metadata.dev(), metadata.ino()))
}

/// The standard library does not tell it here.
#[cfg(not(unix))]
fn link(_: &Metadata) -> Option<(u64, u64)> {
    None
}
