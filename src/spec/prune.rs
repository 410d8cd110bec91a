//! What `prune`, `mask` and `restart` steps ask for.

use super::{Length, Sap, TrainSpec};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// How weights are scored; the largest scores stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Criterion {
    /// |w|.
    Magnitude,
    /// A random number per weight.
    Random,
    /// |g|, g the gradient of the loss by the weight, summed over batches.
    Gradient,
    /// |w g| (Lee et al. 2019, equation 5; without the total, which no rank depends on).
    Snip,
    /// -w g: by how much the loss grows when the weight becomes 0, to first order.
    Taylor,
    /// The sum over batches of (w g)^2 (Molchanov et al. 2019, equation 8).
    TaylorSquared,
    /// w (H g), H the Hessian of the loss (Wang et al. 2020, equation 8, of which the smallest -w (H g) stay; without the
    /// temperature of its code). See [`crate::prune::hessian_gradient`].
    Grasp,
    /// |w dR/dw| on |w| with an input of ones (Tanaka et al. 2020); see [`crate::train::synaptic_flow`].
    Synflow,
    /// The sum of -w g over a training that runs as part of the step (Sanh et al. 2020, equation 3).
    Movement,
    /// w^2 over the sum of the squares of the layer's weights that are no smaller (Lee et al. 2021, equation 1).
    Lamp,
    /// What the program that runs the experiment says; see [`Engine::criterion`](crate::run::Engine::criterion).
    Custom,
}

impl Criterion {
    /// Whether scores are measured on batches of a dataset.
    pub fn reads_data(self) -> bool {
        match self {
            Self::Magnitude | Self::Random | Self::Synflow | Self::Lamp | Self::Custom => false,
            Self::Gradient
            | Self::Snip
            | Self::Taylor
            | Self::TaylorSquared
            | Self::Grasp
            | Self::Movement => true,
        }
    }
}

/// Over which set weights compete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// All prunable weights compete together for one total.
    Global,
    /// Each layer competes within itself and rounds its own count.
    Layer,
    /// Each output of a layer within itself: a row of a linear layer, the kernels of one channel of a convolution.
    Neuron,
    /// Each layer competes within itself at the same density; the counts are apportioned (largest remainder) so that their sum is exact.
    Uniform,
    /// Each layer within itself, with densities in proportion to (in + out) / (in out) (Mocanu et al. 2018): see [`crate::prune::er_shares`].
    Er,
    /// The same with the kernel's sides: (in + out + height + width) / (in out height width) (Evci et al. 2020).
    Erk,
}

/// How many prunable weights stay.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Amount {
    /// Fraction removed of all prunable weights (not of those still alive).
    Sparsity(f64),
    /// Fraction kept of all prunable weights.
    Density(f64),
    /// Number of weights kept in all.
    Keep(u64),
    /// Fraction kept of the weights still alive.
    Remaining(f64),
    /// Each layer its own fraction: [`PruneSpec::densities`].
    PerLayer,
    /// In each run of `m` consecutive inputs of an output, the `n` with the largest scores.
    NOfM {
        /// How many stay.
        n: u32,
        /// Of how many; the last run of a row may be shorter, and still keeps n if it has them.
        m: u32,
    },
    /// As many as the PQ index of the weights says; see [`Sap::pruned`].
    Sap(Sap),
}

/// A `prune` step with every default filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PruneSpec {
    /// How weights are scored.
    pub criterion: Criterion,
    /// Over which set they compete.
    pub scope: Scope,
    /// How many stay.
    pub amount: Amount,
    /// Names of the layers that are pruned; `None` is every layer with weights. Amounts count these layers only.
    pub layers: Option<Vec<String>>,
    /// With [`Amount::PerLayer`]: the fraction kept of each of `layers`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub densities: BTreeMap<String, f64>,
    /// Names of layers in scope that keep every weight; amounts count them, so the others keep the fewer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep_dense: Vec<String>,
    /// Scores and prunes so many times, from what is there to the amount asked for, each time by the same factor (Tanaka et
    /// al. 2020, algorithm 1).
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub iterations: u32,
    /// Keeps the lowest scores instead, as many in each layer as would have been kept; a control.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub invert: bool,
    /// What a criterion that reads data is measured on: a training of so many steps, of which only movement makes updates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<TrainSpec>>,
}

fn once() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_once(iterations: &u32) -> bool {
    *iterations == 1
}

impl PruneSpec {
    /// All layers at once, without data.
    pub fn new(criterion: Criterion, scope: Scope, amount: Amount) -> Self {
        Self {
            criterion,
            scope,
            amount,
            layers: None,
            densities: BTreeMap::new(),
            keep_dense: Vec::new(),
            iterations: 1,
            invert: false,
            data: None,
        }
    }
}

/// A `mask` step: replaces or frees the mask without looking at the weights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MaskStep {
    /// Keep the mask as it is (says so aloud, before training on another dataset).
    Transfer,
    /// Permute the mask within each layer.
    Shuffle,
    /// A uniformly random mask with the same count in each layer.
    Random,
    /// A random mask with the same total, shared among all layers as [`Scope::Uniform`] does.
    RandomUniform,
    /// The same, shared as [`Scope::Erk`] does.
    RandomErk,
    /// Enforce no mask from here on; weights keep their present values (pruned ones start at 0 and regrow).
    Release,
    /// Take the mask of this file.
    Load(PathBuf),
}

/// A `restart` step: where the weights go back to. The mask stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// New initial weights.
    Fresh,
    /// This run's own initial weights.
    Init,
    /// The weights this run had so far into its first training since they were fresh (Frankle et al. 2020).
    Rewind(Length),
    /// The weights stay as trained.
    None,
}
