//! Compaction: smaller tensors, the same function; and runs whose networks shrink on the way.

use crate::common::{
    Dice, World, bare, build, chain, conv, dataset, gpu, key, linear, max_pool, preset, trainer,
    usual,
};
use secateur::gpu::Gpu;
use secateur::model::Model;
use secateur::prune::{self, Compacted, compact};
use secateur::spec::{
    Amount, Criterion, Layer, Length, ModelSpec, Optimizer, PruneSpec, Scope, Shape, TrainSpec,
    UnitAmount, UnitCriterion, UnitPrune, UnitScope,
};
use secateur::train::{EvalSplit, RandomKey, Replicas, Snapshot, Trainer};
use std::sync::Arc;

/// Convolutions with batch normalisation, with and without biases, and a flattened plane.
fn vgg_like() -> ModelSpec {
    chain(vec![
        conv(6, 3, 1, 1),
        Layer::BatchNorm,
        Layer::Relu,
        max_pool(2),
        bare(conv(8, 3, 1, 0)),
        Layer::BatchNorm,
        Layer::Relu,
        max_pool(2),
        Layer::Flatten,
        linear(14),
        Layer::Tanh,
        linear(10),
    ])
}

fn training(steps: u32) -> TrainSpec {
    TrainSpec {
        validation: 8,
        ..TrainSpec::plain("spots", 16, Length::Steps(steps), Optimizer::sgd(0.05, 0.9))
    }
}

struct Bench<'a> {
    gpu: &'a Gpu,
    world: World,
}

impl<'a> Bench<'a> {
    fn new(gpu: &'a Gpu, side: usize) -> Self {
        let world = World::new(gpu, dataset(64, 16, side));
        Self { gpu, world }
    }

    fn model(&self, spec: &ModelSpec) -> Arc<Model> {
        let data = &self.world.data;
        build(spec, Shape::new(1, data.height, data.width))
    }

    fn with<T>(
        &self,
        model: &Arc<Model>,
        snapshot: Option<&Snapshot>,
        run: impl FnOnce(&Replicas, &mut Trainer<'_>) -> T,
    ) -> T {
        let replicas = Replicas::new(self.gpu, model.clone(), &[key(5)]).unwrap();
        match snapshot {
            Some(snapshot) => replicas.upload(self.gpu, &[snapshot]).unwrap(),
            None => replicas.initialise(self.gpu).unwrap(),
        }
        let train = training(4);
        let specs = [&train];
        let mut trainer = trainer(self.gpu, &self.world, &replicas, &specs, usual(self.gpu));
        run(&replicas, &mut trainer)
    }

    /// Weights after a few steps, so that running statistics and biases are not those of a fresh network.
    fn trained(&self, model: &Arc<Model>, from: Option<&Snapshot>) -> Snapshot {
        self.with(model, from, |replicas, trainer| {
            trainer.train(None, &mut |_| true).unwrap();
            replicas.download(self.gpu).unwrap().remove(0)
        })
    }

    /// Of the 16 test samples, `[class][sample]`.
    fn logits(&self, model: &Arc<Model>, snapshot: &Snapshot) -> Vec<f32> {
        self.with(model, Some(snapshot), |_, trainer| {
            trainer.evaluate(EvalSplit::Test, &mut |_| true).unwrap();
            trainer.logits().unwrap()
        })
    }

    fn pruned(
        &self,
        model: &Arc<Model>,
        snapshot: &Snapshot,
        prune: impl FnOnce(&Replicas),
    ) -> Snapshot {
        let replicas = Replicas::new(self.gpu, model.clone(), &[RandomKey::default()]).unwrap();
        replicas.upload(self.gpu, &[snapshot]).unwrap();
        prune(&replicas);
        replicas.download(self.gpu).unwrap().remove(0)
    }

    fn without_units(&self, model: &Arc<Model>, snapshot: &Snapshot, density: f64) -> Snapshot {
        self.pruned(model, snapshot, |replicas| {
            let amount = UnitAmount::Count(Amount::Density(density));
            let spec = UnitPrune::new(UnitCriterion::L2, UnitScope::Layer, amount);
            prune::prune_units(self.gpu, replicas, &[&spec], None, &mut |_| true).unwrap();
        })
    }
}

fn widths(model: &Model) -> Vec<usize> {
    let mixing = model.layers.iter().filter(|l| l.operator.mixes_channels());
    mixing.map(|l| l.output.channels).collect()
}

fn largest(a: &[f32], b: &[f32]) -> f64 {
    let pairs = a.iter().zip(b);
    let each = pairs.map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
    each.fold(0.0, f64::max)
}

/// Units that were pruned whole take nothing with them: the sums are the same but for zeros, so the bits are, and the weights that
/// are left stand in their order.
#[test]
fn a_network_without_its_pruned_units_gives_the_same_bits() {
    let Some(gpu) = gpu() else { return };
    let cases = [
        ("lenet-300-100", 28, preset("lenet-300-100")),
        ("mnist-cnn", 28, preset("mnist-cnn")),
        ("vgg-like", 16, vgg_like()),
        ("resnet-20", 16, preset("resnet-20")),
    ];
    for (name, side, spec) in cases {
        let bench = Bench::new(gpu, side);
        let model = bench.model(&spec);
        let trained = bench.trained(&model, None);
        let masked = bench.without_units(&model, &trained, 0.5);
        let small = compact(&spec, &model, &masked).unwrap();
        let mut halves: Vec<usize> = widths(&model).iter().map(|n| n / 2).collect();
        *halves.last_mut().unwrap() = 10;
        assert_eq!(widths(&small.model), halves, "{name}");
        let prunable = |i: &usize| {
            let of = |t: &&secateur::model::Tensor| (t.offset..t.offset + t.count).contains(i);
            model.tensors.iter().find(of).is_some_and(|t| t.prunable)
        };
        let weights = |model: &Model, snapshot: &Snapshot| -> Vec<u32> {
            let tensors = model.tensors.iter().filter(|t| t.prunable);
            let all = tensors.flat_map(|t| t.offset..t.offset + t.count);
            let kept = all.filter(|&i| snapshot.mask.keeps(i));
            kept.map(|i| snapshot.weights[i].to_bits()).collect()
        };
        assert!((0..model.floats).any(|i| prunable(&i) && !masked.mask.keeps(i)));
        assert_eq!(
            weights(&model, &masked),
            weights(&small.model, &small.snapshot),
            "{name}"
        );
        let whole = bench.logits(&model, &masked);
        let logits = bench.logits(&small.model, &small.snapshot);
        assert_ne!(whole, bench.logits(&model, &trained), "{name}");
        println!("{name}: largest difference {:e}", largest(&whole, &logits));
        assert_eq!(whole, logits, "{name}");
        // Nothing is left to remove.
        let again = compact(&small.spec, &small.model, &small.snapshot).unwrap();
        assert_eq!(widths(&again.model), widths(&small.model), "{name}");
        assert_eq!(again.snapshot, small.snapshot, "{name}");
        // And it trains on.
        let after = bench.trained(&small.model, Some(&small.snapshot));
        assert!(after.weights.iter().all(|w| w.is_finite()), "{name}");
        assert_ne!(after, small.snapshot, "{name}");
    }
}

/// Single weights are pruned until units die; what they still say is moved into biases. A logit is a sum of a few hundred products
/// of numbers near 1: 1e-5 is a hundred roundings.
#[test]
fn units_that_died_are_folded_into_their_readers() {
    let Some(gpu) = gpu() else { return };
    let cases = [
        ("lenet-300-100", 28, preset("lenet-300-100"), 0.01),
        ("vgg-like", 16, vgg_like(), 0.12),
    ];
    for (name, side, spec, density) in cases {
        let bench = Bench::new(gpu, side);
        let model = bench.model(&spec);
        let trained = bench.trained(&model, None);
        let masked = bench.pruned(&model, &trained, |replicas| {
            let spec = PruneSpec::new(
                Criterion::Magnitude,
                Scope::Uniform,
                Amount::Density(density),
            );
            prune::prune(gpu, replicas, &[&spec]).unwrap();
        });
        let small = compact(&spec, &model, &masked).unwrap();
        println!(
            "{name}: {:?} became {:?}",
            widths(&model),
            widths(&small.model)
        );
        assert!(small.model.parameters() < model.parameters(), "{name}");
        let (whole, logits) = (
            bench.logits(&model, &masked),
            bench.logits(&small.model, &small.snapshot),
        );
        let off = largest(&whole, &logits);
        println!("{name}: largest difference {off:e}");
        assert!(off < 1e-5, "{name}: {off}");
    }
}

/// Clears the mask, and the weights, of some indices of a tensor.
fn cut(
    model: &Model,
    snapshot: &mut Snapshot,
    tensor: &str,
    wanted: impl Fn(usize, usize) -> bool,
) {
    let t = model.tensors.iter().find(|t| t.name == tensor).unwrap();
    let inner: usize = t.shape[2..].iter().product();
    for k in 0..t.count {
        let (row, column) = (k / inner / t.shape[1], k / inner % t.shape[1]);
        if wanted(row, column) {
            let i = t.offset + k;
            snapshot.mask.remove(i);
            snapshot.weights[i] = 0.0;
        }
    }
}

fn compacted(spec: &ModelSpec, model: &Model, snapshot: &Snapshot) -> Compacted {
    compact(spec, model, snapshot).unwrap()
}

/// A constant goes into a bias, into a running mean where there is no bias, and nowhere where a reader pads: but for 0.
#[test]
fn constants_go_where_they_can() {
    let Some(gpu) = gpu() else { return };
    let bench = Bench::new(gpu, 16);
    let spec = vgg_like();
    let model = bench.model(&spec);
    let trained = bench.trained(&model, None);
    // conv1's third channel says what its batch normalisation makes of its bias; conv2 has none, but a batch normalisation.
    let mut dead = trained;
    cut(&model, &mut dead, "conv1.weight", |row, _| row == 2);
    let shift = model.tensors.iter().find(|t| t.name == "bn1.bias").unwrap();
    dead.weights[shift.offset + 2] = 0.75;
    let small = compacted(&spec, &model, &dead);
    assert_eq!(widths(&small.model), [5, 8, 14, 10]);
    let off = largest(
        &bench.logits(&model, &dead),
        &bench.logits(&small.model, &small.snapshot),
    );
    println!("folded into a running mean: {off:e}");
    assert!(off < 1e-5, "{off}");
    // Likewise conv2's second channel, 9 pixels of which fc1 reads, into fc1's bias; and the chain behind a neuron that dies of it.
    cut(&model, &mut dead, "conv2.weight", |row, _| row == 1);
    cut(&model, &mut dead, "fc1.weight", |row, column| {
        row == 3 && column / 9 != 1
    });
    let small = compacted(&spec, &model, &dead);
    assert_eq!(widths(&small.model), [5, 7, 13, 10]);
    let off = largest(
        &bench.logits(&model, &dead),
        &bench.logits(&small.model, &small.snapshot),
    );
    println!("folded into biases, two deep: {off:e}");
    assert!(off < 1e-5, "{off}");

    // A reader that pads sees the constant's border: it stays, unless it is 0.
    let padded = chain(vec![
        conv(4, 3, 1, 1),
        Layer::Relu,
        conv(5, 3, 1, 1),
        Layer::Relu,
        linear(10),
    ]);
    let model = bench.model(&padded);
    let mut dead = bench.trained(&model, None);
    cut(&model, &mut dead, "conv1.weight", |row, _| row < 2);
    let bias = model
        .tensors
        .iter()
        .find(|t| t.name == "conv1.bias")
        .unwrap();
    dead.weights[bias.offset] = -0.5;
    dead.weights[bias.offset + 1] = 0.5;
    let small = compacted(&padded, &model, &dead);
    assert_eq!(widths(&small.model), [3, 5, 10]);
    let whole = bench.logits(&model, &dead);
    assert_eq!(whole, bench.logits(&small.model, &small.snapshot));
}

/// A network that lost everything keeps one unit of each group.
#[test]
fn one_unit_of_each_group_stays() {
    let Some(gpu) = gpu() else { return };
    let bench = Bench::new(gpu, 16);
    let spec = vgg_like();
    let model = bench.model(&spec);
    let mut dice = Dice(3);
    let mut dead = bench.trained(&model, None);
    for tensor in ["conv1.weight", "conv2.weight", "fc1.weight", "fc2.weight"] {
        cut(&model, &mut dead, tensor, |_, _| true);
    }
    for w in &mut dead.weights {
        *w *= 1.0 + 0.1 * dice.unit();
    }
    let small = compacted(&spec, &model, &dead);
    assert_eq!(widths(&small.model), [1, 1, 1, 10]);
    let whole = bench.logits(&model, &dead);
    assert_eq!(whole, bench.logits(&small.model, &small.snapshot));
}
