//! What a model is made of, before any shape is known.

use crate::config::{
    AnyText, BELOW_ONE, Description, Fields, Form, Key, Kinds, Or, Real, Whole, kinds, peek, words,
};
use serde::{Deserialize, Serialize};

/// Far beyond any sensible width, and small enough that no product of shapes overflows.
const WIDTH: Whole = Whole(1, 1_000_000);
/// The same for windows and strides.
const WINDOW: Whole = Whole(1, 1024);

kinds! {
    /// One layer of a model. Shapes are inferred from the dataset (see [`crate::model::Model`]).
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum Layer {
        /// fully connected; flattens its input
        Linear = "linear" {
            /// number of outputs
            features: usize => WIDTH, name "linear", like "300";
            /// whether a bias is added
            bias: bool = true;
        }
        /// square-kernel 2-D cross-correlation
        Conv2d = "conv2d" {
            /// output channels
            channels: usize => WIDTH, name "conv2d", like "32";
            /// kernel height and width
            kernel: usize => WINDOW, like "3";
            /// step between windows, the same in both directions
            stride: usize = 1 => WINDOW;
            /// zeros added on every side
            padding: usize = 0 => Whole(0, 1024);
            /// whether a bias per output channel is added
            bias: bool = true;
        }
        /// subtracts each channel's mean and divides by its standard deviation, then scales and shifts (Ioffe and Szegedy 2015): of
        /// channels, or of features once flat; eps 1e-5, momentum 0.1
        BatchNorm = "batch_norm";
        /// max(x, 0)
        Relu = "relu";
        /// hyperbolic tangent
        Tanh = "tanh";
        /// x above 0, the slope times x below
        LeakyRelu = "leaky_relu" {
            /// the slope below 0
            slope: f32 => Real(&BELOW_ONE), name "leaky_relu", like "0.01";
        }
        /// x times the normal distribution function, approximated by a tanh (Hendrycks and Gimpel 2016; PyTorch's
        /// `approximate="tanh"`)
        Gelu = "gelu";
        /// largest value of each window; no padding
        MaxPool = "max_pool" {
            /// window height and width
            window: usize => WINDOW, name "max_pool", like "2";
            /// step between windows
            stride: usize => Stride("max_pool"), usual "the window";
        }
        /// mean of each window; no padding
        AvgPool = "avg_pool" {
            /// window height and width; `"global"` takes the whole image
            window: Option<usize> => Or("global", WINDOW), name "avg_pool", like "\"global\"";
            /// step between windows; not with `"global"`
            stride: usize => Stride("avg_pool"), usual "the window";
        }
        /// channels, rows and columns become one axis of features; costs nothing: the layout is the same
        Flatten = "flatten";
        /// zeroes inputs at random while training and scales the rest by 1 / (1 - p)
        Dropout = "dropout" {
            /// probability of zeroing
            p: f32 => Real(&BELOW_ONE), name "dropout", like "0.5";
            /// zero whole channels instead of single elements (PyTorch's `Dropout2d`)
            channels: bool = false;
        }
        /// the layer's input plus the output of an earlier layer of the same shape
        Add = "add" {
            /// the earlier layer's name, or `"input"`
            with: String => AnyText, name "add", like "\"relu1\"";
        }
    }
}

impl Layer {
    /// What default names of this kind begin with.
    pub fn stem(&self) -> &'static str {
        stem(self.word())
    }
}

/// What default names of layers of a kind begin with.
pub(crate) fn stem(kind: &'static str) -> &'static str {
    match kind {
        "linear" => "fc",
        "conv2d" => "conv",
        "batch_norm" => "bn",
        "leaky_relu" => "leakyrelu",
        "max_pool" => "maxpool",
        "avg_pool" => "avgpool",
        word => word,
    }
}

/// The step between windows of a pool. Where the file does not say, windows touch and do not overlap, as in PyTorch.
struct Stride(&'static str);

impl Form<usize> for Stride {
    fn take(&self, key: &Key, _: Option<usize>, table: &mut Fields<'_>) -> Option<usize> {
        let Some(node) = table.get(key.name) else {
            // 1 stands in for a window already reported, and means nothing for a global one.
            return peek(&WINDOW, self.0, table).or(Some(1));
        };
        if table.word(self.0) == Some("global") {
            let help = "global pooling takes the whole image: remove `stride`";
            table.at(node, "`stride` of a global pool", help);
            return None;
        }
        WINDOW.read(node, key.name, &mut table.reader)
    }

    fn describe(&self, key: Key, _: Option<usize>, into: &mut Description) {
        WINDOW.describe(key, Some(1_usize), into);
    }
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

words! {
    /// How fresh weights are drawn.
    #[derive(Default)]
    pub enum Init {
        /// PyTorch's default: weights and biases U(-b, b), b = 1 / sqrt(fan_in)
        #[default]
        Pytorch = "pytorch";
        /// U(-b, b), b = sqrt(6 / fan_in) (He et al. 2015, gain for ReLU); biases 0
        KaimingUniform = "kaiming-uniform";
        /// N(0, 2 / fan_in) (He et al. 2015); biases 0
        KaimingNormal = "kaiming-normal";
        /// U(-b, b), b = sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010); biases 0
        GlorotUniform = "glorot-uniform";
        /// N(0, 2 / (fan_in + fan_out)) (Glorot and Bengio 2010); biases 0
        GlorotNormal = "glorot-normal";
    }
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
