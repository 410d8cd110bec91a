//! `conv_*`.

use super::linear::DATA_WORKGROUPS;
use crate::common::{Dice, gpu};
use crate::reference::compare::sum_bound;
use crate::reference::conv::{conv_backward_data, conv_backward_weight, conv_forward};
use crate::reference::device::{
    Case, broadcast_data, broadcast_weight, tile_constants, twin, workgroups,
};
use crate::reference::number::{magnitudes, widen};
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
        let weight_offset = 7;
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

/// Values in the input and in the output of all replicas.
pub fn values(u: &ConvShape, replicas: u32) -> (usize, usize) {
    let x = replicas * u.in_channels * u.in_height * u.in_width * u.columns * 4;
    let y = replicas * u.out_channels * u.out_height * u.out_width * u.columns * 4;
    (x as usize, y as usize)
}

/// Shapes with an edge of their own, then thirty at random.
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
    ];
    let mut dice = Dice(10);
    while cases.len() < 49 {
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

/// (ROWS, COLS) of the register tile; the first are the shader's own.
const DATA_TILES: &[(u32, u32)] = &[(8, 2), (1, 1), (3, 2), (4, 1), (2, 4)];
const WEIGHT_TILES: &[(u32, u32)] = &[(4, 4), (1, 1), (2, 8), (3, 5)];

#[test]
fn forward_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(11);
    for conv in cases() {
        let (u, replicas) = (conv.shape(), conv.replicas);
        let case = Case::new(gpu, "conv_forward", &conv);
        let (from, count) = values(&u, replicas);
        let params = dice.values((replicas * u.param_stride) as usize);
        let x = dice.values(from);
        let buffers = [case.with(&params), case.with(&x)];
        let got = case.with_tiles(DATA_TILES, count, |tile, y| {
            let tiles = u.out_channels.div_ceil(tile.0) * u.columns.div_ceil(tile.1);
            let invocations = u64::from(tiles * u.out_height * u.out_width);
            let buffers = [&buffers[0], &buffers[1], y];
            case.run_with(&tile_constants(tile), &u, &buffers, invocations, replicas);
        });
        case.check_broadcast("conv_forward_broadcast", &got, |case, rows, y| {
            let invocations =
                broadcast_data(rows, u.out_channels, u.out_height * u.out_width, u.columns);
            let buffers = [&buffers[0], &buffers[1], y];
            case.run_with(&[("ROWS", rows)], &u, &buffers, invocations, replicas);
        });
        case.check_workgroup(
            "conv_forward_workgroup",
            DATA_WORKGROUPS,
            &got,
            |case, tile, y| {
                let invocations =
                    workgroups(tile, u.out_channels, u.out_height * u.out_width, u.columns);
                let buffers = [&buffers[0], &buffers[1], y];
                case.run_with(&tile_constants(tile), &u, &buffers, invocations, replicas);
            },
        );
        let exact = twin::<f64>(count, |y| {
            conv_forward(&u, replicas, &widen(&params), &widen(&x), y);
        });
        let bound = twin::<f64>(count, |y| {
            conv_forward(&u, replicas, &magnitudes(&params), &magnitudes(&x), y);
        });
        let equal = twin::<f32>(count, |y| conv_forward(&u, replicas, &params, &x, y));
        let terms = u.in_channels * u.kernel * u.kernel + 1;
        case.check("y", &got, &exact, &sum_bound(terms, &bound), &equal);
    }
}

#[test]
fn backward_data_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(12);
    for conv in cases() {
        let (u, replicas) = (conv.shape(), conv.replicas);
        let case = Case::new(gpu, "conv_backward_data", &conv);
        let (count, from) = values(&u, replicas);
        let params = dice.values((replicas * u.param_stride) as usize);
        let dy = dice.values(from);
        let x = dice.values(count);
        let buffers = [case.with(&params), case.with(&dy), case.with(&x)];
        let got = case.with_tiles(DATA_TILES, count, |tile, dx| {
            let tiles = u.in_channels.div_ceil(tile.0) * u.columns.div_ceil(tile.1);
            let invocations = u64::from(tiles * u.in_height * u.in_width);
            let buffers = [&buffers[0], &buffers[1], &buffers[2], dx];
            case.run_with(&tile_constants(tile), &u, &buffers, invocations, replicas);
        });
        case.check_broadcast("conv_backward_data_broadcast", &got, |case, rows, dx| {
            let invocations =
                broadcast_data(rows, u.in_channels, u.in_height * u.in_width, u.columns);
            let buffers = [&buffers[0], &buffers[1], &buffers[2], dx];
            case.run_with(&[("ROWS", rows)], &u, &buffers, invocations, replicas);
        });
        case.check_workgroup(
            "conv_backward_data_workgroup",
            DATA_WORKGROUPS,
            &got,
            |case, tile, dx| {
                let invocations =
                    workgroups(tile, u.in_channels, u.in_height * u.in_width, u.columns);
                let buffers = [&buffers[0], &buffers[1], &buffers[2], dx];
                case.run_with(&tile_constants(tile), &u, &buffers, invocations, replicas);
            },
        );
        let exact = twin::<f64>(count, |dx| {
            conv_backward_data(&u, replicas, &widen(&params), &widen(&dy), &widen(&x), dx);
        });
        let bound = twin::<f64>(count, |dx| {
            conv_backward_data(
                &u,
                replicas,
                &magnitudes(&params),
                &magnitudes(&dy),
                &magnitudes(&x),
                dx,
            );
        });
        let equal = twin::<f32>(count, |dx| {
            conv_backward_data(&u, replicas, &params, &dy, &x, dx);
        });
        let terms = u.out_channels * u.kernel * u.kernel;
        case.check("dx", &got, &exact, &sum_bound(terms, &bound), &equal);
    }
}

#[test]
fn backward_weight_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(13);
    for conv in cases() {
        let (u, replicas) = (conv.shape(), conv.replicas);
        let case = Case::new(gpu, "conv_backward_weight", &conv);
        let (xs, ys) = values(&u, replicas);
        let (x, dy) = (dice.values(xs), dice.values(ys));
        let taps = u.in_channels * u.kernel * u.kernel;
        let count = (replicas * u.out_height * u.out_channels * taps) as usize;
        let buffers = [case.with(&x), case.with(&dy)];
        let got = case.with_tiles(WEIGHT_TILES, count, |tile, part| {
            let tiles = u.out_channels.div_ceil(tile.0) * taps.div_ceil(tile.1);
            let invocations = u64::from(tiles * u.out_height);
            let buffers = [&buffers[0], &buffers[1], part];
            case.run_with(&tile_constants(tile), &u, &buffers, invocations, replicas);
        });
        case.check_broadcast(
            "conv_backward_weight_broadcast",
            &got,
            |case, rows, part| {
                let invocations = broadcast_weight(rows, u.out_height, u.out_channels, taps);
                let buffers = [&buffers[0], &buffers[1], part];
                case.run_with(&[("ROWS", rows)], &u, &buffers, invocations, replicas);
            },
        );
        let exact = twin::<f64>(count, |part| {
            conv_backward_weight(&u, false, replicas, &widen(&x), &widen(&dy), part);
        });
        let bound = twin::<f64>(count, |part| {
            conv_backward_weight(&u, false, replicas, &magnitudes(&x), &magnitudes(&dy), part);
        });
        let equal = twin::<f32>(count, |part| {
            conv_backward_weight(&u, false, replicas, &x, &dy, part);
        });
        let terms = u.out_width * u.columns * 4;
        case.check("part", &got, &exact, &sum_bound(terms, &bound), &equal);
    }
}
