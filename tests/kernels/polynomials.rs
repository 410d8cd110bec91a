//! The polynomials of `shaders/shared/math.wgsl`, as their twins: how far they are from the functions they stand for.

use crate::reference::math::{cos_turn, exp_exact, ln_exact};

/// e^x on every 61st float of [-87, 0], which is where softmax and nothing else asks.
#[test]
fn exp_is_within_its_promise() {
    let mut worst = 0.0f64;
    for bits in (0x8000_0000u32..=(-87.0f32).to_bits()).step_by(61) {
        let x = f32::from_bits(bits);
        let exact = f64::from(x).exp();
        worst = worst.max((f64::from(exp_exact(x)) - exact).abs() / exact);
    }
    assert!(worst < 3e-7, "{worst:e}");
    assert_eq!(exp_exact(0.0), 1.0);
    assert_eq!(exp_exact(-0.0), 1.0);
    for x in [-87.001, -100.0, -1e30, f32::NEG_INFINITY] {
        assert_eq!(exp_exact(x).to_bits(), 0, "{x}");
    }
    assert!(exp_exact(f32::NAN).is_nan());
}

/// ln x on every argument that `params_init` can ask for, and over the range of a sum of exponentials.
#[test]
fn ln_is_within_its_promise() {
    let mut worst = 0.0f64;
    let mut check = |x: f32| {
        let (got, exact) = (f64::from(ln_exact(x)), f64::from(x).ln());
        if exact == 0.0 {
            assert_eq!(got, 0.0);
        } else {
            worst = worst.max((got - exact).abs() / exact.abs());
        }
        got
    };
    for k in 1..=1u32 << 24 {
        // A positive logarithm of a number up to 1 would make the root of Box and Muller NaN.
        assert!(check(k as f32 / 16_777_216.0) <= 0.0, "{k}");
    }
    for bits in (1.0f32.to_bits()..1e6f32.to_bits()).step_by(31) {
        assert!(check(f32::from_bits(bits)) >= 0.0);
    }
    for bits in (f32::MIN_POSITIVE.to_bits()..f32::MAX.to_bits()).step_by(10_007) {
        check(f32::from_bits(bits));
    }
    assert!(worst < 3e-7, "{worst:e}");
    // A loss that is not finite must not become finite.
    assert!(ln_exact(f32::NAN).is_nan() && ln_exact(-f32::NAN).is_nan());
    assert_eq!(ln_exact(f32::INFINITY), f32::INFINITY);
}

/// cos 2 pi u on every argument that `params_init` can ask for.
#[test]
fn cosine_is_within_its_promise() {
    let mut worst = 0.0f64;
    for k in 0..1u32 << 24 {
        let u = k as f32 / 16_777_216.0;
        let exact = (f64::from(u) * std::f64::consts::TAU).cos();
        worst = worst.max((f64::from(cos_turn(u)) - exact).abs());
    }
    assert!(worst < 3e-7, "{worst:e}");
}
