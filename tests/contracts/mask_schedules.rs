//! Masks that change while a training runs: exact counts, zeros, the same bits in any cohort and from any checkpoint.

use super::setup::{SIDE, flat_model};
use crate::common::{World, conv, dataset, gpu, key, linear, model, trainer, usual};
use secateur::gpu::Gpu;
use secateur::model::{Mask, Model};
use secateur::ops::{Execution, SparseRule};
use secateur::prune::{self, MaskChanges, PruneError};
use secateur::spec::{
    Amount, Criterion, FractionDecay, Gradual, Grow, Layer, Length, MaskSchedule, Optimizer,
    PruneSpec, Rewire, Scope, Shape, TrainSpec, TrainStep,
};
use secateur::train::{
    Checkpoint, MaskHook, Progress, RandomKey, Replicas, Snapshot, TrainError, Trained, Trainer,
    Watch, step_range_of, training_samples,
};
use std::sync::Arc;

/// 130 samples by 22.
const STEPS_PER_EPOCH: u32 = 6;

fn world(gpu: &Gpu) -> World {
    World::new(gpu, dataset(150, 40, SIDE))
}

/// Running statistics, dropout, and a convolution.
fn normalised_model() -> Arc<Model> {
    let dropout = Layer::Dropout {
        p: 0.3,
        channels: false,
    };
    let layers = vec![
        conv(9, 3, 2, 1),
        Layer::BatchNorm,
        Layer::Relu,
        Layer::Flatten,
        dropout,
        linear(10),
    ];
    model(layers, Shape::new(1, SIDE, SIDE))
}

fn adam(lr: f64) -> Optimizer {
    Optimizer::Adam {
        lr,
        beta1: 0.9,
        beta2: 0.99,
        eps: 1e-8,
        weight_decay: 0.01,
    }
}

fn training(optimizer: Optimizer, steps: u32, masks: MaskSchedule) -> TrainStep {
    TrainStep {
        train: TrainSpec {
            validation: 20,
            ..TrainSpec::plain("spots", 22, Length::Steps(steps), optimizer)
        },
        masks: Some(Box::new(masks)),
    }
}

/// The same up to this step.
fn until(step: &TrainStep, leave: u32) -> TrainStep {
    let mut step = step.clone();
    step.train.leave = Some(Length::Steps(leave));
    step
}

fn gradual(scope: Scope) -> Gradual {
    Gradual {
        prune: PruneSpec::new(Criterion::Magnitude, scope, Amount::Sparsity(0.9)),
        initial_sparsity: 0.2,
        power: 3.0,
        begin: Some(Length::Steps(3)),
        end: Some(Length::Steps(16)),
        every: Length::Steps(4),
    }
}

fn rewire(grow: Grow, every: u32) -> Rewire {
    Rewire {
        grow,
        fraction: 0.4,
        decay: FractionDecay::Cosine,
        every: Length::Steps(every),
        until: None,
    }
}

fn schedules() -> [(&'static str, MaskSchedule); 3] {
    [
        ("gradual", MaskSchedule::Gradual(gradual(Scope::Global))),
        ("SET", MaskSchedule::Rewire(rewire(Grow::Random, 4))),
        ("RigL", MaskSchedule::Rewire(rewire(Grow::Gradient, 4))),
    ]
}

/// A fresh network, pruned at random to this density.
fn fresh(gpu: &Gpu, model: &Arc<Model>, seed: u32, density: f64) -> Snapshot {
    let replicas = Replicas::new(gpu, model.clone(), &[key(seed)]).unwrap();
    replicas.initialise(gpu).unwrap();
    let random = PruneSpec::new(Criterion::Random, Scope::Layer, Amount::Density(density));
    prune::prune(gpu, &replicas, &[&random]).unwrap();
    replicas.download(gpu).unwrap().remove(0)
}

/// A replica to be trained.
type Member = (u32, Snapshot, TrainStep);

fn run(
    gpu: &Gpu,
    world: &World,
    model: &Arc<Model>,
    cohort: &[Member],
    sparse: SparseRule,
    (from, watch): (Option<Checkpoint>, &mut dyn Watch),
) -> Result<Vec<(Snapshot, Trained)>, TrainError> {
    let keys: Vec<RandomKey> = cohort.iter().map(|c| key(c.0)).collect();
    let replicas = Replicas::new(gpu, model.clone(), &keys).unwrap();
    let snapshots: Vec<&Snapshot> = cohort.iter().map(|c| &c.1).collect();
    replicas.upload(gpu, &snapshots).unwrap();
    let specs: Vec<&TrainSpec> = cohort.iter().map(|c| &c.2.train).collect();
    let (spec, schedule) = (specs[0], cohort[0].2.masks.as_deref());
    let samples = training_samples(spec, world.resident.train.count)?;
    let stretch = step_range_of(spec, samples)?;
    let changes = schedule.map(|masks| MaskChanges::new(masks, spec, samples, stretch));
    let changes = changes.transpose()?;
    let changes = changes.as_ref().map(|changes| changes as &dyn MaskHook);
    let execution = Execution {
        sparse,
        ..usual(gpu)
    };
    let (resident, scales) = (&world.resident, world.scales(specs[0]));
    let mut trainer = Trainer::with_changes(
        gpu, &replicas, resident, &specs, changes, &scales, &execution,
    )?;
    let trained = trainer.train(from, watch)?;
    Ok(replicas
        .download(gpu)
        .unwrap()
        .into_iter()
        .zip(trained)
        .collect())
}

/// One replica alone, sparse where that is faster, to its end.
fn alone(
    gpu: &Gpu,
    world: &World,
    model: &Arc<Model>,
    member: &Member,
) -> Result<(Snapshot, Trained), TrainError> {
    let one = std::slice::from_ref(member);
    let watch: &mut dyn Watch = &mut |_: Progress| true;
    let ran = run(gpu, world, model, one, SparseRule::Auto, (None, watch));
    ran.map(|mut ran| ran.remove(0))
}

fn train(gpu: &Gpu, world: &World, model: &Arc<Model>, member: &Member) -> Snapshot {
    alone(gpu, world, model, member).unwrap().0
}

fn same(got: &Snapshot, want: &Snapshot) -> bool {
    let bits = |s: &Snapshot| s.weights.iter().map(|w| w.to_bits()).collect::<Vec<_>>();
    got.mask == want.mask && bits(got) == bits(want)
}

/// Indices of the flat parameters of tensor `t`.
fn range(model: &Model, t: usize) -> std::ops::Range<usize> {
    let tensor = &model.tensors[t];
    tensor.offset..tensor.offset + tensor.count
}

#[test]
fn gradual_pruning_keeps_exact_counts_after_every_step() {
    let Some(gpu) = gpu() else { return };
    let world = world(gpu);
    let model = flat_model();
    let schedule = gradual(Scope::Layer);
    let whole = training(adam(0.01), 20, MaskSchedule::Gradual(schedule.clone()));
    let update_steps = whole
        .masks
        .as_ref()
        .unwrap()
        .update_steps(whole.train.length, 130, 22);
    let update_steps = update_steps.unwrap();
    assert_eq!(update_steps.at, [3, 7, 11, 15, 16]);
    let start = fresh(gpu, &model, 1, 1.0);
    for leave in 1..=20u32 {
        let spec = until(&whole, leave);
        let after = train(gpu, &world, &model, &(1, start.clone(), spec));
        let last = update_steps
            .at
            .iter()
            .rev()
            .find(|&&t| t <= u64::from(leave));
        let counts = after.mask.counts(&model);
        for t in model.prunable_tensors() {
            let all = model.tensors[t].count as f64;
            let sparsity = last.map_or(0.0, |&at| schedule.sparsity(&update_steps, 0.9, at));
            let want = all - (sparsity * all).round_ties_even();
            assert_eq!(counts[t] as f64, want, "tensor {t} after step {leave}");
            let pruned = range(&model, t).filter(|&i| !after.mask.keeps(i));
            for i in pruned {
                assert_eq!(after.weights[i].abs(), 0.0, "weight {i} after step {leave}");
            }
        }
    }
}

/// A mask that is there before the schedule asks for so little is not grown, and the end is exact.
#[test]
fn gradual_pruning_starts_from_the_mask_that_is_there() {
    let Some(gpu) = gpu() else { return };
    let world = world(gpu);
    let model = flat_model();
    let start = fresh(gpu, &model, 1, 0.3);
    let spec = training(adam(0.01), 20, MaskSchedule::Gradual(gradual(Scope::Layer)));
    let early = until(&spec, 4);
    let early = train(gpu, &world, &model, &(1, start.clone(), early));
    assert_eq!(early.mask, start.mask);
    let last = train(gpu, &world, &model, &(1, start.clone(), spec));
    let counts: Vec<u64> = {
        let counts = last.mask.counts(&model);
        model.prunable_tensors().map(|t| counts[t]).collect()
    };
    assert_eq!(counts, [170, 17]);
    let spec = training(adam(0.01), 20, MaskSchedule::Gradual(gradual(Scope::Layer)));
    let (_, trained) = alone(gpu, &world, &model, &(1, start.clone(), spec)).unwrap();
    let curve: Vec<f64> = trained.points.iter().map(|p| p.density).collect();
    // After 6, 12, 18 and 20 steps: the mask of the beginning, those of steps 11 and 16, and the last again.
    let moments = [0.3, 0.1 + 0.7 * (5.0f64 / 13.0).powi(3), 0.1, 0.1];
    for (got, want) in curve.iter().zip(moments) {
        assert!((got - want).abs() < 1e-3, "{curve:?}");
    }
    assert!((0..model.floats).all(|i| start.mask.keeps(i) || !last.mask.keeps(i)));
}

#[test]
fn company_and_sparse_execution_change_no_bit_of_masks_that_change() {
    let Some(gpu) = gpu() else { return };
    let world = world(gpu);
    for (model, name) in [(flat_model(), "flat"), (normalised_model(), "conv")] {
        for (schedule, masks) in schedules() {
            let cohort: Vec<Member> = (0..3)
                .map(|r| {
                    let optimizer = adam(0.01 + 0.01 * f64::from(r));
                    let density = [0.3, 0.2, 0.4][r as usize];
                    let spec = training(optimizer, 21, masks.clone());
                    (r, fresh(gpu, &model, r, density), spec)
                })
                .collect();
            let all = |cohort: &[Member], sparse| {
                let watch: &mut dyn Watch = &mut |_: Progress| true;
                run(gpu, &world, &model, cohort, sparse, (None, watch)).unwrap()
            };
            let dense = all(&cohort, SparseRule::Never);
            for sparse in [SparseRule::Auto, SparseRule::Always] {
                for (r, (got, want)) in all(&cohort, sparse).iter().zip(&dense).enumerate() {
                    assert!(same(&got.0, &want.0), "{name}, {schedule}, {sparse:?}, {r}");
                    assert_eq!(got.1, want.1, "{name}, {schedule}, {sparse:?}, {r}");
                }
            }
            for (r, member) in cohort.iter().enumerate() {
                let alone = all(std::slice::from_ref(member), SparseRule::Auto).remove(0);
                assert!(same(&alone.0, &dense[r].0), "{name}, {schedule}, {r} alone");
                assert_ne!(alone.0.mask, member.1.mask, "the masks changed");
            }
        }
    }
}

/// Keeps the checkpoint after every pass.
#[derive(Default)]
struct Collector(Vec<Checkpoint>);

impl Watch for Collector {
    fn progress(&mut self, _progress: Progress) -> bool {
        true
    }
    fn wants_checkpoint(&self, _epoch: u32) -> bool {
        true
    }
    fn checkpoint(&mut self, checkpoint: Checkpoint) -> bool {
        self.0.push(checkpoint);
        true
    }
}

#[test]
fn a_training_goes_on_from_any_checkpoint_of_a_schedule() {
    let Some(gpu) = gpu() else { return };
    let world = world(gpu);
    let model = normalised_model();
    let both =
        [SparseRule::Auto, SparseRule::Always].map(|sparse| schedules().map(|s| (sparse, s)));
    for (sparse, (schedule, masks)) in both.into_iter().flatten() {
        let spec = training(adam(0.01), 5 * STEPS_PER_EPOCH, masks);
        let cohort = [(7, fresh(gpu, &model, 7, 0.4), spec)];
        let mut collector = Collector::default();
        let whole = run(gpu, &world, &model, &cohort, sparse, (None, &mut collector));
        let whole = whole.unwrap().remove(0);
        assert_eq!(collector.0.len(), 4);
        for checkpoint in collector.0 {
            let at = checkpoint.steps;
            let watch: &mut dyn Watch = &mut |_: Progress| true;
            let from = (Some(checkpoint), watch);
            let rest = run(gpu, &world, &model, &cohort, sparse, from);
            let rest = rest.unwrap().remove(0);
            let what = format!("{schedule} from step {at}, {sparse:?}");
            assert!(same(&rest.0, &whole.0), "{what}");
            assert_eq!(rest.1, whole.1, "{what}");
        }
    }
}

/// The first change of a RigL training, against a sort: the smallest weights go, and of all that then do not exist those with the
/// largest gradient on the coming batch come, at 0.
#[test]
fn growth_follows_the_gradient_of_the_coming_batch() {
    let Some(gpu) = gpu() else { return };
    let world = world(gpu);
    let model = flat_model();
    let start = fresh(gpu, &model, 3, 0.3);
    let masks = MaskSchedule::Rewire(rewire(Grow::Gradient, 5));
    let whole = training(adam(0.01), 40, masks.clone());
    let first = until(&whole, 5);
    let grown = train(gpu, &world, &model, &(3, start.clone(), first.clone()));

    let still = first.train;
    let replicas = Replicas::new(gpu, model.clone(), &[key(3)]).unwrap();
    replicas.upload(gpu, &[&start]).unwrap();
    let specs = [&still];
    let trainer = trainer(gpu, &world, &replicas, &specs, usual(gpu));
    trainer.rewind().unwrap();
    let program = trainer.training_program().unwrap();
    gpu.run_repeated(&program, 5, &mut |_| true).unwrap();
    let before = replicas.download(gpu).unwrap().remove(0);
    trainer.dense_gradients().unwrap();
    let grads: Vec<f32> = gpu.read(&replicas.grads, 0, model.floats).unwrap();
    let update_steps = masks.update_steps(whole.train.length, 130, 22).unwrap();
    let MaskSchedule::Rewire(rewire) = &masks else {
        panic!("a rewiring")
    };
    let mut stays = before.clone();
    let mut leaves = Vec::new();
    for t in model.prunable_tensors() {
        let mut there: Vec<usize> = range(&model, t).filter(|&i| start.mask.keeps(i)).collect();
        there.sort_by_key(|&i| (before.weights[i].abs().to_bits(), std::cmp::Reverse(i)));
        let go = rewire.replaced(&update_steps, there.len() as u64, 5) as usize;
        assert!(go > 5);
        for &i in &there[..go] {
            stays.mask.remove(i);
            stays.weights[i] = 0.0;
        }
        leaves.push(go);
    }
    let mut want = stays.clone();
    for (t, go) in model.prunable_tensors().zip(leaves) {
        let mut away: Vec<usize> = range(&model, t).filter(|&i| !stays.mask.keeps(i)).collect();
        away.sort_by_key(|&i| (std::cmp::Reverse(grads[i].abs().to_bits()), i));
        let mut words = want.mask.words().to_vec();
        for &i in &away[..go] {
            words[i / 32] |= 1 << (i % 32);
        }
        want.mask = Mask::from_words(words);
    }
    assert!(same(&grown, &want));
}

/// A dense enough layer must let what went grow again: at 0, with an optimizer state of 0, like any other. One step of Adam from
/// there leaves (1 - beta1) g and (1 - beta2) g^2, with these betas a square and its root.
#[test]
fn what_grows_begins_at_zero_with_a_state_of_zero() {
    let Some(gpu) = gpu() else { return };
    let world = world(gpu);
    let model = flat_model();
    let start = fresh(gpu, &model, 5, 0.9);
    for grow in [Grow::Random, Grow::Gradient] {
        let change = STEPS_PER_EPOCH - 1;
        let masks = MaskSchedule::Rewire(rewire(grow, change));
        let whole = training(adam(0.01), 40, masks.clone());
        let cut = until(&whole, change);
        let at = train(gpu, &world, &model, &(5, start.clone(), cut));
        let grown: Vec<usize> = model
            .prunable_tensors()
            .flat_map(|t| range(&model, t))
            .filter(|&i| at.mask.keeps(i) && at.weights[i] == 0.0)
            .collect();
        let update_steps = masks.update_steps(whole.train.length, 130, 22).unwrap();
        let MaskSchedule::Rewire(rewire) = &masks else {
            panic!("a rewiring")
        };
        let before = start.mask.counts(&model);
        let go = |t| rewire.replaced(&update_steps, before[t], u64::from(change)) as usize;
        assert_eq!(grown.len(), model.prunable_tensors().map(go).sum::<usize>());
        assert_eq!(at.mask.counts(&model), before, "as many as before");
        assert!(
            grown.iter().any(|&i| start.mask.keeps(i)),
            "some of what went came back"
        );

        let mut collector = Collector::default();
        let cohort = [(5, start.clone(), whole)];
        run(
            gpu,
            &world,
            &model,
            &cohort,
            SparseRule::Auto,
            (None, &mut collector),
        )
        .unwrap();
        let [m1, m2] = &collector.0[0].replicas[0].moments[..] else {
            panic!("Adam has two moments");
        };
        let newborn = |i: usize| {
            let (square, m2) = (f64::from(m1[i]).powi(2), f64::from(m2[i]));
            (square - m2).abs() <= 1e-5 * m2
        };
        assert!(grown.iter().all(|&i| newborn(i)), "{grow:?}");
        let others = range(&model, 0).filter(|i| start.mask.keeps(*i) && !grown.contains(i));
        assert!(others.filter(|&i| !newborn(i)).count() > 100);
    }
}

#[test]
fn a_schedule_that_cannot_be_kept_is_refused() {
    let Some(gpu) = gpu() else { return };
    let world = world(gpu);
    let model = flat_model();
    let start = fresh(gpu, &model, 1, 1.0);
    let masks = MaskSchedule::Gradual(gradual(Scope::Layer));
    let ends = |spec: TrainStep, start: &Snapshot| {
        alone(gpu, &world, &model, &(1, start.clone(), spec)).err()
    };
    let said = |error: &Option<TrainError>| match error {
        Some(TrainError::Masks(error)) => error.downcast_ref::<PruneError>().cloned(),
        _ => None,
    };
    let short = ends(training(adam(0.01), 10, masks.clone()), &start);
    assert!(
        matches!(said(&short), Some(PruneError::Schedule(_))),
        "{short:?}"
    );
    let mut late = training(adam(0.01), 20, masks.clone());
    late.train.enter = Some(Length::Steps(17));
    let late = ends(late, &start).map(|e| e.to_string());
    assert!(late.is_some_and(|text| text.contains("after the last change")));
    // Uniform shares of a tenth where a layer has a twentieth left: not what was asked for.
    let uniform = MaskSchedule::Gradual(gradual(Scope::Uniform));
    let few = ends(
        training(adam(0.01), 20, uniform),
        &fresh(gpu, &model, 1, 0.05),
    );
    assert!(
        matches!(said(&few), Some(PruneError::TooFewLeft { .. })),
        "{few:?}"
    );
    let mut broken = start;
    broken.weights[3] = f32::NAN;
    let nan = ends(training(adam(0.01), 20, masks), &broken);
    assert!(
        matches!(said(&nan), Some(PruneError::NotANumber { .. })),
        "{nan:?}"
    );
}

#[test]
fn an_exchange_that_never_comes_is_refused() {
    let rarely = MaskSchedule::Rewire(rewire(Grow::Random, 100));
    let refusal = rarely
        .update_steps(Length::Steps(100), 130, 22)
        .unwrap_err();
    assert!(refusal.why.contains("smaller `every`"), "{refusal:?}");
}

#[test]
fn frozen_layers_are_not_rewired() {
    let Some(gpu) = gpu() else { return };
    let world = world(gpu);
    let model = flat_model();
    let start = fresh(gpu, &model, 2, 0.3);
    for grow in [Grow::Random, Grow::Gradient] {
        let mut spec = training(adam(0.01), 20, MaskSchedule::Rewire(rewire(grow, 4)));
        spec.train.freeze = vec!["fc1".to_owned()];
        let after = train(gpu, &world, &model, &(2, start.clone(), spec));
        let differ = |t| {
            let mut places = range(&model, t);
            places.any(|i| after.mask.keeps(i) != start.mask.keeps(i))
        };
        let tensors: Vec<usize> = model.prunable_tensors().collect();
        assert_eq!(
            tensors.into_iter().map(differ).collect::<Vec<_>>(),
            [false, true]
        );
        assert!(range(&model, 0).all(|i| after.weights[i] == start.weights[i]));
    }
}

/// The worst weights, as many in each layer as the best would be: the same training up to one change.
#[test]
fn inverted_gradual_pruning_keeps_the_counts_of_the_criterion() {
    let Some(gpu) = gpu() else { return };
    let world = world(gpu);
    let model = flat_model();
    let start = fresh(gpu, &model, 4, 1.0);
    let once = Gradual {
        begin: Some(Length::Steps(8)),
        end: Some(Length::Steps(8)),
        ..gradual(Scope::Global)
    };
    let mut inverted = once.clone();
    inverted.prune.invert = true;
    let [best, worst] = [once, inverted].map(|schedule| {
        let spec = training(adam(0.01), 9, MaskSchedule::Gradual(schedule));
        train(gpu, &world, &model, &(4, start.clone(), spec))
    });
    let counts = best.mask.counts(&model);
    assert_eq!(counts, worst.mask.counts(&model));
    for t in model.prunable_tensors() {
        let both = range(&model, t).filter(|&i| best.mask.keeps(i) && worst.mask.keeps(i));
        // The best and the worst meet only where both are more than half.
        let meet = (2 * counts[t]).saturating_sub(model.tensors[t].count as u64);
        assert_eq!(both.count() as u64, meet, "tensor {t}");
    }
}
