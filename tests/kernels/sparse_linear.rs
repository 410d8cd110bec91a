//! `dense_*_sparse`: linear layers over their kept weights.
//!
//! Each has the bits of the dense kernel over parameters that are 0 where pruned: of its twin on software adapters, of the
//! kernel on every adapter. At pruned places stand other numbers here, which no sparse kernel may read.

use crate::common::{Dice, gpu};
use crate::linear::{shape, sizes, tiled};
use crate::reference::compare::sum_bound;
use crate::reference::device::{Case, GUARD, output, twin};
use crate::reference::number::{magnitudes, widen};
use crate::reference::sparse::{
    copy_kept, dense_backward_data_sparse, dense_backward_weight_sparse, dense_forward_sparse,
    masked,
};
use crate::sparse_layer::{Round, TILES, rounds};
use secateur::ops::DenseShape;

/// vec4s of samples per invocation of the broadcast variants.
const BROADCAST_COLS: [u32; 3] = [1, 2, 4];

fn layers() -> Vec<Round<DenseShape>> {
    // Its last weight is the last float of the replica: the last row ends where the masks do.
    let last = DenseShape {
        inputs: 8,
        outputs: 3,
        columns: 3,
        weight_offset: 8,
        bias_offset: u32::MAX,
        param_stride: 32,
        relu: 1,
        gate: 1,
        kept_stride: 0,
    };
    let mut layers: Vec<_> = sizes().iter().map(|&s| (shape(s), s.3)).collect();
    layers.push((last, 2));
    rounds(&layers)
}

#[test]
fn dense_forward_sparse_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(101);
    for round in layers() {
        let (u, replicas) = (round.shape, round.replicas);
        let case = Case::new(gpu, "dense_forward_sparse", &round);
        let masks = round.masks(&mut dice);
        let params = dice.values((replicas * u.param_stride) as usize);
        let x = dice.values((replicas * u.inputs * u.columns * 4) as usize);
        let count = (replicas * u.outputs * u.columns * 4) as usize;
        let (sparse, [m, ranks, list]) = round.by_row(&case, &masks);
        let [p, xs] = [case.with(&params), case.with(&x)];
        let got = case.with_tiles(TILES, count, |(_, cols), y| {
            let invocations = u64::from(u.outputs * u.columns.div_ceil(cols));
            let buffers = [&p, &xs, &m, &ranks, &list, y];
            case.run_with(&[("COLS", cols)], &sparse, &buffers, invocations, replicas);
        });
        let zeroed = case.with(&masked(u.param_stride, replicas, &masks, &params));
        let invocations = tiled(u.outputs, u.columns, (8, 2));
        let dense = round.dense("dense_forward", &[&zeroed, &xs], count, invocations);
        case.check_same("dense_forward", &got, &dense);
        for cols in BROADCAST_COLS {
            let which = format!("{cols} vec4s");
            case.check_subgroup_variant(
                "dense_forward_sparse_broadcast",
                &which,
                &got,
                |case, y| {
                    let lanes = u.columns.div_ceil(cols).next_multiple_of(8);
                    let buffers = [&p, &xs, &m, &ranks, &list, y];
                    let invocations = u64::from(u.outputs * lanes);
                    case.run_with(&[("COLS", cols)], &sparse, &buffers, invocations, replicas);
                },
            );
        }
        let exact = twin::<f64>(count, |y| {
            dense_forward_sparse(&u, replicas, &masks, &widen(&params), &widen(&x), y);
        });
        let bound = twin::<f64>(count, |y| {
            let (params, x) = (magnitudes(&params), magnitudes(&x));
            dense_forward_sparse(&u, replicas, &masks, &params, &x, y);
        });
        let equal = twin::<f32>(count, |y| {
            dense_forward_sparse(&u, replicas, &masks, &params, &x, y);
        });
        case.check("y", &got, &exact, &sum_bound(u.inputs + 1, &bound), &equal);
    }
}

#[test]
fn dense_backward_data_sparse_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(102);
    for round in layers() {
        let (u, replicas) = (round.shape, round.replicas);
        let case = Case::new(gpu, "dense_backward_data_sparse", &round);
        let masks = round.masks(&mut dice);
        let params = dice.values((replicas * u.param_stride) as usize);
        let dy = dice.values((replicas * u.outputs * u.columns * 4) as usize);
        let count = (replicas * u.inputs * u.columns * 4) as usize;
        let x = dice.values(count);
        let (sparse, [starts, entries]) = round.by_column(&case, &masks);
        let [p, dys, xs] = [&params, &dy, &x].map(|v| case.with(v));
        let got = case.with_tiles(TILES, count, |(_, cols), dx| {
            let invocations = u64::from(u.inputs * u.columns.div_ceil(cols));
            let buffers = [&p, &dys, &xs, &starts, &entries, dx];
            case.run_with(&[("COLS", cols)], &sparse, &buffers, invocations, replicas);
        });
        let broadcast = "dense_backward_data_sparse_broadcast";
        for cols in BROADCAST_COLS {
            case.check_subgroup_variant(broadcast, &format!("{cols} vec4s"), &got, |case, dx| {
                let lanes = u.columns.div_ceil(cols).next_multiple_of(8);
                let buffers = [&p, &dys, &xs, &starts, &entries, dx];
                let invocations = u64::from(u.inputs * lanes);
                case.run_with(&[("COLS", cols)], &sparse, &buffers, invocations, replicas);
            });
        }
        let zeroed = case.with(&masked(u.param_stride, replicas, &masks, &params));
        let (kernel, inputs) = ("dense_backward_data", [&zeroed, &dys, &xs]);
        let invocations = tiled(u.inputs, u.columns, (8, 2));
        let dense = round.dense(kernel, &inputs, count, invocations);
        case.check_same(kernel, &got, &dense);
        let wide = [&params, &dy, &x].map(|v| widen::<f64>(v));
        let sizes = [&params, &dy, &x].map(|v| magnitudes(v));
        let exact = twin::<f64>(count, |dx| {
            let inputs = wide.each_ref().map(|v| &v[..]);
            dense_backward_data_sparse(&u, replicas, &masks, inputs, dx);
        });
        let bound = twin::<f64>(count, |dx| {
            let inputs = sizes.each_ref().map(|v| &v[..]);
            dense_backward_data_sparse(&u, replicas, &masks, inputs, dx);
        });
        let equal = twin::<f32>(count, |dx| {
            dense_backward_data_sparse(&u, replicas, &masks, [&params, &dy, &x], dx);
        });
        case.check("dx", &got, &exact, &sum_bound(u.outputs, &bound), &equal);
    }
}

/// Gradients of pruned weights, and of what is not the layer's, are left alone.
#[test]
fn dense_backward_weight_sparse_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(103);
    for round in layers() {
        let (u, replicas) = (round.shape, round.replicas);
        let case = Case::new(gpu, "dense_backward_weight_sparse", &round);
        let masks = round.masks(&mut dice);
        let x = dice.values((replicas * u.inputs * u.columns * 4) as usize);
        let dy = dice.values((replicas * u.outputs * u.columns * 4) as usize);
        let count = (replicas * u.param_stride) as usize;
        let (sparse, [m, ranks, list]) = round.by_row(&case, &masks);
        let [xs, dys] = [case.with(&x), case.with(&dy)];
        let grads = case.with(&output(count));
        let buffers = [&xs, &dys, &m, &ranks, &list, &grads];
        let invocations = u64::from(round.most(&masks));
        case.run(&sparse, &buffers, invocations, replicas);
        let got = case.floats(&grads, count + GUARD);
        let broadcast = "dense_backward_weight_sparse_broadcast";
        case.check_subgroup_variant(broadcast, "a row per subgroup", &got, |case, grads| {
            let buffers = [&xs, &dys, &m, &ranks, &list, grads];
            let invocations = u64::from(u.outputs) * 8;
            case.run(&sparse, &buffers, invocations, replicas);
        });

        let (kernel, inputs) = ("dense_backward_weight", [&xs, &dys]);
        let invocations = tiled(u.outputs, u.inputs, (4, 4));
        let all = round.dense(kernel, &inputs, count, invocations);
        let mut dense = output(count);
        copy_kept(&masks, &all, &mut dense);
        case.check_same(kernel, &got, &dense);
        let exact = twin::<f64>(count, |grads| {
            dense_backward_weight_sparse(&u, replicas, &masks, &widen(&x), &widen(&dy), grads);
        });
        let bound = twin::<f64>(count, |grads| {
            let (x, dy) = (magnitudes(&x), magnitudes(&dy));
            dense_backward_weight_sparse(&u, replicas, &masks, &x, &dy, grads);
        });
        let equal = twin::<f32>(count, |grads| {
            dense_backward_weight_sparse(&u, replicas, &masks, &x, &dy, grads);
        });
        let allowed = sum_bound(u.columns * 4, &bound);
        case.check("grads", &got, &exact, &allowed, &equal);
    }
}
