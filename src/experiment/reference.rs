//! What the experiment file may say, from its declarations: a schema for editors, explanations of keys, tables for documentation.

use super::document::file;
use crate::config::{self, entries, explain_key, list_tables, schema as schema_of};

/// A JSON Schema (draft 2020-12) of the experiment file.
pub fn schema() -> serde_json::Value {
    let mut schema = schema_of(file());
    schema["title"] = "A Secateur experiment".into();
    schema
}

/// What a key means: its type, range and default. `path` is one that errors print, such as `train.optimizer.lr`, or the end of one.
///
/// # Errors
/// There is no such key; in words, with the one that may be meant.
pub fn explain(path: &str) -> Result<String, String> {
    explain_key(file(), path)
}

/// Every table of the experiment file, one a line, with what it is.
pub fn tables() -> String {
    list_tables(file())
}

/// The paths of all keys, in the order of their tables.
pub fn keys() -> Vec<String> {
    entries(file())
        .into_iter()
        .map(|entry| entry.path)
        .collect()
}

/// The keys of the table at `path` as a table of Markdown; empty if there are none. Where a table is of several kinds, such as `prune`
/// by its `structure`, `kind` chooses the keys of one.
pub fn keys_table(path: &str, kind: Option<&str>) -> String {
    config::keys_table(&entries(file()), path, kind)
}

/// The words that the key at `path` may be, with what they mean, as a table of Markdown; empty if there are none.
pub fn words_table(path: &str, kind: Option<&str>) -> String {
    config::words_table(&entries(file()), path, kind)
}
