//! Lists of kept weights, and what runs on them.
//!
//! A product over the kept weights has the bits of the dense one over parameters that are 0 where pruned. So the twins of the
//! sparse products are the dense twins over such parameters, and know no lists.

use super::conv::{conv_backward_weight, part_floats};
use super::dense::dense_backward_weight;
use super::mask::{bit, kept, mask_apply};
use super::number::Real;
use super::optimizer::{Step, Tensors};
use super::reduce::partial_sum;
use secateur::ops::{
    ColumnsShape, ConvShape, DenseShape, KeptPartialShape, PartialShape, PrefixShape, TensorShape,
};
use secateur::train::ParamsShape;

/// ranks[r][w] = number of 1s in mask word w, w < mask_words.
pub fn kept_count(u: &ParamsShape, replicas: u32, masks: &[u32], ranks: &mut [u32]) {
    let words = u.mask_words as usize;
    for r in 0..replicas as usize {
        for w in 0..words {
            let ones = (32 * w..32 * w + 32).filter(|&k| kept(u, masks, r, k));
            ranks[r * (words + 1) + w] = ones.count() as u32;
        }
    }
}

/// counts[r][i] = sum of counts[r][j] over j < i, in place, for i = 0 ... n.
pub fn prefix_sum(u: &PrefixShape, replicas: u32, counts: &mut [u32]) {
    let n = u.count as usize;
    for own in counts.chunks_mut(n + 1).take(replicas as usize) {
        let mut before = 0;
        for count in &mut own[..n] {
            (*count, before) = (before, before + *count);
        }
        own[n] = before;
    }
}

/// kept[r] = the flat indices of the 1s, ascending; past them it is left alone.
pub fn kept_fill(u: &ParamsShape, replicas: u32, masks: &[u32], list: &mut [u32]) {
    for r in 0..replicas as usize {
        let ones = (0..32 * u.mask_words as usize).filter(|&k| kept(u, masks, r, k));
        for (to, k) in ones.enumerate() {
            list[r * u.kept_stride as usize + to] = k as u32;
        }
    }
}

/// The kept weights of input c as entries, by output, ky, kx.
fn column(u: &ColumnsShape, masks: &[u32], r: usize, c: u32) -> Vec<u32> {
    let own = &masks[r * u.mask_words as usize..];
    let mut entries = Vec::new();
    for o in 0..u.outputs {
        for ky in 0..u.kernel {
            for kx in 0..u.kernel {
                let weight = ((o * u.inputs + c) * u.kernel + ky) * u.kernel + kx;
                if bit(own, (u.weight_offset + weight) as usize) {
                    entries.push(o * 1024 + ky * 32 + kx);
                }
            }
        }
    }
    entries
}

/// starts[r][c] = kept weights of input c, c < inputs.
pub fn column_count(u: &ColumnsShape, replicas: u32, masks: &[u32], starts: &mut [u32]) {
    for r in 0..replicas {
        for c in 0..u.inputs {
            let count = column(u, masks, r as usize, c).len() as u32;
            starts[(r * (u.inputs + 1) + c) as usize] = count;
        }
    }
}

/// entries[r] = (output, ky, kx) of the kept weights, input by input; past them it is left alone.
pub fn column_fill(u: &ColumnsShape, replicas: u32, masks: &[u32], entries: &mut [u32]) {
    for r in 0..replicas as usize {
        let all = (0..u.inputs).flat_map(|c| column(u, masks, r, c));
        for (to, entry) in all.enumerate() {
            entries[r * u.stride as usize + to] = entry;
        }
    }
}

/// Where the kept floats of all replicas stand, with no more room than the fullest replica needs.
pub struct Rows {
    /// Kept floats before each mask word, `[R][mask_words + 1]`.
    pub ranks: Vec<u32>,
    /// Their flat indices, `[R][stride]`, 0xffffffff where a replica has fewer.
    pub list: Vec<u32>,
    /// Room per replica.
    pub stride: u32,
}

/// The rows of masks of `words` words a replica.
pub fn rows(words: u32, replicas: u32, masks: &[u32]) -> Rows {
    let mut u = ParamsShape {
        quads: 8 * words,
        mask_words: words,
        kept_stride: 0,
        flags: 0,
    };
    let mut ranks = vec![0; (replicas * (words + 1)) as usize];
    kept_count(&u, replicas, masks, &mut ranks);
    prefix_sum(&PrefixShape { count: words }, replicas, &mut ranks);
    let totals = ranks.chunks(words as usize + 1).map(|r| r[words as usize]);
    u.kept_stride = totals.max().unwrap_or(0);
    let mut list = vec![u32::MAX; (replicas * u.kept_stride) as usize];
    kept_fill(&u, replicas, masks, &mut list);
    Rows {
        ranks,
        list,
        stride: u.kept_stride,
    }
}

/// Where the kept weights of one layer stand by input, likewise.
pub struct Columns {
    /// `[R][inputs + 1]`.
    pub starts: Vec<u32>,
    /// `[R][stride]`.
    pub entries: Vec<u32>,
    /// Room per replica.
    pub stride: u32,
}

/// The columns of a layer; `u.stride` is found.
pub fn columns(u: &ColumnsShape, replicas: u32, masks: &[u32]) -> Columns {
    let inputs = u.inputs as usize;
    let mut starts = vec![0; replicas as usize * (inputs + 1)];
    column_count(u, replicas, masks, &mut starts);
    prefix_sum(&PrefixShape { count: u.inputs }, replicas, &mut starts);
    let totals = starts.chunks(inputs + 1).map(|s| s[inputs]);
    let stride = totals.max().unwrap_or(0);
    let mut entries = vec![u32::MAX; (replicas * stride) as usize];
    column_fill(
        &ColumnsShape { stride, ..*u },
        replicas,
        masks,
        &mut entries,
    );
    Columns {
        starts,
        entries,
        stride,
    }
}

/// The parameters with 0 where the weight does not exist.
pub fn masked<T: Real>(param_stride: u32, replicas: u32, masks: &[u32], params: &[T]) -> Vec<T> {
    let u = ParamsShape {
        quads: param_stride / 4,
        mask_words: param_stride / 32,
        kept_stride: 0,
        flags: 0,
    };
    let mut params = params.to_vec();
    mask_apply(&u, replicas, masks, &mut params);
    params
}

/// `all` where the weight exists, `to` elsewhere. Masks and tensors are both without gaps between replicas.
pub fn copy_kept<T: Copy>(masks: &[u32], all: &[T], to: &mut [T]) {
    for i in (0..32 * masks.len()).filter(|&i| bit(masks, i)) {
        to[i] = all[i];
    }
}

/// [`dense_backward_weight`] of the kept weights and the biases; nothing else is written.
pub fn dense_backward_weight_sparse<T: Real>(
    u: &DenseShape,
    replicas: u32,
    masks: &[u32],
    x: &[T],
    dy: &[T],
    grads: &mut [T],
) {
    let mut all = grads.to_vec();
    dense_backward_weight(u, false, replicas, x, dy, &mut all);
    copy_kept(masks, &all, grads);
    let place = (u.bias_offset, u.outputs, u.param_stride);
    copy_biases(place, replicas, &all, grads);
}

/// to[r][bias] = all[r][bias], whatever the masks say. Biases: (where they start, how many, floats per replica).
pub fn copy_biases<T: Copy>(
    (offset, count, stride): (u32, u32, u32),
    replicas: u32,
    all: &[T],
    to: &mut [T],
) {
    if offset == u32::MAX {
        return;
    }
    for r in 0..replicas {
        let first = (r * stride + offset) as usize;
        let biases = first..first + count as usize;
        to[biases.clone()].copy_from_slice(&all[biases]);
    }
}

/// part[r][qy][k] = what [`conv_backward_weight`] has for the layer's k-th kept weight; replicas start where theirs do.
pub fn conv_backward_weight_sparse<T: Real>(
    u: &ConvShape,
    replicas: u32,
    masks: &[u32],
    x: &[T],
    dy: &[T],
    part: &mut [T],
) {
    let weights = (u.out_channels * u.in_channels * u.kernel * u.kernel) as usize;
    let parts = u.out_height as usize;
    let stride = part_floats(u, 1);
    let mut all = part.to_vec();
    conv_backward_weight(u, false, replicas, x, dy, &mut all);
    for r in 0..replicas as usize {
        let places = places(u.param_stride, u.weight_offset, weights, masks, r);
        for p in 0..parts {
            for (k, place) in places.iter().enumerate() {
                part[r * stride + p * places.len() + k] = all[r * stride + p * weights + place];
            }
        }
        if u.bias_offset != u32::MAX {
            let biases = r * stride + parts * weights..(r + 1) * stride;
            part[biases.clone()].copy_from_slice(&all[biases]);
        }
    }
}

/// [`partial_sum`] of the parts of kept weights and of biases; nothing else is written.
pub fn kept_partial_sum<T: Real>(
    u: &KeptPartialShape,
    replicas: u32,
    masks: &[u32],
    part: &[T],
    grads: &mut [T],
) {
    let [weights, outputs, parts] = [u.weights, u.outputs, u.parts].map(|n| n as usize);
    let stride = parts * (weights + outputs);
    let mut all = part.to_vec();
    for r in 0..replicas as usize {
        let places = places(u.param_stride, u.weight_offset, weights, masks, r);
        for p in 0..parts {
            for (k, place) in places.iter().enumerate() {
                all[r * stride + p * weights + place] = part[r * stride + p * places.len() + k];
            }
        }
    }
    let shape = PartialShape {
        weights: u.weights,
        outputs: u.outputs,
        parts: u.parts,
        weight_offset: u.weight_offset,
        bias_offset: u.bias_offset,
        param_stride: u.param_stride,
    };
    let mut sums = grads.to_vec();
    partial_sum(&shape, replicas, &all, &mut sums);
    copy_kept(masks, &sums, grads);
    let place = (u.bias_offset, u.outputs, u.param_stride);
    copy_biases(place, replicas, &sums, grads);
}

/// The kept weights of a layer, counted from its first weight.
fn places(param_stride: u32, offset: u32, weights: usize, masks: &[u32], r: usize) -> Vec<usize> {
    let first = r * param_stride as usize + offset as usize;
    (0..weights).filter(|&k| bit(masks, first + k)).collect()
}

/// grads[r][i] = 0 where weight i of the tensor is pruned.
pub fn gradient_mask<T: Real>(u: &TensorShape, replicas: u32, masks: &[u32], grads: &mut [T]) {
    for r in 0..replicas as usize {
        let own = &masks[r * u.mask_words as usize..];
        for k in 4 * u.first as usize..4 * (u.first + u.count) as usize {
            if !bit(own, k) {
                grads[4 * r * u.quads as usize + k] = T::ZERO;
            }
        }
    }
}

/// An optimizer's step along the list of kept parameters: they fare as in the step over `all`, and the rest is left alone.
pub fn step_kept<T: Real>(
    step: &Step<'_>,
    t: &mut Tensors<T>,
    all: impl Fn(&Step<'_>, &mut Tensors<T>),
) {
    let mut stepped = t.clone();
    all(step, &mut stepped);
    copy_kept(step.masks, &stepped.params, &mut t.params);
    copy_kept(step.masks, &stepped.grads, &mut t.grads);
    copy_kept(step.masks, &stepped.moment1, &mut t.moment1);
    copy_kept(step.masks, &stepped.moment2, &mut t.moment2);
}
