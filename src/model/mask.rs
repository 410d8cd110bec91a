//! Masks off the GPU: one bit per float of the flat parameters, lowest bits first ([`Model::mask_words`](super::Model::mask_words)).

/// Whether the mask keeps float `i`.
pub fn kept(mask: &[u32], i: usize) -> bool {
    mask[i / 32] >> (i % 32) & 1 == 1
}

/// Takes float `i` out of the mask.
pub fn remove(mask: &mut [u32], i: usize) {
    mask[i / 32] &= !(1 << (i % 32));
}
