//! What a `train` step asks for.

use super::{MaskSchedule, TrainSpec};
use serde::{Deserialize, Serialize};

/// A `train` step with every default filled in. It is written as one table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainStep {
    /// The training.
    #[serde(flatten)]
    pub train: TrainSpec,
    /// How masks change meanwhile; `None` where they stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masks: Option<Box<MaskSchedule>>,
}
