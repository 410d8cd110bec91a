//! What a `prune` step with `structure = "units"` asks for.

use super::{Amount, TrainSpec, UnitRule};
use serde::{Deserialize, Serialize};

/// How units are scored; the largest scores stay. A unit's filters are the rows that make it, in all layers that are tied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnitCriterion {
    /// Sum of |w| over its filters (Li et al. 2017).
    L1,
    /// L2 norm of its filters.
    L2,
    /// Sum of its distances to the other units that exist (He et al. 2019, equation 4): the most replaceable go first.
    GeometricMedian,
    /// Sum of |scale| over the batch normalisations that it passes (Liu et al. 2017).
    BatchNormScale,
    /// |sum of w g| over its filters, g summed over batches (Molchanov et al. 2019, equation 9, without the square).
    Taylor,
    /// Mean of |x| over batches, samples, pixels and the layers that read it (Molchanov et al. 2017, mean activation).
    MeanActivation,
    /// A random number.
    Random,
}

impl UnitCriterion {
    /// Whether scores are measured on batches of a dataset.
    pub fn reads_data(self) -> bool {
        matches!(self, Self::Taylor | Self::MeanActivation)
    }
}

/// Over which set units compete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnitScope {
    /// All groups together. Norms are made comparable: L1 is divided by the number of the unit's filter weights, L2 and distances by
    /// its root, distances also by the number of other units; the other scores are taken as they are.
    Global,
    /// Each group within itself, by the scores as they are.
    Layer,
}

/// How many units stay.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitAmount {
    /// So many, or such a share, of the units in scope.
    Count(Amount),
    /// Those whose score is above this number.
    Threshold(f64),
}

/// A `prune` step on units with every default filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnitPrune {
    /// How units are scored.
    pub criterion: UnitCriterion,
    /// Over which set they compete.
    pub scope: UnitScope,
    /// How many stay. At least one of each group does.
    pub amount: UnitAmount,
    /// Names of layers whose units are in scope, with all that is tied to them; `None` is every layer but the last.
    pub layers: Option<Vec<String>>,
    /// Names of layers that keep all their units.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep_dense: Vec<String>,
    /// Removes units only where this says so, and single weights elsewhere, in the same share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<UnitRule>,
    /// What a criterion that reads data is measured on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<TrainSpec>>,
}

impl UnitPrune {
    /// All layers, without data.
    pub fn new(criterion: UnitCriterion, scope: UnitScope, amount: UnitAmount) -> Self {
        Self {
            criterion,
            scope,
            amount,
            layers: None,
            keep_dense: Vec::new(),
            rule: None,
            data: None,
        }
    }
}
