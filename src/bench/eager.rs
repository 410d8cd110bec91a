//! The most that PyTorch's eager mode can reach, on whatever GPU: its host issues operations one by one.

use crate::spec::Layer;
use serde::{Deserialize, Serialize};

/// Seconds that a fast host takes for one operation that computes: Python, autograd's bookkeeping, the views around it and the
/// launch.
///
/// Eager PyTorch trains lenet-300-100 with batch 128 at 320,000 to 390,000 samples per second on fast hosts, whatever their NVIDIA
/// GPU: 0.33 to 0.40 ms for 23 operations, or 14 to 17 us each. The smallest is taken, so that what comes of it is a limit. The slow
/// host of docs/performance.md took 49 us for each of that network's, and 46 for each of mnist-cnn's.
pub const SECONDS_PER_OPERATION: f64 = 14e-6;

/// What bounds a training step of eager PyTorch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EagerLimit {
    /// Operations that a step issues.
    pub operations: u64,
    /// Seconds that the host takes for each, [`SECONDS_PER_OPERATION`].
    pub seconds_per_operation: f64,
    /// Samples per second at most, of one network after another.
    pub samples_per_second: f64,
}

impl EagerLimit {
    /// Of a network of these layers, trained with this batch by SGD with momentum.
    pub fn of(layers: &[Layer], batch: u32) -> Self {
        let operations = operations(layers);
        Self {
            operations,
            seconds_per_operation: SECONDS_PER_OPERATION,
            samples_per_second: f64::from(batch) / (operations as f64 * SECONDS_PER_OPERATION),
        }
    }
}

/// log_softmax and nll_loss, their gradients, and the 1 that the backward pass begins with.
const LOSS: u64 = 5;
/// SGD with momentum on all tensors at once (`foreach`, the default on CUDA): the momentum decays, takes in the gradient, and moves
/// the weights.
const OPTIMIZER: u64 = 3;

/// Operations of PyTorch 2 that compute something in one step of these layers, as its dispatcher sees them on CUDA; views, which
/// launch nothing, are not counted.
fn operations(layers: &[Layer]) -> u64 {
    let mut sum = LOSS + OPTIMIZER;
    // What lies below the first layer that learns has no backward pass.
    let mut learns_below = false;
    for layer in layers {
        let (forward, backward) = passes(layer, learns_below);
        learns_below |= learns(layer);
        sum += forward + if learns_below { backward } else { 0 };
    }
    sum
}

/// Whether the layer has parameters that training changes.
fn learns(layer: &Layer) -> bool {
    matches!(
        layer,
        Layer::Linear { .. } | Layer::Conv2d { .. } | Layer::BatchNorm
    )
}

/// Operations of a layer's forward and backward pass; the gradient of its input is wanted where something below learns.
fn passes(layer: &Layer, learns_below: bool) -> (u64, u64) {
    match layer {
        Layer::Flatten => (0, 0),
        // addmm; a mm for each gradient, and a sum for the bias.
        Layer::Linear { bias, .. } => (1, 1 + u64::from(*bias) + u64::from(learns_below)),
        // One call gives all gradients.
        Layer::Conv2d { .. } => (1, 1),
        // The count of batches grows by one, too.
        Layer::BatchNorm => (2, 1),
        Layer::Relu
        | Layer::Tanh
        | Layer::LeakyRelu { .. }
        | Layer::Gelu
        | Layer::MaxPool { .. }
        | Layer::AvgPool { .. } => (1, 1),
        // Dropout is one kernel; Dropout2d draws, scales and multiplies.
        Layer::Dropout { channels, .. } => (if *channels { 3 } else { 1 }, 1),
        // Two gradients meet in the value that is added.
        Layer::Add { .. } => (1, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::presets;

    fn of(preset: &str, batch: u32) -> EagerLimit {
        let layers = presets::layers(preset).unwrap().into_iter();
        EagerLimit::of(&layers.map(|named| named.layer).collect::<Vec<_>>(), batch)
    }

    /// Counted by a `TorchDispatchMode` around a step of PyTorch, with dropout as it is on CUDA.
    #[test]
    fn operations_are_what_pytorch_issues() {
        assert_eq!(of("lenet-300-100", 128).operations, 23);
        assert_eq!(of("mnist-cnn", 64).operations, 32);
    }

    #[test]
    fn the_limit_is_the_batch_by_the_time_of_its_operations() {
        let of = of("lenet-300-100", 128);
        let seconds = of.operations as f64 * of.seconds_per_operation;
        assert!((of.samples_per_second * seconds - 128.0).abs() < 1e-9);
    }

    #[test]
    fn nothing_is_learned_below_the_first_layer_that_learns() {
        let linear = Layer::Linear {
            features: 10,
            bias: true,
        };
        let alone = operations(std::slice::from_ref(&linear));
        assert_eq!(alone, 11);
        assert_eq!(operations(&[Layer::Relu, linear.clone()]), alone + 1);
        // Above, its gradient and that of the second layer's input come on top.
        assert_eq!(
            operations(&[linear.clone(), Layer::Relu, linear]),
            alone + 4 + 2
        );
    }
}
