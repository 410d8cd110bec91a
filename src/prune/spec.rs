//! What `prune`, `mask` and `restart` steps ask for.

use crate::train::Length;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// How weights are scored; the largest scores stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Criterion {
    /// |w|.
    Magnitude,
    /// A random number per weight.
    Random,
}

/// Over which set weights compete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// All prunable weights compete together for one total.
    Global,
    /// Each layer competes within itself and rounds its own count.
    Layer,
    /// Each layer competes within itself at the same density; the counts are apportioned (largest remainder) so that their sum is exact.
    Uniform,
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
