//! Linear layers. `x` is `[R][inputs][slots]`, `y` `[R][outputs][slots]`, with `slots = 4 columns` samples.

use super::lanes::across;
use super::number::{Real, fma};
use super::pointwise::{gated, rectified};
use secateur::ops::DenseShape;

/// Y[r][o][b] = bias[o] + sum_i W[r][o][i] X[r][i][b], i ascending: one sum from the bias; or in parts of u.part from 0,
/// which are added to the bias ascending. Then ReLU where u.relu.
pub fn dense_forward<T: Real>(u: &DenseShape, replicas: u32, params: &[T], x: &[T], y: &mut [T]) {
    let [inputs, outputs, slots] = sizes(u);
    for r in 0..replicas as usize {
        let own = &params[r * u.param_stride as usize..];
        for o in 0..outputs {
            for b in 0..slots {
                let bias = match u.bias_offset {
                    u32::MAX => T::ZERO,
                    offset => own[offset as usize + o],
                };
                let in_parts = u.part < u.inputs;
                let mut all = bias;
                let mut sum = if in_parts { T::ZERO } else { bias };
                for first in (0..inputs).step_by(u.part as usize) {
                    for i in first..inputs.min(first + u.part as usize) {
                        let weight = own[u.weight_offset as usize + o * inputs + i];
                        sum = fma(weight, x[(r * inputs + i) * slots + b], sum);
                    }
                    all = if in_parts { all + sum } else { sum };
                    sum = T::ZERO;
                }
                y[(r * outputs + o) * slots + b] = rectified(all, u.relu);
            }
        }
    }
}

/// dX[r][i][b] = sum_o W[r][o][i] dY[r][o][b], o ascending; 0 where u.gate and X is not above 0.
pub fn dense_backward_data<T: Real>(
    u: &DenseShape,
    replicas: u32,
    params: &[T],
    dy: &[T],
    x: &[T],
    dx: &mut [T],
) {
    let [inputs, outputs, slots] = sizes(u);
    for r in 0..replicas as usize {
        let own = &params[r * u.param_stride as usize..];
        for i in 0..inputs {
            for b in 0..slots {
                let mut sum = T::ZERO;
                for o in 0..outputs {
                    let weight = own[u.weight_offset as usize + o * inputs + i];
                    sum = fma(weight, dy[(r * outputs + o) * slots + b], sum);
                }
                let at = (r * inputs + i) * slots + b;
                dx[at] = gated(sum, x[at], u.gate);
            }
        }
    }
}

/// dW[r][o][i] = sum_b dY[r][o][b] X[r][i][b], b ascending, and db[r][o] = sum_b dY[r][o][b], four samples at a time, into the flat
/// gradients; `onto` goes on from what is there.
pub fn dense_backward_weight<T: Real>(
    u: &DenseShape,
    onto: bool,
    replicas: u32,
    x: &[T],
    dy: &[T],
    grads: &mut [T],
) {
    let [inputs, outputs, slots] = sizes(u);
    for r in 0..replicas as usize {
        for o in 0..outputs {
            for i in 0..inputs {
                let at = r * u.param_stride as usize + u.weight_offset as usize + o * inputs + i;
                let mut sum = if onto { grads[at] } else { T::ZERO };
                for b in 0..slots {
                    let pair = (
                        dy[(r * outputs + o) * slots + b],
                        x[(r * inputs + i) * slots + b],
                    );
                    sum = fma(pair.0, pair.1, sum);
                }
                grads[at] = sum;
            }
            if u.bias_offset != u32::MAX {
                let at = r * u.param_stride as usize + u.bias_offset as usize + o;
                let own = &dy[(r * outputs + o) * slots..][..slots];
                let start = if onto { grads[at] } else { T::ZERO };
                grads[at] = own.chunks_exact(4).fold(start, |sum, v| sum + across(v));
            }
        }
    }
}

fn sizes(u: &DenseShape) -> [usize; 3] {
    [u.inputs, u.outputs, 4 * u.columns].map(|n| n as usize)
}
