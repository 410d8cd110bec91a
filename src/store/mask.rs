//! Masks as files: the artifact that experiments pass around.

use super::digest::mask_digest;
use super::error::{MaskError, StoreError};
use super::payload::{self, TensorEntry, flat_length, mask_bytes, remove_pruned};
use super::write::write_view;
use crate::model::{ALIGNMENT, Mask, Tensor};
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

const FORMAT: &str = "secateur-mask";
const VERSION: u32 = 1;

/// Where a mask came from; written into its file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MaskOrigin {
    /// Title of the experiment.
    pub experiment: String,
    /// Digest of the stage that left it: equal digests, equal masks.
    pub stage: String,
    /// The arm.
    pub arm: String,
    /// Sweep axes the arm depends on, with their values.
    pub point: Vec<(String, String)>,
    /// The seed.
    pub seed: u32,
    /// Dataset of the weights that were scored.
    pub dataset: String,
    /// How they were scored and how many stayed, in words.
    pub criterion: String,
    /// Version of the numbers that it was computed under.
    pub numerical_version: u32,
}

#[derive(Serialize)]
struct MaskHeader<'a> {
    format: &'a str,
    version: u32,
    /// Kept / all within each tensor.
    densities: BTreeMap<&'a str, f64>,
    /// Kept / all over the prunable tensors.
    density: f64,
    /// See [`mask_digest`].
    digest: String,
    origin: &'a MaskOrigin,
}

/// The fields that matter when reading; the others are for people.
#[derive(Deserialize)]
struct ReadHeader {
    format: String,
    version: u32,
    #[serde(default)]
    digest: Option<String>,
}

/// Writes a mask as safetensors: one BOOL tensor per prunable tensor, under the weight's own name and shape.
///
/// The metadata entry `secateur` is a JSON object
/// with format, version, density per tensor and in total, digest and origin. Saving the same mask again changes nothing; another
/// one takes its place.
///
/// # Errors
/// [`StoreError::Io`] if it cannot be written,
/// [`StoreError::Layout`] if `mask` is too short for `tensors`.
pub fn save_mask(
    path: &Path,
    tensors: &[Tensor],
    mask: &Mask,
    origin: &MaskOrigin,
) -> Result<(), StoreError> {
    let refuse = |reason: String| StoreError::Layout {
        path: path.to_path_buf(),
        reason,
    };
    let prunable = || tensors.iter().filter(|tensor| tensor.prunable);
    if prunable().any(|tensor| tensor.range().end > mask.bits()) {
        return Err(refuse(format!(
            "the mask has {} bits, the tensors need {}",
            mask.bits(),
            flat_length(tensors)
        )));
    }
    let mut entries: Vec<TensorEntry> = Vec::new();
    let mut densities = BTreeMap::new();
    let (mut kept, mut all) = (0, 0);
    for tensor in prunable() {
        let bytes = mask_bytes(tensor, mask);
        let alive = bytes.iter().filter(|&&byte| byte == 1).count();
        densities.insert(tensor.name.as_str(), ratio(alive, bytes.len()));
        kept += alive;
        all += bytes.len();
        entries.push((
            tensor.name.clone(),
            Dtype::BOOL,
            tensor.shape.clone(),
            bytes,
        ));
    }
    let header = MaskHeader {
        format: FORMAT,
        version: VERSION,
        densities,
        density: ratio(kept, all),
        digest: mask_digest(tensors, mask),
        origin,
    };
    let bytes = payload::encode(&entries, &header).map_err(refuse)?;
    write_view(path, &bytes)
}

/// Reads a mask for the tensors of a model. Files made elsewhere are accepted too: BOOL, U8 or F32 tensors of 0 and 1 under the
/// weights' names.
///
/// # Errors
/// A [`MaskError`] that says what does not fit: the file, a tensor's name, shape, type or value, or the digest.
pub fn load_mask(path: &Path, tensors: &[Tensor]) -> Result<Mask, MaskError> {
    parse_mask(path, &read(path)?, tensors)
}

/// [`load_mask`] of a file that was looked at before, when the SHA-256 of its bytes was `sha256`.
///
/// # Errors
/// [`MaskError::Changed`] if they are others now; else as [`load_mask`].
pub fn load_known_mask(path: &Path, sha256: &str, tensors: &[Tensor]) -> Result<Mask, MaskError> {
    let bytes = read(path)?;
    let found = crate::base::sha256(&bytes);
    if found != sha256 {
        return Err(MaskError::Changed {
            path: path.to_path_buf(),
            found,
            known: sha256.to_owned(),
        });
    }
    parse_mask(path, &bytes, tensors)
}

fn read(path: &Path) -> Result<Vec<u8>, StoreError> {
    std::fs::read(path).map_err(|error| StoreError::io("read", path, error))
}

/// The mask that the bytes of a file hold.
fn parse_mask(path: &Path, bytes: &[u8], tensors: &[Tensor]) -> Result<Mask, MaskError> {
    let path_buf = || path.to_path_buf();
    let (file, header) = payload::decode(bytes).map_err(|reason| MaskError::NotSafetensors {
        path: path_buf(),
        reason,
    })?;
    let header: Option<ReadHeader> = match header {
        None => None,
        Some(text) => Some(
            serde_json::from_str(&text).map_err(|error| MaskError::NotAMask {
                path: path_buf(),
                found: format!("an unreadable header ({error})"),
            })?,
        ),
    };
    if let Some(header) = &header {
        if header.format != FORMAT {
            return Err(MaskError::NotAMask {
                path: path_buf(),
                found: format!("a {}", header.format),
            });
        }
        if header.version != VERSION {
            return Err(MaskError::Version {
                path: path_buf(),
                found: header.version,
                known: VERSION,
            });
        }
    }

    let prunable: Vec<&Tensor> = tensors.iter().filter(|tensor| tensor.prunable).collect();
    let mut names = file.names();
    names.sort_unstable();
    if let Some(missing) = prunable
        .iter()
        .find(|tensor| !names.contains(&tensor.name.as_str()))
    {
        return Err(MaskError::MissingTensor {
            path: path_buf(),
            tensor: missing.name.clone(),
            holds: list(&names),
        });
    }
    if let Some(unexpected) = names
        .iter()
        .find(|name| !prunable.iter().any(|tensor| tensor.name == **name))
    {
        let expected: Vec<&str> = prunable.iter().map(|tensor| tensor.name.as_str()).collect();
        return Err(MaskError::UnexpectedTensor {
            path: path_buf(),
            tensor: (*unexpected).to_owned(),
            expected: list(&expected),
        });
    }

    let mut mask = Mask::full(flat_length(tensors).next_multiple_of(ALIGNMENT));
    for tensor in prunable {
        let view = file
            .tensor(&tensor.name)
            .map_err(|error| MaskError::NotSafetensors {
                path: path_buf(),
                reason: error.to_string(),
            })?;
        if view.shape() != tensor.shape {
            return Err(MaskError::Shape {
                path: path_buf(),
                tensor: tensor.name.clone(),
                found: view.shape().to_vec(),
                expected: tensor.shape.clone(),
            });
        }
        let kept = kept(path, &tensor.name, &view)?;
        remove_pruned(tensor, &kept, &mut mask);
    }
    if let Some(recorded) = header.and_then(|header| header.digest) {
        let found = mask_digest(tensors, &mask);
        if found != recorded {
            return Err(MaskError::Digest {
                path: path_buf(),
                found,
                recorded,
            });
        }
    }
    Ok(mask)
}

/// Which weights of one tensor stay.
fn kept(path: &Path, name: &str, view: &TensorView<'_>) -> Result<Vec<bool>, MaskError> {
    let refuse = |index: usize, value: String| MaskError::Value {
        path: path.to_path_buf(),
        tensor: name.to_owned(),
        index,
        value,
    };
    match view.dtype() {
        Dtype::BOOL | Dtype::U8 => view
            .data()
            .iter()
            .enumerate()
            .map(|(index, &byte)| match byte {
                0 => Ok(false),
                1 => Ok(true),
                other => Err(refuse(index, other.to_string())),
            })
            .collect(),
        Dtype::F32 => {
            let (words, _) = view.data().as_chunks::<4>();
            words
                .iter()
                .enumerate()
                .map(|(index, word)| match f32::from_le_bytes(*word) {
                    0.0 => Ok(false),
                    1.0 => Ok(true),
                    other => Err(refuse(index, other.to_string())),
                })
                .collect()
        }
        other => Err(MaskError::Type {
            path: path.to_path_buf(),
            tensor: name.to_owned(),
            found: format!("{other:?}"),
        }),
    }
}

/// A model without prunable tensors is whole.
fn ratio(kept: usize, all: usize) -> f64 {
    if all == 0 {
        1.0
    } else {
        kept as f64 / all as f64
    }
}

/// A few names in words.
fn list(names: &[&str]) -> String {
    const SHOWN: usize = 8;
    if names.is_empty() {
        return "no tensors".into();
    }
    let mut text = names
        .iter()
        .take(SHOWN)
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}
