//! Which samples a batch holds, their values, and the state that moves from batch to batch.

use super::number::{Real, fma};
use super::random::{STREAM_SHUFFLE, STREAM_SPLIT, permuted, stream};
use secateur::train::{Advance, Draw, Gather, Hyper, State};

/// What an empty slot of a batch holds instead of a sample or a label.
pub const EMPTY: u32 = u32::MAX;

/// index[r][b] = which sample is number `position + b` of replica r's pass, and its label. `keys` is (seed, fresh, train,
/// select) per replica. Balanced, the split takes the classes in turn.
pub fn batch_draw(
    u: &Draw,
    keys: &[[u32; 4]],
    state: &[State],
    all_labels: &[u8],
    index: &mut [u32],
    label: &mut [u32],
) {
    for (r, (key, s)) in keys.iter().zip(state).enumerate() {
        for b in 0..u.slots {
            let at = (r as u32 * u.slots + b) as usize;
            index[at] = EMPTY;
            label[at] = EMPTY;
            if b < s.count {
                let mut position = s.position + b;
                if u.mode == 0 {
                    let order = stream(STREAM_SHUFFLE, 0, key[2]);
                    position = permuted(u.samples, key[0], order, s.epoch, position);
                }
                if u.mode < 2 {
                    let labels = &all_labels[..u.total as usize];
                    position = match u.balanced {
                        0 => {
                            let split = stream(STREAM_SPLIT, 0, 0);
                            permuted(u.total, key[0], split, 0, u.base + position)
                        }
                        _ => balanced(labels, key[0], u.base + position),
                    };
                }
                index[at] = position;
                label[at] = u32::from(all_labels[position as usize]);
            }
        }
    }
}

/// The sample whose turn is number `position` when the classes take turns, lower ones first.
fn balanced(labels: &[u8], seed: u32, position: u32) -> u32 {
    let mut seen = [0u32; 256];
    // (k, class) of every sample, k counting within its class: sorted, they are the turns.
    let turn = |&label: &u8| {
        let k = &mut seen[usize::from(label)];
        *k += 1;
        (*k - 1, label)
    };
    let mut turns: Vec<(u32, u8)> = labels.iter().map(turn).collect();
    turns.sort_unstable();
    let (k, class) = turns[position as usize];
    let of_class = || (0..).zip(labels).filter(|(_, label)| **label == class);
    let count = of_class().count() as u32;
    let split = stream(STREAM_SPLIT, 1 + u32::from(class), 0);
    let number = permuted(count, seed, split, 0, k);
    of_class().nth(number as usize).map_or(EMPTY, |(i, _)| i)
}

/// x[r][f][b] = byte(index[r][b'], f) * scale[channel] + shift[channel], b' = 4 first_column + b, for samples of this part; of the others, the part
/// that begins with sample 0 makes 0, as of empty slots, and every other part nothing. `images` is bytes
/// `[sample - first][4 words]`.
pub fn batch_gather<T: Real>(
    u: &Gather,
    replicas: u32,
    images: &[u8],
    scales: &[[f32; 2]],
    index: &[u32],
    x: &mut [T],
) {
    let [features, words, plane] = [u.features, u.words, u.plane].map(|n| n as usize);
    let slots = 4 * u.columns as usize;
    for r in 0..replicas as usize {
        for f in 0..features {
            for b in 0..slots {
                let in_batch = 4 * (r * u.batch_columns as usize + u.first_column as usize) + b;
                let sample = index[in_batch];
                let [scale, shift] = scales[f / plane].map(T::of);
                let value = &mut x[(r * features + f) * slots + b];
                if sample != EMPTY && (u.first..u.first + u.samples).contains(&sample) {
                    let byte = images[(sample - u.first) as usize * 4 * words + f];
                    *value = fma(T::count(u32::from(byte)), scale, shift);
                } else if u.first == 0 {
                    *value = T::ZERO;
                }
            }
        }
    }
}

/// The numbers of a [`State`] that are not whole, at a twin's precision.
#[derive(Clone, Copy, Debug)]
pub struct Reals<T> {
    /// Sum of sample losses.
    pub loss_sum: T,
    /// Learning rate.
    pub lr: T,
    /// 1 - beta1 ^ (step + 1).
    pub correction1: T,
    /// 1 - beta2 ^ (step + 1).
    pub correction2: T,
}

/// Adds the batch's losses and hits to the totals and moves the state on to the next batch. The state's own reals are left
/// to the caller, who gets them at the twin's precision.
pub fn step_advance<T: Real>(
    u: &Advance,
    hyper: &[Hyper],
    factors: &[f32],
    loss: &[T],
    hit: &[u32],
    state: &mut [State],
) -> Vec<Reals<T>> {
    let slots = 4 * u.columns as usize;
    let each = state.iter_mut().zip(hyper).enumerate().map(|(r, (s, h))| {
        let mut sum = T::ZERO;
        let mut hits = 0;
        for b in 0..slots {
            sum = sum + loss[r * slots + b];
            hits += hit[r * slots + b];
        }
        if !sum.finite() {
            s.broken += 1;
        }
        let mut reals = Reals {
            loss_sum: T::of(s.loss_sum) + sum,
            lr: T::of(s.lr),
            correction1: T::of(s.correction1),
            correction2: T::of(s.correction2),
        };
        s.correct += hits;
        s.seen += s.count;
        s.position += s.count;
        s.step += 1;
        if s.position >= u.samples {
            s.position = 0;
            s.epoch += 1;
        }
        s.count = u.batch.min(u.samples - s.position);
        if u.steps > 0 {
            let factor = factors[s.step.min(u.steps - 1) as usize];
            reals.lr = T::of(h.lr) * T::of(factor);
            if h.corrections > 0 {
                let pair = s.step.min(h.corrections - 1);
                let at = (h.first_correction + 2 * pair) as usize;
                reals.correction1 = T::of(factors[at]);
                reals.correction2 = T::of(factors[at + 1]);
            }
        }
        reals
    });
    each.collect()
}
