//! One step of an arm.

use super::Step;
use super::fields::Fields;
use super::read_mask_schedule::read_mask_schedule;
use super::read_prune::read_prune;
use super::read_train::{read_recalibrate, read_train};
use super::read_units::{prunes_units, read_prune_units};
use super::scalars::{choice, length, wrong_type};
use super::surroundings::Surroundings;
use crate::config::Problems;
use crate::config::suggest;
use crate::config::{Node, Value};
use crate::spec::{Layer, MaskStep, ModelSpec, Restart, TrainStep};

/// `iterate` is written out before steps are read; it is here for those who misspell it.
const STEPS: [&str; 7] = [
    "train",
    "prune",
    "restart",
    "mask",
    "recalibrate",
    "compact",
    "iterate",
];
const RESTARTS: [(&str, Restart); 3] = [
    ("fresh", Restart::Fresh),
    ("init", Restart::Init),
    ("none", Restart::None),
];

pub(super) fn read_step(
    node: &Node,
    around: &Surroundings<'_>,
    problems: &mut Problems,
) -> Option<Step> {
    let example = "{ train = {} }, { prune = { sparsity = 0.9 } }, { restart = \"fresh\" } or { mask = \"shuffle\" }";
    match &node.value {
        Value::Table(_) => {}
        Value::Unknown => return None,
        _ => {
            let message = format!("a step must be a table, not {}", node.describe());
            problems.at(node, message, format!("one of {example}"));
            return None;
        }
    }
    let fields = Fields::open(node, "this step", &STEPS, problems)?;
    let entry = match node.entries() {
        [entry] => entry,
        [] => {
            problems.at(node, "this step is empty", format!("one of {example}"));
            return None;
        }
        [_, second, ..] => {
            let known = |key: &str| STEPS.contains(&key);
            if node.entries().iter().all(|entry| known(&entry.key)) {
                let help = "steps run in order: give each its own table, { ... }, { ... }";
                problems.at(&second.node, "two steps in one table", help);
            }
            return None;
        }
    };
    let value = &entry.node;
    match entry.key.as_str() {
        "train" => {
            let names = (around.datasets, around.model);
            let masks = read_mask_schedule(value, around, problems);
            let read = read_train(value, around.defaults, names, problems);
            read.zip(masks)
                .map(|(train, masks)| Step::Train(TrainStep { train, masks }))
        }
        "recalibrate" => {
            let read = read_recalibrate(value, around.defaults, around.datasets, problems);
            let normalises = |model: &ModelSpec| {
                let mut layers = model.layers.iter();
                layers.any(|layer| layer.layer == Layer::BatchNorm)
            };
            if around.model.is_some_and(|model| !normalises(model)) {
                let help =
                    "it has no running statistics: remove the step, or add \"batch_norm\" layers";
                problems.at(node, "the model has no batch normalisation", help);
                return None;
            }
            read.map(Step::Recalibrate)
        }
        "prune" => match prunes_units(value, problems)? {
            true => read_prune_units(value, around, problems).map(Step::PruneUnits),
            false => read_prune(value, around, problems).map(Step::Prune),
        },
        "compact" => Fields::open(value, "`compact`", &[], problems).map(|_| Step::Compact),
        "restart" => read_restart(value, problems).map(Step::Restart),
        "mask" => read_mask(&fields, value, around, problems).map(Step::Mask),
        _ => None,
    }
}

/// One of the words, or `{ rewind = "500st" }`.
fn read_restart(node: &Node, problems: &mut Problems) -> Option<Restart> {
    if !matches!(node.value, Value::Table(_)) {
        return choice(node, "restart", &RESTARTS, problems);
    }
    let fields = Fields::open(node, "`restart`", &["rewind"], problems)?;
    let to = fields.need("rewind", "rewind = \"2ep\"", problems)?;
    length(to, "rewind", problems).map(Restart::Rewind)
}

fn read_mask(
    step: &Fields<'_>,
    node: &Node,
    around: &Surroundings<'_>,
    problems: &mut Problems,
) -> Option<MaskStep> {
    let words = [
        ("transfer", MaskStep::Transfer),
        ("shuffle", MaskStep::Shuffle),
        ("random", MaskStep::Random),
        ("random-uniform", MaskStep::RandomUniform),
        ("random-erk", MaskStep::RandomErk),
        ("release", MaskStep::Release),
    ];
    match &node.value {
        Value::Table(_) => {
            let fields = Fields::open(node, "this mask step", &["load"], problems)?;
            let file = fields.need("load", "load = \"mask.safetensors\"", problems)?;
            around.files.find(file, problems).map(MaskStep::Load)
        }
        Value::String(text) if text == "load" => {
            let help = "write { mask = { load = \"FILE.safetensors\" } }";
            problems.at(step.node, "`load` needs a file", help);
            None
        }
        Value::String(_) => choice(node, "mask", &words, problems),
        _ => {
            let names = words.each_ref().map(|(word, _)| *word);
            let expected = format!("one of {} or {{ load = FILE }}", suggest::list(&names));
            wrong_type(node, "mask", &expected, problems)
        }
    }
}
