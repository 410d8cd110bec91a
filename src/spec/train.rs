//! A training: what is trained on, for how long, by which rule.

use super::names::{DATASET, LAYER, LEARNING, WHOLE_BATCH};
use super::{Augment, Length};
use crate::config::{
    At, BELOW_ONE, ByKind, Description, FINITE, Fields, Fits, Flat, Form, From, FromNode, Interval,
    Key, Maybe, NOT_NEGATIVE, Name, Node, Of, Or, POSITIVE, Part, Plain, Reader, Real, Single,
    Table, UNIT, Unwritten, Value, ValueShape, Whole, at_least, kinds, one_of, peek, suggest,
    table, words,
};
use serde::{Deserialize, Serialize};

kinds! {
    /// The update rule and its hyper-parameters. Names and defaults are PyTorch's.
    #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "lowercase", tag = "kind")]
    pub enum Optimizer {
        /// `v = momentum*v + g; w -= lr*v` (Nesterov: `w -= lr*(g + momentum*v)`), g including `weight_decay*w`
        Sgd = "sgd" {
            /// learning rate; no rate suits most models
            lr: f64 => Single(&POSITIVE), like "0.1";
            /// momentum, 0 for none
            momentum: f64 = 0.0 => Single(&BELOW_ONE);
            /// Nesterov's look-ahead, which follows the momentum
            nesterov: bool = false => Fits(Plain, follows_momentum);
            /// L2 penalty added to the gradient
            weight_decay: f64 = 0.0 => Single(&NOT_NEGATIVE);
        }
        /// Kingma and Ba 2015; weight decay is added to the gradient
        Adam = "adam" {
            /// learning rate
            lr: f64 = 1e-3 => Single(&POSITIVE);
            /// decay of the mean
            beta1: f64 = 0.9 => Single(&BELOW_ONE);
            /// decay of the mean square
            beta2: f64 = 0.999 => Single(&BELOW_ONE);
            /// added to the root of the mean square
            eps: f64 = 1e-8 => Single(&POSITIVE);
            /// L2 penalty added to the gradient
            weight_decay: f64 = 0.0 => Single(&NOT_NEGATIVE);
        }
        /// Loshchilov and Hutter 2019; weight decay shrinks the weight itself
        AdamW = "adamw" {
            /// learning rate
            lr: f64 = 1e-3 => Single(&POSITIVE);
            /// decay of the mean
            beta1: f64 = 0.9 => Single(&BELOW_ONE);
            /// decay of the mean square
            beta2: f64 = 0.999 => Single(&BELOW_ONE);
            /// added to the root of the mean square
            eps: f64 = 1e-8 => Single(&POSITIVE);
            /// decoupled weight decay
            weight_decay: f64 = 0.01 => Single(&NOT_NEGATIVE);
        }
        /// Zeiler 2012
        Adadelta = "adadelta" {
            /// learning rate
            lr: f64 = 1.0 => Single(&POSITIVE);
            /// decay of both running averages
            rho: f64 = 0.9 => Single(&BELOW_ONE);
            /// added under both roots
            eps: f64 = 1e-6 => Single(&POSITIVE);
            /// L2 penalty added to the gradient
            weight_decay: f64 = 0.0 => Single(&NOT_NEGATIVE);
        }
    }
}

fn follows_momentum(nesterov: bool, at: At<'_>, table: &mut Fields<'_>) -> Option<bool> {
    let momentum = match table.get("momentum") {
        Some(_) => peek(&Single(&BELOW_ONE), "momentum", table),
        None => Some(0.0),
    };
    if nesterov && momentum == Some(0.0) {
        let help = "Nesterov's look-ahead follows the momentum: set momentum, e.g. 0.9";
        table.at(at.node, "`nesterov` without momentum", help);
        return None;
    }
    Some(nesterov)
}

impl Optimizer {
    /// The floats that it keeps for each parameter from step to step: running averages, most of them.
    pub fn moments(&self) -> usize {
        match self {
            Self::Sgd { momentum, .. } => usize::from(*momentum != 0.0),
            Self::Adam { .. } | Self::AdamW { .. } | Self::Adadelta { .. } => 2,
        }
    }

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

words! {
    /// What weight decay shrinks.
    #[derive(Default)]
    pub enum DecayOn {
        /// all parameters, as PyTorch does where it is not told otherwise
        #[default]
        All = "all";
        /// the weights of linear and convolution layers; no biases, no batch normalisation
        Weights = "weights";
    }
}

table! {
    /// How weights are updated.
    struct Updates as "`optimizer`" {
        /// The rule, by its `kind`.
        rule: Optimizer => ByKind;
        /// what weight decay shrinks
        weight_decay_on: DecayOn = DecayOn::All;
    }
}

table! {
    /// What the learning rate is multiplied by as training goes on: the decay, times a ramp from 0 while it warms up.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub struct LearningRateSchedule as "`schedule`" {
        /// a ramp up to the full rate, which multiplies the rest (Goyal et al. 2017): step t of W counts (t + 1) / W
        pub warmup: Option<Length> = None => Maybe(Plain), usual "none";
        /// The rest.
        pub decay: Decay => ByKind;
    }
}

impl LearningRateSchedule {
    /// The full rate throughout.
    pub const CONSTANT: Self = Self {
        warmup: None,
        decay: Decay::Constant,
    };
}

kinds! {
    /// How the learning rate falls. Steps and milestones count from the start of the training; cosine and linear span what the
    /// warm-up leaves of it.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "lowercase", tag = "kind")]
    pub enum Decay {
        /// not at all
        Constant = "constant";
        /// by `factor`, once more after every `every`
        Step = "step" {
            /// the interval
            every: Length, like "\"1ep\"";
            /// the multiplier
            factor: f64 => Real(&POSITIVE), like "0.7";
        }
        /// by `factor`, once more at each moment
        Milestones = "milestones" {
            /// moments, ascending, all in epochs or all in steps
            at: Vec<Length> => Ascending, like "[\"80ep\", \"120ep\"]";
            /// the multiplier
            factor: f64 => Real(&POSITIVE), like "0.1";
        }
        /// by `floor + (1 - floor) (1 + cos(pi p)) / 2` at the share p of the way (Loshchilov and Hutter 2017, without restarts)
        Cosine = "cosine" {
            /// what is left at the end, as a share of the full rate
            floor: f64 = 0.0 => Real(&UNIT);
        }
        /// by `1 - (1 - floor) p` at the share p of the way
        Linear = "linear" {
            /// what is left at the end, as a share of the full rate
            floor: f64 = 0.0 => Real(&UNIT);
        }
        /// by `factor^(t / every)`: as `step`, but a little at each step t
        Exponential = "exponential" {
            /// the interval
            every: Length, like "\"1ep\"";
            /// the multiplier
            factor: f64 => Real(&POSITIVE), like "0.9";
        }
    }
}

/// A list of lengths, all in epochs or all in steps, ascending.
struct Ascending;

impl Form<Vec<Length>> for Ascending {
    fn shape(&self) -> ValueShape {
        ValueShape::List(Box::new(Length::shape()), 1)
    }

    fn read(&self, node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<Vec<Length>> {
        let Value::Array(items) = &node.value else {
            reader.wrong_type(node, key, "a list such as [\"80ep\", \"120ep\"]");
            return None;
        };
        let read: Vec<Option<Length>> = items
            .iter()
            .map(|item| Length::read(item, key, reader))
            .collect();
        let at: Vec<Length> = read.into_iter().collect::<Option<_>>()?;
        let ascending = at.windows(2).all(|pair| match (pair[0], pair[1]) {
            (Length::Epochs(a), Length::Epochs(b)) | (Length::Steps(a), Length::Steps(b)) => a < b,
            _ => false,
        });
        if at.is_empty() || !ascending {
            let message = "`at` must be ascending lengths, all in epochs or all in steps";
            reader.at(node, message, "for example: at = [\"80ep\", \"120ep\"]");
            return None;
        }
        Some(at)
    }
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

impl FromNode for Normalise {
    fn shape() -> ValueShape {
        let words = ["measured", "none"].map(ValueShape::Literal);
        let shapes = words.into_iter().chain([Fixed::shape()]);
        ValueShape::Either(shapes.collect())
    }

    fn read(node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.value {
            Value::String(_) => match one_of(node, key, &["measured", "none"], reader)? {
                "none" => Some(Self::None),
                _ => Some(Self::Measured),
            },
            Value::Table(_) => {
                let Fixed { mean, std } = Fixed::read(node, key, reader)?;
                Some(Self::Fixed { mean, std })
            }
            _ => {
                let expected = "\"measured\", \"none\" or { mean = 0.1307, std = 0.3081 }";
                reader.wrong_type(node, key, expected);
                None
            }
        }
    }

    fn show(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

table! {
    /// Means and standard deviations of `byte / 255`.
    struct Fixed as "`normalise`" {
        /// is subtracted: one number, or a list of one for each channel
        mean: Vec<f64> => PerChannel(&FINITE), like "0.1307";
        /// divides the difference: one number, or a list of one for each channel
        std: Vec<f64> => PerChannel(&POSITIVE), like "0.3081";
    }
    then |fixed: Fixed, table| {
        let (means, stds) = (fixed.mean.len(), fixed.std.len());
        if means != stds {
            let help = "give one of each per image channel";
            table.at(table.node, format!("{means} means and {stds} stds"), help);
            return None;
        }
        Some(fixed)
    };
}

/// One number, or a list of one per channel.
struct PerChannel(&'static Interval);

impl Form<Vec<f64>> for PerChannel {
    fn shape(&self) -> ValueShape {
        let number = || Box::new(ValueShape::Real(self.0));
        ValueShape::Either(vec![*number(), ValueShape::List(number(), 1)])
    }

    fn read(&self, node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<Vec<f64>> {
        let number = Single(self.0);
        let Value::Array(items) = &node.value else {
            return number.read(node, key, reader).map(|number| vec![number]);
        };
        if items.is_empty() {
            reader.at(node, format!("`{key}` is empty"), "one number per channel");
            return None;
        }
        let read: Vec<Option<f64>> = items
            .iter()
            .map(|item| number.read(item, key, reader))
            .collect();
        read.into_iter().collect()
    }
}

table! {
    /// What the validation split decides.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Stopping as "this training" {
        /// which weights a training ends with
        pub keep: Keep = Keep::Last;
        /// passes without a better validation score after which a run stops
        pub patience: Option<u32> = None => Or("none", at_least(1));
        /// what better means, for `keep = "best"` and `patience`; refused where neither is used
        pub best_by: BestBy = BestBy::Loss;
    }
    then |stopping: Stopping, table| {
        let split = table.get("validation");
        let without = split.filter(|node| matches!(node.value, Value::Integer(0)));
        if let (true, Some(node)) = (stopping.decides(), without) {
            let message = "`keep = \"best\"` and `patience` need a validation split";
            let help = "set `validation` to some thousands of samples: the test set may not decide";
            table.at(node, message, help);
            return None;
        }
        Some(stopping)
    };
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

words! {
    /// Which weights a training ends with.
    pub enum Keep {
        /// those of its last pass
        Last = "last";
        /// those of the pass with the best validation score, the first among equals
        Best = "best";
    }
}

words! {
    /// The validation score.
    pub enum BestBy {
        /// a smaller mean cross-entropy is better
        Loss = "loss";
        /// a larger accuracy is better
        Accuracy = "accuracy";
    }
}

/// Samples in a batch: sums over it are in 32 bits.
const MOST_IN_A_BATCH: u64 = 1 << 20;
/// Images held out when the file does not say.
const VALIDATION: u32 = 5000;
/// Micro-batches are whole chunks of so many samples.
pub const CHUNK_SAMPLES: u32 = 32;

/// The keys that say which batches there are: every step that reads data takes them.
pub(crate) const DATA: &str = "data";
/// Those that say how batches change weights.
pub(crate) const UPDATES: &str = "updates";
/// Those that say how images are changed while they are trained on.
pub(crate) const IMAGES: &str = "images";

table! {
    /// A training with every default filled in.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub struct TrainSpec as "this train step" {
        /// [a dataset](#datasets)
        pub dataset: String => Name(DATASET), like "\"mnist\"", part "data", usual "needed, here or in every step";
        /// samples per optimizer step; with batch normalisation of flat features no batch of a pass may have one sample
        pub batch: u32 => Whole(1, MOST_IN_A_BATCH), like "64", part "data", usual "needed, here or in every step";
        /// samples of a batch that are on the GPU at once, for models whose activations for a whole batch do not fit: a multiple of
        /// 32 smaller than `batch`, or all of it, `"none"`. Gradients are summed over the batch in the same order, so results are
        /// the same to the bit; batch normalisation needs the whole batch, and models with it refuse the key
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub micro_batch: Option<u32> = None => Fits(Or("none", at_least(1)), is_part_of_batch);
        /// how long: epochs or optimizer steps; at most 33,554,432 steps
        pub length: Length, like "\"14ep\"", usual "needed, here or in every step";
        /// `true`: `length` is what the whole network would train, dense. One that is compacted or under a mask trains longer, for
        /// as many multiply-adds forward in all, its schedule stretched with it (Liu et al. 2019). At a density of 0.05 that is
        /// twenty times as long
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        pub equal_flops: bool = false;
        /// begin this far into `length`, as the schedule sees it, with the weights as they are: the learning rate is rewound, not
        /// the weights (Renda et al. 2020)
        #[serde(default)]
        pub enter: Option<Length> = None => Or("none", Plain);
        /// End this far into the length.
        #[serde(default)]
        pub leave: Option<Length> = None => Unwritten;
        /// the update rule
        pub optimizer: Optimizer => Of(|updates: Updates| updates.rule),
            like "{ kind = \"adam\", lr = 0.001 }", part "updates", usual "needed, here or in every step";
        /// What its weight decay shrinks.
        #[serde(default)]
        pub weight_decay_on: DecayOn = DecayOn::All => From("optimizer", |updates: Updates| updates.weight_decay_on),
            part "updates";
        /// names of layers whose weights and biases stay as they are, e.g. `["conv1"]`
        #[serde(default)]
        pub freeze: Vec<String> = Vec::new() => Frozen, usual "none", part "updates";
        /// how the learning rate changes
        pub schedule: LearningRateSchedule = LearningRateSchedule::CONSTANT, usual "constant", part "updates";
        /// share of the target probability that is spread over all classes while training (Szegedy et al. 2016)
        pub label_smoothing: f64 = 0.0 => Real(&BELOW_ONE), part "updates";
        /// Early stopping, and which weights are kept.
        pub stopping: Stopping => Flat;
        /// largest L2 norm of the gradient of a run
        pub clip_norm: Option<f64> = None => Or("none", Single(&POSITIVE)), part "updates";
        /// lambda of a penalty on whole [units](#units): after each optimizer step the weights of a unit, its rows and its columns,
        /// are multiplied by max(0, 1 - lr λ √n / norm), n their number (Yuan and Lin 2006; Wen et al. 2016)
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub group_lasso: Option<f64> = None => Or("none", Single(&NOT_NEGATIVE)), part "updates";
        /// training samples held out for validation, drawn by seed, so that each seed holds out its own
        pub validation: u32 = VALIDATION => Samples(at_least(0)), part "data";
        /// use only this many training samples, after the validation split
        pub samples: Option<u32> = None => Samples(Or("all", at_least(1))), part "data";
        /// `true`: validation and `samples` take the classes in turn, lower ones first, until one is used up; so the classes of
        /// either differ by one sample at most
        pub balanced: bool = false, part "data";
        /// how bytes become inputs: by what is measured on the training split, not at all, or by given numbers
        pub normalise: Normalise = Normalise::Measured, part "data";
        /// random changes of the images trained on
        pub augment: Option<Augment> = None => Or("none", Plain), part "images";
    }
}

/// A number of training samples, for which others write a share of them.
struct Samples<F>(F);

impl<T, F: Form<T>> Form<T> for Samples<F> {
    fn shape(&self) -> ValueShape {
        self.0.shape()
    }
    fn show(&self, value: &T) -> String {
        self.0.show(value)
    }
    fn take(&self, key: &Key, usual: Option<T>, table: &mut Fields<'_>) -> Option<T> {
        let given = table.get(key.name);
        let share = given.and_then(|node| match node.value {
            Value::Float(share) if share > 0.0 && share < 1.0 => Some((node, share)),
            _ => None,
        });
        let Some((node, share)) = share else {
            return self.0.take(key, usual, table);
        };
        let key = key.name;
        let dataset = table.word("dataset").unwrap_or_default();
        let help = match table.reader.context.training_samples(dataset) {
            Some(all) => {
                let number = (share * f64::from(all)).round();
                format!("write {key} = {number}, of the {all} training samples of {dataset}")
            }
            None => format!("write how many, for example {key} = {VALIDATION}"),
        };
        let message = format!("`{key}` is a number of samples, not the share {share}");
        table.at(node, message, help);
        None
    }
}

/// Whether so many samples can be a part of the batch; the whole of it is no part.
fn is_part_of_batch(micro: Option<u32>, at: At<'_>, table: &mut Fields<'_>) -> Option<Option<u32>> {
    let Some(micro) = micro else {
        return Some(None);
    };
    // [train] may leave the batch to its steps.
    let batch: u32 = peek(&Whole(1, MOST_IN_A_BATCH), "batch", table)?;
    if micro == batch {
        return Some(None);
    }
    if micro > batch {
        let message = format!("`micro_batch` is {micro}, more than the batch of {batch}");
        let help = "it is a part of the batch; \"none\" is all of it";
        table.at(at.node, message, help);
        return None;
    }
    if !micro.is_multiple_of(CHUNK_SAMPLES) {
        let next = micro.next_multiple_of(CHUNK_SAMPLES).min(batch);
        let message = format!(
            "`micro_batch` must be a multiple of {CHUNK_SAMPLES} or the whole batch, not {micro}"
        );
        table.at(at.node, message, format!("the next is {next}"));
        return None;
    }
    let whole = table.reader.context.names(WHOLE_BATCH);
    if let Some(layer) = whole.and_then(|layers| layers.first().copied()) {
        let message = format!(
            "`micro_batch` does not go with batch normalisation: layer {layer:?} needs the mean and the variance of the whole batch"
        );
        let help = "set it to \"none\" or leave it out, or use a model without batch normalisation";
        table.at(at.node, message, help);
        return None;
    }
    Some(Some(micro))
}

/// Layers that do not learn, in the model's order; not all that do.
struct Frozen;

impl Form<Vec<String>> for Frozen {
    fn shape(&self) -> ValueShape {
        ValueShape::List(Box::new(ValueShape::Name(LEARNING)), 0)
    }

    fn read(&self, node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<Vec<String>> {
        let Value::Array(items) = &node.value else {
            reader.wrong_type(node, key, "a list of layer names such as [\"conv1\"]");
            return None;
        };
        // [train] is also read by itself, where no model is known.
        let learning = reader.context.names(LEARNING)?;
        let read: Vec<Option<&str>> = items
            .iter()
            .map(|item| one_of(item, LAYER, &learning, reader))
            .collect();
        let listed: Vec<&str> = read.into_iter().collect::<Option<_>>()?;
        if learning.iter().all(|name| listed.contains(name)) {
            let help = format!("leave out at least one of {}", suggest::list(&learning));
            reader.at(node, "`freeze` leaves nothing to train", help);
            return None;
        }
        let frozen = learning.iter().filter(|name| listed.contains(name));
        Some(frozen.map(|name| (*name).to_string()).collect())
    }
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
            schedule: LearningRateSchedule::CONSTANT,
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

    /// What the replicas of a cohort must agree in, by key: everything but what each has for itself, which are the numbers of the
    /// optimizer, the norm to clip to and the lambda of the group lasso. (Adam and AdamW share a kernel; they are kept apart so
    /// that a cohort has one name.)
    pub fn alike(&self) -> serde_json::Map<String, serde_json::Value> {
        let mut settings = match serde_json::to_value(self) {
            Ok(serde_json::Value::Object(settings)) => settings,
            _ => serde_json::Map::new(),
        };
        let kind = settings["optimizer"]["kind"].clone();
        let optimizer = serde_json::json!({ "kind": kind, "moments": self.optimizer.moments() });
        settings.insert("optimizer".into(), optimizer);
        settings.insert("clip_norm".into(), self.clip_norm.is_some().into());
        settings.insert("group_lasso".into(), self.group_lasso.is_some().into());
        settings
    }

    /// Samples that are on the GPU at once.
    pub fn micro_batch(&self) -> u32 {
        self.micro_batch.map_or(self.batch, |m| m.min(self.batch))
    }

    /// The keys of some groups.
    pub(crate) fn keys_of(parts: &[&str]) -> Vec<&'static str> {
        let fields = Self::description().fields.iter();
        let of_parts = fields.filter(|field| parts.contains(&field.key.part));
        of_parts.map(|field| field.key.name).collect()
    }
}

/// A training of `batches` steps that takes from its table, and else from `[train]`, only the keys of some groups. Without those of
/// updates it makes none.
pub(crate) struct Batches {
    /// How many where the file does not say; `None` if it has to.
    pub usual: Option<u32>,
    pub parts: &'static [&'static str],
}

impl Form<TrainSpec> for Batches {
    fn take(&self, _: &Key, _: Option<TrainSpec>, table: &mut Fields<'_>) -> Option<TrainSpec> {
        let batches = at_least(1).take(&BATCHES, self.usual, table);
        let length = Length::Steps(batches.unwrap_or(1));
        let rest = TrainSpec::plain("", 1, length, Optimizer::sgd(0.0, 0.0));
        let keys = TrainSpec::keys_of(self.parts);
        let training = TrainSpec::take(&mut table.only(&keys), Some(&rest));
        batches.and(training)
    }

    fn describe(&self, key: Key, _: Option<TrainSpec>, into: &mut Description) {
        at_least(1).describe(
            Key {
                doc: key.doc,
                ..BATCHES
            },
            self.usual,
            into,
        );
        let mut taken = Description::new("", "", TrainSpec::describe);
        for field in &mut taken.fields {
            field.usual = Some("as in [train]".to_owned());
        }
        into.extend(taken, &TrainSpec::keys_of(self.parts));
    }
}

const BATCHES: Key = Key {
    like: "100",
    ..Key::named("batches")
};

table! {
    /// Sets the running statistics of batch normalisation to their plain average over training batches: those of a training of this
    /// length, of which nothing but the forward passes is run.
    #[derive(Clone, PartialEq)]
    pub(crate) struct Recalibrate as "this recalibrate step" {
        /// how many batches
        pub training: TrainSpec => Batches { usual: None, parts: &[DATA, IMAGES] };
    }
}
