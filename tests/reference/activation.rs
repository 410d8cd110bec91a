//! tanh, leaky ReLU and GELU (tanh form), by the constant KIND: 0, 1, 2.

#![expect(clippy::excessive_precision, reason = "the digits are the shader's")]

use super::number::{Real, fma};
use secateur::ops::ActivationShape;

fn tanh<T: Real>(x: T) -> T {
    let size = if x < T::ZERO { -x } else { x };
    let t = (T::of(-2.0) * size).exp();
    let y = (T::ONE - t) / (T::ONE + t);
    if x < T::ZERO { -y } else { y }
}

fn logistic<T: Real>(z: T) -> T {
    let size = if z < T::ZERO { -z } else { z };
    let t = (-size).exp();
    let above = if z < T::ZERO { t } else { T::ONE };
    above / (T::ONE + t)
}

fn gelu_argument<T: Real>(x: T) -> T {
    x * fma(T::of(0.071_354_82) * x, x, T::of(1.595_769_1))
}

/// y = f(x).
pub fn activation_forward<T: Real>(
    u: &ActivationShape,
    kind: u32,
    replicas: u32,
    x: &[T],
    y: &mut [T],
) {
    for (y, &x) in y[..4 * (u.count * replicas) as usize].iter_mut().zip(x) {
        *y = match kind {
            0 => tanh(x),
            1 if x > T::ZERO => x,
            1 => x * T::of(u.slope),
            _ => x * logistic(gelu_argument(x)),
        };
    }
}

/// dX = dY f'(X).
pub fn activation_backward<T: Real>(
    u: &ActivationShape,
    kind: u32,
    replicas: u32,
    x: &[T],
    dy: &[T],
    dx: &mut [T],
) {
    for (i, dx) in dx[..4 * (u.count * replicas) as usize]
        .iter_mut()
        .enumerate()
    {
        let x = x[i];
        let slope = match kind {
            0 => {
                let y = tanh(x);
                fma(-y, y, T::ONE)
            }
            1 if x > T::ZERO => T::ONE,
            1 => T::of(u.slope),
            _ => {
                let s = logistic(gelu_argument(x));
                let inner = fma(T::of(0.214_064_46) * x, x, T::of(1.595_769_1));
                fma(x * inner, s * (T::ONE - s), s)
            }
        };
        *dx = dy[i] * slope;
    }
}
