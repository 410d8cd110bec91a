//! Which axes of the sweep an arm's steps depend on: those they name, and those in the defaults that they take.

use super::control::unmasked;
use super::read_prune::CRITERIA;
use super::read_train::{MOVEMENT, RECALIBRATE, SCORING};
use super::read_units::UNIT_CRITERIA;
use super::sweep::Sweep;
use super::train_settings::KEYS;
use crate::config::Node;
use crate::spec::Criterion;
use std::collections::BTreeSet;

pub(super) struct Depends<'a> {
    pub sweep: &'a Sweep<'a>,
    /// `[train]`.
    pub train: Option<&'a Node>,
    /// Whether the steps are those of a dense control.
    pub dense: bool,
    pub axes: BTreeSet<usize>,
}

impl Depends<'_> {
    /// Counts what a step as written depends on; those within an `iterate` once.
    pub fn add_step(&mut self, step: &Node) {
        for step in self.meanings(step) {
            match step.get("iterate") {
                Some(body) => self.add_iterate(body),
                None => self.add_plain(&step),
            }
        }
    }

    fn add_iterate(&mut self, body: &Node) {
        for body in self.meanings(body) {
            if let Some(rounds) = body.get("rounds") {
                self.add_value(rounds);
            }
            let steps = body.get("steps").map(|steps| self.meanings(steps));
            for step in steps.iter().flatten().flat_map(Node::items) {
                self.add_step(step);
            }
        }
    }

    fn add_plain(&mut self, step: &Node) {
        let unmasked = self.dense.then(|| unmasked(step));
        if let Some(step) = unmasked.unwrap_or_else(|| Some(step.clone())) {
            self.add_value(&step);
            self.add_defaults(&step);
        }
    }

    /// Counts the axes that a value names.
    pub fn add_value(&mut self, value: &Node) {
        self.sweep.used_by(value, &mut self.axes);
    }

    /// Counts the axes in those defaults of `[train]` that a step takes and does not override.
    fn add_defaults(&mut self, step: &Node) {
        for settings in self.under(step, "train") {
            self.add_left_out(&settings, &KEYS);
        }
        for settings in self.under(step, "recalibrate") {
            self.add_left_out(&settings, &RECALIBRATE);
        }
        for settings in self.under(step, "prune") {
            for criterion in self.under(&settings, "criterion") {
                self.add_left_out(&settings, scoring_keys(&criterion));
            }
        }
    }

    fn add_left_out(&mut self, settings: &Node, keys: &[&str]) {
        for key in keys.iter().filter(|key| settings.get(key).is_none()) {
            if let Some(default) = self.train.and_then(|train| train.get(key)) {
                self.add_value(default);
            }
        }
    }

    fn under(&mut self, node: &Node, key: &str) -> Vec<Node> {
        let value = node.get(key);
        value.map(|value| self.meanings(value)).unwrap_or_default()
    }

    /// What a value may be: itself, or any value of the axis that it names, which counts. Axes name no others, so what they
    /// hold is final.
    fn meanings(&mut self, node: &Node) -> Vec<Node> {
        let Some(axis) = node.reference().and_then(|name| self.sweep.find(name)) else {
            return vec![node.clone()];
        };
        self.axes.insert(axis);
        let values = self.sweep.axes[axis].values.iter();
        values
            .map(|value| self.sweep.substitute(value, &Vec::new()))
            .collect()
    }
}

/// The keys of `[train]` that a prune step by this criterion takes.
fn scoring_keys(criterion: &Node) -> &'static [&'static str] {
    let named = |word: &str| criterion.text() == Some(word);
    let weights = CRITERIA.iter().find(|(word, _)| named(word));
    let units = UNIT_CRITERIA.iter().find(|(word, _)| named(word));
    let reads = weights.is_some_and(|(_, criterion)| criterion.reads_data())
        || units.is_some_and(|(_, criterion)| criterion.reads_data());
    match weights {
        Some((_, Criterion::Movement)) => &MOVEMENT,
        _ if reads => &SCORING,
        _ => &[],
    }
}
