//! Pruning: criteria, scopes, exact counts, selection on the GPU, and mask steps.

mod asked;
mod changes;
mod compact;
mod constants;
mod counts;
mod criterion;
mod either;
mod erk;
mod grasp;
mod invert;
mod lamp;
mod paths;
mod rewire;
mod rows;
mod sap;
mod selection;
mod steps;
mod unit_choice;
mod unit_scores;
mod unit_steps;

pub use asked::{Asked, asked_density};
pub use changes::MaskChanges;
pub use compact::{Compacted, compact};
pub use counts::{CountError, Group, groups, groups_of, kept_of, tensors_in_scope};
pub use criterion::{Observe, ScoreShape};
pub use erk::er_shares;
pub use grasp::hessian_gradient;
pub use lamp::lamp_order;
pub use paths::{LayerPaths, paths};
pub use rewire::GrowthShape;
pub use rows::{RowsShape, RunsShape};
pub use selection::{BLOCK, Part, Segment, SelectShape, Threshold, select};
pub use steps::{
    Data, PruneError, ShuffleShape, kept_per_tensor, prune, prune_on, randomise_masks,
    shuffle_masks,
};
pub use unit_choice::{Scores, UnitError, choose_units, unit_groups};
pub use unit_steps::prune_units;
