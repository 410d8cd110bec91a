//! Masks off the GPU: one bit per float of the flat parameters, lowest bits first ([`Model::mask_words`](super::Model::mask_words)).

use super::Model;

/// Whether the mask keeps float `i`.
pub fn kept(mask: &[u32], i: usize) -> bool {
    mask[i / 32] >> (i % 32) & 1 == 1
}

/// Takes float `i` out of the mask.
pub fn remove(mask: &mut [u32], i: usize) {
    mask[i / 32] &= !(1 << (i % 32));
}

/// Kept weights per tensor of `model`; biases count whole.
pub fn kept_per_tensor(model: &Model, mask: &[u32]) -> Vec<u64> {
    model
        .tensors
        .iter()
        .map(|t| {
            let words = &mask[t.offset / 32..(t.offset + t.count).div_ceil(32)];
            let ones: u64 = words.iter().map(|w| u64::from(w.count_ones())).sum();
            // Bits past the tensor's end are 1 by convention.
            let tail = words.len() * 32 - t.count;
            ones - tail as u64
        })
        .collect()
}
