//! Scores, and exact selection: what it must choose (a sort), and how the kernels do it (digits).

use super::mask::bit;
use super::random::{STREAM_GROW, STREAM_SELECT, pcg4d, stream};
use secateur::ops::Span;
use secateur::prune::{GrowthShape, ScoreShape, SelectShape, Threshold};

/// score[r][i] = bits(|w|) + 1 for weights that may be selected, else 0; `unordered[r]` counts NaN.
pub fn magnitude_score(
    u: &ScoreShape,
    masks: &[u32],
    params: &[f32],
    score: &mut [u32],
    unordered: &mut [u32],
) {
    for (r, unordered) in unordered.iter_mut().enumerate() {
        each_weight(u, r, masks, score, |_, at| {
            *unordered += u32::from(params[at].is_nan());
            params[at].abs().to_bits() + 1
        });
    }
}

/// score[r][i] = a random word from 1 to 2^32 - 2 for weights that may be selected, else 0. `keys` is (seed, fresh, train, select)
/// per replica.
pub fn random_score(u: &ScoreShape, keys: &[[u32; 4]], masks: &[u32], score: &mut [u32]) {
    for (r, key) in keys.iter().enumerate() {
        each_weight(u, r, masks, score, |i, _| {
            pcg4d([key[0], stream(STREAM_SELECT, u.tensor, key[3]), 0, i])[0].clamp(1, u32::MAX - 1)
        });
    }
}

/// score[r][i] = 2^32 - 2 for weights that exist; for the others bits(|g|) + 1, or where `random` a word from 1 to 2^32 - 3;
/// `unordered[r]` counts NaN among those.
pub fn growth_score(
    u: &GrowthShape,
    random: bool,
    (keys, masks, grads): (&[[u32; 4]], &[u32], &[f32]),
    score: &mut [u32],
    unordered: &mut [u32],
) {
    for (r, key) in keys.iter().enumerate() {
        for i in 0..u.count {
            let p = (u.offset + i) as usize;
            let at = r * u.param_stride as usize + p;
            score[at] = if bit(&masks[r * u.mask_words as usize..], p) {
                u32::MAX - 1
            } else if random {
                let stream = stream(STREAM_GROW, u.tensor, key[2]);
                pcg4d([key[0], stream, u.step, i])[0].clamp(1, u32::MAX - 2)
            } else {
                unordered[r] += u32::from(grads[at].is_nan());
                grads[at].abs().to_bits() + 1
            };
        }
    }
}

/// Calls `key(weight of the tensor, its place in the buffer)` where the weight may be selected.
fn each_weight(
    u: &ScoreShape,
    r: usize,
    masks: &[u32],
    score: &mut [u32],
    mut key: impl FnMut(u32, usize) -> u32,
) {
    for i in 0..u.count {
        let p = (u.offset + i) as usize;
        let at = r * u.param_stride as usize + p;
        let exists = u.revive != 0 || bit(&masks[r * u.mask_words as usize..], p);
        score[at] = if exists { key(i, at) } else { 0 };
    }
}

/// The bits of a digit that earlier rounds decided, and where the digit of this round lies.
fn digit_of(round: u32) -> (u32, u32) {
    let shift = 24 - 8 * (round % 4);
    (
        if shift == 24 {
            0
        } else {
            u32::MAX << (shift + 8)
        },
        shift,
    )
}

/// histogram[r][g][digit] += keys of group g that match the decided bits, by their next 8 bits. `blocks` is (first key, keys,
/// group, 0).
pub fn select_count(
    u: &SelectShape,
    replicas: u32,
    blocks: &[[u32; 4]],
    score: &[u32],
    thresholds: &[Threshold],
    histogram: &mut [u32],
) {
    for r in 0..replicas {
        for &[first, count, group, _] in blocks {
            let slot = (r * u.groups + group) as usize;
            let t = thresholds[slot];
            if t.round == 8 {
                continue;
            }
            let (decided, shift) = digit_of(t.round);
            for k in first..first + count {
                let key = score[(r * u.score_stride + k) as usize];
                let inverse = u32::MAX - (u.base + k);
                let (counted, word) = if t.round < 4 {
                    (key != 0 && key & decided == t.key & decided, key)
                } else {
                    (
                        key == t.key && inverse & decided == t.index & decided,
                        inverse,
                    )
                };
                if counted {
                    histogram[slot * 256 + (word >> shift & 255) as usize] += 1;
                }
            }
        }
    }
}

/// Fixes the next 8 bits of each threshold: the digit of the rank-th largest. Clears the histogram. Decided where all keys of that digit
/// are selected.
pub fn select_pick(thresholds: &mut [Threshold], histogram: &mut [u32]) {
    for (t, counts) in thresholds.iter_mut().zip(histogram.chunks_exact_mut(256)) {
        if t.round == 8 {
            continue;
        }
        let mut digit = 255;
        while digit > 0 && counts[digit] < t.rank {
            t.rank -= counts[digit];
            digit -= 1;
        }
        let (_, shift) = digit_of(t.round);
        let word = if t.round < 4 {
            &mut t.key
        } else {
            &mut t.index
        };
        *word |= (digit as u32) << shift;
        t.round = if counts[digit] == t.rank {
            8
        } else {
            t.round + 1
        };
        counts.fill(0);
    }
}

/// Mask bits = 1 at or above the threshold; bits of a block's last word past its end become 1, other words stay.
pub fn select_write(
    u: &SelectShape,
    replicas: u32,
    blocks: &[[u32; 4]],
    score: &[u32],
    thresholds: &[Threshold],
    masks: &mut [u32],
) {
    for r in 0..replicas {
        for &[first, count, group, _] in blocks {
            let t = thresholds[(r * u.groups + group) as usize];
            for k in first..first + count.next_multiple_of(32) {
                let on = k >= first + count || {
                    let key = score[(r * u.score_stride + k) as usize];
                    let inverse = u32::MAX - (u.base + k);
                    key != 0 && (key, inverse) >= (t.key, t.index)
                };
                let word = &mut masks[(r * u.mask_words + k / 32) as usize];
                *word = *word & !(1 << (k % 32)) | u32::from(on) << (k % 32);
            }
        }
    }
}

/// What selection means: which of `candidates` (index, key) are the `keep` largest, ties to the lower index, 0 never.
pub fn chosen(candidates: &[(u32, u32)], keep: u32) -> Vec<u32> {
    let mut order: Vec<_> = candidates
        .iter()
        .copied()
        .filter(|&(_, k)| k != 0)
        .collect();
    order.sort_by_key(|&(index, key)| (std::cmp::Reverse(key), index));
    order.truncate(keep as usize);
    order.into_iter().map(|(index, _)| index).collect()
}

/// score = 2^32 - 1 - score where it is not 0.
pub fn score_invert(u: &Span, replicas: u32, score: &mut [u32]) {
    for key in &mut score[..(4 * u.count * replicas) as usize] {
        if *key != 0 {
            *key = u32::MAX - *key;
        }
    }
}
