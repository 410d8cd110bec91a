//! Networks, replicas and trainings in few words.

use secateur::data::Dataset;
use secateur::gpu::Gpu;
use secateur::model::{Model, presets};
use secateur::ops::Execution;
use secateur::spec::{Init, Layer, ModelSpec, NamedLayer, Shape, TrainSpec};
use secateur::train::{RandomKey, Replicas, ResidentDataset, Trainer, scales};
use std::sync::Arc;

/// A linear layer with a bias.
pub fn linear(features: usize) -> Layer {
    Layer::Linear {
        features,
        bias: true,
    }
}

/// A convolution with a bias.
pub fn conv(channels: usize, kernel: usize, stride: usize, padding: usize) -> Layer {
    Layer::Conv2d {
        channels,
        kernel,
        stride,
        padding,
        bias: true,
    }
}

/// The layer without its bias.
pub fn bare(mut layer: Layer) -> Layer {
    match &mut layer {
        Layer::Linear { bias, .. } | Layer::Conv2d { bias, .. } => *bias = false,
        other => panic!("{other:?} has no bias"),
    }
    layer
}

/// Windows of `size` pixels each way, side by side.
pub fn max_pool(size: usize) -> Layer {
    Layer::MaxPool {
        window: size,
        stride: size,
    }
}

/// An addition of the value before it and an earlier one.
pub fn add(with: &str) -> Layer {
    Layer::Add {
        with: with.to_owned(),
    }
}

/// A layer of a graph: `from` names what it reads, if not the one before it.
pub fn named(name: &str, from: Option<&str>, layer: Layer) -> NamedLayer {
    NamedLayer {
        name: name.to_owned(),
        layer,
        from: from.map(str::to_owned),
    }
}

/// A model of these layers.
pub fn graph(layers: Vec<NamedLayer>) -> ModelSpec {
    ModelSpec {
        name: "custom".to_owned(),
        layers,
        init: Init::Pytorch,
    }
}

/// A model of these layers, one after another, under their usual names.
pub fn chain(layers: Vec<Layer>) -> ModelSpec {
    graph(presets::with_names(layers))
}

/// A preset's layers.
pub fn preset(name: &str) -> ModelSpec {
    ModelSpec {
        name: name.to_owned(),
        ..graph(presets::layers(name).expect("a preset"))
    }
}

/// A model on images, or flat inputs, of this shape, for ten classes.
pub fn build(spec: &ModelSpec, input: Shape) -> Arc<Model> {
    Arc::new(Model::new(spec, input, 10).unwrap())
}

/// A model of these layers, one after another.
pub fn model(layers: Vec<Layer>, input: Shape) -> Arc<Model> {
    build(&chain(layers), input)
}

/// A preset on the images it was made for.
pub fn preset_model(name: &str) -> Arc<Model> {
    build(&preset(name), presets::input(name))
}

/// The key of a run that is at its beginning.
pub fn key(seed: u32) -> RandomKey {
    RandomKey {
        seed,
        ..RandomKey::default()
    }
}

/// The keys of seeds 0, 1, ...
pub fn keys(count: usize) -> Vec<RandomKey> {
    (0..count as u32).map(key).collect()
}

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

    /// What makes numbers of its bytes.
    pub fn scales(&self, spec: &TrainSpec) -> Vec<[f32; 2]> {
        scales(&spec.normalise, &self.data)
    }
}

/// A trainer of these replicas, one spec each.
pub fn trainer<'a>(
    gpu: &'a Gpu,
    world: &'a World,
    replicas: &'a Replicas,
    specs: &'a [&'a TrainSpec],
    execution: Execution,
) -> Trainer<'a> {
    let scales = world.scales(specs[0]);
    Trainer::new(gpu, replicas, &world.resident, specs, &scales, &execution).unwrap()
}

/// What an adapter is usually told to do.
pub fn usual(gpu: &Gpu) -> Execution {
    Execution::for_adapter(gpu.adapter())
}
