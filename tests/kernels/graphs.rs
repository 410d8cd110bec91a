//! Whole training steps against the CPU twin of the model: every weight's gradient, so every value and gradient on the way.

use crate::common::{
    World, add, bare, build, conv, gpu, graph, is_exact, key, linear, max_pool, named, noise,
    preset, trainer, usual,
};
use crate::reference::batch::{batch_draw, batch_gather};
use crate::reference::compare::differs_bits;
use crate::reference::network::{Network, Step};
use crate::reference::number::widen;
use secateur::data::Dataset;
use secateur::gpu::Gpu;
use secateur::model::presets;
use secateur::spec::{Layer, Length, ModelSpec, Normalise, Optimizer, Shape, TrainSpec};
use secateur::train::{Draw, Gather, RandomKey, Replicas, State, scales};

/// The samples that the first step of a training draws, in their places, and their labels.
fn drawn(data: &Dataset, key: RandomKey, columns: u32) -> (Vec<u32>, Vec<u32>) {
    let count = data.train.len() as u32;
    let keys = [[key.seed, key.fresh, key.train, key.select]];
    let state = [State {
        count,
        ..State::default()
    }];
    let draw = Draw {
        total: count,
        base: 0,
        samples: count,
        mode: 0,
        slots: 4 * columns,
        balanced: 0,
    };
    let slots = draw.slots as usize;
    let (mut index, mut label) = (vec![0; slots], vec![0; slots]);
    let labels = &data.train.labels;
    batch_draw(&draw, &keys, &state, labels, &mut index, &mut label);
    (index, label)
}

/// The samples in the places of the first batch.
pub fn batch_order(data: &Dataset, key: RandomKey, columns: u32) -> Vec<u32> {
    drawn(data, key, columns).0
}

/// The batch that the first step of a training draws: images, labels.
fn first_batch(data: &Dataset, key: RandomKey, columns: u32, shape: Shape) -> (Vec<f32>, Vec<u32>) {
    let (index, label) = drawn(data, key, columns);
    let slots = index.len();
    let gather = Gather {
        features: shape.features() as u32,
        words: shape.features().div_ceil(4) as u32,
        plane: shape.plane() as u32,
        columns,
        first_column: 0,
        batch_columns: columns,
        first: 0,
        samples: data.train.len() as u32,
    };
    let mut padded = Vec::new();
    for image in data.train.images.chunks_exact(shape.features()) {
        padded.extend_from_slice(image);
        padded.resize(padded.len().next_multiple_of(4), 0);
    }
    let mut x = vec![0.0f32; shape.features() * slots];
    let scales = scales(&Normalise::None, data);
    batch_gather(&gather, 1, &padded, &scales, &index, &mut x);
    (x, label)
}

/// One step without an update on the adapter and on the CPU: gradients, and parameters for what moves on the way forward.
/// A tensor's gradient may be off by `close` of its norm from the exact one. Gives the kernels of the backward pass.
fn check_step(
    gpu: &'static Gpu,
    spec: &ModelSpec,
    shape: Shape,
    count: usize,
    close: f64,
) -> Vec<&'static str> {
    let data = noise(count, shape, 7);
    let model = build(spec, shape);
    let key = key(5);
    let replicas = Replicas::new(gpu, model.clone(), &[key]).unwrap();
    replicas.initialise(gpu).unwrap();
    let before = replicas.download(gpu).unwrap().remove(0).weights;
    let still = Optimizer::sgd(0.0, 0.0);
    let train = TrainSpec {
        normalise: Normalise::None,
        ..TrainSpec::plain(&data.name, count as u32, Length::Steps(1), still)
    };
    let world = World::new(gpu, data);
    let specs = [&train];
    let mut trainer = trainer(gpu, &world, &replicas, &specs, usual(gpu));
    let points = trainer.train(None, &mut |_| true).unwrap();
    let grads: Vec<f32> = gpu.read(&replicas.grads, 0, model.floats).unwrap();
    let after = replicas.download(gpu).unwrap().remove(0).weights;

    let columns = count.div_ceil(4) as u32;
    let (x, labels) = first_batch(&world.data, key, columns, shape);
    let network = Network {
        spec,
        model: &model,
        columns,
        count: count as u32,
        dropout: Some(key),
    };
    let mut exact_params = widen::<f64>(&before);
    let exact: Step<f64> = network.step(&mut exact_params, &widen(&x), &labels);
    let loss = exact.loss.iter().sum::<f64>() / count as f64;
    let got = points[0].points[0].train.loss;
    assert!(
        (got - loss).abs() < 1e-4 * loss,
        "loss {got}, expected {loss}"
    );
    for tensor in &model.tensors {
        let own = tensor.offset..tensor.offset + tensor.count;
        let size = exact.grads[own.clone()].iter().map(|g| g * g).sum::<f64>();
        let error = own
            .clone()
            .map(|k| (f64::from(grads[k]) - exact.grads[k]).powi(2));
        let off = error.sum::<f64>().sqrt();
        assert!(
            off <= close * size.sqrt() + 1e-6,
            "{}: gradient of norm {} is off by {off}",
            tensor.name,
            size.sqrt()
        );
    }
    if is_exact(gpu) {
        let mut params = before;
        let twin: Step<f32> = network.step(&mut params, &x, &labels);
        for tensor in &model.tensors {
            let own = tensor.offset..tensor.offset + tensor.count;
            for (what, got, want) in [
                ("gradient", &grads, &twin.grads),
                ("value", &after, &params),
            ] {
                if let Some(text) = differs_bits(&got[own.clone()], &want[own.clone()]) {
                    panic!("{what} of {}: {text}", tensor.name);
                }
            }
        }
    }
    let parts = trainer.training_program().unwrap().parts();
    let kernels = parts.iter().map(|part| part.kernel);
    kernels.skip_while(|&k| k != "softmax_loss").collect()
}

/// Values with one, two and three readers; additions of what is before and of what is far back, of a value to itself and of
/// the input; operators in place whose input another layer reads.
#[test]
fn a_step_of_a_graph_is_its_twins() {
    let Some(gpu) = gpu() else { return };
    let conv = |channels, kernel, stride| conv(channels, kernel, stride, kernel / 2);
    let spec = graph(vec![
        named("lift", None, conv(3, 1, 1)),
        named("in", None, add("input")),
        named("conv1", None, conv(5, 3, 1)),
        named("bn1", None, Layer::BatchNorm),
        named("relu1", None, Layer::Relu),
        named("conv2", None, conv(5, 3, 1)),
        // Reads conv1 before its ReLU, in a place of its own.
        named("relu2", Some("conv1"), Layer::Relu),
        named("add1", Some("conv2"), add("relu1")),
        named("add2", None, add("relu2")),
        named("relu3", None, Layer::Relu),
        named("conv3", None, conv(6, 3, 2)),
        named("short", Some("relu3"), conv(6, 1, 2)),
        named("add3", Some("conv3"), add("short")),
        named("relu4", None, Layer::Relu),
        named("pool", None, max_pool(2)),
        named("twice", None, add("pool")),
        named("flat", None, Layer::Flatten),
        named("fc1", None, linear(12)),
        named("bn2", None, Layer::BatchNorm),
        named("relu5", None, Layer::Relu),
        named("fc2", Some("flat"), bare(linear(12))),
        named("gelu", None, Layer::Gelu),
        // In place on what GELU's backward pass does not read.
        named("relu6", None, Layer::Relu),
        named("leaky", None, Layer::LeakyRelu { slope: 0.1 }),
        named("add4", None, add("relu5")),
        named("tanh", None, Layer::Tanh),
        named("fc3", None, linear(10)),
    ]);
    // Rounding grows with depth and with what cancels in a sum; a wrong value is off by its own size.
    check_step(gpu, &spec, Shape::new(3, 9, 8), 10, 1e-3);
}

/// Dropout after a ReLU that nobody else reads, which does that one's backward pass; after one that another layer reads too; after
/// pooling that does dropout on the way, and pooling that does not, as its windows overlap or another layer reads it.
#[test]
fn a_step_with_dropout_is_its_twins() {
    let Some(gpu) = gpu() else { return };
    let dropout = |p, channels| Layer::Dropout { p, channels };
    let overlapping = Layer::MaxPool {
        window: 2,
        stride: 1,
    };
    let spec = graph(vec![
        named("conv1", None, conv(6, 3, 1, 1)),
        named("relu1", None, Layer::Relu),
        named("drop1", None, dropout(0.3, true)),
        named("conv2", None, conv(6, 3, 1, 1)),
        named("relu2", None, Layer::Relu),
        named("drop2", None, dropout(0.2, false)),
        named("add1", None, add("relu2")),
        named("pool1", None, max_pool(2)),
        named("drop3", None, dropout(0.25, true)),
        named("pool2", None, overlapping),
        named("drop4", None, dropout(0.25, false)),
        named("pool3", None, max_pool(1)),
        named("drop5", None, dropout(0.25, false)),
        named("add2", None, add("pool3")),
        named("flat", None, Layer::Flatten),
        named("fc1", None, linear(12)),
        named("relu3", None, Layer::Relu),
        named("drop6", None, dropout(0.5, false)),
        // In place where dropout's output stood.
        named("relu4", None, Layer::Relu),
        named("fc2", None, linear(10)),
    ]);
    check_step(gpu, &spec, Shape::new(2, 8, 7), 10, 1e-3);
}

/// What an addition sends stays in the slot it is in where both summands can have it there, and is copied where they cannot. What
/// the readers of a ReLU send goes through its backward pass as it is added up. (Copies, and backward passes apart.)
#[test]
fn summands_share_a_gradient_where_they_can() {
    let Some(gpu) = gpu() else { return };
    let same = || conv(3, 3, 1, 1);
    let relu = || Layer::Relu;
    let cases = [
        // Read by the other summand, which is the first to have its turn.
        (
            vec![
                named("conv1", None, same()),
                named("relu1", None, relu()),
                named("conv2", None, same()),
                named("add1", None, add("relu1")),
                named("relu2", None, relu()),
            ],
            (0, 0),
        ),
        // That one works in place.
        (
            vec![
                named("conv1", None, same()),
                named("relu1", None, relu()),
                named("conv2", None, same()),
                named("relu2", None, relu()),
                named("add1", None, add("relu1")),
            ],
            (1, 1),
        ),
        // Only the one that comes afterwards does.
        (
            vec![
                named("conv1", None, same()),
                named("relu1", None, relu()),
                named("conv2", Some("conv1"), same()),
                named("add1", None, add("relu1")),
            ],
            (0, 1),
        ),
        // The summand that is named comes first.
        (
            vec![
                named("conv1", None, same()),
                named("relu1", None, relu()),
                named("conv2", None, same()),
                named("short", Some("relu1"), same()),
                named("add1", Some("conv2"), add("short")),
            ],
            (0, 0),
        ),
        // A value and itself.
        (
            vec![
                named("conv1", None, same()),
                named("relu1", None, relu()),
                named("add1", None, add("relu1")),
            ],
            (1, 0),
        ),
        // Three readers, all before the other summand.
        (
            vec![
                named("conv1", None, same()),
                named("relu1", None, relu()),
                named("conv2", None, same()),
                named("conv3", Some("relu1"), same()),
                named("add1", None, add("conv2")),
                named("conv4", None, same()),
                named("add2", None, add("relu1")),
            ],
            (0, 0),
        ),
        // Three, and one of them sends before the other summand has had its turn. And a sum is handed on as in place.
        (
            vec![
                named("conv1", None, same()),
                named("relu1", None, relu()),
                named("conv2", None, same()),
                named("conv3", Some("relu1"), same()),
                named("add1", Some("conv2"), add("relu1")),
                named("add2", None, add("conv3")),
            ],
            (2, 0),
        ),
        // The other summand has got a gradient already.
        (
            vec![
                named("conv1", None, same()),
                named("conv2", None, same()),
                named("add1", None, add("conv1")),
                named("add2", None, add("conv2")),
            ],
            (2, 0),
        ),
    ];
    for (mut layers, counts) in cases {
        let pool = Layer::AvgPool {
            window: None,
            stride: 1,
        };
        layers.extend([named("pool", None, pool), named("fc", None, linear(10))]);
        let spec = graph(layers);
        let kernels = check_step(gpu, &spec, Shape::new(2, 6, 5), 10, 1e-3);
        let count = |kernel| kernels.iter().filter(|&&k| k == kernel).count();
        let got = (count("values_copy"), count("relu_backward"));
        assert_eq!(got, counts, "{:?}", spec.layers);
    }
}

/// A whole step of the network that pruning papers use most: 73 layers with gradients through 9 shortcuts.
#[test]
fn a_step_of_resnet_20_is_its_twins() {
    let Some(gpu) = gpu() else { return };
    let spec = preset("resnet-20");
    // Of two million values before a ReLU some are as near 0 as rounding is large: their gradients pass in one precision and
    // not in the other, and each such one reaches all layers below.
    check_step(gpu, &spec, presets::input("resnet-20"), 8, 0.03);
}
