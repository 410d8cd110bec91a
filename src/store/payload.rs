//! Safetensors files with one header entry, so that equal contents are equal bytes.

use crate::model::{Mask, Tensor};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::HashMap;

/// The one metadata key. The crate writes metadata in hash order, which changes from process to process; one key cannot be reordered.
/// Its value is a JSON object.
const KEY: &str = "secateur";

/// A tensor to be written: name, type, shape, little-endian bytes.
pub(crate) type TensorEntry = (String, Dtype, Vec<usize>, Vec<u8>);

/// The bytes of a safetensors file. `header` becomes a JSON object under the metadata key `secateur`.
pub(crate) fn encode(
    entries: &[TensorEntry],
    header: &impl serde::Serialize,
) -> Result<Vec<u8>, String> {
    let text = serde_json::to_string(header).map_err(|error| error.to_string())?;
    let mut views = Vec::with_capacity(entries.len());
    for (name, dtype, shape, bytes) in entries {
        let view = TensorView::new(*dtype, shape.clone(), bytes)
            .map_err(|error| format!("tensor `{name}`: {error}"))?;
        views.push((name.as_str(), view));
    }
    safetensors::serialize(views, Some(HashMap::from([(KEY.to_owned(), text)])))
        .map_err(|error| error.to_string())
}

/// A parsed file and the JSON text under its key `secateur`, if it has one.
pub(crate) fn decode(bytes: &[u8]) -> Result<(SafeTensors<'_>, Option<String>), String> {
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
    let header = metadata
        .metadata()
        .as_ref()
        .and_then(|entries| entries.get(KEY).cloned());
    Ok((tensors, header))
}

/// The JSON text under the key `secateur` of a file's header, which is read alone, without the length in front of it.
pub(crate) fn header_text(header: &[u8]) -> Option<String> {
    let header: serde_json::Value = serde_json::from_slice(header).ok()?;
    Some(header["__metadata__"][KEY].as_str()?.to_owned())
}

/// Little-endian bytes of some weights.
pub(crate) fn f32_bytes(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// One byte (0 or 1) per weight of a tensor.
pub(crate) fn mask_bytes(tensor: &Tensor, mask: &Mask) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(tensor.count.next_multiple_of(32));
    for eight in mask.words_of(tensor).flat_map(u32::to_le_bytes) {
        bytes.extend_from_slice(&SPREAD[usize::from(eight)]);
    }
    bytes.truncate(tensor.count);
    bytes
}

/// The bits of every byte as bytes, the lowest first.
const SPREAD: [[u8; 8]; 256] = {
    let mut all = [[0; 8]; 256];
    let mut at = 0;
    while at < 256 * 8 {
        all[at / 8][at % 8] = ((at / 8) >> (at % 8) & 1) as u8;
        at += 1;
    }
    all
};

/// The same, eight weights to a byte, the first in its lowest bit.
pub(crate) fn mask_bits(tensor: &Tensor, mask: &Mask) -> Vec<u8> {
    let bytes = mask.words_of(tensor).flat_map(u32::to_le_bytes);
    bytes.take(tensor.count.div_ceil(8)).collect()
}

/// Takes the pruned weights of a tensor out of a mask, by [`mask_bits`].
pub(crate) fn remove_by_bits(tensor: &Tensor, bits: &[u8], mask: &mut Mask) {
    let word = |bytes: &[u8]| {
        let mut whole = [0; 4];
        whole[..bytes.len()].copy_from_slice(bytes);
        u32::from_le_bytes(whole)
    };
    mask.keep_in(tensor, bits.chunks(4).map(word));
}

/// Takes the pruned weights of a tensor out of a mask.
pub(crate) fn remove_pruned(tensor: &Tensor, kept: &[bool], mask: &mut Mask) {
    let word = |kept: &[bool]| {
        let bits = kept.iter().enumerate();
        bits.fold(0, |word, (bit, &kept)| word | u32::from(kept) << bit)
    };
    mask.keep_in(tensor, kept.chunks(32).map(word));
}

/// Smallest flat length that holds every tensor.
pub(crate) fn flat_length(tensors: &[Tensor]) -> usize {
    tensors.iter().map(|t| t.range().end).max().unwrap_or(0)
}
