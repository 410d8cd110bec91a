//! Enums of which a word, or the one key of a table, says which value is meant.

use super::description::{Alternative, Description, Field, Key, ValueShape};
use super::fields::Fields;
use super::form::{FromNode, Part};
use super::node::{Node, Value};
use super::reader::Reader;

/// An enum declared by `choice!`.
pub trait Choice: Clone + PartialEq {
    /// What messages call the choice.
    const WHAT: &'static str;

    /// Every word and key.
    fn alternatives() -> &'static [Alternative];
    /// The value that a word alone says.
    fn word(word: &str) -> Option<Self>;
    /// What a key says.
    fn key(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Self>;

    /// The words that say all by themselves.
    fn words() -> Vec<&'static str> {
        let alone = Self::alternatives().iter().filter(|of| of.alone);
        alone.map(|of| of.word).collect()
    }

    /// The keys.
    fn keys() -> Vec<&'static str> {
        let keys = Self::alternatives().iter().filter(|of| of.key.is_some());
        keys.map(|of| of.word).collect()
    }
}

/// As a value of its own: a word, or a table of one key.
impl<T: Choice> FromNode for T {
    fn shape() -> ValueShape {
        ValueShape::Choice(T::alternatives())
    }

    fn read(node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<T> {
        let (words, keys) = (T::words(), T::keys());
        match &node.value {
            Value::String(word) => {
                let found = T::word(word);
                if found.is_none() {
                    let known = T::alternatives().iter().find(|of| of.word == *word);
                    match known.and_then(|of| of.key) {
                        Some((_, like)) => {
                            let help = format!("write {key} = {{ {word} = {like} }}");
                            reader.at(node, format!("`{word}` needs a value"), help);
                        }
                        None => reader.unknown_word(node, key, word, &words),
                    }
                }
                found
            }
            Value::Table(_) if !keys.is_empty() => {
                let what = format!("`{key}`");
                let mut table = Fields::open(node, &what, &keys, reader)?;
                let (word, value) = match keys[..] {
                    [word] => {
                        let of = T::alternatives().iter().find(|of| of.word == word)?;
                        (word, table.need(word, of.key?.1)?)
                    }
                    _ => table.one_of(&keys, T::WHAT)?,
                };
                T::key(word, value, &mut table.reader)
            }
            _ => {
                reader.wrong_type(node, key, &<T as FromNode>::shape().words());
                None
            }
        }
    }

    fn show(&self) -> String {
        let is_this = |of: &&Alternative| of.alone && T::word(of.word).as_ref() == Some(self);
        let word = T::alternatives().iter().find(is_this);
        word.map(|of| format!("{:?}", of.word)).unwrap_or_default()
    }
}

/// Among the keys of a table: exactly one of those that it sees.
impl<T: Choice> Part for T {
    fn take(table: &mut Fields<'_>, base: Option<&T>) -> Option<T> {
        let mut keys = T::keys();
        keys.retain(|key| table.sees(key));
        if keys.is_empty() {
            return base.cloned();
        }
        let (word, value) = table.one_of(&keys, T::WHAT)?;
        T::key(word, value, &mut table.reader)
    }

    fn describe(into: &mut Description) {
        for of in T::alternatives() {
            let Some((shape, like)) = of.key else {
                continue;
            };
            into.fields.push(Field {
                key: Key {
                    doc: of.doc,
                    like,
                    ..Key::named(of.word)
                },
                shape: shape(),
                usual: None,
            });
        }
        into.choices.push((T::WHAT, T::keys()));
    }
}
