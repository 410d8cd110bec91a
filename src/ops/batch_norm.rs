//! Batch normalisation (Ioffe and Szegedy 2015), as PyTorch does it: the batch's biased variance normalises, its unbiased one
//! goes into the running variance.

use super::kernels::{LANES, width};
use super::{InitialValues, LayerContext, Mode, Operator, Parameter, Scratch};
use crate::gpu::{Gpu, GpuError, Program, shader_struct};
use crate::spec::Shape;

/// Added to the variance.
const EPS: f32 = 1e-5;
/// Share of a batch in the running statistics.
const MOMENTUM: f32 = 0.1;

shader_struct! {
    /// Uniform of the `batch_norm_*` kernels.
    pub struct BatchNormShape {
        /// Channels, or features of a flat input.
        pub channels: u32,
        /// Pixels of a channel.
        pub pixels: u32,
        /// vec4s of samples.
        pub columns: u32,
        /// Lanes of a workgroup that share a channel.
        pub lanes: u32,
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

impl BatchNormShape {
    /// Lanes of a workgroup that share a channel of so many pixels: all of them, or 16 of them where it is one number a sample.
    pub fn lanes_for(pixels: u32) -> u32 {
        if pixels == 1 { 16 } else { LANES }
    }

    /// Invocations of its kernels.
    fn invocations(&self) -> u64 {
        u64::from(self.channels.div_ceil(LANES / self.lanes) * LANES)
    }
}

pub(super) struct BatchNorm;

fn shape(context: &LayerContext<'_>, mode: Mode) -> BatchNormShape {
    let pixels = (context.input.height * context.input.width) as u32;
    BatchNormShape {
        channels: context.input.channels as u32,
        pixels,
        columns: context.window.columns,
        lanes: BatchNormShape::lanes_for(pixels),
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

/// Bytes of the parameters, running statistics and what is kept of a channel, 4 numbers each.
fn channel_bytes(context: &LayerContext<'_>) -> u64 {
    32 * context.input.channels as u64 * u64::from(context.replicas)
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

    fn fuses_addition(&self) -> bool {
        true
    }

    fn scratch(&self, input: Shape, _columns: u32) -> Scratch {
        Scratch {
            kept: input.channels as u64 * 4,
            ..Scratch::default()
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
        let added = context.with.filter(|_| context.fused.addition);
        let adds = ("ADDS", u32::from(added.is_some()));
        let kernel = gpu.kernel("batch_norm_forward", &[adds, width(gpu)])?;
        let buffers = [
            context.state,
            context.x,
            added.unwrap_or(context.x),
            context.params,
            context.kept,
            context.y,
        ];
        let reads = if mode == Mode::Evaluation { 1 } else { 3 } + u64::from(adds.1);
        program.moves(
            reads * context.bytes(context.input)
                + context.bytes(context.output)
                + channel_bytes(context),
        );
        program.push(
            gpu,
            kernel,
            &shape,
            &buffers,
            shape.invocations(),
            context.replicas,
        )
    }

    fn backward(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        context: &LayerContext<'_>,
    ) -> Result<(), GpuError> {
        let shape = shape(context, Mode::Training);
        let leaves_dx = ("LEAVES_DX", u32::from(context.dx.is_some()));
        let kernel = gpu.kernel("batch_norm_backward", &[leaves_dx, width(gpu)])?;
        // Where no gradient of the input is wanted, something is bound that is not written.
        let dx = context.dx.unwrap_or(context.parts);
        let buffers = [
            context.state,
            context.x,
            context.dy,
            context.kept,
            context.grads,
            dx,
        ];
        let passes = if context.dx.is_some() { 5 } else { 2 };
        program.moves(passes * context.bytes(context.input) + channel_bytes(context));
        program.push(
            gpu,
            kernel,
            &shape,
            &buffers,
            shape.invocations(),
            context.replicas,
        )
    }
}
