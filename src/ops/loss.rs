//! Softmax and cross-entropy in one: loss, gradient of the logits, and whether the class was right.

use crate::gpu::{Buffer, Gpu, GpuError, Program};
use bytemuck::{Pod, Zeroable};

/// Uniform of `softmax_loss`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct LossShape {
    /// Classes.
    pub classes: u32,
    /// vec4s of samples.
    pub columns: u32,
}

/// Records the loss. `buffers`: state, labels, logits, their gradient, losses, hits.
///
/// # Errors
/// The device refused the kernel or a buffer.
pub fn record_loss(
    gpu: &Gpu,
    program: &mut Program,
    shape: LossShape,
    buffers: [&Buffer; 6],
    replicas: u32,
) -> Result<(), GpuError> {
    let kernel = gpu.kernel("softmax_loss", &[])?;
    let count = u64::from(shape.columns);
    program.push(gpu, kernel, &shape, &buffers, count, replicas)
}
