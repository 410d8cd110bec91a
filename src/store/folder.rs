//! The run folder: its layout, its lock, and whose results it holds.

use super::columns::Row;
use super::csv::{from_csv, more_csv, to_csv};
use super::data_record::DataRecord;
use super::error::StoreError;
use super::lock::{FolderLock, LockKind};
use super::mask::{MaskOrigin, save_mask};
use super::planned::{self, PlannedRun, RUNS};
use super::stage_store::{StageStore, remove_abandoned};
use super::write::{read, write_atomic, write_first, write_view};
use crate::base::{sha256, temporary_in};
use crate::model::{Mask, Tensor};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub(super) const IDENTITY: &str = "folder.json";
const FORMAT: &str = "secateur-run";
const VERSION: u32 = 2;
const PLOTS: &str = "plots";
/// Tables of the experiment as it was before it changed.
const HISTORY: &str = "history";
/// The experiment as it is written.
pub(super) const TEXT: &str = "experiment.toml";
/// The same with every default filled in.
pub(super) const RESOLVED: &str = "resolved.json";
/// What the results are computed on.
pub(super) const DATA: &str = "data.json";
/// What differs each time it is measured.
const TIMES: [&str; 2] = ["times.csv", "speed.csv"];
const FOLDERS: [&str; 3] = ["weights", "masks", PLOTS];
const STAGES: &str = "stages";
/// What this program writes at the top of a run folder, apart from the identity and the lock.
const FILES: [&str; 10] = [
    TEXT,
    RESOLVED,
    DATA,
    RUNS,
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
    /// The runs that it asks for.
    pub runs: &'c [PlannedRun],
}

#[derive(Serialize, Deserialize)]
struct Identity {
    format: String,
    version: u32,
    #[serde(flatten)]
    owner: Owner,
}

/// An open run folder. Processes that run the same experiment share it, and compute each stage once; see [`Claims`](super::Claims).
///
/// ```text
/// folder.json        whose results these are, and what they were computed on
/// experiment.toml    the experiment as written      resolved.json   the same with every default filled in
/// data.json          what the results were computed on    runs.json     the runs, with the stages of each
/// results.csv        one row per run                curves.csv      one row per run and epoch
/// rounds.csv         one row per run, step and layer  overlap.csv   one row per pair of masks
/// times.csv          what differs each time it is computed; speed.csv likewise, where it was asked for
/// stages/, claims/   see StageStore: here, or in a store that several experiments share
/// weights/<run>.safetensors                         masks/<run>.safetensors
/// plots/<name>.svg, .png
/// history/<digest>/  tables and plots of the experiment as it was before it changed
/// ```
#[derive(Debug)]
pub struct RunFolder {
    dir: PathBuf,
    resumed: bool,
    changed_data: Vec<String>,
    earlier_numbers: Option<u32>,
    stages: StageStore,
    lock: FolderLock,
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
                let mut names = FILES.iter().chain(&FOLDERS).chain(&[STAGES]);
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
    /// `store` is where stages lie: the folder itself, or one that several experiments share, which then takes over what lies here.
    ///
    /// A probe is written first, so that a read-only or full place is found before anything is computed.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the folder cannot be made or written, [`StoreError::Busy`] if another process runs another version of the
    /// experiment in it, [`StoreError::OtherExperiment`] or [`StoreError::NotARunFolder`] if it is in use for something else (nothing is
    /// changed then), [`StoreError::Damaged`] if its identity cannot be read.
    pub fn open(
        dir: &Path,
        store: &Path,
        owner: &Owner,
        contents: &Contents<'_>,
    ) -> Result<RunFolder, StoreError> {
        fs::create_dir_all(dir).map_err(|error| StoreError::io("create", dir, error))?;
        // Looking comes before the lock file: a folder that is not ours gets nothing written into it.
        check_owner(dir, owner)?;
        probe(dir)?;
        let data = serde_json::to_string_pretty(contents.data).unwrap_or_default() + "\n";
        let is_same = |before: &Owner| {
            before == owner && holds(dir, TEXT, contents.text) && holds(dir, DATA, &data)
        };
        // Another process may have claimed or changed the folder between a look and a lock.
        let mut lock = FolderLock::take(dir, LockKind::Shared)?;
        let mut before = check_owner(dir, owner)?;
        if !before.as_ref().is_some_and(is_same) {
            drop(lock);
            lock = FolderLock::take(dir, LockKind::Alone)?;
            before = check_owner(dir, owner)?;
        }
        remove_leftovers(dir);
        let then = before.as_ref().map(|before| before.numerical_version);
        let earlier_numbers = then.filter(|&then| then != owner.numerical_version);
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
        write_view(&dir.join(RUNS), planned::text(contents.runs).as_bytes())?;
        let stages = StageStore::open(store)?;
        if store != dir {
            stages.adopt(dir)?;
            stages.enter_user(dir)?;
        }
        lock.share();
        Ok(RunFolder {
            dir: dir.to_path_buf(),
            resumed: before.is_some(),
            changed_data,
            earlier_numbers,
            stages,
            lock,
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

    /// The version of the numbers that its stages were computed under, where that is another by now.
    pub fn earlier_numbers(&self) -> Option<u32> {
        self.earlier_numbers
    }

    /// Something the user should read: the file system cannot lock.
    pub fn warning(&self) -> Option<&str> {
        self.lock.warning()
    }

    /// Where its stages lie.
    pub fn stages(&self) -> &StageStore {
        &self.stages
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
    /// [`StoreError::Io`], [`StoreError::Damaged`] if the old file is no such table.
    pub fn append_rows<R: Row>(&self, rows: &[R]) -> Result<(), StoreError> {
        let path = self.dir.join(R::FILE);
        let old = read(&self.dir.join(R::FILE))?.unwrap_or_default();
        if old.is_empty() {
            // Of several processes that begin it, one writes the heading.
            write_first(&path, &to_csv::<R>(&[]))?;
        }
        let more = more_csv(&old, rows).map_err(|reason| self.damaged(R::FILE, reason))?;
        let append = || {
            fs::File::options()
                .append(true)
                .open(&path)?
                .write_all(&more)
        };
        append().map_err(|error| StoreError::io("write", &path, error))
    }

    /// Reads a table; empty if there is none yet. `axes` names the experiment's sweep axes.
    ///
    /// # Errors
    /// [`StoreError::Io`] or [`StoreError::Damaged`].
    pub fn read_rows<R: Row>(&self, axes: &[String]) -> Result<Vec<R>, StoreError> {
        match read(&self.dir.join(R::FILE))? {
            None => Ok(Vec::new()),
            Some(bytes) => from_csv(&bytes, axes).map_err(|reason| self.damaged(R::FILE, reason)),
        }
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
        let path = self.weights_path(name);
        self.stages.link(stage_digest, &path)?;
        Ok(path)
    }

    /// Removes what another run of the same name had left in `weights/` and `masks/`: this one has neither.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn remove_views(&self, name: &str) -> Result<(), StoreError> {
        for path in [self.weights_path(name), self.mask_path(name)] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StoreError::io("remove", &path, error));
                }
                _ => {}
            }
        }
        Ok(())
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

/// Removes temporary files of killed processes.
fn remove_leftovers(dir: &Path) {
    let folders = FOLDERS.iter().map(|name| dir.join(name));
    for folder in std::iter::once(dir.to_path_buf()).chain(folders) {
        remove_abandoned(&folder);
    }
}
