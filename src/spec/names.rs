//! The kinds of names that specs refer to, as [`Context::names`](crate::config::Context::names) is asked for them.

/// Datasets.
pub(crate) const DATASET: &str = "dataset";
/// Layers with weights, hence masks.
pub(crate) const LAYER: &str = "layer";
/// Layers that training changes.
pub(crate) const LEARNING: &str = "layer that learns";
/// Layers for which a batch cannot be split.
pub(crate) const WHOLE_BATCH: &str = "layer that needs whole batches";
