//! One entry of `layers`.

use super::fields::Fields;
use super::scalars::{BELOW_ONE, boolean, choice, integer, number, string, wrong_type};
use crate::config::Problems;
use crate::config::suggest;
use crate::config::{Node, Value};
use crate::spec::{Layer, NamedLayer};
use std::collections::BTreeMap;

/// Far beyond any sensible width, and small enough that no product of shapes overflows.
const MOST_UNITS: u64 = 1_000_000;
/// The same for windows, strides and padding.
const MOST_WINDOW: u64 = 1024;

/// Layers that are one word.
const WORDS: [&str; 5] = ["relu", "flatten", "batch_norm", "tanh", "gelu"];
/// The key that says which layer a table is, the keys beside it, and the stem of its default name.
const TABLES: [(&str, &[&str], &str); 8] = [
    ("linear", &["linear", "bias", "name", "from"], "fc"),
    (
        "conv2d",
        &[
            "conv2d", "kernel", "stride", "padding", "bias", "name", "from",
        ],
        "conv",
    ),
    (
        "max_pool",
        &["max_pool", "stride", "name", "from"],
        "maxpool",
    ),
    (
        "avg_pool",
        &["avg_pool", "stride", "name", "from"],
        "avgpool",
    ),
    (
        "dropout",
        &["dropout", "channels", "name", "from"],
        "dropout",
    ),
    ("leaky_relu", &["leaky_relu", "name", "from"], "leakyrelu"),
    ("add", &["add", "name", "from"], "add"),
    // A word with a name or an input of its own; its stem is the word's.
    ("layer", &["layer", "name", "from"], ""),
];

/// Reads all entries; default names count the layers of each kind from 1.
pub(super) fn read_layers(items: &[Node], problems: &mut Problems) -> Vec<Option<NamedLayer>> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    items
        .iter()
        .map(|item| {
            let Parts {
                stem,
                name,
                from,
                layer,
            } = match &item.value {
                Value::String(_) => word(item, problems)?,
                Value::Table(_) => table(item, problems)?,
                _ => {
                    let expected = "a word such as \"relu\" or a table such as { linear = 300 }";
                    return wrong_type(item, "layer", expected, problems);
                }
            };
            let count = counts.entry(stem).or_default();
            *count += 1;
            let name = name.unwrap_or_else(|| format!("{stem}{count}"));
            Some(NamedLayer {
                name,
                layer: layer?,
                from,
            })
        })
        .collect()
}

/// What an entry says.
struct Parts {
    /// Of the default name.
    stem: &'static str,
    /// The given name.
    name: Option<String>,
    /// What it reads, if not the layer before.
    from: Option<String>,
    /// `None` if it has a mistake.
    layer: Option<Layer>,
}

/// The layer that a word stands for.
fn layer_of(word: &str) -> Option<(&'static str, Layer)> {
    match word {
        "relu" => Some(("relu", Layer::Relu)),
        "flatten" => Some(("flatten", Layer::Flatten)),
        "batch_norm" => Some(("bn", Layer::BatchNorm)),
        "tanh" => Some(("tanh", Layer::Tanh)),
        "gelu" => Some(("gelu", Layer::Gelu)),
        _ => None,
    }
}

fn word(item: &Node, problems: &mut Problems) -> Option<Parts> {
    let text = item.text()?;
    let (stem, layer) = match layer_of(text) {
        Some(found) => found,
        None => {
            let is_table = TABLES.iter().any(|(kind, ..)| *kind == text);
            let help = if is_table {
                format!("it takes a value: {}", example(text))
            } else {
                let mut all = WORDS.to_vec();
                all.extend(TABLES.iter().map(|(kind, ..)| *kind));
                suggest::help(text, &all)
            };
            problems.at(item, format!("unknown layer {text:?}"), help);
            return None;
        }
    };
    Some(Parts {
        stem,
        name: None,
        from: None,
        layer: Some(layer),
    })
}

fn table(item: &Node, problems: &mut Problems) -> Option<Parts> {
    let Some((kind, keys, stem)) = TABLES.iter().find(|(kind, ..)| item.get(kind).is_some()) else {
        let kinds: Vec<&str> = TABLES.iter().map(|(kind, ..)| *kind).collect();
        let keys: Vec<&str> = item
            .entries()
            .iter()
            .map(|entry| entry.key.as_str())
            .collect();
        let help = match keys.iter().find_map(|key| {
            let word = WORDS.contains(key).then_some(*key);
            word.map(|word| {
                format!("{word} has no settings: write \"{word}\", or {{ layer = \"{word}\", name = ... }}")
            })
        }) {
            Some(help) => help,
            None => suggest::help(keys.first().unwrap_or(&""), &kinds),
        };
        problems.at(item, "this table is no layer", help);
        return None;
    };
    let fields = Fields::open(item, &format!("a `{kind}` layer"), keys, problems)?;
    let mut text = |key| match fields.get(key) {
        Some(node) => string(node, key, problems).map(|text| Some(text.to_string())),
        None => Some(None),
    };
    let (name, from) = (text("name"), text("from"));
    let (name, from) = (name?, from?);
    let layer = match *kind {
        "linear" => linear(&fields, problems),
        "conv2d" => conv2d(&fields, problems),
        "max_pool" => max_pool(&fields, problems),
        "avg_pool" => avg_pool(&fields, problems),
        "add" => add(&fields, problems),
        "leaky_relu" => leaky_relu(&fields, problems),
        "layer" => return worded(&fields, name, from, problems),
        _ => dropout(&fields, problems),
    };
    Some(Parts {
        stem,
        name,
        from,
        layer,
    })
}

fn example(kind: &str) -> &'static str {
    match kind {
        "linear" => "{ linear = 300 }",
        "conv2d" => "{ conv2d = 32, kernel = 3 }",
        "max_pool" => "{ max_pool = 2 }",
        "avg_pool" => "{ avg_pool = \"global\" }",
        "add" => "{ add = \"relu1\" }",
        "leaky_relu" => "{ leaky_relu = 0.01 }",
        "layer" => "{ layer = \"relu\", from = \"conv1\" }",
        _ => "{ dropout = 0.5 }",
    }
}

fn add(fields: &Fields<'_>, problems: &mut Problems) -> Option<Layer> {
    let node = fields.get("add")?;
    let with = string(node, "add", problems)?.to_string();
    Some(Layer::Add { with })
}

fn leaky_relu(fields: &Fields<'_>, problems: &mut Problems) -> Option<Layer> {
    let node = fields.get("leaky_relu")?;
    let slope = number(node, "leaky_relu", &BELOW_ONE, problems)?;
    Some(Layer::LeakyRelu {
        slope: slope as f32,
    })
}

/// A word as a table.
fn worded(
    fields: &Fields<'_>,
    name: Option<String>,
    from: Option<String>,
    problems: &mut Problems,
) -> Option<Parts> {
    let parts = word(fields.get("layer")?, problems)?;
    Some(Parts {
        name,
        from,
        ..parts
    })
}

fn linear(fields: &Fields<'_>, problems: &mut Problems) -> Option<Layer> {
    let features = size(fields, "linear", 1, MOST_UNITS, None, problems);
    let bias = flag(fields, "bias", true, problems);
    Some(Layer::Linear {
        features: features?,
        bias: bias?,
    })
}

fn conv2d(fields: &Fields<'_>, problems: &mut Problems) -> Option<Layer> {
    let channels = size(fields, "conv2d", 1, MOST_UNITS, None, problems);
    let kernel = size(fields, "kernel", 1, MOST_WINDOW, None, problems);
    let stride = size(fields, "stride", 1, MOST_WINDOW, Some(1), problems);
    let padding = size(fields, "padding", 0, MOST_WINDOW, Some(0), problems);
    let bias = flag(fields, "bias", true, problems);
    Some(Layer::Conv2d {
        channels: channels?,
        kernel: kernel?,
        stride: stride?,
        padding: padding?,
        bias: bias?,
    })
}

fn max_pool(fields: &Fields<'_>, problems: &mut Problems) -> Option<Layer> {
    let window = size(fields, "max_pool", 1, MOST_WINDOW, None, problems);
    // Windows that touch and do not overlap, as in PyTorch. 1 only stands in for a window already reported.
    let stride = size(
        fields,
        "stride",
        1,
        MOST_WINDOW,
        window.or(Some(1)),
        problems,
    );
    Some(Layer::MaxPool {
        window: window?,
        stride: stride?,
    })
}

fn avg_pool(fields: &Fields<'_>, problems: &mut Problems) -> Option<Layer> {
    let node = fields.get("avg_pool")?;
    if node.text().is_some() {
        choice(node, "avg_pool", &[("global", ())], problems)?;
        if let Some(stride) = fields.get("stride") {
            let help = "global pooling takes the whole image: remove `stride`";
            problems.at(stride, "`stride` of a global pool", help);
            return None;
        }
        return Some(Layer::AvgPool {
            window: None,
            stride: 1,
        });
    }
    let window = size(fields, "avg_pool", 1, MOST_WINDOW, None, problems);
    let stride = size(
        fields,
        "stride",
        1,
        MOST_WINDOW,
        window.or(Some(1)),
        problems,
    );
    Some(Layer::AvgPool {
        window: Some(window?),
        stride: stride?,
    })
}

fn dropout(fields: &Fields<'_>, problems: &mut Problems) -> Option<Layer> {
    let node = fields.get("dropout")?;
    let p = number(node, "dropout", &BELOW_ONE, problems);
    let channels = flag(fields, "channels", false, problems);
    // Rounding to f32 may reach 1, where the scale 1 / (1 - p) is infinite.
    let p = p.map(|p| (p as f32).min(1.0_f32.next_down()));
    Some(Layer::Dropout {
        p: p?,
        channels: channels?,
    })
}

fn size(
    fields: &Fields<'_>,
    key: &str,
    least: u64,
    most: u64,
    default: Option<usize>,
    problems: &mut Problems,
) -> Option<usize> {
    let node = match (fields.get(key), default) {
        (Some(node), _) => node,
        (None, Some(default)) => return Some(default),
        (None, None) => fields.need(key, &format!("{key} = 3"), problems)?,
    };
    let value = integer(node, key, least, most, problems)?;
    usize::try_from(value).ok()
}

fn flag(fields: &Fields<'_>, key: &str, default: bool, problems: &mut Problems) -> Option<bool> {
    match fields.get(key) {
        Some(node) => boolean(node, key, problems),
        None => Some(default),
    }
}
