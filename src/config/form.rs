//! How values are written: what reads a value also says what it may be.

use super::description::{Description, Field, Key, ValueShape};
use super::fields::Fields;
use super::node::Node;
use super::problem::Problems;
use super::reader::Reader;

/// How a field is written: as the value of one key, or in a way of its own, which then has no value to `read`.
pub trait Form<T> {
    /// What may be written.
    fn shape(&self) -> ValueShape {
        ValueShape::Any
    }

    /// Reads `node`, the value of `key`; `None` after a mistake.
    fn read(&self, _node: &Node, _key: &str, _reader: &mut Reader<'_>) -> Option<T> {
        None
    }

    /// A value as the file would have it.
    fn show(&self, _value: &T) -> String {
        String::new()
    }

    /// Reads the field from its table; `usual` is its default, `None` if it is needed.
    fn take(&self, key: &Key, usual: Option<T>, table: &mut Fields<'_>) -> Option<T> {
        match (table.get(key.name), usual) {
            (Some(node), _) => self.read(node, key.name, &mut table.reader),
            (None, None) => {
                table.need(key.name, key.like);
                None
            }
            (None, usual) => usual,
        }
    }

    /// Adds the field's keys to the description of its table. Words for a default that a needed key has say who gives it.
    fn describe(&self, key: Key, usual: Option<T>, into: &mut Description) {
        let shape = self.shape();
        let usual = match (key.usual, usual) {
            ("", usual) => usual.map(|usual| self.show(&usual)),
            (words, _) => Some(words.to_string()),
        };
        into.fields.push(Field { key, shape, usual });
    }
}

/// A type that is written in one way.
pub trait FromNode: Sized {
    /// See [`Form::shape`].
    fn shape() -> ValueShape;
    /// See [`Form::read`].
    fn read(node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<Self>;
    /// See [`Form::show`].
    fn show(&self) -> String {
        String::new()
    }
}

/// A struct or an enum that is read from some keys of a table, which may have others.
pub trait Part: Sized {
    /// Reads every key before it fails for one. What the table does not see is as in `base`, else as it is by default.
    fn take(table: &mut Fields<'_>, base: Option<&Self>) -> Option<Self>;

    /// Adds its keys.
    fn describe(into: &mut Description);
}

/// A field as it is declared.
pub struct Declared<F, T> {
    pub form: F,
    pub key: Key,
    pub usual: Option<T>,
}

impl<T: Clone, F: Form<T>> Declared<F, T> {
    /// See [`Part::take`].
    pub fn take(self, table: &mut Fields<'_>, base: Option<&T>) -> Option<T> {
        let unseen = base.filter(|_| !table.sees(self.key.name)).cloned();
        self.form.take(&self.key, unseen.or(self.usual), table)
    }

    /// See [`Part::describe`].
    pub fn describe(self, into: &mut Description) {
        self.form.describe(self.key, self.usual, into);
    }
}

/// The way of the type itself.
pub struct Plain;

impl<T: FromNode> Form<T> for Plain {
    fn shape(&self) -> ValueShape {
        T::shape()
    }
    fn read(&self, node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<T> {
        T::read(node, key, reader)
    }
    fn show(&self, value: &T) -> String {
        value.show()
    }
}

/// What need not be there.
pub struct Maybe<F>(pub F);

impl<T, F: Form<T>> Form<Option<T>> for Maybe<F> {
    fn shape(&self) -> ValueShape {
        self.0.shape()
    }
    fn read(&self, node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<Option<T>> {
        self.0.read(node, key, reader).map(Some)
    }
}

/// A value, or the word for none: a step says it where its defaults have one.
pub struct Or<F>(pub &'static str, pub F);

impl<T, F: Form<T>> Form<Option<T>> for Or<F> {
    fn shape(&self) -> ValueShape {
        ValueShape::Either(vec![ValueShape::Literal(self.0), self.1.shape()])
    }
    fn read(&self, node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<Option<T>> {
        if node.text() == Some(self.0) {
            return Some(None);
        }
        if !self.1.shape().admits(node) {
            reader.wrong_type(node, key, &self.shape().words());
            return None;
        }
        self.1.read(node, key, reader).map(Some)
    }
    fn show(&self, value: &Option<T>) -> String {
        match value {
            Some(value) => self.1.show(value),
            None => format!("{:?}", self.0),
        }
    }
}

/// A value that is read later, and what it may be then.
pub struct Later(pub fn() -> ValueShape);

impl Form<Node> for Later {
    fn shape(&self) -> ValueShape {
        (self.0)()
    }
    fn read(&self, node: &Node, _: &str, _: &mut Reader<'_>) -> Option<Node> {
        Some(node.clone())
    }
}

/// A part of what a key says.
pub struct Of<S, T>(pub fn(S) -> T);

impl<S: FromNode, T> Form<T> for Of<S, T> {
    fn shape(&self) -> ValueShape {
        S::shape()
    }
    fn read(&self, node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<T> {
        S::read(node, key, reader).map(self.0)
    }
}

/// A part of what another key says, which is described there.
pub struct From<S, T>(pub &'static str, pub fn(S) -> T);

impl<S: FromNode, T> Form<T> for From<S, T> {
    fn take(&self, _: &Key, usual: Option<T>, table: &mut Fields<'_>) -> Option<T> {
        match table.get(self.0) {
            Some(node) => S::read(node, self.0, &mut table.reader).map(self.1),
            None => usual,
        }
    }
    fn describe(&self, _: Key, _: Option<T>, _: &mut Description) {}
}

/// The keys of the field's type, in the same table.
pub struct Flat;

impl<T: Part> Form<T> for Flat {
    fn take(&self, _: &Key, usual: Option<T>, table: &mut Fields<'_>) -> Option<T> {
        T::take(table, usual.as_ref())
    }
    fn describe(&self, _: Key, _: Option<T>, into: &mut Description) {
        T::describe(into);
    }
}

/// Some keys of the field's type, in the same table.
pub struct Only(pub &'static [&'static str]);

impl<T: Part> Form<T> for Only {
    fn take(&self, _: &Key, usual: Option<T>, table: &mut Fields<'_>) -> Option<T> {
        T::take(&mut table.only(self.0), usual.as_ref())
    }
    fn describe(&self, _: Key, _: Option<T>, into: &mut Description) {
        into.extend(Description::new("", "", T::describe), self.0);
    }
}

/// Not written at all: always the default.
pub struct Unwritten;

impl<T> Form<T> for Unwritten {
    fn take(&self, _: &Key, usual: Option<T>, _: &mut Fields<'_>) -> Option<T> {
        usual
    }
    fn describe(&self, _: Key, _: Option<T>, _: &mut Description) {}
}

/// A value that must also fit what stands beside it.
pub struct Fits<F, T>(pub F, pub Judge<T>);

/// Judges the value of a key that was read, and may change it.
pub type Judge<T> = fn(T, At<'_>, &mut Fields<'_>) -> Option<T>;

/// Where a value stands.
#[derive(Clone, Copy)]
pub struct At<'a> {
    pub node: &'a Node,
    pub key: &'a str,
}

impl<T, F: Form<T>> Form<T> for Fits<F, T> {
    fn shape(&self) -> ValueShape {
        self.0.shape()
    }
    fn show(&self, value: &T) -> String {
        self.0.show(value)
    }
    fn take(&self, key: &Key, usual: Option<T>, table: &mut Fields<'_>) -> Option<T> {
        let value = self.0.take(key, usual, table)?;
        let key = key.name;
        match table.get(key) {
            Some(node) => (self.1)(value, At { node, key }, table),
            None => Some(value),
        }
    }
}

/// What a value beside another says, if it is right; what is wrong with it is reported where it is read.
pub fn peek<T>(form: &impl Form<T>, key: &str, table: &Fields<'_>) -> Option<T> {
    let mut quiet = Reader {
        problems: &mut Problems::default(),
        context: table.reader.context,
    };
    form.read(table.get(key)?, key, &mut quiet)
}

/// What some keys of a table say, if they are right; what is wrong with them is reported where they are read.
pub fn peek_part<T: Part>(node: &Node, reader: &Reader<'_>) -> Option<T> {
    let mut quiet = Reader {
        problems: &mut Problems::default(),
        context: reader.context,
    };
    T::take(&mut Fields::unchecked(node, &mut quiet), None)
}

/// What a struct says as a whole, by a function that judges it or fills in what follows from several of its fields.
pub fn settle<T>(
    judge: impl FnOnce(T, &mut Fields<'_>) -> Option<T>,
    part: T,
    table: &mut Fields<'_>,
) -> Option<T> {
    judge(part, table)
}
