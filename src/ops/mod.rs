//! One file per layer kind: its shapes, its cost, and which kernels run it forward and backward.
//!
//! A new kind implements [`Operator`] in a file of its own and gets one line in [`operator()`].

mod activation;
mod add;
mod batch_norm;
mod conv2d;
mod dropout;
mod flatten;
mod hardware;
mod kernels;
mod linear;
mod loss;
mod micro_batch;
mod operator;
mod pool;
mod product;
mod reduce;
mod relu;
mod sparse;
mod variants;

pub use crate::spec::CHUNK_SAMPLES;
pub use activation::ActivationShape;
pub use add::{AddShape, record_add, record_copy};
pub use batch_norm::BatchNormShape;
pub use conv2d::ConvShape;
pub use dropout::DropoutShape;
pub use hardware::{HardwareKernel, hardware_kernels};
pub use linear::{DenseShape, record_product};
pub use loss::{LossShape, record_loss};
pub use micro_batch::Window;
pub use operator::{
    Branch, Dropping, Fused, InitialValues, LayerContext, Mode, Operator, Parameter, Scratch,
};
pub use pool::PoolShape;
pub use reduce::{KeptPartialShape, PartialShape};
pub use relu::Span;
pub use sparse::{ColumnsShape, KeptLists, PrefixShape, TensorShape, WeightGrid};
pub use variants::{
    DATA_CANDIDATES, Execution, KernelVariant, ProductPass, SparseRule, Variants, WEIGHT_CANDIDATES,
};

use crate::spec::Layer;

/// The registry: which operator runs a layer.
pub fn operator(layer: &Layer) -> Box<dyn Operator> {
    match *layer {
        Layer::Linear { features, bias } => Box::new(linear::Linear { features, bias }),
        Layer::Conv2d {
            channels,
            kernel,
            stride,
            padding,
            bias,
        } => Box::new(conv2d::Conv2d {
            channels,
            kernel,
            stride,
            padding,
            bias,
        }),
        Layer::Relu => Box::new(relu::Relu),
        Layer::MaxPool { window, stride } => Box::new(pool::MaxPool { window, stride }),
        Layer::AvgPool { window, stride } => Box::new(pool::AvgPool { window, stride }),
        Layer::Flatten => Box::new(flatten::Flatten),
        Layer::Dropout { p, channels } => Box::new(dropout::Dropout { p, channels }),
        Layer::Add { .. } => Box::new(add::Add),
        Layer::BatchNorm => Box::new(batch_norm::BatchNorm),
        Layer::Tanh => Box::new(activation::Activation::Tanh),
        Layer::LeakyRelu { slope } => Box::new(activation::Activation::LeakyRelu { slope }),
        Layer::Gelu => Box::new(activation::Activation::Gelu),
    }
}
