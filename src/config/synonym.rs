//! What other programs call a key or a word, and what is written here instead.

use super::node::{Node, Value};

/// Words of other programs for one of the format's.
pub struct Synonym {
    /// What they say, in small letters without `_`, `-` and spaces.
    pub said: &'static [&'static str],
    /// The key or word of the format; where it may not stand, they mean something else.
    pub here: &'static str,
    /// What helps: the line to write, in which `%` stands for the value that was given.
    pub help: &'static str,
    /// Such a value, shown where the one that was given is not of its type.
    pub like: &'static str,
}

/// What helps somebody who wrote `word`, with `value` if it is a key, where `options` are possible.
pub(super) fn help_with(
    word: &str,
    value: Option<&Node>,
    options: &[&str],
    all: &[Synonym],
) -> Option<String> {
    let apart = |letter: &char| !matches!(letter, '_' | '-' | ' ');
    let plain: String = word.to_lowercase().chars().filter(apart).collect();
    let fits = |of: &&Synonym| of.said.contains(&plain.as_str()) && options.contains(&of.here);
    let of = all.iter().find(fits)?;
    let given = value.and_then(|value| given(value, of.like));
    Some(of.help.replace('%', given.as_deref().unwrap_or(of.like)))
}

/// A value as the file would have it, if it is of the type of another.
fn given(value: &Node, like: &str) -> Option<String> {
    let number = like.parse::<f64>().is_ok();
    let whole = like.parse::<u64>().is_ok();
    match &value.value {
        Value::Integer(given) if number => Some(given.to_string()),
        Value::Float(given) if number && (!whole || given.fract() == 0.0) => {
            Some(given.to_string())
        }
        Value::String(given) if like.starts_with('"') => Some(format!("{given:?}")),
        _ => None,
    }
}
