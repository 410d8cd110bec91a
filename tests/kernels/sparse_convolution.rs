//! `conv_*_sparse` and `kept_partial_sum`: convolutions over their kept weights, as `sparse_linear.rs` has it.

use crate::common::{Dice, gpu};
use crate::convolution::{Conv, cases, values};
use crate::linear::tiled;
use crate::reference::compare::sum_bound;
use crate::reference::device::{Case, GUARD, output, twin};
use crate::reference::number::{magnitudes, widen};
use crate::reference::sparse::{
    conv_backward_data_sparse, conv_backward_weight_sparse, conv_forward_sparse, copy_kept,
    kept_partial_sum, masked,
};
use crate::sparse_layer::{Layer, Round, TILES, rounds};
use secateur::ops::{ConvShape, KeptPartialShape, PartialShape};

fn layers() -> Vec<Round<ConvShape>> {
    let conv = |image, kernel, padding| Conv {
        image,
        outputs: 1,
        kernel,
        stride: 1,
        padding,
        columns: 2,
        replicas: 2,
        bias: false,
    };
    // The widest kernel that a tap and an entry hold; then one whose last weight is the last float of the replica.
    let widest = conv((2, 5, 4), 32, 15).shape();
    let last = ConvShape {
        weight_offset: 14,
        param_stride: 32,
        ..conv((2, 4, 5), 3, 1).shape()
    };
    let convs = cases();
    let mut layers: Vec<_> = convs.iter().map(|c| (c.shape(), c.replicas)).collect();
    layers.extend([(widest, 2), (last, 2)]);
    rounds(&layers)
}

/// Invocations of the dense kernels' register tiles.
fn conv_tiles(rows: u32, pixels: u32, columns: u32) -> u64 {
    tiled(rows, columns, (8, 2)) * u64::from(pixels)
}

#[test]
fn conv_forward_sparse_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(104);
    for round in layers() {
        let (u, replicas) = (round.shape, round.replicas);
        let case = Case::new(gpu, "conv_forward_sparse", &round);
        let masks = round.masks(&mut dice);
        let (from, count) = values(&u, replicas);
        let params = dice.values((replicas * u.param_stride) as usize);
        let x = dice.values(from);
        let pixels = u.out_height * u.out_width;
        let (sparse, [m, ranks, list]) = round.by_row(&case, &masks);
        let [p, xs] = [case.with(&params), case.with(&x)];
        let taps = case.with(&u.grid().taps());
        let got = case.with_tiles(TILES, count, |(_, cols), y| {
            let invocations = u64::from(u.out_channels * pixels * u.columns.div_ceil(cols));
            let buffers = [&p, &xs, &taps, &m, &ranks, &list, y];
            case.run_with(&[("COLS", cols)], &sparse, &buffers, invocations, replicas);
        });
        let zeroed = case.with(&masked(u.param_stride, replicas, &masks, &params));
        let invocations = conv_tiles(u.out_channels, pixels, u.columns);
        let dense = round.dense("conv_forward", &[&zeroed, &xs], count, invocations);
        case.check_same("conv_forward", &got, &dense);
        let exact = twin::<f64>(count, |y| {
            conv_forward_sparse(&u, replicas, &masks, &widen(&params), &widen(&x), y);
        });
        let bound = twin::<f64>(count, |y| {
            let (params, x) = (magnitudes(&params), magnitudes(&x));
            conv_forward_sparse(&u, replicas, &masks, &params, &x, y);
        });
        let equal = twin::<f32>(count, |y| {
            conv_forward_sparse(&u, replicas, &masks, &params, &x, y);
        });
        let terms = u.in_channels * u.kernel * u.kernel + 1;
        case.check("y", &got, &exact, &sum_bound(terms, &bound), &equal);
    }
}

#[test]
fn conv_backward_data_sparse_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(105);
    for round in layers() {
        let (u, replicas) = (round.shape, round.replicas);
        let case = Case::new(gpu, "conv_backward_data_sparse", &round);
        let masks = round.masks(&mut dice);
        let (count, from) = values(&u, replicas);
        let params = dice.values((replicas * u.param_stride) as usize);
        let (dy, x) = (dice.values(from), dice.values(count));
        let pixels = u.in_height * u.in_width;
        let (sparse, [starts, entries]) = round.by_column(&case, &masks);
        let [p, dys, xs] = [&params, &dy, &x].map(|v| case.with(v));
        let got = case.with_tiles(TILES, count, |(_, cols), dx| {
            let invocations = u64::from(u.in_channels * pixels * u.columns.div_ceil(cols));
            let buffers = [&p, &dys, &xs, &starts, &entries, dx];
            case.run_with(&[("COLS", cols)], &sparse, &buffers, invocations, replicas);
        });
        let zeroed = case.with(&masked(u.param_stride, replicas, &masks, &params));
        let (kernel, inputs) = ("conv_backward_data", [&zeroed, &dys, &xs]);
        let invocations = conv_tiles(u.in_channels, pixels, u.columns);
        let dense = round.dense(kernel, &inputs, count, invocations);
        case.check_same(kernel, &got, &dense);
        let wide = [&params, &dy, &x].map(|v| widen::<f64>(v));
        let sizes = [&params, &dy, &x].map(|v| magnitudes(v));
        let exact = twin::<f64>(count, |dx| {
            let inputs = wide.each_ref().map(|v| &v[..]);
            conv_backward_data_sparse(&u, replicas, &masks, inputs, dx);
        });
        let bound = twin::<f64>(count, |dx| {
            let inputs = sizes.each_ref().map(|v| &v[..]);
            conv_backward_data_sparse(&u, replicas, &masks, inputs, dx);
        });
        let equal = twin::<f32>(count, |dx| {
            conv_backward_data_sparse(&u, replicas, &masks, [&params, &dy, &x], dx);
        });
        let terms = u.out_channels * u.kernel * u.kernel;
        case.check("dx", &got, &exact, &sum_bound(terms, &bound), &equal);
    }
}

/// Both kernels that a convolution's weight gradients take, each on its own and one after the other against the dense two.
#[test]
fn conv_backward_weight_sparse_and_its_sum_are_their_twins() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(106);
    for round in layers() {
        let (u, replicas) = (round.shape, round.replicas);
        let case = Case::new(gpu, "conv_backward_weight_sparse", &round);
        let masks = round.masks(&mut dice);
        let (xs, ys) = values(&u, replicas);
        let (x, dy) = (dice.values(xs), dice.values(ys));
        let (weights, parts) = (u.grid().weights(), u.out_height);
        let count = (replicas * parts * weights) as usize;
        let (sparse, [m, ranks, list]) = round.by_row(&case, &masks);
        let [xs, dys] = [case.with(&x), case.with(&dy)];
        let taps = case.with(&u.grid().taps());
        let part = case.with(&output(count));
        let buffers = [&xs, &dys, &taps, &m, &ranks, &list, &part];
        let most = u64::from(round.most(&masks));
        case.run(&sparse, &buffers, most * u64::from(parts), replicas);
        let got = case.floats(&part, count + GUARD);
        let exact = twin::<f64>(count, |part| {
            conv_backward_weight_sparse(&u, replicas, &masks, &widen(&x), &widen(&dy), part);
        });
        let bound = twin::<f64>(count, |part| {
            let (x, dy) = (magnitudes(&x), magnitudes(&dy));
            conv_backward_weight_sparse(&u, replicas, &masks, &x, &dy, part);
        });
        let equal = twin::<f32>(count, |part| {
            conv_backward_weight_sparse(&u, replicas, &masks, &x, &dy, part);
        });
        let terms = u.out_width * u.columns * 4;
        case.check("part", &got, &exact, &sum_bound(terms, &bound), &equal);

        let case = Case::new(gpu, "kept_partial_sum", &round);
        let shape = KeptPartialShape {
            count: weights,
            parts,
            weight_offset: u.weight_offset,
            param_stride: u.param_stride,
            kept_stride: sparse.kept_stride,
        };
        let floats = (replicas * u.param_stride) as usize;
        let grads = case.with(&output(floats));
        let buffers = [&part, &m, &ranks, &list, &grads];
        case.run(&shape, &buffers, most, replicas);
        let part = got;
        let got = case.floats(&grads, floats + GUARD);
        let exact = twin::<f64>(floats, |g| {
            kept_partial_sum(&shape, replicas, &masks, &widen(&part), g);
        });
        let bound = twin::<f64>(floats, |g| {
            kept_partial_sum(&shape, replicas, &masks, &magnitudes(&part), g);
        });
        let equal = twin::<f32>(floats, |g| {
            kept_partial_sum(&shape, replicas, &masks, &part, g);
        });
        case.check("grads", &got, &exact, &sum_bound(parts, &bound), &equal);

        let tiles = tiled(u.out_channels, weights / u.out_channels, (4, 4)) * u64::from(parts);
        let dense = round.dense("conv_backward_weight", &[&xs, &dys], count, tiles);
        let dense = case.with(&dense[..count]);
        let shape = PartialShape {
            count: weights,
            parts,
            offset: u.weight_offset,
            param_stride: u.param_stride,
        };
        let sums = Case::new(gpu, "partial_sum", &round);
        let grads = sums.with(&output(floats));
        sums.run(&shape, &[&dense, &grads], u64::from(weights), replicas);
        let mut want = output(floats);
        copy_kept(&masks, &sums.floats(&grads, floats + GUARD), &mut want);
        case.check_same("conv_backward_weight and partial_sum", &got, &want);
    }
}
