//! The lock of a run folder. Processes that run the same experiment share it; one that changes the experiment needs it alone.

use super::error::StoreError;
use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

const LOCK: &str = ".lock";

/// A lock, held until it is dropped. Nothing but tables depends on it: stages are kept apart by [`Claims`](super::Claims), which work
/// where locks do not.
#[derive(Debug)]
pub(super) struct FolderLock {
    file: File,
    warning: Option<String>,
}

/// With whom a folder is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LockKind {
    /// With others that share it.
    Shared,
    /// With nobody.
    Alone,
}

impl FolderLock {
    /// Locks a folder.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if another process holds the lock in a way that does not go with this, [`StoreError::Io`].
    pub fn take(dir: &Path, access: LockKind) -> Result<Self, StoreError> {
        let path = dir.join(LOCK);
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| StoreError::io("write", &path, error))?;
        let taken = match access {
            LockKind::Shared => file.try_lock_shared(),
            LockKind::Alone => file.try_lock(),
        };
        match taken {
            Ok(()) => Ok(Self {
                file,
                warning: None,
            }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Busy {
                dir: dir.to_path_buf(),
            }),
            // Some network file systems have no locks. Refusing would make them useless; silence would hide the risk.
            Err(TryLockError::Error(error)) if has_no_locks(&error) => {
                let warning = format!(
                    "{} cannot be locked ({error}): do not change this experiment there while it runs",
                    dir.display()
                );
                Ok(Self {
                    file,
                    warning: Some(warning),
                })
            }
            Err(TryLockError::Error(error)) => Err(StoreError::io("lock", &path, error)),
        }
    }

    /// Something the user should read: the file system cannot lock.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// Lets others share it from now on. Nobody comes in between where the system can change a lock in place, as Linux does.
    pub fn share(&self) {
        if self.warning.is_none() {
            let _ = self.file.lock_shared();
        }
    }
}

/// Whether an error says that there are no locks here: of NFS without a lock daemon (ENOLCK), some FUSE (EINVAL), Lustre (ENOSYS).
fn has_no_locks(error: &io::Error) -> bool {
    let kinds = [io::ErrorKind::Unsupported, io::ErrorKind::InvalidInput];
    #[cfg(unix)]
    let numbered = error.raw_os_error() == Some(libc::ENOLCK);
    #[cfg(not(unix))]
    let numbered = false;
    kinds.contains(&error.kind()) || numbered
}
