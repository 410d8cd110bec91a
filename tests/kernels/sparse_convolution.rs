//! `conv_*_sparse` and `kept_partial_sum`: convolutions over their kept weights, as `sparse_linear.rs` has it.

use crate::common::{Dice, gpu};
use crate::convolution::{Conv, layers};
use crate::product::{Pass, Product, check_sparse_pass, floats, tiled};
use crate::reference::conv::{part_floats, partial_shape};
use crate::reference::device::{Case, GUARD, check_twins, output};
use crate::reference::sparse::{
    conv_backward_weight_sparse, copy_biases, copy_kept, kept_partial_sum,
};
use crate::sparse_layer::{Layer, Round, rounds};
use secateur::ops::{ConvShape, KeptPartialShape};

fn all() -> Vec<Round<ConvShape>> {
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
    let mut layers = layers();
    layers.extend([(widest, 2), (last, 2)]);
    rounds(&layers)
}

#[test]
fn conv_forward_sparse_is_its_twin() {
    check_sparse_pass(Pass::Forward, &all(), 104);
}

#[test]
fn conv_backward_data_sparse_is_its_twin() {
    check_sparse_pass(Pass::BackwardData, &all(), 105);
}

/// Both kernels that a convolution's weight gradients take, each on its own and one after the other against the dense two.
#[test]
fn conv_backward_weight_sparse_and_its_sum_are_their_twins() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(106);
    for round in all() {
        let (u, replicas) = (round.shape, round.replicas);
        let case = Case::new(gpu, "conv_backward_weight_sparse", &round);
        let masks = round.masks(&mut dice);
        let [x, dy] = [u.input(), u.output()].map(|s| dice.values(floats(&u, s, replicas)));
        let (weights, parts) = (u.grid().weights(), u.out_height);
        let count = part_floats(&u, replicas);
        let (sparse, [m, ranks, list]) = round.by_row(&case, &masks);
        let [xs, dys] = [case.with(&x), case.with(&dy)];
        let taps = case.with(&u.grid().taps());
        let part = case.with(&output(count));
        let buffers = [&xs, &dys, &taps, &m, &ranks, &list, &part];
        let most = u64::from(round.most(&masks));
        let biases = u64::from(u.biases().next_multiple_of(64));
        let invocations = biases + most * u64::from(parts);
        case.run(&sparse, &buffers, invocations, replicas);
        let got = case.floats(&part, count + GUARD);
        let broadcast = "conv_backward_weight_sparse_broadcast";
        case.check_subgroup_variant(broadcast, "an output per subgroup", &got, |case, part| {
            let buffers = [&xs, &dys, &taps, &m, &ranks, &list, part];
            let invocations = biases + u64::from(u.out_channels * parts) * 8;
            case.run(&sparse, &buffers, invocations, replicas);
        });
        let terms = u.out_width * u.columns * 4;
        check_twins!(case, "part", got, terms, [&x, &dy], |inputs, part| {
            conv_backward_weight_sparse(&u, replicas, &masks, inputs[0], inputs[1], part);
        });

        let case = Case::new(gpu, "kept_partial_sum", &round);
        let whole = (replicas * u.param_stride) as usize;
        let dense_shape = partial_shape(&u);
        let shape = KeptPartialShape {
            weights,
            outputs: u.out_channels,
            parts,
            weight_offset: u.weight_offset,
            bias_offset: u.bias_offset,
            param_stride: u.param_stride,
            kept_stride: sparse.kept_stride,
        };
        let grads = case.with(&output(whole));
        let buffers = [&part, &m, &ranks, &list, &grads];
        let outputs = u64::from(u.out_channels);
        case.run(&shape, &buffers, outputs + most, replicas);
        let part = got;
        let got = case.floats(&grads, whole + GUARD);
        check_twins!(case, "grads", got, parts, [&part], |part, grads| {
            kept_partial_sum(&shape, replicas, &masks, part[0], grads);
        });

        let tiles = tiled(u.out_channels, weights / u.out_channels, (4, 4)) * u64::from(parts);
        let invocations = biases + tiles;
        let dense = round.dense(
            ("conv_backward_weight", &[]),
            &[&xs, &dys],
            count,
            invocations,
        );
        let dense = case.with(&dense[..count]);
        let sums = Case::new(gpu, "partial_sum", &round);
        let grads = sums.with(&output(whole));
        let invocations = outputs + u64::from(weights);
        sums.run(&dense_shape, &[&dense, &grads], invocations, replicas);
        let all = sums.floats(&grads, whole + GUARD);
        let mut want = output(whole);
        copy_kept(&masks, &all, &mut want);
        let place = (u.bias_offset, u.out_channels, u.param_stride);
        copy_biases(place, replicas, &all, &mut want);
        case.check_same("conv_backward_weight and partial_sum", &got, &want);
    }
}
