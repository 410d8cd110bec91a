//! Growth: pruned weights that exist again, at 0.

use super::counts::RankedGroup;
use super::criterion::refuse_nans;
use super::error::PruneError;
use super::steps::keep_top;
use crate::gpu::{Program, shader_struct};
use crate::spec::Grow;
use crate::train::Trainer;

shader_struct! {
    /// Uniform of `growth_score`.
    pub struct GrowthShape {
        /// Where the tensor starts in the flat parameters.
        pub offset: u32,
        /// Its weights.
        pub count: u32,
        /// Floats per replica.
        pub param_stride: u32,
        /// Mask words per replica.
        pub mask_words: u32,
        /// The tensor's number, which keys its random stream.
        pub tensor: u32,
        /// Optimizer steps before this growth.
        pub step: u32,
    }
}

/// Lets weights of `tensors` grow until each replica's groups have as many as they keep; by gradient, that which stands.
pub(super) fn grow(
    trainer: &Trainer<'_>,
    by: Grow,
    tensors: &[usize],
    groups: &[Vec<RankedGroup>],
    step: u64,
) -> Result<(), PruneError> {
    let (gpu, r) = (trainer.gpu(), trainer.replicas());
    let formula = match by {
        Grow::Gradient => 0,
        Grow::Random => 1,
    };
    let score = gpu.buffer("scores", r.params.bytes())?;
    let unordered = gpu.buffer("NaN counts", u64::from(r.count) * 4)?;
    let mut program = Program::new("growth");
    let kernel = gpu.kernel("growth_score", &[("GROW", formula)])?;
    for &number in tensors {
        let tensor = &r.model.tensors[number];
        let shape = GrowthShape {
            offset: tensor.offset as u32,
            count: tensor.count as u32,
            param_stride: r.model.floats as u32,
            mask_words: r.model.mask_words() as u32,
            tensor: number as u32,
            step: step as u32,
        };
        let buffers = [&r.keys, &r.masks, &r.grads, &score, &unordered];
        let count = tensor.count as u64;
        program.push(gpu, kernel.clone(), &shape, &buffers, count, r.count)?;
    }
    gpu.run(&program)?;
    refuse_nans(gpu, &unordered, r.count)?;
    keep_top(gpu, r, &score, groups)
}
