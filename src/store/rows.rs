//! The tables that an experiment leaves behind. What stands here about a column also stands in docs/columns.md.

use super::columns::{By, Cell, Cells, Column, ColumnKind, Measured, Row};

/// The setting of a [`RunRow`] that says on which data its network is tested.
pub const DATASET: &str = "dataset";

columns! {
    /// One run that has ended: finished, or failed.
    pub struct RunRow in "results.csv" {
        /// The run's name: its files are `masks/<run>.safetensors` and `weights/<run>.safetensors`.
        run: String,
        /// The arm's name.
        arm: String,
        /// The seed.
        seed: u32,
        /// A column for each sweep axis, with its value where the arm depends on it.
        #[by = Axis]
        point: Vec<(String, String)>,
        /// A column for each other setting that varies between runs, e.g. `model` and `dataset`.
        #[by = Setting]
        settings: Vec<(String, String)>,
        /// Why the run has no result, such as a training that diverged; empty where it has one. What is measured at the end is empty then.
        failure: String,
        /// The density that the prune steps ask for, over all prunable weights; empty where nothing was pruned.
        #[unit = "0 to 1"]
        #[formerly = "asked_density"]
        target_density: Option<f64>,
        /// Kept over all prunable weights, at the end.
        #[unit = "0 to 1"]
        #[needs = Result]
        density: f64,
        /// The same within each prunable layer.
        #[unit = "0 to 1"]
        #[by = Layer]
        layer_density: Vec<(String, f64)>,
        /// Pass of the last training whose weights these are; empty where no validation split chose one.
        #[formerly = "kept_epoch"]
        selected_epoch: Option<u32>,
        /// Mean loss over that epoch's training samples, or the last one's.
        train_loss: Option<f64>,
        /// Mean loss over the validation split; empty without one.
        validation_loss: Option<f64>,
        /// Accuracy on the validation split; empty without one.
        #[unit = "%"]
        validation_accuracy: Option<f64>,
        /// Mean loss over the test set.
        #[needs = Result]
        test_loss: f64,
        /// Accuracy on the test set.
        #[unit = "%"]
        #[needs = Result]
        test_accuracy: f64,
        /// Parameters that the network has, pruned ones included: fewer only once it is compacted.
        #[needs = Result]
        parameters: u64,
        /// Multiply-adds of its forward pass for one sample, likewise.
        #[needs = Result]
        multiply_adds: u64,
        /// Pruned weights that were found other than 0; anything but 0 is a defect.
        #[needs = Result]
        mask_violations: u64,
        /// Weights on a path of kept weights from the input to the output, over all prunable weights (Vysogorets and Kempe 2021). Paths
        /// lead through channels: a kernel with any weight left connects two, wherever it looks, and biases are no paths.
        #[unit = "0 to 1"]
        #[needs = Result]
        effective_density: f64,
        /// Features or channels that no kept weight feeds or none reads.
        #[needs = Result]
        dead_units: u64,
        /// All prunable weights over those kept.
        #[needs = Result]
        compression: f64,
        /// Multiply-adds of one sample forward with every weight, over those of the kept ones alone; a weight of a convolution counts
        /// once for each place of its output. What a step really takes, `run --measure-speed` and `secateur bench` measure.
        #[needs = Result]
        theoretical_speedup: f64,
        /// How unequal the kept weights are, as the PQ index 1 - d^(1/q - 1/p) ‖w‖p / ‖w‖q of these d weights with p = 0.5, q = 1: 0 if all
        /// are of one size (Diao et al. 2023).
        #[needs = Result]
        pq_index: f64,
        /// Digest of the final weights.
        #[needs = Result]
        weights_digest: String,
        /// Digest of the final mask.
        #[needs = Result]
        mask_digest: String,
        /// Adapter that the run was computed on.
        adapter: String,
        /// Its driver.
        driver: String,
        /// Version of the program that wrote this row.
        version: String,
        /// Version of the numbers that the run was computed under; it is raised when any bit of any result changes.
        numerical_version: u32,
        /// Digest of the experiment.
        experiment_digest: String,
        /// The datasets that the run reads, each with the start of its digest.
        data_digest: String,
    }
}

impl Measured for RunRow {
    fn is_missing(&self) -> bool {
        self.failed()
    }
}

impl RunRow {
    /// Whether the run ended without a result; [`RunRow::failure`] says why.
    pub fn failed(&self) -> bool {
        !self.failure.is_empty()
    }
}

columns! {
    /// One epoch of one run.
    pub struct CurveRow in "curves.csv" {
        /// The arm's name.
        arm: String,
        /// The seed.
        seed: u32,
        /// A column for each sweep axis, with its value where the arm depends on it.
        #[by = Axis]
        point: Vec<(String, String)>,
        /// Which train step of the arm, from 0.
        train_step: u32,
        /// Dataset trained on in this step.
        dataset: String,
        /// Epochs finished in this train step.
        epoch: u32,
        /// Optimizer steps taken in this train step.
        step: u32,
        /// Learning rate of the last optimizer step.
        learning_rate: f64,
        /// Share of the prunable weights that exist, of the network that trains.
        #[unit = "0 to 1"]
        density: f64,
        /// Mean loss over the epoch's training samples.
        train_loss: f64,
        /// Accuracy over the epoch's training samples.
        #[unit = "%"]
        train_accuracy: f64,
        /// Mean loss over the validation split; empty without one.
        validation_loss: Option<f64>,
        /// Accuracy on the validation split; empty without one.
        #[unit = "%"]
        validation_accuracy: Option<f64>,
    }
}

columns! {
    /// What one step of one run left of a layer, or of the whole network. Of a compacted network, what it is made of by then is counted.
    pub struct RoundRow in "rounds.csv" {
        /// The arm's name.
        arm: String,
        /// The seed.
        seed: u32,
        /// A column for each sweep axis, with its value where the arm depends on it.
        #[by = Axis]
        point: Vec<(String, String)>,
        /// Steps before this one in the run.
        step: u32,
        /// What the step does, e.g. `train` or `prune`.
        #[formerly = "does"]
        step_kind: String,
        /// The layer's name; empty for all of them together.
        layer: String,
        /// Its weights.
        weights: u64,
        /// Its weights that exist.
        #[formerly = "kept"]
        kept_weights: u64,
        /// Kept over all its weights.
        #[unit = "0 to 1"]
        density: f64,
        /// Weights on a path of kept weights from the input to the output.
        #[formerly = "effective"]
        effective_weights: u64,
        /// These over all its weights.
        #[unit = "0 to 1"]
        effective_density: f64,
        /// Its units: features or channels.
        units: u64,
        /// Units that no kept weight feeds or none reads.
        dead_units: u64,
        /// Multiply-adds of one sample forward with every weight.
        multiply_adds: u64,
        /// The same with the kept weights alone.
        kept_multiply_adds: u64,
        /// PQ index (p = 0.5, q = 1) of the kept weights, as in `results.csv`.
        pq_index: f64,
        /// PQ index (p = 1, q = 2) of the kept weights.
        pq_index_1_2: f64,
    }
}

columns! {
    /// How alike the masks of two runs are: of two seeds of one arm, or of two arms with one seed. Masks of compacted networks are left
    /// out.
    pub struct OverlapRow in "overlap.csv" {
        /// A column for each sweep axis that both depend on, with its value.
        #[by = Axis]
        point: Vec<(String, String)>,
        /// Arm of the one run.
        arm: String,
        /// Arm of the other.
        other_arm: String,
        /// Seed of the one run.
        seed: u32,
        /// Seed of the other.
        other_seed: u32,
        /// Jaccard index: weights in both masks over weights in either.
        #[unit = "0 to 1"]
        jaccard: f64,
        /// What random masks with the same counts in each layer come to: both numbers of the index replaced by their expectations.
        #[unit = "0 to 1"]
        #[formerly = "by_chance"]
        expected_jaccard: f64,
    }
}

columns! {
    /// What the masks of runs that ended together save. Like times, these differ each time they are measured.
    pub struct SpeedRow in "speed.csv" {
        /// Digest of the first of the stages that ended together.
        stage: String,
        /// What they did, in words.
        #[formerly = "what"]
        work: String,
        /// Adapter.
        adapter: String,
        /// Replicas that ran together.
        replicas: u32,
        /// Kept over all prunable weights, of all of them.
        #[unit = "0 to 1"]
        density: f64,
        /// Layers and passes that ran on the kept weights alone.
        sparse: String,
        /// Wall-clock time of a training step with every layer dense.
        #[unit = "s"]
        dense_step_seconds: f64,
        /// Wall-clock time of a training step as it runs.
        #[unit = "s"]
        step_seconds: f64,
        /// Time of a training step, dense over as it runs.
        training_speedup: f64,
        /// Wall-clock time of a pass over the test set with every layer dense.
        #[unit = "s"]
        dense_test_seconds: f64,
        /// Wall-clock time of a pass over the test set as it runs.
        #[unit = "s"]
        test_seconds: f64,
        /// Time of the test set, dense over as it runs.
        forward_speedup: f64,
    }
}

columns! {
    /// How long one stage took. Unlike results, these differ each time an experiment is computed.
    pub struct TimeRow in "times.csv" {
        /// Digest of the stage.
        stage: String,
        /// What it did, in words.
        #[formerly = "what"]
        work: String,
        /// Adapter it ran on.
        adapter: String,
        /// Replicas that ran together.
        replicas: u32,
        /// Optimizer steps per replica.
        steps: u64,
        /// Training samples over all replicas.
        samples: u64,
        /// Wall-clock time.
        #[unit = "s"]
        seconds: f64,
        /// Samples over seconds.
        #[unit = "1/s"]
        samples_per_second: f64,
    }
}
