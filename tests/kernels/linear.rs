//! `dense_*`, `bias_backward` and `partial_sum`.

use crate::common::{Dice, gpu};
use crate::reference::compare::sum_bound;
use crate::reference::dense::{dense_backward_data, dense_backward_weight, dense_forward};
use crate::reference::device::{
    Case, broadcast_data, broadcast_weight, output, tile_constants, twin, workgroups,
};
use crate::reference::number::{magnitudes, widen};
use crate::reference::reduce::{bias_backward, partial_sum};
use secateur::ops::{BiasShape, DenseShape, PartialShape};

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
    // More than one workgroup of every variant along the samples.
    (12, 20, 35, 1, true),
];
/// (ROWS, COLS) of the register tile; the first are the shader's own.
const DATA_TILES: &[(u32, u32)] = &[(8, 2), (4, 1), (1, 1), (2, 3), (5, 2), (16, 1)];
const WEIGHT_TILES: &[(u32, u32)] = &[(4, 4), (1, 1), (2, 8), (8, 2), (3, 5)];

/// Likewise of tiles in workgroup memory.
pub const DATA_WORKGROUPS: &[(u32, u32)] = &[(8, 2), (4, 2), (4, 1)];
const WEIGHT_WORKGROUPS: &[(u32, u32)] = &[(4, 4), (8, 8), (2, 2)];

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
    let (inputs, outputs, columns, _, bias) = size;
    // Odd offsets: nothing may rely on their alignment, but for the forward kernel that reads weights four at a time.
    let weight_offset = if inputs.is_multiple_of(4) { 8 } else { 5 };
    let bias_offset = weight_offset + inputs * outputs + 3;
    DenseShape {
        inputs,
        outputs,
        columns,
        weight_offset,
        bias_offset: if bias { bias_offset } else { u32::MAX },
        param_stride: (bias_offset + outputs + 1).next_multiple_of(32),
        relu: outputs % 2,
        gate: inputs % 2,
        kept_stride: 0,
    }
}

/// Invocations of a kernel with register tiles.
pub fn tiled(rows: u32, columns: u32, tile: (u32, u32)) -> u64 {
    u64::from(rows.div_ceil(tile.0)) * u64::from(columns.div_ceil(tile.1))
}

#[test]
fn forward_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(1);
    for size in sizes() {
        let (u, replicas) = (shape(size), size.3);
        let case = Case::new(gpu, "dense_forward", &size);
        let params = dice.values((replicas * u.param_stride) as usize);
        let x = dice.values((replicas * u.inputs * u.columns * 4) as usize);
        let count = (replicas * u.outputs * u.columns * 4) as usize;
        let buffers = [case.with(&params), case.with(&x)];
        let got = case.with_tiles(DATA_TILES, count, |tile, y| {
            let invocations = tiled(u.outputs, u.columns, tile);
            let buffers = [&buffers[0], &buffers[1], y];
            case.run_with(&tile_constants(tile), &u, &buffers, invocations, replicas);
        });
        if u.inputs.is_multiple_of(4) {
            case.check_broadcast("dense_forward_broadcast", &got, |case, rows, y| {
                let invocations = broadcast_data(rows, u.outputs, 1, u.columns);
                let buffers = [&buffers[0], &buffers[1], y];
                case.run_with(&[("ROWS", rows)], &u, &buffers, invocations, replicas);
            });
        }
        case.check_workgroup(
            "dense_forward_workgroup",
            DATA_WORKGROUPS,
            &got,
            |case, tile, y| {
                let invocations = workgroups(tile, u.outputs, 1, u.columns);
                let buffers = [&buffers[0], &buffers[1], y];
                case.run_with(&tile_constants(tile), &u, &buffers, invocations, replicas);
            },
        );
        let exact = twin::<f64>(count, |y| {
            dense_forward(&u, replicas, &widen(&params), &widen(&x), y);
        });
        let bound = twin::<f64>(count, |y| {
            dense_forward(&u, replicas, &magnitudes(&params), &magnitudes(&x), y);
        });
        let equal = twin::<f32>(count, |y| dense_forward(&u, replicas, &params, &x, y));
        case.check("y", &got, &exact, &sum_bound(u.inputs + 1, &bound), &equal);
    }
}

#[test]
fn backward_data_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(2);
    for size in sizes() {
        let (u, replicas) = (shape(size), size.3);
        let case = Case::new(gpu, "dense_backward_data", &size);
        let params = dice.values((replicas * u.param_stride) as usize);
        let dy = dice.values((replicas * u.outputs * u.columns * 4) as usize);
        let count = (replicas * u.inputs * u.columns * 4) as usize;
        let x = dice.values(count);
        let buffers = [case.with(&params), case.with(&dy), case.with(&x)];
        let got = case.with_tiles(DATA_TILES, count, |tile, dx| {
            let invocations = tiled(u.inputs, u.columns, tile);
            let buffers = [&buffers[0], &buffers[1], &buffers[2], dx];
            case.run_with(&tile_constants(tile), &u, &buffers, invocations, replicas);
        });
        case.check_broadcast("dense_backward_data_broadcast", &got, |case, rows, dx| {
            let invocations = broadcast_data(rows, u.inputs, 1, u.columns);
            let buffers = [&buffers[0], &buffers[1], &buffers[2], dx];
            case.run_with(&[("ROWS", rows)], &u, &buffers, invocations, replicas);
        });
        case.check_workgroup(
            "dense_backward_data_workgroup",
            DATA_WORKGROUPS,
            &got,
            |case, tile, dx| {
                let invocations = workgroups(tile, u.inputs, 1, u.columns);
                let buffers = [&buffers[0], &buffers[1], &buffers[2], dx];
                case.run_with(&tile_constants(tile), &u, &buffers, invocations, replicas);
            },
        );
        let exact = twin::<f64>(count, |dx| {
            dense_backward_data(&u, replicas, &widen(&params), &widen(&dy), &widen(&x), dx);
        });
        let bound = twin::<f64>(count, |dx| {
            dense_backward_data(
                &u,
                replicas,
                &magnitudes(&params),
                &magnitudes(&dy),
                &magnitudes(&x),
                dx,
            );
        });
        let equal = twin::<f32>(count, |dx| {
            dense_backward_data(&u, replicas, &params, &dy, &x, dx);
        });
        case.check("dx", &got, &exact, &sum_bound(u.outputs, &bound), &equal);
    }
}

#[test]
fn backward_weight_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(3);
    for size in sizes() {
        let (u, replicas) = (shape(size), size.3);
        let case = Case::new(gpu, "dense_backward_weight", &size);
        let x = dice.values((replicas * u.inputs * u.columns * 4) as usize);
        let dy = dice.values((replicas * u.outputs * u.columns * 4) as usize);
        let count = (replicas * u.param_stride) as usize;
        let buffers = [case.with(&x), case.with(&dy)];
        let got = case.with_tiles(WEIGHT_TILES, count, |tile, grads| {
            let invocations = tiled(u.outputs, u.inputs, tile);
            let buffers = [&buffers[0], &buffers[1], grads];
            case.run_with(&tile_constants(tile), &u, &buffers, invocations, replicas);
        });
        case.check_broadcast(
            "dense_backward_weight_broadcast",
            &got,
            |case, rows, grads| {
                let invocations = broadcast_weight(rows, 1, u.outputs, u.inputs);
                let buffers = [&buffers[0], &buffers[1], grads];
                case.run_with(&[("ROWS", rows)], &u, &buffers, invocations, replicas);
            },
        );
        case.check_workgroup(
            "dense_backward_weight_workgroup",
            WEIGHT_WORKGROUPS,
            &got,
            |case, tile, grads| {
                let invocations = workgroups(tile, u.outputs, 1, u.inputs);
                let buffers = [&buffers[0], &buffers[1], grads];
                case.run_with(&tile_constants(tile), &u, &buffers, invocations, replicas);
            },
        );
        let exact = twin::<f64>(count, |grads| {
            dense_backward_weight(&u, false, replicas, &widen(&x), &widen(&dy), grads);
        });
        let bound = twin::<f64>(count, |grads| {
            dense_backward_weight(
                &u,
                false,
                replicas,
                &magnitudes(&x),
                &magnitudes(&dy),
                grads,
            );
        });
        let equal = twin::<f32>(count, |grads| {
            dense_backward_weight(&u, false, replicas, &x, &dy, grads);
        });
        let allowed = sum_bound(u.columns * 4, &bound);
        case.check("grads", &got, &exact, &allowed, &equal);
    }
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
                sum += full_dy[at(o, b)] * full_x[at(i, b)];
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
fn bias_backward_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(5);
    // (outputs, parts, pixels, columns, replicas, what stands around the sums)
    for size in [
        (1, 1, 1, 1, 1, 0),
        (10, 1, 1, 16, 3, 21),
        (7, 5, 9, 3, 2, 0),
        (130, 2, 3, 1, 1, 3),
        // Chunks of 8 vec4s: whole, and with a rest.
        (3, 2, 5, 8, 2, 0),
        (5, 3, 4, 9, 1, 2),
        (2, 1, 3, 16, 1, 0),
        (4, 2, 2, 25, 2, 1),
        (1, 3, 2, 32, 1, 0),
    ] {
        let (outputs, parts, pixels, columns, replicas, around) = size;
        let u = BiasShape {
            outputs,
            parts,
            pixels,
            columns,
            offset: around,
            stride: parts * outputs + 2 * around,
        };
        let case = Case::new(gpu, "bias_backward", &size);
        let dy = dice.values((replicas * outputs * parts * pixels * columns * 4) as usize);
        let count = (replicas * u.stride) as usize;
        let part = case.with(&output(count));
        let invocations = u64::from(parts * outputs);
        case.run(&u, &[&case.with(&dy), &part], invocations, replicas);
        let got = case.floats(&part, output(count).len());
        let exact = twin::<f64>(count, |p| {
            bias_backward(&u, false, replicas, &widen(&dy), p);
        });
        let bound = twin::<f64>(count, |p| {
            bias_backward(&u, false, replicas, &magnitudes(&dy), p);
        });
        let equal = twin::<f32>(count, |p| bias_backward(&u, false, replicas, &dy, p));
        let allowed = sum_bound(4 * pixels * columns, &bound);
        case.check("part", &got, &exact, &allowed, &equal);
    }
}

#[test]
fn partial_sum_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(6);
    // (count, parts, offset, replicas)
    for size in [(1, 1, 0, 1), (10, 1, 3, 3), (450, 24, 31, 2), (65, 7, 1, 1)] {
        let (count, parts, offset, replicas) = size;
        let u = PartialShape {
            count,
            parts,
            offset,
            param_stride: (offset + count + 1).next_multiple_of(32),
        };
        let case = Case::new(gpu, "partial_sum", &size);
        let part = dice.values((replicas * parts * count) as usize);
        let floats = (replicas * u.param_stride) as usize;
        let grads = case.with(&output(floats));
        case.run(&u, &[&case.with(&part), &grads], u64::from(count), replicas);
        let got = case.floats(&grads, output(floats).len());
        let exact = twin::<f64>(floats, |g| partial_sum(&u, replicas, &widen(&part), g));
        let bound = twin::<f64>(floats, |g| partial_sum(&u, replicas, &magnitudes(&part), g));
        let equal = twin::<f32>(floats, |g| partial_sum(&u, replicas, &part, g));
        case.check("grads", &got, &exact, &sum_bound(parts, &bound), &equal);
    }
}
