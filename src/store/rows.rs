//! The rows of the tables that an experiment leaves behind.

/// One finished run: one row of `results.csv`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunRow {
    /// The arm's name.
    pub arm: String,
    /// The seed.
    pub seed: u32,
    /// Sweep axes this arm depends on, with their values, in the experiment's order.
    pub point: Vec<(String, String)>,
    /// Other settings that vary between runs, e.g. model and dataset.
    pub settings: Vec<(String, String)>,
    /// Kept / all prunable weights that was asked for (0 to 1); `None` where nothing was pruned.
    pub asked_density: Option<f64>,
    /// Kept / all prunable weights at the end (0 to 1).
    pub density: f64,
    /// The same within each prunable layer.
    pub layer_density: Vec<(String, f64)>,
    /// Pass of the last training whose weights these are, where its validation split chose one.
    pub kept_epoch: Option<u32>,
    /// Mean loss over that epoch's training samples, or the last one's.
    pub train_loss: Option<f64>,
    /// Mean loss over the validation split; `None` without one.
    pub validation_loss: Option<f64>,
    /// Accuracy on the validation split in percent; `None` without one.
    pub validation_accuracy: Option<f64>,
    /// Mean loss over the test set.
    pub test_loss: f64,
    /// Accuracy on the test set in percent.
    pub test_accuracy: f64,
    /// Parameters that the network has, pruned ones included: fewer only once it is compacted.
    pub parameters: u64,
    /// Multiply-adds of its forward pass for one sample, likewise.
    pub multiply_adds: u64,
    /// Pruned weights that were found other than 0; anything but 0 is a defect.
    pub mask_violations: u64,
    /// Kept weights on a path from input to output / all prunable weights (0 to 1).
    pub effective_density: f64,
    /// Units that no kept weight feeds or none reads.
    pub dead_units: u64,
    /// All prunable weights / those kept.
    pub compression: f64,
    /// Multiply-adds of one sample forward: with every weight / with the kept ones alone.
    pub theoretical_speedup: f64,
    /// PQ index (p 0.5, q 1) of the kept weights.
    pub pq_index: f64,
    /// Digest of the final weights.
    pub weights_digest: String,
    /// Digest of the final mask.
    pub mask_digest: String,
    /// Adapter the run was computed on.
    pub adapter: String,
    /// Its driver.
    pub driver: String,
    /// Version of this program.
    pub version: String,
    /// Digest of the experiment.
    pub experiment_digest: String,
    /// Digest of the data.
    pub data_digest: String,
}

/// One epoch of one run: one row of `curves.csv`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CurveRow {
    /// The arm's name.
    pub arm: String,
    /// The seed.
    pub seed: u32,
    /// Sweep axes this arm depends on, with their values, in the experiment's order.
    pub point: Vec<(String, String)>,
    /// Which train step of the arm, from 0.
    pub train_step: u32,
    /// Dataset trained on in this step.
    pub dataset: String,
    /// Epochs finished in this train step.
    pub epoch: u32,
    /// Optimizer steps taken in this train step.
    pub step: u32,
    /// Learning rate of the last optimizer step.
    pub learning_rate: f64,
    /// Share of the prunable weights that exist, of the network that trains.
    pub density: f64,
    /// Mean loss over the epoch's training samples.
    pub train_loss: f64,
    /// Accuracy over the epoch's training samples in percent.
    pub train_accuracy: f64,
    /// Mean loss over the validation split; `None` without one.
    pub validation_loss: Option<f64>,
    /// Accuracy on the validation split in percent; `None` without one.
    pub validation_accuracy: Option<f64>,
}

/// What one step of one run left of a layer, or of all: one row of `rounds.csv`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoundRow {
    /// The arm's name.
    pub arm: String,
    /// The seed.
    pub seed: u32,
    /// Sweep axes this arm depends on, with their values, in the experiment's order.
    pub point: Vec<(String, String)>,
    /// Steps before this one in the run.
    pub step: u32,
    /// What the step does, e.g. `train` or `prune`.
    pub does: String,
    /// The layer's name; empty for all of them together.
    pub layer: String,
    /// Its weights.
    pub weights: u64,
    /// Those that exist.
    pub kept: u64,
    /// Those on a path from input to output.
    pub effective: u64,
    /// Its units: features or channels.
    pub units: u64,
    /// Units that no kept weight feeds or none reads.
    pub dead_units: u64,
    /// Multiply-adds of one sample forward with every weight.
    pub multiply_adds: u64,
    /// The same with the kept weights alone.
    pub kept_multiply_adds: u64,
    /// PQ index (p 0.5, q 1) of the kept weights.
    pub pq_index: f64,
    /// PQ index (p 1, q 2) of the kept weights.
    pub pq_index_1_2: f64,
}

/// How alike the masks of two runs are: one row of `overlap.csv`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OverlapRow {
    /// Sweep axes that both depend on, with their values, in the experiment's order.
    pub point: Vec<(String, String)>,
    /// Arm of the one run.
    pub arm: String,
    /// Arm of the other.
    pub other_arm: String,
    /// Seed of the one run.
    pub seed: u32,
    /// Seed of the other.
    pub other_seed: u32,
    /// Jaccard index: weights in both masks / weights in either (0 to 1).
    pub jaccard: f64,
    /// What masks with the same counts in each layer, drawn at random, come to: both counts replaced by their expectation.
    pub by_chance: f64,
}

/// What the masks of a cohort save: one row of `speed.csv`. Like times, these differ each time they are measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpeedRow {
    /// Digest of the first of the stages that ended together.
    pub stage: String,
    /// What they did, in words.
    pub what: String,
    /// Adapter.
    pub adapter: String,
    /// Replicas that ran together.
    pub replicas: u32,
    /// Kept / all prunable weights, over all of them.
    pub density: f64,
    /// Layers and passes that ran on the kept weights alone.
    pub sparse: String,
    /// Wall-clock seconds of a training step with every layer dense.
    pub dense_step_seconds: f64,
    /// The same as it runs.
    pub step_seconds: f64,
    /// Wall-clock seconds of a pass over the test set with every layer dense.
    pub dense_test_seconds: f64,
    /// The same as it runs.
    pub test_seconds: f64,
}

/// How long one stage took: one row of `times.csv`. Unlike results, these differ each time an experiment is computed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TimeRow {
    /// Digest of the stage.
    pub stage: String,
    /// What it did, in words.
    pub what: String,
    /// Adapter it ran on.
    pub adapter: String,
    /// Replicas that ran together.
    pub replicas: u32,
    /// Optimizer steps per replica.
    pub steps: u64,
    /// Training samples over all replicas.
    pub samples: u64,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// `samples / seconds`.
    pub samples_per_second: f64,
}
