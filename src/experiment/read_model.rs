//! `[model]`: a preset or a list of layers.

use super::read_layer::{entry_shape, read_layers};
use crate::config::{
    Flat, Form, FromNode, Node, Reader, Value, ValueShape, choice, is_bare, one_of, suggest, table,
};
use crate::model::presets;
use crate::spec::{INPUT, Init, Layer, ModelSpec, NamedLayer};

choice! {
    /// What a model is made of.
    #[derive(Clone, PartialEq)]
    pub(super) enum ModelLayers as "its layers" {
        /// a name from [the presets](#presets)
        Preset((String, Vec<NamedLayer>)) = "preset" => Preset, like "\"lenet-300-100\"";
        /// a list, input side first
        Listed(Vec<NamedLayer>) = "layers" => Listed, like "[{ linear = 300 }, \"relu\", { linear = 10 }]";
    }
}

table! {
    /// The network.
    pub(super) struct ModelTable as "[model]" {
        /// What it is made of.
        layers: ModelLayers => Flat;
        /// how fresh weights are drawn
        init: Init = Init::Pytorch;
    }
}

/// Reads `[model]` after sweep values were put in.
pub(super) fn read_model(node: &Node, reader: &mut Reader<'_>) -> Option<ModelSpec> {
    let ModelTable { layers, init } = ModelTable::read(node, "model", reader)?;
    let (name, layers) = match layers {
        ModelLayers::Preset(preset) => preset,
        ModelLayers::Listed(layers) => ("custom".to_string(), layers),
    };
    Some(ModelSpec { name, layers, init })
}

/// Whether training changes a layer.
pub(super) fn learns(layer: &Layer) -> bool {
    has_weights(layer) || *layer == Layer::BatchNorm
}

/// Whether a layer has weights, hence a mask.
pub(super) fn has_weights(layer: &Layer) -> bool {
    matches!(layer, Layer::Linear { .. } | Layer::Conv2d { .. })
}

/// The name of a preset, and its layers.
struct Preset;

impl Form<(String, Vec<NamedLayer>)> for Preset {
    fn shape(&self) -> ValueShape {
        ValueShape::Either(
            presets::names()
                .iter()
                .copied()
                .map(ValueShape::Literal)
                .collect(),
        )
    }
    fn read(
        &self,
        node: &Node,
        key: &str,
        reader: &mut Reader<'_>,
    ) -> Option<(String, Vec<NamedLayer>)> {
        let name = one_of(node, key, presets::names(), reader)?;
        Some((name.to_string(), presets::layers(name)?))
    }
}

/// A list of layers that can be a model.
struct Listed;

impl Form<Vec<NamedLayer>> for Listed {
    fn shape(&self) -> ValueShape {
        ValueShape::List(Box::new(entry_shape()), 1)
    }
    fn read(&self, node: &Node, _: &str, reader: &mut Reader<'_>) -> Option<Vec<NamedLayer>> {
        custom(node, reader)
    }
}

fn custom(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<NamedLayer>> {
    match &node.value {
        Value::Array(items) if !items.is_empty() => {
            let read: Vec<_> = read_layers(items, reader);
            check_names(items, &read, reader);
            check_sources(items, &read, reader)?;
            let layers: Vec<NamedLayer> = read.into_iter().collect::<Option<_>>()?;
            if !layers.iter().any(|layer| has_weights(&layer.layer)) {
                let help = "add a { linear = N } or { conv2d = N, kernel = K } layer";
                reader.at(node, "the model has no layer with weights", help);
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
            reader.at(node, message, help);
            None
        }
    }
}

fn check_names(items: &[Node], layers: &[Option<NamedLayer>], reader: &mut Reader<'_>) {
    for (index, layer) in layers.iter().enumerate() {
        let Some(layer) = layer else { continue };
        let item = items[index].get("name").unwrap_or(&items[index]);
        if !layer.name.split('.').all(is_bare) {
            let help = "letters, digits, `_` and `-` only, and dots between them: the name stands in masks and tables";
            reader.at(item, format!("{:?} cannot name a layer", layer.name), help);
        }
        if layer.name == INPUT {
            let help = "choose another: it is what `from` calls the model's input";
            reader.at(item, format!("no layer can be named `{INPUT}`"), help);
        }
        let mut earlier = layers[..index].iter().flatten();
        if earlier.any(|other| other.name == layer.name) {
            let names: Vec<&str> = layers[..index]
                .iter()
                .flatten()
                .map(|layer| layer.name.as_str())
                .collect();
            let message = format!("two layers are named `{}`", layer.name);
            reader.at(item, message, format!("taken: {}", suggest::list(&names)));
        }
    }
}

/// A layer reads what stands before it; `None` if one does not.
fn check_sources(
    items: &[Node],
    layers: &[Option<NamedLayer>],
    reader: &mut Reader<'_>,
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
                reader.at(
                    node,
                    format!("the layer `{name}` is not before this one"),
                    help,
                );
                continue;
            }
            let mut names: Vec<&str> = vec![INPUT];
            names.extend(before.iter().flatten().map(|layer| layer.name.as_str()));
            reader.at(
                node,
                format!("there is no layer `{name}` before this one"),
                suggest::help(name, &names),
            );
        }
    }
    good
}
