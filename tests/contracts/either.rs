//! Units in some layers and weights in others: what a rule decides is done, replica by replica.

use crate::common::{chain, gpu, keys, linear};
use secateur::model::Model;
use secateur::prune::prune_units;
use secateur::spec::{
    Amount, Layer, Shape, UnitAmount, UnitCriterion, UnitPrune, UnitRule, UnitScope,
};
use secateur::train::{Replicas, Snapshot};
use std::sync::Arc;

/// Fresh weights, of which half of the units of these tensors are silenced.
fn silenced(start: &Snapshot, model: &Model, tensors: &[usize]) -> Snapshot {
    let mut snapshot = start.clone();
    for tensor in tensors.iter().map(|&t| &model.tensors[t]) {
        let row = tensor.count / tensor.shape[0];
        for o in (0..tensor.shape[0]).step_by(2) {
            for w in &mut snapshot.weights[tensor.offset + o * row..][..row] {
                *w *= 0.01;
            }
        }
    }
    snapshot
}

/// Two replicas of one cohort with other layers silenced: units go there, and the smallest weights elsewhere.
#[test]
fn units_go_where_units_differ() {
    let Some(gpu) = gpu() else { return };
    let layers = vec![linear(10), Layer::Relu, linear(8), Layer::Relu, linear(3)];
    let model = Arc::new(Model::new(&chain(layers), Shape::flat(20), 3).unwrap());
    let replicas = Replicas::new(gpu, model.clone(), &keys(2)).unwrap();
    replicas.initialise(gpu).unwrap();
    let fresh = replicas.download(gpu).unwrap();
    let before = [
        silenced(&fresh[0], &model, &[0]),
        silenced(&fresh[1], &model, &[2]),
    ];
    let half = UnitAmount::Count(Amount::Sparsity(0.5));
    let spec = UnitPrune {
        rule: Some(UnitRule::Spread(3.0)),
        ..UnitPrune::new(UnitCriterion::L2, UnitScope::Layer, half)
    };
    replicas.upload(gpu, &before.each_ref()).unwrap();
    let notes = prune_units(gpu, &replicas, &[&spec, &spec], None, &mut |_| true).unwrap();
    assert_eq!(
        notes,
        [
            "seed 0: units of fc1; weights of fc2",
            "seed 1: units of fc2; weights of fc1"
        ]
    );
    let after = replicas.download(gpu).unwrap();
    let empty = |replica: usize, tensor: usize| -> Vec<usize> {
        let tensor = &model.tensors[tensor];
        let row = tensor.count / tensor.shape[0];
        let kept = |i: usize| after[replica].mask.keeps(i);
        let gone = |o: &usize| {
            let first = tensor.offset + o * row;
            !(first..first + row).any(kept)
        };
        (0..tensor.shape[0]).filter(gone).collect()
    };
    // fc1 loses its silenced units; fc2 half of its weights, and besides the columns that read what is gone.
    assert_eq!(empty(0, 0), [0, 2, 4, 6, 8]);
    assert!(empty(0, 2).len() < 4);
    let counts = after[0].mask.counts(&model);
    assert!(
        counts[0] == 100 && counts[2] > 0 && counts[2] < 40,
        "{counts:?}"
    );
    // In the other replica it is the other way round, and nothing reads across: fc3 loses columns alone.
    assert_eq!(empty(1, 2), [0, 2, 4, 6]);
    let counts = after[1].mask.counts(&model);
    assert_eq!((counts[0], counts[2], counts[4]), (100, 40, 12));
    for (after, before) in after.iter().zip(&before) {
        for i in 0..model.floats {
            let kept = after.mask.keeps(i);
            assert_eq!(after.weights[i], if kept { before.weights[i] } else { 0.0 });
        }
    }
}
