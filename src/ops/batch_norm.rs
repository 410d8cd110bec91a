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

fn shape(site: &LayerContext<'_>, mode: Mode) -> BatchNormShape {
    BatchNormShape {
        channels: site.input.channels as u32,
        parts: site.input.height as u32,
        pixels: site.input.width as u32,
        columns: site.window.columns,
        weight_offset: site.offsets[0],
        bias_offset: site.offsets[1],
        mean_offset: site.offsets[2],
        variance_offset: site.offsets[3],
        param_stride: site.param_stride,
        mode: match mode {
            Mode::Evaluation => 0,
            Mode::Training | Mode::Scoring => 1,
            Mode::Recalibration => 2,
        },
        learns: u32::from(site.learns),
        relu: u32::from(site.fused.forward),
        momentum: MOMENTUM,
        eps: EPS,
    }
}

/// A kernel whose invocations walk the pixels, and their number.
fn pixelwise(
    gpu: &Gpu,
    name: &'static str,
    site: &LayerContext<'_>,
) -> Result<(Arc<Kernel>, u64), GpuError> {
    let columns = columns_per_invocation(gpu);
    let kernel = gpu.kernel(name, &[("COLS", columns)])?;
    let each = u64::from(site.window.columns.div_ceil(columns));
    Ok((kernel, site.input.features() as u64 * each))
}

/// Bytes of the sums of parts, two numbers each: a part is a row of pixels.
fn sums_bytes(site: &LayerContext<'_>) -> u64 {
    let parts = site.input.channels * site.input.height;
    8 * parts as u64 * u64::from(site.replicas)
}

/// Bytes of adding up the parts: these, and the 4 or 8 numbers that are kept of a channel with those that they are made of.
fn combine_bytes(site: &LayerContext<'_>) -> u64 {
    sums_bytes(site) + 40 * site.input.channels as u64 * u64::from(site.replicas)
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
        site: &LayerContext<'_>,
        mode: Mode,
    ) -> Result<(), GpuError> {
        let shape = shape(site, mode);
        if mode != Mode::Evaluation {
            let kernel = gpu.kernel("batch_norm_statistics", &[])?;
            let buffers = [site.state, site.x, site.parts];
            let count = u64::from(shape.parts * shape.channels);
            program.moves(2 * site.bytes(site.input) + sums_bytes(site));
            program.push(gpu, kernel, &shape, &buffers, count, site.replicas)?;
        }
        let kernel = gpu.kernel("batch_norm_combine", &[])?;
        let buffers = [site.state, site.parts, site.params, site.kept];
        let count = u64::from(shape.channels);
        program.moves(combine_bytes(site));
        program.push(gpu, kernel, &shape, &buffers, count, site.replicas)?;
        let (kernel, count) = pixelwise(gpu, "batch_norm_forward", site)?;
        let buffers = [site.kept, site.x, site.y];
        program.moves(site.bytes(site.input) + site.bytes(site.output));
        program.push(gpu, kernel, &shape, &buffers, count, site.replicas)
    }

    fn backward(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        site: &LayerContext<'_>,
    ) -> Result<(), GpuError> {
        let shape = shape(site, Mode::Training);
        let kernel = gpu.kernel("batch_norm_backward_sums", &[])?;
        let buffers = [site.state, site.x, site.dy, site.kept, site.parts];
        let count = u64::from(shape.parts * shape.channels);
        program.moves(2 * site.bytes(site.input) + sums_bytes(site));
        program.push(gpu, kernel, &shape, &buffers, count, site.replicas)?;
        let kernel = gpu.kernel("batch_norm_backward_combine", &[])?;
        let buffers = [site.state, site.parts, site.kept, site.grads];
        let count = u64::from(shape.channels);
        program.moves(combine_bytes(site));
        program.push(gpu, kernel, &shape, &buffers, count, site.replicas)?;
        let Some(dx) = site.dx else { return Ok(()) };
        let (kernel, count) = pixelwise(gpu, "batch_norm_backward_data", site)?;
        let buffers = [site.state, site.x, site.dy, site.kept, dx];
        program.moves(3 * site.bytes(site.input));
        program.push(gpu, kernel, &shape, &buffers, count, site.replicas)
    }
}
