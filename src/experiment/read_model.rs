//! `[model]`: a preset or a list of layers.

use super::fields::Fields;
use super::read_layer;
use super::scalars::choice;
use crate::config::Problems;
use crate::config::suggest;
use crate::config::{Node, is_bare};
use crate::model::presets;
use crate::ops::operator;
use crate::spec::{INPUT, Init, Layer, ModelSpec, NamedLayer};

const INITS: [(&str, Init); 5] = [
    ("pytorch", Init::Pytorch),
    ("kaiming-uniform", Init::KaimingUniform),
    ("kaiming-normal", Init::KaimingNormal),
    ("glorot-uniform", Init::GlorotUniform),
    ("glorot-normal", Init::GlorotNormal),
];

/// Reads `[model]` after sweep values were put in.
pub(super) fn read_model(node: &Node, problems: &mut Problems) -> Option<ModelSpec> {
    let fields = Fields::open(node, "[model]", &["preset", "layers", "init"], problems)?;
    let init = match fields.get("init") {
        Some(init) => choice(init, "init", &INITS, problems),
        None => Some(Init::default()),
    };
    let (key, value) = fields.one_of(&["preset", "layers"], "its layers", problems)?;
    let (name, layers) = if key == "preset" {
        preset(value, problems)?
    } else {
        ("custom".to_string(), custom(value, problems)?)
    };
    Some(ModelSpec {
        name,
        layers,
        init: init?,
    })
}

/// The layers that have weights, hence masks.
pub(super) fn prunable(model: &ModelSpec) -> Vec<&str> {
    model
        .layers
        .iter()
        .filter(|layer| has_weights(&layer.layer))
        .map(|layer| layer.name.as_str())
        .collect()
}

/// The layers that training changes.
pub(super) fn learning(model: &ModelSpec) -> Vec<&str> {
    let learns = |layer: &&NamedLayer| has_weights(&layer.layer) || layer.layer == Layer::BatchNorm;
    let layers = model.layers.iter().filter(learns);
    layers.map(|layer| layer.name.as_str()).collect()
}

/// The first layer for which a batch cannot be split into micro-batches.
pub(super) fn needs_whole_batch(model: &ModelSpec) -> Option<&str> {
    let mut layers = model.layers.iter();
    let found = layers.find(|layer| operator(&layer.layer).needs_whole_batch());
    found.map(|layer| layer.name.as_str())
}

fn has_weights(layer: &Layer) -> bool {
    matches!(layer, Layer::Linear { .. } | Layer::Conv2d { .. })
}

fn preset(node: &Node, problems: &mut Problems) -> Option<(String, Vec<NamedLayer>)> {
    let options: Vec<(&str, &str)> = presets::names().iter().map(|name| (*name, *name)).collect();
    let name = choice(node, "preset", &options, problems)?;
    Some((name.to_string(), presets::layers(name)?))
}

fn custom(node: &Node, problems: &mut Problems) -> Option<Vec<NamedLayer>> {
    use crate::config::Value;
    match &node.value {
        Value::Array(items) if !items.is_empty() => {
            let read: Vec<_> = read_layer::read_layers(items, problems);
            check_names(items, &read, problems);
            check_sources(items, &read, problems)?;
            let layers: Vec<NamedLayer> = read.into_iter().collect::<Option<_>>()?;
            if !layers.iter().any(|layer| has_weights(&layer.layer)) {
                let help = "add a { linear = N } or { conv2d = N, kernel = K } layer";
                problems.at(node, "the model has no layer with weights", help);
                return None;
            }
            Some(layers)
        }
        Value::Unknown => None,
        _ => {
            let message = format!(
                "`layers` must be a list of at least one layer, not {}",
                if node.items().is_empty() && matches!(node.value, Value::Array(_)) {
                    "an empty one".to_string()
                } else {
                    node.describe()
                }
            );
            let help = r#"for example: layers = [{ linear = 300 }, "relu", { linear = 10 }]"#;
            problems.at(node, message, help);
            None
        }
    }
}

fn check_names(items: &[Node], layers: &[Option<NamedLayer>], problems: &mut Problems) {
    for (index, layer) in layers.iter().enumerate() {
        let Some(layer) = layer else { continue };
        let item = items[index].get("name").unwrap_or(&items[index]);
        if !is_bare(&layer.name) {
            let help = "letters, digits, `_` and `-` only: the name stands in masks and tables";
            problems.at(item, format!("{:?} cannot name a layer", layer.name), help);
        }
        if layer.name == INPUT {
            let help = "choose another: it is what `from` calls the model's input";
            problems.at(item, format!("no layer can be named `{INPUT}`"), help);
        }
        let mut earlier = layers[..index].iter().flatten();
        if earlier.any(|other| other.name == layer.name) {
            let names: Vec<&str> = layers[..index]
                .iter()
                .flatten()
                .map(|layer| layer.name.as_str())
                .collect();
            let message = format!("two layers are named `{}`", layer.name);
            problems.at(item, message, format!("taken: {}", suggest::list(&names)));
        }
    }
}

/// A layer reads what stands before it; `None` if one does not.
fn check_sources(
    items: &[Node],
    layers: &[Option<NamedLayer>],
    problems: &mut Problems,
) -> Option<()> {
    let mut good = Some(());
    for (index, item) in items.iter().enumerate() {
        let known = |name: &str, layers: &[Option<NamedLayer>]| {
            name == INPUT || layers.iter().flatten().any(|layer| layer.name == name)
        };
        let nodes = ["from", "add"].map(|key| item.get(key));
        for node in nodes.into_iter().flatten() {
            // Another kind of value was reported where it was read.
            let Some(name) = node.text() else { continue };
            let before = &layers[..index];
            // A layer with a mistake may be the one that is named.
            if known(name, before) || before.iter().any(Option::is_none) {
                continue;
            }
            good = None;
            if known(name, &layers[index..]) {
                let help = "a layer reads what stands before it: move one of the two";
                problems.at(
                    node,
                    format!("the layer `{name}` is not before this one"),
                    help,
                );
                continue;
            }
            let mut names: Vec<&str> = vec![INPUT];
            names.extend(before.iter().flatten().map(|layer| layer.name.as_str()));
            problems.at(
                node,
                format!("there is no layer `{name}` before this one"),
                suggest::help(name, &names),
            );
        }
    }
    good
}
