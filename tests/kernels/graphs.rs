//! Whole training steps against the CPU twin of the model: every weight's gradient, so every value and gradient on the way.

use crate::reference::batch::{batch_draw, batch_gather};
use crate::reference::compare::differs_bits;
use crate::reference::device::gpu;
use crate::reference::dice::Dice;
use crate::reference::network::{Network, Step};
use crate::reference::number::widen;
use secateur::data::{Dataset, Split};
use secateur::gpu::Gpu;
use secateur::model::{Model, presets};
use secateur::ops::Execution;
use secateur::spec::{
    Init, Layer, Length, ModelSpec, NamedLayer, Normalise, Optimizer, Shape, TrainSpec,
};
use secateur::train::{Draw, Gather, Key, Replicas, ResidentDataset, State, Trainer, scales};
use std::sync::Arc;

fn layer(name: &str, from: Option<&str>, layer: Layer) -> NamedLayer {
    NamedLayer {
        name: name.to_owned(),
        layer,
        from: from.map(str::to_owned),
    }
}

fn conv(channels: usize, kernel: usize, stride: usize) -> Layer {
    Layer::Conv2d {
        channels,
        kernel,
        stride,
        padding: kernel / 2,
        bias: true,
    }
}

fn add(with: &str) -> Layer {
    Layer::Add {
        with: with.to_owned(),
    }
}

/// Random images of ten classes, as many as a batch holds.
fn images(count: usize, shape: Shape) -> Dataset {
    let mut dice = Dice(7);
    let split = |dice: &mut Dice| Split {
        images: (0..count * shape.features())
            .map(|_| dice.below(256) as u8)
            .collect(),
        labels: (0..count).map(|_| dice.below(10) as u8).collect(),
    };
    Dataset {
        name: "noise".to_owned(),
        class_names: (0..10).map(|c| c.to_string()).collect(),
        channels: shape.channels,
        height: shape.height,
        width: shape.width,
        train: split(&mut dice),
        test: split(&mut dice),
        digest: String::new(),
        source: "the tests".to_owned(),
        warnings: Vec::new(),
        skipped: Vec::new(),
    }
}

/// The samples that the first step of a training draws, in their places, and their labels.
fn drawn(data: &Dataset, key: Key, columns: u32) -> (Vec<u32>, Vec<u32>) {
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
pub fn batch_order(data: &Dataset, key: Key, columns: u32) -> Vec<u32> {
    drawn(data, key, columns).0
}

/// The batch that the first step of a training draws: images, labels.
fn first_batch(data: &Dataset, key: Key, columns: u32, shape: Shape) -> (Vec<f32>, Vec<u32>) {
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
/// A tensor's gradient may be off by `close` of its norm from the exact one.
fn check_step(gpu: &'static Gpu, spec: &ModelSpec, shape: Shape, count: usize, close: f64) {
    let data = images(count, shape);
    let model = Arc::new(Model::new(spec, shape, 10).unwrap());
    let key = Key {
        seed: 5,
        ..Key::default()
    };
    let replicas = Replicas::new(gpu, model.clone(), &[key]).unwrap();
    replicas.initialise(gpu).unwrap();
    let before = replicas.download(gpu).unwrap().remove(0).weights;
    let still = Optimizer::sgd(0.0, 0.0);
    let train = TrainSpec {
        normalise: Normalise::None,
        ..TrainSpec::plain(&data.name, count as u32, Length::Steps(1), still)
    };
    let resident = ResidentDataset::upload(gpu, &data).unwrap();
    let specs = [&train];
    let scales = scales(&train.normalise, &data);
    let execution = Execution::for_adapter(gpu.adapter());
    let mut trainer = Trainer::new(gpu, &replicas, &resident, &specs, &scales, &execution).unwrap();
    let points = trainer.train(None, &mut |_| true).unwrap();
    let grads: Vec<f32> = gpu.read(&replicas.grads, 0, model.floats).unwrap();
    let after = replicas.download(gpu).unwrap().remove(0).weights;

    let columns = count.div_ceil(4) as u32;
    let (x, labels) = first_batch(&data, key, columns, shape);
    let network = Network {
        spec,
        model: &model,
        columns,
        count: count as u32,
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
    if gpu.adapter().kind == "software" {
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
}

/// Values with one, two and three readers; additions of what is before and of what is far back, of a value to itself and of
/// the input; operators in place whose input another layer reads.
#[test]
fn a_step_of_a_graph_is_its_twins() {
    let Some(gpu) = gpu() else { return };
    let spec = ModelSpec {
        name: "graph".to_owned(),
        layers: vec![
            layer("lift", None, conv(3, 1, 1)),
            layer("in", None, add("input")),
            layer("conv1", None, conv(5, 3, 1)),
            layer("bn1", None, Layer::BatchNorm),
            layer("relu1", None, Layer::Relu),
            layer("conv2", None, conv(5, 3, 1)),
            // Reads conv1 before its ReLU, in a place of its own.
            layer("relu2", Some("conv1"), Layer::Relu),
            layer("add1", Some("conv2"), add("relu1")),
            layer("add2", None, add("relu2")),
            layer("relu3", None, Layer::Relu),
            layer("conv3", None, conv(6, 3, 2)),
            layer("short", Some("relu3"), conv(6, 1, 2)),
            layer("add3", Some("conv3"), add("short")),
            layer("relu4", None, Layer::Relu),
            layer(
                "pool",
                None,
                Layer::MaxPool {
                    window: 2,
                    stride: 2,
                },
            ),
            layer("twice", None, add("pool")),
            layer("flat", None, Layer::Flatten),
            layer(
                "fc1",
                None,
                Layer::Linear {
                    features: 12,
                    bias: true,
                },
            ),
            layer("bn2", None, Layer::BatchNorm),
            layer("relu5", None, Layer::Relu),
            layer(
                "fc2",
                Some("flat"),
                Layer::Linear {
                    features: 12,
                    bias: false,
                },
            ),
            layer("gelu", None, Layer::Gelu),
            // In place on what GELU's backward pass does not read.
            layer("relu6", None, Layer::Relu),
            layer("leaky", None, Layer::LeakyRelu { slope: 0.1 }),
            layer("add4", None, add("relu5")),
            layer("tanh", None, Layer::Tanh),
            layer(
                "fc3",
                None,
                Layer::Linear {
                    features: 10,
                    bias: true,
                },
            ),
        ],
        init: Init::Pytorch,
    };
    // Rounding grows with depth and with what cancels in a sum; a wrong value is off by its own size.
    check_step(gpu, &spec, Shape::new(3, 9, 8), 10, 1e-3);
}

/// A whole step of the network that pruning papers use most: 73 layers with gradients through 9 shortcuts.
#[test]
fn a_step_of_resnet_20_is_its_twins() {
    let Some(gpu) = gpu() else { return };
    let spec = ModelSpec {
        name: "resnet-20".to_owned(),
        layers: presets::layers("resnet-20").unwrap(),
        init: Init::Pytorch,
    };
    // Of two million values before a ReLU some are as near 0 as rounding is large: their gradients pass in one precision and
    // not in the other, and each such one reaches all layers below.
    check_step(gpu, &spec, presets::input("resnet-20"), 8, 0.03);
}
