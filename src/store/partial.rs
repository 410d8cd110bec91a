//! A stage that is being computed: arrays and a text, so that a killed program need not begin it again.

use super::payload::{self, TensorEntry};
use super::{StoreError, write_atomic};
use crate::base::hex;
use safetensors::Dtype;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::Path;

const FORMAT: &str = "secateur-partial";
const VERSION: u32 = 1;

/// What a stage has come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Partial {
    /// Arrays by name.
    pub arrays: Vec<(String, Vec<f32>)>,
    /// Words by name; no name is also an array's.
    pub words: Vec<(String, Vec<u32>)>,
    /// Whatever else must survive, as JSON.
    pub text: String,
}

#[derive(Serialize, Deserialize)]
struct PartialHeader {
    format: String,
    version: u32,
    stage: String,
    text: String,
    /// SHA-256 over everything else in the file.
    digest: String,
}

/// Replaces what was there.
pub(crate) fn save(path: &Path, stage: &str, partial: &Partial) -> Result<(), StoreError> {
    let arrays = partial.arrays.iter().map(|(name, values)| {
        let bytes = payload::f32_bytes(values);
        (name.clone(), Dtype::F32, vec![values.len()], bytes)
    });
    let words = partial.words.iter().map(|(name, values)| {
        let bytes = values.iter().flat_map(|w| w.to_le_bytes()).collect();
        (name.clone(), Dtype::U32, vec![values.len()], bytes)
    });
    let entries: Vec<TensorEntry> = arrays.chain(words).collect();
    let arrays = entries
        .iter()
        .map(|(n, _, _, b)| (n.as_str(), b.as_slice()));
    let header = PartialHeader {
        format: FORMAT.into(),
        version: VERSION,
        stage: stage.into(),
        text: partial.text.clone(),
        digest: digest_of(stage, &partial.text, arrays),
    };
    let bytes = payload::encode(&entries, &header).map_err(|reason| StoreError::Layout {
        path: path.to_path_buf(),
        reason,
    })?;
    write_atomic(path, |file| file.write_all(&bytes))
}

/// What was saved of this stage. Nothing where there is no such file, or one that is damaged or foreign: the stage can always
/// be computed from its beginning.
pub(crate) fn load(path: &Path, stage: &str) -> Option<Partial> {
    let bytes = std::fs::read(path).ok()?;
    let (file, header) = payload::decode(&bytes).ok()?;
    let header: PartialHeader = serde_json::from_str(&header?).ok()?;
    if header.format != FORMAT || header.version != VERSION || header.stage != stage {
        return None;
    }
    let mut views: Vec<_> = file.tensors();
    views.sort_by(|a, b| a.0.cmp(&b.0));
    let arrays = views.iter().map(|(n, view)| (n.as_str(), view.data()));
    if digest_of(stage, &header.text, arrays) != header.digest {
        return None;
    }
    let mut partial = Partial {
        text: header.text,
        ..Partial::default()
    };
    for (name, view) in &views {
        let (words, _) = view.data().as_chunks::<4>();
        if view.dtype() == Dtype::U32 {
            let values = words.iter().map(|w| u32::from_le_bytes(*w)).collect();
            partial.words.push((name.clone(), values));
        } else {
            let values = words.iter().map(|w| f32::from_le_bytes(*w)).collect();
            partial.arrays.push((name.clone(), values));
        }
    }
    Some(partial)
}

/// Over the arrays in the order of their names, each with its length.
fn digest_of<'a>(
    stage: &str,
    text: &str,
    arrays: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> String {
    let mut sorted: Vec<_> = arrays.collect();
    sorted.sort_unstable_by_key(|(name, _)| *name);
    let mut hash = Sha256::new();
    hash.update(format!("{stage}\0{}:{text}", text.len()));
    for (name, bytes) in sorted {
        hash.update(format!("{name}\0{}\0", bytes.len()));
        hash.update(bytes);
    }
    hex(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_read_and_what_is_damaged_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.partial");
        let partial = Partial {
            arrays: vec![
                ("a".into(), vec![1.0, f32::NEG_INFINITY]),
                ("b".into(), vec![]),
            ],
            words: vec![("c".into(), vec![u32::MAX, 7])],
            text: "{}".into(),
        };
        assert_eq!(load(&path, "stage"), None);
        save(&path, "stage", &partial).unwrap();
        assert_eq!(load(&path, "stage"), Some(partial));
        assert_eq!(load(&path, "another stage"), None);
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(load(&path, "stage"), None);
    }
}
