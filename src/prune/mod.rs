//! Pruning: criteria, scopes, exact counts, selection on the GPU, and mask steps.

mod changes;
mod compact;
mod constants;
mod counts;
mod criterion;
mod custom;
mod either;
mod erk;
mod error;
mod grasp;
mod invert;
mod lamp;
mod paths;
mod rewire;
mod rows;
mod sap;
mod selection;
mod steps;
mod target_density;
mod unit_choice;
mod unit_scores;
mod unit_steps;

pub use changes::MaskChanges;
pub use compact::{Compacted, compact};
pub use counts::{CountError, RankedGroup, groups, groups_of, kept_of, tensors_in_scope};
pub use criterion::ScoreShape;
pub use custom::{CustomCriterion, LayerWeights};
pub use either::prune_units;
pub use erk::er_shares;
pub use error::PruneError;
pub use grasp::hessian_gradient;
pub use lamp::lamp_order;
pub use paths::{LayerPaths, paths};
pub use rewire::GrowthShape;
pub use rows::{RowsShape, RunsShape};
pub use selection::{BLOCK, ScorePart, ScoreSegment, SelectShape, Threshold, select};
pub use steps::{
    Scoring, ScoringData, ShuffleShape, prune, prune_on, randomise_masks, room_for, shuffle_masks,
};
pub use target_density::{TargetDensity, target_density};
pub use unit_choice::{Scores, UnitError, choose_units, room_for_units, unit_groups};
