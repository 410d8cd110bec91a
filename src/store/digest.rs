//! Digests that name experiments, weights and masks.

use super::payload::mask_bytes;
use crate::base::hex;
use crate::model::{Mask, Tensor};
use sha2::{Digest, Sha256};

/// First 16 hexadecimal characters of the SHA-256 over the tensors' little-endian f32 bytes, tensor by tensor.
///
/// Padding between tensors does not count, so the digest is that of the values alone. Elements past the end of `weights` are skipped.
pub fn weights_digest(tensors: &[Tensor], weights: &[f32]) -> String {
    let mut hash = Sha256::new();
    for tensor in tensors {
        let end = tensor.range().end.min(weights.len());
        for value in &weights[tensor.offset.min(end)..end] {
            hash.update(value.to_le_bytes());
        }
    }
    short(hash)
}

/// First 16 hexadecimal characters of the SHA-256 over one byte (0 or 1) per weight of the prunable tensors, tensor by tensor.
pub fn mask_digest(tensors: &[Tensor], mask: &Mask) -> String {
    let mut hash = Sha256::new();
    for tensor in tensors.iter().filter(|tensor| tensor.prunable) {
        hash.update(mask_bytes(tensor, mask));
    }
    short(hash)
}

fn short(hash: Sha256) -> String {
    let mut text = hex(hash);
    text.truncate(16);
    text
}
