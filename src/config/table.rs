//! Tables declared by `table!` and `kinds!`: opening and reading them.

use super::description::{Description, Key, Kind};
use super::fields::Fields;
use super::form::{Form, Part};
use super::node::{Node, Value};
use super::problem::Problem;
use super::reader::Reader;
use super::suggest;

/// A struct declared by `table!`.
pub trait Table: Part + 'static {
    /// What messages call it.
    const WHAT: &'static str;

    fn description() -> &'static Description;
}

/// Reads a table, the value of `key`.
pub fn read<T: Table>(node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<T> {
    let fields = open(node, (T::WHAT, key), T::description(), reader)?;
    T::take(&fields, None, reader)
}

/// Opens a table of these keys. `what` names it in messages; where it is of several kinds, the kind and `key` do.
pub fn open<'n>(
    node: &'n Node,
    (what, key): (&str, &str),
    description: &Description,
    reader: &mut Reader<'_>,
) -> Option<Fields<'n>> {
    let Some((tag, kinds)) = &description.kinds else {
        return Fields::open(node, what, &description.keys(None), reader);
    };
    let tag = tag.name;
    let words: Vec<&str> = kinds.iter().map(|kind| kind.word).collect();
    if !matches!(node.value, Value::Table(_)) {
        if !matches!(node.value, Value::Unknown) {
            let message = format!("{what} must be a table, not {}", node.describe());
            let help = match node.text().filter(|text| words.contains(text)) {
                Some(text) => format!("write {key} = {{ {tag} = \"{text}\" }}"),
                None => format!("for example: {key} = {{ {tag} = \"{}\", ... }}", words[0]),
            };
            reader.at(node, message, help);
        }
        return None;
    }
    let Some(kind) = node.get(tag) else {
        // Without the kind no other key can be judged.
        let message = format!("{what} needs `{tag}`");
        let help = format!(
            "kinds: {}. An `{key}` table is taken whole: it is not mixed with another",
            suggest::list(&words)
        );
        reader
            .problems
            .add(Problem::missing(node, tag, message, help));
        return None;
    };
    let kind = super::scalars::one_of(kind, tag, &words, reader)?;
    let what = format!("the `{kind}` {key}");
    Fields::open(node, &what, &description.keys(Some(kind)), reader)
}

/// An enum declared by `kinds!`: a word says which keys there are.
pub trait Kinds: Sized {
    /// Every word with its keys.
    fn kinds() -> &'static [Kind];
    /// The word of a value.
    fn word(&self) -> &'static str;
    /// Reads the keys of a word.
    fn of(word: &str, fields: &Fields<'_>, reader: &mut Reader<'_>) -> Option<Self>;
}

/// The kind that a word says, with the keys that it brings along.
pub struct ByKind;

impl<T: Kinds> Form<T> for ByKind {
    fn take(
        &self,
        _: &Key,
        _: Option<T>,
        fields: &Fields<'_>,
        reader: &mut Reader<'_>,
    ) -> Option<T> {
        T::of(fields.get(KIND.name)?.text()?, fields, reader)
    }
    fn describe(&self, _: Key, _: &'static str, _: Option<T>, into: &mut Description) {
        into.kinds = Some((KIND, T::kinds()));
    }
}

const KIND: Key = Key::named("kind");
