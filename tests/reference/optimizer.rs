//! One optimizer step over all parameters, and the clipping before it.

use super::mask::kept;
use super::number::{Real, fma};
use secateur::train::{Hyper, ParamsShape, State};

/// What an optimizer reads besides its tensors; one `hyper` and one `state` per replica.
pub struct Step<'a> {
    /// Sizes.
    pub shape: &'a ParamsShape,
    /// Hyper-parameters.
    pub hyper: &'a [Hyper],
    /// Learning rate, clipping factor and powers of the betas.
    pub state: &'a [State],
    /// One bit a parameter.
    pub masks: &'a [u32],
}

/// How many moments the kernel of an optimizer binds.
pub fn moments(kernel: &str) -> usize {
    match kernel {
        "sgd_step" => 0,
        "sgd_momentum_step" => 1,
        _ => 2,
    }
}

/// The tensors an optimizer writes, `[R][4 quads]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensors<T> {
    /// Parameters.
    pub params: Vec<T>,
    /// Their gradients.
    pub grads: Vec<T>,
    /// First optimizer state.
    pub moment1: Vec<T>,
    /// Second optimizer state.
    pub moment2: Vec<T>,
}

/// Walks all parameters; `update(hyper, state, w, g, m1, m2)` gives w, m1 and m2. What is pruned becomes 0.
fn walk<T: Real>(
    step: &Step<'_>,
    t: &mut Tensors<T>,
    update: impl Fn(&Hyper, &State, [T; 4]) -> [T; 3],
) {
    let count = 4 * step.shape.quads as usize;
    for (r, (h, s)) in step.hyper.iter().zip(step.state).enumerate() {
        for k in 0..count {
            let i = r * count + k;
            [t.params[i], t.moment1[i], t.moment2[i]] = if kept(step.shape, step.masks, r, k) {
                update(h, s, [t.params[i], t.grads[i], t.moment1[i], t.moment2[i]])
            } else {
                t.grads[i] = T::ZERO;
                [T::ZERO; 3]
            };
        }
    }
}

/// g' = clip g + weight_decay w; w -= lr g'. Leaves the moments alone.
pub fn sgd_step<T: Real>(step: &Step<'_>, t: &mut Tensors<T>) {
    let untouched = (t.moment1.clone(), t.moment2.clone());
    walk(step, t, |h, s, [w, g, ..]| {
        let g = fma(T::of(h.weight_decay), w, g * T::of(s.clip));
        [fma(-T::of(s.lr), g, w), T::ZERO, T::ZERO]
    });
    (t.moment1, t.moment2) = untouched;
}

/// g' = clip g + weight_decay w; v = momentum v + g'; w -= lr (nesterov ? g' + momentum v : v). Leaves moment2 alone.
pub fn sgd_momentum_step<T: Real>(step: &Step<'_>, t: &mut Tensors<T>) {
    let untouched = t.moment2.clone();
    walk(step, t, |h, s, [w, g, v, _]| {
        let momentum = T::of(h.momentum);
        let g = fma(T::of(h.weight_decay), w, g * T::of(s.clip));
        let v = fma(momentum, v, g);
        let d = if h.nesterov != 0 {
            fma(momentum, v, g)
        } else {
            v
        };
        [fma(-T::of(s.lr), d, w), v, T::ZERO]
    });
    t.moment2 = untouched;
}

/// Adam (Kingma and Ba 2015) and AdamW (Loshchilov and Hutter 2019), in PyTorch's order of operations.
pub fn adam_step<T: Real>(step: &Step<'_>, t: &mut Tensors<T>) {
    walk(step, t, |h, s, [w, g, m, v]| {
        let [lr, decay] = [s.lr, h.weight_decay].map(T::of);
        let [beta1, beta2, rest1, rest2] = [h.momentum, h.beta2, h.rest1, h.rest2].map(T::of);
        let g = g * T::of(s.clip);
        let (w, g) = if h.decoupled != 0 {
            (w * fma(-lr, decay, T::ONE), g)
        } else {
            (w, fma(decay, w, g))
        };
        let m = fma(beta1, m, rest1 * g);
        let v = fma(beta2, v, (rest2 * g) * g);
        let denominator = v.sqrt() / T::of(s.correction2).sqrt() + T::of(h.eps);
        let rate = lr / T::of(s.correction1);
        [fma(-rate, m / denominator, w), m, v]
    });
}

/// Adadelta (Zeiler 2012), in PyTorch's order of operations: moment1 averages g^2, moment2 the squared updates.
pub fn adadelta_step<T: Real>(step: &Step<'_>, t: &mut Tensors<T>) {
    walk(step, t, |h, state, [w, g, s, a]| {
        let [rho, rest, eps] = [h.momentum, h.rest1, h.eps].map(T::of);
        let g = fma(T::of(h.weight_decay), w, g * T::of(state.clip));
        let s = fma(rho, s, (rest * g) * g);
        let d = (a + eps).sqrt() / (s + eps).sqrt() * g;
        let a = fma(rho, a, (rest * d) * d);
        [fma(-T::of(state.lr), d, w), s, a]
    });
}

/// part[r][k] = sum of squares of the kept gradients in block k of 1024.
pub fn gradient_norm<T: Real>(
    u: &ParamsShape,
    replicas: u32,
    grads: &[T],
    masks: &[u32],
    part: &mut [T],
) {
    let count = 4 * u.quads as usize;
    let blocks = count.div_ceil(1024);
    for r in 0..replicas as usize {
        for block in 0..blocks {
            let mut sum = T::ZERO;
            for k in block * 1024..count.min((block + 1) * 1024) {
                if kept(u, masks, r, k) {
                    let g = grads[r * count + k];
                    sum = fma(g, g, sum);
                }
            }
            part[r * blocks + block] = sum;
        }
    }
}

/// min(1, clip_norm / (norm + 1e-6)) per replica, norm = sqrt(sum_k part[r][k]); 1 where clip_norm is 0.
pub fn gradient_clip<T: Real>(u: &ParamsShape, part: &[T], hyper: &[Hyper]) -> Vec<T> {
    let blocks = (4 * u.quads as usize).div_ceil(1024);
    let each = hyper.iter().enumerate().map(|(r, h)| {
        let mut sum = T::ZERO;
        for &v in &part[r * blocks..(r + 1) * blocks] {
            sum = sum + v;
        }
        let factor = T::of(h.clip_norm) / (sum.sqrt() + T::of(1e-6));
        if h.clip_norm > 0.0 && factor < T::ONE {
            factor
        } else {
            T::ONE
        }
    });
    each.collect()
}
