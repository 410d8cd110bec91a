//! Tables declared by `table!` and `kinds!`: opening and reading them.

use super::description::{Description, Key, Kind};
use super::fields::Fields;
use super::form::{Form, Part};
use super::node::{Node, Value};
use super::problem::Problem;
use super::reader::Reader;
use super::scalars::one_of;
use super::suggest;

/// A struct declared by `table!`.
pub trait Table: Part + 'static {
    /// What messages call it.
    const WHAT: &'static str;

    fn description() -> &'static Description;
}

/// Reads a table, the value of `key`. Where it is of several kinds, the kind says which keys it takes.
pub fn read<T: Table>(node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<T> {
    let description = T::description();
    let Some((_, kinds)) = description.kinds else {
        let mut table = Fields::open(node, T::WHAT, &description.keys(None), reader)?;
        return T::take(&mut table, None);
    };
    let kind = kind_of(node, key, T::WHAT, kinds, reader)?;
    let what = format!("the `{kind}` {key}");
    let mut table = Fields::open(node, &what, &description.keys(Some(kind)), reader)?;
    T::take(&mut table, None)
}

/// The key that says of which kind a table is.
const KIND: &str = "kind";

fn kind_of(
    node: &Node,
    key: &str,
    what: &str,
    kinds: &'static [Kind],
    reader: &mut Reader<'_>,
) -> Option<&'static str> {
    let words: Vec<&str> = kinds.iter().map(|kind| kind.word).collect();
    match node.value {
        Value::Table(_) => {}
        Value::Unknown => return None,
        _ => {
            let message = format!("{what} must be a table, not {}", node.describe());
            let word = node.text().map(str::to_lowercase);
            let meant = kinds.iter().find(|kind| Some(kind.word) == word.as_deref());
            let help = match meant {
                Some(kind) => {
                    let needed = (kind.table)().example();
                    let more = if needed.is_empty() { "" } else { ", " };
                    format!(
                        "write {key} = {{ {KIND} = \"{}\"{more}{needed} }}",
                        kind.word
                    )
                }
                None => format!("for example: {key} = {{ {KIND} = \"{}\", ... }}", words[0]),
            };
            reader.at(node, message, help);
            return None;
        }
    }
    if let Some(kind) = node.get(KIND) {
        return one_of(kind, KIND, &words, reader);
    }
    // Without the kind no other key can be judged.
    let message = format!("{what} needs `{KIND}`");
    let list = suggest::list(&words);
    let help =
        format!("kinds: {list}. An `{key}` table is taken whole: it is not mixed with another");
    reader
        .problems
        .add(Problem::missing(node, KIND, message, help));
    None
}

/// An enum declared by `kinds!`: a word says which keys there are.
pub trait Kinds: Sized {
    /// Every word with its keys.
    fn kinds() -> &'static [Kind];
    /// The word of a value.
    fn word(&self) -> &'static str;
    /// Reads the keys of a word.
    fn of(word: &str, table: &mut Fields<'_>) -> Option<Self>;
}

/// The kind that a word says, with the keys that it brings along.
pub struct ByKind;

impl<T: Kinds> Form<T> for ByKind {
    fn take(&self, _: &Key, _: Option<T>, table: &mut Fields<'_>) -> Option<T> {
        T::of(table.word(KIND)?, table)
    }
    fn describe(&self, _: Key, _: Option<T>, into: &mut Description) {
        into.kinds = Some((Key::named(KIND), T::kinds()));
    }
}
