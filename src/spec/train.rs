//! A training: what is trained on, for how long, by which rule.

use super::{Augment, Length};
use serde::{Deserialize, Serialize};

/// The update rule and its hyper-parameters. Names and defaults are PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Optimizer {
    /// Stochastic gradient descent; `v = momentum*v + g; w -= lr*v` (Nesterov: `w -= lr*(g + momentum*v)`), g including `weight_decay*w`.
    Sgd {
        /// Learning rate.
        lr: f64,
        /// Momentum, 0 for none.
        momentum: f64,
        /// Nesterov's look-ahead.
        nesterov: bool,
        /// L2 penalty added to the gradient.
        weight_decay: f64,
    },
    /// Kingma and Ba 2015; weight decay is added to the gradient.
    Adam {
        /// Learning rate.
        lr: f64,
        /// Decay of the mean.
        beta1: f64,
        /// Decay of the mean square.
        beta2: f64,
        /// Added to the root of the mean square.
        eps: f64,
        /// L2 penalty added to the gradient.
        weight_decay: f64,
    },
    /// Loshchilov and Hutter 2019; weight decay shrinks the weight itself.
    AdamW {
        /// Learning rate.
        lr: f64,
        /// Decay of the mean.
        beta1: f64,
        /// Decay of the mean square.
        beta2: f64,
        /// Added to the root of the mean square.
        eps: f64,
        /// Decoupled weight decay.
        weight_decay: f64,
    },
    /// Zeiler 2012.
    Adadelta {
        /// Learning rate.
        lr: f64,
        /// Decay of both running averages.
        rho: f64,
        /// Added under both roots.
        eps: f64,
        /// L2 penalty added to the gradient.
        weight_decay: f64,
    },
}

impl Optimizer {
    /// Gradient descent with momentum alone.
    pub const fn sgd(lr: f64, momentum: f64) -> Self {
        Self::Sgd {
            lr,
            momentum,
            nesterov: false,
            weight_decay: 0.0,
        }
    }
}

/// What weight decay shrinks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DecayOn {
    /// All parameters, as PyTorch does where it is not told otherwise.
    #[default]
    All,
    /// The weights of linear and convolution layers; no biases, no batch normalisation.
    Weights,
}

/// What the learning rate is multiplied by as training goes on: the decay, times a ramp from 0 while it warms up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// The ramp (Goyal et al. 2017): step t of W counts (t + 1) / W. `None` begins at the full rate.
    pub warmup: Option<Length>,
    /// The rest.
    pub decay: Decay,
}

impl Schedule {
    /// The full rate throughout.
    pub const CONSTANT: Self = Self {
        warmup: None,
        decay: Decay::Constant,
    };
}

/// How the learning rate falls. Steps and milestones count from the start of the training; cosine and linear span what the
/// warm-up leaves of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Decay {
    /// Never.
    Constant,
    /// Multiplied by `factor` after every `every`.
    Step {
        /// The interval.
        every: Length,
        /// The multiplier.
        factor: f64,
    },
    /// Multiplied by `factor` at each of some moments.
    Milestones {
        /// Moments, ascending.
        at: Vec<Length>,
        /// The multiplier.
        factor: f64,
    },
    /// `floor + (1 - floor) (1 + cos(pi p)) / 2` at the share p of the way (Loshchilov and Hutter 2017, without restarts).
    Cosine {
        /// What is left at the end, as a share of the full rate.
        floor: f64,
    },
    /// `1 - (1 - floor) p` at the share p of the way.
    Linear {
        /// What is left at the end, as a share of the full rate.
        floor: f64,
    },
    /// `factor^(t / every)`: as `Step`, but a little at each step t.
    Exponential {
        /// The interval.
        every: Length,
        /// The multiplier.
        factor: f64,
    },
}

/// How bytes become inputs: `x = (byte / 255 - mean) / std`, per channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalise {
    /// Mean and standard deviation measured on the training split.
    Measured,
    /// `x = byte / 255`.
    None,
    /// The given numbers, one per channel.
    Fixed {
        /// Subtracted from byte / 255.
        mean: Vec<f64>,
        /// Divides the difference.
        std: Vec<f64>,
    },
}

/// What the validation split decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopping {
    /// Which weights a training ends with.
    pub keep: Keep,
    /// Passes without a better score after which a replica stops; `None` trains to the end.
    pub patience: Option<u32>,
    /// What better means.
    pub best_by: BestBy,
}

impl Stopping {
    /// Train to the end and keep what is there.
    pub const NEVER: Self = Self {
        keep: Keep::Last,
        patience: None,
        best_by: BestBy::Loss,
    };

    /// Whether the validation split decides anything.
    pub fn decides(&self) -> bool {
        self.keep == Keep::Best || self.patience.is_some()
    }
}

/// Which weights a training ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// Those of its last pass.
    Last,
    /// Those of the pass with the best validation score, the first among equals.
    Best,
}

/// The validation score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BestBy {
    /// A smaller mean cross-entropy is better.
    Loss,
    /// A larger accuracy is better.
    Accuracy,
}

/// A training with every default filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainSpec {
    /// Name of the dataset to train on.
    pub dataset: String,
    /// Samples per optimizer step.
    pub batch: u32,
    /// Samples of a batch that are on the GPU at once, a multiple of [`CHUNK_SAMPLES`](crate::ops::CHUNK_SAMPLES) smaller than
    /// the batch; `None` for all. Changes no bit of any result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub micro_batch: Option<u32>,
    /// How long.
    pub length: Length,
    /// The length is that of the whole network, dense: one that is smaller, or under a mask, trains as much longer, for as many
    /// multiply-adds in all. Whoever makes a [`Trainer`](crate::train::Trainer) has put the longer length in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub equal_flops: bool,
    /// Begin this far into the length, as the learning rate sees it; the weights are what they are.
    #[serde(default)]
    pub enter: Option<Length>,
    /// End this far into the length.
    #[serde(default)]
    pub leave: Option<Length>,
    /// The update rule.
    pub optimizer: Optimizer,
    /// What its weight decay shrinks.
    #[serde(default)]
    pub weight_decay_on: DecayOn,
    /// Layers whose weights and biases stay as they are, in the model's order.
    #[serde(default)]
    pub freeze: Vec<String>,
    /// Learning-rate schedule.
    pub schedule: Schedule,
    /// Share of the target probability that is spread over all classes while training, in [0, 1) (Szegedy et al. 2016).
    pub label_smoothing: f64,
    /// Early stopping, and which weights are kept.
    pub stopping: Stopping,
    /// Clip the gradient of each replica to this global L2 norm.
    pub clip_norm: Option<f64>,
    /// The group lasso's lambda (`group_lasso.rs`); `None` for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_lasso: Option<f64>,
    /// Samples held out of the training set for validation (drawn by seed, so each seed holds out its own).
    pub validation: u32,
    /// Use only this many training samples (after the validation split), for quick trials.
    pub samples: Option<u32>,
    /// Whether validation and `samples` take the classes in turn, so that each has as many samples of one as of another.
    pub balanced: bool,
    /// How bytes become inputs.
    pub normalise: Normalise,
    /// Random changes of the images trained on.
    pub augment: Option<Augment>,
}

impl TrainSpec {
    /// A training with these four settings and every other at rest: all training samples, no schedule, nothing frozen, clipped,
    /// smoothed, augmented or held out, bytes normalised by what is measured.
    pub fn plain(dataset: &str, batch: u32, length: Length, optimizer: Optimizer) -> Self {
        Self {
            dataset: dataset.to_owned(),
            batch,
            micro_batch: None,
            length,
            equal_flops: false,
            enter: None,
            leave: None,
            optimizer,
            weight_decay_on: DecayOn::All,
            freeze: Vec::new(),
            schedule: Schedule::CONSTANT,
            label_smoothing: 0.0,
            stopping: Stopping::NEVER,
            clip_norm: None,
            group_lasso: None,
            validation: 0,
            samples: None,
            balanced: false,
            normalise: Normalise::Measured,
            augment: None,
        }
    }

    /// Samples that are on the GPU at once.
    pub fn micro_batch(&self) -> u32 {
        self.micro_batch.map_or(self.batch, |m| m.min(self.batch))
    }
}
