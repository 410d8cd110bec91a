//! Pruning whole units: scores against plain Rust in f64, exact counts, and masks that take every weight of a unit.

use crate::common::{
    Dice, World, add, bare, conv, dataset, gpu, key, keys, linear, max_pool, model, usual,
};
use secateur::gpu::Gpu;
use secateur::model::{Mask, Model, Structure};
use secateur::prune::{self, ScoringData, prune_units};
use secateur::spec::{
    Amount, Layer, Length, Optimizer, Shape, TrainSpec, UnitAmount, UnitCriterion, UnitPrune,
    UnitScope,
};
use secateur::train::{Replicas, Snapshot};
use std::sync::Arc;

/// 6 and 7 channels with batch normalisation, a residual branch on the second, then 9 neurons and 10.
fn conv_net() -> Arc<Model> {
    let layers = vec![
        conv(6, 5, 3, 1),
        Layer::BatchNorm,
        Layer::Relu,
        conv(7, 5, 3, 1),
        Layer::BatchNorm,
        bare(conv(7, 1, 1, 0)),
        add("bn2"),
        Layer::Relu,
        max_pool(2),
        Layer::Flatten,
        linear(9),
        Layer::Relu,
        linear(10),
    ];
    model(layers, Shape::new(1, 28, 28))
}

/// Fresh replicas; batch normalisations' scales, which start at 1, are drawn too.
fn fresh(gpu: &Gpu, model: &Arc<Model>, count: usize) -> Replicas {
    let replicas = Replicas::new(gpu, model.clone(), &keys(count)).unwrap();
    replicas.initialise(gpu).unwrap();
    let mut snapshots = replicas.download(gpu).unwrap();
    let mut dice = Dice(7);
    for snapshot in &mut snapshots {
        for t in model.tensors.iter().filter(|t| t.learned && !t.prunable) {
            for w in &mut snapshot.weights[t.offset..t.offset + t.count] {
                *w = (dice.below(2000) as f32 - 1000.0) / 1000.0;
            }
        }
    }
    replicas
        .upload(gpu, &snapshots.iter().collect::<Vec<_>>())
        .unwrap();
    replicas
}

/// What a unit's score is, from the snapshot alone.
fn score(
    model: &Model,
    structure: &Structure,
    snapshot: &Snapshot,
    spec: &UnitPrune,
    (g, unit): (usize, usize),
) -> f64 {
    let group = &structure.groups[g];
    let filters = |unit| -> Vec<f64> {
        let members = group.producers.iter();
        let indices = members.flat_map(|m| m.run(model, unit).indices().collect::<Vec<_>>());
        indices.map(|i| f64::from(snapshot.weights[i])).collect()
    };
    let own = filters(unit);
    let size = own.len() as f64;
    let global = spec.scope == UnitScope::Global;
    match spec.criterion {
        UnitCriterion::L1 => {
            own.iter().map(|w| w.abs()).sum::<f64>() / if global { size } else { 1.0 }
        }
        UnitCriterion::L2 => {
            let norm = own.iter().map(|w| w * w).sum::<f64>().sqrt();
            norm / if global { size.sqrt() } else { 1.0 }
        }
        UnitCriterion::GeometricMedian => {
            let distance = |other| -> f64 {
                let pairs = own.iter().zip(filters(other));
                pairs.map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
            };
            let sum: f64 = (0..group.units).map(distance).sum();
            let others = (group.units - 1) as f64;
            sum / if global { size.sqrt() * others } else { 1.0 }
        }
        UnitCriterion::BatchNormScale => {
            let scales = group.carried.iter().filter(|m| {
                let t = &model.tensors[m.tensor];
                t.layer.starts_with("bn") && t.name.ends_with(".weight")
            });
            let at = scales.map(|m| m.run(model, unit).start);
            at.map(|i| f64::from(snapshot.weights[i].abs())).sum()
        }
        _ => panic!("measured on data"),
    }
}

/// Which units a mask has removed; each must be gone whole, and nothing else.
fn removed(model: &Model, structure: &Structure, mask: &Mask) -> Vec<Vec<bool>> {
    let mut gone = vec![false; model.floats];
    let units = structure.groups.iter().map(|group| {
        let lost = |unit| group.weights(model, unit).all(|i| !mask.keeps(i));
        let all: Vec<bool> = (0..group.units)
            .map(|u| group.removable && lost(u))
            .collect();
        for unit in (0..group.units).filter(|&u| all[u]) {
            group.weights(model, unit).for_each(|i| gone[i] = true);
        }
        all
    });
    let units: Vec<Vec<bool>> = units.collect();
    for (i, gone) in gone.iter().enumerate() {
        assert_eq!(mask.keeps(i), !gone, "weight {i}");
    }
    units
}

#[test]
fn the_weakest_units_go_with_all_their_weights() {
    let Some(gpu) = gpu() else { return };
    let model = conv_net();
    let structure = Structure::of(&model);
    let groups: Vec<usize> = (0..structure.groups.len())
        .filter(|&g| structure.groups[g].removable)
        .collect();
    let sizes: Vec<usize> = groups.iter().map(|&g| structure.groups[g].units).collect();
    assert_eq!(sizes, [6, 7, 9]);
    let criteria = [
        UnitCriterion::L1,
        UnitCriterion::L2,
        UnitCriterion::GeometricMedian,
        UnitCriterion::BatchNormScale,
    ];
    for criterion in criteria {
        for scope in [UnitScope::Layer, UnitScope::Global] {
            let replicas = fresh(gpu, &model, 2);
            let before = replicas.download(gpu).unwrap();
            let of = |amount| UnitPrune {
                // The neurons have no batch normalisation.
                keep_dense: vec!["fc1".to_owned()],
                ..UnitPrune::new(criterion, scope, UnitAmount::Count(amount))
            };
            let specs = [of(Amount::Sparsity(0.5)), of(Amount::Density(0.3))];
            prune_units(gpu, &replicas, &specs.each_ref(), None, &mut |_| true).unwrap();
            for ((after, before), spec) in replicas
                .download(gpu)
                .unwrap()
                .iter()
                .zip(&before)
                .zip(&specs)
            {
                let gone = removed(&model, &structure, &after.mask);
                let ranked = |groups: &[usize]| {
                    let mut list: Vec<(usize, usize, f64)> = groups
                        .iter()
                        .flat_map(|&g| (0..structure.groups[g].units).map(move |u| (g, u)))
                        .map(|at| (at.0, at.1, score(&model, &structure, before, spec, at)))
                        .collect();
                    list.sort_by(|a, b| b.2.total_cmp(&a.2));
                    list
                };
                let sets: Vec<Vec<usize>> = match scope {
                    UnitScope::Layer => vec![vec![groups[0]], vec![groups[1]]],
                    UnitScope::Global => vec![groups[..2].to_vec()],
                };
                for set in sets {
                    let list = ranked(&set);
                    let UnitAmount::Count(amount) = spec.amount else {
                        panic!()
                    };
                    let keep = prune::kept_of(amount, list.len() as u64, list.len() as u64);
                    // The best of each group is in; the others fill up.
                    let is_best = |&(g, u, _): &(usize, usize, f64)| {
                        list.iter().find(|l| l.0 == g).is_some_and(|l| l.1 == u)
                    };
                    let (best, rest): (Vec<_>, Vec<_>) = list.iter().partition(|l| is_best(l));
                    let order: Vec<_> = best.into_iter().chain(rest).collect();
                    for (rank, &&(g, u, _)) in order.iter().enumerate() {
                        let want = (rank as u64) < keep;
                        assert_eq!(!gone[g][u], want, "{criterion:?} {scope:?} unit {u} of {g}");
                    }
                }
                assert!(gone[groups[2]].iter().all(|g| !g), "kept dense");
            }
        }
    }
}

#[test]
fn a_threshold_on_the_norm_and_pruning_again() {
    let Some(gpu) = gpu() else { return };
    let model = conv_net();
    let structure = Structure::of(&model);
    let replicas = fresh(gpu, &model, 1);
    let before = replicas.download(gpu).unwrap().remove(0);
    let by = |amount| UnitPrune {
        layers: Some(vec!["fc1".to_owned()]),
        ..UnitPrune::new(UnitCriterion::L2, UnitScope::Layer, amount)
    };
    let g = (0..structure.groups.len())
        .find(|&g| structure.groups[g].units == 9)
        .unwrap();
    let base = by(UnitAmount::Threshold(0.0));
    let mut norms: Vec<f64> = (0..9)
        .map(|u| score(&model, &structure, &before, &base, (g, u)))
        .collect();
    norms.sort_by(f64::total_cmp);
    // Between the third and the fourth.
    let limit = f64::midpoint(norms[2], norms[3]);
    let spec = by(UnitAmount::Threshold(limit));
    let notes = prune_units(gpu, &replicas, &[&spec], None, &mut |_| true).unwrap();
    assert!(notes.is_empty());
    let count = |replicas: &Replicas| {
        let mask = replicas.download(gpu).unwrap().remove(0).mask;
        let gone = removed(&model, &structure, &mask);
        gone[g].iter().filter(|gone| **gone).count()
    };
    assert_eq!(count(&replicas), 3);
    // Half of the six that remain.
    let half = by(UnitAmount::Count(Amount::Remaining(0.5)));
    prune_units(gpu, &replicas, &[&half], None, &mut |_| true).unwrap();
    assert_eq!(count(&replicas), 6);
    // The last one stays, and that is said.
    let all = by(UnitAmount::Threshold(1e9));
    let notes = prune_units(gpu, &replicas, &[&all], None, &mut |_| true).unwrap();
    assert_eq!(count(&replicas), 8);
    assert!(notes[0].contains("fc1"), "{notes:?}");
    let more = by(UnitAmount::Count(Amount::Density(0.5)));
    let error = prune_units(gpu, &replicas, &[&more], None, &mut |_| true).unwrap_err();
    assert!(error.to_string().contains("only 1 are left"), "{error}");
}

/// Taylor and activations leave no trace, are independent of the cohort, and random units differ between seeds.
#[test]
fn measured_and_random_units_are_the_same_in_any_company() {
    let Some(gpu) = gpu() else { return };
    let model = conv_net();
    let structure = Structure::of(&model);
    let data = dataset(200, 64, 28);
    let world = World::new(gpu, data);
    let criteria = [
        UnitCriterion::Taylor,
        UnitCriterion::MeanActivation,
        UnitCriterion::Random,
    ];
    for criterion in criteria {
        let train = TrainSpec {
            validation: 40,
            ..TrainSpec::plain("mnist", 30, Length::Steps(3), Optimizer::sgd(0.0, 0.0))
        };
        let scales = world.scales(&train);
        let half = UnitAmount::Count(Amount::Density(0.5));
        let spec = UnitPrune {
            data: criterion.reads_data().then(|| Box::new(train.clone())),
            ..UnitPrune::new(criterion, UnitScope::Global, half)
        };
        let measured = ScoringData {
            resident: &world.resident,
            scales: &scales,
            execution: usual(gpu),
        };
        let run = |replicas: &Replicas| {
            let before = replicas.download(gpu).unwrap();
            let specs = vec![&spec; replicas.count as usize];
            prune_units(gpu, replicas, &specs, Some(&measured), &mut |_| true).unwrap();
            let after = replicas.download(gpu).unwrap();
            for (before, after) in before.iter().zip(&after) {
                for (i, (b, a)) in before.weights.iter().zip(&after.weights).enumerate() {
                    let want = if after.mask.keeps(i) { *b } else { 0.0 };
                    assert_eq!(*a, want, "{criterion:?} weight {i}");
                }
                let gone = removed(&model, &structure, &after.mask);
                let left: usize = gone.iter().flatten().filter(|g| !**g).count();
                // The input's channel, the classes, and half of 6 + 7 + 9.
                assert_eq!(left, 1 + 10 + 11, "{criterion:?}");
            }
            after
        };
        let together = run(&fresh(gpu, &model, 3));
        assert_ne!(together[0].mask, together[1].mask, "{criterion:?}");
        for seed in 0..3u32 {
            let alone = Replicas::new(gpu, model.clone(), &[key(seed)]).unwrap();
            let cohort = fresh(gpu, &model, 3);
            let before = cohort.download(gpu).unwrap();
            alone.upload(gpu, &[&before[seed as usize]]).unwrap();
            assert_eq!(run(&alone)[0], together[seed as usize], "{criterion:?}");
        }
    }
}
