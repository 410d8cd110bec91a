//! Open tables: known keys only, and missing ones by name.

use super::node::{Node, Value, join};
use super::problem::Problem;
use super::reader::Reader;
use super::suggest;

/// A table whose keys have been checked, and what its values are read with.
pub struct Fields<'a> {
    pub node: &'a Node,
    pub reader: Reader<'a>,
    /// What messages call it, e.g. "this prune step".
    what: String,
    /// Only these keys are seen.
    seen: Option<&'a [&'a str]>,
    /// Whether keys that are needed may be missing: others will give them.
    partial: bool,
}

impl<'a> Fields<'a> {
    /// Opens a table that takes only `keys`; every other key is reported. `what` names the table in messages.
    pub fn open(
        node: &'a Node,
        what: &str,
        keys: &[&str],
        reader: &'a mut Reader<'_>,
    ) -> Option<Fields<'a>> {
        match node.value {
            Value::Table(_) => {}
            Value::Unknown => return None,
            _ => {
                let found = node.describe();
                let help = match keys {
                    [] => "write an empty table: {}".to_string(),
                    _ => format!("a table takes {}", suggest::list(keys)),
                };
                reader.at(node, format!("{what} must be a table, not {found}"), help);
                return None;
            }
        }
        for entry in node.entries() {
            if !entry.inherited && !keys.contains(&entry.key.as_str()) {
                let help = match keys {
                    [] => "it takes no keys: write {}".to_string(),
                    _ => reader.help(&entry.key, Some(&entry.node), keys),
                };
                reader.problems.add(Problem {
                    message: format!("unknown key `{}` in {what}", entry.key),
                    place: entry.key_place.clone(),
                    path: join(&node.path, &entry.key),
                    used_at: None,
                    help: Some(help),
                });
            }
        }
        Some(Fields {
            what: what.to_string(),
            partial: false,
            ..Fields::unchecked(node, reader)
        })
    }

    /// A table, or anything else, of which no key is checked and none needed.
    pub fn unchecked(node: &'a Node, reader: &'a mut Reader<'_>) -> Fields<'a> {
        Fields {
            node,
            reader: reader.again(),
            what: String::new(),
            seen: None,
            partial: true,
        }
    }

    /// The same table of which only some keys are seen.
    pub fn only<'b>(&'b mut self, keys: &'b [&'b str]) -> Fields<'b> {
        Fields {
            node: self.node,
            reader: self.reader.again(),
            what: self.what.clone(),
            seen: Some(keys),
            partial: self.partial,
        }
    }

    /// The same table, in which keys that are needed may be missing.
    pub fn partial(self) -> Fields<'a> {
        Fields {
            partial: true,
            ..self
        }
    }

    /// Whether a key may be looked at here.
    pub fn sees(&self, key: &str) -> bool {
        self.seen.is_none_or(|seen| seen.contains(&key))
    }

    pub fn get(&self, key: &str) -> Option<&'a Node> {
        self.sees(key).then(|| self.node.get(key)).flatten()
    }

    /// The text of a key that is a string.
    pub fn word(&self, key: &str) -> Option<&'a str> {
        self.get(key).and_then(Node::text)
    }

    /// Reports a mistake in the value `node`.
    pub fn at(&mut self, node: &Node, message: impl Into<String>, help: impl Into<String>) {
        self.reader.at(node, message, help);
    }

    /// A key that must be there; `like` shows a value of it.
    pub fn need(&mut self, key: &str, like: &str) -> Option<&'a Node> {
        let found = self.get(key);
        if found.is_none() && !self.partial {
            let problem = self.missing(key, &format!("{key} = {like}"));
            self.reader.problems.add(problem);
        }
        found
    }

    fn missing(&self, key: &str, example: &str) -> Problem {
        let what = self.what.as_str();
        let base = self.node.base.as_ref();
        let Some((base, _)) = base.filter(|(_, keys)| keys.contains(&key)) else {
            let help = format!("for example: {example}");
            return Problem::missing(self.node, key, format!("{what} needs `{key}`"), help);
        };
        let (name, under) = (base.name, base.under);
        let (node, message, help) = match &base.node {
            // One mistake, however many tables lack the key: the first is named as an example.
            Some(node) => {
                let what = what.trim_start_matches("this ");
                (
                    node,
                    format!("{name} needs `{key}`: not every {under} gives its own"),
                    format!("a {what} does not; for example: {example}"),
                )
            }
            None => (
                self.node,
                format!("{what} needs `{key}`, and there is no {name} table"),
                format!("for example: {example}; in {name} it serves all {under}s"),
            ),
        };
        Problem::missing(node, key, message, help)
    }

    /// Exactly one of `keys`; `what` says what they give.
    pub fn one_of<'k>(&mut self, keys: &[&'k str], what: &str) -> Option<(&'k str, &'a Node)> {
        let given = keys.iter().filter_map(|key| Some((*key, self.get(key)?)));
        let given: Vec<_> = given.collect();
        let table = &self.what;
        let (node, message) = match given.as_slice() {
            [one] => return Some(*one),
            [] => (self.node, format!("{table} needs {what}")),
            [(first, _), (second, node), ..] => {
                let message = format!("{table} takes either `{first}` or `{second}`, not both");
                (*node, message)
            }
        };
        let help = format!("give exactly one of {}", suggest::list(keys));
        self.at(node, message, help);
        None
    }
}
