//! Says, before anything trains, that a mask lets nothing through.

use super::events::Reporter;
use crate::experiment::{MaskEffect, OnCollapse, Stage};
use crate::model::Model;
use crate::prune::paths;
use crate::train::Snapshot;

/// Looks at the mask that a prune or mask step left, or a training that changes masks: warns of layers that no path from input to
/// output leads through. Where there is no path at all, warns too, or gives the reason why the run fails if the experiment says that it
/// is to stop. `whose` names the runs.
pub(super) fn watch_collapse(
    on_collapse: OnCollapse,
    stage: &Stage,
    whose: impl Fn() -> String,
    (snapshot, model): (&Snapshot, &Model),
    reporter: &mut Reporter<'_>,
) -> Option<String> {
    if stage.step.effect().mask == MaskEffect::None {
        return None;
    }
    let found = paths(model, &snapshot.mask);
    let name = |tensor: usize| model.tensors[tensor].layer.as_str();
    if found.iter().all(|layer| layer.effective == 0) {
        // In a chain, the first layer whose outputs nothing reaches; past shortcuts, perhaps only the output.
        let cut = found.iter().find(|layer| layer.reached == 0);
        let at = cut.or(found.last()).map_or("", |layer| name(layer.tensor));
        let what = format!(
            "the mask has collapsed: no path of kept weights leads from the input to the output, cut at layer {at}, so nothing can be learned; keep more, or choose scope \"erk\", \"uniform\" or \"layer\""
        );
        if on_collapse == OnCollapse::Stop {
            return Some(format!(
                "{what} (on_collapse = \"stop\"; \"warn\" goes on, in the same folder)"
            ));
        }
        reporter.warn(&format!("{}: {what}", whose()));
        return None;
    }
    for layer in found.iter().filter(|layer| layer.effective == 0) {
        reporter.warn(&format!(
            "{}: no path from input to output leads through layer {}; the others bypass it",
            whose(),
            name(layer.tensor),
        ));
    }
    None
}
