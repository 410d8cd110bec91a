//! Open tables: known keys only, and missing ones by name.

use super::node::{Node, Value, join};
use super::problem::Problem;
use super::reader::Reader;
use super::suggest;

/// A table whose keys have been checked.
pub struct Fields<'n> {
    pub node: &'n Node,
    /// What messages call it, e.g. "this prune step".
    what: String,
    /// Only these keys are seen.
    seen: Option<&'n [&'n str]>,
    /// Whether keys that are needed may be missing: others will give them.
    partial: bool,
}

impl<'n> Fields<'n> {
    /// Opens a table that takes only `keys`; every other key is reported. `what` names the table in messages.
    pub fn open(
        node: &'n Node,
        what: &str,
        keys: &[&str],
        reader: &mut Reader<'_>,
    ) -> Option<Fields<'n>> {
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
                reader.problems.add(Problem {
                    message: format!("unknown key `{}` in {what}", entry.key),
                    place: entry.key_place.clone(),
                    path: join(&node.path, &entry.key),
                    used_at: None,
                    help: Some(match keys {
                        [] => "it takes no keys: write {}".to_string(),
                        _ => suggest::help(&entry.key, keys),
                    }),
                });
            }
        }
        Some(Fields {
            node,
            what: what.to_string(),
            seen: None,
            partial: false,
        })
    }

    /// A table, or anything else, of which no key is checked and none needed.
    pub fn unchecked(node: &'n Node) -> Fields<'n> {
        Fields {
            node,
            what: String::new(),
            seen: None,
            partial: true,
        }
    }

    /// The same table of which only some keys are seen.
    pub fn only(&self, keys: &'n [&'n str]) -> Fields<'n> {
        Fields {
            node: self.node,
            what: self.what.clone(),
            seen: Some(keys),
            partial: self.partial,
        }
    }

    /// The same table, in which keys that are needed may be missing.
    pub fn partial(self) -> Fields<'n> {
        Fields {
            partial: true,
            ..self
        }
    }

    /// Whether a key may be looked at here.
    pub fn sees(&self, key: &str) -> bool {
        self.seen.is_none_or(|seen| seen.contains(&key))
    }

    pub fn get(&self, key: &str) -> Option<&'n Node> {
        self.sees(key).then(|| self.node.get(key)).flatten()
    }

    /// A key that must be there; `like` shows a value of it.
    pub fn need(&self, key: &str, like: &str, reader: &mut Reader<'_>) -> Option<&'n Node> {
        let found = self.get(key);
        if found.is_none() && !self.partial {
            reader
                .problems
                .add(self.missing(key, &format!("{key} = {like}")));
        }
        found
    }

    fn missing(&self, key: &str, example: &str) -> Problem {
        let what = &self.what;
        let base = self.node.base.as_ref();
        let Some((base, _)) = base.filter(|(_, keys)| keys.contains(&key)) else {
            let help = format!("for example: {example}");
            return Problem::missing(self.node, key, format!("{what} needs `{key}`"), help);
        };
        let (name, under) = (base.name, base.under);
        match &base.node {
            // One mistake, however many tables lack the key: the first is named as an example.
            Some(node) => Problem::missing(
                node,
                key,
                format!("{name} needs `{key}`: not every {under} gives its own"),
                format!(
                    "a {} does not; for example: {example}",
                    what.trim_start_matches("this ")
                ),
            ),
            None => Problem::missing(
                self.node,
                key,
                format!("{what} needs `{key}`, and there is no {name} table"),
                format!("for example: {example}; in {name} it serves all {under}s"),
            ),
        }
    }

    /// Exactly one of `keys`; `what` says what they give.
    pub fn one_of<'k>(
        &self,
        keys: &[&'k str],
        what: &str,
        reader: &mut Reader<'_>,
    ) -> Option<(&'k str, &'n Node)> {
        let given: Vec<_> = keys
            .iter()
            .filter_map(|key| Some((*key, self.get(key)?)))
            .collect();
        let help = || format!("give exactly one of {}", suggest::list(keys));
        match given.as_slice() {
            [one] => Some(*one),
            [] => {
                let message = format!("{} needs {what}", self.what);
                reader.at(self.node, message, help());
                None
            }
            [(first, _), (second, node), ..] => {
                let message = format!(
                    "{} takes either `{first}` or `{second}`, not both",
                    self.what
                );
                reader.at(node, message, help());
                None
            }
        }
    }
}
