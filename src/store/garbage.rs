//! What a store holds that no row of a table needs.

use super::error::StoreError;
use super::lock::{FolderLock, LockKind};
use super::planned::{PlannedRun, read_planned};
use super::stage_store::StageStore;
use crate::base::{TEMPORARY, is_dead};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Why something is kept, or can go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A run ends with this stage: its row, weights and mask are made from it.
    EndsARun,
    /// A stage within a run, of which the table needs what it says beside its weights.
    WithinARun,
    /// What an interrupted training has come to.
    Interrupted,
    /// The weights of a stage within a run: what it says beside them stays.
    WeightsWithinARun,
    /// No run that is asked for has this stage.
    NotAskedFor,
    /// It was set aside as damaged.
    Damaged,
    /// Something that was never finished.
    Unfinished,
}

impl Reason {
    /// In words.
    pub fn text(self) -> &'static str {
        match self {
            Self::EndsARun => {
                "runs end with them: their rows, weights and masks are made from them"
            }
            Self::WithinARun => "stages within runs: their curves, without weights",
            Self::Interrupted => "what interrupted trainings have come to",
            Self::WeightsWithinARun => {
                "weights of stages within runs; a new arm that starts there would train them again"
            }
            Self::NotAskedFor => "stages, weights and masks that no run asks for any more",
            Self::Damaged => "set aside as damaged",
            Self::Unfinished => "left by killed processes",
        }
    }

    /// Whether it can go.
    pub fn is_garbage(self) -> bool {
        self >= Self::WeightsWithinARun
    }
}

/// A file, its length, and why it is kept or can go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgedFile {
    /// The file.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// Why.
    pub reason: Reason,
}

/// What lies in a run folder or a store, judged.
#[derive(Debug)]
pub struct Garbage {
    store: StageStore,
    /// Run folders that have their stages here.
    pub users: Vec<PathBuf>,
    /// Run folders that had, and are gone.
    pub gone: Vec<PathBuf>,
    /// Every file that is a stage's or a run's.
    pub files: Vec<JudgedFile>,
    /// Held until it is dropped, so that no run begins meanwhile.
    _locks: Vec<FolderLock>,
}

impl Garbage {
    /// Judges what lies in a run folder, or in a store that run folders share.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if something is computed there, [`StoreError::NoResults`] if it is neither, [`StoreError::Damaged`],
    /// [`StoreError::Io`].
    pub fn judge(dir: &Path) -> Result<Self, StoreError> {
        let store = StageStore::at(dir);
        let mut users = store.users();
        let own = read_planned(dir)?;
        if own.is_some() {
            users.push(dir.to_path_buf());
        }
        if users.is_empty() {
            return Err(StoreError::NoResults {
                dir: dir.to_path_buf(),
            });
        }
        if is_claimed(dir) {
            return Err(StoreError::Busy {
                dir: dir.to_path_buf(),
            });
        }
        let mut garbage = Self {
            store,
            users: Vec::new(),
            gone: Vec::new(),
            files: Vec::new(),
            _locks: Vec::new(),
        };
        let mut asked = Asked::default();
        for user in users {
            match read_planned(&user)? {
                Some(runs) => {
                    garbage
                        ._locks
                        .push(FolderLock::take(&user, LockKind::Alone)?);
                    asked.enter(&runs);
                    garbage.views(&user, &runs);
                    garbage.users.push(user);
                }
                None => garbage.gone.push(user),
            }
        }
        garbage.stages(&asked);
        Ok(garbage)
    }

    /// Files and bytes, by reason.
    pub fn sums(&self) -> BTreeMap<Reason, (usize, u64)> {
        let mut sums = BTreeMap::new();
        for file in &self.files {
            let sum: &mut (usize, u64) = sums.entry(file.reason).or_default();
            sum.0 += 1;
            sum.1 += file.bytes;
        }
        sums
    }

    /// Removes what can go.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if a stage is not what its name says, [`StoreError::Io`].
    pub fn remove(&self) -> Result<(), StoreError> {
        for file in self.files.iter().filter(|file| file.reason.is_garbage()) {
            match (file.reason, digest_of(&file.path)) {
                (Reason::WeightsWithinARun, Some(digest)) => self.store.free_tensors(&digest)?,
                _ => fs::remove_file(&file.path)
                    .map_err(|error| StoreError::io("remove", &file.path, error))?,
            }
        }
        Ok(())
    }

    fn stages(&mut self, asked: &Asked) {
        for (path, bytes, name) in files(&self.store.dir().join("stages")) {
            let (digest, kind) = name.split_once('.').unwrap_or((&name, ""));
            let reason = match kind {
                _ if name.starts_with(TEMPORARY) => match is_dead(&name[TEMPORARY.len()..]) {
                    true => Reason::Unfinished,
                    false => continue,
                },
                "damaged" => Reason::Damaged,
                _ if !asked.all.contains(digest) => Reason::NotAskedFor,
                "partial" if self.store.has(digest) => Reason::Unfinished,
                "partial" => Reason::Interrupted,
                _ if asked.ends.contains(digest) => Reason::EndsARun,
                "safetensors" => Reason::WeightsWithinARun,
                "scores.json" => Reason::NotAskedFor,
                _ => Reason::WithinARun,
            };
            self.files.push(JudgedFile {
                path,
                bytes,
                reason,
            });
        }
    }

    /// The other names of what runs end with. Those of other runs can go; the rest is no garbage of its own.
    fn views(&mut self, folder: &Path, runs: &[PlannedRun]) {
        let names: BTreeSet<String> = runs
            .iter()
            .map(|run| format!("{}.safetensors", run.run))
            .collect();
        for kind in ["weights", "masks"] {
            for (path, bytes, name) in files(&folder.join(kind)) {
                if !names.contains(&name) && name.ends_with(".safetensors") {
                    self.files.push(JudgedFile {
                        bytes: if is_linked(&path) { 0 } else { bytes },
                        path,
                        reason: Reason::NotAskedFor,
                    });
                }
            }
        }
    }
}

/// Stages that run folders ask for.
#[derive(Default)]
struct Asked {
    all: BTreeSet<String>,
    ends: BTreeSet<String>,
}

impl Asked {
    fn enter(&mut self, runs: &[PlannedRun]) {
        for run in runs {
            let kept = run.stages.iter().filter(|stage| stage.kept);
            self.all.extend(kept.map(|stage| stage.digest.clone()));
            self.ends
                .extend(run.stages.last().map(|stage| stage.digest.clone()));
        }
    }
}

/// The files of a folder, with their lengths and names, by name.
fn files(folder: &Path) -> Vec<(PathBuf, u64, String)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<(PathBuf, u64, String)> = entries
        .filter_map(|entry| {
            let metadata = entry.metadata().ok()?;
            let name = entry.file_name().into_string().ok()?;
            metadata
                .is_file()
                .then(|| (entry.path(), metadata.len(), name))
        })
        .collect();
    files.sort();
    files
}

/// Whether a file has another name, so that this one takes no room of its own.
fn is_linked(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(path).is_ok_and(|metadata| metadata.nlink() > 1)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

fn digest_of(path: &Path) -> Option<String> {
    Some(path.file_stem()?.to_str()?.to_owned())
}

/// Whether a process that may live works in a store.
fn is_claimed(dir: &Path) -> bool {
    let workers = files(&dir.join("claims"));
    let mut workers = workers
        .iter()
        .filter_map(|(_, _, name)| name.strip_suffix(".worker"));
    workers.any(|worker| !is_dead(worker))
}
