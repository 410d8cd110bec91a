//! Where stages lie, by their digests: in a run folder, or in a store that several experiments share.

use super::error::StoreError;
use super::partial::{self, Partial};
use super::stage::{self, StageState};
use super::write::write_view;
use crate::base::{TEMPORARY, is_dead, sha256, temporary_in};
use crate::model::Tensor;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

const STAGES: &str = "stages";
const USERS: &str = "users";
const RECORD: &str = "record.json";
/// What a process of another machine was writing is removed after so long: until then it may still be writing it.
const ABANDONED: Duration = Duration::from_secs(60 * 60);

/// Stages by digest. Processes may share it: every file is written whole, and two that write one stage write the same bytes.
///
/// ```text
/// stages/<digest>.safetensors   weights and mask after a step     stages/<digest>.partial, while it is computed
/// stages/<digest>.scores.json   of those that runs end with       stages/<digest>.damaged, one that was set aside
/// stages/<digest>.record.json   what a stage said beside its tensors, which were freed
/// claims/                       who computes what now
/// users/                        the run folders that have their stages here
/// ```
#[derive(Clone, Debug)]
pub struct StageStore {
    dir: PathBuf,
}

impl StageStore {
    /// Creates or opens the store in a folder.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let stages = dir.join(STAGES);
        fs::create_dir_all(&stages).map_err(|error| StoreError::io("create", &stages, error))?;
        remove_abandoned(&stages);
        Ok(Self {
            dir: dir.to_path_buf(),
        })
    }

    /// The store in a folder, to be looked at: nothing is created, and there may be none.
    pub fn at(dir: &Path) -> Self {
        Self {
            dir: dir.to_path_buf(),
        }
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Takes over what another store holds and this one lacks, by links or copies.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn adopt(&self, other: &Path) -> Result<(), StoreError> {
        let from = other.join(STAGES);
        for entry in fs::read_dir(&from).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let to = self.dir.join(STAGES).join(&name);
            let finished = [".safetensors", ".scores.json", ".record.json"];
            let text = name.to_string_lossy();
            if to.exists() || !finished.iter().any(|end| text.ends_with(end)) {
                continue;
            }
            if fs::hard_link(&path, &to).is_err() {
                let bytes = fs::read(&path).map_err(|e| StoreError::io("read", &path, e))?;
                write_view(&to, &bytes)?;
            }
        }
        Ok(())
    }

    /// Keeps a stage under its digest. Saving the same state again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if the file holds another state, [`StoreError::Layout`] if `state` does not fit `tensors`,
    /// [`StoreError::Io`] otherwise.
    pub fn save(
        &self,
        digest: &str,
        tensors: &[Tensor],
        state: &StageState,
    ) -> Result<(), StoreError> {
        stage::save(&self.path(digest), digest, tensors, state)?;
        let _ = fs::remove_file(self.file(digest, RECORD));
        Ok(())
    }

    /// Reads a stage; `None` if it was never saved. Weights and mask have the lengths they were saved with.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the file is truncated, altered, or of another model: it is never computed again silently.
    pub fn load(&self, digest: &str, tensors: &[Tensor]) -> Result<Option<StageState>, StoreError> {
        stage::load(&self.path(digest), digest, tensors)
    }

    /// What a stage says beside its tensors; `None` if it was never saved. The tensors are not read, and may have been freed.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the file is not that stage's.
    pub fn meta(&self, digest: &str) -> Result<Option<BTreeMap<String, String>>, StoreError> {
        let meta = stage::load_meta(&self.path(digest), digest)?;
        let record = || {
            let text = fs::read_to_string(self.file(digest, RECORD)).ok()?;
            serde_json::from_str(&text).ok()
        };
        Ok(meta.or_else(record))
    }

    /// Whether a stage's tensors were freed, and what it said beside them is there.
    pub fn has_record(&self, digest: &str) -> bool {
        self.file(digest, RECORD).exists()
    }

    /// Frees the tensors of a stage, and keeps what it says beside them.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the file is not that stage's, [`StoreError::Io`].
    pub fn free_tensors(&self, digest: &str) -> Result<(), StoreError> {
        let Some(meta) = stage::load_meta(&self.path(digest), digest)? else {
            return Ok(());
        };
        let text = serde_json::to_string(&meta).unwrap_or_default() + "\n";
        write_view(&self.file(digest, RECORD), text.as_bytes())?;
        let path = self.path(digest);
        fs::remove_file(&path).map_err(|error| StoreError::io("remove", &path, error))
    }

    /// Enters a run folder among those that have their stages here.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn enter_user(&self, folder: &Path) -> Result<(), StoreError> {
        let users = self.dir.join(USERS);
        fs::create_dir_all(&users).map_err(|error| StoreError::io("create", &users, error))?;
        let path = std::path::absolute(folder);
        let path = path.map_err(|error| StoreError::io("find", folder, error))?;
        let text = path.to_string_lossy();
        let name = &sha256(text.as_bytes())[..12];
        write_view(&users.join(name), text.as_bytes())
    }

    /// The run folders that have their stages here.
    pub fn users(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.dir.join(USERS)).into_iter().flatten();
        let texts = entries.filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok());
        let mut users: Vec<PathBuf> = texts.map(PathBuf::from).collect();
        users.sort();
        users
    }

    /// Whether a stage was saved (its contents are not looked at).
    pub fn has(&self, digest: &str) -> bool {
        self.path(digest).exists()
    }

    /// The digests of all stages there.
    pub fn digests(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.join(STAGES)).into_iter().flatten();
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut digests: Vec<String> = names
            .filter_map(|name| Some(name.strip_suffix(".safetensors")?.to_owned()))
            .collect();
        digests.sort_unstable();
        digests
    }

    /// Where a stage lies.
    pub fn path(&self, digest: &str) -> PathBuf {
        self.file(digest, "safetensors")
    }

    /// Puts a damaged stage aside, so that it can be computed again, and says where it is now.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn set_aside(&self, digest: &str) -> Result<PathBuf, StoreError> {
        let (from, to) = (self.path(digest), self.file(digest, "damaged"));
        fs::rename(&from, &to).map_err(|error| StoreError::io("move", &from, error))?;
        Ok(to)
    }

    /// Keeps what the weights of a stage are worth, as JSON.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn save_scores(&self, digest: &str, text: &str) -> Result<(), StoreError> {
        write_view(&self.file(digest, "scores.json"), text.as_bytes())
    }

    /// What they are worth; nothing where that was not saved, or cannot be read: they can be scored again.
    pub fn load_scores(&self, digest: &str) -> Option<String> {
        fs::read_to_string(self.file(digest, "scores.json")).ok()
    }

    /// Saves what a stage has come to, in place of what was saved of it before.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn save_partial(&self, digest: &str, partial: &Partial) -> Result<(), StoreError> {
        partial::save(&self.file(digest, "partial"), digest, partial)
    }

    /// What a stage had come to; nothing where that was not saved, or is damaged.
    pub fn load_partial(&self, digest: &str) -> Option<Partial> {
        partial::load(&self.file(digest, "partial"), digest)
    }

    /// Removes it: the stage is finished. One that cannot be removed is not read again.
    pub fn remove_partial(&self, digest: &str) {
        let _ = fs::remove_file(self.file(digest, "partial"));
    }

    /// Gives a stage another name: a hard link, or a copy where links fail. It takes the name from another file that had it.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the stage is missing or neither works.
    pub fn link(&self, digest: &str, to: &Path) -> Result<(), StoreError> {
        let stage = self.path(digest);
        if same_file(&stage, to) {
            return Ok(());
        }
        match fs::remove_file(to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::io("replace", to, error));
            }
            _ => {}
        }
        if fs::hard_link(&stage, to).is_ok() {
            return Ok(());
        }
        let bytes = fs::read(&stage).map_err(|error| StoreError::io("read", &stage, error))?;
        write_view(to, &bytes)
    }

    fn file(&self, digest: &str, extension: &str) -> PathBuf {
        self.dir.join(STAGES).join(format!("{digest}.{extension}"))
    }
}

/// Whether both paths are names of one file.
fn same_file(a: &Path, b: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let of = |path: &Path| fs::metadata(path).ok().map(|m| (m.dev(), m.ino()));
        of(a).is_some() && of(a) == of(b)
    }
    #[cfg(not(unix))]
    {
        let of = |path: &Path| fs::read(path).ok();
        of(a).is_some() && of(a) == of(b)
    }
}

/// Removes temporary files of killed processes: of those that are known to be dead, and old ones by the clock of the file system that
/// holds them. A failure does no harm.
pub(super) fn remove_abandoned(folder: &Path) {
    let modified = |path: &Path| fs::metadata(path).and_then(|m| m.modified()).ok();
    let now = temporary_in(folder)
        .ok()
        .and_then(|file| modified(file.path()));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(writer) = name.to_str().and_then(|name| name.strip_prefix(TEMPORARY)) else {
            continue;
        };
        let age = || now?.duration_since(modified(&entry.path())?).ok();
        if is_dead(writer) || age().is_some_and(|age| age > ABANDONED) {
            let _ = fs::remove_file(entry.path());
        }
    }
}
