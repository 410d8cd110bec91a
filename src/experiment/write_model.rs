//! A model as an experiment file has it.

use crate::config::Kinds;
use crate::spec::{Layer, NamedLayer, stem};
use std::collections::BTreeMap;

/// `[model]` with these layers, one to a line, as [`super::Experiment::parse`] reads them.
pub fn model_toml(layers: &[NamedLayer]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut text = "[model]\nlayers = [\n".to_string();
    for layer in layers {
        let stem = stem(layer.layer.word());
        let count = counts.entry(stem).or_default();
        *count += 1;
        text += &format!("  {},\n", entry(layer, &format!("{stem}{count}")));
    }
    text + "]\n"
}

/// A word, or a table of what is not as it is without being said.
fn entry(layer: &NamedLayer, usual_name: &str) -> String {
    let word = layer.layer.word();
    let mut keys = match &layer.layer {
        Layer::Linear { features, bias } => {
            vec![Some(format!("linear = {features}")), without_bias(*bias)]
        }
        Layer::Conv2d {
            channels,
            kernel,
            stride,
            padding,
            bias,
        } => vec![
            Some(format!("conv2d = {channels}, kernel = {kernel}")),
            (*stride != 1).then(|| format!("stride = {stride}")),
            (*padding != 0).then(|| format!("padding = {padding}")),
            without_bias(*bias),
        ],
        Layer::LeakyRelu { slope } => vec![Some(format!("leaky_relu = {slope}"))],
        Layer::MaxPool { window, stride } => {
            let steps = (stride != window).then(|| format!("stride = {stride}"));
            vec![Some(format!("max_pool = {window}")), steps]
        }
        Layer::AvgPool { window, stride } => match window {
            None => vec![Some("avg_pool = \"global\"".to_string())],
            Some(window) => {
                let steps = (stride != window).then(|| format!("stride = {stride}"));
                vec![Some(format!("avg_pool = {window}")), steps]
            }
        },
        Layer::Dropout { p, channels } => vec![
            Some(format!("dropout = {p}")),
            channels.then(|| "channels = true".to_string()),
        ],
        Layer::Add { with } => vec![Some(format!("add = {with:?}"))],
        Layer::BatchNorm | Layer::Relu | Layer::Tanh | Layer::Gelu | Layer::Flatten => Vec::new(),
    };
    let is_word = keys.is_empty();
    keys.push((layer.name != usual_name).then(|| format!("name = {:?}", layer.name)));
    keys.push(layer.from.as_ref().map(|from| format!("from = {from:?}")));
    let keys: Vec<String> = keys.into_iter().flatten().collect();
    match (is_word, keys.join(", ")) {
        (true, own) if own.is_empty() => format!("\"{word}\""),
        (true, own) => format!("{{ layer = \"{word}\", {own} }}"),
        (false, own) => format!("{{ {own} }}"),
    }
}

fn without_bias(bias: bool) -> Option<String> {
    (!bias).then(|| "bias = false".to_string())
}
