//! The settings of a training: what a step and `[train]` say, key by key.

use super::fields::missing;
use super::read_augment::read_augment;
use super::read_model::{learning, needs_whole_batch};
use super::read_normalise::read_normalise;
use super::read_optimizer::{read_decay_on, read_optimizer};
use super::read_schedule::read_schedule;
use super::scalars::{
    BELOW_ONE, NOT_NEGATIVE, POSITIVE, boolean, choice, integer, integer32, length, number,
    number32, wrong_type,
};
use crate::config::Problems;
use crate::config::suggest;
use crate::config::{Node, Value};
use crate::ops::CHUNK_SAMPLES;
use crate::spec::{
    Augment, BestBy, DecayOn, Keep, Length, ModelSpec, Normalise, Optimizer, Schedule, Stopping,
    TrainSpec,
};

/// The keys of a `train` step that change masks; [train] has none, or every training would.
pub(super) const MASK_SCHEDULES: [&str; 2] = ["prune", "rewire"];

/// Every key of `[train]` and of a `train` step.
pub(super) const KEYS: [&str; 20] = [
    "dataset",
    "batch",
    "micro_batch",
    "length",
    "equal_flops",
    "enter",
    "optimizer",
    "freeze",
    "schedule",
    "label_smoothing",
    "clip_norm",
    "group_lasso",
    "keep",
    "patience",
    "best_by",
    "validation",
    "samples",
    "balanced",
    "normalise",
    "augment",
];

/// Samples in a batch: sums over it are in 32 bits.
const MOST_IN_A_BATCH: u64 = 1 << 20;

/// Images held out when the file does not say.
const VALIDATION: u32 = 5000;

/// Keys without a default, each with an example; the first two are about data.
pub(super) const NEEDED: [(&str, &str); 4] = [
    ("dataset", "dataset = \"mnist\""),
    ("batch", "batch = 64"),
    ("length", "length = \"14ep\""),
    ("optimizer", "optimizer = { kind = \"adam\", lr = 0.001 }"),
];

/// A step's keys over those of `[train]`.
pub(super) struct Settings<'n> {
    /// The step.
    pub step: &'n Node,
    /// What messages call it, e.g. "train step".
    pub what: &'static str,
    /// The keys that it takes; others in `[train]` do not concern it.
    pub keys: &'static [&'static str],
    /// `[train]`.
    pub defaults: Option<&'n Node>,
    /// Names of datasets.
    pub datasets: &'n [String],
    /// The network, where it is known.
    pub model: Option<&'n ModelSpec>,
}

/// What the keys say; `None` where a key without a default is missing or a value has a mistake.
pub(super) struct Read {
    pub dataset: Option<String>,
    pub batch: Option<u32>,
    pub micro_batch: Option<Option<u32>>,
    pub length: Option<Length>,
    pub equal_flops: Option<bool>,
    pub enter: Option<Option<Length>>,
    pub optimizer: Option<Optimizer>,
    pub weight_decay_on: Option<DecayOn>,
    pub freeze: Option<Vec<String>>,
    pub schedule: Option<Schedule>,
    pub label_smoothing: Option<f64>,
    pub stopping: Option<Stopping>,
    pub clip_norm: Option<Option<f64>>,
    pub group_lasso: Option<Option<f64>>,
    pub validation: Option<u32>,
    pub samples: Option<Option<u32>>,
    pub balanced: Option<bool>,
    pub normalise: Option<Normalise>,
    pub augment: Option<Option<Augment>>,
}

impl Read {
    /// A training of so many batches, as whole ones, that takes only what concerns data from here and updates nothing.
    pub(super) fn measuring(&self, batches: u32) -> Option<TrainSpec> {
        let (dataset, length) = (self.dataset.as_deref()?, Length::Steps(batches));
        Some(TrainSpec {
            validation: self.validation?,
            samples: self.samples?,
            balanced: self.balanced?,
            normalise: self.normalise.clone()?,
            ..TrainSpec::plain(dataset, self.batch?, length, Optimizer::sgd(0.0, 0.0))
        })
    }
}

impl<'n> Settings<'n> {
    fn get(&self, key: &str) -> Option<&'n Node> {
        if !self.keys.contains(&key) {
            return None;
        }
        let default = || self.defaults?.get(key);
        self.step.get(key).or_else(default)
    }

    /// Whether all of `needed` are given; says which are not.
    pub(super) fn check_complete(&self, needed: &[(&str, &str)], problems: &mut Problems) -> bool {
        let mut complete = true;
        for &(key, example) in needed {
            if self.get(key).is_some() {
                continue;
            }
            complete = false;
            let what = self.what;
            let problem = match self.defaults {
                // One mistake, however many steps lack the key: the first is named as an example.
                Some(defaults) => missing(
                    defaults,
                    key,
                    format!("[train] needs `{key}`: not every step gives its own"),
                    format!("a {what} does not; for example: {example}"),
                ),
                None => missing(
                    self.step,
                    key,
                    format!("this {what} needs `{key}`, and there is no [train] table"),
                    format!("for example: {example}; in [train] it serves all steps"),
                ),
            };
            problems.add(problem);
        }
        complete
    }

    /// `keep`, `patience` and `best_by`, which need a validation split.
    fn stopping(&self, problems: &mut Problems) -> Option<Stopping> {
        let kept = [("last", Keep::Last), ("best", Keep::Best)];
        let keep = self.or("keep", Keep::Last, problems, |node, problems| {
            choice(node, "keep", &kept, problems)
        });
        let patience = self.unless("patience", "none", problems, |node, problems| {
            integer32(node, "patience", 1, problems)
        });
        let scores = [("loss", BestBy::Loss), ("accuracy", BestBy::Accuracy)];
        let best_by = self.or("best_by", BestBy::Loss, problems, |node, problems| {
            choice(node, "best_by", &scores, problems)
        });
        let stopping = Stopping {
            keep: keep?,
            patience: patience?,
            best_by: best_by?,
        };
        let without = self
            .get("validation")
            .filter(|v| matches!(v.value, Value::Integer(0)));
        if stopping.decides()
            && let Some(node) = without
        {
            let message = "`keep = \"best\"` and `patience` need a validation split";
            let help = "set `validation` to some thousands of samples: the test set may not decide";
            problems.at(node, message, help);
            return None;
        }
        Some(stopping)
    }

    /// What `read` makes of a key's value, or `default` where it is not given.
    fn or<T>(
        &self,
        key: &str,
        default: T,
        problems: &mut Problems,
        read: impl FnOnce(&Node, &mut Problems) -> Option<T>,
    ) -> Option<T> {
        match self.get(key) {
            Some(node) => read(node, problems),
            None => Some(default),
        }
    }

    /// Likewise where `none`, the word for what [train] may have set, is the default too.
    fn unless<T>(
        &self,
        key: &str,
        none: &str,
        problems: &mut Problems,
        read: impl FnOnce(&Node, &mut Problems) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.get(key) {
            Some(node) if node.text() != Some(none) => read(node, problems).map(Some),
            _ => Some(None),
        }
    }

    /// Reads every key that the step takes. A value that is absent and needed was reported by [`Settings::check_complete`].
    pub(super) fn read(&self, problems: &mut Problems) -> Read {
        let given = |key| self.get(key);
        let batch = given("batch")
            .and_then(|node| integer(node, "batch", 1, MOST_IN_A_BATCH, problems))
            .map(|batch| batch as u32);
        Read {
            dataset: given("dataset").and_then(|node| dataset(node, self.datasets, problems)),
            batch,
            micro_batch: self
                .unless("micro_batch", "none", problems, |node, problems| {
                    self.micro_batch(node, batch, problems)
                })
                .map(Option::flatten),
            length: given("length").and_then(|node| length(node, "length", problems)),
            equal_flops: self.or("equal_flops", false, problems, |node, problems| {
                boolean(node, "equal_flops", problems)
            }),
            enter: self.unless("enter", "none", problems, |node, problems| {
                length(node, "enter", problems)
            }),
            optimizer: given("optimizer").and_then(|node| read_optimizer(node, problems)),
            weight_decay_on: self.or("optimizer", DecayOn::All, problems, read_decay_on),
            freeze: self.or("freeze", Vec::new(), problems, |node, problems| {
                self.frozen(node, problems)
            }),
            schedule: self.or("schedule", Schedule::CONSTANT, problems, read_schedule),
            label_smoothing: self.or("label_smoothing", 0.0, problems, |node, problems| {
                number(node, "label_smoothing", &BELOW_ONE, problems)
            }),
            stopping: self.stopping(problems),
            clip_norm: self.unless("clip_norm", "none", problems, |node, problems| {
                number32(node, "clip_norm", &POSITIVE, problems)
            }),
            group_lasso: self.unless("group_lasso", "none", problems, |node, problems| {
                number32(node, "group_lasso", &NOT_NEGATIVE, problems)
            }),
            validation: self.or("validation", VALIDATION, problems, |node, problems| {
                integer32(node, "validation", 0, problems)
            }),
            samples: self.unless("samples", "all", problems, |node, problems| {
                integer32(node, "samples", 1, problems)
            }),
            balanced: self.or("balanced", false, problems, |node, problems| {
                boolean(node, "balanced", problems)
            }),
            normalise: self.or("normalise", Normalise::Measured, problems, read_normalise),
            augment: self.unless("augment", "none", problems, read_augment),
        }
    }

    /// How much of a batch is on the GPU at once; `None` for all of it.
    fn micro_batch(
        &self,
        node: &Node,
        batch: Option<u32>,
        problems: &mut Problems,
    ) -> Option<Option<u32>> {
        let micro = integer32(node, "micro_batch", 1, problems)?;
        // [train] may leave the batch to its steps.
        let batch = batch?;
        if micro == batch {
            return Some(None);
        }
        if micro > batch {
            let message = format!("`micro_batch` is {micro}, more than the batch of {batch}");
            let help = "it is a part of the batch; \"none\" is all of it";
            problems.at(node, message, help);
            return None;
        }
        if !micro.is_multiple_of(CHUNK_SAMPLES) {
            let next = micro.next_multiple_of(CHUNK_SAMPLES).min(batch);
            let message = format!(
                "`micro_batch` must be a multiple of {CHUNK_SAMPLES} or the whole batch, not {micro}"
            );
            problems.at(node, message, format!("the next is {next}"));
            return None;
        }
        if let Some(layer) = self.model.and_then(needs_whole_batch) {
            let message = format!(
                "`micro_batch` does not go with batch normalisation: layer {layer:?} needs the mean and the variance of the whole batch"
            );
            let help =
                "set it to \"none\" or leave it out, or use a model without batch normalisation";
            problems.at(node, message, help);
            return None;
        }
        Some(Some(micro))
    }

    /// The layers that `freeze` lists, in the model's order.
    fn frozen(&self, node: &Node, problems: &mut Problems) -> Option<Vec<String>> {
        let Value::Array(items) = &node.value else {
            let expected = "a list of layer names such as [\"conv1\"]";
            return wrong_type(node, "freeze", expected, problems);
        };
        // [train] is also read by itself, where no model is known.
        let learning = learning(self.model?);
        let options: Vec<(&str, &str)> = learning.iter().map(|name| (*name, *name)).collect();
        let read: Vec<Option<&str>> = items
            .iter()
            .map(|item| choice(item, "layer", &options, problems))
            .collect();
        let listed: Vec<&str> = read.into_iter().collect::<Option<_>>()?;
        if learning.iter().all(|name| listed.contains(name)) {
            let help = format!("leave out at least one of {}", suggest::list(&learning));
            problems.at(node, "`freeze` leaves nothing to train", help);
            return None;
        }
        let frozen = learning.iter().filter(|name| listed.contains(name));
        Some(frozen.map(|name| (*name).to_string()).collect())
    }
}

fn dataset(node: &Node, names: &[String], problems: &mut Problems) -> Option<String> {
    let options: Vec<(&str, &String)> = names.iter().map(|name| (name.as_str(), name)).collect();
    choice(node, "dataset", &options, problems).cloned()
}
