//! Batch normalisation. Images are `[R][channel][pixel][slots]`; `kept` is laid out as the shaders say.

use super::lanes::{across, sum_of_lanes};
use super::number::{Real, fma};
use super::pointwise::rectified;
use secateur::ops::BatchNormShape;
use secateur::train::State;
use std::ops::Range;

/// Where the values of a channel lie.
fn channel(u: &BatchNormShape, r: usize, c: usize) -> Range<usize> {
    let run = 4 * (u.pixels * u.columns) as usize;
    let start = (r * u.channels as usize + c) * run;
    start..start + run
}

/// Sums `term(index)` over the samples there are of `run` values, as the shaders do: lane by lane one sum for each place in a
/// vec4, then across, then over the lanes.
fn sum<T: Real>(
    u: &BatchNormShape,
    count: u32,
    run: usize,
    mut term: impl FnMut(usize, T) -> T,
) -> T {
    let slots = 4 * u.columns as usize;
    // Eight lanes share a run.
    let length = (run / 4).div_ceil(u.lanes as usize / 8).next_multiple_of(8);
    let lanes = (0..u.lanes as usize).map(|lane| {
        let mut places = [T::ZERO; 4];
        let (first, end) = (lane / 8 * length, (lane / 8 + 1) * length);
        for vector in (first + lane % 8..end.min(run / 4)).step_by(8) {
            for k in 4 * vector..4 * vector + 4 {
                if k % slots < count as usize {
                    places[k % 4] = term(k, places[k % 4]);
                }
            }
        }
        across(&places)
    });
    sum_of_lanes(&lanes.collect::<Vec<_>>())
}

/// Y = (X - mean) scale + bias + Z, then max(Y, 0) where u.relu; moves the running statistics in `params`, and leaves
/// kept[r][c] = (mean, 1 / deviation, scale, bias).
pub fn batch_norm_forward<T: Real>(
    u: &BatchNormShape,
    state: &[State],
    (x, z): (&[T], Option<&[T]>),
    params: &mut [T],
    kept: &mut [T],
    y: &mut [T],
) {
    for (r, s) in state.iter().enumerate() {
        for c in 0..u.channels as usize {
            let own = r * u.param_stride as usize + c;
            let (at_mean, at_variance) = (
                own + u.mean_offset as usize,
                own + u.variance_offset as usize,
            );
            let at = channel(u, r, c);
            let (mut mean, mut variance) = (params[at_mean], params[at_variance]);
            if u.mode != 0 {
                let (old_mean, old_variance, rate) = match (u.mode, s.step) {
                    (2, 0) => (T::ZERO, T::ZERO, T::ONE),
                    (2, step) => (mean, variance, T::ONE / T::count(step + 1)),
                    _ => (mean, variance, T::of(u.momentum)),
                };
                let x = &x[at.clone()];
                let n = T::count(u.pixels * s.count);
                mean = sum::<T>(u, s.count, x.len(), |k, s| s + x[k]) / n;
                let squares = sum(u, s.count, x.len(), |k, s| {
                    let d = x[k] - mean;
                    fma(d, d, s)
                });
                variance = squares / n;
                params[at_mean] = fma(rate, mean - old_mean, old_mean);
                let rest = if n - T::ONE > T::ONE {
                    n - T::ONE
                } else {
                    T::ONE
                };
                params[at_variance] = fma(rate, squares / rest - old_variance, old_variance);
            }
            let inverse = T::ONE / (variance + T::of(u.eps)).sqrt();
            let scale = params[own + u.weight_offset as usize] * inverse;
            let bias = params[own + u.bias_offset as usize];
            let to = 4 * (r * u.channels as usize + c);
            kept[to..to + 4].copy_from_slice(&[mean, inverse, scale, bias]);
            for i in at {
                let normal = fma(x[i] - mean, scale, bias);
                y[i] = rectified(z.map_or(normal, |z| normal + z[i]), u.relu);
            }
        }
    }
}

/// dX = scale ((dY - a) - (X - mean) b), 0 in empty slots; gradients of weights and biases where u.learns.
pub fn batch_norm_backward<T: Real>(
    u: &BatchNormShape,
    state: &[State],
    (x, dy): (&[T], &[T]),
    kept: &[T],
    grads: &mut [T],
    dx: &mut [T],
) {
    let slots = 4 * u.columns as usize;
    for (r, s) in state.iter().enumerate() {
        for c in 0..u.channels as usize {
            let [mean, inverse, scale] =
                [0, 1, 2].map(|i| kept[4 * (r * u.channels as usize + c) + i]);
            let at = channel(u, r, c);
            let (x, dy) = (&x[at.clone()], &dy[at.clone()]);
            let total = sum::<T>(u, s.count, x.len(), |k, s| s + dy[k]);
            let products = sum(u, s.count, x.len(), |k, s| fma(dy[k], x[k] - mean, s));
            let slope = products * inverse;
            if u.learns != 0 {
                let own = r * u.param_stride as usize + c;
                grads[own + u.weight_offset as usize] = slope;
                grads[own + u.bias_offset as usize] = total;
            }
            let n = T::count(u.pixels * s.count);
            let (a, b) = (total / n, slope * inverse / n);
            for (k, dx) in dx[at].iter_mut().enumerate() {
                *dx = if k % slots < s.count as usize {
                    fma(mean - x[k], b, dy[k] - a) * scale
                } else {
                    T::ZERO
                };
            }
        }
    }
}
