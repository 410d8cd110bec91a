//! Batch normalisation (Ioffe and Szegedy 2015), as PyTorch does it: the batch's biased variance normalises, its unbiased one
//! goes into the running variance.

use super::kernels::columns_per_invocation;
use super::{InitialValues, LayerContext, Mode, Operator, Parameter, Scratch};
use crate::gpu::{Gpu, GpuError, Kernel, Program, shader_struct};
use crate::spec::Shape;
use std::sync::Arc;

/// Added to the variance.
const EPS: f32 = 1e-5;
/// Share of a batch in the running statistics.
const MOMENTUM: f32 = 0.1;

shader_struct! {
    /// Uniform of the `batch_norm_*` kernels.
    pub struct BatchNormShape {
        /// Channels, or features of a flat input.
        pub channels: u32,
        /// Parts the pixels are split into: rows.
        pub parts: u32,
        /// Pixels per part.
        pub pixels: u32,
        /// vec4s of samples.
        pub columns: u32,
        /// Where the weights start in the flat parameters.
        pub weight_offset: u32,
        /// Where the biases start.
        pub bias_offset: u32,
        /// Where the running means start.
        pub mean_offset: u32,
        /// Where the running variances start.
        pub variance_offset: u32,
        /// Floats per replica in the flat parameters.
        pub param_stride: u32,
        /// 0 evaluation, 1 training, 2 recalibration.
        pub mode: u32,
        /// 1: the gradients of weights and biases are wanted.
        pub learns: u32,
        /// 1: the output goes through a ReLU.
        pub relu: u32,
        /// Share of the batch in the running statistics.
        pub momentum: f32,
        /// Added to the variance.
        pub eps: f32,
    }
}

pub(super) struct BatchNorm;

fn shape(context: &LayerContext<'_>, mode: Mode) -> BatchNormShape {
    BatchNormShape {
        channels: context.input.channels as u32,
        parts: context.input.height as u32,
        pixels: context.input.width as u32,
        columns: context.window.columns,
        weight_offset: context.offsets[0],
        bias_offset: context.offsets[1],
        mean_offset: context.offsets[2],
        variance_offset: context.offsets[3],
        param_stride: context.param_stride,
        mode: match mode {
            Mode::Evaluation => 0,
            Mode::Training | Mode::Scoring => 1,
            Mode::Recalibration => 2,
        },
        learns: u32::from(context.learns),
        relu: u32::from(context.fused.forward),
        momentum: MOMENTUM,
        eps: EPS,
    }
}

/// A kernel whose invocations walk the pixels, and their number.
fn pixelwise(
    gpu: &Gpu,
    name: &'static str,
    context: &LayerContext<'_>,
) -> Result<(Arc<Kernel>, u64), GpuError> {
    let columns = columns_per_invocation(gpu);
    let kernel = gpu.kernel(name, &[("COLS", columns)])?;
    let each = u64::from(context.window.columns.div_ceil(columns));
    Ok((kernel, context.input.features() as u64 * each))
}

/// Bytes of the sums of parts, two numbers each: a part is a row of pixels.
fn sums_bytes(context: &LayerContext<'_>) -> u64 {
    let parts = context.input.channels * context.input.height;
    8 * parts as u64 * u64::from(context.replicas)
}

/// Bytes of adding up the parts: these, and the 4 or 8 numbers that are kept of a channel with those that they are made of.
fn combine_bytes(context: &LayerContext<'_>) -> u64 {
    sums_bytes(context) + 40 * context.input.channels as u64 * u64::from(context.replicas)
}

impl Operator for BatchNorm {
    fn output(&self, input: Shape) -> Result<Shape, String> {
        Ok(input)
    }

    fn of_constant(&self, x: f64, own: &[f32]) -> f64 {
        let of = |i: usize| own.get(i).map_or(0.0, |&v| f64::from(v));
        let [scale, shift, mean, variance] = [0, 1, 2, 3].map(of);
        scale * (x - mean) / (variance + f64::from(EPS)).sqrt() + shift
    }

    fn subtracts(&self) -> Option<usize> {
        Some(2)
    }

    fn parameters(&self, input: Shape) -> Vec<Parameter> {
        let tensor = |role, start, learned| Parameter {
            role,
            shape: vec![input.channels],
            prunable: false,
            learned,
            start: InitialValues::Constant(start),
            fan_in: 1,
            fan_out: 1,
        };
        vec![
            tensor("weight", 1.0, true),
            tensor("bias", 0.0, true),
            tensor("running_mean", 0.0, false),
            tensor("running_var", 1.0, false),
        ]
    }

    fn needs_whole_batch(&self) -> bool {
        true
    }

    fn carries_flow(&self) -> bool {
        false
    }

    fn fuses_relu_forward(&self) -> bool {
        true
    }

    fn scratch(&self, input: Shape, _columns: u32) -> Scratch {
        Scratch {
            kept: input.channels as u64 * 8,
            parts: 2 * (input.channels * input.height) as u64,
            bias_parts: 0,
        }
    }

    fn forward(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        context: &LayerContext<'_>,
        mode: Mode,
    ) -> Result<(), GpuError> {
        let shape = shape(context, mode);
        if mode != Mode::Evaluation {
            let kernel = gpu.kernel("batch_norm_statistics", &[])?;
            let buffers = [context.state, context.x, context.parts];
            let count = u64::from(shape.parts * shape.channels);
            program.moves(2 * context.bytes(context.input) + sums_bytes(context));
            program.push(gpu, kernel, &shape, &buffers, count, context.replicas)?;
        }
        let kernel = gpu.kernel("batch_norm_combine", &[])?;
        let buffers = [context.state, context.parts, context.params, context.kept];
        let count = u64::from(shape.channels);
        program.moves(combine_bytes(context));
        program.push(gpu, kernel, &shape, &buffers, count, context.replicas)?;
        let (kernel, count) = pixelwise(gpu, "batch_norm_forward", context)?;
        let buffers = [context.kept, context.x, context.y];
        program.moves(context.bytes(context.input) + context.bytes(context.output));
        program.push(gpu, kernel, &shape, &buffers, count, context.replicas)
    }

    fn backward(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        context: &LayerContext<'_>,
    ) -> Result<(), GpuError> {
        let shape = shape(context, Mode::Training);
        let kernel = gpu.kernel("batch_norm_backward_sums", &[])?;
        let buffers = [
            context.state,
            context.x,
            context.dy,
            context.kept,
            context.parts,
        ];
        let count = u64::from(shape.parts * shape.channels);
        program.moves(2 * context.bytes(context.input) + sums_bytes(context));
        program.push(gpu, kernel, &shape, &buffers, count, context.replicas)?;
        let kernel = gpu.kernel("batch_norm_backward_combine", &[])?;
        let buffers = [context.state, context.parts, context.kept, context.grads];
        let count = u64::from(shape.channels);
        program.moves(combine_bytes(context));
        program.push(gpu, kernel, &shape, &buffers, count, context.replicas)?;
        let Some(dx) = context.dx else { return Ok(()) };
        let (kernel, count) = pixelwise(gpu, "batch_norm_backward_data", context)?;
        let buffers = [context.state, context.x, context.dy, context.kept, dx];
        program.moves(3 * context.bytes(context.input));
        program.push(gpu, kernel, &shape, &buffers, count, context.replicas)
    }
}
