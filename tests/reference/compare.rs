//! Comparing results, and saying where they differ.

use std::fmt::Write;

/// Half a unit in the last place of 1: the largest relative error of one `f32` operation.
pub const ROUNDING: f64 = 1.0 / 16_777_216.0;
/// The smallest normal `f32`: drivers may flush what is smaller to 0.
pub const TINY: f64 = f32::MIN_POSITIVE as f64;

/// How far a sum of `terms` products may be from the exact one: one rounding for each product and each addition is at most
/// `terms + 1` roundings on a path, each of at most the sum of |a b| (Higham 2002, section 3.1). Fused or not.
pub fn sum_bound(terms: u32, magnitudes: &[f64]) -> Vec<f64> {
    let each = |&m: &f64| f64::from(terms + 1) * ROUNDING * m + f64::from(terms + 1) * TINY;
    magnitudes.iter().map(each).collect()
}

/// `factor` roundings of each value.
pub fn relative(factor: f64, values: &[f64]) -> Vec<f64> {
    let each = |&v: &f64| factor * ROUNDING * v.abs() + TINY;
    values.iter().map(each).collect()
}

/// Says where `got` is further from `want` than allowed; NaN must answer NaN, and an infinity itself.
pub fn differs(got: &[f32], want: &[f64], allowed: &[f64]) -> Option<String> {
    assert_eq!(want.len(), allowed.len());
    report(got, want, |i| {
        let g = f64::from(got[i]);
        let close = (g - want[i]).abs() <= allowed[i];
        close || g == want[i] || (g.is_nan() && want[i].is_nan())
    })
}

/// Says where the bits differ; any NaN equals any NaN, since WGSL promises nothing of its bits.
pub fn differs_bits(got: &[f32], want: &[f32]) -> Option<String> {
    report(got, want, |i| {
        got[i].to_bits() == want[i].to_bits() || (got[i].is_nan() && want[i].is_nan())
    })
}

/// Says where words differ.
pub fn differs_words(got: &[u32], want: &[u32]) -> Option<String> {
    report(got, want, |i| got[i] == want[i])
}

/// The number of differences and the first five.
fn report<A: std::fmt::Debug, B: std::fmt::Debug>(
    got: &[A],
    want: &[B],
    same: impl Fn(usize) -> bool,
) -> Option<String> {
    if got.len() != want.len() {
        return Some(format!("{} values instead of {}", got.len(), want.len()));
    }
    let wrong: Vec<usize> = (0..got.len()).filter(|&i| !same(i)).collect();
    if wrong.is_empty() {
        return None;
    }
    let mut text = format!("{} of {} differ:", wrong.len(), got.len());
    for &i in wrong.iter().take(5) {
        let _ = write!(text, "\n  [{i}] got {:?}, expected {:?}", got[i], want[i]);
    }
    Some(text)
}
