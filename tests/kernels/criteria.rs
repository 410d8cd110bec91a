//! Criteria as a whole: what they measure, against plain formulas in f64; and that scoring leaves no trace.

use crate::common::{
    World, build, chain, conv, gpu, is_exact, key, linear, max_pool, noise, preset_model, trainer,
};
use crate::reference::batch::{batch_draw, batch_gather};
use crate::reference::compare::differs_bits;
use crate::reference::network::Network;
use crate::reference::number::widen;
use crate::reference::scoring::gradient_accumulate;
use secateur::data::Dataset;
use secateur::gpu::Gpu;
use secateur::model::Model;
use secateur::ops::{Execution, SparseRule};
use secateur::prune::{
    PruneError, Scoring, ScoringData, hessian_gradient, lamp_order, prune, prune_on, prune_units,
};
use secateur::spec::{
    Amount, Criterion, Layer, Length, ModelSpec, Normalise, Optimizer, PruneSpec, Scope, Shape,
    TrainSpec, UnitAmount, UnitCriterion, UnitPrune, UnitScope,
};
use secateur::train::{
    Draw, Gather, GradientStatistic, RandomKey, Replicas, ResidentDataset, Snapshot, State, scales,
    synaptic_flow,
};

const SIDE: usize = 6;
const INPUT: Shape = Shape {
    channels: 1,
    height: SIDE,
    width: SIDE,
};
const BATCH: u32 = 10;
const BATCHES: u32 = 3;

fn batch_norm_net() -> ModelSpec {
    chain(vec![
        conv(4, 3, 1, 1),
        Layer::BatchNorm,
        Layer::Relu,
        max_pool(2),
        Layer::Flatten,
        linear(10),
    ])
}

/// Dropout after what does the ReLU's backward pass where dropout runs, and after what does dropout.
fn dropout_net() -> ModelSpec {
    let dropout = |p, channels| Layer::Dropout { p, channels };
    chain(vec![
        conv(4, 3, 1, 1),
        max_pool(2),
        dropout(0.25, true),
        Layer::Flatten,
        linear(12),
        Layer::Relu,
        dropout(0.5, false),
        linear(10),
    ])
}

fn smooth_net() -> ModelSpec {
    chain(vec![Layer::Flatten, linear(12), Layer::Tanh, linear(10)])
}

fn images() -> Dataset {
    noise(32, INPUT, 17)
}

fn training(lr: f64, batches: u32) -> TrainSpec {
    TrainSpec {
        validation: 5,
        normalise: Normalise::None,
        ..TrainSpec::plain(
            "noise",
            BATCH,
            Length::Steps(batches),
            Optimizer::sgd(lr, 0.0),
        )
    }
}

/// A fresh network, half of it pruned at random.
fn fresh(gpu: &Gpu, spec: &ModelSpec, seeds: &[u32], density: f64) -> Replicas {
    let model = build(spec, INPUT);
    let keys: Vec<RandomKey> = seeds.iter().map(|&seed| key(seed)).collect();
    let replicas = Replicas::new(gpu, model, &keys).unwrap();
    replicas.initialise(gpu).unwrap();
    let random = PruneSpec::new(Criterion::Random, Scope::Uniform, Amount::Density(density));
    prune(gpu, &replicas, &vec![&random; seeds.len()]).unwrap();
    replicas
}

/// Batch number `b` of a pass: images, labels, samples.
fn nth_batch(data: &Dataset, key: RandomKey, b: u32) -> (Vec<f32>, Vec<u32>, u32) {
    let total = data.train.len() as u32;
    let samples = total - 5;
    let position = b * BATCH;
    let count = BATCH.min(samples - position);
    let keys = [[key.seed, key.fresh, key.train, key.select]];
    let state = [State {
        count,
        position,
        ..State::default()
    }];
    let draw = Draw {
        total,
        base: 5,
        samples,
        mode: 0,
        slots: BATCH.next_multiple_of(4),
        balanced: 0,
    };
    let slots = draw.slots as usize;
    let (mut index, mut label) = (vec![0; slots], vec![0; slots]);
    batch_draw(
        &draw,
        &keys,
        &state,
        &data.train.labels,
        &mut index,
        &mut label,
    );
    let gather = Gather {
        features: (SIDE * SIDE) as u32,
        words: (SIDE * SIDE / 4) as u32,
        plane: (SIDE * SIDE) as u32,
        columns: draw.slots / 4,
        first: 0,
        samples: total,
        first_column: 0,
        batch_columns: draw.slots / 4,
    };
    let mut x = vec![0f32; SIDE * SIDE * slots];
    let scales = scales(&Normalise::None, data);
    batch_gather(&gather, 1, &data.train.images, &scales, &index, &mut x);
    (x, label, count)
}

/// Gradients of each batch at these weights.
fn gradients<T: crate::reference::number::Real>(
    spec: &ModelSpec,
    model: &Model,
    data: &Dataset,
    weights: &[T],
) -> Vec<Vec<T>> {
    (0..BATCHES)
        .map(|b| {
            let (x, labels, count) = nth_batch(data, key(1), b);
            let columns = BATCH.div_ceil(4);
            let network = Network {
                spec,
                model,
                columns,
                count,
                dropout: None,
            };
            network
                .step(&mut weights.to_vec(), &widen(&x), &labels)
                .grads
        })
        .collect()
}

fn dense(gpu: &Gpu) -> Execution {
    Execution {
        sparse: SparseRule::Never,
        ..Execution::for_adapter(gpu.adapter())
    }
}

/// Three batches, the last of them not full: the f32 twin's bits, gradients of pruned weights among them; and no trace.
#[test]
fn gathering_adds_up_the_batches_and_changes_nothing() {
    let Some(gpu) = gpu() else { return };
    for spec in [batch_norm_net(), dropout_net()] {
        check_gathering(gpu, &spec);
    }
}

fn check_gathering(gpu: &'static Gpu, spec: &ModelSpec) {
    let data = images();
    let replicas = fresh(gpu, spec, &[1], 0.5);
    let model = replicas.model.clone();
    let before = replicas.download(gpu).unwrap().remove(0);
    let train = training(0.0, BATCHES);
    let specs = [&train];
    let world = World::new(gpu, images());
    let trainer = trainer(gpu, &world, &replicas, &specs, dense(gpu));
    let twins = gradients(spec, &model, &data, &before.weights);
    let exact = gradients::<f64>(spec, &model, &data, &widen(&before.weights));
    for (kind, what) in [
        GradientStatistic::Gradients,
        GradientStatistic::Squares,
        GradientStatistic::Movement,
    ]
    .into_iter()
    .enumerate()
    {
        if what == GradientStatistic::Movement {
            continue;
        }
        let sums = gpu.buffer("sums", replicas.params.bytes()).unwrap();
        trainer
            .accumulate_gradients(what, &sums, &mut |_| true)
            .unwrap();
        let got: Vec<f32> = gpu.read(&sums, 0, model.floats).unwrap();
        let (mut twin, mut right) = (vec![0f32; model.floats], vec![0f64; model.floats]);
        for (g, e) in twins.iter().zip(&exact) {
            gradient_accumulate(kind as u32, &before.weights, g, &mut twin);
            gradient_accumulate(kind as u32, &widen(&before.weights), e, &mut right);
        }
        if is_exact(gpu) {
            assert_eq!(differs_bits(&got, &twin), None, "{what:?}");
        }
        let norm = right.iter().map(|x| x * x).sum::<f64>().sqrt();
        let off = got
            .iter()
            .zip(&right)
            .map(|(g, r)| (f64::from(*g) - r).abs())
            .fold(0.0, f64::max);
        assert!(norm > 0.0 && off < 1e-5 * norm, "{what:?}: {off} of {norm}");
        let pruned = (0..model.tensors[0].count)
            .find(|&i| !before.mask.keeps(i))
            .unwrap();
        assert!(got[pruned] != 0.0, "a pruned weight has a gradient too");
        assert_eq!(
            replicas.download(gpu).unwrap()[0],
            before,
            "{what:?} left a trace"
        );
        assert_eq!(trainer.audit_now().unwrap(), [0]);
    }
}

/// With every kink there is: ReLU, leaky ReLU, max pooling with and without overlap, a residual block, batch normalisation.
fn kinked_net() -> ModelSpec {
    let mut spec = chain(vec![
        conv(5, 3, 1, 1),
        Layer::BatchNorm,
        Layer::Relu,
        conv(5, 3, 1, 1),
        Layer::BatchNorm,
        Layer::Add {
            with: "l2".to_string(),
        },
        Layer::Relu,
        max_pool(2),
        conv(6, 3, 1, 1),
        Layer::LeakyRelu { slope: 0.1 },
        Layer::MaxPool {
            window: 2,
            stride: 1,
        },
        Layer::Flatten,
        linear(14),
        Layer::Relu,
        linear(10),
    ]);
    let before = spec.layers[2].name.clone();
    spec.layers[5].layer = Layer::Add { with: before };
    spec
}

/// The difference of gradients is the Hessian times the gradient: that of the f64 twin with a step so short that it crosses no kink.
#[test]
fn grasp_measures_the_hessian_times_the_gradient() {
    for spec in [smooth_net(), kinked_net()] {
        hessian_gradient_is_that_of_the_twin(&spec);
    }
}

fn hessian_gradient_is_that_of_the_twin(spec: &ModelSpec) {
    let Some(gpu) = gpu() else { return };
    let data = images();
    let replicas = fresh(gpu, spec, &[1], 1.0);
    let model = replicas.model.clone();
    let before = replicas.download(gpu).unwrap().remove(0);
    let train = training(0.0, BATCHES);
    let specs = [&train];
    let world = World::new(gpu, images());
    let trainer = trainer(gpu, &world, &replicas, &specs, dense(gpu));
    let product = hessian_gradient(gpu, &replicas, &trainer, &mut |_| true).unwrap();
    let got: Vec<f32> = gpu.read(&product, 0, model.floats).unwrap();
    assert_eq!(
        replicas.download(gpu).unwrap()[0],
        before,
        "scoring left a trace"
    );

    let sum = |weights: &[f64]| {
        let mut sum = vec![0f64; model.floats];
        for g in gradients(spec, &model, &data, weights) {
            gradient_accumulate(0, &g, &g, &mut sum);
        }
        sum
    };
    let weights = widen::<f64>(&before.weights);
    let g = sum(&weights);
    let is_weight: Vec<bool> = (0..model.floats)
        .map(|i| {
            model
                .tensors
                .iter()
                .any(|t| t.prunable && (t.offset..t.offset + t.count).contains(&i))
        })
        .collect();
    let moved = |step: f64| -> Vec<f64> {
        let shift = |i: usize| if is_weight[i] { step * g[i] } else { 0.0 };
        sum(&(0..model.floats)
            .map(|i| weights[i] + shift(i))
            .collect::<Vec<_>>())
    };
    let (plus, minus) = (moved(1e-8), moved(-1e-8));
    let (mut dot, mut a, mut b) = (0.0, 0.0, 0.0);
    for i in (0..model.floats).filter(|&i| is_weight[i]) {
        let (x, y) = (f64::from(got[i]), plus[i] - minus[i]);
        dot += x * y;
        a += x * x;
        b += y * y;
    }
    let cosine = dot / (a * b).sqrt();
    println!("cosine with the f64 twin: {cosine}");
    assert!(cosine > 0.9999, "{cosine}");
    // A tenth of the weights by w H g.
    let top = |h: &dyn Fn(usize) -> f64| {
        let mut order: Vec<usize> = (0..model.floats).filter(|&i| is_weight[i]).collect();
        order.sort_by(|&i, &j| (weights[j] * h(j)).total_cmp(&(weights[i] * h(i))));
        order.truncate(order.len() / 10);
        order
    };
    let (own, twin) = (top(&|i| f64::from(got[i])), top(&|i| plus[i] - minus[i]));
    let common = own.iter().filter(|i| twin.contains(i)).count();
    println!("{common} of {} kept weights in common", twin.len());
    assert!(
        common * 100 >= twin.len() * 99,
        "{common} of {}",
        twin.len()
    );
}

/// The score of a unit is how the loss changes with a factor on its outputs, whether a batch normalisation follows or not: by
/// differences of the loss in f64.
#[test]
fn taylor_of_units_is_the_gradient_of_a_gate() {
    let Some(gpu) = gpu() else { return };
    let spec = chain(vec![
        conv(6, 3, 1, 1),
        Layer::Relu,
        max_pool(2),
        conv(8, 3, 1, 1),
        Layer::BatchNorm,
        Layer::Relu,
        Layer::Flatten,
        linear(10),
    ]);
    let (data, world, train) = (images(), World::new(gpu, images()), training(0.0, BATCHES));
    for seed in 1..4 {
        let replicas = fresh(gpu, &spec, &[seed], 1.0);
        let model = replicas.model.clone();
        let weights = widen::<f64>(&replicas.download(gpu).unwrap()[0].weights);
        let loss = |weights: &[f64]| -> f64 {
            let of_batch = |b| {
                let (x, labels, count) = nth_batch(&data, key(seed), b);
                let network = Network {
                    spec: &spec,
                    model: &model,
                    columns: BATCH.div_ceil(4),
                    count,
                    dropout: None,
                };
                let step = network.step(&mut weights.to_vec(), &widen(&x), &labels);
                step.loss.iter().sum::<f64>() / f64::from(count)
            };
            (0..BATCHES).map(of_batch).sum()
        };
        // Layers 0 and 3 make the units; the factor of the latter stands in scale and shift.
        let gate = |units: usize, tensors: &[&str], unit: usize| -> f64 {
            let times = |factor: f64| {
                let mut weights = weights.clone();
                for tensor in model
                    .tensors
                    .iter()
                    .filter(|t| tensors.contains(&t.name.as_str()))
                {
                    let each = tensor.count / units;
                    let own = tensor.offset + unit * each..tensor.offset + (unit + 1) * each;
                    weights[own].iter_mut().for_each(|w| *w *= factor);
                }
                loss(&weights)
            };
            (times(1.0 + 1e-6) - times(1.0 - 1e-6)).abs()
        };
        let names: Vec<&str> = model.tensors.iter().map(|t| t.name.as_str()).collect();
        let first = names
            .iter()
            .filter(|n| n.starts_with(&model.layers[0].name));
        let norm = names
            .iter()
            .filter(|n| n.starts_with(&model.layers[4].name));
        let (first, norm): (Vec<&str>, Vec<&str>) = (
            first.copied().collect(),
            norm.copied()
                .filter(|n| n.ends_with("weight") || n.ends_with("bias"))
                .collect(),
        );
        let mut order: Vec<(f64, usize)> = (0..14)
            .map(|u| match u {
                0..6 => (gate(6, &first, u), u),
                _ => (gate(8, &norm, u - 6), u),
            })
            .collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut want: Vec<usize> = order[..10].iter().map(|&(_, u)| u).collect();
        want.sort();
        let prune = UnitPrune {
            data: Some(Box::new(train.clone())),
            ..UnitPrune::new(
                UnitCriterion::Taylor,
                UnitScope::Global,
                UnitAmount::Count(Amount::Density(0.7)),
            )
        };
        let measured = ScoringData {
            resident: &world.resident,
            scales: &world.scales(&train),
            execution: dense(gpu),
        };
        prune_units(gpu, &replicas, &[&prune], Some(&measured), &mut |_| true).unwrap();
        let mask = replicas.download(gpu).unwrap().remove(0).mask;
        let conv_weights = model.tensors.iter().filter(|t| t.shape.len() == 4);
        let stays = conv_weights.flat_map(|tensor| {
            let each = tensor.count / tensor.shape[0];
            let mask = &mask;
            (0..tensor.shape[0]).map(move |unit| {
                let first = tensor.offset + unit * each;
                (first..first + each).any(|i| mask.keeps(i))
            })
        });
        let got: Vec<usize> = stays
            .enumerate()
            .filter(|&(_, on)| on)
            .map(|(u, _)| u)
            .collect();
        assert_eq!(got, want, "seed {seed}: {order:?}");
    }
}

/// Sums of SynFlow's scores by tensor, and the scores.
fn flow(gpu: &Gpu, replicas: &Replicas, r: usize) -> (Vec<f64>, Vec<f32>) {
    let shares = synaptic_flow(gpu, replicas).unwrap();
    let model = &replicas.model;
    let all: Vec<f32> = gpu
        .read(&shares, (r * model.floats * 4) as u64, model.floats)
        .unwrap();
    let sums = model.tensors.iter().filter(|t| t.prunable).map(|t| {
        let own = &all[t.offset..t.offset + t.count];
        own.iter().map(|&x| f64::from(x)).sum()
    });
    (sums.collect(), all)
}

/// Tanaka et al. 2020, theorem 2: the scores of every layer add up to R. With dropout, batch normalisation and biases in the
/// model, none of which takes part.
#[test]
fn synflow_conserves_its_layer_sums() {
    let Some(gpu) = gpu() else { return };
    let dropout = Layer::Dropout {
        p: 0.5,
        channels: false,
    };
    let spec = chain(vec![
        conv(5, 3, 1, 1),
        Layer::BatchNorm,
        Layer::Relu,
        max_pool(2),
        conv(6, 3, 1, 1),
        Layer::Relu,
        Layer::AvgPool {
            window: Some(2),
            stride: 1,
        },
        Layer::Flatten,
        dropout,
        linear(14),
        Layer::Gelu,
        linear(10),
    ]);
    for density in [1.0, 0.4] {
        let replicas = fresh(gpu, &spec, &[1, 2], density);
        let before = replicas.download(gpu).unwrap();
        for (r, before) in before.iter().enumerate() {
            let (sums, scores) = flow(gpu, &replicas, r);
            println!("{sums:?}");
            assert!(
                sums.iter().all(|s| (s / sums[0] - 1.0).abs() < 1e-5),
                "{sums:?}"
            );
            let pruned = (0..replicas.model.tensors[0].count).filter(|&i| !before.mask.keeps(i));
            assert!(pruned.clone().all(|i| scores[i] == 0.0));
            assert!(density == 1.0 || pruned.count() > 0);
        }
        assert_eq!(
            replicas.download(gpu).unwrap(),
            before,
            "scoring left a trace"
        );
    }
}

/// Against the closed form for three linear layers: |w| times the flow into its input times the flow out of its output.
#[test]
fn synflow_is_the_flow_through_each_weight() {
    let Some(gpu) = gpu() else { return };
    let spec = chain(vec![
        Layer::Flatten,
        linear(9),
        Layer::Relu,
        linear(7),
        Layer::Relu,
        linear(10),
    ]);
    let replicas = fresh(gpu, &spec, &[3], 0.7);
    let model = replicas.model.clone();
    let weights = replicas.download(gpu).unwrap().remove(0).weights;
    let tensors: Vec<_> = model.tensors.iter().filter(|t| t.prunable).collect();
    let w = |l: usize, o: usize, i: usize| {
        f64::from(weights[tensors[l].offset + o * tensors[l].shape[1] + i].abs())
    };
    let sizes = [36, 9, 7, 10];
    let mut into = vec![vec![1f64; 36]];
    for l in 0..3 {
        let next = (0..sizes[l + 1]).map(|o| (0..sizes[l]).map(|i| w(l, o, i) * into[l][i]).sum());
        into.push(next.collect());
    }
    let mut out = vec![vec![1f64; 10]];
    for l in (0..3).rev() {
        let below = (0..sizes[l]).map(|i| (0..sizes[l + 1]).map(|o| w(l, o, i) * out[0][o]).sum());
        out.insert(0, below.collect());
    }
    let r: f64 = into[3].iter().sum();
    let (sums, got) = flow(gpu, &replicas, 0);
    for l in 0..3 {
        for (o, i) in (0..sizes[l + 1]).flat_map(|o| (0..sizes[l]).map(move |i| (o, i))) {
            let want = w(l, o, i) * into[l][i] * out[l + 1][o] / r;
            let at = tensors[l].offset + o * sizes[l] + i;
            let share = f64::from(got[at]) / sums[l];
            assert!(
                (share - want).abs() <= 1e-5 * want,
                "layer {l}, {o} from {i}: {share}, not {want}"
            );
        }
    }
}

/// Forty layers with weights near 1e-6, then near 1e6: R is 1e-200 or 1e200 and more, and nothing is lost.
#[test]
fn synflow_neither_overflows_nor_underflows() {
    let Some(gpu) = gpu() else { return };
    let mut layers = vec![Layer::Flatten];
    for _ in 0..40 {
        layers.extend([linear(8), Layer::Relu]);
    }
    layers.push(linear(10));
    let replicas = fresh(gpu, &chain(layers), &[4], 0.8);
    let before = replicas.download(gpu).unwrap().remove(0);
    for factor in [1e-6, 1e6] {
        let weights = before.weights.iter().map(|w| w * factor).collect();
        let scaled = Snapshot {
            weights,
            ..before.clone()
        };
        replicas.upload(gpu, &[&scaled]).unwrap();
        let (sums, _) = flow(gpu, &replicas, 0);
        assert!(sums[0].is_finite() && sums[0] > 0.1, "{}", sums[0]);
        assert!(
            sums.iter().all(|s| (s / sums[0] - 1.0).abs() < 1e-4),
            "{sums:?}"
        );
    }
}

/// LeNet-300-100 as it is drawn: its first layer's weights are at most 1/28, its last one's reach 1/10. Magnitude therefore removes
/// the first layer whole when 300 stay; SynFlow in 100 iterations leaves paths through every layer (Tanaka et al. 2020, section 6).
#[test]
fn magnitude_collapses_at_initialisation_and_synflow_does_not() {
    let Some(gpu) = gpu() else { return };
    let model = preset_model("lenet-300-100");
    let kept = |criterion, iterations| {
        let replicas = Replicas::new(gpu, model.clone(), &[key(1)]).unwrap();
        replicas.initialise(gpu).unwrap();
        let spec = PruneSpec {
            iterations,
            ..PruneSpec::new(criterion, Scope::Global, Amount::Keep(300))
        };
        prune(gpu, &replicas, &[&spec]).unwrap();
        let mask = replicas.download(gpu).unwrap().remove(0).mask;
        let counts = mask.counts(&model);
        let weights = model.tensors.iter().zip(counts).filter(|(t, _)| t.prunable);
        weights.map(|(_, kept)| kept).collect::<Vec<_>>()
    };
    let magnitude = kept(Criterion::Magnitude, 1);
    let synflow = kept(Criterion::Synflow, 100);
    println!("magnitude {magnitude:?}, synflow {synflow:?}");
    assert_eq!((magnitude[0], magnitude.iter().sum()), (0, 300));
    assert!(synflow.iter().all(|&k| k > 0) && synflow.iter().sum::<u64>() == 300);
    // In a single shot SynFlow, too, can lose a layer; it is the iterations that make the difference.
    assert_eq!(kept(Criterion::Synflow, 3).iter().sum::<u64>(), 300);
}

/// The definition, weight by weight; and that magnitude's order within a layer is LAMP's.
#[test]
fn lamp_is_its_definition() {
    let Some(gpu) = gpu() else { return };
    let replicas = fresh(gpu, &smooth_net(), &[6], 0.6);
    let model = replicas.model.clone();
    let mut snapshot = replicas.download(gpu).unwrap().remove(0);
    // Ties: of both signs, and zeros.
    for (k, i) in (0..model.tensors[0].count)
        .filter(|&i| snapshot.mask.keeps(i))
        .enumerate()
    {
        match k % 5 {
            0 => snapshot.weights[i] = if k % 2 == 0 { 0.05 } else { -0.05 },
            1 => snapshot.weights[i] = 0.0,
            _ => {}
        }
    }
    let order = lamp_order(&model, &snapshot);
    for &(i, score) in &order {
        let i = i as usize;
        let tensor = model
            .tensors
            .iter()
            .find(|t| (t.offset..t.offset + t.count).contains(&i))
            .unwrap();
        let w = |i: usize| f64::from(snapshot.weights[i]);
        let above = (tensor.offset..tensor.offset + tensor.count)
            .filter(|&j| snapshot.mask.keeps(j))
            .filter(|&j| w(j).abs() > w(i).abs() || (w(j).abs() == w(i).abs() && j <= i));
        let sum: f64 = above.map(|j| w(j) * w(j)).sum();
        let want = w(i) * w(i) / sum;
        assert!(
            (score - want).abs() < 1e-12 || sum == 0.0,
            "weight {i}: {score}, not {want}"
        );
    }
    replicas.upload(gpu, &[&snapshot]).unwrap();
    let spec = PruneSpec::new(Criterion::Lamp, Scope::Global, Amount::Keep(101));
    prune(gpu, &replicas, &[&spec]).unwrap();
    let after = replicas.download(gpu).unwrap().remove(0);
    for (rank, &(i, _)) in order.iter().enumerate() {
        assert_eq!(after.mask.keeps(i as usize), rank < 101, "rank {rank}");
    }
}

const ALL: [Criterion; 10] = [
    Criterion::Magnitude,
    Criterion::Random,
    Criterion::Lamp,
    Criterion::Gradient,
    Criterion::Snip,
    Criterion::Taylor,
    Criterion::TaylorSquared,
    Criterion::Grasp,
    Criterion::Synflow,
    Criterion::Movement,
];

fn pruned(gpu: &Gpu, criterion: Criterion, seeds: &[u32], iterations: u32) -> Vec<Snapshot> {
    let data = images();
    let replicas = fresh(gpu, &batch_norm_net(), seeds, 0.9);
    let resident = ResidentDataset::upload(gpu, &data).unwrap();
    let spec = PruneSpec {
        iterations,
        data: criterion
            .reads_data()
            .then(|| Box::new(training(0.1, BATCHES))),
        ..PruneSpec::new(criterion, Scope::Global, Amount::Keep(123))
    };
    let world = ScoringData {
        resident: &resident,
        scales: &scales(&Normalise::None, &data),
        execution: Execution::for_adapter(gpu.adapter()),
    };
    let scoring = Scoring {
        data: Some(world),
        ..Scoring::default()
    };
    let specs = vec![&spec; seeds.len()];
    prune_on(gpu, &replicas, &specs, &scoring, &mut |_| true).unwrap();
    replicas.download(gpu).unwrap()
}

/// Exact counts, in one shot and in several, and the same bits whatever the cohort.
#[test]
fn every_criterion_keeps_what_it_is_asked_for_alone_and_in_company() {
    let Some(gpu) = gpu() else { return };
    for criterion in ALL {
        for iterations in [1, 4] {
            if iterations > 1 && criterion == Criterion::Movement {
                continue;
            }
            let together = pruned(gpu, criterion, &[1, 2, 9], iterations);
            let alone = pruned(gpu, criterion, &[2], iterations);
            assert_eq!(together[1], alone[0], "{criterion:?} in {iterations}");
            let model = build(&batch_norm_net(), INPUT);
            for snapshot in &together {
                let kept = snapshot.mask.counts(&model);
                let weights = model.tensors.iter().zip(kept).filter(|(t, _)| t.prunable);
                assert_eq!(weights.map(|w| w.1).sum::<u64>(), 123, "{criterion:?}");
            }
        }
    }
}

/// The masks of single criteria are those that f64 gradients choose, but for weights whose scores are nearly equal.
#[test]
fn gradient_criteria_choose_as_the_f64_twin() {
    let Some(gpu) = gpu() else { return };
    let data = images();
    let spec = batch_norm_net();
    let before = fresh(gpu, &spec, &[1], 0.9)
        .download(gpu)
        .unwrap()
        .remove(0);
    let model = build(&spec, INPUT);
    let exact = gradients::<f64>(&spec, &model, &data, &widen(&before.weights));
    let w = |i: usize| f64::from(before.weights[i]);
    let sum = |i: usize| exact.iter().map(|g| g[i]).sum::<f64>();
    let squares = |i: usize| exact.iter().map(|g| g[i] * g[i]).sum::<f64>();
    for criterion in [
        Criterion::Gradient,
        Criterion::Snip,
        Criterion::Taylor,
        Criterion::TaylorSquared,
    ] {
        let score = |i: usize| match criterion {
            Criterion::Gradient => sum(i).abs(),
            Criterion::Snip => (w(i) * sum(i)).abs(),
            Criterion::Taylor => -w(i) * sum(i),
            _ => w(i) * w(i) * squares(i),
        };
        let weights = model.tensors.iter().filter(|t| t.prunable);
        let there = weights
            .flat_map(|t| t.offset..t.offset + t.count)
            .filter(|&i| before.mask.keeps(i));
        let mut order: Vec<usize> = there.collect();
        order.sort_by(|&a, &b| score(b).total_cmp(&score(a)));
        let border = score(order[122]);
        let close = 1e-4 * score(order[0]).abs();
        let after = pruned(gpu, criterion, &[1], 1).remove(0);
        for &i in &order {
            let clear = (score(i) - border).abs() > close;
            assert!(
                !clear || after.mask.keeps(i) == (score(i) > border),
                "{criterion:?}: weight {i}"
            );
        }
    }
}

/// Movement trains: its weights are those of a training of as many steps, where the mask has a 1.
#[test]
fn movement_is_measured_on_a_training() {
    let Some(gpu) = gpu() else { return };
    let replicas = fresh(gpu, &batch_norm_net(), &[1], 0.9);
    let train = training(0.1, BATCHES);
    let specs = [&train];
    let world = World::new(gpu, images());
    let mut trainer = trainer(gpu, &world, &replicas, &specs, dense(gpu));
    trainer.train(None, &mut |_| true).unwrap();
    let trained = replicas.download(gpu).unwrap().remove(0).weights;
    let after = pruned(gpu, Criterion::Movement, &[1], 1).remove(0);
    let mut kept = 0;
    for (i, &trained) in trained.iter().enumerate() {
        let want = if after.mask.keeps(i) { trained } else { 0.0 };
        assert_eq!(after.weights[i].to_bits(), want.to_bits(), "weight {i}");
        kept += usize::from(want != 0.0);
    }
    assert!(kept > 100, "{kept}");
}

#[test]
fn a_criterion_that_reads_data_says_so() {
    let Some(gpu) = gpu() else { return };
    let replicas = fresh(gpu, &smooth_net(), &[1], 1.0);
    let spec = PruneSpec::new(Criterion::Snip, Scope::Global, Amount::Keep(5));
    let error = prune(gpu, &replicas, &[&spec]).unwrap_err();
    assert!(matches!(error, PruneError::NoData), "{error}");
}
