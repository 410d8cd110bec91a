//! `train` steps over the defaults of `[train]`.

use super::fields::{Fields, missing};
use super::node::{Node, Value};
use super::problem::Problems;
use super::read_augment::read_augment;
use super::read_mask_schedule;
use super::read_model::{learning, needs_whole_batch};
use super::read_optimizer::{read_decay_on, read_optimizer};
use super::read_schedule::read_schedule;
use super::scalars::{
    BELOW_ONE, FINITE, Interval, NOT_NEGATIVE, POSITIVE, boolean, choice, integer32, number,
    string, wrong_type,
};
use super::suggest;
use crate::model::ModelSpec;
use crate::ops::CHUNK_SAMPLES;
use crate::train::{
    Augment, BestBy, DecayOn, Keep, Length, Normalise, Optimizer, Schedule, Stopping, TrainSpec,
};

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

/// Images held out when the file does not say.
const VALIDATION: u32 = 5000;

/// Checks `[train]` by itself, so that a default no step uses is still read.
pub(super) fn check_defaults(node: &Node, datasets: &[String], problems: &mut Problems) {
    if Fields::open(node, "[train]", &KEYS, problems).is_some() {
        Settings {
            step: node,
            defaults: None,
            datasets,
            model: None,
        }
        .read(problems);
    }
}

/// Reads one `train` step, but for what it says of masks; what it leaves out comes from `defaults`. `datasets` are the names there are; `model` is `None` if it
/// has a mistake.
pub(super) fn read_train(
    step: &Node,
    defaults: Option<&Node>,
    (datasets, model): (&[String], Option<&ModelSpec>),
    problems: &mut Problems,
) -> Option<TrainSpec> {
    let keys = [&KEYS[..], &read_mask_schedule::KEYS].concat();
    Fields::open(step, "this train step", &keys, problems)?;
    let settings = Settings {
        step,
        defaults,
        datasets,
        model,
    };
    let complete = settings.check_complete(&NEEDED, problems);
    let read = settings.read(problems);
    Some(TrainSpec {
        dataset: read.dataset?,
        batch: read.batch?,
        micro_batch: read.micro_batch?,
        length: read.length?,
        equal_flops: read.equal_flops?,
        enter: read.enter?,
        leave: None,
        optimizer: read.optimizer?,
        weight_decay_on: read.weight_decay_on?,
        freeze: read.freeze?,
        schedule: read.schedule?,
        label_smoothing: read.label_smoothing?,
        stopping: read.stopping?,
        clip_norm: read.clip_norm?,
        group_lasso: read.group_lasso?,
        validation: read.validation?,
        samples: read.samples?,
        balanced: read.balanced?,
        normalise: read.normalise?,
        augment: read.augment?,
        masks: None,
    })
    .filter(|_| complete)
}

/// Keys of a `recalibrate` step, which takes `dataset` and so on from `[train]` too.
const RECALIBRATE: [&str; 6] = [
    "batches",
    "dataset",
    "batch",
    "validation",
    "samples",
    "normalise",
];

/// Reads one `recalibrate` step: a training of so many batches, of which only the forward passes are run.
pub(super) fn read_recalibrate(
    step: &Node,
    defaults: Option<&Node>,
    datasets: &[String],
    problems: &mut Problems,
) -> Option<TrainSpec> {
    let fields = Fields::open(step, "this recalibrate step", &RECALIBRATE, problems)?;
    let settings = Settings {
        step,
        defaults,
        datasets,
        model: None,
    };
    let batches = fields
        .need("batches", "batches = 100", problems)
        .and_then(|node| integer32(node, "batches", 1, problems));
    let complete = settings.check_complete(&NEEDED[..2], problems);
    let read = settings.read(problems);
    let measuring = read.measuring(batches?)?;
    Some(TrainSpec {
        augment: read.augment?,
        ..measuring
    })
    .filter(|_| complete)
}

/// Keys of a `prune` step that say what scores are measured on; all but `batches` have defaults in `[train]`.
pub(super) const SCORING: [&str; 7] = [
    "batches",
    "dataset",
    "batch",
    "validation",
    "samples",
    "balanced",
    "normalise",
];

/// Reads what a `prune` step measures its scores on, from a table of none but these keys: a training of `batches` steps. With
/// `trained`, one of this model that makes updates, and takes the rest from `[train]`; else one without augmentation.
pub(super) fn read_scoring(
    step: &Node,
    defaults: Option<&Node>,
    (datasets, trained): (&[String], Option<&ModelSpec>),
    problems: &mut Problems,
) -> Option<TrainSpec> {
    let settings = Settings {
        step,
        defaults,
        datasets,
        model: trained,
    };
    let batches = match step.get("batches") {
        Some(node) => integer32(node, "batches", 1, problems),
        None => Some(1),
    };
    let [dataset, batch, _, optimizer] = NEEDED;
    let needed = if trained.is_some() {
        &[dataset, batch, optimizer][..]
    } else {
        &[dataset, batch][..]
    };
    let complete = settings.check_complete(needed, problems);
    let read = settings.read(problems);
    let spec = read.measuring(batches?)?;
    if !complete || trained.is_none() {
        return complete.then_some(spec);
    }
    Some(TrainSpec {
        optimizer: read.optimizer?,
        weight_decay_on: read.weight_decay_on?,
        freeze: read.freeze?,
        schedule: read.schedule?,
        label_smoothing: read.label_smoothing?,
        clip_norm: read.clip_norm?,
        group_lasso: read.group_lasso?,
        augment: read.augment?,
        ..spec
    })
}

/// Keys without a default, each with an example; the first two are about data.
const NEEDED: [(&str, &str); 4] = [
    ("dataset", "dataset = \"mnist\""),
    ("batch", "batch = 64"),
    ("length", "length = \"14ep\""),
    ("optimizer", "optimizer = { kind = \"adam\", lr = 0.001 }"),
];

struct Settings<'n> {
    step: &'n Node,
    defaults: Option<&'n Node>,
    datasets: &'n [String],
    model: Option<&'n ModelSpec>,
}

/// `None` where a key without a default is missing or a value has a mistake.
struct Read {
    dataset: Option<String>,
    batch: Option<u32>,
    micro_batch: Option<Option<u32>>,
    length: Option<Length>,
    equal_flops: Option<bool>,
    enter: Option<Option<Length>>,
    optimizer: Option<Optimizer>,
    weight_decay_on: Option<DecayOn>,
    freeze: Option<Vec<String>>,
    schedule: Option<Schedule>,
    label_smoothing: Option<f64>,
    stopping: Option<Stopping>,
    clip_norm: Option<Option<f64>>,
    group_lasso: Option<Option<f64>>,
    validation: Option<u32>,
    samples: Option<Option<u32>>,
    balanced: Option<bool>,
    normalise: Option<Normalise>,
    augment: Option<Option<Augment>>,
}

impl Read {
    /// A training of so many batches, as whole ones, that takes only what concerns data from here and updates nothing.
    fn measuring(&self, batches: u32) -> Option<TrainSpec> {
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
        let default = || self.defaults?.get(key);
        self.step.get(key).or_else(default)
    }

    fn check_complete(&self, needed: &[(&str, &str)], problems: &mut Problems) -> bool {
        let mut complete = true;
        for &(key, example) in needed {
            if self.get(key).is_some() {
                continue;
            }
            complete = false;
            // One mistake, however many steps lack the key.
            let problem = match self.defaults {
                Some(defaults) => missing(
                    defaults,
                    key,
                    format!("[train] needs `{key}`: a train step does not give its own"),
                    format!("for example: {example}"),
                ),
                None => missing(
                    self.step,
                    key,
                    format!("this train step needs `{key}`, and there is no [train] table"),
                    format!("for example: {example}; in [train] it serves all train steps"),
                ),
            };
            problems.add(problem);
        }
        complete
    }

    /// `keep`, `patience` and `best_by`, which need a validation split.
    fn stopping(&self, problems: &mut Problems) -> Option<Stopping> {
        let keep = match self.get("keep") {
            Some(node) => choice(
                node,
                "keep",
                &[("last", Keep::Last), ("best", Keep::Best)],
                problems,
            ),
            None => Some(Keep::Last),
        };
        let patience = match self.get("patience") {
            Some(node) if node.text() == Some("none") => Some(None),
            Some(node) => integer32(node, "patience", 1, problems).map(Some),
            None => Some(None),
        };
        let scores = [("loss", BestBy::Loss), ("accuracy", BestBy::Accuracy)];
        let best_by = match self.get("best_by") {
            Some(node) => choice(node, "best_by", &scores, problems),
            None => Some(BestBy::Loss),
        };
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

    fn read(&self, problems: &mut Problems) -> Read {
        // A value that is absent and needed was reported by `check_complete`.
        let batch = self
            .get("batch")
            .and_then(|node| integer32(node, "batch", 1, problems));
        Read {
            dataset: self
                .get("dataset")
                .and_then(|node| dataset(node, self.datasets, problems)),
            batch,
            micro_batch: match self.get("micro_batch") {
                Some(node) if node.text() == Some("none") => Some(None),
                Some(node) => self.micro_batch(node, batch, problems),
                None => Some(None),
            },
            length: self
                .get("length")
                .and_then(|node| length(node, "length", problems)),
            equal_flops: match self.get("equal_flops") {
                Some(node) => boolean(node, "equal_flops", problems),
                None => Some(false),
            },
            enter: match self.get("enter") {
                Some(node) if node.text() == Some("none") => Some(None),
                Some(node) => length(node, "enter", problems).map(Some),
                None => Some(None),
            },
            optimizer: self
                .get("optimizer")
                .and_then(|node| read_optimizer(node, problems)),
            weight_decay_on: match self.get("optimizer") {
                Some(node) => read_decay_on(node, problems),
                None => Some(DecayOn::All),
            },
            freeze: match self.get("freeze") {
                Some(node) => self.frozen(node, problems),
                None => Some(Vec::new()),
            },
            schedule: match self.get("schedule") {
                Some(node) => read_schedule(node, problems),
                None => Some(Schedule::CONSTANT),
            },
            label_smoothing: match self.get("label_smoothing") {
                Some(node) => number(node, "label_smoothing", &BELOW_ONE, problems),
                None => Some(0.0),
            },
            stopping: self.stopping(problems),
            clip_norm: match self.get("clip_norm") {
                Some(node) if node.text() == Some("none") => Some(None),
                Some(node) => number(node, "clip_norm", &POSITIVE, problems).map(Some),
                None => Some(None),
            },
            group_lasso: match self.get("group_lasso") {
                Some(node) if node.text() == Some("none") => Some(None),
                Some(node) => number(node, "group_lasso", &NOT_NEGATIVE, problems).map(Some),
                None => Some(None),
            },
            validation: match self.get("validation") {
                Some(node) => integer32(node, "validation", 0, problems),
                None => Some(VALIDATION),
            },
            samples: match self.get("samples") {
                Some(node) if node.text() == Some("all") => Some(None),
                Some(node) => integer32(node, "samples", 1, problems).map(Some),
                None => Some(None),
            },
            balanced: match self.get("balanced") {
                Some(node) => boolean(node, "balanced", problems),
                None => Some(false),
            },
            normalise: match self.get("normalise") {
                Some(node) => normalise(node, problems),
                None => Some(Normalise::Measured),
            },
            augment: match self.get("augment") {
                Some(node) if node.text() == Some("none") => Some(None),
                Some(node) => read_augment(node, problems).map(Some),
                None => Some(None),
            },
        }
    }
}

impl Settings<'_> {
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

/// `"14ep"` or `"5000st"`.
pub(super) fn length(node: &Node, key: &str, problems: &mut Problems) -> Option<Length> {
    let expected = "a length such as \"14ep\" (epochs) or \"5000st\" (steps)";
    if !matches!(node.value, Value::String(_)) {
        return wrong_type(node, key, expected, problems);
    }
    let text = string(node, key, problems)?;
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let unit = &text[digits.len()..];
    let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let count = digits.parse::<u32>().ok().filter(|count| *count > 0);
    match (unit, count) {
        ("ep", Some(count)) => Some(Length::Epochs(count)),
        ("st", Some(count)) => Some(Length::Steps(count)),
        ("ep" | "st", None) if whole => {
            let help = format!("`{key}` must be from 1 to {} {unit}", u32::MAX);
            problems.at(node, format!("`{key}` is {text:?}: out of range"), help);
            None
        }
        _ => {
            let help = "a whole number, then `ep` for epochs or `st` for optimizer steps";
            let message = format!("`{key}` must be {expected}, not {text:?}");
            problems.at(node, message, help);
            None
        }
    }
}

fn normalise(node: &Node, problems: &mut Problems) -> Option<Normalise> {
    let words = [("measured", Normalise::Measured), ("none", Normalise::None)];
    match node.value {
        Value::String(_) => choice(node, "normalise", &words, problems),
        Value::Table(_) => {
            let fields = Fields::open(node, "`normalise`", &["mean", "std"], problems)?;
            let mean = fields.need("mean", "mean = 0.1307", problems);
            let std = fields.need("std", "std = 0.3081", problems);
            let mean = mean.and_then(|mean| channels(mean, "mean", &FINITE, problems));
            let values = std.and_then(|std| channels(std, "std", &POSITIVE, problems));
            let (mean, values) = (mean?, values?);
            if mean.len() != values.len() {
                let message = format!("{} means and {} stds", mean.len(), values.len());
                problems.at(node, message, "give one of each per image channel");
                return None;
            }
            Some(Normalise::Fixed { mean, std: values })
        }
        _ => {
            let expected = "\"measured\", \"none\" or { mean = 0.1307, std = 0.3081 }";
            wrong_type(node, "normalise", expected, problems)
        }
    }
}

/// One number, or a list of one per channel.
fn channels(
    node: &Node,
    key: &str,
    interval: &Interval,
    problems: &mut Problems,
) -> Option<Vec<f64>> {
    let Value::Array(items) = &node.value else {
        return number(node, key, interval, problems).map(|number| vec![number]);
    };
    if items.is_empty() {
        problems.at(node, format!("`{key}` is empty"), "one number per channel");
        return None;
    }
    let read: Vec<Option<f64>> = items
        .iter()
        .map(|item| number(item, key, interval, problems))
        .collect();
    read.into_iter().collect()
}
