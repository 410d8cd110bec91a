//! Layers that look at one value at a time, in place.

use super::number::Real;
use super::random::{STREAM_DROPOUT, pcg4d, stream};
use secateur::ops::{AddShape, DropoutShape, Span};
use secateur::train::State;

/// max(v, 0) where `on` is not 0; NaN stays NaN, and -0 becomes +0.
pub fn rectified<T: Real>(v: T, on: u32) -> T {
    if on != 0 && v <= T::ZERO { T::ZERO } else { v }
}

/// The gradient `g` where the ReLU's output `y` is above 0, else 0, where `on` is not 0.
pub fn gated<T: Real>(g: T, y: T, on: u32) -> T {
    if on != 0 && y <= T::ZERO { T::ZERO } else { g }
}

/// y = max(y, 0).
pub fn relu_forward<T: Real>(u: &Span, replicas: u32, y: &mut [T]) {
    for v in &mut y[..4 * (u.count * replicas) as usize] {
        *v = rectified(*v, 1);
    }
}

/// dy = dy where y > 0, else 0; y is the layer's output.
pub fn relu_backward<T: Real>(u: &Span, replicas: u32, y: &[T], dy: &mut [T]) {
    for (d, &v) in dy[..4 * (u.count * replicas) as usize].iter_mut().zip(y) {
        *d = gated(*d, v, 1);
    }
}

/// y = x + w, then max(y, 0) where u.relu.
pub fn add_forward<T: Real>(u: &AddShape, replicas: u32, x: &[T], w: &[T], y: &mut [T]) {
    for (i, y) in y[..4 * (u.count * replicas) as usize]
        .iter_mut()
        .enumerate()
    {
        *y = rectified(x[i] + w[i], u.relu);
    }
}

/// to = from.
pub fn values_copy<T: Real>(u: &Span, replicas: u32, from: &[T], to: &mut [T]) {
    let count = 4 * (u.count * replicas) as usize;
    to[..count].copy_from_slice(&from[..count]);
}

/// to = to + from.
pub fn values_add<T: Real>(u: &Span, replicas: u32, from: &[T], to: &mut [T]) {
    for (to, &from) in to[..4 * (u.count * replicas) as usize].iter_mut().zip(from) {
        *to = *to + from;
    }
}

/// y = y scale where the unit survives, else 0. `keys` is (seed, fresh, train, select) per replica.
pub fn dropout_apply<T: Real>(u: &DropoutShape, keys: &[[u32; 4]], state: &[State], y: &mut [T]) {
    let count = 4 * u.count as usize;
    for (r, y) in y.chunks_exact_mut(count).take(keys.len()).enumerate() {
        for (at, v) in y.iter_mut().enumerate() {
            let (quad, lane) = (at as u32 / 4, at % 4);
            let (feature, column) = (quad / u.columns, quad % u.columns);
            let unit = feature / u.plane;
            let fate = pcg4d([
                keys[r][0],
                stream(STREAM_DROPOUT, u.layer, keys[r][2]),
                state[r].step,
                unit * u.batch_columns + u.first_column + column,
            ]);
            *v = if fate[lane] >= u.threshold {
                *v * T::of(u.scale)
            } else {
                T::ZERO
            };
        }
    }
}
