//! Sums over units: their weights, their distances, and what they do on a batch.

use super::number::{Real, fma};
use secateur::train::{ActivityShape, ShrinkShape, State, UnitPairs, UnitRun, UnitShape};

/// Lanes of a workgroup that share a sum.
const LANES: usize = 64;

/// Every flat index of a unit's runs, in order, run by run.
fn places(first: &[u32], runs: &[UnitRun], unit: usize) -> Vec<Vec<usize>> {
    let own = &runs[first[unit] as usize..first[unit + 1] as usize];
    own.iter()
        .map(|run| {
            let each = |o| (0..run.len).map(move |e| (run.start + o * run.stride + e) as usize);
            (0..run.outer).flat_map(each).collect()
        })
        .collect()
}

/// sum[r][n] = sum over the floats of unit n of |w|, w w or w a: 64 lanes, then the lanes in order.
pub fn unit_sums<T: Real>(
    u: &UnitShape,
    kind: u32,
    (first, runs): (&[u32], &[UnitRun]),
    (params, a): (&[T], &[T]),
    sum: &mut [T],
) {
    let units = u.units as usize;
    for (i, to) in sum.iter_mut().enumerate() {
        let (r, n) = (i / units, i % units);
        let mut lanes = [T::ZERO; LANES];
        for run in places(first, runs, n) {
            for (e, p) in run.into_iter().enumerate() {
                let at = r * u.param_stride as usize + p;
                let (w, lane) = (params[at], &mut lanes[e % LANES]);
                *lane = match kind {
                    0 => *lane + w.abs(),
                    1 => fma(w, w, *lane),
                    _ => fma(w, a[at], *lane),
                };
            }
        }
        *to = lanes.into_iter().fold(T::ZERO, |all, lane| all + lane);
    }
}

/// square[r][j][k] = sum over the floats of a unit of (w_j - w_k)^2.
pub fn unit_distances<T: Real>(
    u: &UnitPairs,
    replicas: usize,
    (first, runs): (&[u32], &[UnitRun]),
    params: &[T],
    square: &mut [T],
) {
    let of = |unit: u32| places(first, runs, (u.base + unit) as usize).concat();
    for r in 0..replicas {
        let own = &params[r * u.param_stride as usize..];
        for j in 0..u.rows {
            for k in 0..u.units {
                let mut sum = T::ZERO;
                for (p, q) in of(u.row + j).into_iter().zip(of(k)) {
                    let d = own[p] - own[q];
                    sum = fma(d, d, sum);
                }
                square[((r as u32 * u.rows + j) * u.units + k) as usize] = sum;
            }
        }
    }
}

/// sum[r][base + n] += the mean of |x| over the features of unit n and the batch's samples.
pub fn unit_activity<T: Real>(u: &ActivityShape, state: &[State], x: &[T], sum: &mut [T]) {
    let of_unit = 4 * (u.len * u.columns) as usize;
    for (r, state) in state.iter().enumerate() {
        for n in 0..u.units as usize {
            let own = &x[(r * u.units as usize + n) * of_unit..][..of_unit];
            let mut lanes = [T::ZERO; LANES];
            for (e, values) in own.chunks_exact(4).enumerate() {
                for (b, value) in values.iter().enumerate() {
                    let sample = 4 * (u.column as usize + e % u.columns as usize) + b;
                    if sample < state.count as usize {
                        lanes[e % LANES] = lanes[e % LANES] + value.abs();
                    }
                }
            }
            let all = lanes.into_iter().fold(T::ZERO, |all, lane| all + lane);
            let share = T::ONE / (T::count(u.len) * T::count(state.count));
            let to = &mut sum[r * u.stride as usize + u.base as usize + n];
            *to = fma(all, share, *to);
        }
    }
}

/// w *= s[row unit] s[column unit], s[n] = max(0, 1 - lr lambda root[n] / sqrt(sum[r][n])).
pub fn unit_shrink<T: Real>(
    u: &ShrinkShape,
    state: &[State],
    (lambda, root): (&[f32], &[f32]),
    sum: &[T],
    params: &mut [T],
) {
    for (r, state) in state.iter().enumerate() {
        let factor = |unit: u32| {
            let limit = T::of(state.lr) * T::of(lambda[r]) * T::of(root[unit as usize]);
            let norm = sum[r * u.units as usize + unit as usize].sqrt();
            if norm <= limit {
                T::ZERO
            } else {
                T::ONE - limit / norm
            }
        };
        for i in 0..u.count {
            let w = &mut params[(r as u32 * u.param_stride + u.offset + i) as usize];
            if *w == T::ZERO {
                continue;
            }
            if u.row != u32::MAX {
                *w = *w * factor(u.row + i / u.row_len);
            }
            if u.column != u32::MAX {
                *w = *w * factor(u.column + i % u.width / u.column_len);
            }
        }
    }
}
