//! Sums that linear and convolution layers share: bias gradients, and partial sums added in order.

use super::kernels::accumulate;
use super::operator::LayerContext;
use super::sparse::KeptLists;
use crate::gpu::{Buffer, Gpu, GpuError, Program, shader_struct};

shader_struct! {
    /// Uniform of `bias_backward`.
    pub struct BiasShape {
        /// Output channels or features.
        pub outputs: u32,
        /// Parts the pixels are split into.
        pub parts: u32,
        /// Pixels per part.
        pub pixels: u32,
        /// vec4s of samples.
        pub columns: u32,
        /// Where the sums go.
        pub offset: u32,
        /// Floats per replica there.
        pub stride: u32,
    }
}

shader_struct! {
    /// Uniform of `partial_sum`.
    pub struct PartialShape {
        /// Values.
        pub count: u32,
        /// Parts to add.
        pub parts: u32,
        /// Where the sums go in the flat gradients.
        pub offset: u32,
        /// Floats per replica in the flat gradients.
        pub param_stride: u32,
    }
}

/// Records `grads[offset..offset + count] = sum over parts`, once these are complete.
pub(super) fn record_partial_sum(
    gpu: &Gpu,
    program: &mut Program,
    context: &LayerContext<'_>,
    from: &Buffer,
    (count, parts, offset): (u32, u32, u32),
) -> Result<(), GpuError> {
    if !context.window.is_last() {
        return Ok(());
    }
    let shape = PartialShape {
        count,
        parts,
        offset,
        param_stride: context.param_stride,
    };
    let kernel = gpu.kernel("partial_sum", &[])?;
    let buffers = [from, context.grads];
    program.moves(4 * u64::from(count) * u64::from(parts + 1) * u64::from(context.replicas));
    program.push(
        gpu,
        kernel,
        &shape,
        &buffers,
        u64::from(count),
        context.replicas,
    )
}

/// Records the gradient of a bias: one part per output row, then the parts in order; a single part is the gradient.
pub(super) fn record_bias(
    gpu: &Gpu,
    program: &mut Program,
    context: &LayerContext<'_>,
    offset: u32,
) -> Result<(), GpuError> {
    let (outputs, parts) = (context.output.channels as u32, context.output.height as u32);
    let whole = parts == 1;
    let shape = BiasShape {
        outputs,
        parts,
        pixels: context.output.width as u32,
        columns: context.window.columns,
        offset: if whole { offset } else { 0 },
        stride: if whole {
            context.param_stride
        } else {
            parts * outputs
        },
    };
    let kernel = gpu.kernel("bias_backward", &[accumulate(context)])?;
    let to = if whole {
        context.grads
    } else {
        context.bias_parts
    };
    let buffers = [context.dy, to];
    let count = u64::from(outputs * parts);
    program.moves(context.bytes(context.output) + 4 * count * u64::from(context.replicas));
    program.push(gpu, kernel, &shape, &buffers, count, context.replicas)?;
    if whole {
        return Ok(());
    }
    let sums = (outputs, parts, offset);
    record_partial_sum(gpu, program, context, context.bias_parts, sums)
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
