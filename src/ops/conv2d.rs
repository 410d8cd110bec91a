//! 2-D convolution (cross-correlation), square kernel, zero padding.

use super::kernels::{Broadcast, Names};
use super::operator::NO_BIAS;
use super::product::{Product, ProductKernels};
use super::reduce::Parts;
use super::variants::ProductPass;
use super::{LayerContext, Mode, Operator, Parameter, Scratch, WeightGrid};
use crate::gpu::{Gpu, GpuError, Program, shader_struct};
use crate::spec::Shape;

shader_struct! {
    /// Uniform of the `conv_*` kernels.
    pub struct ConvShape {
        /// Input channels.
        pub in_channels: u32,
        /// Input rows.
        pub in_height: u32,
        /// Input columns.
        pub in_width: u32,
        /// Output channels.
        pub out_channels: u32,
        /// Output rows.
        pub out_height: u32,
        /// Output columns.
        pub out_width: u32,
        /// Kernel height and width.
        pub kernel: u32,
        /// Step between windows.
        pub stride: u32,
        /// Zeros on every side.
        pub padding: u32,
        /// vec4s of samples.
        pub columns: u32,
        /// Where W starts in the flat parameters.
        pub weight_offset: u32,
        /// Where the bias starts; `u32::MAX` for none.
        pub bias_offset: u32,
        /// Floats per replica in the flat parameters.
        pub param_stride: u32,
        /// 1: the output goes through a ReLU.
        pub relu: u32,
        /// 1: the input came out of a ReLU, whose backward pass is done with the input's gradient.
        pub gate: u32,
        /// Sparse kernels: room for kept indices per replica.
        pub kept_stride: u32,
    }
}

/// The kernels of its passes.
pub(super) const KERNELS: ProductKernels = ProductKernels {
    forward: Names {
        plain: "conv_forward",
        workgroup: Some("conv_forward_workgroup"),
        parts: None,
        sparse: "conv_forward_sparse",
        sparse_broadcast: "conv_forward_sparse_broadcast",
    },
    backward_data: Names {
        plain: "conv_backward_data",
        workgroup: Some("conv_backward_data_workgroup"),
        parts: None,
        sparse: "conv_backward_data_sparse",
        sparse_broadcast: "conv_backward_data_sparse_broadcast",
    },
    backward_weight: Names {
        plain: "conv_backward_weight",
        workgroup: Some("conv_backward_weight_workgroup"),
        parts: None,
        sparse: "conv_backward_weight_sparse",
        sparse_broadcast: "conv_backward_weight_sparse_broadcast",
    },
    backward_weight_broadcast: "conv_backward_weight_broadcast",
};

pub(super) struct Conv2d {
    pub(super) channels: usize,
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) padding: usize,
    pub(super) bias: bool,
}

impl Conv2d {
    fn taps(&self, input: Shape) -> usize {
        input.channels * self.kernel * self.kernel
    }

    fn product(&self, context: &LayerContext<'_>) -> Product<ConvShape> {
        let shape = self.shape(context);
        Product {
            kernels: &KERNELS,
            shape,
            with_kept: |shape, kept_stride| ConvShape {
                kept_stride,
                ..shape
            },
            outputs: shape.out_channels,
            inputs: shape.in_channels,
            pixels: [context.output, context.input].map(|image| image.plane() as u32),
            taps: self.taps(context.input) as u32,
            parts: Some(shape.out_height),
            reads_taps: true,
            broadcast: [forward_broadcast(&shape), backward_data_broadcast(&shape)].map(Some),
            forward_constants: Vec::new(),
            bias: self.bias.then_some(shape.bias_offset),
        }
    }

    fn shape(&self, context: &LayerContext<'_>) -> ConvShape {
        ConvShape {
            in_channels: context.input.channels as u32,
            in_height: context.input.height as u32,
            in_width: context.input.width as u32,
            out_channels: self.channels as u32,
            out_height: context.output.height as u32,
            out_width: context.output.width as u32,
            kernel: self.kernel as u32,
            stride: self.stride as u32,
            padding: self.padding as u32,
            columns: context.window.columns,
            weight_offset: context.offsets[0],
            bias_offset: context.offsets.get(1).copied().unwrap_or(NO_BIAS),
            param_stride: context.param_stride,
            relu: u32::from(context.fused.forward),
            gate: u32::from(context.fused.backward),
            kept_stride: 0,
        }
    }
}

/// Weights are read four at a time, and shifted where an output's do not begin at a multiple of four.
fn forward_broadcast(shape: &ConvShape) -> Broadcast {
    let taps = shape.in_channels * shape.kernel * shape.kernel;
    let fours = taps.is_multiple_of(4);
    let begins = [shape.weight_offset, shape.param_stride];
    let aligned = fours && begins.iter().all(|at| at.is_multiple_of(4));
    Broadcast {
        kernel: "conv_forward_broadcast",
        constants: vec![
            ("EDGES", u32::from(shape.padding > 0 || !fours)),
            ("SHIFTED", u32::from(!aligned)),
        ],
    }
}

/// The usual kernels are 3 x 3 and have a variant of their own.
fn backward_data_broadcast(shape: &ConvShape) -> Broadcast {
    let kernel = match (shape.kernel, shape.stride) {
        (3, 1) => "conv_backward_data_broadcast_3x3",
        _ => "conv_backward_data_broadcast",
    };
    Broadcast {
        kernel,
        constants: Vec::new(),
    }
}

/// Windows along one axis, or why there are none.
pub(super) fn windows(
    size: usize,
    window: usize,
    stride: usize,
    padding: usize,
) -> Result<usize, String> {
    if window == 0 || stride == 0 {
        return Err("its window and stride must be at least 1".to_owned());
    }
    if padding >= window {
        return Err(format!(
            "padding {padding} must be smaller than the window of {window}"
        ));
    }
    let padded = size + 2 * padding;
    if padded < window {
        return Err(format!(
            "a window of {window} does not fit an input of {size} with padding {padding}"
        ));
    }
    Ok((padded - window) / stride + 1)
}

impl Operator for Conv2d {
    fn output(&self, input: Shape) -> Result<Shape, String> {
        if self.channels == 0 {
            return Err("it needs at least one output channel".to_owned());
        }
        let along = |size| windows(size, self.kernel, self.stride, self.padding);
        Ok(Shape::new(
            self.channels,
            along(input.height)?,
            along(input.width)?,
        ))
    }

    fn parameters(&self, input: Shape) -> Vec<Parameter> {
        let area = self.kernel * self.kernel;
        let shape = vec![self.channels, input.channels, self.kernel, self.kernel];
        let fans = (input.channels * area, self.channels * area);
        Parameter::weight_and_bias(shape, fans, self.bias)
    }

    fn multiply_adds(&self, input: Shape) -> u64 {
        let pixels = self.output(input).map_or(0, |o| o.plane());
        (self.taps(input) * self.channels * pixels) as u64
    }

    fn reads_whole_windows(&self) -> bool {
        self.padding == 0
    }

    fn mixes_channels(&self) -> bool {
        true
    }

    fn weight_grid(&self, input: Shape) -> Option<WeightGrid> {
        WeightGrid::new(self.channels, input.channels, self.kernel)
    }

    fn fuses_relu_forward(&self) -> bool {
        true
    }

    fn fuses_relu_backward(&self) -> bool {
        true
    }

    fn scratch(&self, input: Shape, _columns: u32) -> Scratch {
        let rows = self.output(input).map_or(0, |o| o.height) as u64;
        let outputs = self.channels as u64;
        Scratch {
            parts: Parts::words(outputs * self.taps(input) as u64, outputs, rows),
            ..Scratch::default()
        }
    }

    fn forward(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        context: &LayerContext<'_>,
        _mode: Mode,
    ) -> Result<(), GpuError> {
        self.product(context)
            .record(gpu, program, context, ProductPass::Forward)
    }

    fn backward(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        context: &LayerContext<'_>,
    ) -> Result<(), GpuError> {
        self.product(context).backward(gpu, program, context)
    }

    fn record_pass(
        &self,
        gpu: &Gpu,
        program: &mut Program,
        context: &LayerContext<'_>,
        pass: ProductPass,
    ) -> Result<(), GpuError> {
        self.product(context).record(gpu, program, context, pass)
    }
}
