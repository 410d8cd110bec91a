//! Compaction: smaller tensors, the same function; and runs whose networks shrink on the way.

mod common;

use common::{Dice, Lab, assert_same, dataset, gpu, no_gpu, number};
use secateur::data::Dataset;
use secateur::gpu::Gpu;
use secateur::model::{Model, presets};
use secateur::ops::Execution;
use secateur::prune::{self, Compacted, compact};
use secateur::spec::{
    Amount, Criterion, Init, Layer, Length, ModelSpec, Optimizer, PruneSpec, Scope, Shape,
    TrainSpec, UnitAmount, UnitCriterion, UnitPrune, UnitScope,
};
use secateur::train::{Key, Part, Replicas, ResidentDataset, Snapshot, Trainer, scales};
use std::fs;
use std::sync::Arc;

fn preset(name: &str) -> ModelSpec {
    ModelSpec {
        name: name.to_owned(),
        layers: presets::layers(name).expect("a preset"),
        init: Init::Pytorch,
    }
}

fn custom(layers: Vec<Layer>) -> ModelSpec {
    ModelSpec {
        name: "custom".to_owned(),
        layers: presets::with_names(layers),
        init: Init::Pytorch,
    }
}

fn conv(channels: usize, padding: usize, bias: bool) -> Layer {
    Layer::Conv2d {
        channels,
        kernel: 3,
        stride: 1,
        padding,
        bias,
    }
}

fn linear(features: usize) -> Layer {
    Layer::Linear {
        features,
        bias: true,
    }
}

const POOL: Layer = Layer::MaxPool {
    window: 2,
    stride: 2,
};

/// Convolutions with batch normalisation, with and without biases, and a flattened plane.
fn vgg_like() -> ModelSpec {
    custom(vec![
        conv(6, 1, true),
        Layer::BatchNorm,
        Layer::Relu,
        POOL,
        conv(8, 0, false),
        Layer::BatchNorm,
        Layer::Relu,
        POOL,
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
    data: Dataset,
    resident: ResidentDataset,
}

impl<'a> Bench<'a> {
    fn new(gpu: &'a Gpu, side: usize) -> Self {
        let data = dataset(64, 16, side);
        let resident = ResidentDataset::upload(gpu, &data).unwrap();
        Self {
            gpu,
            data,
            resident,
        }
    }

    fn model(&self, spec: &ModelSpec) -> Arc<Model> {
        let input = Shape::new(1, self.data.height, self.data.width);
        Arc::new(Model::new(spec, input, 10).unwrap())
    }

    fn with<T>(
        &self,
        model: &Arc<Model>,
        snapshot: Option<&Snapshot>,
        run: impl FnOnce(&Replicas, &mut Trainer<'_>) -> T,
    ) -> T {
        let key = Key {
            seed: 5,
            ..Key::default()
        };
        let replicas = Replicas::new(self.gpu, model.clone(), &[key]).unwrap();
        match snapshot {
            Some(snapshot) => replicas.upload(self.gpu, &[snapshot]).unwrap(),
            None => replicas.initialise(self.gpu).unwrap(),
        }
        let train = training(4);
        let specs = [&train];
        let scales = scales(&train.normalise, &self.data);
        let execution = Execution::for_adapter(self.gpu.adapter());
        let trainer = Trainer::new(
            self.gpu,
            &replicas,
            &self.resident,
            &specs,
            &scales,
            &execution,
        );
        run(&replicas, &mut trainer.unwrap())
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
            trainer.evaluate(Part::Test, &mut |_| true).unwrap();
            trainer.logits().unwrap()
        })
    }

    fn pruned(
        &self,
        model: &Arc<Model>,
        snapshot: &Snapshot,
        prune: impl FnOnce(&Replicas),
    ) -> Snapshot {
        let replicas = Replicas::new(self.gpu, model.clone(), &[Key::default()]).unwrap();
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

fn exists(mask: &[u32], i: usize) -> bool {
    mask[i / 32] >> (i % 32) & 1 == 1
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
            let kept = all.filter(|&i| exists(&snapshot.mask, i));
            kept.map(|i| snapshot.weights[i].to_bits()).collect()
        };
        assert!((0..model.floats).any(|i| prunable(&i) && !exists(&masked.mask, i)));
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
            snapshot.mask[i / 32] &= !(1 << (i % 32));
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
    let mut dead = trained.clone();
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
    let padded = custom(vec![
        conv(4, 1, true),
        Layer::Relu,
        conv(5, 1, true),
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

const HEAD: &str = r#"
secateur = 1
seeds = 3
[model]
layers = [
  { conv2d = 6, kernel = 5, stride = 3 }, { layer = "batch_norm", name = "bn" }, "relu",
  { conv2d = 8, kernel = 3 }, "relu", "flatten", { linear = 12 }, "relu", { linear = 10 },
]
[train]
dataset = "mnist"
batch = 30
length = "12st"
optimizer = { kind = "sgd", lr = 0.1 }
validation = 64
"#;

const ARMS: &str = r#"
[[arm]]
name = "masked"
steps = [{ train = {} }, { prune = { structure = "units", criterion = "random", scope = "global", sparsity = 0.5 } }, { train = {} }]
[[arm]]
name = "compact"
steps = [{ train = {} }, { prune = { structure = "units", criterion = "random", scope = "global", sparsity = 0.5 } }, { compact = {} }, { train = {} }]
[[arm]]
name = "from scratch"
steps = [
  { train = {} }, { prune = { structure = "units", criterion = "random", scope = "global", sparsity = 0.5 } }, { compact = {} },
  { restart = "fresh" }, { train = {} },
]
[[arm]]
name = "twice"
steps = [
  { train = {} }, { prune = { structure = "units", criterion = "random", scope = "global", sparsity = 0.5 } }, { compact = {} }, { train = {} },
  { prune = { structure = "units", sparsity = 0.5 } }, { prune = { remaining = 0.7 } }, { compact = {} },
]
[[arm]]
name = "dense"
steps = [{ train = {} }, { train = {} }]
"#;

#[test]
fn runs_whose_networks_shrink_are_reported_and_resumed() {
    if no_gpu() {
        return;
    }
    let lab = Lab::with(&format!("{HEAD}{ARMS}"));
    lab.run("e.toml", "together", &[]).ok();
    lab.run("e.toml", "alone", &["--quiet", "--replicas", "1"])
        .ok();
    assert_same(&lab.contents("together"), &lab.contents("alone"), "cohorts");
    let rows = lab.results("together");
    assert_eq!(rows.len(), 15);
    let of = |arm: &str, seed: usize| {
        let seed = seed.to_string();
        let found = rows.iter().find(|r| r["arm"] == arm && r["seed"] == seed);
        found.unwrap()
    };
    for seed in 0..3 {
        let [masked, small, fresh, twice, dense] =
            ["masked", "compact", "from scratch", "twice", "dense"].map(|arm| of(arm, seed));
        let parameters = |row| number(row, "parameters");
        assert_eq!(parameters(masked), parameters(dense));
        assert_eq!(
            number(masked, "multiply_adds"),
            number(dense, "multiply_adds")
        );
        assert!(parameters(small) < 0.7 * parameters(dense));
        assert!(number(small, "multiply_adds") < 0.7 * number(dense, "multiply_adds"));
        assert_eq!(parameters(small), parameters(fresh));
        assert!(parameters(twice) < 0.7 * parameters(small));
        // The same weights are left, be they in smaller tensors or not.
        assert_eq!(masked["density"], small["density"]);
        assert_eq!(masked["density_conv2"], small["density_conv2"]);
        assert_ne!(small["weights_digest"], fresh["weights_digest"]);
        for row in [masked, small, fresh, twice, dense] {
            assert_eq!(row["mask_violations"], "0");
        }
    }
    // Which units are left is each seed's own, so seeds end in different shapes.
    let sizes = [0, 1, 2].map(|seed| of("compact", seed)["parameters"].clone());
    assert!(sizes.iter().any(|size| *size != sizes[0]), "{sizes:?}");
    // A compacted run's files hold its tensors as they are.
    let weights = lab.path("together/weights");
    let file = fs::read_dir(weights).unwrap().map(|f| f.unwrap().path());
    let file = file
        .filter(|f| f.display().to_string().contains("from"))
        .min()
        .unwrap();
    let bytes = fs::read(file).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let shape = tensors.tensor("conv1.weight").unwrap().shape().to_vec();
    assert!(shape[0] < 6 && shape[1..] == [1, 5, 5], "{shape:?}");

    // Again with nothing to do; then without what some runs ended with, and without every other stage.
    let before = lab.contents("together");
    lab.run("e.toml", "together", &["--quiet"]).ok();
    assert_same(&before, &lab.contents("together"), "nothing to do");
    let stages = lab.path("together/stages");
    let mut files: Vec<_> = fs::read_dir(stages)
        .unwrap()
        .map(|f| f.unwrap().path())
        .collect();
    files.sort();
    for keep in 0..2 {
        for file in files.iter().skip(keep).step_by(2) {
            fs::remove_file(file).unwrap();
        }
        lab.run("e.toml", "together", &["--quiet", "--replicas", "2"])
            .ok();
        assert_same(&before, &lab.contents("together"), "resumed");
    }
}

#[test]
fn what_a_smaller_network_cannot_do_is_refused() {
    let prune = "{ prune = { structure = \"units\", sparsity = 0.5 } }";
    let cases = [
        (
            format!("{{ train = {{}} }}, {prune}, {{ compact = {{}} }}, {{ restart = \"init\" }}, {{ train = {{}} }}"),
            "restart first and compact then",
        ),
        (
            "{ train = {} }, { compact = {} }, { train = {} }".to_owned(),
            "there is no mask at this point",
        ),
        (
            format!("{{ train = {{}} }}, {prune}, {{ compact = {{ keep = 3 }} }}"),
            "unknown key `keep` in `compact`",
        ),
        (
            format!("{{ train = {{}} }}, {prune}, {{ compct = {{}} }}"),
            "did you mean `compact`?",
        ),
        (
            "{ train = {} }, { prune = { structure = \"units\", criterion = \"magnitude\", sparsity = 0.5 } }".to_owned(),
            "unknown criterion \"magnitude\"",
        ),
        (
            "{ train = {} }, { prune = { structure = \"unit\", sparsity = 0.5 } }".to_owned(),
            "did you mean `units`?",
        ),
    ];
    for (steps, words) in cases {
        let lab = Lab::with(&format!("{HEAD}[[arm]]\nname = \"a\"\nsteps = [{steps}]\n"));
        let file = lab.path("e.toml").display().to_string();
        let done = common::secateur(["check", &file]);
        assert_eq!(done.code, Some(2), "{steps}: {}", done.stdout);
        let text: String = done.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(words), "{steps}: {}", done.stderr);
    }
}
