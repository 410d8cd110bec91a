//! Sums of convolution layers after the gradients of their weights: biases, and the parts of weights added in order.

use super::kernels::accumulate;
use super::operator::LayerContext;
use super::sparse::KeptLists;
use crate::gpu::{Gpu, GpuError, Program, shader_struct};

shader_struct! {
    /// Uniform of `conv_backward_sums`.
    pub struct ConvSumsShape {
        /// Weights of the layer; 0 while their parts are not complete.
        pub weights: u32,
        /// Parts to add.
        pub parts: u32,
        /// Where the weights start in the flat gradients.
        pub weight_offset: u32,
        /// Outputs whose biases are wanted.
        pub outputs: u32,
        /// Pixels of an output.
        pub pixels: u32,
        /// vec4s of samples.
        pub columns: u32,
        /// Where the biases start in the flat gradients.
        pub bias_offset: u32,
        /// Floats per replica in the flat gradients.
        pub param_stride: u32,
    }
}

impl ConvSumsShape {
    /// Invocations of the kernel: a workgroup for each bias, then one for each weight.
    pub fn invocations(&self) -> u64 {
        256 * u64::from(self.outputs) + u64::from(self.weights)
    }
}

/// Records the gradients of the biases, from [`ConvSumsShape::bias_offset`] on if there are any, and of `weights` weights in `parts`
/// parts where these are complete.
pub(super) fn record_sums(
    gpu: &Gpu,
    program: &mut Program,
    context: &LayerContext<'_>,
    bias: Option<u32>,
    (weights, parts): (u32, u32),
) -> Result<(), GpuError> {
    let weights = if context.window.is_last() { weights } else { 0 };
    let outputs = bias.map_or(0, |_| context.output.channels as u32);
    let shape = ConvSumsShape {
        weights,
        parts,
        weight_offset: context.offsets[0],
        outputs,
        pixels: (context.output.height * context.output.width) as u32,
        columns: context.window.columns,
        bias_offset: bias.unwrap_or(0),
        param_stride: context.param_stride,
    };
    if shape.invocations() == 0 {
        return Ok(());
    }
    let kernel = gpu.kernel("conv_backward_sums", &[accumulate(context)])?;
    let buffers = [context.parts, context.dy, context.grads];
    let own = 4 * (u64::from(weights) * u64::from(parts + 1) + u64::from(outputs));
    let values = if bias.is_some() {
        context.bytes(context.output)
    } else {
        0
    };
    program.moves(own * u64::from(context.replicas) + values);
    program.push(
        gpu,
        kernel,
        &shape,
        &buffers,
        shape.invocations(),
        context.replicas,
    )
}

shader_struct! {
    /// Uniform of `kept_partial_sum`.
    pub struct KeptPartialShape {
        /// Weights of the layer.
        pub count: u32,
        /// Parts to add.
        pub parts: u32,
        /// Where the layer's weights start in the flat gradients.
        pub weight_offset: u32,
        /// Floats per replica in the flat gradients.
        pub param_stride: u32,
        /// Room for kept indices per replica.
        pub kept_stride: u32,
    }
}

/// Records `grads = sum over parts of context.parts` for the kept weights of a layer, once its parts are complete.
pub(super) fn record_kept_partial_sum(
    gpu: &Gpu,
    program: &mut Program,
    context: &LayerContext<'_>,
    kept: &KeptLists<'_>,
    count: u32,
    parts: u32,
) -> Result<(), GpuError> {
    if !context.window.is_last() {
        return Ok(());
    }
    let shape = KeptPartialShape {
        count,
        parts,
        weight_offset: context.offsets[0],
        param_stride: context.param_stride,
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
    let invocations = u64::from(kept.most);
    // An index each.
    program.moves(4 * kept.total * u64::from(parts + 2));
    program.push(gpu, kernel, &shape, &buffers, invocations, context.replicas)
}
