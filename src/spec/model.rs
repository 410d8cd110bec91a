//! What a model is made of, before any shape is known.

use serde::{Deserialize, Serialize};

/// One layer of a model. Shapes are inferred from the dataset (see [`crate::model::Model`]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// Fully connected: `features` outputs; flattens its input.
    Linear {
        /// Number of outputs.
        features: usize,
        /// Whether a bias is added.
        bias: bool,
    },
    /// Square-kernel 2-D cross-correlation.
    Conv2d {
        /// Output channels.
        channels: usize,
        /// Kernel height and width.
        kernel: usize,
        /// Step between windows, the same in both directions.
        stride: usize,
        /// Zeros added on every side.
        padding: usize,
        /// Whether a bias per output channel is added.
        bias: bool,
    },
    /// Subtracts each channel's mean and divides by its standard deviation, then scales and shifts (Ioffe and Szegedy 2015).
    BatchNorm,
    /// max(x, 0).
    Relu,
    /// Hyperbolic tangent.
    Tanh,
    /// x above 0, `slope` x below.
    LeakyRelu {
        /// The slope below 0.
        slope: f32,
    },
    /// x times the normal distribution function, approximated by a tanh (Hendrycks and Gimpel 2016; PyTorch's
    /// `approximate="tanh"`).
    Gelu,
    /// Largest value of each window; no padding.
    MaxPool {
        /// Window height and width.
        window: usize,
        /// Step between windows.
        stride: usize,
    },
    /// Mean of each window; no padding.
    AvgPool {
        /// Window height and width; `None` takes the whole image (global pooling).
        window: Option<usize>,
        /// Step between windows (ignored by global pooling).
        stride: usize,
    },
    /// Channels, rows and columns become one axis of features. Costs nothing: the layout is the same.
    Flatten,
    /// Zeroes inputs at random while training and scales the rest by 1 / (1 - p).
    Dropout {
        /// Probability of zeroing, 0 <= p < 1.
        p: f32,
        /// Zero whole channels instead of single elements (PyTorch's `Dropout2d`).
        channels: bool,
    },
    /// The layer's input plus the output of an earlier layer of the same shape.
    Add {
        /// The earlier layer's name, or [`INPUT`].
        with: String,
    },
}

/// What `from` and `with` call the model's own input; no layer may be called so.
pub const INPUT: &str = "input";

/// A layer and the name its parameters carry in masks, tables and errors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NamedLayer {
    /// Unique within the model, e.g. `conv1`, `fc2`.
    pub name: String,
    /// The layer itself.
    pub layer: Layer,
    /// The earlier layer whose output it reads, or [`INPUT`]; `None`: the layer before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// How fresh weights are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Init {
    /// U(-b, b), b = sqrt(6 / fan_in) (He et al. 2015, gain for ReLU); biases 0.
    KaimingUniform,
    /// N(0, 2 / fan_in) (He et al. 2015); biases 0.
    KaimingNormal,
    /// U(-b, b), b = sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010); biases 0.
    GlorotUniform,
    /// N(0, 2 / (fan_in + fan_out)) (Glorot and Bengio 2010); biases 0.
    GlorotNormal,
    /// PyTorch's default: weights and biases U(-b, b), b = 1 / sqrt(fan_in).
    #[default]
    Pytorch,
}

/// A model as written in an experiment: a preset or a list of layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelSpec {
    /// The preset's name, or `custom`.
    pub name: String,
    /// The layers, input side first.
    pub layers: Vec<NamedLayer>,
    /// How fresh weights are drawn.
    pub init: Init,
}
