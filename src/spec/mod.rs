//! What an experiment asks for, as plain data: the model, how it is trained, how it is pruned.
//!
//! Everything is written to and read from JSON as it stands here; digests of stages are made of that, so a name that changes
//! here makes every stage a new one. Each table of the experiment file is declared here, once: its keys with their types, ranges,
//! defaults and documentation ([`crate::config::table`]). Nothing here knows of a GPU or of how it is carried out.

mod augment;
mod dataset;
mod length;
mod mask_schedule;
mod model;
mod names;
mod pq;
mod prune;
mod sap;
mod shape;
mod synonyms;
mod train;
mod train_step;
mod unit_rule;
mod units;

pub use augment::{Augment, Fill};
pub use dataset::{
    DatasetOrigin, DatasetSpec, FolderSpec, ImageRule, OnBadImage, Resize, TestImages, TestShare,
};
pub use length::{Length, steps_of, steps_per_epoch};
pub use mask_schedule::{FractionDecay, Gradual, Grow, MaskSchedule, Misfit, Rewire, UpdateSteps};
pub(crate) use model::stem;
pub use model::{INPUT, Init, Layer, ModelSpec, NamedLayer};
pub(crate) use names::{DATASET, LAYER, LEARNING, WHOLE_BATCH};
pub use pq::{Norms, PowerSums, REPORTED};
pub use prune::{Amount, Criterion, MaskStep, PruneSpec, Restart, Scope};
pub(crate) use prune::{MEASURED, TRAINED};
pub use sap::Sap;
pub use shape::Shape;
pub(crate) use synonyms::SYNONYMS;
pub use train::{
    BestBy, CHUNK_SAMPLES, Decay, DecayOn, Keep, LearningRateSchedule, Normalise, Optimizer,
    Stopping, TrainSpec,
};
pub(crate) use train::{DATA, IMAGES, Recalibrate};
pub use train_step::TrainStep;
pub use unit_rule::{UnitRule, mean_norm, spread};
pub use units::{UnitAmount, UnitCriterion, UnitPrune, UnitScope};
