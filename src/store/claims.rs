//! Who computes what in a store that several processes share.
//!
//! File locks are silently void on some network disks, so a claim is a file that is made by an atomic hard link (or exclusive creation
//! where there are no links). Every process has a file of its own there, whose text it changes every few seconds: its heartbeat. A claim
//! is taken over when its owner is known to be dead, or when an observer has seen no heartbeat for a while by its own clock: no time of
//! one machine is compared with that of another. A claim that is lost by mistake costs time and never truth: results do not depend on
//! who computes them.

use super::error::StoreError;
use super::stage_store::remove_abandoned;
use crate::base::{TEMPORARY, is_dead, temporary_in};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const CLAIMS: &str = "claims";
/// How often a process shows that it lives.
const BEAT: Duration = Duration::from_secs(3);
/// An owner that has shown no life for so long has lost its claims. Longer than what caches of network disks hide.
const SILENCE: Duration = Duration::from_secs(30);

/// The claims of this process, released when dropped.
#[derive(Debug)]
pub struct Claims {
    dir: PathBuf,
    /// Names this process in claims.
    worker: String,
    mine: HashSet<String>,
    /// By claim, what its owner's heartbeat was, and since when it has been so.
    seen: HashMap<String, (String, Instant)>,
    /// Dropping it ends the heartbeat.
    beat: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Claims {
    /// Joins those who work in a store.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn join(store: &Path) -> Result<Self, StoreError> {
        let dir = store.join(CLAIMS);
        fs::create_dir_all(&dir).map_err(|error| StoreError::io("create", &dir, error))?;
        remove_abandoned(&dir);
        remove_dead(&dir);
        // A name that no other worker has, wherever it runs: of a file that was created here and by nobody else.
        let unique = temporary_in(&dir).map_err(|error| StoreError::io("write", &dir, error))?;
        let name = unique.path().file_name().unwrap_or_default();
        let worker = name.to_string_lossy().replace(TEMPORARY, "");
        let file = worker_file(&dir, &worker);
        let show = move |beat: u64| fs::write(&file, beat.to_string());
        show(0).map_err(|error| StoreError::io("write", &dir, error))?;
        let (stop, stopped) = mpsc::channel();
        let beat = std::thread::spawn(move || {
            let mut count = 0;
            while stopped.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                count += 1;
                // One that cannot be written is one that others do not see; the next may be.
                let _ = show(count);
            }
        });
        Ok(Self {
            dir,
            worker,
            mine: HashSet::new(),
            seen: HashMap::new(),
            beat: Some((stop, beat)),
        })
    }

    /// Claims a stage. False where another process has it that lives.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn take(&mut self, digest: &str) -> Result<bool, StoreError> {
        let path = self.claim(digest);
        loop {
            if self.create(&path)? {
                self.seen.remove(digest);
                self.mine.insert(digest.to_owned());
                return Ok(true);
            }
            let owner = match fs::read_to_string(&path) {
                Ok(owner) => owner,
                // It was released just now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(StoreError::io("read", &path, error)),
            };
            if owner == self.worker {
                return Ok(true);
            }
            if !self.is_lost(digest, &owner) || !self.evict(&path, &owner)? {
                return Ok(false);
            }
            self.seen.remove(digest);
        }
    }

    /// Releases a stage that this process has, or had.
    pub fn release(&mut self, digest: &str) {
        if self.mine.remove(digest) {
            self.remove_own(digest);
        }
    }

    /// Removes the claim of a stage, unless it is another's: one that was frozen may have lost it.
    fn remove_own(&self, digest: &str) {
        let path = self.claim(digest);
        if fs::read_to_string(&path).is_ok_and(|owner| owner == self.worker) {
            let _ = fs::remove_file(path);
        }
    }

    fn claim(&self, digest: &str) -> PathBuf {
        self.dir.join(format!("{digest}.claim"))
    }

    /// Makes a claim in this process's name; false where there is one.
    fn create(&self, path: &Path) -> Result<bool, StoreError> {
        let refused = |error| StoreError::io("write", path, error);
        let mut whole = temporary_in(&self.dir).map_err(refused)?;
        whole.write_all(self.worker.as_bytes()).map_err(refused)?;
        let Err(error) = fs::hard_link(whole.path(), path) else {
            return Ok(true);
        };
        if error.kind() == io::ErrorKind::AlreadyExists {
            return Ok(false);
        }
        // No links here. A reader may see the name before its text; it then waits as for any other owner.
        match fs::File::create_new(path) {
            Ok(mut file) => file
                .write_all(self.worker.as_bytes())
                .map_err(refused)
                .map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(refused(error)),
        }
    }

    /// Whether a claim's owner is dead, or has shown no life for too long.
    fn is_lost(&mut self, digest: &str, owner: &str) -> bool {
        if is_dead(owner) {
            return true;
        }
        let beat = fs::read_to_string(worker_file(&self.dir, owner)).unwrap_or_default();
        let now = Instant::now();
        let life = format!("{owner} {beat}");
        let (last, since) = self
            .seen
            .entry(digest.to_owned())
            .or_insert_with(|| (life.clone(), now));
        if *last != life {
            (*last, *since) = (life, now);
        }
        now.duration_since(*since) >= SILENCE
    }

    /// Takes a lost claim away. False where it has another owner by now.
    fn evict(&self, path: &Path, owner: &str) -> Result<bool, StoreError> {
        let aside = self.dir.join(format!("{}.evicted", self.worker));
        match fs::rename(path, &aside) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            Err(error) => return Err(StoreError::io("move", path, error)),
        }
        let lost = fs::read_to_string(&aside).is_ok_and(|found| found == owner);
        if !lost {
            // Another observer was faster: this is its claim.
            let _ = fs::hard_link(&aside, path);
        }
        let _ = fs::remove_file(&aside);
        Ok(lost)
    }
}

impl Drop for Claims {
    fn drop(&mut self) {
        for digest in &self.mine {
            self.remove_own(digest);
        }
        if let Some((stop, beat)) = self.beat.take() {
            drop(stop);
            let _ = beat.join();
        }
        let _ = fs::remove_file(worker_file(&self.dir, &self.worker));
    }
}

/// Removes what processes left that are known to be dead.
fn remove_dead(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let owner = match path.extension().and_then(|end| end.to_str()) {
            Some("claim") => fs::read_to_string(&path).unwrap_or_default(),
            _ => entry.file_name().to_string_lossy().into_owned(),
        };
        if is_dead(&owner) {
            let _ = fs::remove_file(&path);
        }
    }
}

/// Where a process shows its life.
fn worker_file(dir: &Path, worker: &str) -> PathBuf {
    dir.join(format!("{worker}.worker"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::process_name;

    #[test]
    fn one_of_two_has_a_claim_until_it_is_released() {
        let folder = tempfile::tempdir().unwrap();
        let mut a = Claims::join(folder.path()).unwrap();
        let mut b = Claims::join(folder.path()).unwrap();
        assert!(a.take("stage").unwrap());
        assert!(a.take("stage").unwrap(), "it has it already");
        assert!(!b.take("stage").unwrap());
        assert!(b.take("another").unwrap());
        b.release("stage");
        assert!(!b.take("stage").unwrap(), "only the owner releases");
        drop(a);
        assert!(b.take("stage").unwrap());
        drop(b);
        assert_eq!(fs::read_dir(folder.path().join(CLAIMS)).unwrap().count(), 0);
    }

    #[test]
    fn a_dead_or_silent_owner_loses_its_claim() {
        let folder = tempfile::tempdir().unwrap();
        let mut b = Claims::join(folder.path()).unwrap();
        let claims = folder.path().join(CLAIMS);
        // A process of this machine that is gone.
        let machine = process_name().split('-').next().unwrap();
        let dead = format!("{machine}-{}-1-abc", std::process::id());
        if is_dead(&dead) {
            fs::write(worker_file(&claims, &dead), "0").unwrap();
            fs::write(claims.join("one.claim"), &dead).unwrap();
            assert!(b.take("one").unwrap());
            fs::write(claims.join("zero.claim"), &dead).unwrap();
            drop(Claims::join(folder.path()).unwrap());
            assert!(!claims.join("zero.claim").exists() && !worker_file(&claims, &dead).exists());
        }
        // One of another machine, whose heartbeat stands still.
        fs::write(worker_file(&claims, "far"), "7").unwrap();
        fs::write(claims.join("two.claim"), "far").unwrap();
        assert!(!b.take("two").unwrap());
        let (_, since) = b.seen.get_mut("two").unwrap();
        *since = since.checked_sub(SILENCE).unwrap();
        assert!(b.take("two").unwrap());
        // One whose heartbeat goes on.
        fs::write(claims.join("three.claim"), "far").unwrap();
        assert!(!b.take("three").unwrap());
        let (_, since) = b.seen.get_mut("three").unwrap();
        *since = since.checked_sub(SILENCE).unwrap();
        fs::write(worker_file(&claims, "far"), "8").unwrap();
        assert!(!b.take("three").unwrap());
    }

    #[test]
    fn a_claim_that_changed_hands_is_not_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let mut a = Claims::join(folder.path()).unwrap();
        let b = Claims::join(folder.path()).unwrap();
        assert!(a.take("stage").unwrap());
        assert!(!b.evict(&b.claim("stage"), "an earlier owner").unwrap());
        let owner = fs::read_to_string(b.claim("stage")).unwrap();
        assert_eq!(owner, a.worker);
    }
}
