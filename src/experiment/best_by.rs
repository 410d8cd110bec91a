//! `best_by` where no score decides anything.

use super::{Arm, Step};
use crate::config::Node;
use crate::config::Problems;
use crate::spec::Stopping;

const MESSAGE: &str = "`best_by` decides nothing here";
const HELP: &str =
    "it says which score `keep = \"best\"` and `patience` go by: give one of these, or remove it";

/// Reports a `train` step that says which score decides though none does; whether it is right. `keep` or `patience` from the
/// sweep may decide at another point.
pub(super) fn check_step(
    step: &Node,
    defaults: Option<&Node>,
    stopping: &Stopping,
    problems: &mut Problems,
) -> bool {
    let get = |key| step.get(key).or_else(|| defaults?.get(key));
    let swept = |key| get(key).is_some_and(|node| node.used_at.is_some());
    if stopping.decides() || swept("keep") || swept("patience") {
        return true;
    }
    let said = step.get("best_by");
    if let Some(node) = said {
        problems.at(node, MESSAGE, HELP);
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
    let mut steps = arms
        .iter()
        .flat_map(|arm| &arm.variants)
        .flat_map(|v| &v.steps);
    let decides =
        steps.any(|step| matches!(step, Step::Train(step) if step.train.stopping.decides()));
    // Arms with mistakes may lack the training that it is meant for.
    if !decides && problems.is_empty() {
        problems.at(node, MESSAGE, HELP);
    }
}
