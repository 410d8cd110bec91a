//! A TOML tree in which every value knows where it was written and by which path it is reached.

use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A place in one of the texts that were read: 0 is the file, the others are `--set` arguments.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub source: usize,
    pub start: usize,
    pub end: usize,
}

impl Place {
    pub fn new(source: usize, span: Range<usize>, offset: usize) -> Place {
        Place {
            source,
            start: span.start + offset,
            end: span.end + offset,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub value: Value,
    pub place: Place,
    /// E.g. `arm[0].steps[1].prune.sparsity`: what errors print and `--set` takes.
    pub path: String,
    /// For a value that came from the sweep: the path of the `"$axis"` it stands for.
    pub used_at: Option<String>,
    /// Whether an override changed something below: the text at its place no longer says what it is.
    pub overridden: bool,
    /// Of a table that is laid over another: that one, and the keys that it may take from it.
    pub base: Option<(Arc<Base>, Vec<&'static str>)>,
}

/// A table of defaults that others are laid over.
#[derive(Debug, PartialEq)]
pub struct Base {
    /// What messages call it, e.g. `[train]`.
    pub name: &'static str,
    /// What lies over it, e.g. `step`.
    pub under: &'static str,
    /// `None` if the file has none.
    pub node: Option<Node>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    String(String),
    /// Wider than TOML's 64 bits, so that numbers out of range are still numbers.
    Integer(i128),
    Float(f64),
    Boolean(bool),
    Datetime(String),
    Array(Vec<Node>),
    Table(Vec<Entry>),
    /// Already reported; readers pass over it in silence.
    Unknown,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub key: String,
    pub key_place: Place,
    pub node: Node,
    /// Whether it is of the table that its own is laid over.
    pub inherited: bool,
}

impl Node {
    pub fn new(value: Value, place: Place) -> Node {
        Node {
            value,
            place,
            path: String::new(),
            used_at: None,
            overridden: false,
            base: None,
        }
    }

    /// This table laid over `base`: those of `keys` that it does not give are the base's, which keep their places. Anything else
    /// stands as it is.
    pub fn over(mut self, base: &Arc<Base>, keys: Vec<&'static str>) -> Node {
        let Value::Table(entries) = &mut self.value else {
            return self;
        };
        for entry in base.node.iter().flat_map(Node::entries) {
            let takes = keys.contains(&entry.key.as_str());
            if takes && !entries.iter().any(|own| own.key == entry.key) {
                entries.push(Entry {
                    inherited: true,
                    ..entry.clone()
                });
            }
        }
        self.base = Some((Arc::clone(base), keys));
        self
    }

    pub fn from_table(table: &Spanned<DeTable<'_>>, source: usize) -> Node {
        let place = Place::new(source, table.span(), 0);
        Node::new(Value::Table(entries(table.get_ref(), source, 0)), place)
    }

    pub fn from_value(value: &Spanned<DeValue<'_>>, source: usize, offset: usize) -> Node {
        let place = Place::new(source, value.span(), offset);
        let value = match value.get_ref() {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Integer(number) => Value::Integer(integer(number.as_str(), number.radix())),
            DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(flag) => Value::Boolean(*flag),
            DeValue::Datetime(datetime) => Value::Datetime(datetime.to_string()),
            DeValue::Array(items) => Value::Array(
                items
                    .iter()
                    .map(|item| Node::from_value(item, source, offset))
                    .collect(),
            ),
            DeValue::Table(table) => Value::Table(entries(table, source, offset)),
        };
        Node::new(value, place)
    }

    /// The entries of a table; none of anything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Table(entries) => entries,
            _ => &[],
        }
    }

    /// The items of an array; none of anything else.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::Array(items) => items,
            _ => &[],
        }
    }

    pub fn get(&self, key: &str) -> Option<&Node> {
        let entry = self.entries().iter().find(|entry| entry.key == key)?;
        Some(&entry.node)
    }

    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The axis that this value refers to: `"$sparsity"` gives `sparsity`.
    pub fn reference(&self) -> Option<&str> {
        self.text()?.strip_prefix('$')
    }

    /// What an error says was found.
    pub fn describe(&self) -> String {
        match &self.value {
            Value::String(text) => format!("the string {text:?}"),
            Value::Integer(number) => format!("the integer {number}"),
            Value::Float(number) => format!("the number {number:?}"),
            Value::Boolean(flag) => format!("the boolean {flag}"),
            Value::Datetime(text) => format!("the date {text}"),
            Value::Array(_) => "a list".to_string(),
            Value::Table(_) => "a table".to_string(),
            Value::Unknown => "an unknown value".to_string(),
        }
    }

    /// Whether two values mean the same, wherever and however they were written.
    pub fn same(&self, other: &Node) -> bool {
        match (&self.value, &other.value) {
            (Value::String(a), Value::String(b)) | (Value::Datetime(a), Value::Datetime(b)) => {
                a == b
            }
            (Value::Integer(a), Value::Integer(b)) => a == b,
            (Value::Float(a), Value::Float(b)) => a == b,
            (Value::Integer(a), Value::Float(b)) | (Value::Float(b), Value::Integer(a)) => {
                *a as f64 == *b
            }
            (Value::Boolean(a), Value::Boolean(b)) => a == b,
            (Value::Array(a), Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b))
            }
            (Value::Table(a), Value::Table(b)) => {
                let found = |entry: &Entry| {
                    other
                        .get(&entry.key)
                        .is_some_and(|node| node.same(&entry.node))
                };
                a.len() == b.len() && a.iter().all(found)
            }
            _ => false,
        }
    }

    /// Names every value below by its path. Called once, after all overrides.
    pub fn assign_paths(&mut self, path: String) {
        match &mut self.value {
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    item.assign_paths(format!("{path}[{index}]"));
                }
            }
            Value::Table(entries) => {
                for entry in entries {
                    let below = join(&path, &entry.key);
                    entry.node.assign_paths(below);
                }
            }
            _ => {}
        }
        self.path = path;
    }
}

/// `path.key`, quoting keys that are not bare.
pub fn join(path: &str, key: &str) -> String {
    let key = if is_bare(key) {
        key.to_string()
    } else {
        format!("{key:?}")
    };
    if path.is_empty() {
        key
    } else {
        format!("{path}.{key}")
    }
}

/// Whether a key needs no quotes in TOML.
pub fn is_bare(key: &str) -> bool {
    let bare = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    !key.is_empty() && key.chars().all(bare)
}

fn entries(table: &DeTable<'_>, source: usize, offset: usize) -> Vec<Entry> {
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            key_place: Place::new(source, key.span(), offset),
            node: Node::from_value(value, source, offset),
            inherited: false,
        })
        .collect();
    // The parser sorts keys by name; sweeps and messages want the order of the file.
    entries.sort_by_key(|entry| entry.key_place.start);
    entries
}

fn integer(digits: &str, radix: u32) -> i128 {
    // The only failure left after parsing is a number too large for any range that is checked later.
    i128::from_str_radix(digits, radix).unwrap_or(if digits.starts_with('-') {
        i128::MIN
    } else {
        i128::MAX
    })
}
