//! Batch normalisation. Images are `[R][channel][part][pixel][slots]`; `part` and `kept` are laid out as the shaders say.

use super::number::{Real, fma};
use super::pointwise::rectified;
use secateur::ops::BatchNormShape;
use secateur::train::State;

/// The first value of (r, c, p), and how many a part has.
fn part_of(u: &BatchNormShape, r: usize, c: usize, p: usize) -> (usize, usize) {
    let run = 4 * (u.pixels * u.columns) as usize;
    let number = (r * u.channels as usize + c) * u.parts as usize + p;
    (number * run, run)
}

/// Sums `term(index)` over the samples there are, as the shaders do: one sum for each place in a vec4, then across.
fn sum<T: Real>(
    u: &BatchNormShape,
    count: u32,
    run: usize,
    mut term: impl FnMut(usize, T) -> T,
) -> T {
    let slots = 4 * u.columns as usize;
    let mut lanes = [T::ZERO; 4];
    for k in 0..run {
        if k % slots < count as usize {
            lanes[k % 4] = term(k, lanes[k % 4]);
        }
    }
    ((lanes[0] + lanes[1]) + lanes[2]) + lanes[3]
}

/// Every (r, c, p).
fn parts(u: &BatchNormShape, state: &[State]) -> impl Iterator<Item = (usize, usize, usize)> {
    let [channels, parts] = [u.channels, u.parts].map(|n| n as usize);
    let replicas = state.len();
    (0..replicas)
        .flat_map(move |r| (0..parts).flat_map(move |p| (0..channels).map(move |c| (r, c, p))))
}

/// part[r][p][c] = (m, sum (X - m)^2), m = sum X / n, over the samples there are.
pub fn batch_norm_statistics<T: Real>(
    u: &BatchNormShape,
    state: &[State],
    x: &[T],
    part: &mut [T],
) {
    for (r, c, p) in parts(u, state) {
        let count = state[r].count;
        let (start, run) = part_of(u, r, c, p);
        let own = &x[start..start + run];
        let mean: T = sum::<T>(u, count, run, |k, s| s + own[k]) / T::count(u.pixels * count);
        let squares = sum(u, count, run, |k, s| {
            let d = own[k] - mean;
            fma(d, d, s)
        });
        let to = 2 * ((r * u.parts as usize + p) * u.channels as usize + c);
        (part[to], part[to + 1]) = (mean, squares);
    }
}

/// kept[r][c][0] = (mean, 1 / deviation, scale, bias), by Chan, Golub and LeVeque's combination of the parts; moves the
/// running statistics in `params`.
pub fn batch_norm_combine<T: Real>(
    u: &BatchNormShape,
    state: &[State],
    part: &[T],
    params: &mut [T],
    kept: &mut [T],
) {
    let channels = u.channels as usize;
    for (r, s) in state.iter().enumerate() {
        for c in 0..channels {
            let own = r * u.param_stride as usize + c;
            let (at_mean, at_variance) = (
                own + u.mean_offset as usize,
                own + u.variance_offset as usize,
            );
            let (mut mean, mut variance) = (params[at_mean], params[at_variance]);
            if u.mode != 0 {
                let (old_mean, old_variance, rate) = match (u.mode, s.step) {
                    (2, 0) => (T::ZERO, T::ZERO, T::ONE),
                    (2, step) => (mean, variance, T::ONE / T::count(step + 1)),
                    _ => (mean, variance, T::of(u.momentum)),
                };
                let n = T::count(u.pixels * s.count);
                mean = T::ZERO;
                let mut squares = T::ZERO;
                for p in 0..u.parts {
                    let from = 2 * ((r as u32 * u.parts + p) as usize * channels + c);
                    let share = T::ONE / T::count(p + 1);
                    let d = part[from] - mean;
                    mean = fma(d, share, mean);
                    squares = fma(d * d, n * (T::count(p) * share), squares + part[from + 1]);
                }
                let all = n * T::count(u.parts);
                variance = squares / all;
                params[at_mean] = fma(rate, mean - old_mean, old_mean);
                let rest = if all - T::ONE > T::ONE {
                    all - T::ONE
                } else {
                    T::ONE
                };
                params[at_variance] = fma(rate, squares / rest - old_variance, old_variance);
            }
            let inverse = T::ONE / (variance + T::of(u.eps)).sqrt();
            let scale = params[own + u.weight_offset as usize] * inverse;
            let to = 8 * (r * channels + c);
            let bias = params[own + u.bias_offset as usize];
            kept[to..to + 4].copy_from_slice(&[mean, inverse, scale, bias]);
        }
    }
}

/// Y = (X - mean) scale + bias, then max(Y, 0) where u.relu.
pub fn batch_norm_forward<T: Real>(
    u: &BatchNormShape,
    replicas: u32,
    kept: &[T],
    x: &[T],
    y: &mut [T],
) {
    let run = 4 * (u.parts * u.pixels * u.columns) as usize;
    for (i, y) in y[..(replicas * u.channels) as usize * run]
        .iter_mut()
        .enumerate()
    {
        let k = &kept[8 * (i / run)..];
        *y = rectified(fma(x[i] - k[0], k[2], k[3]), u.relu);
    }
}

/// part[r][p][c] = (sum dY, sum dY (X - mean)).
pub fn batch_norm_backward_sums<T: Real>(
    u: &BatchNormShape,
    state: &[State],
    x: &[T],
    dy: &[T],
    kept: &[T],
    part: &mut [T],
) {
    for (r, c, p) in parts(u, state) {
        let count = state[r].count;
        let (start, run) = part_of(u, r, c, p);
        let mean = kept[8 * (r * u.channels as usize + c)];
        let to = 2 * ((r * u.parts as usize + p) * u.channels as usize + c);
        part[to] = sum(u, count, run, |k, s| s + dy[start + k]);
        part[to + 1] = sum(u, count, run, |k, s| {
            fma(dy[start + k], x[start + k] - mean, s)
        });
    }
}

/// Gradients of weights and biases where u.learns; kept[r][c][1] = (mean, scale, mean of dY, mean of dY (X - mean) / variance).
pub fn batch_norm_backward_combine<T: Real>(
    u: &BatchNormShape,
    state: &[State],
    part: &[T],
    kept: &mut [T],
    grads: &mut [T],
) {
    let channels = u.channels as usize;
    for (r, s) in state.iter().enumerate() {
        for c in 0..channels {
            let (mut sum, mut products) = (T::ZERO, T::ZERO);
            for p in 0..u.parts as usize {
                let from = 2 * ((r * u.parts as usize + p) * channels + c);
                sum = sum + part[from];
                products = products + part[from + 1];
            }
            let at = 8 * (r * channels + c);
            let [mean, inverse, scale] = [kept[at], kept[at + 1], kept[at + 2]];
            let slope = products * inverse;
            let n = T::count(u.parts * u.pixels * s.count);
            kept[at + 4..at + 8].copy_from_slice(&[mean, scale, sum / n, slope * inverse / n]);
            if u.learns != 0 {
                let own = r * u.param_stride as usize + c;
                grads[own + u.weight_offset as usize] = slope;
                grads[own + u.bias_offset as usize] = sum;
            }
        }
    }
}

/// dX = scale ((dY - a) - (X - mean) b), 0 in empty slots.
pub fn batch_norm_backward_data<T: Real>(
    u: &BatchNormShape,
    state: &[State],
    x: &[T],
    dy: &[T],
    kept: &[T],
    dx: &mut [T],
) {
    let slots = 4 * u.columns as usize;
    let run = (u.parts * u.pixels) as usize * slots;
    for (r, s) in state.iter().enumerate() {
        for c in 0..u.channels as usize {
            let k = &kept[8 * (r * u.channels as usize + c) + 4..][..4];
            let start = (r * u.channels as usize + c) * run;
            for i in start..start + run {
                dx[i] = if i % slots < s.count as usize {
                    fma(k[0] - x[i], k[3], dy[i] - k[2]) * k[1]
                } else {
                    T::ZERO
                };
            }
        }
    }
}
