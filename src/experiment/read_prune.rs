//! A `prune` step on weights, and what it shares with those on units.

use super::fields::Fields;
use super::read_amount::{AMOUNTS, read_amount};
use super::read_model::prunable;
use super::read_train::{SCORING, read_scoring};
use super::scalars::{boolean, choice, integer32, wrong_type};
use super::surroundings::Surroundings;
use crate::config::Problems;
use crate::config::{Node, Value};
use crate::spec::{Amount, Criterion, PruneSpec, Scope, TrainSpec};

pub(super) const CRITERIA: [(&str, Criterion); 10] = [
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
