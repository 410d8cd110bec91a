//! The contracts on masks, counts, audits and cohorts, at the library's own doors; each on the adapter, against plain Rust.

mod common;

use common::{Dice, dataset, gpu, no_gpu, own_gpu};
use secateur::data::Dataset;
use secateur::gpu::{Gpu, Program};
use secateur::model::{Init, Layer, Model, ModelSpec, NamedLayer, Shape, presets};
use secateur::ops::{Execution, SparseRule, Variant};
use secateur::prune::{
    self, Amount, Criterion, Norms, Part, PruneError, PruneSpec, Sap, Scope, Segment,
    kept_per_tensor,
};
use secateur::train::{
    Augment, BestBy, Decay, DecayOn, Demand, EpochPoint, Fill, Keep, Key, Length, Memory, Metrics,
    Normalise, Optimizer, Part as Samples, Progress, Replicas, ResidentDataset, Schedule, Snapshot,
    Stopping, TrainError, TrainSpec, Trainer, scales,
};
use std::sync::Arc;

// ---------------------------------------------------------------------------------------------------------------- models

fn linear(features: usize, bias: bool) -> Layer {
    Layer::Linear { features, bias }
}

fn model(layers: Vec<Layer>, input: Shape, classes: usize) -> Arc<Model> {
    let spec = ModelSpec {
        name: "custom".to_owned(),
        layers: presets::with_names(layers),
        init: Init::Pytorch,
    };
    Arc::new(Model::new(&spec, input, classes).unwrap())
}

fn preset(name: &str) -> Model {
    let spec = ModelSpec {
        name: name.to_owned(),
        layers: presets::layers(name).expect("a preset"),
        init: Init::Pytorch,
    };
    Model::new(&spec, presets::input(name), 10).unwrap()
}

/// Tensor sizes that are multiples of nothing: 999, 27, 270 and 10.
fn odd_model() -> Arc<Model> {
    let layers = vec![linear(27, true), Layer::Relu, linear(10, true)];
    model(layers, Shape::flat(37), 10)
}

fn weights_per_tensor(model: &Model) -> Vec<(String, usize)> {
    let weights = model.tensors.iter().filter(|t| t.prunable);
    weights.map(|t| (t.layer.clone(), t.count)).collect()
}

#[test]
fn presets_have_the_published_sizes() {
    let lenet = preset("lenet-300-100");
    assert_eq!((lenet.parameters(), lenet.prunable()), (266_610, 266_200));
    assert_eq!(lenet.multiply_adds(), 266_200);

    let cnn = preset("mnist-cnn");
    assert_eq!((cnn.parameters(), cnn.prunable()), (1_199_882, 1_199_648));
    let sizes: Vec<usize> = weights_per_tensor(&cnn).iter().map(|w| w.1).collect();
    assert_eq!(sizes, [288, 18_432, 1_179_648, 1_280]);
    // 26 x 26 x 288 + 24 x 24 x 18,432 + the two linear layers.
    assert_eq!(cnn.multiply_adds(), 194_688 + 10_616_832 + 1_180_928);

    // (name, parameters that are trained, weights, multiply-adds)
    let sizes = [
        ("lenet-300-100", 266_610, 266_200, 266_200),
        ("lenet-5", 61_706, 61_470, 416_520),
        ("lenet-5-caffe", 431_080, 430_500, 2_293_000),
        ("mlp-1000", 2_386_000, 2_386_000, 2_386_000),
        ("mnist-cnn", 1_199_882, 1_199_648, 11_992_448),
        ("cifar-cnn-17m", 17_192_650, 17_188_544, 56_336_384),
        ("cifar-cnn-768k", 767_936, 767_936, 71_214_336),
        ("conv-2", 4_301_642, 4_300_992, 43_780_608),
        ("conv-4", 2_425_930, 2_425_024, 98_306_560),
        ("conv-6", 2_262_602, 2_261_184, 153_881_088),
        ("vgg-11-bn", 9_231_114, 9_222_848, 152_769_536),
        ("vgg-16-bn", 14_728_266, 14_715_584, 313_201_664),
        // 270,896 and 851,504 weights and these multiply-adds are those of the published networks.
        ("resnet-20", 272_474, 270_896, 40_813_184),
        ("resnet-56", 855_770, 851_504, 125_747_840),
        ("resnet-18", 11_173_962, 11_164_352, 555_422_720),
    ];
    let named: Vec<&str> = sizes.iter().map(|size| size.0).collect();
    assert_eq!(named, presets::names(), "a new preset needs its sizes here");
    for (name, parameters, weights, multiply_adds) in sizes {
        let model = preset(name);
        assert_eq!(model.parameters(), parameters, "{name}");
        assert_eq!(model.prunable(), weights, "{name}");
        assert_eq!(model.multiply_adds(), multiply_adds, "{name}");
    }
    // Two numbers for each channel of the 19 convolutions and 2 shortcuts.
    assert_eq!(preset("resnet-20").statistics(), 1_568);
}

#[test]
fn graphs_that_mean_nothing_are_refused_by_name() {
    let conv = |channels| Layer::Conv2d {
        channels,
        kernel: 1,
        stride: 1,
        padding: 0,
        bias: true,
    };
    let add = |with: &str| Layer::Add {
        with: with.to_owned(),
    };
    // conv1, conv2, add1, fc1, with changes.
    let refusal = |change: fn(&mut Vec<NamedLayer>), with: &str| {
        let layers = vec![conv(4), conv(4), add(with), linear(10, true)];
        let mut layers = presets::with_names(layers);
        change(&mut layers);
        let spec = ModelSpec {
            name: "custom".to_owned(),
            layers,
            init: Init::Pytorch,
        };
        let model = Model::new(&spec, Shape::new(1, 5, 5), 10);
        model.err().map(|e| e.to_string())
    };
    assert_eq!(refusal(|_| {}, "conv1"), None);
    let says = |refusal: Option<String>, words: &[&str]| {
        let text = refusal.expect("a refusal");
        for word in words {
            assert!(text.contains(word), "{word:?} is not in {text:?}");
        }
    };
    let unequal = refusal(|_| {}, "input");
    says(unequal, &["add1", "input (1x5x5)", "conv2 (4x5x5)"]);
    says(refusal(|_| {}, "fc1"), &["add1", "fc1", "no earlier layer"]);
    let unread = refusal(|layers| layers[3].from = Some("conv2".to_owned()), "conv1");
    says(unread, &["add1", "no layer reads"]);
}

/// Two slots for the gradients of a sequential model, and one more for each value that waits for its readers.
#[test]
fn gradients_take_as_few_slots_as_are_alive_at_once() {
    let slots = |model: &Model| {
        let memory = Memory::plan(model, &Demand::of_batch(8));
        let names = memory.buffers.iter().map(|(name, _)| name);
        names
            .filter(|name| name.contains("activation gradients"))
            .count()
    };
    assert_eq!(slots(&preset("lenet-5")), 2);
    assert_eq!(slots(&conv_model()), 2);
    assert_eq!(slots(&residual_model()), 3);
}

// -------------------------------------------------------------------------------------------------------------- selection

fn keys(count: usize) -> Vec<Key> {
    (0..count as u32)
        .map(|seed| Key {
            seed,
            ..Key::default()
        })
        .collect()
}

fn spec(scope: Scope, amount: Amount) -> PruneSpec {
    PruneSpec::new(Criterion::Magnitude, scope, amount)
}

/// A replica with these numbers in every tensor, and a full mask.
fn filled(model: &Model, mut number: impl FnMut() -> f32) -> Snapshot {
    let mut weights = vec![0.0; model.floats];
    for tensor in &model.tensors {
        weights[tensor.offset..][..tensor.count].fill_with(&mut number);
    }
    Snapshot {
        weights,
        mask: vec![u32::MAX; model.mask_words()],
    }
}

fn kept(mask: &[u32], index: usize) -> bool {
    mask[index / 32] >> (index % 32) & 1 == 1
}

/// What pruning must leave: in each group, of the weights that exist, the largest by absolute value, the lower index first
/// among equals.
fn by_sort(model: &Model, before: &Snapshot, spec: &PruneSpec) -> Snapshot {
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
fn difference(got: &Snapshot, want: &Snapshot) -> Option<String> {
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

fn on_gpu(gpu: &Gpu, model: &Arc<Model>, snapshots: &[Snapshot]) -> Replicas {
    let replicas = Replicas::new(gpu, model.clone(), &keys(snapshots.len())).unwrap();
    let all: Vec<&Snapshot> = snapshots.iter().collect();
    replicas.upload(gpu, &all).unwrap();
    replicas
}

/// Prunes replicas together, each by its own amount, and compares masks and weights with a sort, bit by bit.
fn prune_and_compare(gpu: &Gpu, model: &Arc<Model>, before: &[Snapshot], specs: &[PruneSpec]) {
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

const TINY: f32 = f32::from_bits(1);

/// Weights that break selections: ties without end, zeros of both signs, numbers too small to be normal, infinities.
fn adversaries(model: &Model) -> Vec<(&'static str, Snapshot)> {
    let mut dice = Dice(1);
    let mut from = |list: &'static [f32]| {
        let mut own = Dice(dice.next());
        filled(model, move || list[own.below(list.len() as u64) as usize])
    };
    let mut random = Dice(2);
    let mut steep = Dice(3);
    vec![
        ("all equal", from(&[0.5])),
        ("all zero", from(&[0.0])),
        ("zeros of both signs", from(&[0.0, -0.0])),
        (
            "ones of both signs and zeros",
            from(&[1.0, -1.0, 0.0, -0.0]),
        ),
        ("three sizes", from(&[0.25, -0.25, 0.5, -0.5, 1.0])),
        (
            "the smallest there are",
            from(&[TINY, -TINY, 2.0 * TINY, 3.0 * TINY, f32::MIN_POSITIVE, -0.0]),
        ),
        (
            "the largest there are",
            from(&[f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, 1.0]),
        ),
        ("random", filled(model, || random.unit())),
        (
            "of all sizes",
            filled(model, || {
                steep.unit() * (steep.below(70) as f32 - 40.0).exp2()
            }),
        ),
    ]
}

#[test]
fn pruning_keeps_the_largest_of_adversarial_weights() {
    let Some(gpu) = gpu() else { return };
    let model = odd_model();
    let all = model.prunable() as u64;
    for (name, snapshot) in adversaries(&model) {
        println!("{name}");
        // Eight replicas that start alike and keep different numbers.
        let amounts = [0, 1, 31, all / 3, all / 2, all - 32, all - 1, all];
        let specs = amounts.map(|keep| spec(Scope::Global, Amount::Keep(keep)));
        prune_and_compare(gpu, &model, &vec![snapshot.clone(); 8], &specs);
        for scope in [Scope::Layer, Scope::Uniform] {
            let amounts = [0.0, 1.0, 0.9, 0.975, 0.3333, 0.5];
            let specs = amounts.map(|s| spec(scope, Amount::Sparsity(s)));
            prune_and_compare(gpu, &model, &vec![snapshot.clone(); 6], &specs);
        }
    }
}

#[test]
fn counts_are_exact_in_every_scope() {
    let Some(gpu) = gpu() else { return };
    let model = odd_model();
    let mut dice = Dice(4);
    let before = filled(&model, || dice.unit());
    for (scope, amount, want) in [
        (Scope::Global, Amount::Keep(17), None),
        (Scope::Global, Amount::Density(0.1), None),
        // 999 / 2 and 270 / 2, halves to even: 499.5 removed becomes 500.
        (Scope::Layer, Amount::Sparsity(0.5), Some([499, 135])),
        (Scope::Layer, Amount::Density(0.01), Some([10, 3])),
        // 127 of 1,269: shares 99.98 and 27.02.
        (Scope::Uniform, Amount::Keep(127), Some([100, 27])),
        (Scope::Uniform, Amount::Keep(1), Some([1, 0])),
        // 0.025 x 1,269 = 31.725 -> 32: shares 25.19 and 6.81.
        (Scope::Uniform, Amount::Sparsity(0.975), Some([25, 7])),
    ] {
        let replicas = on_gpu(gpu, &model, std::slice::from_ref(&before));
        prune::prune(gpu, &replicas, &[&spec(scope, amount)]).unwrap();
        let after = &replicas.download(gpu).unwrap()[0];
        let counts = kept_per_tensor(&model, &after.mask);
        let [fc1, bias1, fc2, bias2] = counts[..] else {
            panic!("{counts:?}")
        };
        assert_eq!([bias1, bias2], [27, 10], "biases are never pruned");
        match (amount, want) {
            (_, Some(want)) => assert_eq!([fc1, fc2], want, "{scope:?} {amount:?}"),
            (Amount::Keep(keep), _) => assert_eq!(fc1 + fc2, keep),
            (Amount::Density(density), _) => {
                assert_eq!(fc1 + fc2, (density * 1269.0).round() as u64);
            }
            _ => unreachable!(),
        }
        let zeros = |t: usize| {
            let tensor = &model.tensors[t];
            let own = &after.weights[tensor.offset..][..tensor.count];
            own.iter().filter(|w| w.to_bits() == 0).count() as u64
        };
        assert_eq!(
            (zeros(0), zeros(2)),
            (999 - fc1, 270 - fc2),
            "all others are 0"
        );
    }
}

/// Lottery tickets of LeNet-300-100 (Frankle and Carbin 2019): 20 % of what is left each round, 10 % in the output layer. The percentages
/// are theirs.
#[test]
fn rounds_of_what_remains_are_the_published_densities() {
    let model = preset("lenet-300-100");
    let step = |share, layers: &[&str]| PruneSpec {
        layers: Some(layers.iter().map(|&l| l.to_owned()).collect()),
        ..spec(Scope::Layer, Amount::Remaining(share))
    };
    let steps = [step(0.8, &["fc1", "fc2"]), step(0.9, &["fc3"])];
    let mut alive: Vec<u64> = model.tensors.iter().map(|t| t.count as u64).collect();
    let published = [
        80.0, 64.1, 51.3, 41.0, 32.9, 26.3, 21.1, 16.9, 13.5, 10.8, 8.7, 7.0,
    ];
    for (round, percent) in (1..).zip(published) {
        for step in &steps {
            for group in prune::groups_of(&model, step, &alive).unwrap() {
                alive[group.tensors[0]] = group.keep;
            }
        }
        let left: u64 = [0, 2, 4].iter().map(|&t| alive[t]).sum();
        let (hidden, output) = (0.8f64.powi(round), 0.9f64.powi(round));
        // Each layer rounds in each round.
        assert!(
            (left as f64 - 265_200.0 * hidden - 1000.0 * output).abs() < 5.0,
            "{left}"
        );
        let share = 100.0 * left as f64 / 266_200.0;
        assert!((share - percent).abs() < 0.06, "{share}, not {percent}");
    }
}

/// (in + out) / (in out) of each layer times one factor, none above 1, and the total exact.
#[test]
fn erdos_renyi_densities_are_solved_exactly() {
    let cnn = preset("mnist-cnn");
    let weights: Vec<_> = cnn.tensors.iter().filter(|t| t.prunable).collect();
    let all = cnn.prunable() as u64;
    for (scope, kernels) in [(Scope::Er, 0.0), (Scope::Erk, 1.0)] {
        for keep in [0, 1, 500, 29_991, 95_972, all / 2, all - 1, all] {
            let groups = prune::groups(&cnn, &spec(scope, Amount::Keep(keep))).unwrap();
            assert_eq!(
                groups.iter().map(|g| g.keep).sum::<u64>(),
                keep,
                "{scope:?}"
            );
            let mut factors = Vec::new();
            for (group, t) in groups.iter().zip(&weights) {
                assert!(group.keep <= t.count as u64);
                if group.keep < t.count as u64 && keep > 1000 {
                    let size = |d: usize| t.shape.get(d).map_or(0.0, |&n| n as f64);
                    let sides = size(0) + size(1) + kernels * (size(2) + size(3));
                    let product = if kernels > 0.0 {
                        t.count as f64
                    } else {
                        size(0) * size(1)
                    };
                    let density = |kept: f64| kept / t.count as f64 * product / sides;
                    let (low, high) = (group.keep as f64 - 1.0, group.keep as f64 + 1.0);
                    factors.push((density(low), density(high)));
                }
            }
            let low = factors.iter().map(|f| f.0).fold(0.0, f64::max);
            let high = factors.iter().map(|f| f.1).fold(f64::INFINITY, f64::min);
            assert!(low <= high, "{scope:?} {keep}: no one factor, {factors:?}");
        }
    }
    // conv1 is full at 8 %, and the others share what it leaves.
    let groups = prune::groups(&cnn, &spec(Scope::Erk, Amount::Keep(95_972))).unwrap();
    assert_eq!(groups[0].keep, 288);
}

#[test]
fn layers_kept_dense_count_towards_the_total() {
    let cnn = preset("mnist-cnn");
    let dense = |scope, keep| PruneSpec {
        keep_dense: vec!["fc2".to_owned()],
        ..spec(scope, Amount::Keep(keep))
    };
    for scope in [Scope::Global, Scope::Uniform, Scope::Er, Scope::Erk] {
        let groups = prune::groups(&cnn, &dense(scope, 29_991)).unwrap();
        assert_eq!(groups.iter().map(|g| g.keep).sum::<u64>(), 29_991 - 1_280);
        let last = cnn.tensors.iter().rposition(|t| t.prunable).unwrap();
        assert!(groups.iter().all(|g| !g.tensors.contains(&last)));
    }
    let error = prune::groups(&cnn, &dense(Scope::Global, 1_279)).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("1280") && text.contains("1279"), "{text}");
}

/// The lowest of what is there, as many in each layer as the criterion keeps of the largest, also on the way there.
#[test]
fn inverted_pruning_keeps_the_lowest_with_the_same_counts() {
    let Some(gpu) = gpu() else { return };
    let model = odd_model();
    let mut dice = Dice(14);
    let mut before = filled(&model, || dice.unit());
    // A few are gone already.
    for i in (0..400).step_by(7) {
        before.mask[i / 32] &= !(1 << (i % 32));
        before.weights[i] = 0.0;
    }
    for (scope, iterations) in [(Scope::Global, 1), (Scope::Global, 3), (Scope::Erk, 1)] {
        let plain = PruneSpec {
            iterations,
            ..spec(scope, Amount::Keep(300))
        };
        let inverted = PruneSpec {
            invert: true,
            ..plain.clone()
        };
        let prune = |spec: &PruneSpec| {
            let replicas = on_gpu(gpu, &model, std::slice::from_ref(&before));
            prune::prune(gpu, &replicas, &[spec]).unwrap();
            replicas.download(gpu).unwrap().remove(0)
        };
        let counts = kept_per_tensor(&model, &prune(&plain).mask);
        let after = prune(&inverted);
        assert_eq!(kept_per_tensor(&model, &after.mask), counts, "{scope:?}");
        let mut want = before.clone();
        for (tensor, &keep) in model
            .tensors
            .iter()
            .zip(&counts)
            .filter(|(t, _)| t.prunable)
        {
            let mut there: Vec<usize> = (tensor.offset..tensor.offset + tensor.count)
                .filter(|&i| kept(&before.mask, i))
                .collect();
            there.sort_by_key(|&i| (before.weights[i].abs().to_bits(), i));
            for &i in &there[keep as usize..] {
                want.mask[i / 32] &= !(1 << (i % 32));
                want.weights[i] = 0.0;
            }
        }
        assert_eq!(difference(&after, &want), None, "{scope:?}, {iterations}");
    }
}

/// Every row of the two weight tensors of `model`: (tensor, first weight, weights).
fn rows_of(model: &Model) -> Vec<(usize, usize, usize)> {
    let mut rows = Vec::new();
    for (number, tensor) in model.tensors.iter().enumerate().filter(|(_, t)| t.prunable) {
        let row = tensor.count / tensor.shape[0];
        let first = |o| tensor.offset + o * row;
        rows.extend((0..tensor.shape[0]).map(|o| (number, first(o), row)));
    }
    rows
}

/// Clears all of `there` but the `keep` largest.
fn keep_of(after: &mut Snapshot, before: &Snapshot, mut there: Vec<usize>, keep: usize) {
    let size = |i: usize| before.weights[i].abs().to_bits();
    there.sort_by_key(|&i| (std::cmp::Reverse(size(i)), i));
    for &i in &there[keep..] {
        after.mask[i / 32] &= !(1 << (i % 32));
        after.weights[i] = 0.0;
    }
}

/// Dense linear weights, and kernels of a convolution, with a few weights gone.
fn with_rows() -> Vec<(Arc<Model>, Snapshot)> {
    let mut dice = Dice(15);
    [odd_model(), conv_model()]
        .map(|model| {
            let mut before = filled(&model, || dice.unit());
            let first = model.tensors.iter().find(|t| t.prunable).unwrap().offset;
            for i in (first..first + 40).step_by(3) {
                before.mask[i / 32] &= !(1 << (i % 32));
                before.weights[i] = 0.0;
            }
            (model, before)
        })
        .into()
}

#[test]
fn each_output_keeps_its_own_share() {
    let Some(gpu) = gpu() else { return };
    for (model, before) in with_rows() {
        for iterations in [1, 3] {
            // Replicas of different amounts.
            let specs: Vec<PruneSpec> = [
                Amount::Density(0.3),
                Amount::Remaining(0.5),
                Amount::Sparsity(1.0),
            ]
            .map(|amount| PruneSpec {
                iterations,
                ..spec(Scope::Neuron, amount)
            })
            .into();
            let replicas = on_gpu(gpu, &model, &vec![before.clone(); 3]);
            prune::prune(gpu, &replicas, &specs.iter().collect::<Vec<_>>()).unwrap();
            for (after, spec) in replicas.download(gpu).unwrap().iter().zip(&specs) {
                let mut want = before.clone();
                for (_, first, row) in rows_of(&model) {
                    let there: Vec<usize> = (first..first + row)
                        .filter(|&i| kept(&before.mask, i))
                        .collect();
                    let keep = prune::kept_of(spec.amount, row as u64, there.len() as u64);
                    keep_of(&mut want, &before, there, keep as usize);
                }
                assert_eq!(difference(after, &want), None, "{spec:?}");
            }
        }
    }
}

/// As many as the PQ index of each set says, worked out here by the formula, and the smallest of the set.
#[test]
fn sap_prunes_what_the_index_says_in_every_scope() {
    let Some(gpu) = gpu() else { return };
    for (model, before) in with_rows() {
        for (p, q) in [(0.5, 1.0), (1.0, 2.0), (0.7, 1.9)] {
            let sap = Sap {
                norms: Norms { p, q },
                ..Sap::default()
            };
            for scope in [Scope::Neuron, Scope::Layer, Scope::Global] {
                let replicas = on_gpu(gpu, &model, std::slice::from_ref(&before));
                prune::prune(gpu, &replicas, &[&spec(scope, Amount::Sap(sap))]).unwrap();
                let after = &replicas.download(gpu).unwrap()[0];
                let mut sets: Vec<(usize, Vec<usize>)> = Vec::new();
                for (number, (tensor, first, row)) in rows_of(&model).into_iter().enumerate() {
                    let name = match scope {
                        Scope::Neuron => number,
                        Scope::Layer => tensor,
                        _ => 0,
                    };
                    let there = (first..first + row).filter(|&i| kept(&before.mask, i));
                    match sets.last_mut().filter(|(last, _)| *last == name) {
                        Some((_, set)) => set.extend(there),
                        None => sets.push((name, there.collect())),
                    }
                }
                let mut want = before.clone();
                let mut gone = 0;
                for (_, set) in sets {
                    let d = set.len() as f64;
                    let sum = |e: f64| -> f64 {
                        let sizes = set.iter().map(|&i| f64::from(before.weights[i].abs()));
                        sizes.map(|w| w.powf(e)).sum()
                    };
                    let index = 1.0 - (sum(p) / d).powf(1.0 / p) / (sum(q) / d).powf(1.0 / q);
                    let r = (d * (1.0 - index).powf(q * p / (q - p))).ceil();
                    let pruned = (d * (1.0 - r / d).clamp(0.0, 0.9) + 1e-9).floor() as usize;
                    gone += pruned;
                    let keep = set.len() - pruned;
                    keep_of(&mut want, &before, set, keep);
                }
                assert!(gone > 0);
                assert_eq!(difference(after, &want), None, "{scope:?} {p} {q}");
            }
        }
    }
}

#[test]
fn runs_and_densities_by_layer_are_exact() {
    let Some(gpu) = gpu() else { return };
    for (model, before) in with_rows() {
        for (n, m) in [(2, 4), (1, 4), (4, 8), (1, 1)] {
            for invert in [false, true] {
                let spec = PruneSpec {
                    invert,
                    ..spec(Scope::Global, Amount::NOfM { n, m })
                };
                let replicas = on_gpu(gpu, &model, &vec![before.clone(); 2]);
                prune::prune(gpu, &replicas, &[&spec, &spec]).unwrap();
                let mut want = before.clone();
                for (_, first, row) in rows_of(&model) {
                    for run in (first..first + row).step_by(m as usize) {
                        let end = (run + m as usize).min(first + row);
                        let mut there: Vec<usize> =
                            (run..end).filter(|&i| kept(&before.mask, i)).collect();
                        let size = |i: usize| i64::from(before.weights[i].abs().to_bits());
                        let sign = if invert { 1 } else { -1 };
                        there.sort_by_key(|&i| (sign * size(i), i));
                        for &i in there.iter().skip(n as usize) {
                            want.mask[i / 32] &= !(1 << (i % 32));
                            want.weights[i] = 0.0;
                        }
                    }
                }
                for after in replicas.download(gpu).unwrap() {
                    assert_eq!(difference(&after, &want), None, "{n}:{m} {invert}");
                }
            }
        }
    }
    let model = odd_model();
    let mut dice = Dice(16);
    let before = filled(&model, || dice.unit());
    let names: Vec<String> = model
        .tensors
        .iter()
        .filter(|t| t.prunable)
        .map(|t| t.layer.clone())
        .collect();
    let by_layer = PruneSpec {
        layers: Some(names.clone()),
        densities: [(names[0].clone(), 0.1), (names[1].clone(), 0.5)].into(),
        ..spec(Scope::Layer, Amount::PerLayer)
    };
    prune_and_compare(
        gpu,
        &model,
        std::slice::from_ref(&before),
        std::slice::from_ref(&by_layer),
    );
    let groups = prune::groups(&model, &by_layer).unwrap();
    assert_eq!([groups[0].keep, groups[1].keep], [100, 135]);
    let asked = prune::asked_density(&by_layer, &model, Some(1.0)).unwrap();
    assert!((asked - (99.9 + 135.0) / 1269.0).abs() < 1e-12);
}

#[test]
fn layers_out_of_scope_are_left_alone() {
    let Some(gpu) = gpu() else { return };
    let layers = vec![linear(33, false), linear(20, true), linear(10, true)];
    let model = model(layers, Shape::flat(21), 10);
    let mut dice = Dice(5);
    let mut before = filled(&model, || dice.unit());
    // What is out of scope is not even looked at.
    before.weights[model.tensors[3].offset + 7] = f32::NAN;
    let of = |scope, amount, layers: &[&str]| PruneSpec {
        layers: Some(layers.iter().map(|&l| l.to_owned()).collect()),
        ..spec(scope, amount)
    };
    for scope in [Scope::Global, Scope::Uniform, Scope::Layer] {
        let some = of(scope, Amount::Sparsity(0.9), &["fc1", "fc2"]);
        prune_and_compare(gpu, &model, std::slice::from_ref(&before), &[some]);
    }
    let first = of(Scope::Global, Amount::Keep(0), &["fc2"]);
    let replicas = on_gpu(gpu, &model, std::slice::from_ref(&before));
    prune::prune(gpu, &replicas, &[&first]).unwrap();
    let after = &replicas.download(gpu).unwrap()[0];
    // fc1, fc2 and its bias, fc3 and its bias.
    assert_eq!(kept_per_tensor(&model, &after.mask), [693, 0, 20, 200, 10]);
}

#[test]
fn pruning_again_only_takes_from_what_is_left() {
    let Some(gpu) = gpu() else { return };
    let model = odd_model();
    let mut dice = Dice(6);
    // Many ties, so that a wrong order of the indices would bring weights back.
    let mut before = filled(&model, || (dice.below(4) as f32 - 1.5) * 0.5);
    for keep in [900, 900, 411, 33, 1, 0] {
        let step = spec(Scope::Global, Amount::Keep(keep));
        prune_and_compare(
            gpu,
            &model,
            std::slice::from_ref(&before),
            std::slice::from_ref(&step),
        );
        before = by_sort(&model, &before, &step);
    }
    // Random scores, too, never bring a weight back.
    let mut dice = Dice(7);
    let half = by_sort(
        &model,
        &filled(&model, || dice.unit()),
        &spec(Scope::Global, Amount::Keep(600)),
    );
    let replicas = on_gpu(gpu, &model, &[half.clone(), half.clone()]);
    let random = PruneSpec {
        criterion: Criterion::Random,
        ..spec(Scope::Global, Amount::Keep(200))
    };
    prune::prune(gpu, &replicas, &[&random, &random]).unwrap();
    let after = replicas.download(gpu).unwrap();
    for snapshot in &after {
        let counts = kept_per_tensor(&model, &snapshot.mask);
        assert_eq!(counts[0] + counts[2], 200);
        let back = half
            .mask
            .iter()
            .zip(&snapshot.mask)
            .any(|(old, new)| new & !old != 0);
        assert!(!back, "a pruned weight came back");
    }
    assert_ne!(
        after[0].mask, after[1].mask,
        "each seed draws its own scores"
    );
}

#[test]
fn weights_that_are_nan_are_refused() {
    let Some(gpu) = gpu() else { return };
    let model = odd_model();
    let mut dice = Dice(8);
    let good = filled(&model, || dice.unit());
    let mut bad = good.clone();
    let second = model.tensors[2].offset;
    for (i, nan) in [
        (0, f32::NAN),
        (998, -f32::NAN),
        (second + 3, f32::from_bits(0x7f80_0001)),
    ] {
        bad.weights[i] = nan;
    }
    // A bias has no rank to lose.
    bad.weights[model.tensors[1].offset] = f32::NAN;
    let replicas = on_gpu(gpu, &model, &[good.clone(), bad.clone()]);
    let half = spec(Scope::Global, Amount::Density(0.5));
    match prune::prune(gpu, &replicas, &[&half, &half]) {
        Err(PruneError::NotANumber { count, replica }) => assert_eq!((count, replica), (3, 1)),
        other => panic!("{other:?}"),
    }
    for (snapshot, before) in replicas.download(gpu).unwrap().iter().zip([&good, &bad]) {
        assert_eq!(
            difference(snapshot, before),
            None,
            "nothing may have changed"
        );
    }
    // Random scores rank them all the same.
    let random = PruneSpec {
        criterion: Criterion::Random,
        ..half
    };
    prune::prune(gpu, &replicas, &[&random, &random]).unwrap();
}

#[test]
fn asking_for_more_than_is_left_is_refused() {
    let Some(gpu) = gpu() else { return };
    let model = odd_model();
    let mut dice = Dice(9);
    let full = filled(&model, || dice.unit());
    let few = by_sort(&model, &full, &spec(Scope::Layer, Amount::Density(0.1)));
    let replicas = on_gpu(gpu, &model, &[full.clone(), few.clone()]);
    let (all, some) = (
        spec(Scope::Global, Amount::Keep(1000)),
        spec(Scope::Global, Amount::Keep(128)),
    );
    match prune::prune(gpu, &replicas, &[&all, &some]) {
        Err(PruneError::TooFewLeft {
            keep,
            alive,
            layers,
        }) => {
            assert_eq!((keep, alive), (128, 127));
            assert!(layers.contains("fc1") && layers.contains("fc2"), "{layers}");
        }
        other => panic!("{other:?}"),
    }
    let half = spec(Scope::Layer, Amount::Density(0.5));
    match prune::prune(gpu, &replicas, &[&half, &half]) {
        Err(PruneError::TooFewLeft {
            keep,
            alive,
            layers,
        }) => {
            assert_eq!((keep, alive, layers.as_str()), (500, 100, "fc1"));
        }
        other => panic!("{other:?}"),
    }
    for (snapshot, before) in replicas.download(gpu).unwrap().iter().zip([&full, &few]) {
        assert_eq!(
            difference(snapshot, before),
            None,
            "nothing may have changed"
        );
    }
    let exactly = spec(Scope::Global, Amount::Keep(127));
    prune::prune(gpu, &replicas, &[&exactly, &exactly]).unwrap();
}

/// `count` weights, two replicas (together where one binding holds both), many ties.
fn prune_large(gpu: &Gpu, inputs: usize, layers: Vec<Layer>, classes: usize, count: usize) {
    let model = model(layers, Shape::flat(inputs), classes);
    assert_eq!(model.prunable(), count);
    let (mut fine, mut coarse) = (Dice(10), Dice(11));
    let before = [
        filled(&model, || fine.unit()),
        // 1,024 sizes: thousands of ties at every threshold.
        filled(&model, || (coarse.unit() * 1024.0).round() / 1024.0),
    ];
    let global = [0.975, 0.5].map(|s| spec(Scope::Global, Amount::Sparsity(s)));
    let uniform = [1.0 / 3.0, 0.01].map(|d| spec(Scope::Uniform, Amount::Density(d)));
    for specs in [global, uniform] {
        if model.floats as u64 * 8 <= gpu.max_binding() {
            prune_and_compare(gpu, &model, &before, &specs);
        } else {
            for (before, spec) in before.iter().zip(&specs) {
                let (before, spec) = (std::slice::from_ref(before), std::slice::from_ref(spec));
                prune_and_compare(gpu, &model, before, spec);
            }
        }
    }
}

#[test]
fn a_thousand_scores() {
    let Some(gpu) = gpu() else { return };
    prune_large(gpu, 100, vec![linear(10, false)], 10, 1_000);
}

#[test]
fn the_266_200_scores_of_lenet() {
    let Some(gpu) = gpu() else { return };
    let layers = vec![linear(300, true), linear(100, true), linear(10, true)];
    prune_large(gpu, 784, layers, 10, 266_200);
}

#[test]
fn four_million_scores() {
    let Some(gpu) = gpu() else { return };
    let layers = vec![linear(2048, true), linear(50, true)];
    prune_large(gpu, 2048, layers, 50, 4_296_704);
}

#[test]
#[ignore = "2 GiB of memory and a minute on a software adapter; run with --ignored"]
fn thirty_million_scores() {
    let Some(gpu) = gpu() else { return };
    let layers = vec![linear(6000, true), linear(10, true)];
    prune_large(gpu, 5000, layers, 10, 30_060_000);
}

/// Scores that lie in several buffers: one selection over all of them, ties by the index over all.
#[test]
fn scores_in_several_parts_are_one_selection() {
    let Some(gpu) = gpu() else { return };
    const REPLICAS: usize = 3;
    // (base, stride, segments as (start, count, group)): more than one block, odd ends, gaps, one group in all three parts.
    type Plan = (u32, u32, &'static [(u32, u32, u32)]);
    let plans: [Plan; 3] = [
        (0, 20_032, &[(0, 20_001, 0)]),
        (
            20_032,
            9_024,
            &[(0, 33, 1), (64, 8_192, 0), (8_256, 700, 1)],
        ),
        (1 << 30, 128, &[(32, 77, 0)]),
    ];
    for sizes in [1, 3, 50_000] {
        let mut dice = Dice(sizes);
        let scores: Vec<Vec<u32>> = plans
            .iter()
            .map(|(_, stride, _)| {
                let number = |_| 1 + dice.below(sizes) as u32;
                (0..*stride as usize * REPLICAS).map(number).collect()
            })
            .collect();
        let keep = [vec![14_000, 1], vec![0, 733], vec![28_270, 300]];
        let buffers: Vec<_> = plans
            .iter()
            .zip(&scores)
            .map(|((_, stride, _), scores)| {
                let words = vec![u32::MAX; *stride as usize / 32 * REPLICAS];
                let score = gpu.buffer_with("scores", scores).unwrap();
                (score, gpu.buffer_with("masks", &words).unwrap())
            })
            .collect();
        let segments: Vec<Vec<Segment>> = plans
            .iter()
            .map(|(_, _, list)| {
                let segment = |&(start, count, group)| Segment {
                    start,
                    count,
                    group,
                };
                list.iter().map(segment).collect()
            })
            .collect();
        let parts: Vec<Part<'_>> = (0..3)
            .map(|p| Part {
                score: &buffers[p].0,
                masks: &buffers[p].1,
                score_stride: plans[p].1,
                mask_words: plans[p].1 / 32,
                base: plans[p].0,
                segments: &segments[p],
            })
            .collect();
        let mut program = Program::new("selection");
        prune::select(gpu, &mut program, &parts, &keep).unwrap();
        gpu.run(&program).unwrap();
        let masks: Vec<Vec<u32>> = (0..3)
            .map(|p| {
                let words = plans[p].1 as usize / 32 * REPLICAS;
                gpu.read(&buffers[p].1, 0, words).unwrap()
            })
            .collect();
        for (replica, keep) in keep.iter().enumerate() {
            for group in 0..2 {
                // (score, index over all parts, kept)
                let mut list: Vec<(u32, u64, bool)> = Vec::new();
                for (p, (base, stride, own)) in plans.iter().enumerate() {
                    for &(start, count, of) in own.iter().filter(|s| s.2 == group) {
                        assert_eq!(of, group);
                        for i in start..start + count {
                            let at = replica * *stride as usize + i as usize;
                            let bit = kept(&masks[p], at);
                            list.push((scores[p][at], u64::from(base + i), bit));
                        }
                    }
                }
                list.sort_by_key(|&(score, index, _)| (std::cmp::Reverse(score), index));
                let n = keep[group as usize] as usize;
                let wrong = list.iter().enumerate().find(|(k, item)| item.2 != (*k < n));
                assert_eq!(
                    wrong, None,
                    "replica {replica}, group {group}, {sizes} sizes"
                );
            }
        }
    }
}

/// Shuffled and random masks keep the counts of every layer, differ between seeds, and leave nothing outside.
#[test]
fn mask_controls_keep_every_layers_count() {
    let Some(gpu) = gpu() else { return };
    let model = odd_model();
    let mut dice = Dice(12);
    let full = filled(&model, || dice.unit() + 1.5);
    let sparse = by_sort(&model, &full, &spec(Scope::Global, Amount::Keep(100)));
    let counts = kept_per_tensor(&model, &sparse.mask);
    for shuffle in [true, false] {
        let replicas = on_gpu(gpu, &model, &vec![sparse.clone(); 3]);
        if shuffle {
            prune::shuffle_masks(gpu, &replicas).unwrap();
        } else {
            prune::randomise_masks(gpu, &replicas, None).unwrap();
        }
        let after = replicas.download(gpu).unwrap();
        for snapshot in &after {
            assert_eq!(kept_per_tensor(&model, &snapshot.mask), counts);
            assert_ne!(snapshot.mask, sparse.mask);
            for tensor in &model.tensors {
                for i in tensor.offset..tensor.offset + tensor.count {
                    let weight = snapshot.weights[i];
                    let stays = kept(&snapshot.mask, i) && kept(&sparse.mask, i);
                    let want = if stays { sparse.weights[i] } else { 0.0 };
                    assert_eq!(weight.to_bits(), want.to_bits(), "{} {i}", tensor.name);
                }
            }
        }
        assert_ne!(after[0].mask, after[1].mask);
        assert_ne!(after[1].mask, after[2].mask);
    }
}

// --------------------------------------------------------------------------------------------------------------- training

const SIDE: usize = 10;

/// A dataset on the host and on the device.
struct World {
    data: Dataset,
    resident: ResidentDataset,
}

impl World {
    fn new(gpu: &Gpu, data: Dataset) -> Self {
        let resident = ResidentDataset::upload(gpu, &data).unwrap();
        Self { data, resident }
    }
    fn scales(&self) -> Vec<[f32; 2]> {
        scales(&Normalise::Measured, &self.data)
    }
}

fn flat_model() -> Arc<Model> {
    let layers = vec![
        Layer::Flatten,
        linear(17, true),
        Layer::Relu,
        linear(10, true),
    ];
    model(layers, Shape::new(1, SIDE, SIDE), 10)
}

/// Every kind of layer.
fn conv_model() -> Arc<Model> {
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
fn residual_model() -> Arc<Model> {
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

fn sgd(lr: f64, momentum: f64, nesterov: bool, weight_decay: f64) -> Optimizer {
    Optimizer::Sgd {
        lr,
        momentum,
        nesterov,
        weight_decay,
    }
}

/// One of each kind, with everything switched on that could move a pruned weight.
fn optimizers() -> [Optimizer; 5] {
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

fn training(optimizer: Optimizer, length: Length) -> TrainSpec {
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

fn trainer<'a>(
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

fn usual(gpu: &Gpu) -> Execution {
    Execution::for_adapter(gpu.adapter())
}

/// Trains these replicas together; gives weights, masks and curves.
fn train(
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
fn drawn(gpu: &Gpu, model: &Arc<Model>, key: Key, density: f64) -> Snapshot {
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
fn cohort(gpu: &Gpu, model: &Arc<Model>, clipped: bool) -> Vec<(Key, Snapshot, TrainSpec)> {
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

fn assert_same(
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

#[test]
fn company_changes_no_bit() {
    let Some(gpu) = gpu() else { return };
    let world = World::new(gpu, dataset(150, 40, SIDE));
    for (model, clipped) in [
        (flat_model(), true),
        (conv_model(), false),
        (residual_model(), false),
    ] {
        let members = cohort(gpu, &model, clipped);
        let together = train(gpu, &world, &model, &members, usual(gpu));
        let alone: Vec<_> = members
            .iter()
            .map(|m| train(gpu, &world, &model, std::slice::from_ref(m), usual(gpu)).remove(0))
            .collect();
        assert_same(&together, &alone, "together and alone");
        let backwards: Vec<_> = members.iter().rev().cloned().collect();
        let mut turned = train(gpu, &world, &model, &backwards, usual(gpu));
        turned.reverse();
        assert_same(&together, &turned, "in another order");
        for (r, one) in together.iter().enumerate() {
            for other in &together[r + 1..] {
                assert_ne!(one.0.weights, other.0.weights, "replicas must differ");
            }
        }
        if clipped {
            // Not only the same, but learning: the linear model's loss falls within two passes.
            let [first, last] = together[0].1[..] else {
                panic!("two passes")
            };
            assert!(last.train.loss < first.train.loss, "{first:?} {last:?}");
        }
    }
}

/// Nothing of an optimizer outlives its training: who goes back to earlier weights, and the same numbers of the same key, takes the
/// same steps.
#[test]
fn every_training_begins_with_an_optimizer_state_of_zero() {
    let Some(gpu) = gpu() else { return };
    let world = World::new(gpu, dataset(150, 40, SIDE));
    let model = flat_model();
    for optimizer in optimizers() {
        let key = Key::default();
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

/// Each replica stops by its own validation scores, and ends with the weights of its own best or last pass, whoever trains
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

/// A dataset larger than one binding lies in parts; how many there are is nobody's business.
#[test]
fn parts_of_a_dataset_change_no_bit() {
    let Some(gpu) = gpu() else { return };
    let mut world = World::new(gpu, dataset(150, 40, SIDE));
    for model in [flat_model(), conv_model()] {
        let members = &cohort(gpu, &model, false)[..2];
        world.resident = ResidentDataset::upload(gpu, &world.data).unwrap();
        assert_eq!(world.resident.train.parts.len(), 1);
        let want = train(gpu, &world, &model, members, usual(gpu));
        let scored = score(gpu, &world, &model, members);
        // 64 and 1 samples a part; less than a sample is one.
        for (bytes, parts) in [(64 * 100 + 99, [3, 1]), (7, [150, 40])] {
            world.resident = ResidentDataset::upload_in_parts(gpu, &world.data, bytes).unwrap();
            let resident = &world.resident;
            assert_eq!(
                [&resident.train, &resident.test].map(|s| s.parts.len()),
                parts
            );
            let got = train(gpu, &world, &model, members, usual(gpu));
            assert_same(&got, &want, &format!("{parts:?} parts"));
            assert_eq!(score(gpu, &world, &model, members), scored, "the test set");
        }
    }
}

/// Augmented, a sample's fate is still its own, and what is measured is never changed.
#[test]
fn augmentation_changes_training_alone_and_in_company_alike() {
    let Some(gpu) = gpu() else { return };
    let mut world = World::new(gpu, dataset(150, 40, SIDE));
    let changes = Augment {
        shift: 2,
        flip: true,
        rotate: 15.0,
        scale: [0.9, 1.1],
        shear: 0.1,
        cutout: 3,
        fill: Fill::Edge,
    };
    // Whole pixels only: the kernel's other variant.
    let whole = Augment {
        rotate: 0.0,
        scale: [1.0, 1.0],
        shear: 0.0,
        fill: Fill::Zero,
        ..changes
    };
    let model = flat_model();
    let plain: Vec<_> = cohort(gpu, &model, false)[..3].to_vec();
    let without = train(gpu, &world, &model, &plain, usual(gpu));
    for augment in [changes, whole] {
        let mut members = plain.clone();
        for (_, _, spec) in &mut members {
            spec.augment = Some(augment);
        }
        let together = train(gpu, &world, &model, &members, usual(gpu));
        for (got, other) in together.iter().zip(&without) {
            assert_ne!(got.0.weights, other.0.weights, "nothing was changed");
        }
        let one = |m| train(gpu, &world, &model, std::slice::from_ref(m), usual(gpu)).remove(0);
        let alone: Vec<_> = members.iter().map(one).collect();
        assert_same(&together, &alone, "together and alone");
        let scored = score(gpu, &world, &model, &members);
        assert_eq!(scored, score(gpu, &world, &model, &plain), "the test set");

        world.resident = ResidentDataset::upload_in_parts(gpu, &world.data, 6499).unwrap();
        let parts = train(gpu, &world, &model, &members, usual(gpu));
        assert_same(&parts, &together, "in parts");
        world.resident = ResidentDataset::upload(gpu, &world.data).unwrap();
    }
}

/// The test set with the weights as drawn.
fn score(
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
    trainer.evaluate(Samples::Test).unwrap()
}

#[test]
fn tiles_change_no_bit() {
    let Some(gpu) = gpu() else { return };
    let world = World::new(gpu, dataset(150, 40, SIDE));
    for model in [flat_model(), conv_model(), residual_model()] {
        let members = cohort(gpu, &model, false);
        let want = train(gpu, &world, &model, &members, usual(gpu));
        let tile = |r, c| Variant::Tile(r, c);
        for (data, weight) in [
            (tile(1, 1), tile(1, 1)),
            (tile(4, 1), tile(2, 3)),
            (tile(8, 2), tile(4, 4)),
            (tile(3, 5), tile(7, 2)),
            (Variant::Workgroup(4, 1), Variant::Workgroup(2, 2)),
            (Variant::Workgroup(8, 2), Variant::Workgroup(8, 8)),
        ] {
            let execution = Execution {
                data,
                weight,
                ..Execution::default()
            };
            let got = train(gpu, &world, &model, &members, execution);
            assert_same(&got, &want, &format!("{execution:?}"));
        }
    }
}

/// A value with two readers, one of which works on it in place, and no layer that needs the whole batch.
fn shortcut_model() -> Arc<Model> {
    let conv = |channels| Layer::Conv2d {
        channels,
        kernel: 3,
        stride: 1,
        padding: 1,
        bias: true,
    };
    let add = Layer::Add {
        with: "conv1".to_owned(),
    };
    let layers = vec![
        conv(4),
        Layer::Relu,
        conv(4),
        add,
        Layer::Tanh,
        Layer::AvgPool {
            window: None,
            stride: 1,
        },
        linear(10, true),
    ];
    model(layers, Shape::new(1, SIDE, SIDE), 10)
}

/// Batches whose samples come onto the GPU a few at a time: sums go on from one to the next. Of the 130 samples of a pass 34
/// are left for the last batch, so that it has full, partial and empty micro-batches; validation and test end with partial ones.
#[test]
fn micro_batches_change_no_bit() {
    let Some(gpu) = gpu() else { return };
    const BATCH: u32 = 96;
    let mut world = World::new(gpu, dataset(150, 40, SIDE));
    let augment = Augment {
        shift: 2,
        flip: true,
        rotate: 15.0,
        scale: [0.9, 1.1],
        shear: 0.1,
        cutout: 3,
        fill: Fill::Edge,
    };
    let sparse = |sparse_variant| Execution {
        sparse: SparseRule::Always,
        sparse_variant,
        ..usual(gpu)
    };
    let dense = |data, weight| Execution {
        data,
        weight,
        sparse: SparseRule::Never,
        ..Execution::default()
    };
    let mut executions = vec![
        usual(gpu),
        sparse(Variant::Sparse(3)),
        dense(Variant::Tile(3, 5), Variant::Tile(7, 2)),
        dense(Variant::Workgroup(4, 1), Variant::Workgroup(2, 2)),
    ];
    if gpu.adapter().subgroup == Some(8) {
        executions.push(sparse(Variant::SparseBroadcast(4)));
    }
    for (model, augment) in [
        (flat_model(), Some(augment)),
        (conv_model(), None),
        (shortcut_model(), Some(augment)),
    ] {
        let mut members = cohort(gpu, &model, true);
        for (_, _, spec) in &mut members {
            (spec.batch, spec.augment) = (BATCH, augment);
            spec.label_smoothing = 0.1;
        }
        let split = |micro_batch: u32| {
            let mut members = members.clone();
            for (_, _, spec) in &mut members {
                spec.micro_batch = Some(micro_batch);
            }
            members
        };
        let want = train(gpu, &world, &model, &members, usual(gpu));
        let scored = score(gpu, &world, &model, &members);
        for micro_batch in [32, 64, 96] {
            let members = split(micro_batch);
            for execution in &executions {
                let got = train(gpu, &world, &model, &members, *execution);
                let what = format!("{}, {micro_batch} of {BATCH}, {execution:?}", model.name);
                assert_same(&got, &want, &what);
            }
            assert_eq!(score(gpu, &world, &model, &members), scored, "the test set");
        }
        // A batch that ends within a vec4 of samples, and a dataset in parts.
        for (_, _, spec) in &mut members {
            spec.batch = 41;
        }
        let want = train(gpu, &world, &model, &members, usual(gpu));
        world.resident = ResidentDataset::upload_in_parts(gpu, &world.data, 6499).unwrap();
        for (_, _, spec) in &mut members {
            spec.micro_batch = Some(32);
        }
        let got = train(gpu, &world, &model, &members, usual(gpu));
        assert_same(&got, &want, "32 of 41");
        world.resident = ResidentDataset::upload(gpu, &world.data).unwrap();
    }
}

/// Micro-batches are for memory: the plan is smaller by the activations, and what is allocated is what was planned.
#[test]
fn micro_batches_take_less_memory_and_no_more_than_planned() {
    if no_gpu() {
        return;
    }
    let gpu = &own_gpu();
    let demand = |batch, micro_batch| Demand {
        micro_batch,
        ..Demand::of_batch(batch)
    };
    let lenet = preset("lenet-5");
    let bytes = |micro_batch| Memory::plan(&lenet, &demand(512, micro_batch)).bytes(1);
    assert!(bytes(256) < bytes(512));
    assert!(bytes(32) < bytes(256));
    // Of what a batch of 32 takes, sums that go on, indices, labels and losses are all there is on top.
    let least = Memory::plan(&lenet, &Demand::of_batch(32)).bytes(1);
    assert!((bytes(32) - least) * 2 < least, "{} {least}", bytes(32));
    let batches = |name: &str, micro_batch| {
        let memory = Memory::plan(&lenet, &demand(512, micro_batch));
        let found = memory.buffers.iter().find(|(n, _)| n == name);
        found.map(|(_, words)| *words)
    };
    assert_eq!(batches("input batch", 32), Some(32 * 28 * 28));
    assert_eq!(batches("labels", 32), Some(512));
    assert_eq!(batches("partial sums of conv1", 32), Some(28 * 6 * 25));
    assert_eq!(batches("partial sums of conv1", 512), None);

    let world = World::new(gpu, dataset(150, 40, SIDE));
    let model = conv_model();
    let spec = TrainSpec {
        batch: 96,
        micro_batch: Some(32),
        ..training(sgd(0.1, 0.9, false, 0.0), Length::Epochs(1))
    };
    let before = gpu.allocated();
    let replicas = Replicas::new(gpu, model.clone(), &keys(2)).unwrap();
    let specs = [&spec, &spec];
    let trainer = trainer(gpu, &world, &replicas, &specs, usual(gpu));
    let taken = gpu.allocated() - before;
    let planned = Memory::plan(&model, &Demand::of(&spec, 1.0)).bytes(2);
    // Keys, states and the like, and the least size of a buffer.
    assert!(taken < planned + 8192, "{taken} of {planned}");
    drop(trainer);
}

/// Dense and sparse kernels, optimizers over all parameters and over the kept ones: the same bits (design contract 3).
#[test]
fn sparse_execution_changes_no_bit() {
    let Some(gpu) = gpu() else { return };
    let world = World::new(gpu, dataset(150, 40, SIDE));
    let with = |sparse, sparse_variant| Execution {
        sparse,
        sparse_variant,
        ..usual(gpu)
    };
    let plain = |columns| Variant::Sparse(columns);
    let mut variants = vec![plain(1), plain(3), plain(4)];
    if gpu.adapter().subgroup == Some(8) {
        variants.extend([1, 2, 4].map(Variant::SparseBroadcast));
    }
    for (model, clipped) in [
        (flat_model(), true),
        (conv_model(), false),
        (residual_model(), false),
    ] {
        let mut members = cohort(gpu, &model, clipped);
        // Layers that keep next to nothing, and a replica that keeps everything.
        members[5].1 = drawn(gpu, &model, members[5].0, 0.01);
        for optimizer in optimizers() {
            for member in &mut members {
                member.2.optimizer = optimizer;
            }
            let want = train(
                gpu,
                &world,
                &model,
                &members,
                with(SparseRule::Never, plain(1)),
            );
            for &variant in &variants {
                let always = with(SparseRule::Always, variant);
                let got = train(gpu, &world, &model, &members, always);
                assert_same(&got, &want, &format!("{optimizer:?}, {variant}"));
            }
            // Low densities without company: some layers run sparse, some dense.
            for member in &members[4..] {
                let own = std::slice::from_ref(member);
                let got = train(gpu, &world, &model, own, with(SparseRule::Auto, plain(2)));
                let want = train(gpu, &world, &model, own, with(SparseRule::Never, plain(2)));
                assert_same(&got, &want, &format!("{optimizer:?}, automatic"));
            }
        }
    }
}

/// Running statistics are part of a replica, and part of what the mask, freezing and weight decay leave alone.
#[test]
fn running_statistics_travel_with_the_weights() {
    let Some(gpu) = gpu() else { return };
    let world = World::new(gpu, dataset(150, 40, SIDE));
    let model = residual_model();
    assert_eq!(model.statistics(), 2 * (4 + 6));
    let key = Key {
        seed: 3,
        ..Key::default()
    };
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
    let key = Key {
        seed: 4,
        ..Key::default()
    };
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
    let first = trainer.evaluate(Samples::Test).unwrap();
    let validation = trainer.evaluate(Samples::Validation).unwrap();
    assert_eq!(trainer.evaluate(Samples::Test).unwrap(), first);
    assert_eq!(trainer.evaluate(Samples::Validation).unwrap(), validation);
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
    let key = Key {
        seed: 77,
        ..Key::default()
    };
    let spec = TrainSpec {
        batch: 4,
        validation: HELD_OUT,
        // Otherwise the scale of every image would change with one.
        normalise: Normalise::None,
        ..training(sgd(0.1, 0.9, false, 0.0), Length::Epochs(2))
    };
    let start = drawn(gpu, &model, key, 1.0);
    let outcome = |data: Dataset| {
        let resident = ResidentDataset::upload(gpu, &data).unwrap();
        let scales = scales(&spec.normalise, &data);
        let replicas = Replicas::new(gpu, model.clone(), &[key]).unwrap();
        replicas.upload(gpu, &[&start]).unwrap();
        let specs = [&spec];
        let mut trainer =
            Trainer::new(gpu, &replicas, &resident, &specs, &scales, &usual(gpu)).unwrap();
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

// ------------------------------------------------------------------------------------------------------------------ audit

/// A place in this replica's flat buffers whose weight is pruned.
fn pruned_place(model: &Model, snapshot: &Snapshot, after: usize) -> usize {
    let weights = model.tensors.iter().filter(|t| t.prunable);
    let mut places = weights.flat_map(|t| t.offset..t.offset + t.count);
    places
        .find(|&i| i >= after && !kept(&snapshot.mask, i))
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
                let key = Key::default();
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
                    if kept(&start.mask, i) {
                        moved += usize::from(weight.to_bits() != start.weights[i].to_bits());
                    } else {
                        assert_eq!(weight.to_bits(), 0, "{optimizer:?}: weight {i}");
                    }
                }
                let there: u64 = kept_per_tensor(&model, &start.mask).iter().sum();
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
                let neighbour = !kept(&starts[1].mask, place as usize + 1);
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
    let start = drawn(gpu, &model, Key::default(), 1.0);
    let replicas = on_gpu(gpu, &model, std::slice::from_ref(&start));
    let spec = training(sgd(0.1, 0.9, true, 0.01), Length::Steps(2));
    let specs = [&spec];
    let mut trainer = trainer(gpu, &world, &replicas, &specs, usual(gpu));
    trainer.train(None, &mut |_| true).unwrap();
    let smaller = drawn(gpu, &model, Key::default(), 0.2).mask;
    gpu.write(&replicas.masks, 0, &smaller).unwrap();
    let pruned = model.prunable() as u64
        - model
            .tensors
            .iter()
            .zip(kept_per_tensor(&model, &smaller))
            .filter(|(t, _)| t.prunable)
            .map(|(_, k)| k)
            .sum::<u64>();
    // Momentum and gradients of all of them are still there, too, and count once.
    assert_eq!(trainer.audit_now().unwrap(), [pruned as u32]);
    let points = trainer.train(None, &mut |_| true).unwrap();
    assert_eq!(points[0].points.last().unwrap().violations, 0);
    let after = replicas.download(gpu).unwrap().remove(0);
    let broken = (0..model.floats).find(|&i| !kept(&smaller, i) && after.weights[i].to_bits() != 0);
    assert_eq!(broken, None);
}

#[test]
fn a_training_can_be_stopped() {
    let Some(gpu) = gpu() else { return };
    let world = World::new(gpu, dataset(100, 20, SIDE));
    let model = flat_model();
    let start = drawn(gpu, &model, Key::default(), 1.0);
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
    let start = drawn(gpu, &model, Key::default(), 1.0);
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
            &world.scales(),
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
