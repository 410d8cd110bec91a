//! The VGG and residual networks of the CIFAR literature, with PyTorch's names: a checkpoint's keys and ours are the same.

use crate::spec::{Layer, NamedLayer};

fn layer(name: impl Into<String>, layer: Layer) -> NamedLayer {
    NamedLayer {
        name: name.into(),
        layer,
        from: None,
    }
}

fn conv(channels: usize, kernel: usize, stride: usize, bias: bool) -> Layer {
    Layer::Conv2d {
        channels,
        kernel,
        stride,
        padding: kernel / 2,
        bias,
    }
}

fn classes() -> Layer {
    Layer::Linear {
        features: 10,
        bias: true,
    }
}

/// VGG with batch normalisation (Simonyan and Zisserman 2015, configuration A or D; torchvision's `features` with its biases)
/// and, as usual on CIFAR, one linear layer on the last 512 features in the place of three.
pub(super) fn vgg(stages: &[&[usize]]) -> Vec<NamedLayer> {
    let mut layers = Vec::new();
    for stage in stages {
        for &channels in *stage {
            let kinds = [conv(channels, 3, 1, true), Layer::BatchNorm, Layer::Relu];
            for kind in kinds {
                layers.push(layer(format!("features.{}", layers.len()), kind));
            }
        }
        let pool = Layer::MaxPool {
            window: 2,
            stride: 2,
        };
        layers.push(layer(format!("features.{}", layers.len()), pool));
    }
    layers.push(layer("flatten", Layer::Flatten));
    layers.push(layer("classifier", classes()));
    layers
}

/// A residual network of basic blocks for 32x32 images (He et al. 2016): a 3x3 stem, stages of `blocks` blocks each, the first
/// of `width` channels and each further one of twice as many at half the size, global average pooling and one linear layer.
/// Where the shape changes the shortcut is a 1x1 convolution with batch normalisation, torchvision's `downsample`.
pub(super) fn resnet(stages: usize, blocks: usize, width: usize) -> Vec<NamedLayer> {
    let mut layers = vec![
        layer("conv1", conv(width, 3, 1, false)),
        layer("bn1", Layer::BatchNorm),
        layer("relu", Layer::Relu),
    ];
    let mut before = "relu".to_owned();
    for stage in 0..stages {
        let channels = width << stage;
        for block in 0..blocks {
            let shrinks = stage > 0 && block == 0;
            let name = |part: &str| format!("layer{}.{block}.{part}", stage + 1);
            let stride = if shrinks { 2 } else { 1 };
            layers.extend([
                layer(name("conv1"), conv(channels, 3, stride, false)),
                layer(name("bn1"), Layer::BatchNorm),
                layer(name("relu1"), Layer::Relu),
                layer(name("conv2"), conv(channels, 3, 1, false)),
                layer(name("bn2"), Layer::BatchNorm),
            ]);
            let mut shortcut = before;
            if shrinks {
                let projection = layer(name("downsample.0"), conv(channels, 1, stride, false));
                layers.push(NamedLayer {
                    from: Some(shortcut),
                    ..projection
                });
                layers.push(layer(name("downsample.1"), Layer::BatchNorm));
                shortcut = name("downsample.1");
            }
            layers.push(NamedLayer {
                from: Some(name("bn2")),
                ..layer(name("add"), Layer::Add { with: shortcut })
            });
            layers.push(layer(name("relu2"), Layer::Relu));
            before = name("relu2");
        }
    }
    let pool = Layer::AvgPool {
        window: None,
        stride: 1,
    };
    layers.extend([
        layer("avgpool", pool),
        layer("flatten", Layer::Flatten),
        layer("fc", classes()),
    ]);
    layers
}
