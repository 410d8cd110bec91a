//! The run folder: its layout, its lock, and whose results it holds.

use super::columns::Row;
use super::csv::{append_csv, from_csv, to_csv};
use super::data_record::DataRecord;
use super::error::StoreError;
use super::mask::{MaskOrigin, save_mask};
use super::partial::{self, Partial};
use super::stage::{self, StageState};
use super::write::{write_atomic, write_once};
use crate::base::{TEMPORARY, folder_of, sync_folder, temporary_in};
use crate::model::{Mask, Tensor};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const IDENTITY: &str = "folder.json";
const LOCK: &str = ".lock";
const FOLDERS: [&str; 4] = ["stages", "weights", "masks", "plots"];
/// What this program writes at the top of a run folder, apart from the identity and the lock.
const FILES: [&str; 9] = [
    "experiment.toml",
    "resolved.json",
    "data.json",
    "results.csv",
    "curves.csv",
    "rounds.csv",
    "overlap.csv",
    "times.csv",
    "speed.csv",
];

/// Whose results a folder holds. Written first, so a folder without it holds nothing of ours.
#[derive(Serialize, Deserialize)]
struct Identity {
    format: String,
    version: u32,
    experiment: String,
    experiment_digest: String,
}

/// An open run folder, locked against other processes until dropped.
///
/// ```text
/// folder.json        whose results these are
/// experiment.toml    the experiment as written      resolved.json   the same with every default filled in
/// data.json          what the results were computed on
/// results.csv        one row per run                curves.csv      one row per run and epoch
/// rounds.csv         one row per run, step and layer  overlap.csv   one row per pair of masks
/// times.csv          what differs each time it is computed; speed.csv likewise, where it was asked for
/// stages/<digest>.safetensors                       masks/<run>.safetensors
/// stages/<digest>.partial, while it is computed
/// weights/<run>.safetensors                         plots/<name>.svg, .png
/// ```
#[derive(Debug)]
pub struct RunFolder {
    dir: PathBuf,
    resumed: bool,
    warning: Option<String>,
    /// Holding the file open holds the lock.
    _lock: File,
}

impl RunFolder {
    /// Creates or continues the folder of one experiment.
    ///
    /// A probe is written first, so that a read-only or full place is found before anything is computed. `experiment_digest` decides
    /// whether a folder's results are this experiment's; `experiment_text` and `resolved_json` are kept beside the results.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the folder cannot be made or written, [`StoreError::Busy`] if another process writes it,
    /// [`StoreError::OtherExperiment`] or [`StoreError::NotARunFolder`] if it is in use for something else (nothing is changed then),
    /// [`StoreError::Damaged`] if its identity cannot be read.
    pub fn open(
        dir: &Path,
        experiment_name: &str,
        experiment_digest: &str,
        experiment_text: &str,
        resolved_json: &str,
    ) -> Result<RunFolder, StoreError> {
        fs::create_dir_all(dir).map_err(|error| StoreError::io("create", dir, error))?;
        // Looking comes before the lock file: a folder that is not ours gets nothing written into it.
        let found = check_identity(dir, experiment_name, experiment_digest)?;
        probe(dir)?;
        let (lock, warning) = lock(dir)?;
        // Another process may have claimed the folder between the look and the lock.
        let resumed = found || check_identity(dir, experiment_name, experiment_digest)?;
        remove_leftovers(dir);
        if !resumed {
            let identity = Identity {
                format: "secateur-run".into(),
                version: 1,
                experiment: experiment_name.into(),
                experiment_digest: experiment_digest.into(),
            };
            let text = serde_json::to_string_pretty(&identity).unwrap_or_default() + "\n";
            write_once(&dir.join(IDENTITY), text.as_bytes())?;
        }
        for name in FOLDERS {
            let path = dir.join(name);
            fs::create_dir_all(&path).map_err(|error| StoreError::io("create", &path, error))?;
        }
        // The digest says it is the same experiment; comments may have changed since, and the first text stays.
        for (name, text) in [
            ("experiment.toml", experiment_text),
            ("resolved.json", resolved_json),
        ] {
            let path = dir.join(name);
            if !path.exists() {
                write_atomic(&path, |file| file.write_all(text.as_bytes()))?;
            }
        }
        Ok(RunFolder {
            dir: dir.to_path_buf(),
            resumed,
            warning,
            _lock: lock,
        })
    }

    /// The folder's path.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether the folder already belonged to this experiment.
    pub fn resumed(&self) -> bool {
        self.resumed
    }

    /// Something the user should read: the file system cannot lock, so nothing keeps two processes apart.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// Writes `data.json`: what the results are computed on.
    ///
    /// # Errors
    /// [`StoreError::Io`]; the old file stays.
    pub fn write_data(&self, records: &[DataRecord]) -> Result<(), StoreError> {
        let text = serde_json::to_string_pretty(records).unwrap_or_default() + "\n";
        self.write("data.json", text.as_bytes())
    }

    /// Rewrites a table with these rows, in the order given.
    ///
    /// # Errors
    /// [`StoreError::Io`]; the old file stays.
    pub fn write_rows<R: Row>(&self, rows: &[R]) -> Result<(), StoreError> {
        self.write(R::FILE, &to_csv(rows))
    }

    /// Adds rows to a table whose columns do not depend on them; those that are there stay.
    ///
    /// # Errors
    /// [`StoreError::Io`]; the old file stays. [`StoreError::Damaged`] if the old file is no such table.
    pub fn append_rows<R: Row>(&self, rows: &[R]) -> Result<(), StoreError> {
        let old = self.read(R::FILE)?.unwrap_or_default();
        let new = append_csv(&old, rows).map_err(|reason| self.damaged(R::FILE, reason))?;
        self.write(R::FILE, &new)
    }

    /// Reads a table; empty if there is none yet. `axes` names the experiment's sweep axes.
    ///
    /// # Errors
    /// [`StoreError::Io`] or [`StoreError::Damaged`].
    pub fn read_rows<R: Row>(&self, axes: &[String]) -> Result<Vec<R>, StoreError> {
        match self.read(R::FILE)? {
            None => Ok(Vec::new()),
            Some(bytes) => from_csv(&bytes, axes).map_err(|reason| self.damaged(R::FILE, reason)),
        }
    }

    /// Keeps a stage under its digest. Saving the same state again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if the file holds another state, [`StoreError::Layout`] if `state` does not fit `tensors`,
    /// [`StoreError::Io`] otherwise.
    pub fn save_stage(
        &self,
        digest: &str,
        tensors: &[Tensor],
        state: &StageState,
    ) -> Result<(), StoreError> {
        stage::save(&self.stage_path(digest), digest, tensors, state)
    }

    /// Reads a stage; `None` if it was never saved. Weights and mask have the lengths they were saved with.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the file is truncated, altered, or of another model: it is never computed again silently.
    pub fn load_stage(
        &self,
        digest: &str,
        tensors: &[Tensor],
    ) -> Result<Option<StageState>, StoreError> {
        stage::load(&self.stage_path(digest), digest, tensors)
    }

    /// What a stage says beside its tensors; `None` if it was never saved.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the file is not that stage's.
    pub fn stage_meta(&self, digest: &str) -> Result<Option<BTreeMap<String, String>>, StoreError> {
        stage::load_meta(&self.stage_path(digest), digest)
    }

    /// Saves what a stage has come to, in place of what was saved of it before.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn save_partial(&self, digest: &str, partial: &Partial) -> Result<(), StoreError> {
        partial::save(&self.partial_path(digest), digest, partial)
    }

    /// What a stage had come to; nothing where that was not saved, or is damaged.
    pub fn load_partial(&self, digest: &str) -> Option<Partial> {
        partial::load(&self.partial_path(digest), digest)
    }

    /// Removes it: the stage is finished. One that cannot be removed is not read again.
    pub fn remove_partial(&self, digest: &str) {
        let _ = fs::remove_file(self.partial_path(digest));
    }

    fn partial_path(&self, digest: &str) -> PathBuf {
        self.dir.join("stages").join(format!("{digest}.partial"))
    }

    /// Whether a stage was saved (its contents are not looked at).
    pub fn has_stage(&self, digest: &str) -> bool {
        self.stage_path(digest).exists()
    }

    /// Where a stage lies.
    pub fn stage_path(&self, digest: &str) -> PathBuf {
        self.dir
            .join("stages")
            .join(format!("{digest}.safetensors"))
    }

    /// Where the weights of a run lie; `name` is one of [`run_names`](super::run_names).
    pub fn weights_path(&self, name: &str) -> PathBuf {
        self.dir.join("weights").join(format!("{name}.safetensors"))
    }

    /// Where the mask of a run lies; `name` is one of [`run_names`](super::run_names).
    pub fn mask_path(&self, name: &str) -> PathBuf {
        self.dir.join("masks").join(format!("{name}.safetensors"))
    }

    /// Gives the last stage of a finished run its readable name: a hard link, or a copy where links fail.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the stage is missing or neither works, [`StoreError::Exists`] if the name has other contents.
    pub fn link_weights(&self, name: &str, stage_digest: &str) -> Result<PathBuf, StoreError> {
        let stage = self.stage_path(stage_digest);
        let path = self.weights_path(name);
        if path.exists() || fs::hard_link(&stage, &path).is_err() {
            let bytes = fs::read(&stage).map_err(|error| StoreError::io("read", &stage, error))?;
            write_once(&path, &bytes)?;
        } else {
            let folder = folder_of(&path);
            sync_folder(folder).map_err(|error| StoreError::io("write", folder, error))?;
        }
        Ok(path)
    }

    /// Keeps the mask of a run; see [`save_mask`].
    ///
    /// # Errors
    /// As [`save_mask`].
    pub fn save_run_mask(
        &self,
        name: &str,
        tensors: &[Tensor],
        mask: &Mask,
        origin: &MaskOrigin,
    ) -> Result<PathBuf, StoreError> {
        let path = self.mask_path(name);
        save_mask(&path, tensors, mask, origin)?;
        Ok(path)
    }

    /// Writes one file under `plots/`, replacing an older drawing of the same results. `file_name` includes the extension.
    ///
    /// # Errors
    /// [`StoreError::Io`]; the old file stays.
    pub fn save_plot(&self, file_name: &str, bytes: &[u8]) -> Result<PathBuf, StoreError> {
        let path = self.dir.join("plots").join(file_name);
        write_atomic(&path, |file| file.write_all(bytes))?;
        Ok(path)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        write_atomic(&self.dir.join(name), |file| file.write_all(bytes))
    }

    fn damaged(&self, name: &str, reason: String) -> StoreError {
        StoreError::Damaged {
            path: self.dir.join(name),
            reason,
            next: "move it away and run the same command again",
        }
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.dir.join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("read", &path, error)),
        }
    }
}

/// Whether the folder is this experiment's (true) or free (false); anything else is an error.
fn check_identity(dir: &Path, name: &str, digest: &str) -> Result<bool, StoreError> {
    let path = dir.join(IDENTITY);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return match FILES
                .iter()
                .chain(&FOLDERS)
                .find(|name| dir.join(name).exists())
            {
                None => Ok(false),
                Some(found) => Err(StoreError::NotARunFolder {
                    dir: dir.to_path_buf(),
                    found: (*found).to_owned(),
                }),
            };
        }
        Err(error) => return Err(StoreError::io("read", &path, error)),
    };
    let identity: Identity = serde_json::from_str(&text).map_err(|error| StoreError::Damaged {
        path: path.clone(),
        reason: error.to_string(),
        next: "restore it from a copy, or choose another folder with `--out DIR`",
    })?;
    if identity.experiment_digest == digest {
        Ok(true)
    } else {
        Err(StoreError::OtherExperiment {
            dir: dir.to_path_buf(),
            their_name: identity.experiment,
            their_digest: identity.experiment_digest,
            our_name: name.to_owned(),
            our_digest: digest.to_owned(),
        })
    }
}

/// Writes and forgets a little file. 64 KiB: enough that a full disk cannot hide it in an inode.
fn probe(dir: &Path) -> Result<(), StoreError> {
    let write = || -> io::Result<()> {
        let mut file = temporary_in(dir)?;
        file.write_all(&[0x5a; 65536])?;
        file.as_file().sync_all()
    };
    write().map_err(|error| StoreError::io("write into", dir, error))
}

fn lock(dir: &Path) -> Result<(File, Option<String>), StoreError> {
    let path = dir.join(LOCK);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| StoreError::io("write", &path, error))?;
    match file.try_lock() {
        Ok(()) => Ok((file, None)),
        Err(TryLockError::WouldBlock) => Err(StoreError::Busy {
            dir: dir.to_path_buf(),
        }),
        // Some network file systems have no locks. Refusing would make them useless; silence would hide the risk.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
            let text = format!(
                "{} cannot be locked ({error}): do not run two processes in it at once",
                dir.display()
            );
            Ok((file, Some(text)))
        }
        Err(TryLockError::Error(error)) => Err(StoreError::io("lock", &path, error)),
    }
}

/// Removes temporary files of a killed process. The lock is held, so nobody is writing them; a failure does no harm.
fn remove_leftovers(dir: &Path) {
    let folders = FOLDERS.iter().map(|name| dir.join(name));
    for folder in std::iter::once(dir.to_path_buf()).chain(folders) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}
