//! What scores are measured with: sums over batches, shifted and absolute weights, SynFlow's scaled pass, and sort keys of floats.

use super::mask::{bit, kept};
use super::number::{Real, fma};
use secateur::prune::ScoreShape;
use secateur::train::{ParamsShape, Rescale, Share};

/// sum += g, g^2, -w g or -g, by `kind`.
pub fn gradient_accumulate<T: Real>(kind: u32, params: &[T], grads: &[T], sum: &mut [T]) {
    for ((sum, &w), &g) in sum.iter_mut().zip(params).zip(grads) {
        *sum = match kind {
            0 => *sum + g,
            1 => fma(g, g, *sum),
            2 => fma(-w, g, *sum),
            _ => *sum - g,
        };
    }
}

/// params = base + step d where the mask has a 1, base elsewhere.
pub fn params_shift<T: Real>(
    u: &ParamsShape,
    steps: &[T],
    masks: &[u32],
    direction: &[T],
    base: &[T],
    params: &mut [T],
) {
    let count = 4 * u.quads as usize;
    for (r, &step) in steps.iter().enumerate() {
        for k in 0..count {
            let at = r * count + k;
            params[at] = base[at];
            if kept(u, masks, r, k) {
                params[at] = fma(step, direction[at], base[at]);
            }
        }
    }
}

/// params = |base| where the mask has a 1, 0 elsewhere.
pub fn params_absolute<T: Real>(
    u: &ParamsShape,
    replicas: u32,
    masks: &[u32],
    base: &[T],
    params: &mut [T],
) {
    let count = 4 * u.quads as usize;
    for (r, k) in (0..replicas as usize).flat_map(|r| (0..count).map(move |k| (r, k))) {
        let there = kept(u, masks, r, k);
        params[r * count + k] = if there {
            base[r * count + k].abs()
        } else {
            T::ZERO
        };
    }
}

/// x 2^-m with exponent e + m: m that of the largest |x|, or up to the exponent at `floor`.
pub fn flow_rescale(u: &Rescale, replicas: u32, exponents: &mut [i32], x: &mut [f32]) {
    let count = 4 * u.count as usize;
    for (r, x) in x
        .chunks_exact_mut(count)
        .take(replicas as usize)
        .enumerate()
    {
        let own = &mut exponents[r * u.nodes as usize..];
        let e = own[u.source as usize];
        let m = if u.floor == u32::MAX {
            let top = x.iter().map(|v| v.abs().to_bits() >> 23).max().unwrap_or(0);
            match top {
                0 | 255 => 0,
                top => (top as i32 - 127).clamp(-126, 126),
            }
        } else {
            (own[u.floor as usize] - e).max(0)
        };
        let scale = if m > 126 { 0.0 } else { 2f32.powi(-m) };
        for v in x {
            *v *= scale;
        }
        own[u.to as usize] = e + m;
    }
}

/// share = |w| g 2^(e[x] + e[dy] - e[y]).
pub fn flow_share(u: &Share, exponents: &[i32], params: &[f32], grads: &[f32], share: &mut [f32]) {
    for (r, e) in exponents.chunks_exact(u.nodes as usize).enumerate() {
        let k = e[u.input as usize] + e[u.gradient as usize] - e[u.output as usize];
        for i in 0..u.count {
            let at = (r as u32 * u.param_stride + u.offset + i) as usize;
            share[at] = params[at] * 2f32.powi(k / 2) * grads[at] * 2f32.powi(k - k / 2);
        }
    }
}

/// Sort keys of v by `formula`, larger v larger key, 0 for weights that may not be selected; `unordered[r]` counts NaN.
pub fn saliency_score(
    u: &ScoreShape,
    formula: u32,
    masks: &[u32],
    (params, sums): (&[f32], &[f32]),
    score: &mut [u32],
    unordered: &mut [u32],
) {
    for (r, unordered) in unordered.iter_mut().enumerate() {
        for p in (u.offset..u.offset + u.count).map(|p| p as usize) {
            let at = r * u.param_stride as usize + p;
            let (w, a) = (params[at], sums[at]);
            let v = match formula {
                0 => a.abs(),
                1 => (w * a).abs(),
                2 => w * a,
                3 => -w * a,
                4 => (w * w) * a,
                _ => a,
            };
            score[at] = 0;
            if u.revive != 0 || bit(&masks[r * u.mask_words as usize..], p) {
                *unordered += u32::from(v.is_nan());
                score[at] = order(v);
            }
        }
    }
}

/// The rank of a float among all floats, -0 with +0.
pub fn order(v: f32) -> u32 {
    let bits = if v == 0.0 { 0 } else { v.to_bits() };
    if bits >> 31 == 0 {
        bits | 1 << 31
    } else {
        !bits
    }
}
