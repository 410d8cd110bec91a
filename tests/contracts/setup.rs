//! What the contracts share: small networks, replicas of them, and trainings.

use crate::common::{
    World, add, bare, build, conv, graph, keys, linear, max_pool, model, named, trainer, usual,
};
use secateur::gpu::Gpu;
use secateur::model::{Mask, Model};
use secateur::ops::Execution;
use secateur::prune::{self};
use secateur::spec::{
    Amount, Criterion, Decay, Layer, LearningRateSchedule, Length, Optimizer, PruneSpec, Scope,
    Shape, TrainSpec,
};
use secateur::train::{EpochPoint, EvalSplit as Samples, Metrics, RandomKey, Replicas, Snapshot};
use std::sync::Arc;

/// Tensor sizes that are multiples of nothing: 999, 27, 270 and 10.
pub fn odd_model() -> Arc<Model> {
    let layers = vec![linear(27), Layer::Relu, linear(10)];
    model(layers, Shape::flat(37))
}

pub fn spec(scope: Scope, amount: Amount) -> PruneSpec {
    PruneSpec::new(Criterion::Magnitude, scope, amount)
}

/// A replica with these numbers in every tensor, and a full mask.
pub fn filled(model: &Model, mut number: impl FnMut() -> f32) -> Snapshot {
    let mut weights = vec![0.0; model.floats];
    for tensor in &model.tensors {
        weights[tensor.offset..][..tensor.count].fill_with(&mut number);
    }
    Snapshot {
        weights,
        mask: Mask::full(model.floats),
    }
}

/// What pruning must leave: in each group, of the weights that exist, the largest by absolute value, the lower index first
/// among equals.
pub fn by_sort(model: &Model, before: &Snapshot, spec: &PruneSpec) -> Snapshot {
    let mut after = before.clone();
    for group in prune::groups(model, spec).unwrap() {
        let tensors = group.tensors.iter().map(|&t| &model.tensors[t]);
        let mut there: Vec<usize> = tensors
            .flat_map(|t| t.offset..t.offset + t.count)
            .filter(|&i| before.mask.keeps(i))
            .collect();
        let size = |i: usize| before.weights[i].abs().to_bits();
        there.sort_by_key(|&i| (std::cmp::Reverse(size(i)), i));
        for &i in &there[group.keep as usize..] {
            after.mask.remove(i);
            after.weights[i] = 0.0;
        }
    }
    after
}

/// First difference of two replicas, bit by bit.
pub fn difference(got: &Snapshot, want: &Snapshot) -> Option<String> {
    if let Some(i) = (0..want.mask.bits()).find(|&i| got.mask.keeps(i) != want.mask.keeps(i)) {
        return Some(format!("weight {i}: kept is {}", got.mask.keeps(i)));
    }
    (0..want.weights.len())
        .find(|&i| got.weights[i].to_bits() != want.weights[i].to_bits())
        .map(|i| {
            format!(
                "weight {i}: {:e}, not {:e}",
                got.weights[i], want.weights[i]
            )
        })
}

pub fn on_gpu(gpu: &Gpu, model: &Arc<Model>, snapshots: &[Snapshot]) -> Replicas {
    let replicas = Replicas::new(gpu, model.clone(), &keys(snapshots.len())).unwrap();
    let all: Vec<&Snapshot> = snapshots.iter().collect();
    replicas.upload(gpu, &all).unwrap();
    replicas
}

/// Prunes replicas together, each by its own amount, and compares masks and weights with a sort, bit by bit.
pub fn prune_and_compare(gpu: &Gpu, model: &Arc<Model>, before: &[Snapshot], specs: &[PruneSpec]) {
    let replicas = on_gpu(gpu, model, before);
    let all: Vec<&PruneSpec> = specs.iter().collect();
    prune::prune(gpu, &replicas, &all).unwrap();
    let after = replicas.download(gpu).unwrap();
    for (r, spec) in specs.iter().enumerate() {
        let want = by_sort(model, &before[r], spec);
        if let Some(text) = difference(&after[r], &want) {
            panic!("replica {r} of {}, {spec:?}: {text}", specs.len());
        }
    }
}

pub const TINY: f32 = f32::from_bits(1);

pub const SIDE: usize = 10;

pub fn flat_model() -> Arc<Model> {
    let layers = vec![Layer::Flatten, linear(17), Layer::Relu, linear(10)];
    model(layers, Shape::new(1, SIDE, SIDE))
}

/// Every kind of layer.
pub fn conv_model() -> Arc<Model> {
    let layers = vec![
        conv(5, 3, 1, 1),
        Layer::Relu,
        max_pool(2),
        Layer::Dropout {
            p: 0.25,
            channels: true,
        },
        conv(6, 3, 2, 1),
        Layer::Relu,
        Layer::AvgPool {
            window: Some(2),
            stride: 1,
        },
        Layer::Flatten,
        Layer::Dropout {
            p: 0.5,
            channels: false,
        },
        linear(10),
    ];
    model(layers, Shape::new(1, SIDE, SIDE))
}

/// A block with a shortcut by 1x1 convolution, then one whose shortcut is the value itself.
pub fn residual_model() -> Arc<Model> {
    let conv = |channels, kernel, stride| bare(conv(channels, kernel, stride, kernel / 2));
    let pool = Layer::AvgPool {
        window: None,
        stride: 1,
    };
    let layers = vec![
        named("conv0", None, conv(4, 3, 1)),
        named("bn0", None, Layer::BatchNorm),
        named("relu0", None, Layer::Relu),
        named("conv1", None, conv(6, 3, 2)),
        named("relu1", None, Layer::Relu),
        named("conv2", None, conv(6, 3, 1)),
        named("bn2", None, Layer::BatchNorm),
        named("short", Some("relu0"), conv(6, 1, 2)),
        named("add1", Some("bn2"), add("short")),
        named("relu2", None, Layer::Relu),
        named("conv3", None, conv(6, 3, 1)),
        named("add2", None, add("relu2")),
        named("relu3", None, Layer::Relu),
        named("pool", None, pool),
        named("fc", None, linear(10)),
    ];
    build(&graph(layers), Shape::new(1, SIDE, SIDE))
}

pub fn sgd(lr: f64, momentum: f64, nesterov: bool, weight_decay: f64) -> Optimizer {
    Optimizer::Sgd {
        lr,
        momentum,
        nesterov,
        weight_decay,
    }
}

/// One of each kind, with everything switched on that could move a pruned weight.
pub fn optimizers() -> [Optimizer; 5] {
    [
        sgd(0.1, 0.9, false, 0.01),
        sgd(0.1, 0.9, true, 0.01),
        Optimizer::Adam {
            lr: 0.01,
            beta1: 0.9,
            beta2: 0.99,
            eps: 1e-8,
            weight_decay: 0.01,
        },
        Optimizer::AdamW {
            lr: 0.01,
            beta1: 0.9,
            beta2: 0.99,
            eps: 1e-8,
            weight_decay: 0.1,
        },
        Optimizer::Adadelta {
            lr: 1.0,
            rho: 0.9,
            eps: 1e-6,
            weight_decay: 0.01,
        },
    ]
}

pub fn training(optimizer: Optimizer, length: Length) -> TrainSpec {
    // No multiple of 4, and no divisor of the samples: padding and a partial batch in every pass.
    let batch = 22;
    TrainSpec {
        schedule: LearningRateSchedule {
            warmup: Some(Length::Steps(2)),
            decay: Decay::Step {
                every: Length::Steps(3),
                factor: 0.7,
            },
        },
        validation: 20,
        ..TrainSpec::plain("spots", batch, length, optimizer)
    }
}

/// Trains these replicas together; gives weights, masks and curves.
pub fn train(
    gpu: &Gpu,
    world: &World,
    model: &Arc<Model>,
    cohort: &[(RandomKey, Snapshot, TrainSpec)],
    execution: Execution,
) -> Vec<(Snapshot, Vec<EpochPoint>)> {
    let keys: Vec<RandomKey> = cohort.iter().map(|c| c.0).collect();
    let replicas = Replicas::new(gpu, model.clone(), &keys).unwrap();
    let snapshots: Vec<&Snapshot> = cohort.iter().map(|c| &c.1).collect();
    replicas.upload(gpu, &snapshots).unwrap();
    let specs: Vec<&TrainSpec> = cohort.iter().map(|c| &c.2).collect();
    let points = trainer(gpu, world, &replicas, &specs, execution).train(None, &mut |_| true);
    let after = replicas.download(gpu).unwrap();
    after
        .into_iter()
        .zip(points.unwrap().into_iter().map(|t| t.points))
        .collect()
}

/// A freshly drawn replica, pruned at random to this density.
pub fn drawn(gpu: &Gpu, model: &Arc<Model>, key: RandomKey, density: f64) -> Snapshot {
    let replicas = Replicas::new(gpu, model.clone(), &[key]).unwrap();
    replicas.initialise(gpu).unwrap();
    let random = PruneSpec {
        criterion: Criterion::Random,
        ..spec(Scope::Uniform, Amount::Density(density))
    };
    prune::prune(gpu, &replicas, &[&random]).unwrap();
    replicas.download(gpu).unwrap().remove(0)
}

/// Six replicas that differ in all that replicas may differ in.
pub fn cohort(
    gpu: &Gpu,
    model: &Arc<Model>,
    clipped: bool,
) -> Vec<(RandomKey, Snapshot, TrainSpec)> {
    (0..6u32)
        .map(|r| {
            let key = RandomKey {
                seed: 100 + r,
                fresh: r % 2,
                train: r % 3,
                select: r,
            };
            let f = f64::from(r);
            let optimizer = sgd(0.02 * (1.0 + f), 0.1 + 0.15 * f, r % 2 == 1, 0.001 * f);
            let spec = TrainSpec {
                clip_norm: clipped.then_some(0.2 + 0.3 * f),
                ..training(optimizer, Length::Epochs(2))
            };
            (key, drawn(gpu, model, key, 1.0 / (1.0 + f)), spec)
        })
        .collect()
}

pub fn assert_same(
    got: &[(Snapshot, Vec<EpochPoint>)],
    want: &[(Snapshot, Vec<EpochPoint>)],
    what: &str,
) {
    for (r, (got, want)) in got.iter().zip(want).enumerate() {
        if let Some(text) = difference(&got.0, &want.0) {
            panic!("{what}: replica {r}: {text}");
        }
        assert_eq!(got.1, want.1, "{what}: the curve of replica {r}");
    }
}

/// The test set with the weights as drawn.
pub fn score(
    gpu: &Gpu,
    world: &World,
    model: &Arc<Model>,
    members: &[(RandomKey, Snapshot, TrainSpec)],
) -> Vec<Metrics> {
    let keys: Vec<RandomKey> = members.iter().map(|m| m.0).collect();
    let replicas = Replicas::new(gpu, model.clone(), &keys).unwrap();
    let snapshots: Vec<&Snapshot> = members.iter().map(|m| &m.1).collect();
    replicas.upload(gpu, &snapshots).unwrap();
    let specs: Vec<&TrainSpec> = members.iter().map(|m| &m.2).collect();
    let trainer = trainer(gpu, world, &replicas, &specs, usual(gpu));
    trainer.evaluate(Samples::Test, &mut |_| true).unwrap()
}
