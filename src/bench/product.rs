//! A square matrix product by the kernels of a linear layer: what they reach where nothing is small.

use super::blocks::Spread;
use super::ceilings::Ceilings;
use super::timing::time;
use crate::gpu::{Gpu, GpuError, Program};
use crate::ops::{DATA_CANDIDATES, DenseShape, Execution, record_product};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The product by one variant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProductRow {
    /// Rows and columns of the three matrices.
    pub size: u32,
    /// How the kernel ran.
    pub variant: String,
    /// Seconds of one product.
    pub seconds: f64,
    /// How its blocks differ.
    #[serde(flatten)]
    pub spread: Spread,
    /// 10^9 floating-point operations per second; a multiply-add is two.
    pub gflop_per_second: f64,
    /// Of the multiply-adds measured in registers.
    pub share_of_ceiling: f64,
}

/// Multiplies two matrices of `size` x `size` by every dense variant that this adapter chooses from.
///
/// # Errors
/// The device failed or has no room.
pub fn product(
    gpu: &Gpu,
    ceilings: &Ceilings,
    execution: &Execution,
    size: u32,
    window: Duration,
) -> Result<Vec<ProductRow>, GpuError> {
    let bytes = u64::from(size) * u64::from(size) * 4;
    let [weights, x, y] = ["weights", "inputs", "outputs"].map(|name| gpu.buffer(name, bytes));
    let (weights, x, y) = (weights?, x?, y?);
    let shape = DenseShape {
        inputs: size,
        outputs: size,
        columns: size / 4,
        weight_offset: 0,
        bias_offset: u32::MAX,
        param_stride: 0,
        relu: 0,
        gate: 0,
        part: DenseShape::part_for(size, size),
        kept_stride: 0,
    };
    let flops = 2.0 * f64::from(size).powi(3);
    let variants = execution
        .data
        .candidates(gpu.adapter().kind, DATA_CANDIDATES);
    let row = |variant| {
        let mut program = Program::new("product");
        record_product(gpu, &mut program, variant, &shape, [&weights, &x, &y], 1)?;
        let blocks = time(gpu, &program, window)?.blocks;
        let seconds = blocks.fastest;
        let gflop_per_second = flops / seconds / 1e9;
        Ok(ProductRow {
            size,
            variant: variant.to_string(),
            seconds,
            spread: blocks.spread(),
            gflop_per_second,
            share_of_ceiling: gflop_per_second / ceilings.gflop_per_second,
        })
    };
    variants.into_iter().map(row).collect()
}
