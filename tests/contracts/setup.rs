//! What the contracts share: small networks, replicas of them, and trainings.

use secateur::data::Dataset;
use secateur::gpu::Gpu;
use secateur::model::{Model, presets};
use secateur::ops::Execution;
use secateur::prune::{self};
use secateur::spec::{
    Amount, Criterion, Decay, Init, Layer, Length, ModelSpec, NamedLayer, Normalise, Optimizer,
    PruneSpec, Schedule, Scope, Shape, TrainSpec,
};
use secateur::train::{
    EpochPoint, Key, Metrics, Part as Samples, Replicas, ResidentDataset, Snapshot, Trainer, scales,
};
use std::sync::Arc;

pub fn linear(features: usize, bias: bool) -> Layer {
    Layer::Linear { features, bias }
}

pub fn model(layers: Vec<Layer>, input: Shape, classes: usize) -> Arc<Model> {
    let spec = ModelSpec {
        name: "custom".to_owned(),
        layers: presets::with_names(layers),
        init: Init::Pytorch,
    };
    Arc::new(Model::new(&spec, input, classes).unwrap())
}

pub fn preset(name: &str) -> Model {
    let spec = ModelSpec {
        name: name.to_owned(),
        layers: presets::layers(name).expect("a preset"),
        init: Init::Pytorch,
    };
    Model::new(&spec, presets::input(name), 10).unwrap()
}

/// Tensor sizes that are multiples of nothing: 999, 27, 270 and 10.
pub fn odd_model() -> Arc<Model> {
    let layers = vec![linear(27, true), Layer::Relu, linear(10, true)];
    model(layers, Shape::flat(37), 10)
}

pub fn keys(count: usize) -> Vec<Key> {
    (0..count as u32)
        .map(|seed| Key {
            seed,
            ..Key::default()
        })
        .collect()
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
        mask: vec![u32::MAX; model.mask_words()],
    }
}

pub fn kept(mask: &[u32], index: usize) -> bool {
    mask[index / 32] >> (index % 32) & 1 == 1
}

/// What pruning must leave: in each group, of the weights that exist, the largest by absolute value, the lower index first
/// among equals.
pub fn by_sort(model: &Model, before: &Snapshot, spec: &PruneSpec) -> Snapshot {
    let mut after = before.clone();
    for group in prune::groups(model, spec).unwrap() {
        let tensors = group.tensors.iter().map(|&t| &model.tensors[t]);
        let mut there: Vec<usize> = tensors
            .flat_map(|t| t.offset..t.offset + t.count)
            .filter(|&i| kept(&before.mask, i))
            .collect();
        let size = |i: usize| before.weights[i].abs().to_bits();
        there.sort_by_key(|&i| (std::cmp::Reverse(size(i)), i));
        for &i in &there[group.keep as usize..] {
            after.mask[i / 32] &= !(1 << (i % 32));
            after.weights[i] = 0.0;
        }
    }
    after
}

/// First difference of two replicas, bit by bit.
pub fn difference(got: &Snapshot, want: &Snapshot) -> Option<String> {
    if let Some(i) = (0..want.mask.len() * 32).find(|&i| kept(&got.mask, i) != kept(&want.mask, i))
    {
        return Some(format!("weight {i}: kept is {}", kept(&got.mask, i)));
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

/// A dataset on the host and on the device.
pub struct World {
    pub data: Dataset,
    pub resident: ResidentDataset,
}

impl World {
    pub fn new(gpu: &Gpu, data: Dataset) -> Self {
        let resident = ResidentDataset::upload(gpu, &data).unwrap();
        Self { data, resident }
    }
    pub fn scales(&self) -> Vec<[f32; 2]> {
        scales(&Normalise::Measured, &self.data)
    }
}

pub fn flat_model() -> Arc<Model> {
    let layers = vec![
        Layer::Flatten,
        linear(17, true),
        Layer::Relu,
        linear(10, true),
    ];
    model(layers, Shape::new(1, SIDE, SIDE), 10)
}

/// Every kind of layer.
pub fn conv_model() -> Arc<Model> {
    let conv = |channels, kernel, stride, padding| Layer::Conv2d {
        channels,
        kernel,
        stride,
        padding,
        bias: true,
    };
    let layers = vec![
        conv(5, 3, 1, 1),
        Layer::Relu,
        Layer::MaxPool {
            window: 2,
            stride: 2,
        },
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
        linear(10, true),
    ];
    model(layers, Shape::new(1, SIDE, SIDE), 10)
}

/// A block with a shortcut by 1x1 convolution, then one whose shortcut is the value itself.
pub fn residual_model() -> Arc<Model> {
    let layer = |name: &str, from: Option<&str>, layer| NamedLayer {
        name: name.to_owned(),
        layer,
        from: from.map(str::to_owned),
    };
    let conv = |channels, kernel, stride| Layer::Conv2d {
        channels,
        kernel,
        stride,
        padding: kernel / 2,
        bias: false,
    };
    let add = |with: &str| Layer::Add {
        with: with.to_owned(),
    };
    let pool = Layer::AvgPool {
        window: None,
        stride: 1,
    };
    let spec = ModelSpec {
        name: "custom".to_owned(),
        layers: vec![
            layer("conv0", None, conv(4, 3, 1)),
            layer("bn0", None, Layer::BatchNorm),
            layer("relu0", None, Layer::Relu),
            layer("conv1", None, conv(6, 3, 2)),
            layer("relu1", None, Layer::Relu),
            layer("conv2", None, conv(6, 3, 1)),
            layer("bn2", None, Layer::BatchNorm),
            layer("short", Some("relu0"), conv(6, 1, 2)),
            layer("add1", Some("bn2"), add("short")),
            layer("relu2", None, Layer::Relu),
            layer("conv3", None, conv(6, 3, 1)),
            layer("add2", None, add("relu2")),
            layer("relu3", None, Layer::Relu),
            layer("pool", None, pool),
            layer("fc", None, linear(10, true)),
        ],
        init: Init::Pytorch,
    };
    Arc::new(Model::new(&spec, Shape::new(1, SIDE, SIDE), 10).unwrap())
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
        schedule: Schedule {
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

pub fn trainer<'a>(
    gpu: &'a Gpu,
    world: &'a World,
    replicas: &'a Replicas,
    specs: &'a [&'a TrainSpec],
    execution: Execution,
) -> Trainer<'a> {
    Trainer::new(
        gpu,
        replicas,
        &world.resident,
        specs,
        &world.scales(),
        &execution,
    )
    .unwrap()
}

pub fn usual(gpu: &Gpu) -> Execution {
    Execution::for_adapter(gpu.adapter())
}

/// Trains these replicas together; gives weights, masks and curves.
pub fn train(
    gpu: &Gpu,
    world: &World,
    model: &Arc<Model>,
    cohort: &[(Key, Snapshot, TrainSpec)],
    execution: Execution,
) -> Vec<(Snapshot, Vec<EpochPoint>)> {
    let keys: Vec<Key> = cohort.iter().map(|c| c.0).collect();
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
pub fn drawn(gpu: &Gpu, model: &Arc<Model>, key: Key, density: f64) -> Snapshot {
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
pub fn cohort(gpu: &Gpu, model: &Arc<Model>, clipped: bool) -> Vec<(Key, Snapshot, TrainSpec)> {
    (0..6u32)
        .map(|r| {
            let key = Key {
                seed: 100 + r,
                fresh: r % 2,
                train: r % 3,
                select: r,
            };
            let f = f64::from(r);
            let optimizer = sgd(0.02 * (1.0 + f), 0.15 * f, r % 2 == 1, 0.001 * f);
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
    members: &[(Key, Snapshot, TrainSpec)],
) -> Vec<Metrics> {
    let keys: Vec<Key> = members.iter().map(|m| m.0).collect();
    let replicas = Replicas::new(gpu, model.clone(), &keys).unwrap();
    let snapshots: Vec<&Snapshot> = members.iter().map(|m| &m.1).collect();
    replicas.upload(gpu, &snapshots).unwrap();
    let specs: Vec<&TrainSpec> = members.iter().map(|m| &m.2).collect();
    let trainer = trainer(gpu, world, &replicas, &specs, usual(gpu));
    trainer.evaluate(Samples::Test, &mut |_| true).unwrap()
}
