//! Mistakes as the checker collects them.

use super::node::{Node, Place};

/// A mistake whose place in its text is not looked up yet.
#[derive(Clone, Debug)]
pub struct Problem {
    pub message: String,
    pub place: Place,
    /// The path that `--set` takes.
    pub path: String,
    /// Where a value of the sweep is used.
    pub used_at: Option<String>,
    pub help: Option<String>,
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
