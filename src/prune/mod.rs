//! Pruning: criteria, scopes, exact counts, selection on the GPU, and mask steps.

mod counts;
mod criterion;
mod selection;
mod spec;
mod steps;

pub use counts::{CountError, Group, asked_density, groups, kept_of, tensors_in_scope};
pub use criterion::ScoreShape;
pub use selection::{BLOCK, Part, Segment, SelectShape, Threshold, select};
pub use spec::{Amount, Criterion, MaskStep, PruneSpec, Restart, Scope};
pub use steps::{PruneError, ShuffleShape, kept_per_tensor, prune, randomise_masks, shuffle_masks};
