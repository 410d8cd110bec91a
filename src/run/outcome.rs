//! What comes of a stage.

use super::record::Record;
use crate::model::Model;
use crate::spec::ModelSpec;
use crate::train::Snapshot;
use std::sync::Arc;

/// A stage's outcome.
pub struct Outcome {
    /// Weights and mask.
    pub snapshot: Arc<Snapshot>,
    /// Curves, scores and violations.
    pub record: Record,
    /// The network that they are of, where this stage made it another.
    pub network: Option<Network>,
}

/// A network that is not the experiment's own.
#[derive(Clone)]
pub struct Network {
    /// What it is made of.
    pub spec: ModelSpec,
    /// The same with shapes.
    pub model: Arc<Model>,
}
