//! The text of `shaders/shared/math.wgsl` in Rust.

#![expect(
    clippy::approx_constant,
    clippy::excessive_precision,
    reason = "the digits are the shader's"
)]

use super::number::fma;

/// e^x, relative error below 3e-7; 0 below -87.
pub fn exp_exact(x: f32) -> f32 {
    let n = fma(x, 1.442_695_f32, 0.5).floor();
    let k = (n as i32).clamp(-126, 127);
    let r = fma(k as f32, 2.121_944_4e-4, fma(n, -0.693_359_375, x));
    let mut p = fma(1.984_127e-4, r, 1.388_888_9e-3);
    p = fma(p, r, 8.333_333_3e-3);
    p = fma(p, r, 4.166_666_7e-2);
    p = fma(p, r, 1.666_666_7e-1);
    p = fma(p, r, 0.5);
    p = fma(p, r, 1.0);
    p = fma(p, r, 1.0);
    let scale = f32::from_bits(((k + 127) as u32) << 23);
    if x < -87.0 { 0.0 } else { p * scale }
}

/// ln x for normal x > 0, relative error below 3e-7 also near 1; x itself where it is infinite or NaN.
pub fn ln_exact(x: f32) -> f32 {
    let bits = x.to_bits();
    let shifted = bits.wrapping_sub(0x3f35_04f3);
    let e = ((shifted as i32) >> 23) as f32;
    let m = f32::from_bits((shifted & 0x007f_ffff) + 0x3f35_04f3);
    let s = (m - 1.0) / (m + 1.0);
    let q = s * s;
    let mut p = fma(2.222_222_2e-1_f32, q, 2.857_142_9e-1);
    p = fma(p, q, 0.4);
    p = fma(p, q, 6.666_666_7e-1);
    p = fma(p, q, 2.0);
    if bits >= 0x7f80_0000 {
        x
    } else {
        fma(e, 0.693_147_18, p * s)
    }
}

/// cos(2 pi u) for 0 <= u < 1, absolute error below 3e-7.
pub fn cos_turn(u: f32) -> f32 {
    let z = 0.25 - (u - 0.5).abs();
    let q = z * z;
    let mut p = fma(3.819_952_6_f32, q, -15.094_642_6);
    p = fma(p, q, 42.058_694_0);
    p = fma(p, q, -76.705_859_8);
    p = fma(p, q, 81.605_249_3);
    p = fma(p, q, -41.341_702_2);
    p = fma(p, q, 6.283_185_3);
    -(p * z)
}
