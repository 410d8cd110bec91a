//! Stage checkpoints: what a run is after one step, so that a killed experiment continues from there.

use super::error::StoreError;
use super::payload::{self, TensorEntry, flat_length, mask_bits, remove_by_bits};
use super::write::write_once;
use crate::base::hex;
use crate::model::{Mask, Tensor};
use safetensors::tensor::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

const FORMAT: &str = "secateur-stage";
const VERSION: u32 = 2;
/// What safetensors itself allows.
const LONGEST_HEADER: u64 = 100_000_000;
const DAMAGED: &str =
    "remove this file and run the same command again: only this stage is computed again";

/// What a run is after one of its steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StageState {
    /// Weights in the flat, padded layout that a list of [`Tensor`] describes; padding is 0.
    pub weights: Vec<f32>,
    /// Which of them exist.
    pub mask: Mask,
    /// Whatever else must survive: curve points and losses, as JSON texts.
    pub meta: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
struct StageHeader {
    format: String,
    version: u32,
    stage: String,
    /// Elements in the flat layout, padding included.
    flat: usize,
    /// Words of the packed mask.
    words: usize,
    meta: BTreeMap<String, String>,
    /// SHA-256 over everything else in the file.
    digest: String,
}

/// Writes a stage: each tensor as F32 under its name, the mask of each prunable one as bits under `<name>.mask`: a list of U8, eight
/// weights to each, in their order in the tensor and from the lowest bit on (`numpy.unpackbits(m, bitorder="little")[:n]`).
pub(crate) fn save(
    path: &Path,
    stage: &str,
    tensors: &[Tensor],
    state: &StageState,
) -> Result<(), StoreError> {
    let refuse = |reason: String| StoreError::Layout {
        path: path.to_path_buf(),
        reason,
    };
    let flat = flat_length(tensors);
    if state.weights.len() < flat || state.mask.bits() < flat {
        return Err(refuse(format!(
            "the tensors need {flat} elements, there are {} weights and {} mask bits",
            state.weights.len(),
            state.mask.bits()
        )));
    }
    let mut entries: Vec<TensorEntry> = Vec::new();
    for tensor in tensors {
        entries.push((
            tensor.name.clone(),
            Dtype::F32,
            tensor.shape.clone(),
            payload::f32_bytes(&state.weights[tensor.range()]),
        ));
        if tensor.prunable {
            entries.push((
                mask_name(tensor),
                Dtype::U8,
                mask_shape(tensor),
                mask_bits(tensor, &state.mask),
            ));
        }
    }
    let mut header = StageHeader {
        format: FORMAT.into(),
        version: VERSION,
        stage: stage.into(),
        flat: state.weights.len(),
        words: state.mask.words().len(),
        meta: state.meta.clone(),
        digest: String::new(),
    };
    header.digest = digest(
        &header,
        entries
            .iter()
            .map(|(name, _, shape, bytes)| (name.as_str(), shape.as_slice(), bytes.as_slice())),
    );
    write_once(path, &payload::encode(&entries, &header).map_err(refuse)?)
}

/// Reads a stage; `None` if there is no such file.
pub(crate) fn load(
    path: &Path,
    stage: &str,
    tensors: &[Tensor],
) -> Result<Option<StageState>, StoreError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io("read", path, error)),
    };
    decode(&bytes, stage, tensors)
        .map(Some)
        .map_err(|reason| StoreError::Damaged {
            path: path.to_path_buf(),
            reason,
            next: DAMAGED,
        })
}

/// Reads what a stage says beside its tensors, which are not looked at; `None` if there is no such file.
pub(crate) fn load_meta(
    path: &Path,
    stage: &str,
) -> Result<Option<BTreeMap<String, String>>, StoreError> {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        // A safetensors file begins with the length of its header.
        let mut length = [0; 8];
        file.read_exact(&mut length)?;
        let mut header = Vec::new();
        file.take(u64::from_le_bytes(length).min(LONGEST_HEADER))
            .read_to_end(&mut header)?;
        Ok(header)
    };
    let header = match read() {
        Ok(header) => header,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io("read", path, error)),
    };
    let header = stage_header(payload::header_text(&header), stage);
    let header = header.map_err(|reason| StoreError::Damaged {
        path: path.to_path_buf(),
        reason,
        next: DAMAGED,
    })?;
    Ok(Some(header.meta))
}

fn decode_header<'b>(
    bytes: &'b [u8],
    stage: &str,
) -> Result<(SafeTensors<'b>, StageHeader), String> {
    let (file, header) = payload::decode(bytes)?;
    Ok((file, stage_header(header, stage)?))
}

fn stage_header(header: Option<String>, stage: &str) -> Result<StageHeader, String> {
    let header = header.ok_or("its header does not say what it is")?;
    let header: StageHeader =
        serde_json::from_str(&header).map_err(|error| format!("its header: {error}"))?;
    if header.format != FORMAT || header.version != VERSION {
        return Err(format!(
            "it is a {} of version {}, not a {FORMAT} of version {VERSION}",
            header.format, header.version
        ));
    }
    if header.stage != stage {
        return Err(format!("it holds stage {}", header.stage));
    }
    Ok(header)
}

fn decode(bytes: &[u8], stage: &str, tensors: &[Tensor]) -> Result<StageState, String> {
    let (file, header) = decode_header(bytes, stage)?;
    let mut parts = Vec::new();
    for tensor in tensors {
        let weight = (tensor.name.clone(), Dtype::F32, tensor.shape.clone());
        let mask = tensor
            .prunable
            .then(|| (mask_name(tensor), Dtype::U8, mask_shape(tensor)));
        for (name, dtype, shape) in std::iter::once(weight).chain(mask) {
            let view = file
                .tensor(&name)
                .map_err(|_| format!("it has no tensor `{name}`"))?;
            if view.dtype() != dtype || view.shape() != shape {
                return Err(format!(
                    "its `{name}` is {:?} {:?}, the model's is {dtype:?} {shape:?}",
                    view.dtype(),
                    view.shape(),
                ));
            }
            parts.push((name, tensor, shape, view.data()));
        }
    }
    if file.len() != parts.len() {
        return Err(format!(
            "it has {} tensors, the model {}",
            file.len(),
            parts.len()
        ));
    }
    let found = digest(
        &header,
        parts
            .iter()
            .map(|(name, _, shape, bytes)| (name.as_str(), shape.as_slice(), *bytes)),
    );
    if found != header.digest {
        return Err("its contents do not match its checksum".into());
    }

    // The checksum holds, so the recorded lengths are the ones that were saved.
    let flat = flat_length(tensors).max(header.flat);
    let mut state = StageState {
        weights: vec![0.0; flat],
        mask: Mask::full(flat_length(tensors).max(32 * header.words)),
        meta: header.meta,
    };
    for (name, tensor, _, bytes) in parts {
        if name == tensor.name {
            let (words, _) = bytes.as_chunks::<4>();
            for (slot, word) in state.weights[tensor.offset..].iter_mut().zip(words) {
                *slot = f32::from_le_bytes(*word);
            }
        } else {
            remove_by_bits(tensor, bytes, &mut state.mask);
        }
    }
    Ok(state)
}

fn mask_shape(tensor: &Tensor) -> Vec<usize> {
    vec![tensor.count.div_ceil(8)]
}

fn mask_name(tensor: &Tensor) -> String {
    format!("{}.mask", tensor.name)
}

/// Every field is preceded by its length or ended by a NUL, so no two contents hash the same text.
fn digest<'a>(
    header: &StageHeader,
    parts: impl Iterator<Item = (&'a str, &'a [usize], &'a [u8])>,
) -> String {
    let mut hash = Sha256::new();
    hash.update(format!(
        "{}\0{}\0{}\0",
        header.stage, header.flat, header.words
    ));
    for (key, value) in &header.meta {
        hash.update(format!("{}:{key}{}:{value}", key.len(), value.len()));
    }
    for (name, shape, bytes) in parts {
        hash.update(format!("{name}\0{shape:?}\0"));
        hash.update(bytes);
    }
    hex(hash)
}
