//! What a training starts from, reads, leaves behind and refuses.

use super::setup::{
    SIDE, assert_same, cohort, difference, drawn, flat_model, on_gpu, optimizers, residual_model,
    sgd, train, training,
};
use crate::common::{World, dataset, gpu, key, trainer, usual};
use secateur::data::Dataset;
use secateur::spec::{BestBy, DecayOn, Keep, Length, Normalise, Optimizer, Stopping, TrainSpec};
use secateur::train::{
    EpochPoint, EvalSplit as Samples, Progress, RandomKey, Replicas, Snapshot, TrainError, Trainer,
};
use serde_json::{Value, json};

/// Nothing of an optimizer outlives its training: who goes back to earlier weights, and the same numbers of the same key, takes the
/// same steps.
#[test]
fn every_training_begins_with_an_optimizer_state_of_zero() {
    let Some(gpu) = gpu() else { return };
    let world = World::new(gpu, dataset(150, 40, SIDE));
    let model = flat_model();
    for optimizer in optimizers() {
        let key = RandomKey::default();
        let start = drawn(gpu, &model, key, 0.5);
        let spec = training(optimizer, Length::Epochs(2));
        let specs = [&spec];
        let replicas = Replicas::new(gpu, model.clone(), &[key]).unwrap();
        let mut rounds = (0..2).map(|_| {
            replicas.upload(gpu, &[&start]).unwrap();
            let mut trainer = trainer(gpu, &world, &replicas, &specs, usual(gpu));
            trainer.train(None, &mut |_: Progress| true).unwrap();
            replicas.download(gpu).unwrap().remove(0)
        });
        let (first, again) = (rounds.next().unwrap(), rounds.next().unwrap());
        assert_eq!(difference(&again, &first), None, "{optimizer:?}");
        assert_ne!(first.weights, start.weights);
    }
}

/// Each replica stops by its own validation scores, and ends with the weights of its own best or last pass, whichever replicas train
/// beside it.
#[test]
fn the_validation_split_decides_for_each_replica_alone() {
    let Some(gpu) = gpu() else { return };
    const EPOCHS: usize = 12;
    const PATIENCE: usize = 2;
    let world = World::new(gpu, dataset(150, 40, SIDE));
    let model = flat_model();
    for keep in [Keep::Best, Keep::Last] {
        let mut members = cohort(gpu, &model, false);
        for (r, member) in members.iter_mut().enumerate() {
            member.2.length = Length::Epochs(EPOCHS as u32);
            member.2.optimizer = sgd(0.2 * (r + 1) as f64, 0.5, false, 0.0);
            member.2.stopping = Stopping {
                keep,
                patience: Some(PATIENCE as u32),
                best_by: BestBy::Accuracy,
            };
        }
        let together = train(gpu, &world, &model, &members, usual(gpu));
        let mut lengths = std::collections::HashSet::new();
        for (member, outcome) in members.iter().zip(&together) {
            let alone = train(
                gpu,
                &world,
                &model,
                std::slice::from_ref(member),
                usual(gpu),
            );
            assert_same(&alone, std::slice::from_ref(outcome), "alone");
            let scores: Vec<f64> = outcome
                .1
                .iter()
                .map(|p| p.validation.unwrap().accuracy)
                .collect();
            let best = (0..scores.len()).fold(0, |b, k| if scores[k] > scores[b] { k } else { b });
            if scores.len() < EPOCHS {
                assert_eq!(scores.len(), best + 1 + PATIENCE, "{scores:?}");
            }
            let passes = match keep {
                Keep::Best => best + 1,
                Keep::Last => scores.len(),
            };
            let mut plain = member.clone();
            plain.2.length = Length::Epochs(passes as u32);
            plain.2.stopping = Stopping::NEVER;
            let mut want = train(gpu, &world, &model, &[plain], usual(gpu));
            want[0].1 = outcome.1.clone();
            assert_same(
                std::slice::from_ref(outcome),
                &want,
                &format!("{keep:?} after {passes}"),
            );
            lengths.insert(scores.len());
        }
        assert!(
            lengths.len() > 1,
            "replicas must stop at different passes: {lengths:?}"
        );
    }
}

/// What is read of the first replica's settings alone must be the same in all; a cohort that disagrees in any key is refused, and the
/// error names it.
#[test]
fn replicas_that_disagree_in_a_setting_are_refused() {
    let Some(gpu) = gpu() else { return };
    let world = World::new(gpu, dataset(150, 40, SIDE));
    let model = flat_model();
    let replicas = Replicas::new(gpu, model, &[key(0), key(1)]).unwrap();
    let first = TrainSpec {
        clip_norm: Some(1.0),
        ..training(sgd(0.1, 0.9, false, 0.0), Length::Epochs(2))
    };
    let with = |changes: &[(&str, Value)]| -> TrainSpec {
        let mut settings = serde_json::to_value(&first).unwrap();
        for (key, value) in changes {
            settings[key] = value.clone();
        }
        serde_json::from_value(settings).unwrap()
    };
    let refused = |other: &TrainSpec| {
        let specs = [&first, other];
        let scales = world.scales(&first);
        let resident = &world.resident;
        match Trainer::new(gpu, &replicas, resident, &specs, &scales, &usual(gpu)).err() {
            Some(TrainError::Disagreement { replica: 1, key }) => Some(key),
            None => None,
            Some(error) => panic!("{error}"),
        }
    };
    let adam = serde_json::to_value(optimizers()[2]).unwrap();
    let best = Stopping {
        keep: Keep::Best,
        ..Stopping::NEVER
    };
    let changes = [
        ("dataset", json!("dots")),
        ("batch", json!(20)),
        ("micro_batch", json!(32)),
        ("length", json!({ "epochs": 3 })),
        ("equal_flops", json!(true)),
        ("enter", json!({ "epochs": 1 })),
        ("leave", json!({ "epochs": 1 })),
        ("optimizer", adam),
        ("weight_decay_on", json!("weights")),
        ("freeze", json!(["fc1"])),
        (
            "schedule",
            json!({ "warmup": null, "decay": { "kind": "constant" } }),
        ),
        ("label_smoothing", json!(0.1)),
        ("stopping", serde_json::to_value(best).unwrap()),
        ("clip_norm", Value::Null),
        ("group_lasso", json!(0.1)),
        ("validation", json!(21)),
        ("samples", json!(100)),
        ("balanced", json!(true)),
        ("normalise", json!("none")),
        (
            "augment",
            json!({ "shift": 1, "flip": false, "rotate": 0.0, "scale": [1.0, 1.0], "shear": 0.0, "cutout": 0, "fill": "zero" }),
        ),
    ];
    for change in &changes {
        let other = with(std::slice::from_ref(change));
        assert_eq!(refused(&other).as_deref(), Some(change.0));
    }
    // Every key is among them.
    let all = serde_json::to_value(with(&changes)).unwrap();
    let mut keys: Vec<&str> = changes.iter().map(|(key, _)| *key).collect();
    let mut known: Vec<&String> = all.as_object().unwrap().keys().collect();
    keys.sort_unstable();
    known.sort_unstable();
    assert_eq!(known, keys);

    // Each replica has its own numbers.
    let numbers = serde_json::to_value(sgd(0.2, 0.5, false, 0.1)).unwrap();
    let own = [("optimizer", numbers), ("clip_norm", json!(2.0))];
    assert_eq!(refused(&with(&own)), None);
    // Without momentum there is a state less to keep.
    let plain = serde_json::to_value(sgd(0.2, 0.0, false, 0.0)).unwrap();
    let other = refused(&with(&[("optimizer", plain)]));
    assert_eq!(other.as_deref(), Some("optimizer"));
}

/// Running statistics are part of a replica, and part of what the mask, freezing and weight decay leave alone.
#[test]
fn running_statistics_travel_with_the_weights() {
    let Some(gpu) = gpu() else { return };
    let world = World::new(gpu, dataset(150, 40, SIDE));
    let model = residual_model();
    assert_eq!(model.statistics(), 2 * (4 + 6));
    let key = key(3);
    let run = |snapshot: &Snapshot, spec: &TrainSpec| {
        let member = [(key, snapshot.clone(), spec.clone())];
        train(gpu, &world, &model, &member, usual(gpu)).remove(0)
    };
    let part = |snapshot: &Snapshot, name: &str| {
        let tensor = model.tensors.iter().find(|t| t.name == name).unwrap();
        snapshot.weights[tensor.offset..][..tensor.count].to_vec()
    };
    let fresh = drawn(gpu, &model, key, 0.3);
    assert_eq!(part(&fresh, "bn0.weight"), [1.0; 4]);
    assert_eq!(part(&fresh, "bn0.bias"), [0.0; 4]);
    assert_eq!(part(&fresh, "bn0.running_mean"), [0.0; 4]);
    assert_eq!(part(&fresh, "bn0.running_var"), [1.0; 4]);

    // What a snapshot holds is all that a next step needs: two trainings, with and without a round trip between.
    let spec = training(sgd(0.05, 0.9, false, 0.1), Length::Epochs(1));
    let (once, points) = run(&fresh, &spec);
    assert!(points.iter().all(|p| p.violations == 0));
    assert_ne!(part(&once, "bn0.running_mean"), [0.0; 4]);
    let replicas = Replicas::new(gpu, model.clone(), &[key]).unwrap();
    replicas.upload(gpu, &[&fresh]).unwrap();
    for _ in 0..2 {
        let specs = [&spec];
        let mut trainer = trainer(gpu, &world, &replicas, &specs, usual(gpu));
        trainer.train(None, &mut |_| true).unwrap();
    }
    let stayed = replicas.download(gpu).unwrap().remove(0);
    let (twice, _) = run(&once, &spec);
    assert_eq!(difference(&twice, &stayed), None);

    // Without gradients to follow (rate 0), weight decay would still pull on everything it reaches.
    let decay = Optimizer::AdamW {
        lr: 0.1,
        beta1: 0.9,
        beta2: 0.99,
        eps: 1e30,
        weight_decay: 0.5,
    };
    let all = training(decay, Length::Steps(1));
    let weights = TrainSpec {
        weight_decay_on: DecayOn::Weights,
        ..all.clone()
    };
    let frozen = TrainSpec {
        freeze: ["bn2", "conv3", "fc"].map(str::to_owned).to_vec(),
        ..all.clone()
    };
    let [all, weights, frozen] = [all, weights, frozen].map(|spec| run(&once, &spec).0);
    for tensor in &model.tensors {
        let name = tensor.name.as_str();
        let [before, all, weights, frozen] =
            [&once, &all, &weights, &frozen].map(|s| part(s, name));
        let moved = !tensor.learned || all != before;
        assert!(moved, "{name} is not decayed");
        if !tensor.learned {
            assert_ne!(all, before, "{name} does not follow the batch");
            // The forward pass is the same in all three.
            assert_eq!(weights, all, "{name}");
            assert_eq!(frozen, all, "{name}");
        } else {
            let spared = weights == before;
            assert_eq!(spared, !tensor.prunable, "{name} with decay on weights");
            let still = frozen == before;
            let listed = ["bn2", "conv3", "fc"].contains(&tensor.layer.as_str());
            assert_eq!(still, listed, "{name} with layers frozen");
        }
    }
}

/// Recalibration gives the plain average of the batches' statistics, whatever stood there, and touches nothing else.
#[test]
fn recalibration_averages_and_changes_nothing_else() {
    let Some(gpu) = gpu() else { return };
    let world = World::new(gpu, dataset(150, 40, SIDE));
    let model = residual_model();
    let key = key(4);
    let fresh = drawn(gpu, &model, key, 0.5);
    let recalibrated = |start: &Snapshot, batch: u32, batches: u32| {
        let replicas = Replicas::new(gpu, model.clone(), &[key]).unwrap();
        replicas.upload(gpu, &[start]).unwrap();
        let spec = TrainSpec {
            batch,
            ..training(sgd(0.1, 0.0, false, 0.1), Length::Steps(batches))
        };
        let specs = [&spec];
        let trainer = trainer(gpu, &world, &replicas, &specs, usual(gpu));
        trainer.recalibrate(&mut |_| true).unwrap();
        replicas.download(gpu).unwrap().remove(0)
    };
    let mut odd = fresh.clone();
    let statistics = |i: usize| {
        let within = |t: &&secateur::model::Tensor| (t.offset..t.offset + t.count).contains(&i);
        let tensor = model.tensors.iter().find(within);
        tensor.is_some_and(|t| !t.learned)
    };
    for i in (0..odd.weights.len()).filter(|&i| statistics(i)) {
        odd.weights[i] = 17.0;
    }
    let many = recalibrated(&fresh, 22, 12);
    assert_eq!(
        difference(&recalibrated(&odd, 22, 12), &many),
        None,
        "depends on what stood there"
    );
    for i in 0..model.floats {
        let changed = many.weights[i].to_bits() != fresh.weights[i].to_bits();
        assert_eq!(changed, statistics(i), "float {i}");
    }
    // Five batches of 26 are one of all 130: of the first layer, whose input depends on no statistics, the means agree.
    let mean = |s: &Snapshot| {
        let tensor = model.tensors.iter().find(|t| t.name == "bn0.running_mean");
        s.weights[tensor.unwrap().offset]
    };
    let [parts, whole] =
        [(26, 5), (130, 1)].map(|(batch, batches)| recalibrated(&fresh, batch, batches));
    assert_ne!(mean(&recalibrated(&fresh, 26, 1)), mean(&parts));
    let (parts, whole) = (mean(&parts), mean(&whole));
    assert!(
        (parts - whole).abs() < 1e-5 * whole.abs(),
        "{parts} and {whole}"
    );
}

/// The test set is read by `evaluate(Test)` alone, and reading it changes nothing.
#[test]
fn the_test_set_leaves_no_trace_in_a_training() {
    let Some(gpu) = gpu() else { return };
    let model = flat_model();
    let mut data = dataset(60, 40, SIDE);
    let world = World::new(gpu, data.clone());
    for byte in &mut data.test.images {
        *byte = 255 - *byte;
    }
    for label in &mut data.test.labels {
        *label = 9 - *label;
    }
    let other = World::new(gpu, data);
    let members = cohort(gpu, &model, false);
    let want = train(gpu, &world, &model, &members, usual(gpu));
    let got = train(gpu, &other, &model, &members, usual(gpu));
    assert_same(&got, &want, "another test set");

    let specs: Vec<&TrainSpec> = members.iter().map(|m| &m.2).collect();
    let after: Vec<Snapshot> = want.iter().map(|w| w.0.clone()).collect();
    let replicas = on_gpu(gpu, &model, &after);
    let trainer = trainer(gpu, &world, &replicas, &specs, usual(gpu));
    let first = trainer.evaluate(Samples::Test, &mut |_| true).unwrap();
    let validation = trainer
        .evaluate(Samples::Validation, &mut |_| true)
        .unwrap();
    assert_eq!(
        trainer.evaluate(Samples::Test, &mut |_| true).unwrap(),
        first
    );
    assert_eq!(
        trainer
            .evaluate(Samples::Validation, &mut |_| true)
            .unwrap(),
        validation
    );
    for (snapshot, before) in replicas.download(gpu).unwrap().iter().zip(&after) {
        assert_eq!(
            difference(snapshot, before),
            None,
            "evaluation changed a replica"
        );
    }
}

/// Every training image either changes the weights or is held out for validation, never both: found out by changing one
/// image after the other.
#[test]
fn the_validation_split_is_never_trained_on() {
    let Some(gpu) = gpu() else { return };
    const SAMPLES: usize = 24;
    const HELD_OUT: u32 = 9;
    let model = flat_model();
    let data = dataset(SAMPLES, 10, SIDE);
    let key = key(77);
    let spec = TrainSpec {
        batch: 4,
        validation: HELD_OUT,
        // Otherwise the scale of every image would change with one.
        normalise: Normalise::None,
        ..training(sgd(0.1, 0.9, false, 0.0), Length::Epochs(2))
    };
    let start = drawn(gpu, &model, key, 1.0);
    let outcome = |data: Dataset| {
        let world = World::new(gpu, data);
        let replicas = Replicas::new(gpu, model.clone(), &[key]).unwrap();
        replicas.upload(gpu, &[&start]).unwrap();
        let specs = [&spec];
        let mut trainer = trainer(gpu, &world, &replicas, &specs, usual(gpu));
        let points = trainer.train(None, &mut |_| true).unwrap().remove(0);
        (replicas.download(gpu).unwrap().remove(0), points)
    };
    let (weights, points) = outcome(data.clone());
    let mut held_out = Vec::new();
    for sample in 0..SAMPLES {
        let mut changed = data.clone();
        for byte in &mut changed.train.images[sample * SIDE * SIDE..][..SIDE * SIDE] {
            *byte = 255 - *byte;
        }
        let (other, curve) = outcome(changed);
        if difference(&other, &weights).is_none() {
            let validation = |p: &[EpochPoint]| p.last().and_then(|p| p.validation);
            assert_ne!(
                validation(&curve.points),
                validation(&points.points),
                "sample {sample}"
            );
            held_out.push(sample);
        }
    }
    assert_eq!(held_out.len(), HELD_OUT as usize, "{held_out:?}");
}

#[test]
fn a_training_can_be_stopped() {
    let Some(gpu) = gpu() else { return };
    let world = World::new(gpu, dataset(100, 20, SIDE));
    let model = flat_model();
    let start = drawn(gpu, &model, RandomKey::default(), 1.0);
    let replicas = on_gpu(gpu, &model, &[start]);
    let spec = training(sgd(0.1, 0.9, true, 0.01), Length::Epochs(1000));
    let specs = [&spec];
    let mut trainer = trainer(gpu, &world, &replicas, &specs, usual(gpu));
    let outcome = trainer.train(None, &mut |_| false);
    assert!(
        matches!(outcome, Err(TrainError::Interrupted)),
        "{outcome:?}"
    );
}

#[test]
fn a_split_that_leaves_nothing_is_refused() {
    let Some(gpu) = gpu() else { return };
    let world = World::new(gpu, dataset(100, 20, SIDE));
    let model = flat_model();
    let start = drawn(gpu, &model, RandomKey::default(), 1.0);
    let replicas = on_gpu(gpu, &model, &[start]);
    let plain = training(sgd(0.1, 0.0, false, 0.0), Length::Steps(1));
    for (validation, samples) in [(100, None), (500, None), (60, Some(41)), (0, Some(0))] {
        let spec = TrainSpec {
            validation,
            samples,
            ..plain.clone()
        };
        let specs = [&spec];
        let made = Trainer::new(
            gpu,
            &replicas,
            &world.resident,
            &specs,
            &world.scales(&spec),
            &usual(gpu),
        );
        match made {
            Err(error @ TrainError::NoSamples { .. }) => {
                assert!(
                    error.to_string().contains("100 training samples"),
                    "{error}"
                );
            }
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("validation {validation}, samples {samples:?} was accepted"),
        }
    }
}
