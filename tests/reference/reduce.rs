//! Gradients in parts, and the sums of the parts.

use super::number::Real;
use secateur::ops::PartialShape;

/// dW[r][i] = sum_p part[r][p][i], and likewise the biases' parts behind them, p ascending.
pub fn partial_sum<T: Real>(u: &PartialShape, replicas: u32, part: &[T], grads: &mut [T]) {
    let [weights, outputs, parts] = [u.weights, u.outputs, u.parts].map(|n| n as usize);
    for r in 0..replicas as usize {
        let (of_weights, of_biases) = part[r * parts * (weights + outputs)..]
            [..parts * (weights + outputs)]
            .split_at(parts * weights);
        let mut sum = |part: &[T], count: usize, offset: u32| {
            let first = (r as u32 * u.param_stride + offset) as usize;
            for i in 0..count {
                let of = part[i..].iter().step_by(count);
                grads[first + i] = of.fold(T::ZERO, |sum, &v| sum + v);
            }
        };
        sum(of_weights, weights, u.weight_offset);
        if u.bias_offset != u32::MAX {
            sum(of_biases, outputs, u.bias_offset);
        }
    }
}
