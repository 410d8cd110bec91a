//! What a kernel of a training step has to do, from the shapes it works on.
//!
//! Products (`dense_*`, `conv_*`) count floating-point operations: two per multiply-add, of every weight, or of the kept
//! ones for `*_sparse*`; biases, a ReLU on the way and taps outside the image are not told apart. All other kernels count
//! bytes: each array once where it is read and once where it is written, batches padded to a multiple of 4 samples; a gather
//! counts as if its batch lay in its part of the images, which it does unless they are larger than one binding.

use crate::model::mask::kept_per_tensor;
use crate::model::{LayerAt, Model, fuse};
use crate::ops::Fused;
use crate::train::{ALL_WEIGHTS, KEPT_WEIGHTS};

/// What a dispatch has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Floating-point operations.
    Flops(u64),
    /// Bytes moved.
    Bytes(u64),
}

/// The shapes of a cohort's training step.
pub struct Shapes<'a> {
    model: &'a Model,
    batch: u64,
    replicas: u64,
    /// What each layer does for its neighbours.
    fused: Vec<Fused>,
    /// Kept weights of each layer, all replicas together.
    kept: Vec<u64>,
    /// Kept floats with biases and padding, all replicas together.
    kept_floats: u64,
}

impl<'a> Shapes<'a> {
    /// The shapes of `model` with batches of `batch` samples, one replica for each mask.
    pub fn new(model: &'a Model, batch: u32, masks: &[&[u32]]) -> Self {
        let per_replica: Vec<Vec<u64>> = masks.iter().map(|m| kept_per_tensor(model, m)).collect();
        let kept_of = |layer: &LayerAt| {
            let weights = layer.tensors.clone().filter(|&t| model.tensors[t].prunable);
            weights
                .map(|t| per_replica.iter().map(|kept| kept[t]).sum::<u64>())
                .sum()
        };
        Self {
            model,
            batch: u64::from(batch),
            replicas: masks.len() as u64,
            fused: fuse(&model.layers),
            kept: model.layers.iter().map(kept_of).collect(),
            kept_floats: masks
                .iter()
                .flat_map(|mask| mask.iter())
                .map(|word| u64::from(word.count_ones()))
                .sum(),
        }
    }

    /// Kept weights by all prunable ones.
    pub fn density(&self) -> f64 {
        let all = self.replicas * self.model.prunable() as u64;
        self.kept.iter().sum::<u64>() as f64 / all.max(1) as f64
    }

    /// What `kernel` has to do at `place` (see [`Program::place`](crate::gpu::Program::place)), right after the kernel
    /// `before`; `None` for a kernel that is not part of a training step.
    pub fn work(&self, kernel: &str, place: &str, before: &str) -> Option<Work> {
        let slots = self.batch.next_multiple_of(4);
        let floats = self.model.floats as u64;
        let (features, classes) = (
            self.model.input.features() as u64,
            self.model.classes as u64,
        );
        let bytes_per_replica = match kernel {
            "batch_draw" => 8 * slots,
            "batch_gather" => slots * (features.next_multiple_of(4) + 4 * features),
            "augment_draw" => 36 * slots,
            "batch_gather_augmented" => slots * (features.next_multiple_of(4) + 4 * features + 32),
            "softmax_loss" => 4 * slots * (2 * classes + 3),
            "step_advance" => 8 * slots,
            // Gradients and mask bits.
            "gradient_norm" => 4 * floats + floats / 8,
            "gradient_clip" => 4 * floats.div_ceil(1024),
            // Most weights are in two units.
            "unit_sums" => 8 * floats,
            "sgd_step" => return self.optimizer(place, 5),
            "adam_step" | "adadelta_step" => return self.optimizer(place, 7),
            _ => {
                let i = self.model.layers.iter().position(|l| l.name == place)?;
                return self.layer_work(kernel, i, before);
            }
        };
        Some(Work::Bytes(self.replicas * bytes_per_replica))
    }

    /// An optimizer that reads or writes `arrays` floats per parameter.
    fn optimizer(&self, place: &str, arrays: u64) -> Option<Work> {
        match place {
            // Mask bits.
            ALL_WEIGHTS => {
                let floats = self.replicas * self.model.floats as u64;
                Some(Work::Bytes(4 * arrays * floats + floats / 8))
            }
            // An index each.
            KEPT_WEIGHTS => Some(Work::Bytes(4 * (arrays + 1) * self.kept_floats)),
            _ => None,
        }
    }

    fn layer_work(&self, kernel: &str, i: usize, before: &str) -> Option<Work> {
        let layer = &self.model.layers[i];
        let tensors = &self.model.tensors[layer.tensors.clone()];
        let weights: usize = tensors.iter().filter(|t| t.prunable).map(|t| t.count).sum();
        let weights = self.replicas * weights as u64;
        let kept = self.kept[i];
        if kernel.starts_with("dense_") || kernel.starts_with("conv_") {
            let dense = 2 * layer.operator.multiply_adds(layer.input) * self.batch * self.replicas;
            let flops = if kernel.contains("_sparse") {
                (dense as f64 * kept as f64 / weights.max(1) as f64).round() as u64
            } else {
                dense
            };
            return Some(Work::Flops(flops));
        }
        let values =
            |features: usize| 4 * features as u64 * self.batch.next_multiple_of(4) * self.replicas;
        let (input, output) = (
            values(layer.input.features()),
            values(layer.output.features()),
        );
        // Average pooling that does a ReLU's backward pass reads what came out of that ReLU.
        let gate = if self.fused[i].backward { input } else { 0 };
        let parts = layer.output.height as u64;
        let biases = self.replicas * layer.output.channels as u64;
        Some(Work::Bytes(match kernel {
            "bias_backward" => output + 4 * biases * parts,
            "partial_sum" if before.starts_with("conv_backward_weight") => {
                4 * weights * (parts + 1)
            }
            "partial_sum" => 4 * biases * (parts + 1),
            // An index each.
            "kept_partial_sum" => 4 * kept * (parts + 2),
            "unit_shrink" => 8 * weights,
            "gradient_mask" => weights / 8 + 8 * (weights - kept),
            // Rows are normalised in parts of two numbers each; of a channel 4 or 8 are kept.
            "batch_norm_statistics" => 2 * input + 8 * biases * parts,
            "batch_norm_combine" => biases * (8 * parts + 40),
            "batch_norm_forward" => input + output,
            "batch_norm_backward_sums" => 2 * input + 8 * biases * parts,
            "batch_norm_backward_combine" => biases * (8 * parts + 40),
            "batch_norm_backward_data" => 3 * input,
            // A layer's own input is copied, and so are gradients of it.
            "values_copy" => 2 * input,
            "values_add" => 3 * input,
            "add_forward" | "activation_backward" => 3 * output,
            "activation_forward" => 2 * output,
            "relu_forward" | "dropout_apply" => 2 * output,
            "relu_backward" => 3 * output,
            // Values and the places of the maxima.
            "max_pool_forward" | "max_pool_backward" | "max_pool_backward_apart" => {
                input + 2 * output
            }
            "avg_pool_forward" => input + output,
            "avg_pool_backward" => input + output + gate,
            _ => return None,
        }))
    }
}
