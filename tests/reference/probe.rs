//! What measures the adapter itself.

use super::number::{Real, fma};
use secateur::bench::ProbeShape;
use secateur::gpu::DriverProbeShape;
use secateur::ops::Span;

/// out[i] = sum over the chains c, each of which starts at i + c and becomes s / 2 + 1 `unroll` times a round.
pub fn probe_fma<T: Real>(u: &ProbeShape, chains: u32, unroll: u32, out: &mut [T]) {
    for i in 0..u.count {
        let chain = |c: u32| {
            let start = T::count(i + c);
            (0..u.rounds * unroll).fold(start, |s, _| fma(s, T::of(0.5), T::ONE))
        };
        let sum = (0..chains).fold(T::ZERO, |sum, c| sum + chain(c));
        out[4 * i as usize..][..4].fill(sum);
    }
}

/// y = x.
pub fn probe_copy<T: Real>(u: &Span, x: &[T], y: &mut [T]) {
    let values = 4 * u.count as usize;
    y[..values].copy_from_slice(&x[..values]);
}

/// Passes of a loop, a multiply-add that a second rounding would make 0, and a subnormal number, on a driver that fuses
/// multiply-adds or not.
pub fn probe_driver(u: &DriverProbeShape, fused: bool) -> [u32; 3] {
    let (a, s) = (u.factor, u.addend);
    let sum = if fused { a.mul_add(a, s) } else { a * a + s };
    [u.passes, sum.to_bits(), (u.tiny * 0.5).to_bits()]
}
