//! What a key means, by its path.

use super::description::{Alternative, Description, ValueShape, either};
use super::schema::line;
use super::suggest;

/// A key and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyEntry {
    /// Keys from the root of the file, without places in lists.
    pub path: String,
    /// The kinds of its table that have it, where there are several.
    pub kinds: Vec<&'static str>,
    pub doc: String,
    /// What may be written.
    pub value: String,
    /// `None` if it is needed.
    pub usual: Option<String>,
    /// Whether exactly one of several keys is needed, of which it is one.
    pub one_of: bool,
    pub like: &'static str,
    /// Words that it may be, and what they mean.
    pub words: Vec<(&'static str, String)>,
}

impl KeyEntry {
    fn new(path: &str, key: &str, doc: &str, shape: &ValueShape) -> KeyEntry {
        KeyEntry {
            path: join(path, key),
            kinds: Vec::new(),
            doc: line(doc),
            value: shape.prose(),
            usual: None,
            one_of: false,
            like: "",
            words: words(shape),
        }
    }

    fn last(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default()
    }
}

fn join(path: &str, key: &str) -> String {
    match path {
        "" => key.to_string(),
        path => format!("{path}.{key}"),
    }
}

fn words(shape: &ValueShape) -> Vec<(&'static str, String)> {
    let alone = |of: &'static [Alternative]| of.iter().filter(|of| of.alone);
    match shape {
        ValueShape::Choice(of) => alone(of).map(|of| (of.word, line(of.doc))).collect(),
        ValueShape::Swept(shape) => words(shape),
        ValueShape::Either(shapes) => shapes.iter().flat_map(words).collect(),
        _ => Vec::new(),
    }
}

/// Every key of every table, each place once.
pub fn entries(root: &'static Description) -> Vec<KeyEntry> {
    let mut walk = KeyWalk {
        within: Vec::new(),
        found: Vec::new(),
    };
    walk.table(root, "");
    walk.found
}

struct KeyWalk {
    /// The tables that the walk is in: they may hold each other.
    within: Vec<*const Description>,
    found: Vec<KeyEntry>,
}

impl KeyWalk {
    fn table(&mut self, table: &'static Description, path: &str) {
        if self.within.contains(&std::ptr::from_ref(table)) {
            return;
        }
        self.within.push(table);
        if let Some((tag, kinds)) = &table.kinds {
            let words = kinds
                .iter()
                .map(|kind| (kind.word, line((kind.table)().doc)));
            if !tag.name.is_empty() {
                self.add(KeyEntry {
                    value: either(
                        kinds
                            .iter()
                            .map(|kind| format!("`{:?}`", kind.word))
                            .collect(),
                    ),
                    words: words.collect(),
                    usual: (!tag.usual.is_empty()).then(|| format!("{:?}", tag.usual)),
                    ..KeyEntry::new(
                        path,
                        tag.name,
                        "which kind it is; the other keys depend on it",
                        &ValueShape::Any,
                    )
                });
            }
            for kind in *kinds {
                self.fields((kind.table)(), path, &[kind.word]);
            }
        }
        self.fields(table, path, &[]);
        self.within.pop();
    }

    fn fields(&mut self, table: &'static Description, path: &str, kinds: &[&'static str]) {
        for field in &table.fields {
            let mut choices = table.choices.iter();
            let entry = KeyEntry {
                kinds: kinds.to_vec(),
                usual: field.usual.clone(),
                one_of: choices.any(|(_, keys)| keys.contains(&field.key.name)),
                like: field.key.like,
                ..KeyEntry::new(path, field.key.name, field.key.doc, &field.shape)
            };
            let below = entry.path.clone();
            self.add(entry);
            self.shape(&field.shape, &below);
        }
    }

    fn shape(&mut self, shape: &ValueShape, path: &str) {
        match shape {
            ValueShape::Table(table) => self.table(table(), path),
            ValueShape::List(item, _) => self.shape(item, path),
            ValueShape::Map(item) => self.shape(item, &join(path, "NAME")),
            ValueShape::Swept(shape) => self.shape(shape, path),
            ValueShape::Either(shapes) => shapes.iter().for_each(|shape| self.shape(shape, path)),
            ValueShape::Choice(of) => {
                for of in *of {
                    if let Some((shape, like)) = of.key {
                        let shape = shape();
                        let entry = KeyEntry {
                            like,
                            one_of: true,
                            ..KeyEntry::new(path, of.word, of.doc, &shape)
                        };
                        let below = entry.path.clone();
                        self.add(entry);
                        self.shape(&shape, &below);
                    }
                }
            }
            _ => {}
        }
    }

    /// Kinds that have a key alike are listed together.
    fn add(&mut self, entry: KeyEntry) {
        let alike = |other: &&mut KeyEntry| {
            let kinds = other.kinds.clone();
            **other
                == KeyEntry {
                    kinds,
                    ..entry.clone()
                }
        };
        match self.found.iter_mut().find(alike) {
            Some(other) => other.kinds.extend(entry.kinds),
            None => self.found.push(entry),
        }
    }
}

/// What a key means; also of a path from anywhere within the file, or of a key alone.
///
/// # Errors
/// There is no such key; in words, with those that were meant perhaps.
pub fn explain(root: &'static Description, path: &str) -> Result<String, String> {
    let all = entries(root);
    let wanted = plain(path);
    let mut found: Vec<&KeyEntry> = all.iter().filter(|entry| entry.path == wanted).collect();
    if found.is_empty() {
        let tail = format!(".{wanted}");
        found = all
            .iter()
            .filter(|entry| entry.path.ends_with(&tail))
            .collect();
    }
    if found.is_empty() {
        let key = wanted.rsplit('.').next().unwrap_or_default();
        let deep = |path: &str| path.matches('.').count();
        let paths = all.iter().map(|entry| entry.path.as_str());
        let paths = paths.filter(|path| deep(path) == deep(&wanted));
        let keys = all.iter().map(KeyEntry::last);
        let near = suggest::nearest(&wanted, paths).or(suggest::nearest(key, keys));
        return Err(match near {
            Some(near) => format!("there is no key `{path}`\ndid you mean `{near}`?"),
            None => format!("there is no key `{path}`\n`secateur explain` lists the tables"),
        });
    }
    let texts = found.iter().map(|entry| text(entry, &all));
    Ok(texts.collect::<Vec<_>>().join("\n"))
}

/// A path as errors print it, without places in lists and rounds within rounds.
fn plain(path: &str) -> String {
    let mut out = String::new();
    let mut depth = 0;
    for letter in path.chars() {
        match letter {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ if depth == 0 => out.push(letter),
            _ => {}
        }
    }
    while out.contains("steps.iterate.steps.") {
        out = out.replace("steps.iterate.steps.", "steps.");
    }
    out
}

fn text(entry: &KeyEntry, all: &[KeyEntry]) -> String {
    let mut out = entry.path.clone();
    if !entry.kinds.is_empty() {
        out += &format!("   ({})", suggest::list(&entry.kinds));
    }
    out += &format!("\n  {}\n  value: {}\n", entry.doc, entry.value);
    out += &match &entry.usual {
        Some(usual) => format!("  default: {usual}\n"),
        None if entry.one_of => "  needed, it or another of its group\n".to_string(),
        None if entry.like.is_empty() => "  needed\n".to_string(),
        None => format!("  needed, for example {} = {}\n", entry.last(), entry.like),
    };
    for (word, doc) in &entry.words {
        out += &format!("  {word:?}: {doc}\n");
    }
    let below = format!("{}.", entry.path);
    let keys = all.iter().filter(|other| {
        let rest = other.path.strip_prefix(&below);
        rest.is_some_and(|rest| !rest.contains('.'))
    });
    let mut keys: Vec<&str> = keys.map(KeyEntry::last).collect();
    keys.dedup();
    if !keys.is_empty() {
        out += &format!("  keys: {}\n", suggest::list(&keys));
    }
    out
}

/// The tables of a file, each with what it is.
pub fn tables(root: &'static Description) -> String {
    let all = entries(root);
    let is_table = |entry: &&KeyEntry| {
        let below = format!("{}.", entry.path);
        all.iter().any(|other| other.path.starts_with(&below))
    };
    let mut lines: Vec<String> = all
        .iter()
        .filter(is_table)
        .map(|entry| format!("{}   {}", entry.path, entry.doc))
        .collect();
    lines.dedup();
    lines.join("\n")
}
