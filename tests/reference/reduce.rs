//! Sums in parts, and the sums of the parts.

use super::number::Real;
use secateur::ops::{BiasShape, PartialShape};

/// to[r][p][o] = sum over the pixels of part p, then b, of dY[r][o][pixel][b].
pub fn bias_backward<T: Real>(u: &BiasShape, replicas: u32, dy: &[T], to: &mut [T]) {
    let [outputs, parts] = [u.outputs, u.parts].map(|n| n as usize);
    let run = 4 * (u.pixels * u.columns) as usize;
    for r in 0..replicas as usize {
        for p in 0..parts {
            for o in 0..outputs {
                let start = ((r * outputs + o) * parts + p) * run;
                let mut sum = T::ZERO;
                for &v in &dy[start..start + run] {
                    sum = sum + v;
                }
                to[r * u.stride as usize + u.offset as usize + p * outputs + o] = sum;
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
