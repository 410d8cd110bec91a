//! `dense_*_sparse`: linear layers over their kept weights.
//!
//! Each has the bits of the dense kernel over parameters that are 0 where pruned: of its twin on software adapters, of the
//! kernel on every adapter.

use crate::common::{Dice, gpu};
use crate::linear::layers;
use crate::product::{Pass, Product, check_sparse_pass, tiled};
use crate::reference::device::{Case, GUARD, check_twins, output};
use crate::reference::sparse::{copy_biases, copy_kept, dense_backward_weight_sparse};
use crate::sparse_layer::{Round, rounds};
use secateur::ops::DenseShape;

fn all() -> Vec<Round<DenseShape>> {
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
        part: 4,
        kept_stride: 0,
    };
    let mut layers = layers();
    layers.push((last, 2));
    rounds(&layers)
}

#[test]
fn dense_forward_sparse_is_its_twin() {
    check_sparse_pass(Pass::Forward, &all(), 101);
}

#[test]
fn dense_backward_data_sparse_is_its_twin() {
    check_sparse_pass(Pass::BackwardData, &all(), 102);
}

/// Gradients of pruned weights, and of what is not the layer's, are left alone.
#[test]
fn dense_backward_weight_sparse_is_its_twin() {
    let Some(gpu) = gpu() else { return };
    let mut dice = Dice(103);
    for round in all() {
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
        let biases = u64::from(u.biases().next_multiple_of(64));
        let invocations = biases + u64::from(round.most(&masks));
        case.run(&sparse, &buffers, invocations, replicas);
        let got = case.floats(&grads, count + GUARD);
        let broadcast = "dense_backward_weight_sparse_broadcast";
        case.check_subgroup_variant(broadcast, "a row per subgroup", &got, |case, grads| {
            let buffers = [&xs, &dys, &m, &ranks, &list, grads];
            let invocations = biases + u64::from(u.outputs) * 8;
            case.run(&sparse, &buffers, invocations, replicas);
        });

        let (kernel, inputs) = ("dense_backward_weight", [&xs, &dys]);
        let invocations = biases + tiled(u.outputs, u.inputs, (4, 4));
        let all = round.dense((kernel, &[]), &inputs, count, invocations);
        let mut dense = output(count);
        copy_kept(&masks, &all, &mut dense);
        let place = (u.bias_offset, u.outputs, u.param_stride);
        copy_biases(place, replicas, &all, &mut dense);
        case.check_same(kernel, &got, &dense);
        let terms = u.columns * 4;
        check_twins!(case, "grads", got, terms, [&x, &dy], |inputs, grads| {
            dense_backward_weight_sparse(&u, replicas, &masks, inputs[0], inputs[1], grads);
        });
    }
}
