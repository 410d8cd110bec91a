//! How training images are bent, and their values then.

use super::batch::EMPTY;
use super::number::{Real, fma};
use super::random::{STREAM_AUGMENT, pcg4d, stream};
use secateur::train::{AugmentDraw, AugmentedGather, Warp};

/// The eight numbers of each slot's warp, at the twin's precision: matrix, shift, cut. `steps` is each replica's step.
pub fn augment_draw<T: Real>(
    u: &AugmentDraw,
    keys: &[[u32; 4]],
    steps: &[u32],
    index: &[u32],
    warps: &mut [T],
) {
    for (r, (key, &step)) in keys.iter().zip(steps).enumerate() {
        for b in 0..u.slots as usize {
            let at = r * u.slots as usize + b;
            let words = |layer| {
                pcg4d([
                    key[0],
                    stream(STREAM_AUGMENT, layer, key[2]),
                    step,
                    index[at],
                ])
            };
            let [shift_x, shift_y, mirror, turn] = words(0);
            let [scale, shear, cut_x, cut_y] = words(1);
            // Whole numbers below n.
            let below = |word: u32, n: u32| ((u64::from(word >> 16) * u64::from(n)) >> 16) as u32;
            let unit = |word: u32| T::count(word >> 8) * T::of(5.960_464_5e-8);
            let between = |word: u32, low: T, high: T| fma(unit(word), high - low, low);
            let shift = |word| T::count(below(word, 2 * u.shift + 1)) - T::count(u.shift);
            let mut matrix = [T::ONE, T::ZERO, T::ZERO, T::ONE];
            if u.resample != 0 {
                let t = between(turn, -T::of(u.turn), T::of(u.turn));
                let cosine = t.abs().cos_turn();
                let sine = (t - T::of(0.25)).abs().cos_turn();
                let k = between(shear, -T::of(u.shear), T::of(u.shear));
                let inverse = T::ONE / between(scale, T::of(u.low), T::of(u.high));
                matrix = [
                    fma(k, sine, cosine) * inverse,
                    fma(-k, cosine, sine) * inverse,
                    -sine * inverse,
                    cosine * inverse,
                ];
            }
            if u.flip != 0 && mirror >= 1 << 31 {
                matrix = [-matrix[0], -matrix[1], matrix[2], matrix[3]];
            }
            let out = &mut warps[8 * at..8 * at + 8];
            out[..4].copy_from_slice(&matrix);
            out[4..].copy_from_slice(&[
                shift(shift_x),
                shift(shift_y),
                T::count(below(cut_x, u.width)),
                T::count(below(cut_y, u.height)),
            ]);
        }
    }
}

/// The bytes that the warp of each slot points at, normalised, with the square about its cut zeroed. `smooth` is the shader's
/// constant; parts are as in `batch_gather`.
#[expect(clippy::too_many_arguments, reason = "the kernel's bindings")]
pub fn batch_gather_augmented<T: Real>(
    u: &AugmentedGather,
    smooth: bool,
    replicas: u32,
    images: &[u8],
    scales: &[[f32; 2]],
    index: &[u32],
    warps: &[Warp],
    x: &mut [T],
) {
    let slots = 4 * u.columns as usize;
    let (width, height) = (i64::from(u.width), i64::from(u.height));
    let byte = |sample: u32, channel: i64, row: i64, column: i64| {
        let inside = (0..height).contains(&row) && (0..width).contains(&column);
        if !inside && u.edge == 0 {
            return T::ZERO;
        }
        let (row, column) = (row.clamp(0, height - 1), column.clamp(0, width - 1));
        let feature = (channel * height + row) * width + column;
        let at = i64::from(sample - u.first) * 4 * i64::from(u.words) + feature;
        T::count(u32::from(images[at as usize]))
    };
    for r in 0..replicas as usize {
        for f in 0..i64::from(u.features) {
            let (channel, row, column) = (f / (width * height), f / width % height, f % width);
            for b in 0..slots {
                let to = &mut x[(r * u.features as usize + f as usize) * slots + b];
                let in_batch = 4 * (r * u.batch_columns as usize + u.first_column as usize) + b;
                let sample = index[in_batch];
                if sample == EMPTY || !(u.first..u.first + u.samples).contains(&sample) {
                    if u.first == 0 {
                        *to = T::ZERO;
                    }
                    continue;
                }
                let warp = &warps[in_batch];
                let [xx, xy, yx, yy] = [warp.xx, warp.xy, warp.yx, warp.yy].map(T::of);
                let centre = |size: u32| T::of(0.5) * (T::count(size) - T::ONE);
                let (cx, cy) = (centre(u.width), centre(u.height));
                let dx = T::count(column as u32) - T::of(warp.shift_x) - cx;
                let dy = T::count(row as u32) - T::of(warp.shift_y) - cy;
                let sx = fma(xx, dx, fma(xy, dy, cx));
                let sy = fma(yx, dx, fma(yy, dy, cy));
                let (left, above) = (sx.floor(), sy.floor());
                let at = |down, right| {
                    let (row, column) = (above.to_f32() as i64, left.to_f32() as i64);
                    byte(sample, channel, row + down, column + right)
                };
                let mut value = at(0, 0);
                if smooth {
                    let (fx, fy) = (sx - left, sy - above);
                    let top = fma(fx, at(0, 1) - at(0, 0), at(0, 0));
                    let bottom = fma(fx, at(1, 1) - at(1, 0), at(1, 0));
                    value = fma(fy, bottom - top, top);
                }
                let [scale, shift] = scales[channel as usize].map(T::of);
                // The square begins half its side before the middle.
                let side = i64::from(u.cutout);
                let [cut_x, cut_y] = [warp.cut_x, warp.cut_y].map(|c| c as i64 - side / 2);
                let cut =
                    (cut_x..cut_x + side).contains(&column) && (cut_y..cut_y + side).contains(&row);
                *to = if cut {
                    T::ZERO
                } else {
                    fma(value, scale, shift)
                };
            }
        }
    }
}
