//! Steps laid over the defaults of `[train]`.

use crate::config::{Base, Choice, Node, Table, Value};
use crate::spec::{Criterion, DATA, IMAGES, MEASURED, TRAINED, TrainSpec, UnitCriterion};
use std::sync::Arc;

/// A step with all that it takes from `[train]` and does not say itself.
pub(super) fn over_defaults(mut step: Node, defaults: &Arc<Base>) -> Node {
    if let Value::Table(entries) = &mut step.value {
        for entry in entries {
            let keys = match entry.key.as_str() {
                "train" => TrainSpec::description().keys(None),
                "recalibrate" => TrainSpec::keys_of(&[DATA, IMAGES]),
                "prune" => TrainSpec::keys_of(parts(&entry.node)),
                _ => continue,
            };
            entry.node = entry.node.clone().over(defaults, keys);
        }
    }
    step
}

/// The groups of keys that a `prune` step takes.
fn parts(prune: &Node) -> &'static [&'static str] {
    let word = prune.get("criterion").and_then(Node::text);
    let weights = word.and_then(Criterion::word);
    let units = word.and_then(UnitCriterion::word);
    if weights == Some(Criterion::Movement) {
        TRAINED
    } else if weights.is_some_and(Criterion::reads_data)
        || units.is_some_and(UnitCriterion::reads_data)
    {
        MEASURED
    } else {
        &[]
    }
}
