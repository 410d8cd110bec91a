//! Training: replicas on the GPU, the recorded training step, evaluation and the audit.

mod augment;
mod best;
mod checkpoint;
mod choose;
mod error;
mod flow;
mod gather;
mod gradients;
mod group_lasso;
mod hyper;
mod interleave;
mod passes;
mod program;
mod replicas;
mod resident;
mod schedule;
mod scoring;
mod sparsity;
mod spec;
mod state;
mod trainer;
mod traits;
mod units;
mod workspace;

pub use augment::{Augment, AugmentDraw, AugmentedGather, Fill, Warp};
pub use best::Standing;
pub use checkpoint::{Checkpoint, ReplicaCheckpoint};
pub use error::TrainError;
pub use flow::{Rescale, Share, synaptic_flow};
pub use group_lasso::ShrinkShape;
pub use interleave::interleaved;
pub use passes::{EpochPoint, Progress, Trained, Watch};
pub use program::{ALL_WEIGHTS, KEPT_WEIGHTS};
pub use replicas::{Replicas, Snapshot};
pub use resident::{ImagePart, ResidentDataset, ResidentSplit, measure, scales};
pub use schedule::{MOST_STEPS, factors, steps_of, steps_per_epoch, stretch_of};
pub use scoring::{Gathered, copy_of, norms, shift, weights_only};
pub use spec::{
    BestBy, Decay, DecayOn, Keep, Length, Normalise, Optimizer, Schedule, Stopping, TrainSpec,
};
pub use state::{Advance, Draw, Gather, Hyper, InitShape, Key, ParamsShape, State};
pub use trainer::{Metrics, Part, Trainer, training_samples};
pub use units::{ActivityShape, UnitPairs, UnitRun, UnitShape, UnitSum, UnitTable};
pub use workspace::{Demand, Memory, Workspace};
