//! Softmax and cross-entropy.

use super::number::{Real, fma};
use secateur::ops::LossShape;
use secateur::train::State;

/// Per sample b with label t and targets q_c: loss = ln sum_c e^(l_c - m) + sum_c q_c (m - l_c), m = max_c l_c;
/// dl_c = (e^(l_c - m) / sum - q_c) / count; hit = 1 when l_t is the first maximum; 0 everywhere in empty slots.
pub fn softmax_loss<T: Real>(
    u: &LossShape,
    state: &[State],
    label: &[u32],
    logits: &[T],
    dlogits: &mut [T],
    loss: &mut [T],
    hit: &mut [u32],
) {
    let classes = u.classes as usize;
    let slots = 4 * u.columns as usize;
    for (r, s) in state.iter().enumerate() {
        for b in 0..slots {
            let at = |c: usize| (r * classes + c) * slots + b;
            let in_batch = 4 * (r * u.batch_columns as usize + u.first_column as usize) + b;
            let own = label[in_batch] as usize;
            if own >= classes {
                loss[in_batch] = T::ZERO;
                hit[in_batch] = 0;
                (0..classes).for_each(|c| dlogits[at(c)] = T::ZERO);
                continue;
            }
            let mut top = logits[at(0)];
            for c in 1..classes {
                if logits[at(c)] > top {
                    top = logits[at(c)];
                }
            }
            let mut sum = T::ZERO;
            for c in 0..classes {
                sum = sum + (logits[at(c)] - top).exp();
            }
            let share = T::ONE / T::count(s.count);
            for c in 0..classes {
                let target = T::of(if c == own { u.own } else { u.other });
                dlogits[at(c)] = ((logits[at(c)] - top).exp() / sum - target) * share;
            }
            let mine = logits[at(own)];
            let mut away = top - mine;
            if u.other > 0.0 {
                let mut rest = T::ZERO;
                for c in 0..classes {
                    rest = rest
                        + if c == own {
                            T::ZERO
                        } else {
                            top - logits[at(c)]
                        };
                }
                away = fma(T::of(u.other), rest, T::of(u.own) * away);
            }
            loss[in_batch] = sum.ln() + away;
            // Of equal maxima the first wins, and nothing wins against NaN.
            let beats =
                |c: usize| c == own || mine > logits[at(c)] || (mine == logits[at(c)] && own < c);
            hit[in_batch] = u32::from((0..classes).all(beats));
        }
    }
}
