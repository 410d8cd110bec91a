//! One step of an arm.

use super::Step;
use super::fields::Fields;
use super::files::MaskFiles;
use super::read_amount::{AMOUNTS, read_amount};
use super::read_mask_schedule::read_mask_schedule;
use super::read_model::prunable;
use super::read_train::{MOVEMENT, SCORING, read_recalibrate, read_scoring, read_train};
use super::read_units::{UNIT_CRITERIA, prunes_units, read_prune_units};
use super::scalars::{boolean, choice, integer32, length, wrong_type};
use crate::config::Problems;
use crate::config::suggest;
use crate::config::{Node, Value};
use crate::spec::{
    Amount, Criterion, Layer, MaskStep, ModelSpec, PruneSpec, Restart, Scope, TrainSpec,
};

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
const CRITERIA: [(&str, Criterion); 10] = [
    ("magnitude", Criterion::Magnitude),
    ("random", Criterion::Random),
    ("lamp", Criterion::Lamp),
    ("gradient", Criterion::Gradient),
    ("snip", Criterion::Snip),
    ("taylor", Criterion::Taylor),
    ("taylor-squared", Criterion::TaylorSquared),
    ("grasp", Criterion::Grasp),
    ("synflow", Criterion::Synflow),
    ("movement", Criterion::Movement),
];
/// Iterations of SynFlow where the file does not say (Tanaka et al. 2020).
const SYNFLOW_ITERATIONS: u32 = 100;
const SCOPES: [(&str, Scope); 6] = [
    ("global", Scope::Global),
    ("layer", Scope::Layer),
    ("neuron", Scope::Neuron),
    ("uniform", Scope::Uniform),
    ("er", Scope::Er),
    ("erk", Scope::Erk),
];
const RESTARTS: [(&str, Restart); 3] = [
    ("fresh", Restart::Fresh),
    ("init", Restart::Init),
    ("none", Restart::None),
];

/// What a step may refer to, at one point of the sweep.
pub(super) struct Surroundings<'a> {
    /// `[train]`.
    pub defaults: Option<&'a Node>,
    /// `None` if it has a mistake.
    pub model: Option<&'a ModelSpec>,
    pub files: &'a MaskFiles,
    /// Names that `dataset` may be.
    pub datasets: &'a [String],
}

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
                .map(|(spec, masks)| Step::Train(TrainSpec { masks, ..spec }))
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

pub(super) fn read_prune(
    node: &Node,
    around: &Surroundings<'_>,
    problems: &mut Problems,
) -> Option<PruneSpec> {
    let keys = [
        "structure",
        "criterion",
        "scope",
        "layers",
        "keep_dense",
        "iterations",
        "invert",
    ];
    let fields = Fields::open(
        node,
        "this prune step",
        &[&keys[..], AMOUNTS, &SCORING].concat(),
        problems,
    )?;
    let criterion = match fields.get("criterion") {
        Some(node) => choice(node, "criterion", &CRITERIA, problems),
        None => Some(Criterion::Magnitude),
    };
    let scope = match fields.get("scope") {
        Some(node) => choice(node, "scope", &SCOPES, problems),
        None => Some(Scope::Global),
    };
    let (layers, keep_dense) = read_in_scope(&fields, around, problems);
    let asked = read_amount(&fields, around, problems);
    let criterion = criterion?;
    let trains = criterion == Criterion::Movement;
    let data = read_data(node, (criterion.reads_data(), trains), around, problems);
    let iterations = match fields.get("iterations") {
        Some(node) if criterion == Criterion::Movement => {
            let help =
                "it scores by one training: remove `iterations`, or write several prune steps";
            problems.at(node, "movement pruning has no iterations", help);
            None
        }
        Some(node) => integer32(node, "iterations", 1, problems),
        None if criterion == Criterion::Synflow && fields.get("n_of_m").is_none() => {
            Some(SYNFLOW_ITERATIONS)
        }
        None => Some(1),
    };
    let invert = match fields.get("invert") {
        Some(node) => boolean(node, "invert", problems),
        None => Some(false),
    };
    let asked = asked?;
    let (mut scope, mut layers, keep_dense) = (scope?, layers?, keep_dense?);
    if let Some(layers) = &layers
        && !all_listed(&fields, layers, &keep_dense, problems)
    {
        return None;
    }
    if asked.amount == Amount::PerLayer {
        let named = |name: &&str| asked.densities.contains_key(*name);
        let all = around.model.map(prunable).unwrap_or_default();
        scope = Scope::Layer;
        layers = Some(all.into_iter().filter(named).map(str::to_owned).collect());
    }
    Some(PruneSpec {
        criterion,
        scope,
        amount: asked.amount,
        layers,
        densities: asked.densities,
        keep_dense,
        iterations: iterations?,
        invert: invert?,
        data: data?,
    })
}

/// `layers` and `keep_dense`; each `None` after a mistake.
pub(super) fn read_in_scope(
    fields: &Fields<'_>,
    around: &Surroundings<'_>,
    problems: &mut Problems,
) -> (Option<Option<Vec<String>>>, Option<Vec<String>>) {
    let layers = match fields.get("layers") {
        Some(node) => read_layers(node, "layers", around, problems).map(Some),
        None => Some(None),
    };
    let keep_dense = match fields.get("keep_dense") {
        Some(node) => read_layers(node, "keep_dense", around, problems),
        None => Some(Vec::new()),
    };
    (layers, keep_dense)
}

/// Whether `layers` lists all of `keep_dense`; a mistake where it does not. Not asked of units, where a layer stands for those
/// tied to it.
fn all_listed(
    fields: &Fields<'_>,
    layers: &[String],
    keep_dense: &[String],
    problems: &mut Problems,
) -> bool {
    let outside = keep_dense.iter().find(|name| !layers.contains(name));
    let (Some(name), Some(node)) = (outside, fields.get("keep_dense")) else {
        return true;
    };
    let message = format!("`keep_dense` names {name:?}, which `layers` does not");
    let help =
        "a layer that is not listed keeps all its weights anyway: remove it here, or list it there";
    problems.at(node, message, help);
    false
}

/// What scores are measured on by a criterion that reads data or not, and trains or not; `Some(None)` for one that reads no data,
/// `None` after a mistake.
pub(super) fn read_data(
    node: &Node,
    (reads, trains): (bool, bool),
    around: &Surroundings<'_>,
    problems: &mut Problems,
) -> Option<Option<Box<TrainSpec>>> {
    let about_data = |key: &str| SCORING.contains(&key);
    let given: Vec<_> = node
        .entries()
        .iter()
        .filter(|entry| about_data(&entry.key))
        .collect();
    if !reads {
        let Some(first) = given.first() else {
            return Some(None);
        };
        let message = format!(
            "`{}` has no meaning here: this criterion reads no data",
            first.key
        );
        let help = "remove it, or choose a criterion that is measured on batches, such as \"snip\"";
        problems.at(&first.node, message, help);
        return None;
    }
    if trains && node.get("batches").is_none() {
        let help = "for example: batches = 1000; they are a training, by the optimizer of [train]";
        problems.at(node, "movement pruning needs `batches`", help);
        return None;
    }
    let mut table = node.clone();
    table.value = Value::Table(given.into_iter().cloned().collect());
    let names = (around.datasets, around.model.filter(|_| trains));
    read_scoring(&table, around.defaults, names, problems).map(|spec| Some(Box::new(spec)))
}

/// The keys of `[train]` that a prune step by this criterion takes.
pub(super) fn scoring_keys(criterion: &Node) -> &'static [&'static str] {
    let named = |word: &str| criterion.text() == Some(word);
    let weights = CRITERIA.iter().find(|(word, _)| named(word));
    let units = UNIT_CRITERIA.iter().find(|(word, _)| named(word));
    let reads = weights.is_some_and(|(_, criterion)| criterion.reads_data())
        || units.is_some_and(|(_, criterion)| criterion.reads_data());
    match weights {
        Some((_, Criterion::Movement)) => &MOVEMENT,
        _ if reads => &SCORING,
        _ => &[],
    }
}

fn read_layers(
    node: &Node,
    key: &str,
    around: &Surroundings<'_>,
    problems: &mut Problems,
) -> Option<Vec<String>> {
    let Value::Array(items) = &node.value else {
        let expected = "a list of layer names such as [\"fc1\"]";
        return wrong_type(node, key, expected, problems);
    };
    if items.is_empty() {
        let help = "name at least one layer, or leave the key out";
        problems.at(node, format!("`{key}` is empty"), help);
        return None;
    }
    let prunable = around.model.map(prunable);
    let mut names: Vec<String> = Vec::new();
    let mut good = true;
    for item in items {
        let name = match &prunable {
            Some(prunable) => {
                let options: Vec<(&str, &str)> =
                    prunable.iter().map(|name| (*name, *name)).collect();
                choice(item, "layer", &options, problems)
            }
            None => None,
        };
        match name {
            Some(name) if names.iter().any(|other| other == name) => {
                let help = "name each layer once";
                problems.at(item, format!("the layer `{name}` is listed twice"), help);
                good = false;
            }
            Some(name) => names.push(name.to_string()),
            None => good = false,
        }
    }
    // In the model's order: ["fc2", "fc1"] and ["fc1", "fc2"] are the same request.
    let order = |name: &String| prunable.as_ref()?.iter().position(|other| other == name);
    names.sort_by_key(order);
    good.then_some(names)
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
