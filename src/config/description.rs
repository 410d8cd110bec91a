//! What the tables of the file may hold, as data: documentation, the schema and `explain` are made of it.

use super::interval::Interval;
use super::node::{Node, Value};
use super::suggest;

/// What a value may be written as.
pub enum ValueShape {
    Any,
    Boolean,
    /// A whole number from, to.
    Whole(u64, u64),
    Real(&'static Interval),
    /// A string: in words, and as a regular expression.
    Text(&'static str, &'static str),
    /// This word.
    Literal(&'static str),
    /// One of a few words, or a table with one of a few keys.
    Choice(&'static [Alternative]),
    /// A name of a kind of thing that the file or the program has.
    Name(&'static str),
    /// Items of one shape, at least so many.
    List(Box<ValueShape>, usize),
    /// A function, for tables may hold each other.
    Table(fn() -> &'static Description),
    /// A table whose keys are names, and what stands under each.
    Map(Box<ValueShape>),
    Either(Vec<ValueShape>),
    /// This, or all or some of it from a sweep: `"$name"`.
    Swept(Box<ValueShape>),
}

impl ValueShape {
    pub fn swept(shape: ValueShape) -> ValueShape {
        ValueShape::Swept(Box::new(shape))
    }

    /// In words, as "must be ..." goes on.
    pub fn words(&self) -> String {
        match self {
            ValueShape::Any => "any value".to_string(),
            ValueShape::Boolean => "true or false".to_string(),
            ValueShape::Whole(least, most) => format!("a whole number from {least} to {most}"),
            ValueShape::Real(interval) => format!("a number that is {}", interval.words),
            ValueShape::Text(words, _) => words.to_string(),
            ValueShape::Literal(word) => format!("{word:?}"),
            ValueShape::Choice(alternatives) => {
                let alone = alternatives.iter().filter(|of| of.alone);
                let words: Vec<&str> = alone.map(|of| of.word).collect();
                let tables = alternatives.iter().filter_map(|of| {
                    let (_, like) = of.key?;
                    Some(format!(" or {{ {} = {like} }}", of.word))
                });
                format!(
                    "one of {}{}",
                    suggest::list(&words),
                    tables.collect::<String>()
                )
            }
            ValueShape::Name(kind) => format!("the name of a {kind}"),
            ValueShape::List(item, _) => format!("a list, each item {}", item.words()),
            ValueShape::Table(table) if !table().like.is_empty() => {
                format!("a table such as {}", table().like)
            }
            ValueShape::Table(_) | ValueShape::Map(_) => "a table".to_string(),
            ValueShape::Swept(shape) => shape.words(),
            ValueShape::Either(shapes) => {
                let words: Vec<String> = shapes.iter().map(ValueShape::words).collect();
                words.join(" or ")
            }
        }
    }

    /// In words for documentation, with values as the file has them.
    pub fn prose(&self) -> String {
        match self {
            ValueShape::Any => "any value".to_string(),
            ValueShape::Boolean => "`true` or `false`".to_string(),
            ValueShape::Whole(least, most) if least == most => format!("`{least}`"),
            ValueShape::Whole(least, most) if *most >= u64::from(u32::MAX) => {
                format!("a whole number, at least {}", thousands(*least))
            }
            ValueShape::Whole(least, most) => {
                let (least, most) = (thousands(*least), thousands(*most));
                format!("a whole number, {least} to {most}")
            }
            ValueShape::Real(interval) => {
                // Numbers of a file are finite, and a bracket needs no words.
                let words = interval.words.split(':').next().unwrap_or_default();
                let words = words
                    .trim_start_matches("finite")
                    .trim_start_matches(" and");
                match words.trim() {
                    "" => "a number".to_string(),
                    words if words.starts_with("at ") => format!("a number, {words}"),
                    words => format!("a number {words}"),
                }
            }
            ValueShape::Text(words, _) => words.to_string(),
            ValueShape::Literal(word) => format!("`{word:?}`"),
            ValueShape::Choice(alternatives) => {
                either(alternatives.iter().flat_map(Alternative::prose).collect())
            }
            ValueShape::Name(kind) => format!("the name of a {kind}"),
            ValueShape::List(item, _) => format!("a list, each item {}", item.prose()),
            ValueShape::Table(table) if !table().like.is_empty() => {
                format!("a table such as `{}`", table().like)
            }
            ValueShape::Table(_) | ValueShape::Map(_) => "a table".to_string(),
            ValueShape::Swept(shape) => shape.prose(),
            ValueShape::Either(shapes) => either(shapes.iter().map(ValueShape::prose).collect()),
        }
    }

    /// Whether a value is of the right type, whatever it says.
    pub fn admits(&self, node: &Node) -> bool {
        match (self, &node.value) {
            (_, Value::Unknown)
            | (ValueShape::Any, _)
            | (ValueShape::Boolean, Value::Boolean(_))
            | (ValueShape::Whole(..), Value::Integer(_))
            | (ValueShape::Real(_), Value::Integer(_) | Value::Float(_))
            | (
                ValueShape::Text(..)
                | ValueShape::Literal(_)
                | ValueShape::Name(_)
                | ValueShape::Choice(_),
                Value::String(_),
            )
            | (ValueShape::List(..), Value::Array(_))
            | (ValueShape::Table(_) | ValueShape::Map(_), Value::Table(_)) => true,
            (ValueShape::Choice(of), Value::Table(_)) => of.iter().any(|of| of.key.is_some()),
            (ValueShape::Swept(shape), _) => shape.admits(node),
            (ValueShape::Either(shapes), _) => shapes.iter().any(|shape| shape.admits(node)),
            _ => false,
        }
    }
}

/// Shapes are made when they are asked for, as tables may hold each other.
pub type MakeShape = fn() -> ValueShape;

/// A word, or a key, that chooses a meaning.
pub struct Alternative {
    pub word: &'static str,
    pub doc: &'static str,
    /// Whether the word says all by itself.
    pub alone: bool,
    /// What the value is if it is a key, and one as an example.
    pub key: Option<(MakeShape, &'static str)>,
}

impl Alternative {
    /// How it is written: as a word, as a table, or either.
    fn prose(&self) -> Vec<String> {
        let word = self.alone.then(|| format!("`{:?}`", self.word));
        let table = self.key.filter(|(_, like)| !like.is_empty());
        let table = table.map(|(_, like)| format!("`{{ {} = {like} }}`", self.word));
        word.into_iter().chain(table).collect()
    }
}

/// Each once: "a, b or c".
pub fn either(words: Vec<String>) -> String {
    let mut each: Vec<String> = Vec::new();
    for word in words {
        if !each.contains(&word) {
            each.push(word);
        }
    }
    let last = each.pop().unwrap_or_default();
    match each.is_empty() {
        true => last,
        false => format!("{} or {last}", each.join(", ")),
    }
}

/// With commas between groups of three digits.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A key as it is declared.
#[derive(Clone, Copy)]
pub struct Key {
    pub name: &'static str,
    pub doc: &'static str,
    /// A value of it, for messages about one that is missing.
    pub like: &'static str,
    /// What its default is, where words say it better than the value.
    pub usual: &'static str,
    /// The group of keys that it belongs to.
    pub part: &'static str,
}

impl Key {
    pub const fn named(name: &'static str) -> Key {
        Key {
            name,
            doc: "",
            like: "",
            usual: "",
            part: "",
        }
    }
}

/// A key of a table.
pub struct Field {
    pub key: Key,
    pub shape: ValueShape,
    /// Its default as the file would have it; `None` if it is needed.
    pub usual: Option<String>,
}

/// A table.
#[derive(Default)]
pub struct Description {
    /// What the schema calls it.
    pub name: &'static str,
    pub doc: &'static str,
    /// One as an example.
    pub like: &'static str,
    pub fields: Vec<Field>,
    /// What exactly one of some keys gives, and these keys.
    pub choices: Vec<(&'static str, Vec<&'static str>)>,
    /// The key whose word decides which further keys there are, and these.
    pub kinds: Option<(Key, &'static [Kind])>,
}

/// A word and the keys that it brings along.
pub struct Kind {
    pub word: &'static str,
    pub table: fn() -> &'static Description,
}

impl Description {
    /// What a function adds to a table without keys.
    pub fn new(
        name: &'static str,
        doc: &'static str,
        describe: fn(&mut Description),
    ) -> Description {
        let mut table = Description {
            name,
            doc,
            ..Description::default()
        };
        describe(&mut table);
        table
    }

    /// Adds some of the keys of another table.
    pub fn extend(&mut self, other: Description, keys: &[&str]) {
        let fields = other.fields.into_iter();
        self.fields
            .extend(fields.filter(|field| keys.contains(&field.key.name)));
        for (what, mut of) in other.choices {
            of.retain(|key| keys.contains(key));
            self.choices.push((what, of));
        }
    }

    /// The names of all keys; of those that depend on a word, those of `kind`.
    pub fn keys(&self, kind: Option<&str>) -> Vec<&'static str> {
        let mut keys = Vec::new();
        if let Some((tag, kinds)) = &self.kinds {
            keys.push(tag.name);
            let kinds = kinds.iter().filter(|own| Some(own.word) == kind);
            keys.extend(kinds.flat_map(|kind| (kind.table)().keys(None)));
        }
        keys.extend(self.fields.iter().map(|field| field.key.name));
        keys
    }

    /// The keys that are needed, as an example of the table.
    pub fn example(&self) -> String {
        let needed = self.fields.iter().filter(|field| field.usual.is_none());
        let pairs: Vec<String> = needed
            .map(|field| format!("{} = {}", field.key.name, field.key.like))
            .collect();
        pairs.join(", ")
    }
}
