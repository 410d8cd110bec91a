//! The group lasso: the step it takes, units that become exactly 0, and what is left of a network without them.

use crate::common::{World, build, chain, conv, dataset, gpu, key, linear, trainer, usual};
use secateur::gpu::Gpu;
use secateur::model::{Model, Structure};
use secateur::ops::{Execution, SparseRule};
use secateur::prune::{self};
use secateur::spec::{
    Amount, Criterion, Layer, Length, ModelSpec, Optimizer, PruneSpec, Scope, Shape, TrainSpec,
    UnitAmount, UnitCriterion, UnitPrune, UnitScope,
};
use secateur::train::{RandomKey, Replicas, Snapshot};
use std::sync::Arc;

fn net() -> ModelSpec {
    chain(vec![
        conv(6, 3, 2, 1),
        Layer::BatchNorm,
        Layer::Relu,
        conv(8, 3, 2, 1),
        Layer::Relu,
        Layer::Flatten,
        linear(16),
        Layer::Relu,
        linear(10),
    ])
}

fn training(optimizer: Optimizer, steps: u32, lambda: Option<f64>) -> TrainSpec {
    TrainSpec {
        validation: 8,
        group_lasso: lambda,
        ..TrainSpec::plain("spots", 16, Length::Steps(steps), optimizer)
    }
}

/// Trains fresh replicas, or these; one spec each.
fn trained(
    gpu: &Gpu,
    keys: &[RandomKey],
    specs: &[TrainSpec],
    from: Option<&[Snapshot]>,
    sparse: SparseRule,
) -> Vec<Snapshot> {
    let world = World::new(gpu, dataset(80, 16, 12));
    let replicas = Replicas::new(gpu, model(), keys).unwrap();
    match from {
        Some(from) => {
            let all: Vec<&Snapshot> = from.iter().collect();
            replicas.upload(gpu, &all).unwrap();
        }
        None => replicas.initialise(gpu).unwrap(),
    }
    let specs: Vec<&TrainSpec> = specs.iter().collect();
    let execution = Execution {
        sparse,
        ..usual(gpu)
    };
    let mut trainer = trainer(gpu, &world, &replicas, &specs, execution);
    if specs[0].length != Length::Steps(0) {
        trainer.train(None, &mut |_| true).unwrap();
    }
    assert!(trainer.audit_now().unwrap().iter().all(|&v| v == 0));
    replicas.download(gpu).unwrap()
}

fn model() -> Arc<Model> {
    build(&net(), Shape::new(1, 12, 12))
}

fn norms(model: &Model, snapshot: &Snapshot) -> Vec<Vec<f64>> {
    let structure = Structure::of(model);
    let groups = structure.groups.iter().filter(|g| g.removable);
    let norm = |group: &secateur::model::UnitGroup, unit| {
        let squares = group.weights(model, unit).map(|i| {
            let w = f64::from(snapshot.weights[i]);
            w * w
        });
        squares.sum::<f64>().sqrt()
    };
    groups
        .map(|group| (0..group.units).map(|u| norm(group, u)).collect())
        .collect()
}

/// One step with the penalty is one without, and then the proximal step in f64; biases and what is frozen are as without.
#[test]
fn a_step_is_the_optimizers_and_then_the_proximal_one() {
    let Some(gpu) = gpu() else { return };
    let model = model();
    let structure = Structure::of(&model);
    let optimizers = [
        Optimizer::sgd(0.1, 0.9),
        Optimizer::Adam {
            lr: 0.1,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.01,
        },
    ];
    for optimizer in optimizers {
        for freeze in [vec![], vec!["conv2".to_owned()]] {
            let lambda = 0.15;
            let run = |lambda| {
                let spec = TrainSpec {
                    freeze: freeze.clone(),
                    ..training(optimizer, 1, lambda)
                };
                trained(gpu, &[key(3)], &[spec], None, SparseRule::Never).remove(0)
            };
            let (plain, got) = (run(None), run(Some(lambda)));
            let frozen = |i: usize| {
                let t = model
                    .tensors
                    .iter()
                    .find(|t| (t.offset..t.offset + t.count).contains(&i));
                t.is_some_and(|t| freeze.contains(&t.layer))
            };
            let mut want: Vec<f64> = plain.weights.iter().map(|&w| f64::from(w)).collect();
            let mut zeroed = 0;
            for group in structure.groups.iter().filter(|g| g.removable) {
                for unit in 0..group.units {
                    let own: Vec<usize> = group
                        .weights(&model, unit)
                        .filter(|&i| !frozen(i))
                        .collect();
                    let squares = own.iter().map(|&i| f64::from(plain.weights[i]).powi(2));
                    let norm = squares.sum::<f64>().sqrt();
                    let factor = (1.0 - 0.1 * lambda * (own.len() as f64).sqrt() / norm).max(0.0);
                    zeroed += usize::from(factor == 0.0);
                    own.iter().for_each(|&i| want[i] *= factor);
                }
            }
            println!("{optimizer:?} {freeze:?}: {zeroed} units are 0");
            for (i, (got, want)) in got.weights.iter().zip(&want).enumerate() {
                let off = (f64::from(*got) - want).abs();
                assert!(off <= 2e-6 * want.abs() + 1e-7, "{i}: {got}, not {want}");
                assert!(*want != 0.0 || *got == 0.0, "{i}");
            }
        }
    }
}

/// Each replica has its own lambda and the bits that it has alone, be its masked layers sparse or dense; and what is pruned is 0.
#[test]
fn a_penalty_is_each_replicas_own() {
    let Some(gpu) = gpu() else { return };
    let lambdas = [0.0, 0.02, 0.1];
    let keys: Vec<RandomKey> = (0..3).map(key).collect();
    let specs: Vec<TrainSpec> = lambdas
        .iter()
        .map(|&l| training(Optimizer::sgd(0.1, 0.9), 6, Some(l)))
        .collect();
    let model = model();
    let replicas = Replicas::new(gpu, model, &keys).unwrap();
    replicas.initialise(gpu).unwrap();
    let sparse = PruneSpec::new(Criterion::Random, Scope::Uniform, Amount::Density(0.1));
    prune::prune(gpu, &replicas, &[&sparse; 3]).unwrap();
    let start = replicas.download(gpu).unwrap();
    for from in [None, Some(&start[..])] {
        let together = trained(gpu, &keys, &specs, from, SparseRule::Never);
        for r in 0..3 {
            let own = from.map(|all| &all[r..=r]);
            for rule in [SparseRule::Never, SparseRule::Always] {
                let alone = trained(gpu, &keys[r..=r], &specs[r..=r], own, rule).remove(0);
                // The sign of a zero does not matter.
                assert_eq!(alone, together[r], "replica {r}, {rule:?}");
            }
        }
        // No penalty is a penalty of 0.
        let plain = training(Optimizer::sgd(0.1, 0.9), 6, None);
        let own = from.map(|all| &all[..1]);
        let plain = trained(gpu, &keys[..1], &[plain], own, SparseRule::Never).remove(0);
        assert_eq!(plain, together[0]);
    }
}

/// Units that a training brought to 0 are exactly those that a threshold of 0 removes, and the network without them is the same.
#[test]
fn units_at_zero_are_removed_and_nothing_is_lost() {
    let Some(gpu) = gpu() else { return };
    let model = model();
    let spec = training(Optimizer::sgd(0.1, 0.9), 60, Some(0.02));
    let after = trained(gpu, &[key(1)], &[spec], None, SparseRule::Never).remove(0);
    let norms = norms(&model, &after);
    let zeros: Vec<usize> = norms
        .iter()
        .map(|own| own.iter().filter(|n| **n == 0.0).count())
        .collect();
    println!("units at 0: {zeros:?} of {:?}", [6, 8, 16]);
    assert!(zeros.iter().sum::<usize>() > 0 && zeros.iter().zip([6, 8, 16]).all(|(z, n)| *z < n));
    let replicas = Replicas::new(gpu, model.clone(), &[key(1)]).unwrap();
    replicas.upload(gpu, &[&after]).unwrap();
    let limit = UnitAmount::Threshold(0.0);
    let prune = UnitPrune::new(UnitCriterion::L2, UnitScope::Layer, limit);
    prune::prune_units(gpu, &replicas, &[&prune], None, &mut |_| true).unwrap();
    let masked = replicas.download(gpu).unwrap().remove(0);
    let same = |(a, b): (&f32, &f32)| a == b;
    assert!(masked.weights.iter().zip(&after.weights).all(same));
    let small = prune::compact(&net(), &model, &masked).unwrap();
    let layers = small.model.layers.iter();
    let widths: Vec<usize> = layers
        .filter(|l| l.operator.mixes_channels())
        .map(|l| l.output.channels)
        .collect();
    assert_eq!(widths, [6 - zeros[0], 8 - zeros[1], 16 - zeros[2], 10]);
}
