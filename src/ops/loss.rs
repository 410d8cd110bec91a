//! Softmax and cross-entropy in one: loss, gradient of the logits, and whether the class was right.

use super::Window;
use crate::gpu::{Buffer, Gpu, GpuError, Program, shader_struct};

shader_struct! {
    /// Uniform of `softmax_loss`.
    pub struct LossShape {
        /// Classes.
        pub classes: u32,
        /// vec4s of samples.
        pub columns: u32,
        /// Which of the batch's the first is.
        pub first_column: u32,
        /// vec4s of samples in the whole batch.
        pub batch_columns: u32,
        /// Target probability of the sample's class.
        pub own: f32,
        /// Target probability of every other class.
        pub other: f32,
    }
}

impl LossShape {
    /// Targets with label smoothing, 0 for none (Szegedy et al. 2016, section 7; as PyTorch's `label_smoothing`).
    pub fn new(classes: u32, window: Window, smoothing: f64) -> Self {
        let other = smoothing / f64::from(classes);
        Self {
            classes,
            columns: window.columns,
            first_column: window.first,
            batch_columns: window.batch,
            own: (1.0 - smoothing + other) as f32,
            other: other as f32,
        }
    }
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
    // Logits and their gradients, labels, losses and hits.
    program.moves(16 * count * u64::from(replicas) * (2 * u64::from(shape.classes) + 3));
    program.push(gpu, kernel, &shape, &buffers, count, replicas)
}
