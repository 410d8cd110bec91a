//! Models that have a name.

use super::spec::{Layer, NamedLayer};

/// The presets' names.
pub fn names() -> &'static [&'static str] {
    &["lenet-300-100", "lenet-5", "mnist-cnn"]
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
            let kind = kind_name(&layer);
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

/// The stem of a layer's default name.
pub fn kind_name(layer: &Layer) -> &'static str {
    match layer {
        Layer::Linear { .. } => "fc",
        Layer::Conv2d { .. } => "conv",
        Layer::BatchNorm => "bn",
        Layer::Relu => "relu",
        Layer::MaxPool { .. } => "maxpool",
        Layer::AvgPool { .. } => "avgpool",
        Layer::Flatten => "flatten",
        Layer::Dropout { .. } => "dropout",
        Layer::Add { .. } => "add",
    }
}
