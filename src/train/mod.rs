//! Training: replicas on the GPU, the recorded training step, evaluation and the audit.

mod choose;
mod error;
mod gradients;
mod replicas;
mod resident;
mod schedule;
mod sparsity;
mod spec;
mod state;
mod trainer;
mod traits;
mod workspace;

pub use error::TrainError;
pub use replicas::{Replicas, Snapshot};
pub use resident::{ResidentDataset, ResidentSplit, measure, scales};
pub use schedule::{factors, steps_of, steps_per_epoch};
pub use spec::{DecayOn, Length, Normalise, Optimizer, Schedule, TrainSpec};
pub use state::{Advance, Draw, Gather, Hyper, InitShape, Key, ParamsShape, State};
pub use trainer::{
    ALL_WEIGHTS, EpochPoint, KEPT_WEIGHTS, Metrics, Part, Progress, Trainer, training_samples,
};
pub use workspace::{Memory, Workspace};
