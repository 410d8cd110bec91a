//! The CPU twin of every kernel, under the kernel's name, written from the formula in the kernel's header.
//!
//! Twins are generic over the number. With `f64` they say what the answer is; with `f32` they take every sum in the order the
//! header states, with [`number::fma`] unfused, and software drivers must agree with them to the bit.
//! Indices are the obvious ones: where a shader computes the bounds of a loop, its twin walks everything and asks.

pub mod activation;
pub mod augment;
pub mod batch;
pub mod batch_norm;
pub mod compare;
pub mod conv;
pub mod dense;
pub mod device;
pub mod init;
pub mod lanes;
pub mod loss;
pub mod mask;
pub mod math;
pub mod network;
pub mod number;
pub mod optimizer;
pub mod pointwise;
pub mod pool;
pub mod probe;
pub mod random;
pub mod reduce;
pub mod rows;
pub mod scoring;
pub mod select;
pub mod sparse;
pub mod units;
