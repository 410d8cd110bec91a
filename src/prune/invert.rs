//! The control that keeps the worst weights: the lowest scores, as many in each layer as the criterion itself would keep (Frankle
//! et al. 2021, "Pruning neural networks at initialization: why are we missing the mark?", section 5).

use super::counts::RankedGroup;
use crate::gpu::{Buffer, Gpu, GpuError, Program};
use crate::model::{Mask, Model};
use crate::ops::Span;

/// Turns the order of sort keys round, `[replica][float]`; 0 stays 0.
///
/// # Errors
/// The device failed.
pub(super) fn invert_keys(gpu: &Gpu, score: &Buffer, floats: usize) -> Result<(), GpuError> {
    let replicas = (score.bytes() / 4 / floats as u64) as u32;
    let span = Span {
        count: (floats / 4) as u32,
    };
    let kernel = gpu.kernel("score_invert", &[])?;
    let mut program = Program::new("inverted scores");
    let count = u64::from(span.count);
    program.push(gpu, kernel, &span, &[score], count, replicas)?;
    gpu.run(&program)
}

/// Each layer of `groups` for itself, to keep as many as `mask` does.
pub(super) fn layer_by_layer(
    model: &Model,
    groups: &[RankedGroup],
    mask: &Mask,
) -> Vec<RankedGroup> {
    let kept = mask.counts(model);
    let tensors = groups.iter().flat_map(|group| &group.tensors);
    let own = |&tensor: &usize| RankedGroup {
        tensors: vec![tensor],
        keep: kept[tensor],
    };
    tensors.map(own).collect()
}
