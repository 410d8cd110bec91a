//! A batch in windows: gradients that go on from window to window have the bits of the whole batch's, in every variant.

use crate::common::{Dice, gpu, has_subgroups_of_8};
use crate::convolution::Conv;
use crate::linear::shape as dense_shape;
use crate::product::{Product, floats, tiled};
use crate::reference::compare::differs_bits;
use crate::reference::conv::{conv_backward_weight, part_floats};
use crate::reference::dense::dense_backward_weight;
use crate::reference::device::{
    Case, GUARD, broadcast_weight, output, tile_constants, twin, workgroups,
};
use crate::reference::sparse::{conv_backward_weight_sparse, dense_backward_weight_sparse};
use crate::sparse_layer::{Layer, rounds};
use secateur::gpu::{Buffer, Gpu, ShaderStruct};
use secateur::ops::{CHUNK_SAMPLES, ConvShape, DenseShape, Window};

/// Samples in a batch: whole chunks, and chunks with a rest.
const BATCHES: [u32; 5] = [32, 36, 64, 100, 128];
/// vec4s of samples in a chunk.
const CHUNK: u32 = CHUNK_SAMPLES / 4;

/// Every way to split a batch of so many vec4s into windows of whole chunks.
fn splits(columns: u32) -> Vec<Vec<Window>> {
    let sizes = (1..=columns.div_ceil(CHUNK)).map(|chunks| chunks * CHUNK);
    sizes.map(|most| Window::all(columns, most)).collect()
}

/// What a window holds of values `[row][samples]`.
fn cut(values: &[f32], window: Window) -> Vec<f32> {
    let [first, slots, batch] =
        [window.first, window.columns, window.batch].map(|n| 4 * n as usize);
    let rows = values.chunks_exact(batch);
    rows.flat_map(|row| &row[first..first + slots])
        .copied()
        .collect()
}

/// What [`Window::all`] says of itself.
#[test]
fn windows_are_the_batch() {
    for columns in 1..40 {
        for most in 1..=columns {
            let windows = Window::all(columns, most);
            let mut next = 0;
            for window in &windows {
                assert_eq!((window.first, window.batch), (next, columns));
                assert!((1..=most).contains(&window.columns));
                assert_eq!(window.accumulates(), window.first > 0);
                next += window.columns;
                assert_eq!(window.is_last(), next == columns);
            }
            assert_eq!(next, columns);
        }
    }
}

/// Gradients of a batch, whichever kernels compute them.
struct Batch<'a, S> {
    gpu: &'static Gpu,
    /// What it is, in failures.
    name: String,
    /// vec4s of samples.
    columns: u32,
    /// The shape that kernels get for so many vec4s.
    shape: &'a dyn Fn(u32) -> S,
    /// What they read: `[row][samples]` each.
    inputs: &'a [&'a [f32]],
    /// What else they bind.
    lists: &'a [Buffer],
    /// The bits that the twin gives the whole batch.
    want: Vec<f32>,
    replicas: u32,
}

impl<S: ShaderStruct> Batch<'_, S> {
    /// Runs a kernel on the windows of every split.
    fn check(&self, kernel: &'static str, constants: &[(&'static str, u32)], invocations: u64) {
        let case = Case::new(self.gpu, kernel, &self.name);
        for windows in splits(self.columns) {
            let result = case.with(&output(self.want.len() - GUARD));
            for window in &windows {
                let parts: Vec<Buffer> = self
                    .inputs
                    .iter()
                    .map(|values| case.with(&cut(values, *window)))
                    .collect();
                let buffers: Vec<&Buffer> =
                    parts.iter().chain(self.lists).chain([&result]).collect();
                let accumulate = ("ACCUMULATE", u32::from(window.accumulates()));
                let constants = [constants, &[accumulate]].concat();
                let shape = (self.shape)(window.columns);
                case.run_with(&constants, &shape, &buffers, invocations, self.replicas);
            }
            let got = case.floats(&result, self.want.len());
            case.check_bits(&format!("{constants:?} {windows:?}"), &got, &self.want);
        }
    }

    /// Likewise a kernel that needs subgroups of 8.
    fn check_broadcast(
        &self,
        kernel: &'static str,
        constants: &[(&'static str, u32)],
        invocations: u64,
    ) {
        if has_subgroups_of_8(self.gpu, kernel) {
            self.check(kernel, constants, invocations);
        }
    }
}

#[test]
fn linear_weight_gradients_go_on() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(120);
    for samples in BATCHES {
        let (inputs, outputs, columns, replicas) = (13, 18, samples / 4, 2);
        let shape = |columns| dense_shape((inputs, outputs, columns, replicas, true));
        let whole = shape(columns);
        let x = dice.values((replicas * inputs * samples) as usize);
        let dy = dice.values((replicas * outputs * samples) as usize);
        let count = (replicas * whole.param_stride) as usize;
        let want = twin::<f32>(count, |g| {
            dense_backward_weight(&whole, false, replicas, &x, &dy, g);
        });
        // The twin that goes on does so too.
        for windows in splits(columns) {
            let got = twin::<f32>(count, |g| {
                for &w in &windows {
                    let [x, dy] = [&x, &dy].map(|values| cut(values, w));
                    dense_backward_weight(&shape(w.columns), w.accumulates(), replicas, &x, &dy, g);
                }
            });
            assert_eq!(differs_bits(&got, &want), None, "{windows:?}");
        }
        let batch = Batch {
            gpu,
            name: format!("{samples} samples"),
            columns,
            shape: &shape,
            inputs: &[&x, &dy],
            lists: &[],
            want,
            replicas,
        };
        // A workgroup owns the biases.
        for tile in [(4, 4), (3, 5)] {
            let constants = tile_constants(tile);
            let invocations = 64 + tiled(outputs, inputs, tile);
            batch.check("dense_backward_weight", &constants, invocations);
        }
        for tile in [(4, 4), (2, 2)] {
            let invocations = 256 + workgroups(tile, outputs, 1, inputs);
            let constants = tile_constants(tile);
            batch.check("dense_backward_weight_workgroup", &constants, invocations);
        }
        for rows in [16, 8] {
            let invocations = 64 + broadcast_weight(rows, 1, outputs, inputs);
            let constants = [("ROWS", rows)];
            batch.check_broadcast("dense_backward_weight_broadcast", &constants, invocations);
        }

        for round in rounds(&[(whole, replicas)]) {
            let masks = round.masks(&mut dice);
            let case = Case::new(gpu, "dense_backward_weight_sparse", &round);
            let (sparse, lists) = round.by_row(&case, &masks);
            let shape = |columns| DenseShape { columns, ..sparse };
            let want = twin::<f32>(count, |g| {
                dense_backward_weight_sparse(&whole, replicas, &masks, &x, &dy, g);
            });
            let batch = Batch {
                gpu,
                name: format!("{samples} samples, {round:?}"),
                columns,
                shape: &shape,
                inputs: &[&x, &dy],
                lists: &lists,
                want,
                replicas,
            };
            let most = 64 + u64::from(round.most(&masks));
            batch.check("dense_backward_weight_sparse", &[], most);
            let lanes = 64 + u64::from(outputs) * 8;
            batch.check_broadcast("dense_backward_weight_sparse_broadcast", &[], lanes);
        }
    }
}

#[test]
fn convolution_weight_gradients_go_on() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(121);
    for samples in BATCHES {
        let conv = Conv {
            image: (3, 4, 5),
            outputs: 10,
            kernel: 3,
            stride: 1,
            padding: 1,
            columns: samples / 4,
            replicas: 2,
            bias: true,
        };
        let (whole, replicas) = (conv.shape(), conv.replicas);
        let shape = |columns| ConvShape { columns, ..whole };
        let sides = [whole.input(), whole.output()];
        let [x, dy] = sides.map(|side| dice.values(floats(&whole, side, replicas)));
        let taps = whole.in_channels * whole.kernel * whole.kernel;
        let (rows, parts) = (whole.out_channels, whole.out_height);
        let count = part_floats(&whole, replicas);
        let biases = u64::from((rows * parts).next_multiple_of(64));
        let want = twin::<f32>(count, |part| {
            conv_backward_weight(&whole, false, replicas, &x, &dy, part);
        });
        for windows in splits(conv.columns) {
            let got = twin::<f32>(count, |part| {
                for &w in &windows {
                    let [x, dy] = [&x, &dy].map(|values| cut(values, w));
                    conv_backward_weight(
                        &shape(w.columns),
                        w.accumulates(),
                        replicas,
                        &x,
                        &dy,
                        part,
                    );
                }
            });
            assert_eq!(differs_bits(&got, &want), None, "{windows:?}");
        }
        let batch = Batch {
            gpu,
            name: format!("{samples} samples"),
            columns: conv.columns,
            shape: &shape,
            inputs: &[&x, &dy],
            lists: &[],
            want,
            replicas,
        };
        for tile in [(4, 4), (3, 5)] {
            let invocations = biases + tiled(rows, taps, tile) * u64::from(parts);
            batch.check("conv_backward_weight", &tile_constants(tile), invocations);
        }
        let biases_of_workgroups = u64::from((rows * parts).next_multiple_of(256));
        let invocations = biases_of_workgroups + workgroups((4, 4), rows, parts, taps);
        batch.check("conv_backward_weight_workgroup", &[], invocations);
        for tile in [16, 8] {
            let invocations = biases + broadcast_weight(tile, parts, rows, taps);
            let constants = [("ROWS", tile)];
            batch.check_broadcast("conv_backward_weight_broadcast", &constants, invocations);
        }

        for round in rounds(&[(whole, replicas)]) {
            let masks = round.masks(&mut dice);
            let case = Case::new(gpu, "conv_backward_weight_sparse", &round);
            let (sparse, [m, ranks, list]) = round.by_row(&case, &masks);
            let lists = [case.with(&whole.grid().taps()), m, ranks, list];
            let shape = |columns| ConvShape { columns, ..sparse };
            let want = twin::<f32>(count, |part| {
                conv_backward_weight_sparse(&whole, replicas, &masks, &x, &dy, part);
            });
            let batch = Batch {
                gpu,
                name: format!("{samples} samples, {round:?}"),
                columns: conv.columns,
                shape: &shape,
                inputs: &[&x, &dy],
                lists: &lists,
                want,
                replicas,
            };
            let invocations = biases + u64::from(round.most(&masks)) * u64::from(parts);
            batch.check("conv_backward_weight_sparse", &[], invocations);
            let lanes = biases + u64::from(rows * parts) * 8;
            batch.check_broadcast("conv_backward_weight_sparse_broadcast", &[], lanes);
        }
    }
}
