//! The run folder: its layout, its lock, and whose results it holds.

use super::columns::Row;
use super::csv::{append_csv, from_csv, to_csv};
use super::data_record::DataRecord;
use super::error::StoreError;
use super::mask::{MaskOrigin, save_mask};
use super::partial::{self, Partial};
use super::stage::{self, StageState};
use super::write::{write_atomic, write_once, write_view};
use crate::base::{TEMPORARY, folder_of, sha256, sync_folder, temporary_in};
use crate::model::{Mask, Tensor};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub(super) const IDENTITY: &str = "folder.json";
const FORMAT: &str = "secateur-run";
const VERSION: u32 = 2;
const LOCK: &str = ".lock";
const PLOTS: &str = "plots";
/// Tables of the experiment as it was before it changed.
const HISTORY: &str = "history";
/// The experiment as it is written.
pub(super) const TEXT: &str = "experiment.toml";
/// The same with every default filled in.
pub(super) const RESOLVED: &str = "resolved.json";
/// What the results are computed on.
const DATA: &str = "data.json";
/// What differs each time it is measured.
const TIMES: [&str; 2] = ["times.csv", "speed.csv"];
const FOLDERS: [&str; 4] = ["stages", "weights", "masks", PLOTS];
/// What this program writes at the top of a run folder, apart from the identity and the lock.
const FILES: [&str; 9] = [
    TEXT,
    RESOLVED,
    DATA,
    "results.csv",
    "curves.csv",
    "rounds.csv",
    "overlap.csv",
    "times.csv",
    "speed.csv",
];

/// Whose results a folder holds, and what they were computed on. Written first, so a folder without it holds nothing of ours.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Owner {
    /// The experiment's name: a folder belongs to it, whatever becomes of the experiment.
    pub experiment: String,
    /// Digest of the experiment as it was last run here.
    pub experiment_digest: String,
    /// Adapter; empty in the folder of an earlier version.
    #[serde(default)]
    pub adapter: String,
    /// Its driver.
    #[serde(default)]
    pub driver: String,
    /// Version of the numbers; 0 in the folder of an earlier version.
    #[serde(default)]
    pub numerical_version: u32,
}

/// What a folder says of its experiment beside the results.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'c> {
    /// The experiment as it is written.
    pub text: &'c str,
    /// The same with every default filled in, as JSON.
    pub resolved: &'c str,
    /// What the results are computed on.
    pub data: &'c [DataRecord],
}

#[derive(Serialize, Deserialize)]
struct Identity {
    format: String,
    version: u32,
    #[serde(flatten)]
    owner: Owner,
}

/// An open run folder, locked against other processes until dropped.
///
/// ```text
/// folder.json        whose results these are, and what they were computed on
/// experiment.toml    the experiment as written      resolved.json   the same with every default filled in
/// data.json          what the results were computed on
/// results.csv        one row per run                curves.csv      one row per run and epoch
/// rounds.csv         one row per run, step and layer  overlap.csv   one row per pair of masks
/// times.csv          what differs each time it is computed; speed.csv likewise, where it was asked for
/// stages/<digest>.safetensors                       masks/<run>.safetensors
/// stages/<digest>.partial, while it is computed
/// weights/<run>.safetensors                         plots/<name>.svg, .png
/// history/<digest>/  tables and plots of the experiment as it was before it changed
/// ```
#[derive(Debug)]
pub struct RunFolder {
    dir: PathBuf,
    resumed: bool,
    changed_data: Vec<String>,
    warning: Option<String>,
    /// Holding the file open holds the lock.
    _lock: File,
}

impl RunFolder {
    /// Whose results the folder holds; `None` if there is no such folder, or an empty one.
    ///
    /// # Errors
    /// [`StoreError::NotARunFolder`], [`StoreError::Damaged`] or [`StoreError::Io`].
    pub fn owner(dir: &Path) -> Result<Option<Owner>, StoreError> {
        let path = dir.join(IDENTITY);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut names = FILES.iter().chain(&FOLDERS);
                return match names.find(|name| dir.join(name).exists()) {
                    None => Ok(None),
                    Some(found) => Err(StoreError::NotARunFolder {
                        dir: dir.to_path_buf(),
                        found: (*found).to_owned(),
                    }),
                };
            }
            Err(error) => return Err(StoreError::io("read", &path, error)),
        };
        let identity: Identity =
            serde_json::from_str(&text).map_err(|error| StoreError::Damaged {
                path: path.clone(),
                reason: error.to_string(),
                next: "restore it from a copy, or choose another folder with `--out DIR`",
            })?;
        Ok(Some(identity.owner))
    }

    /// Creates or continues the folder of an experiment.
    ///
    /// A folder belongs to a name. What the experiment asks decides which tables there are, and what lies in `stages/` decides
    /// what is computed. Where the experiment's text, its data or the version of the numbers has changed since, the tables of before go
    /// to `history/`.
    ///
    /// A probe is written first, so that a read-only or full place is found before anything is computed.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the folder cannot be made or written, [`StoreError::Busy`] if another process writes it,
    /// [`StoreError::OtherExperiment`] or [`StoreError::NotARunFolder`] if it is in use for something else (nothing is changed then),
    /// [`StoreError::Damaged`] if its identity cannot be read.
    pub fn open(
        dir: &Path,
        owner: &Owner,
        contents: &Contents<'_>,
    ) -> Result<RunFolder, StoreError> {
        fs::create_dir_all(dir).map_err(|error| StoreError::io("create", dir, error))?;
        // Looking comes before the lock file: a folder that is not ours gets nothing written into it.
        check_owner(dir, owner)?;
        probe(dir)?;
        let (lock, warning) = lock(dir)?;
        // Another process may have claimed the folder between the look and the lock.
        let before = check_owner(dir, owner)?;
        remove_leftovers(dir);
        let data = serde_json::to_string_pretty(contents.data).unwrap_or_default() + "\n";
        let changed_data = changed(dir, contents.data);
        if let Some(before) = &before {
            let same = before.numerical_version == owner.numerical_version
                && holds(dir, TEXT, contents.text)
                && holds(dir, DATA, &data);
            if !same {
                archive(dir, before.numerical_version)?;
            }
        }
        if before.as_ref() != Some(owner) {
            let identity = Identity {
                format: FORMAT.into(),
                version: VERSION,
                owner: owner.clone(),
            };
            let text = serde_json::to_string_pretty(&identity).unwrap_or_default() + "\n";
            write_view(&dir.join(IDENTITY), text.as_bytes())?;
        }
        for name in FOLDERS {
            let path = dir.join(name);
            fs::create_dir_all(&path).map_err(|error| StoreError::io("create", &path, error))?;
        }
        // Where nothing has changed, what is there stays: mask files may be seen from another place.
        let resolved = contents.resolved;
        for (name, text) in [(TEXT, contents.text), (RESOLVED, resolved), (DATA, &data)] {
            let path = dir.join(name);
            if !path.exists() {
                write_atomic(&path, |file| file.write_all(text.as_bytes()))?;
            }
        }
        Ok(RunFolder {
            dir: dir.to_path_buf(),
            resumed: before.is_some(),
            changed_data,
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

    /// Datasets that were others, by the same names, when the folder was last written.
    pub fn changed_data(&self) -> &[String] {
        &self.changed_data
    }

    /// Something the user should read: the file system cannot lock, so nothing keeps two processes apart.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
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

    /// Gives the last stage of a finished run its readable name: a hard link, or a copy where links fail. It takes the name from
    /// another run that had it.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the stage is missing or neither works.
    pub fn link_weights(&self, name: &str, stage_digest: &str) -> Result<PathBuf, StoreError> {
        let stage = self.stage_path(stage_digest);
        let path = self.weights_path(name);
        let bytes =
            |path: &Path| fs::read(path).map_err(|error| StoreError::io("read", path, error));
        if path.exists() {
            if bytes(&path)? == bytes(&stage)? {
                return Ok(path);
            }
            // Another run had the name; its weights are in its stage.
            fs::remove_file(&path).map_err(|error| StoreError::io("replace", &path, error))?;
        }
        if fs::hard_link(&stage, &path).is_err() {
            write_once(&path, &bytes(&stage)?)?;
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

/// The folder's owner, who must be this experiment: of its name, or another name for the same.
fn check_owner(dir: &Path, owner: &Owner) -> Result<Option<Owner>, StoreError> {
    let before = RunFolder::owner(dir)?;
    if let Some(before) = &before
        && before.experiment != owner.experiment
        && before.experiment_digest != owner.experiment_digest
    {
        return Err(StoreError::OtherExperiment {
            dir: dir.to_path_buf(),
            their_name: before.experiment.clone(),
            their_digest: before.experiment_digest.clone(),
            our_name: owner.experiment.clone(),
            our_digest: owner.experiment_digest.clone(),
        });
    }
    Ok(before)
}

/// Whether a file holds just this text; a file that is not there holds any.
fn holds(dir: &Path, name: &str, text: &str) -> bool {
    fs::read_to_string(dir.join(name)).map_or(true, |old| old == text)
}

/// Names of datasets that are others than when the folder was last written.
fn changed(dir: &Path, data: &[DataRecord]) -> Vec<String> {
    let old = fs::read_to_string(dir.join(DATA)).unwrap_or_default();
    let old: Vec<DataRecord> = serde_json::from_str(&old).unwrap_or_default();
    let other = |now: &&DataRecord| {
        let mut same_name = old.iter().filter(|old| old.name == now.name);
        same_name.any(|old| old.digest != now.digest)
    };
    data.iter()
        .filter(other)
        .map(|now| now.name.clone())
        .collect()
}

/// Puts the tables and plots of an experiment that has changed aside, under a name made of what it was and of the version of its
/// numbers: nothing is overwritten without a trace. What lies in `stages/`, `weights/` and `masks/` stays, and so do the tables of
/// times.
fn archive(dir: &Path, numerical_version: u32) -> Result<(), StoreError> {
    let [text, data] =
        [TEXT, DATA].map(|name| fs::read_to_string(dir.join(name)).unwrap_or_default());
    let name = sha256(format!("{numerical_version}\0{text}\0{data}").as_bytes());
    let to = dir.join(HISTORY).join(&name[..12]);
    let plots = to.join(PLOTS);
    fs::create_dir_all(&plots).map_err(|error| StoreError::io("create", &plots, error))?;
    let moved = |from: &Path, to: &Path| match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::io("move", from, error))
        }
        _ => Ok(()),
    };
    for entry in fs::read_dir(dir.join(PLOTS))
        .into_iter()
        .flatten()
        .flatten()
    {
        moved(&entry.path(), &plots.join(entry.file_name()))?;
    }
    // What tells that something has changed goes last: killed before, the rest is moved the next time, to the same place.
    let last = [DATA, TEXT];
    let first = FILES
        .iter()
        .filter(|name| !TIMES.contains(name) && !last.contains(name));
    for name in first.chain(&last) {
        moved(&dir.join(name), &to.join(name))?;
    }
    Ok(())
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
