//! The number type of a twin: `f32` to be equal, `f64` to be right.

use super::math;
use crate::common::is_fused;
use std::fmt::Debug;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// What the twins need of a number.
pub trait Real:
    Copy
    + Debug
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// 0, with a plus sign.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// A number that shaders hold as `f32`.
    fn of(value: f32) -> Self;
    /// A whole number.
    fn count(value: u32) -> Self;
    /// The nearest `f32`.
    fn to_f32(self) -> f32;
    /// Square root.
    fn sqrt(self) -> Self;
    /// e^x: the shader's polynomial for `f32`, the best there is for `f64`.
    fn exp(self) -> Self;
    /// ln x, likewise.
    fn ln(self) -> Self;
    /// cos(2 pi x), likewise.
    fn cos_turn(self) -> Self;
    /// The largest whole number not above it.
    fn floor(self) -> Self;
    /// Without its sign.
    fn abs(self) -> Self;
    /// Neither NaN nor infinite.
    fn finite(self) -> bool;
    /// self factor + addend.
    fn multiply_add(self, factor: Self, addend: Self) -> Self;
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    fn of(value: f32) -> Self {
        value
    }
    fn count(value: u32) -> Self {
        value as f32
    }
    fn to_f32(self) -> f32 {
        self
    }
    fn sqrt(self) -> Self {
        self.sqrt()
    }
    fn exp(self) -> Self {
        math::exp_exact(self)
    }
    fn ln(self) -> Self {
        math::ln_exact(self)
    }
    fn cos_turn(self) -> Self {
        math::cos_turn(self)
    }
    fn floor(self) -> Self {
        self.floor()
    }
    fn abs(self) -> Self {
        self.abs()
    }
    fn finite(self) -> bool {
        self.is_finite()
    }
    fn multiply_add(self, factor: Self, addend: Self) -> Self {
        match is_fused() {
            true => self.mul_add(factor, addend),
            false => addend + self * factor,
        }
    }
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    fn of(value: f32) -> Self {
        f64::from(value)
    }
    fn count(value: u32) -> Self {
        f64::from(value)
    }
    fn to_f32(self) -> f32 {
        self as f32
    }
    fn sqrt(self) -> Self {
        self.sqrt()
    }
    fn exp(self) -> Self {
        self.exp()
    }
    fn ln(self) -> Self {
        self.ln()
    }
    fn cos_turn(self) -> Self {
        (self * std::f64::consts::TAU).cos()
    }
    fn floor(self) -> Self {
        self.floor()
    }
    fn abs(self) -> Self {
        self.abs()
    }
    fn finite(self) -> bool {
        self.is_finite()
    }
    fn multiply_add(self, factor: Self, addend: Self) -> Self {
        addend + self * factor
    }
}

/// s + a b. WGSL lets drivers round once or twice; over `f32` this does what the driver under test does.
pub fn fma<T: Real>(a: T, b: T, s: T) -> T {
    a.multiply_add(b, s)
}

/// The same numbers, wider or not.
pub fn widen<T: Real>(values: &[f32]) -> Vec<T> {
    values.iter().map(|&v| T::of(v)).collect()
}

/// Their absolute values: a twin run on these gives the sum of |a b| that bounds the rounding error of its sums.
pub fn magnitudes(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v).abs()).collect()
}
