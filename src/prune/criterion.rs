//! Criteria: the registry, and how one is recorded. A criterion is a kernel that turns weights into sort keys.

use super::Criterion;
use crate::gpu::{Buffer, Gpu, GpuError, Program};
use crate::train::Replicas;
use bytemuck::{Pod, Zeroable};

/// Uniform of the `*_score` kernels (`shaders/shared/score.wgsl`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct ScoreShape {
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
    /// 1: every weight may be selected; 0: only those the mask keeps.
    pub revive: u32,
}

/// The kernel of each criterion.
fn kernel_of(criterion: Criterion) -> &'static str {
    match criterion {
        Criterion::Magnitude => "magnitude_score",
        Criterion::Random => "random_score",
    }
}

/// Where scores go.
pub(super) struct ScoreBuffers<'a> {
    /// One key per weight `[replica][float]`.
    pub(super) score: &'a Buffer,
    /// NaN scores per replica.
    pub(super) unordered: &'a Buffer,
}

/// Records the scoring of the given tensors.
pub(super) fn record_scores(
    gpu: &Gpu,
    program: &mut Program,
    replicas: &Replicas,
    criterion: Criterion,
    tensors: &[usize],
    revive: bool,
    to: &ScoreBuffers<'_>,
) -> Result<(), GpuError> {
    for &number in tensors {
        let tensor = &replicas.model.tensors[number];
        let shape = ScoreShape {
            offset: tensor.offset as u32,
            count: tensor.count as u32,
            param_stride: replicas.model.floats as u32,
            mask_words: replicas.model.mask_words() as u32,
            tensor: number as u32,
            revive: u32::from(revive),
        };
        let kernel = gpu.kernel(kernel_of(criterion), &[])?;
        let buffers = [
            &replicas.keys,
            &replicas.masks,
            &replicas.params,
            to.score,
            to.unordered,
        ];
        let count = tensor.count as u64;
        program.push(gpu, kernel, &shape, &buffers, count, replicas.count)?;
    }
    Ok(())
}
