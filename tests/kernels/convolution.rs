//! `conv_*`.

use crate::common::Dice;
use crate::product::{Kernels, Pass, Product, Side, check_pass, check_weight};
use crate::reference::conv::{conv_backward_data, conv_backward_weight, conv_forward, part_floats};
use crate::reference::device::Case;
use crate::reference::number::Real;
use crate::sparse_layer::Layer;
use secateur::gpu::Buffer;
use secateur::ops::ConvShape;

/// A convolution in words; the rest follows.
#[derive(Clone, Copy, Debug)]
pub struct Conv {
    pub image: (u32, u32, u32),
    pub outputs: u32,
    pub kernel: u32,
    pub stride: u32,
    pub padding: u32,
    pub columns: u32,
    pub replicas: u32,
    pub bias: bool,
}

impl Conv {
    pub fn shape(&self) -> ConvShape {
        let (in_channels, in_height, in_width) = self.image;
        let along = |size: u32| (size + 2 * self.padding - self.kernel) / self.stride + 1;
        // Odd offsets: only what suits the kernel that reads weights four at a time is aligned, and not always.
        let fours = (in_channels * self.kernel * self.kernel).is_multiple_of(4);
        let weight_offset = if fours && self.outputs.is_multiple_of(2) {
            8
        } else {
            7
        };
        let weights = self.outputs * in_channels * self.kernel * self.kernel;
        let bias_offset = weight_offset + weights + 2;
        ConvShape {
            in_channels,
            in_height,
            in_width,
            out_channels: self.outputs,
            out_height: along(in_height),
            out_width: along(in_width),
            kernel: self.kernel,
            stride: self.stride,
            padding: self.padding,
            columns: self.columns,
            weight_offset,
            bias_offset: if self.bias { bias_offset } else { u32::MAX },
            param_stride: (bias_offset + self.outputs + 1).next_multiple_of(32),
            relu: self.outputs % 2,
            gate: in_channels % 2,
            kept_stride: 0,
        }
    }
}

/// Shapes with an edge of their own, then more at random.
pub fn cases() -> Vec<Conv> {
    let conv =
        |image, outputs, [kernel, stride, padding]: [u32; 3], [columns, replicas]: [u32; 2]| Conv {
            image,
            outputs,
            kernel,
            stride,
            padding,
            columns,
            replicas,
            bias: (outputs + kernel) % 2 == 0,
        };
    let mut cases = vec![
        conv((1, 5, 7), 1, [3, 1, 0], [1, 1]),
        conv((3, 8, 8), 9, [3, 1, 1], [2, 2]),
        conv((2, 9, 7), 5, [3, 2, 1], [1, 3]),
        conv((4, 6, 5), 10, [5, 1, 2], [3, 1]),
        conv((2, 7, 7), 3, [1, 1, 0], [2, 2]),
        // One pixel in every two of every row: most taps of the data gradient find no output.
        conv((5, 6, 7), 4, [1, 2, 0], [1, 2]),
        conv((1, 4, 4), 2, [2, 2, 0], [1, 1]),
        conv((3, 2, 3), 4, [3, 1, 1], [1, 2]),
        conv((2, 1, 9), 3, [3, 1, 1], [1, 1]),
        // The kernel is larger than the image; the padding makes room.
        conv((2, 3, 3), 4, [5, 2, 3], [1, 2]),
        conv((1, 1, 1), 3, [4, 1, 3], [2, 1]),
        // The last window ends before the image does: the rest has no gradient.
        conv((2, 10, 11), 3, [3, 3, 2], [1, 1]),
        // Steps longer than the kernel leave holes.
        conv((2, 10, 11), 5, [2, 3, 1], [1, 2]),
        // Whole chunks of samples, and parts of one.
        conv((2, 4, 5), 5, [3, 1, 1], [8, 1]),
        conv((1, 5, 4), 9, [2, 1, 0], [16, 2]),
        conv((3, 3, 4), 4, [3, 2, 1], [25, 1]),
        conv((1, 4, 3), 3, [2, 1, 1], [32, 1]),
        conv((1, 28, 28), 8, [5, 1, 0], [4, 1]),
        // More vec4s of samples than a workgroup has invocations.
        conv((2, 3, 3), 3, [3, 1, 1], [35, 2]),
        // More channels than a tile of 16 x 2, 16 x 4 or 16 x 8 in workgroup memory has rows.
        conv((1, 4, 3), 33, [2, 1, 0], [3, 1]),
        conv((2, 3, 4), 65, [2, 1, 0], [5, 2]),
        conv((1, 3, 3), 129, [2, 1, 1], [2, 1]),
    ];
    let mut dice = Dice(10);
    while cases.len() < 53 {
        let mut upto = |n| 1 + dice.below(n);
        let image = (upto(9), upto(10), upto(10));
        let (outputs, kernel, stride) = (upto(18), upto(5), upto(3));
        let (columns, replicas) = (upto(10), upto(3));
        let padding = dice.below(kernel);
        if image.1.min(image.2) + 2 * padding >= kernel {
            cases.push(conv(
                image,
                outputs,
                [kernel, stride, padding],
                [columns, replicas],
            ));
        }
    }
    cases
}

/// Every case with its shape and replicas.
pub fn layers() -> Vec<(ConvShape, u32)> {
    let cases = cases().into_iter();
    cases.map(|conv| (conv.shape(), conv.replicas)).collect()
}

impl Product for ConvShape {
    const DATA_TILES: &'static [(u32, u32)] = &[(8, 2), (1, 1), (3, 2), (4, 1), (2, 4)];
    const WEIGHT_TILES: &'static [(u32, u32)] = &[(4, 4), (1, 1), (2, 8), (3, 5)];
    const FORWARD: Kernels = Kernels {
        plain: "conv_forward",
        workgroup: Some("conv_forward_workgroup"),
        sparse: "conv_forward_sparse",
        sparse_broadcast: "conv_forward_sparse_broadcast",
    };
    const BACKWARD_DATA: Kernels = Kernels {
        plain: "conv_backward_data",
        workgroup: Some("conv_backward_data_workgroup"),
        sparse: "conv_backward_data_sparse",
        sparse_broadcast: "conv_backward_data_sparse_broadcast",
    };
    const BACKWARD_WEIGHT: Kernels = Kernels {
        plain: "conv_backward_weight",
        workgroup: Some("conv_backward_weight_workgroup"),
        sparse: "conv_backward_weight_sparse",
        sparse_broadcast: "conv_backward_weight_sparse_broadcast",
    };
    const BACKWARD_WEIGHT_BROADCAST: &'static str = "conv_backward_weight_broadcast";

    fn columns(&self) -> u32 {
        self.columns
    }
    fn input(&self) -> Side {
        Side {
            rows: self.in_channels,
            pixels: self.in_height * self.in_width,
        }
    }
    fn output(&self) -> Side {
        Side {
            rows: self.out_channels,
            pixels: self.out_height * self.out_width,
        }
    }
    fn broadcast(&self, pass: Pass) -> Vec<(&'static str, Vec<(&'static str, u32)>)> {
        let fours = (self.in_channels * self.kernel * self.kernel).is_multiple_of(4);
        match pass {
            Pass::Forward => {
                let mut constants = vec![vec![]];
                if fours && self.padding == 0 {
                    constants.push(vec![("EDGES", 0)]);
                }
                if fours && self.weight_offset.is_multiple_of(4) {
                    constants.push(vec![("SHIFTED", 0)]);
                }
                let variants = constants.into_iter();
                variants.map(|c| ("conv_forward_broadcast", c)).collect()
            }
            Pass::BackwardData => {
                let mut variants = vec![("conv_backward_data_broadcast", vec![])];
                if (self.kernel, self.stride) == (3, 1) {
                    variants.push(("conv_backward_data_broadcast_3x3", vec![]));
                }
                variants
            }
        }
    }
    fn taps(&self, case: &Case<'_>) -> Option<Buffer> {
        Some(case.with(&self.grid().taps()))
    }
    fn biases(&self) -> u32 {
        match self.bias_offset {
            u32::MAX => 0,
            _ => self.out_channels * self.out_height,
        }
    }
    fn weight_parts(&self, replicas: u32) -> (u32, u32, usize) {
        let terms = self.out_width * self.columns * 4;
        (self.out_height, terms, part_floats(self, replicas))
    }
    fn twin<T: Real>(&self, pass: Pass, replicas: u32, inputs: &[&[T]], out: &mut [T]) {
        match pass {
            Pass::Forward => conv_forward(self, replicas, inputs[0], inputs[1], out),
            Pass::BackwardData => {
                conv_backward_data(self, replicas, inputs[0], inputs[1], inputs[2], out);
            }
        }
    }
    fn weight_twin<T: Real>(&self, replicas: u32, x: &[T], dy: &[T], out: &mut [T]) {
        conv_backward_weight(self, false, replicas, x, dy, out);
    }
}

#[test]
fn forward_is_its_twin() {
    check_pass(Pass::Forward, &layers(), 11);
}

#[test]
fn backward_data_is_its_twin() {
    check_pass(Pass::BackwardData, &layers(), 12);
}

#[test]
fn backward_weight_is_its_twin() {
    check_weight(&layers(), 13);
}
