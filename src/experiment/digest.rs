//! Names by content: SHA-256 over canonical JSON.

use super::Step;
use crate::spec::{MaskStep, TrainSpec};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// JSON with fields in declared order. Everything given here is strings, finite numbers and lists of them, which
/// always serialise; the fallback keeps a mistake in that from becoming a panic.
pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value)
        .unwrap_or_else(|error| format!("{{\"error\":{:?}}}", error.to_string()))
}

/// JSON of a step in which a mask file is named by its content, not by where it lies. Micro-batches are left out: they change no
/// bit.
pub(super) fn step_json(step: &Step, files: &BTreeMap<PathBuf, String>) -> String {
    match step {
        Step::Mask(MaskStep::Load(path)) => {
            let digest = files.get(path).map_or("", String::as_str);
            json(&serde_json::json!({ "mask": { "load": { "sha256": digest } } }))
        }
        Step::Train(spec) => json(&Step::Train(TrainSpec {
            micro_batch: None,
            ..spec.clone()
        })),
        step => json(step),
    }
}
