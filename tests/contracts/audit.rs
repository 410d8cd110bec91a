//! Pruned weights are 0, always; who breaks it is found.

use super::setup::{
    SIDE, TINY, conv_model, drawn, flat_model, on_gpu, optimizers, sgd, train, training,
};
use crate::common::{World, dataset, gpu, keys, trainer, usual};
use secateur::model::Model;
use secateur::ops::{Execution, SparseRule};
use secateur::spec::{Length, TrainSpec};
use secateur::train::{Progress, RandomKey, Snapshot, TrainError};

/// A place in this replica's flat buffers whose weight is pruned.
fn pruned_place(model: &Model, snapshot: &Snapshot, after: usize) -> usize {
    let weights = model.tensors.iter().filter(|t| t.prunable);
    let mut places = weights.flat_map(|t| t.offset..t.offset + t.count);
    places
        .find(|&i| i >= after && !snapshot.mask.keeps(i))
        .expect("a pruned weight")
}

#[test]
fn every_optimizer_keeps_pruned_weights_at_zero() {
    let Some(gpu) = gpu() else { return };
    let world = World::new(gpu, dataset(100, 20, SIDE));
    for model in [flat_model(), conv_model()] {
        for optimizer in optimizers() {
            for (clip_norm, sparse) in [
                (None, SparseRule::Never),
                (Some(0.5), SparseRule::Never),
                (Some(0.5), SparseRule::Always),
            ] {
                let key = RandomKey::default();
                let start = drawn(gpu, &model, key, 0.3);
                let spec = TrainSpec {
                    clip_norm,
                    ..training(optimizer, Length::Epochs(2))
                };
                let execution = Execution {
                    sparse,
                    ..usual(gpu)
                };
                let member = [(key, start.clone(), spec)];
                let (after, points) = train(gpu, &world, &model, &member, execution).remove(0);
                assert!(points.iter().all(|p| p.violations == 0 && p.broken == 0));
                assert_eq!(after.mask, start.mask);
                let mut moved = 0;
                for (i, weight) in after.weights.iter().enumerate() {
                    if start.mask.keeps(i) {
                        moved += usize::from(weight.to_bits() != start.weights[i].to_bits());
                    } else {
                        assert_eq!(weight.to_bits(), 0, "{optimizer:?}: weight {i}");
                    }
                }
                let there: u64 = start.mask.counts(&model).iter().sum();
                assert!(
                    moved as u64 > there / 2,
                    "{optimizer:?} moved {moved} of {there}"
                );
            }
        }
    }
}

#[test]
fn the_audit_counts_what_is_planted_and_one_step_repairs_it() {
    let Some(gpu) = gpu() else { return };
    let world = World::new(gpu, dataset(100, 20, SIDE));
    let model = flat_model();
    for optimizer in optimizers() {
        let starts: Vec<Snapshot> = keys(3)
            .into_iter()
            .map(|key| drawn(gpu, &model, key, 0.4))
            .collect();
        let replicas = on_gpu(gpu, &model, &starts);
        let spec = training(optimizer, Length::Steps(1));
        let specs = [&spec; 3];
        // Where the optimizer walks the kept weights only, nothing repairs the others, and the audit ends the training.
        let over_all = Execution {
            sparse: SparseRule::Never,
            ..usual(gpu)
        };
        let mut trainer = trainer(gpu, &world, &replicas, &specs, over_all);
        assert_eq!(trainer.audit_now().unwrap(), [0, 0, 0]);

        let flat = model.floats as u64;
        let place = |replica: usize, after: usize| {
            let i = pruned_place(&model, &starts[replica], after);
            (i, (replica as u64 * flat + i as u64) * 4)
        };
        // A negative zero is zero; a kept weight is nobody's business.
        let (_, at) = place(0, 0);
        gpu.write(&replicas.params, at, &[-0.0f32]).unwrap();
        assert_eq!(trainer.audit_now().unwrap(), [0, 0, 0]);
        // The smallest number there is, a large one, and a gradient, at four places: the last place holds two of them.
        let (first, at) = place(1, 0);
        gpu.write(&replicas.params, at, &[TINY]).unwrap();
        assert_eq!(trainer.audit_now().unwrap(), [0, 1, 0]);
        let (_, at) = place(1, first + 1);
        gpu.write(&replicas.grads, at, &[-3.0f32]).unwrap();
        assert_eq!(trainer.audit_now().unwrap(), [0, 2, 0]);
        let (last, at) = place(2, 600);
        gpu.write(&replicas.params, at, &[0.5f32]).unwrap();
        gpu.write(&replicas.grads, at, &[0.5f32]).unwrap();
        assert_eq!(trainer.audit_now().unwrap(), [0, 2, 1]);

        // The optimizer enforces the mask, so the audit after the next step finds nothing.
        let points = trainer.train(None, &mut |_| true).unwrap();
        assert!(points.iter().all(|p| p.points[0].violations == 0));
        assert_eq!(trainer.audit_now().unwrap(), [0, 0, 0], "{optimizer:?}");
        let after = replicas.download(gpu).unwrap();
        assert_eq!(after[2].weights[last].to_bits(), 0);
        assert_eq!(after[1].weights[first].to_bits(), 0);
    }
}

#[test]
fn a_violation_ends_the_training() {
    let Some(gpu) = gpu() else { return };
    let world = World::new(gpu, dataset(100, 20, SIDE));
    let model = flat_model();
    let starts: Vec<Snapshot> = keys(3)
        .into_iter()
        .map(|key| drawn(gpu, &model, key, 0.4))
        .collect();
    let spec = training(sgd(0.1, 0.9, false, 0.0), Length::Epochs(3));
    let specs = [&spec; 3];
    // 80 samples by 22 are 4 steps. After the last one of a pass nothing repairs what is planted.
    for (pass, planted) in [(1, 0.25f32), (2, f32::NAN), (3, -TINY)] {
        let replicas = on_gpu(gpu, &model, &starts);
        let mut trainer = trainer(gpu, &world, &replicas, &specs, usual(gpu));
        assert_eq!(trainer.steps(), 12);
        let place = pruned_place(&model, &starts[1], 50) as u64;
        let outcome = trainer.train(None, &mut |p: Progress| {
            if p.steps == 4 * pass {
                let at = (model.floats as u64 + place) * 4;
                gpu.write(&replicas.params, at, &[planted, planted])
                    .unwrap();
            }
            true
        });
        match outcome {
            Err(TrainError::Violation {
                count,
                replica,
                step,
            }) => {
                // The place after it may be pruned as well.
                let neighbour = !starts[1].mask.keeps(place as usize + 1);
                let want = 1 + u32::from(neighbour);
                assert_eq!((count, replica, step), (want, 1, 4 * pass));
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A mask that changes behind the optimizer's back: every weight it newly prunes is a violation until the next step.
#[test]
fn a_mask_that_changed_is_enforced_from_the_next_step_on() {
    let Some(gpu) = gpu() else { return };
    let world = World::new(gpu, dataset(100, 20, SIDE));
    let model = flat_model();
    let start = drawn(gpu, &model, RandomKey::default(), 1.0);
    let replicas = on_gpu(gpu, &model, std::slice::from_ref(&start));
    let spec = training(sgd(0.1, 0.9, true, 0.01), Length::Steps(2));
    let specs = [&spec];
    let mut trainer = trainer(gpu, &world, &replicas, &specs, usual(gpu));
    trainer.train(None, &mut |_| true).unwrap();
    let smaller = drawn(gpu, &model, RandomKey::default(), 0.2).mask;
    gpu.write(&replicas.masks, 0, smaller.words()).unwrap();
    let pruned = model.prunable() as u64 - smaller.prunable_count(&model);
    // Momentum and gradients of all of them are still there, too, and count once.
    assert_eq!(trainer.audit_now().unwrap(), [pruned as u32]);
    let points = trainer.train(None, &mut |_| true).unwrap();
    assert_eq!(points[0].points.last().unwrap().violations, 0);
    let after = replicas.download(gpu).unwrap().remove(0);
    let broken = (0..model.floats).find(|&i| !smaller.keeps(i) && after.weights[i].to_bits() != 0);
    assert_eq!(broken, None);
}
