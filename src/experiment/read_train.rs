//! `train` steps over the defaults of `[train]`.

use super::fields::{Fields, missing};
use super::node::{Node, Value};
use super::problem::Problems;
use super::read_augment::read_augment;
use super::read_optimizer::read_optimizer;
use super::read_schedule::read_schedule;
use super::scalars::{
    BELOW_ONE, FINITE, Interval, POSITIVE, boolean, choice, integer32, number, string, wrong_type,
};
use crate::train::{
    Augment, BestBy, Keep, Length, Normalise, Optimizer, Schedule, Stopping, TrainSpec,
};

/// Every key of `[train]` and of a `train` step.
pub(super) const KEYS: [&str; 15] = [
    "dataset",
    "batch",
    "length",
    "optimizer",
    "schedule",
    "label_smoothing",
    "clip_norm",
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
        }
        .read(problems);
    }
}

/// Reads one `train` step; what it leaves out comes from `defaults`. `datasets` are the names there are.
pub(super) fn read_train(
    step: &Node,
    defaults: Option<&Node>,
    datasets: &[String],
    problems: &mut Problems,
) -> Option<TrainSpec> {
    Fields::open(step, "this train step", &KEYS, problems)?;
    let settings = Settings {
        step,
        defaults,
        datasets,
    };
    let complete = settings.check_complete(problems);
    let read = settings.read(problems);
    Some(TrainSpec {
        dataset: read.dataset?,
        batch: read.batch?,
        length: read.length?,
        optimizer: read.optimizer?,
        schedule: read.schedule?,
        label_smoothing: read.label_smoothing?,
        stopping: read.stopping?,
        clip_norm: read.clip_norm?,
        validation: read.validation?,
        samples: read.samples?,
        balanced: read.balanced?,
        normalise: read.normalise?,
        augment: read.augment?,
    })
    .filter(|_| complete)
}

struct Settings<'n> {
    step: &'n Node,
    defaults: Option<&'n Node>,
    datasets: &'n [String],
}

/// `None` where a key without a default is missing or a value has a mistake.
struct Read {
    dataset: Option<String>,
    batch: Option<u32>,
    length: Option<Length>,
    optimizer: Option<Optimizer>,
    schedule: Option<Schedule>,
    label_smoothing: Option<f64>,
    stopping: Option<Stopping>,
    clip_norm: Option<Option<f64>>,
    validation: Option<u32>,
    samples: Option<Option<u32>>,
    balanced: Option<bool>,
    normalise: Option<Normalise>,
    augment: Option<Option<Augment>>,
}

impl<'n> Settings<'n> {
    fn get(&self, key: &str) -> Option<&'n Node> {
        let default = || self.defaults?.get(key);
        self.step.get(key).or_else(default)
    }

    fn check_complete(&self, problems: &mut Problems) -> bool {
        let needed = [
            ("dataset", "dataset = \"mnist\""),
            ("batch", "batch = 64"),
            ("length", "length = \"14ep\""),
            ("optimizer", "optimizer = { kind = \"adam\", lr = 0.001 }"),
        ];
        let mut complete = true;
        for (key, example) in needed {
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
        Read {
            dataset: self
                .get("dataset")
                .and_then(|node| dataset(node, self.datasets, problems)),
            batch: self
                .get("batch")
                .and_then(|node| integer32(node, "batch", 1, problems)),
            length: self
                .get("length")
                .and_then(|node| length(node, "length", problems)),
            optimizer: self
                .get("optimizer")
                .and_then(|node| read_optimizer(node, problems)),
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
