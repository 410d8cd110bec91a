//! `dense_*`, and `partial_sum`.

use crate::common::{Dice, gpu};
use crate::product::{Kernels, Pass, Product, Side, check_pass, check_weight, tiled};
use crate::reference::dense::{dense_backward_data, dense_backward_weight, dense_forward};
use crate::reference::device::{Case, check_twins, output};
use crate::reference::number::{Real, fma};
use crate::reference::reduce::partial_sum;
use secateur::gpu::Buffer;
use secateur::ops::{DenseShape, PartialShape};

/// (inputs, outputs, columns, replicas, has a bias)
pub type Size = (u32, u32, u32, u32, bool);

/// Nothing a multiple of a tile, then everything, then long sums.
const SIZES: &[Size] = &[
    (1, 1, 1, 1, true),
    (3, 5, 1, 2, false),
    (17, 9, 3, 3, true),
    (8, 16, 2, 1, true),
    (33, 31, 5, 2, false),
    (65, 257, 7, 1, true),
    (784, 10, 16, 2, true),
    (525, 12, 3, 1, false),
    (516, 20, 9, 1, true),
    // More than one workgroup of every variant along the samples.
    (12, 20, 35, 1, true),
];
/// Those, then thirty at random.
pub fn sizes() -> Vec<Size> {
    let mut dice = Dice(7);
    let random = (0..30).map(|k| {
        let mut upto = |n| 1 + dice.below(n);
        (upto(70), upto(40), upto(9), upto(4), k % 2 == 0)
    });
    SIZES.iter().copied().chain(random).collect()
}

/// The layer of a size.
pub fn shape(size: Size) -> DenseShape {
    let (inputs, outputs, columns, replicas, bias) = size;
    // Odd offsets: nothing may rely on their alignment, but for the forward kernel that reads weights four at a time.
    let weight_offset = if inputs.is_multiple_of(4) { 8 } else { 5 };
    let bias_offset = weight_offset + inputs * outputs + 3;
    // As layers have it, and shorter ones, of whole quads.
    let part = match replicas {
        1 => DenseShape::part_for(inputs, 1),
        _ => (inputs / 3 + 1).next_multiple_of(4),
    };
    DenseShape {
        inputs,
        outputs,
        columns,
        weight_offset,
        bias_offset: if bias { bias_offset } else { u32::MAX },
        param_stride: (bias_offset + outputs + 1).next_multiple_of(32),
        relu: outputs % 2,
        gate: inputs % 2,
        part,
        kept_stride: 0,
    }
}

/// Every size with its shape and replicas.
pub fn layers() -> Vec<(DenseShape, u32)> {
    sizes()
        .into_iter()
        .map(|size| (shape(size), size.3))
        .collect()
}

impl Product for DenseShape {
    const DATA_TILES: &'static [(u32, u32)] = &[(8, 2), (4, 1), (1, 1), (2, 3), (5, 2), (16, 1)];
    const WEIGHT_TILES: &'static [(u32, u32)] = &[(4, 4), (1, 1), (2, 8), (8, 2), (3, 5)];
    const FORWARD: Kernels = Kernels {
        plain: "dense_forward",
        workgroup: Some("dense_forward_workgroup"),
        sparse: "dense_forward_sparse",
        sparse_broadcast: "dense_forward_sparse_broadcast",
    };
    const BACKWARD_DATA: Kernels = Kernels {
        plain: "dense_backward_data",
        workgroup: Some("dense_backward_data_workgroup"),
        sparse: "dense_backward_data_sparse",
        sparse_broadcast: "dense_backward_data_sparse_broadcast",
    };
    const BACKWARD_WEIGHT: Kernels = Kernels {
        plain: "dense_backward_weight",
        workgroup: Some("dense_backward_weight_workgroup"),
        sparse: "dense_backward_weight_sparse",
        sparse_broadcast: "dense_backward_weight_sparse_broadcast",
    };
    const BACKWARD_WEIGHT_BROADCAST: &'static str = "dense_backward_weight_broadcast";

    fn columns(&self) -> u32 {
        self.columns
    }
    fn input(&self) -> Side {
        Side {
            rows: self.inputs,
            pixels: 1,
        }
    }
    fn output(&self) -> Side {
        Side {
            rows: self.outputs,
            pixels: 1,
        }
    }
    fn broadcast(&self, pass: Pass) -> Vec<(&'static str, Vec<(&'static str, u32)>)> {
        match pass {
            // It reads weights four at a time.
            Pass::Forward if !self.inputs.is_multiple_of(4) => vec![],
            Pass::Forward => vec![("dense_forward_broadcast", vec![])],
            Pass::BackwardData => vec![("dense_backward_data_broadcast", vec![])],
        }
    }
    fn taps(&self, _: &Case<'_>) -> Option<Buffer> {
        None
    }
    fn constants(&self, pass: Pass) -> Vec<(&'static str, u32)> {
        match pass {
            Pass::Forward => vec![self.in_parts()],
            Pass::BackwardData => Vec::new(),
        }
    }
    fn biases(&self) -> u32 {
        match self.bias_offset {
            u32::MAX => 0,
            _ => self.outputs,
        }
    }
    fn weight_parts(&self, replicas: u32) -> (u32, u32, usize) {
        (1, self.columns * 4, (replicas * self.param_stride) as usize)
    }
    fn twin<T: Real>(&self, pass: Pass, replicas: u32, inputs: &[&[T]], out: &mut [T]) {
        match pass {
            Pass::Forward => dense_forward(self, replicas, inputs[0], inputs[1], out),
            Pass::BackwardData => {
                dense_backward_data(self, replicas, inputs[0], inputs[1], inputs[2], out);
            }
        }
    }
    fn weight_twin<T: Real>(&self, replicas: u32, x: &[T], dy: &[T], out: &mut [T]) {
        dense_backward_weight(self, false, replicas, x, dy, out);
    }
}

#[test]
fn forward_is_its_twin() {
    check_pass(Pass::Forward, &layers(), 1);
}

/// Parts side by side, in as many slots as there are, have the bits of parts one after another.
#[test]
fn dense_forward_parts_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(8);
    for (u, replicas) in layers() {
        let case = Case::new(gpu, "dense_forward_parts", &u);
        let params = dice.values((replicas * u.param_stride) as usize);
        let x = dice.values((replicas * u.inputs * u.columns * 4) as usize);
        let count = (replicas * u.outputs * u.columns * 4) as usize;
        let buffers = [&params, &x].map(|v| case.with(v));
        for lanes in [8, 16, 32] {
            let y = case.with(&output(count));
            let groups = u.outputs.div_ceil(4) * u.columns.div_ceil(lanes);
            let bound = [&buffers[0], &buffers[1], &y];
            let invocations = u64::from(256 * groups);
            let constants = [("LANES", lanes), u.in_parts()];
            case.run_with(&constants, &u, &bound, invocations, replicas);
            let got = case.floats(&y, output(count).len());
            check_twins!(case, "values", got, u.inputs + 1, [&params, &x], |v, y| {
                dense_forward(&u, replicas, v[0], v[1], y);
            });
        }
    }
}

/// A part lies in one channel, is neither short nor long, and exists only where a sum is long.
#[test]
fn parts_of_long_sums() {
    for ((inputs, channels), part) in [
        ((784, 1), 196),
        ((9216, 64), 144),
        ((3072, 3), 256),
        ((1600, 64), 1600),
        ((512, 1), 512),
        ((1000, 1000), 1000),
        ((4096, 64), 64),
        ((1021, 1), 1021),
    ] {
        assert_eq!(DenseShape::part_for(inputs, channels), part, "{inputs}");
    }
}

#[test]
fn backward_data_is_its_twin() {
    check_pass(Pass::BackwardData, &layers(), 2);
}

#[test]
fn backward_weight_is_its_twin() {
    check_weight(&layers(), 3);
}

/// A last batch of 5 in 8 slots, or in 16, gives the bits of a sum over 5 samples: empty slots add nothing.
#[test]
fn empty_slots_add_nothing_to_weight_gradients() {
    let Some(gpu) = gpu() else { return };
    let (inputs, outputs, samples) = (7u32, 3u32, 5u32);
    let mut dice = Dice(4);
    let full_x = dice.values((inputs * samples) as usize);
    let full_dy = dice.values((outputs * samples) as usize);
    let at = |k: u32, b: u32| (k * samples + b) as usize;
    let mut want = Vec::new();
    for o in 0..outputs {
        for i in 0..inputs {
            let mut sum = 0.0f32;
            for b in 0..samples {
                sum = fma(full_dy[at(o, b)], full_x[at(i, b)], sum);
            }
            want.push(sum);
        }
    }
    for columns in [2u32, 4] {
        let shape = DenseShape {
            inputs,
            outputs,
            columns,
            weight_offset: 0,
            bias_offset: u32::MAX,
            param_stride: 32,
            relu: 0,
            gate: 0,
            part: inputs,
            kept_stride: 0,
        };
        let case = Case::new(gpu, "dense_backward_weight", &shape);
        // What stands in the inputs of empty slots must not matter, because dY is 0 there.
        let spread = |values: &[f32], rows: u32, filler: f32| -> Vec<f32> {
            let slot = |k: u32, b: u32| {
                if b < samples {
                    values[at(k, b)]
                } else {
                    filler
                }
            };
            (0..rows)
                .flat_map(|k| (0..4 * columns).map(move |b| slot(k, b)))
                .collect()
        };
        let x = case.with(&spread(&full_x, inputs, 0.75));
        let dy = case.with(&spread(&full_dy, outputs, 0.0));
        let grads = case.with(&[0.0f32; 32]);
        case.run(
            &shape,
            &[&x, &dy, &grads],
            tiled(outputs, inputs, (4, 4)),
            1,
        );
        case.check_bits("grads", &case.floats(&grads, want.len()), &want);
    }
}

#[test]
fn partial_sum_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(6);
    // (weights, outputs, has biases, parts, what stands around the sums, replicas)
    for size in [
        (1, 1, true, 1, 0, 1),
        (10, 2, false, 1, 3, 3),
        (450, 7, true, 24, 31, 2),
        (65, 130, true, 7, 1, 1),
    ] {
        let (weights, outputs, biased, parts, around, replicas) = size;
        let u = PartialShape {
            weights,
            outputs,
            parts,
            weight_offset: around,
            bias_offset: if biased {
                2 * around + weights
            } else {
                u32::MAX
            },
            param_stride: 3 * around + weights + outputs,
        };
        let case = Case::new(gpu, "partial_sum", &size);
        let part = dice.values((replicas * parts * (weights + outputs)) as usize);
        let floats = (replicas * u.param_stride) as usize;
        let grads = case.with(&output(floats));
        let biases = if biased { outputs } else { 0 };
        let invocations = u64::from(biases + weights);
        case.run(&u, &[&case.with(&part), &grads], invocations, replicas);
        let got = case.floats(&grads, output(floats).len());
        check_twins!(case, "grads", got, parts, [&part], |part, grads| {
            partial_sum(&u, replicas, part[0], grads);
        });
    }
}
