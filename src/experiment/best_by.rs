//! `best_by` where no score decides anything.

use super::step::Step;
use super::types::Arm;
use crate::config::{Node, Problems, Reader, peek_part};
use crate::spec::Stopping;

const MESSAGE: &str = "`best_by` decides nothing here";
const HELP: &str =
    "it says which score `keep = \"best\"` and `patience` go by: give one of these, or remove it";

/// Reports a `train` step that says which score decides though none does; whether it is right. `keep` or `patience` from the
/// sweep may decide at another point.
pub(super) fn check_step(step: &Node, reader: &mut Reader<'_>) -> bool {
    let swept = |key| {
        step.get(key)
            .is_some_and(|node: &Node| node.used_at.is_some())
    };
    let decides = peek_part(step, reader).is_none_or(|stopping: Stopping| stopping.decides());
    if decides || swept("keep") || swept("patience") {
        return true;
    }
    let mut own = step.entries().iter().filter(|entry| !entry.inherited);
    let said = own.find(|entry| entry.key == "best_by");
    if let Some(entry) = said {
        reader.at(&entry.node, MESSAGE, HELP);
    }
    said.is_none()
}

/// Reports the `best_by` of `[train]` if it decides nothing in any training of the experiment.
pub(super) fn check_default(train: Option<&Node>, arms: &[Arm], problems: &mut Problems) {
    let Some((train, node)) = train.and_then(|train| Some((train, train.get("best_by")?))) else {
        return;
    };
    // `keep = "last"` beside it switches it off for a while.
    if train.get("keep").is_some() || train.get("patience").is_some() {
        return;
    }
    let steps = arms
        .iter()
        .flat_map(|arm| &arm.variants)
        .flat_map(|v| &v.steps);
    let mut trainings = steps.filter_map(Step::training);
    let decides = trainings.any(|step| step.train.stopping.decides());
    // Arms with mistakes may lack the training that it is meant for.
    if !decides && problems.is_empty() {
        problems.at(node, MESSAGE, HELP);
    }
}
