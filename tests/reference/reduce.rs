//! Sums after the gradients of a convolution's weights.

use super::lanes::across;
use super::number::Real;
use secateur::ops::ConvSumsShape;

/// dW[r][i] = sum_p part[r][p][i], p ascending; db[r][o] = sum of dY: vec4s of samples ascending, of each eight slots ascending, of
/// each every eighth pixel ascending, then across. `onto`: biases go on from what is in `grads`.
pub fn conv_backward_sums<T: Real>(
    u: &ConvSumsShape,
    onto: bool,
    replicas: u32,
    (part, dy): (&[T], &[T]),
    grads: &mut [T],
) {
    let [weights, parts] = [u.weights, u.parts].map(|n| n as usize);
    let [outputs, pixels, slots] = [u.outputs, u.pixels, 4 * u.columns].map(|n| n as usize);
    for r in 0..replicas as usize {
        let own = r * u.param_stride as usize;
        for i in 0..weights {
            let of = (0..parts).map(|p| part[(r * parts + p) * weights + i]);
            grads[own + u.weight_offset as usize + i] = of.fold(T::ZERO, |sum, v| sum + v);
        }
        for o in 0..outputs {
            let dy = &dy[(r * outputs + o) * pixels * slots..][..pixels * slots];
            let at = own + u.bias_offset as usize + o;
            let mut sum = if onto { grads[at] } else { T::ZERO };
            for b in (0..slots).step_by(4) {
                let slot = |s: usize| {
                    let mut places = [T::ZERO; 4];
                    for pixel in (s..pixels).step_by(8) {
                        for (k, place) in places.iter_mut().enumerate() {
                            *place = *place + dy[pixel * slots + b + k];
                        }
                    }
                    across(&places)
                };
                sum = sum + (0..8).fold(T::ZERO, |column, s| column + slot(s));
            }
            grads[at] = sum;
        }
    }
}
