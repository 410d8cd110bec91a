//! Models that have a name.

use super::deep::{resnet, vgg};
use crate::spec::{Layer, ModelSpec, NamedLayer, Shape};
use std::borrow::Cow;

/// The presets' names.
pub fn names() -> &'static [&'static str] {
    &[
        "lenet-300-100",
        "lenet-5",
        "lenet-5-caffe",
        "mlp-1000",
        "mnist-cnn",
        "cifar-cnn-17m",
        "cifar-cnn-768k",
        "conv-2",
        "conv-4",
        "conv-6",
        "vgg-11-bn",
        "vgg-16-bn",
        "resnet-20",
        "resnet-56",
        "resnet-18",
    ]
}

/// The shape of one input that a preset was made for, and its size is quoted for; it takes others too.
pub fn input(name: &str) -> Shape {
    match name {
        "lenet-300-100" | "lenet-5" | "lenet-5-caffe" | "mlp-1000" | "mnist-cnn" => {
            Shape::new(1, 28, 28)
        }
        _ => Shape::new(3, 32, 32),
    }
}

/// The layers of a model for so many classes: a preset's last layer has an output for each, whatever the number it is quoted with.
pub fn for_classes(spec: &ModelSpec, classes: usize) -> Cow<'_, [NamedLayer]> {
    let is_preset = names().contains(&spec.name.as_str());
    let mut layers = Cow::Borrowed(&spec.layers[..]);
    let has = match spec.layers.last().map(|last| &last.layer) {
        Some(Layer::Linear { features, .. }) if is_preset => *features,
        _ => return layers,
    };
    if has != classes
        && let Some(last) = layers.to_mut().last_mut()
        && let Layer::Linear { features, .. } = &mut last.layer
    {
        *features = classes;
    }
    layers
}

/// The layers of a preset.
pub fn layers(name: &str) -> Option<Vec<NamedLayer>> {
    let layers = match name {
        // LeCun et al. 1998 as used by Frankle and Carbin 2019: 266,610 parameters on 28x28 inputs and 10 classes.
        "lenet-300-100" => vec![
            Layer::Flatten,
            linear(300),
            Layer::Relu,
            linear(100),
            Layer::Relu,
            linear(10),
        ],
        // LeCun et al. 1998 with ReLU, max pooling and full connection between feature maps: 61,706 parameters.
        "lenet-5" => vec![
            conv(6, 5, 2),
            Layer::Relu,
            max_pool(2),
            conv(16, 5, 0),
            Layer::Relu,
            max_pool(2),
            Layer::Flatten,
            linear(120),
            Layer::Relu,
            linear(84),
            Layer::Relu,
            linear(10),
        ],
        // The PyTorch MNIST example as max9001/CS190-Final-Project copied it for its mask transfer: no ReLU after the second convolution, channel
        // dropout 0.25 (and 0.5, which on a flat input is element dropout): 1,199,882 parameters.
        "mnist-cnn" => vec![
            conv(32, 3, 0),
            Layer::Relu,
            conv(64, 3, 0),
            max_pool(2),
            Layer::Dropout {
                p: 0.25,
                channels: true,
            },
            Layer::Flatten,
            linear(128),
            Layer::Relu,
            Layer::Dropout {
                p: 0.5,
                channels: false,
            },
            linear(10),
        ],
        // LeNet-5 as Caffe ships it and as SNIP prunes it: 20 and 50 feature maps, no ReLU before the first linear layer:
        // 431,080 parameters.
        "lenet-5-caffe" => vec![
            conv(20, 5, 0),
            max_pool(2),
            conv(50, 5, 0),
            max_pool(2),
            Layer::Flatten,
            linear(500),
            Layer::Relu,
            linear(10),
        ],
        // The MLP of nitarshan's weight and unit pruning: 784-1000-1000-500-200-10 with ReLU and without biases, 2,386,000
        // weights on 28x28 inputs.
        "mlp-1000" => vec![
            Layer::Flatten,
            unbiased(1000),
            Layer::Relu,
            unbiased(1000),
            Layer::Relu,
            unbiased(500),
            Layer::Relu,
            unbiased(200),
            Layer::Relu,
            unbiased(10),
        ],
        // The CNN of RPknjd/Applied-DL's group lasso: 17,192,650 parameters, 16.8 million of them in fc1. Its ReLU and softmax
        // on the logits are left out: cross-entropy takes them as they are.
        "cifar-cnn-17m" => vec![
            unbiased_conv(64, 3, 1),
            Layer::Relu,
            max_pool(2),
            unbiased_conv(128, 3, 1),
            Layer::Relu,
            max_pool(2),
            unbiased_conv(256, 3, 1),
            Layer::Relu,
            max_pool(2),
            Layer::Flatten,
            linear(4096),
            Layer::Relu,
            linear(10),
        ],
        // 767,936 parameters, the number that a report of filter pruning (767,936 to 380,528) gives for a CIFAR CNN without
        // showing it. Ours: 5x5 convolutions of 64, 128 and 128 channels without biases, each followed by ReLU and 3x3 max
        // pooling of stride 2 (32, 15, 7, 3), then 128 and 10 units: 4,800 + 204,800 + 409,600 + 147,456 + 1,280.
        "cifar-cnn-768k" => {
            let pool = Layer::MaxPool {
                window: 3,
                stride: 2,
            };
            vec![
                unbiased_conv(64, 5, 2),
                Layer::Relu,
                pool.clone(),
                unbiased_conv(128, 5, 2),
                Layer::Relu,
                pool.clone(),
                unbiased_conv(128, 5, 2),
                Layer::Relu,
                pool,
                Layer::Flatten,
                unbiased(128),
                Layer::Relu,
                unbiased(10),
            ]
        }
        // Frankle and Carbin 2019: pairs of 3x3 convolutions, each pair followed by max pooling, then 256-256-10. 4,301,642,
        // 2,425,930 and 2,262,602 parameters (the paper's table prints 1.7 million for the last).
        "conv-2" => conv_pairs(&[64]),
        "conv-4" => conv_pairs(&[64, 128]),
        "conv-6" => conv_pairs(&[64, 128, 256]),
        "vgg-11-bn" => {
            return Some(vgg(&[&[64], &[128], &[256, 256], &[512, 512], &[512, 512]]));
        }
        "vgg-16-bn" => {
            return Some(vgg(&[
                &[64, 64],
                &[128, 128],
                &[256, 256, 256],
                &[512, 512, 512],
                &[512, 512, 512],
            ]));
        }
        "resnet-20" => return Some(resnet(3, 3, 16)),
        "resnet-56" => return Some(resnet(3, 9, 16)),
        "resnet-18" => return Some(resnet(4, 2, 64)),
        _ => return None,
    };
    Some(with_names(layers))
}

fn linear(features: usize) -> Layer {
    Layer::Linear {
        features,
        bias: true,
    }
}

fn conv(channels: usize, kernel: usize, padding: usize) -> Layer {
    Layer::Conv2d {
        channels,
        kernel,
        stride: 1,
        padding,
        bias: true,
    }
}

fn unbiased(features: usize) -> Layer {
    Layer::Linear {
        features,
        bias: false,
    }
}

fn unbiased_conv(channels: usize, kernel: usize, padding: usize) -> Layer {
    Layer::Conv2d {
        channels,
        kernel,
        stride: 1,
        padding,
        bias: false,
    }
}

fn conv_pairs(widths: &[usize]) -> Vec<Layer> {
    let pair = |&width: &usize| {
        [
            conv(width, 3, 1),
            Layer::Relu,
            conv(width, 3, 1),
            Layer::Relu,
            max_pool(2),
        ]
    };
    let mut layers: Vec<Layer> = widths.iter().flat_map(pair).collect();
    layers.extend([
        Layer::Flatten,
        linear(256),
        Layer::Relu,
        linear(256),
        Layer::Relu,
        linear(10),
    ]);
    layers
}

fn max_pool(window: usize) -> Layer {
    Layer::MaxPool {
        window,
        stride: window,
    }
}

/// Gives each layer the name of its kind and its number among that kind: conv1, relu1, fc1, ...
pub fn with_names(layers: Vec<Layer>) -> Vec<NamedLayer> {
    let mut counts = std::collections::HashMap::new();
    layers
        .into_iter()
        .map(|layer| {
            let kind = layer.stem();
            let count = counts.entry(kind).or_insert(0);
            *count += 1;
            NamedLayer {
                name: format!("{kind}{count}"),
                layer,
                from: None,
            }
        })
        .collect()
}
