//! Which variant of a kernel was measured to be the fastest on this adapter, kept in the user's cache folder.
//!
//! A choice changes speed only, so a missing, stale or damaged cache is never an error: it is measured again.

use super::AdapterDescription;
use super::kernels::kernels_digest;
use crate::base::{cache_folder, write_with_folder};
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Whether variants are measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TuneMode {
    /// Not at all: the usual variants run.
    #[default]
    Off,
    /// What is not in the cache.
    Auto,
    /// Everything anew.
    Force,
}

/// The measured choices of one adapter, driver, version and text of the kernels.
pub struct Tuning {
    mode: TuneMode,
    file: Option<PathBuf>,
    choices: Mutex<Choices>,
}

#[derive(Default)]
struct Choices {
    known: BTreeMap<String, String>,
    measured: HashSet<String>,
    unsaved: bool,
}

/// Where the choices of `adapter` between these very kernels are kept, if there is a cache folder for this user.
pub fn tuning_file(adapter: &AdapterDescription) -> Option<PathBuf> {
    let folder = cache_folder()?;
    let name: String = [
        adapter.name.as_str(),
        &adapter.backend,
        &adapter.driver,
        env!("CARGO_PKG_VERSION"),
        kernels_digest(),
    ]
    .join(" ")
    .chars()
    .map(|c| {
        if c.is_ascii_alphanumeric() || c == '.' {
            c
        } else {
            '-'
        }
    })
    .collect();
    Some(folder.join(format!("tuning-{name}.json")))
}

/// The choices in a cache file: (what was measured, the variant that won). Empty where there is none or it is damaged.
pub fn read_tuning(file: &Path) -> BTreeMap<String, String> {
    std::fs::read(file)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default()
}

impl Tuning {
    pub(super) fn new(mode: TuneMode, adapter: &AdapterDescription) -> Self {
        let file = match mode {
            TuneMode::Off => None,
            TuneMode::Auto | TuneMode::Force => tuning_file(adapter),
        };
        let known = file.as_deref().map(read_tuning).unwrap_or_default();
        Self {
            mode,
            file,
            choices: Mutex::new(Choices {
                known,
                ..Choices::default()
            }),
        }
    }

    /// Whether anything is measured.
    pub fn is_on(&self) -> bool {
        self.mode != TuneMode::Off
    }

    /// The variant that won for `what`.
    pub fn known(&self, what: &str) -> Option<String> {
        let choices = self.choices.lock().ok()?;
        let fresh = self.mode == TuneMode::Auto || choices.measured.contains(what);
        choices.known.get(what).filter(|_| fresh).cloned()
    }

    /// Notes a winner.
    pub fn learn(&self, what: String, variant: String) {
        if let Ok(mut choices) = self.choices.lock() {
            choices.measured.insert(what.clone());
            choices.known.insert(what, variant);
            choices.unsaved = true;
        }
    }

    /// Writes what was learnt to the cache, next to what other processes wrote meanwhile.
    pub fn save(&self) {
        let (Some(file), Ok(mut choices)) = (&self.file, self.choices.lock()) else {
            return;
        };
        if !std::mem::take(&mut choices.unsaved) {
            return;
        }
        let mut all = read_tuning(file);
        for what in &choices.measured {
            if let Some(variant) = choices.known.get(what) {
                all.insert(what.clone(), variant.clone());
            }
        }
        // A cache that cannot be written costs a measurement next time, no more.
        let _ = write_with_folder(file, |out| Ok(serde_json::to_writer_pretty(out, &all)?));
    }
}
