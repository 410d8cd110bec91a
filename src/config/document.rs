//! A text and its overrides, as one tree.

use super::errors::SourceText;
use super::node::{Node, Place};
use super::problem::{Problem, Problems};
use super::set;
use super::set_path::PREFIX;
use std::sync::Arc;
use toml::de::DeTable;

/// Syntax errors shown: after a few, the rest are echoes.
const MOST_SYNTAX: usize = 10;

/// The texts that mistakes point into: the file, then one for each override.
pub fn sources(file_name: &str, text: &str, overrides: &[String]) -> Vec<SourceText> {
    let source = |name: &str, text: &str| SourceText {
        name: name.to_string(),
        text: Arc::from(text),
    };
    let overrides = overrides.iter();
    let shown = overrides.map(|set| source("command line", &format!("{PREFIX}{set}")));
    [source(file_name, text)].into_iter().chain(shown).collect()
}

/// Reads the text and applies the overrides in order; `exclusive` are keys of which a table takes one. `None` where the text is
/// not TOML.
pub fn parse(
    text: &str,
    overrides: &[String],
    exclusive: &[&[&str]],
    problems: &mut Problems,
) -> Option<Node> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut last_line = None;
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        let start = text.floor_char_boundary(span.start.min(text.len()));
        let line = text[..start].matches('\n').count();
        // One mistake often makes several errors on its line.
        if last_line.replace(line) == Some(line) || problems.len() >= MOST_SYNTAX {
            continue;
        }
        problems.add(Problem {
            message: format!("this is not TOML: {}", error.message()),
            place: Place::new(0, span, 0),
            path: String::new(),
            used_at: None,
            help: Some("the file's contents are checked once its syntax is right".into()),
        });
    }
    if !errors.is_empty() {
        return None;
    }
    let mut root = Node::from_table(&table, 0);
    for (index, argument) in overrides.iter().enumerate() {
        if let Err(problem) = set::apply(&mut root, argument, index + 1, exclusive) {
            problems.add(*problem);
        }
    }
    root.assign_paths(String::new());
    Some(root)
}
