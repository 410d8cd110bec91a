//! Masks: one bit a parameter, 32 a word, the lowest bit first.

use super::number::Real;
use super::random::{STREAM_MASK, permuted, stream};
use secateur::prune::ShuffleShape;
use secateur::train::ParamsShape;

/// Bit `k` of words.
pub fn bit(words: &[u32], k: usize) -> bool {
    words[k / 32] >> (k % 32) & 1 == 1
}

/// Whether parameter `k` of replica `r` exists.
pub fn kept(u: &ParamsShape, masks: &[u32], r: usize, k: usize) -> bool {
    bit(&masks[r * u.mask_words as usize..], k)
}

/// params = 0 where the weight does not exist.
pub fn mask_apply<T: Real>(u: &ParamsShape, replicas: u32, masks: &[u32], params: &mut [T]) {
    let count = 4 * u.quads as usize;
    for r in 0..replicas as usize {
        for k in (0..count).filter(|&k| !kept(u, masks, r, k)) {
            params[r * count + k] = T::ZERO;
        }
    }
}

/// violations[r] += pruned positions at which any of the tensors is not 0; NaN is not, and -0 is.
pub fn mask_audit(u: &ParamsShape, masks: &[u32], tensors: &[&[f32]], violations: &mut [u32]) {
    let count = 4 * u.quads as usize;
    for (r, violations) in violations.iter_mut().enumerate() {
        let bad = |k: usize| tensors.iter().any(|t| t[r * count + k] != 0.0);
        let pruned = (0..count).filter(|&k| !kept(u, masks, r, k));
        *violations += pruned.filter(|&k| bad(k)).count() as u32;
    }
}

/// out[r][j] = mask[r][permuted(j)] within one tensor of `count` weights; bits of its last word past its end become 1.
/// `keys` is (seed, fresh, train, select) per replica.
pub fn mask_shuffle(u: &ShuffleShape, keys: &[[u32; 4]], masks: &[u32], shuffled: &mut [u32]) {
    for (r, key) in keys.iter().enumerate() {
        let first = (r as u32 * u.mask_words + u.first_word) as usize;
        for j in 0..u.count.next_multiple_of(32) {
            let name = stream(STREAM_MASK, u.tensor, key[3]);
            let on = j >= u.count || {
                let source = permuted(u.count, key[0], name, 0, j);
                bit(&masks[first..], source as usize)
            };
            let word = &mut shuffled[first + j as usize / 32];
            *word = *word & !(1 << (j % 32)) | u32::from(on) << (j % 32);
        }
    }
}
