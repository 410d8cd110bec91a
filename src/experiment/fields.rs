//! Reading tables: known keys only, and missing ones by name.

use crate::config::suggest;
use crate::config::{Node, Value, join};
use crate::config::{Problem, Problems};

/// A table whose keys have been checked.
pub(super) struct Fields<'n> {
    pub node: &'n Node,
    what: String,
}

impl<'n> Fields<'n> {
    /// Opens a table that takes only `keys`; every other key is reported. `what` names the table in messages.
    pub fn open(
        node: &'n Node,
        what: &str,
        keys: &[&str],
        problems: &mut Problems,
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
                problems.at(node, format!("{what} must be a table, not {found}"), help);
                return None;
            }
        }
        for entry in node.entries() {
            if !keys.contains(&entry.key.as_str()) {
                problems.add(Problem {
                    message: format!("unknown key `{}` in {what}", entry.key),
                    place: entry.key_place.clone(),
                    path: entry.node.path.clone(),
                    used_at: None,
                    help: Some(match keys {
                        [] => "it takes no keys: write {}".to_string(),
                        _ => suggest::help(&entry.key, keys),
                    }),
                });
            }
        }
        let what = what.to_string();
        Some(Fields { node, what })
    }

    pub fn get(&self, key: &str) -> Option<&'n Node> {
        self.node.get(key)
    }

    /// A key that must be there; `example` shows one.
    pub fn need(&self, key: &str, example: &str, problems: &mut Problems) -> Option<&'n Node> {
        let found = self.get(key);
        if found.is_none() {
            problems.add(missing(
                self.node,
                key,
                format!("{} needs `{key}`", self.what),
                format!("for example: {example}"),
            ));
        }
        found
    }

    /// Exactly one of `keys`; `what` says what they give.
    pub fn one_of(
        &self,
        keys: &[&'static str],
        what: &str,
        problems: &mut Problems,
    ) -> Option<(&'static str, &'n Node)> {
        let given: Vec<_> = keys
            .iter()
            .filter_map(|key| Some((*key, self.get(key)?)))
            .collect();
        match given.as_slice() {
            [one] => Some(*one),
            [] => {
                let message = format!("{} needs {what}", self.what);
                let help = format!("give exactly one of {}", suggest::list(keys));
                problems.at(self.node, message, help);
                None
            }
            [(first, _), (second, node), ..] => {
                let message = format!(
                    "{} takes either `{first}` or `{second}`, not both",
                    self.what
                );
                let help = format!("give exactly one of {}", suggest::list(keys));
                problems.at(node, message, help);
                None
            }
        }
    }
}

/// A mistake about a key that is not there, pointing at the table that lacks it.
pub(super) fn missing(table: &Node, key: &str, message: String, help: String) -> Problem {
    let mut place = table.place.clone();
    if table.path.is_empty() {
        // The root spans the whole file: point at its first line.
        place.end = place.start;
    }
    Problem {
        message,
        place,
        path: join(&table.path, key),
        used_at: table.used_at.clone(),
        help: Some(help),
    }
}
