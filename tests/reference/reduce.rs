//! Sums in parts, and the sums of the parts.

use super::number::Real;
use secateur::ops::{BiasShape, PartialShape};

/// to[r][p][o] = sum over the pixels of part p and all b of dY[r][o][pixel][b]: 32 samples of every pixel, then the next 32.
/// `onto` goes on from what is in `to`.
pub fn bias_backward<T: Real>(u: &BiasShape, onto: bool, replicas: u32, dy: &[T], to: &mut [T]) {
    let [outputs, parts, pixels] = [u.outputs, u.parts, u.pixels].map(|n| n as usize);
    let slots = 4 * u.columns as usize;
    for r in 0..replicas as usize {
        for p in 0..parts {
            for o in 0..outputs {
                let start = ((r * outputs + o) * parts + p) * pixels * slots;
                let at = r * u.stride as usize + u.offset as usize + p * outputs + o;
                let mut sum = if onto { to[at] } else { T::ZERO };
                for chunk in (0..slots).step_by(32) {
                    for pixel in 0..pixels {
                        for b in chunk..slots.min(chunk + 32) {
                            sum = sum + dy[start + pixel * slots + b];
                        }
                    }
                }
                to[at] = sum;
            }
        }
    }
}

/// grads[r][offset + i] = sum_p part[r][p][i], p ascending.
pub fn partial_sum<T: Real>(u: &PartialShape, replicas: u32, part: &[T], grads: &mut [T]) {
    let [count, parts] = [u.count, u.parts].map(|n| n as usize);
    for r in 0..replicas as usize {
        for i in 0..count {
            let mut sum = T::ZERO;
            for p in 0..parts {
                sum = sum + part[(r * parts + p) * count + i];
            }
            grads[r * u.param_stride as usize + u.offset as usize + i] = sum;
        }
    }
}
