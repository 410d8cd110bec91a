//! One entry of `layers`.

use crate::config::{
    AnyText, Description, Field, Fields, Key, Kind, Kinds, Maybe, Node, Part, Reader, Value,
    ValueShape, described, table,
};
use crate::spec::{Layer, NamedLayer, stem};
use std::collections::BTreeMap;

table! {
    /// What every layer takes that is written as a table.
    #[derive(Default)]
    struct Own as "a layer" {
        /// its name: letters, digits, `_` and `-`, and dots between them; unique in the model
        name: Option<String> = None => Maybe(AnyText), usual "its kind and a number";
        /// the earlier layer that it reads, or `"input"`
        from: Option<String> = None => Maybe(AnyText), usual "the layer before";
    }
}

/// The key that gives a word a name or an input of its own.
const WORDED: &str = "layer";

/// What an entry says.
struct LayerEntry {
    kind: &'static str,
    own: Own,
    /// `None` if it has a mistake.
    layer: Option<Layer>,
}

/// Reads all entries; default names count the layers of each kind from 1.
pub(super) fn read_layers(items: &[Node], reader: &mut Reader<'_>) -> Vec<Option<NamedLayer>> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut named = |item: &Node| {
        let LayerEntry { kind, own, layer } = read_entry(item, reader)?;
        let stem = stem(kind);
        let count = counts.entry(stem).or_default();
        *count += 1;
        Some(NamedLayer {
            name: own.name.unwrap_or_else(|| format!("{stem}{count}")),
            layer: layer?,
            from: own.from,
        })
    };
    items.iter().map(&mut named).collect()
}

fn read_entry(item: &Node, reader: &mut Reader<'_>) -> Option<LayerEntry> {
    if let Value::String(_) = item.value {
        return read_word(item, reader).map(|(kind, layer)| LayerEntry {
            kind,
            own: Own::default(),
            layer,
        });
    }
    let Value::Table(_) = item.value else {
        let expected = "a word such as \"relu\" or a table such as { linear = 300 }";
        reader.wrong_type(item, "layer", expected);
        return None;
    };
    let (kind, layer, own) = if let Some(kind) = tables().find(|kind| item.get(kind.word).is_some())
    {
        let mut table = open(item, kind.word, &(kind.table)().keys(None), reader)?;
        let layer = Layer::of(kind.word, &mut table);
        (kind.word, layer, Own::take(&mut table, None))
    } else if let Some(word) = item.get(WORDED) {
        let mut table = open(item, WORDED, &[WORDED], reader)?;
        let own = Own::take(&mut table, None);
        let (kind, layer) = read_word(word, reader)?;
        (kind, layer, own)
    } else {
        no_layer(item, reader);
        return None;
    };
    let own = own?;
    Some(LayerEntry { kind, own, layer })
}

fn open<'a>(
    item: &'a Node,
    kind: &str,
    keys: &[&'static str],
    reader: &'a mut Reader<'_>,
) -> Option<Fields<'a>> {
    let own = Description::new("", "", Own::describe).keys(None);
    Fields::open(
        item,
        &format!("a `{kind}` layer"),
        &[keys, &own].concat(),
        reader,
    )
}

/// The layer that a word stands for.
fn read_word(node: &Node, reader: &mut Reader<'_>) -> Option<(&'static str, Option<Layer>)> {
    let Some(word) = node.text() else {
        reader.wrong_type(node, WORDED, "a string");
        return None;
    };
    if let Some(kind) = words().find(|kind| kind.word == word) {
        return Some((
            kind.word,
            Layer::of(kind.word, &mut Fields::unchecked(node, reader)),
        ));
    }
    let help = match tables().find(|kind| kind.word == word) {
        Some(kind) => format!("it takes a value: {{ {} }}", (kind.table)().example()),
        None if word == WORDED => {
            "it takes a value: { layer = \"relu\", from = \"conv1\" }".to_string()
        }
        None => {
            let kinds = words().chain(tables()).map(|kind| kind.word);
            reader.help(word, None, &kinds.chain([WORDED]).collect::<Vec<_>>())
        }
    };
    reader.at(node, format!("unknown layer {word:?}"), help);
    None
}

fn no_layer(item: &Node, reader: &mut Reader<'_>) {
    let keys = || item.entries().iter().map(|entry| entry.key.as_str());
    let first = item.entries().first();
    let help = match words().find(|kind| keys().any(|key| key == kind.word)) {
        Some(Kind { word, .. }) => format!(
            "{word} has no settings: write \"{word}\", or {{ {WORDED} = \"{word}\", name = ... }}"
        ),
        None => {
            let kinds: Vec<&str> = tables().map(|kind| kind.word).chain([WORDED]).collect();
            let key = first.map_or("", |entry| &entry.key);
            reader.help(key, first.map(|entry| &entry.node), &kinds)
        }
    };
    reader.at(item, "this table is no layer", help);
}

/// Kinds that are one word.
fn words() -> impl Iterator<Item = &'static Kind> {
    let kinds = Layer::kinds().iter();
    kinds.filter(|kind| (kind.table)().fields.is_empty())
}

/// Kinds that are a table with a key of their name.
fn tables() -> impl Iterator<Item = &'static Kind> {
    let kinds = Layer::kinds().iter();
    kinds.filter(|kind| !(kind.table)().fields.is_empty())
}

/// What an entry may be.
pub(super) fn entry_shape() -> ValueShape {
    let tables: [fn() -> &'static Description; 2] = [
        || {
            described!(
                "Layer",
                "A layer with settings: the key of its kind, and those beside it.",
                |into| {
                    into.kinds = Some((Key::named(""), Layer::kinds()));
                    Own::describe(into);
                }
            )
        },
        || {
            described!(
                "Word",
                "A word with a name or an input of its own.",
                |into| {
                    let words = ValueShape::Either(
                        words().map(|kind| ValueShape::Literal(kind.word)).collect(),
                    );
                    into.fields.push(Field {
                        key: Key {
                            doc: "the word",
                            ..Key::named(WORDED)
                        },
                        shape: words,
                        usual: None,
                    });
                    Own::describe(into);
                }
            )
        },
    ];
    let alone = words().map(|kind| ValueShape::Literal(kind.word));
    ValueShape::Either(alone.chain(tables.map(ValueShape::Table)).collect())
}
