//! Gradients that convolution layers find in parts: the parts added in order.

use super::operator::{LayerContext, NO_BIAS};
use super::sparse::KeptLists;
use crate::gpu::{Gpu, GpuError, Program, shader_struct};

shader_struct! {
    /// Uniform of `partial_sum`.
    pub struct PartialShape {
        /// Weights of the layer.
        pub weights: u32,
        /// Its outputs.
        pub outputs: u32,
        /// Parts to add.
        pub parts: u32,
        /// Where the weights start in the flat gradients.
        pub weight_offset: u32,
        /// Where the biases start in the flat gradients; `u32::MAX` for none.
        pub bias_offset: u32,
        /// Floats per replica in the flat gradients.
        pub param_stride: u32,
    }
}

shader_struct! {
    /// Uniform of `kept_partial_sum`.
    pub struct KeptPartialShape {
        /// Weights of the layer, pruned ones too.
        pub weights: u32,
        /// Its outputs.
        pub outputs: u32,
        /// Parts to add.
        pub parts: u32,
        /// Where the layer's weights start in the flat gradients.
        pub weight_offset: u32,
        /// Where the biases start in the flat gradients; `u32::MAX` for none.
        pub bias_offset: u32,
        /// Floats per replica in the flat gradients.
        pub param_stride: u32,
        /// Room for kept indices per replica.
        pub kept_stride: u32,
    }
}

/// What was found in parts.
pub(super) struct Parts {
    /// Weights of the layer.
    pub(super) weights: u32,
    /// How many parts.
    pub(super) parts: u32,
    /// Where the bias starts, if there is one.
    pub(super) bias: Option<u32>,
}

impl Parts {
    /// 4-byte words of them per replica.
    pub(super) fn words(weights: u64, outputs: u64, parts: u64) -> u64 {
        parts * (weights + outputs)
    }
}

/// Records `grads = sum over parts of context.parts`, for all weights and biases or for the `kept` weights and the biases, once all parts
/// are complete.
pub(super) fn record_partial_sum(
    gpu: &Gpu,
    program: &mut Program,
    context: &LayerContext<'_>,
    sums: &Parts,
    kept: Option<&KeptLists<'_>>,
) -> Result<(), GpuError> {
    if !context.window.is_last() {
        return Ok(());
    }
    let &Parts {
        weights,
        parts,
        bias,
    } = sums;
    let outputs = context.output.channels as u32;
    let bias_offset = bias.unwrap_or(NO_BIAS);
    let biases = u64::from(bias.map_or(0, |_| outputs));
    let of_biases = biases * u64::from(parts + 1) * u64::from(context.replicas);
    let (weight_offset, param_stride) = (context.offsets[0], context.param_stride);
    let Some(kept) = kept else {
        let shape = PartialShape {
            weights,
            outputs,
            parts,
            weight_offset,
            bias_offset,
            param_stride,
        };
        let kernel = gpu.kernel("partial_sum", &[])?;
        let buffers = [context.parts, context.grads];
        let all = u64::from(weights) * u64::from(context.replicas);
        program.moves(4 * (all * u64::from(parts + 1) + of_biases));
        let invocations = biases + u64::from(weights);
        return program.push(gpu, kernel, &shape, &buffers, invocations, context.replicas);
    };
    let shape = KeptPartialShape {
        weights,
        outputs,
        parts,
        weight_offset,
        bias_offset,
        param_stride,
        kept_stride: kept.stride,
    };
    let kernel = gpu.kernel("kept_partial_sum", &[])?;
    let buffers = [
        context.parts,
        kept.masks,
        kept.ranks,
        kept.list,
        context.grads,
    ];
    // An index each.
    program.moves(4 * (kept.total * u64::from(parts + 2) + of_biases));
    let invocations = biases + u64::from(kept.most);
    program.push(gpu, kernel, &shape, &buffers, invocations, context.replicas)
}
