//! TOML text of a tree, for the copy of an experiment whose overrides were applied.

use crate::config::SourceText;
use crate::config::{Entry, Node, Value, is_bare};

/// A whole file: plain keys first, then tables, then lists of tables.
pub(super) fn document(root: &Node) -> String {
    let is_table = |entry: &&Entry| matches!(entry.node.value, Value::Table(_));
    let is_tables = |entry: &&Entry| {
        let items = entry.node.items();
        !items.is_empty()
            && items
                .iter()
                .all(|item| matches!(item.value, Value::Table(_)))
    };
    let mut out = String::new();
    let plain = |entry: &&Entry| !is_table(entry) && !is_tables(entry);
    body(root.entries().iter().filter(plain), &mut out);
    for entry in root.entries().iter().filter(is_table) {
        out.push_str(&format!("\n[{}]\n", key(&entry.key)));
        body(entry.node.entries().iter(), &mut out);
    }
    for entry in root.entries().iter().filter(is_tables) {
        for item in entry.node.items() {
            out.push_str(&format!("\n[[{}]]\n", key(&entry.key)));
            body(item.entries().iter(), &mut out);
        }
    }
    out
}

/// A value of the sweep as people wrote it, but for what `--set` changed in it; strings without their quotes.
pub(super) fn written(node: &Node, sources: &[SourceText]) -> String {
    let place = &node.place;
    let text = sources
        .get(place.source)
        .filter(|_| !node.overridden)
        .and_then(|source| source.text.get(place.start..place.end));
    match (node.text(), text) {
        (Some(text), _) => text.to_string(),
        (None, Some(text)) if !text.contains('\n') => text.trim().to_string(),
        _ => inline(node),
    }
}

/// One value, inline.
pub(super) fn inline(node: &Node) -> String {
    match &node.value {
        Value::String(text) => string(text),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => toml::Value::Float(*number).to_string(),
        Value::Boolean(flag) => flag.to_string(),
        Value::Datetime(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Table(entries) if entries.is_empty() => "{}".to_string(),
        Value::Table(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|entry| format!("{} = {}", key(&entry.key), inline(&entry.node)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
        // Never in a tree that was read without mistakes.
        Value::Unknown => "\"\"".to_string(),
    }
}

fn body<'n>(entries: impl Iterator<Item = &'n Entry>, out: &mut String) {
    for entry in entries {
        let items = entry.node.items();
        let steps = items
            .iter()
            .any(|item| matches!(item.value, Value::Table(_)));
        let text = if steps {
            // Steps and layers, one a line.
            let lines: Vec<String> = items
                .iter()
                .map(|item| format!("  {},\n", inline(item)))
                .collect();
            format!("[\n{}]", lines.concat())
        } else {
            inline(&entry.node)
        };
        out.push_str(&format!("{} = {text}\n", key(&entry.key)));
    }
}

fn key(key: &str) -> String {
    if is_bare(key) {
        key.to_string()
    } else {
        string(key)
    }
}

fn string(text: &str) -> String {
    toml::Value::String(text.to_string()).to_string()
}
