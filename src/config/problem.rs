//! Mistakes as the checker collects them.

use super::node::{Node, Place, Value, join};

/// A mistake whose place in its text is not looked up yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    pub message: String,
    pub place: Place,
    /// The path that `--set` takes.
    pub path: String,
    /// Where a value of the sweep is used.
    pub used_at: Option<String>,
    pub help: Option<String>,
}

impl Problem {
    /// A key that is not there, pointing at the table that lacks it.
    pub fn missing(table: &Node, key: &str, message: String, help: String) -> Problem {
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
}

/// All mistakes so far, each once: the same value is read again for every point of the sweep.
#[derive(Debug, Default)]
pub struct Problems {
    list: Vec<Problem>,
}

impl Problems {
    /// Reports a mistake in the value `node`.
    pub fn at(&mut self, node: &Node, message: impl Into<String>, help: impl Into<String>) {
        self.add(Problem {
            message: message.into(),
            place: node.place.clone(),
            path: node.path.clone(),
            used_at: node.used_at.clone(),
            help: Some(help.into()),
        });
    }

    /// Reports a value of the wrong type. One that was reported before is passed over.
    pub fn wrong_type(&mut self, node: &Node, key: &str, expected: &str) {
        let help = match &node.value {
            Value::Unknown => return,
            Value::String(text) if text.parse::<f64>().is_ok() && expected.contains("number") => {
                Some(format!("without the quotes: {text}"))
            }
            Value::Float(number) if number.fract() == 0.0 && expected.contains("a whole") => {
                Some(format!("without the point: {number}"))
            }
            Value::Integer(number) if expected.contains("a length") => {
                Some(format!("for epochs: \"{number}ep\""))
            }
            // The message says it all.
            _ => None,
        };
        self.add(Problem {
            message: format!("`{key}` must be {expected}, not {}", node.describe()),
            place: node.place.clone(),
            path: node.path.clone(),
            used_at: node.used_at.clone(),
            help,
        });
    }

    pub fn add(&mut self, problem: Problem) {
        let known = |other: &Problem| {
            other.place == problem.place
                && other.message == problem.message
                && other.path == problem.path
        };
        if !self.list.iter().any(known) {
            self.list.push(problem);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// In the order of the text, `--set` arguments last.
    pub fn into_sorted(mut self) -> Vec<Problem> {
        self.list.sort_by(|a, b| a.place.cmp(&b.place));
        self.list
    }
}
