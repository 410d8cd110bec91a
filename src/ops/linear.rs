//! Fully connected layer: `Y[o][b] = bias[o] + sum_i W[o][i] X[i][b]`.

use super::kernels::{Broadcast, Names, data_kernel};
use super::operator::NO_BIAS;
use super::product::{Product, ProductKernels};
use super::variants::ProductPass;
use super::{KernelVariant, LayerContext, Mode, Operator, Parameter, WeightGrid};
use crate::gpu::{Buffer, Gpu, GpuError, Program, shader_struct};
use crate::spec::Shape;
use std::ops::RangeInclusive;

shader_struct! {
    /// Uniform of the `dense_*` kernels.
    pub struct DenseShape {
        /// Inputs.
        pub inputs: u32,
        /// Outputs.
        pub outputs: u32,
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
        /// Inputs of a part of an output's sum, see [`DenseShape::part_for`].
        pub part: u32,
        /// Sparse kernels: room for kept indices per replica.
        pub kept_stride: u32,
    }
}

/// A sum of more terms than this is made of parts.
const LONG: u32 = 512;
/// Terms of a part.
const PART: RangeInclusive<u32> = 64..=256;

impl DenseShape {
    /// The constant that says to the forward kernels whether sums are made in parts.
    pub fn in_parts(&self) -> (&'static str, u32) {
        ("IN_PARTS", u32::from(self.part < self.inputs))
    }

    /// Inputs of a part of an output's sum, where the inputs were `channels` channels before they were flattened. Long sums are made of
    /// parts, so that several can be worked on at once; the shape alone decides, for every variant and adapter. A part lies in one
    /// channel, so that a network without a channel that is all 0 makes the same sums; it is made of whole quads of weights, which are
    /// read together. Where no such part is long enough, it is all inputs: one sum.
    pub fn part_for(inputs: u32, channels: u32) -> u32 {
        let pixels = inputs / channels.max(1);
        let divides = |part: &u32| part.is_multiple_of(4) && pixels.is_multiple_of(*part);
        match PART.rev().find(divides) {
            Some(part) if inputs > LONG => part,
            _ => inputs,
        }
    }
}

/// The kernels of its passes.
pub(super) const KERNELS: ProductKernels = ProductKernels {
    forward: Names {
        plain: "dense_forward",
        workgroup: Some("dense_forward_workgroup"),
        parts: Some("dense_forward_parts"),
        sparse: "dense_forward_sparse",
        sparse_broadcast: "dense_forward_sparse_broadcast",
    },
    backward_data: Names {
        plain: "dense_backward_data",
        workgroup: Some("dense_backward_data_workgroup"),
        parts: None,
        sparse: "dense_backward_data_sparse",
        sparse_broadcast: "dense_backward_data_sparse_broadcast",
    },
    backward_weight: Names {
        plain: "dense_backward_weight",
        workgroup: Some("dense_backward_weight_workgroup"),
        parts: None,
        sparse: "dense_backward_weight_sparse",
        sparse_broadcast: "dense_backward_weight_sparse_broadcast",
    },
    backward_weight_broadcast: "dense_backward_weight_broadcast",
};

pub(super) struct Linear {
    pub(super) features: usize,
    pub(super) bias: bool,
}

impl Linear {
    fn product(&self, context: &LayerContext<'_>) -> Product<DenseShape> {
        let shape = self.shape(context);
        Product {
            kernels: &KERNELS,
            shape,
            with_kept: |shape, kept_stride| DenseShape {
                kept_stride,
                ..shape
            },
            outputs: shape.outputs,
            inputs: shape.inputs,
            pixels: [1, 1],
            taps: shape.inputs,
            parts: None,
            reads_taps: false,
            broadcast: [
                forward_broadcast(&shape),
                Some(Broadcast {
                    kernel: "dense_backward_data_broadcast",
                    constants: Vec::new(),
                }),
            ],
            forward_constants: vec![shape.in_parts()],
            bias: self.bias.then_some(shape.bias_offset),
        }
    }

    fn shape(&self, context: &LayerContext<'_>) -> DenseShape {
        let (inputs, outputs) = (context.input.features() as u32, self.features as u32);
        DenseShape {
            inputs,
            outputs,
            columns: context.window.columns,
            weight_offset: context.offsets[0],
            bias_offset: context.offsets.get(1).copied().unwrap_or(NO_BIAS),
            param_stride: context.param_stride,
            relu: u32::from(context.fused.forward),
            gate: u32::from(context.fused.backward),
            part: DenseShape::part_for(inputs, context.channels),
            kept_stride: 0,
        }
    }
}

/// Records the dense forward pass: `[flat parameters, X, Y]` of `replicas`, see [`DenseShape`].
///
/// # Errors
/// The device refused a kernel or a buffer.
pub fn record_product(
    gpu: &Gpu,
    program: &mut Program,
    variant: KernelVariant,
    shape: &DenseShape,
    buffers: [&Buffer; 3],
    replicas: u32,
) -> Result<(), GpuError> {
    let broadcast = forward_broadcast(shape);
    let grid = [shape.outputs, 1, shape.columns];
    let (names, constants) = (KERNELS.forward, [shape.in_parts()]);
    let (kernel, count) = data_kernel(gpu, variant, names, grid, broadcast.as_ref(), &constants)?;
    program.push(gpu, kernel, shape, &buffers, count, replicas)
}

/// The broadcast variant of the forward pass reads weights four at a time.
fn forward_broadcast(shape: &DenseShape) -> Option<Broadcast> {
    shape.inputs.is_multiple_of(4).then(|| Broadcast {
        kernel: "dense_forward_broadcast",
        constants: Vec::new(),
    })
}

impl Operator for Linear {
    fn output(&self, input: Shape) -> Result<Shape, String> {
        if self.features == 0 || input.features() == 0 {
            return Err("a linear layer needs at least one input and one output".to_owned());
        }
        Ok(Shape::flat(self.features))
    }

    fn parameters(&self, input: Shape) -> Vec<Parameter> {
        let fans = (input.features(), self.features);
        Parameter::weight_and_bias(vec![fans.1, fans.0], fans, self.bias)
    }

    fn multiply_adds(&self, input: Shape) -> u64 {
        (input.features() * self.features) as u64
    }

    fn mixes_channels(&self) -> bool {
        true
    }

    fn sums_in_parts(&self, input: Shape, channels: usize) -> bool {
        let inputs = input.features() as u32;
        DenseShape::part_for(inputs, channels as u32) < inputs
    }

    fn weight_grid(&self, input: Shape) -> Option<WeightGrid> {
        WeightGrid::new(self.features, input.features(), 1)
    }

    fn fuses_relu_forward(&self) -> bool {
        true
    }

    fn fuses_relu_backward(&self) -> bool {
        true
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
