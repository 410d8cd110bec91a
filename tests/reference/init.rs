//! Fresh parameters.

use super::number::{Real, fma};
use super::random::{STREAM_INIT, pcg4d, stream};
use secateur::train::InitShape;

/// One tensor's fresh values: kind 0: scale; kind 1: uniform in [-scale, scale); kind 2: normal with that deviation (Box and
/// Muller 1958). `keys` is (seed, fresh, train, select) per replica.
pub fn params_init<T: Real>(u: &InitShape, keys: &[[u32; 4]], params: &mut [T]) {
    for (r, key) in keys.iter().enumerate() {
        for i in 0..u.count {
            let word = pcg4d([key[0], stream(STREAM_INIT, u.tensor, key[1]), 0, i]);
            let scale = T::of(u.scale);
            // 2^-23 and 2^-24.
            let [cell, half_cell] = [1.192_092_9e-7, 5.960_464_5e-8].map(T::of);
            params[r * u.param_stride as usize + (u.offset + i) as usize] = match u.kind {
                1 => scale * fma(T::count(word[0] >> 8), cell, -T::ONE),
                2 => {
                    let a = T::count((word[0] >> 8) + 1) * half_cell;
                    let b = T::count(word[1] >> 8) * half_cell;
                    scale * ((T::of(-2.0) * a.ln()).sqrt() * b.cos_turn())
                }
                _ => scale,
            };
        }
    }
}
