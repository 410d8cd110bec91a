//! Says, before anything trains, that a mask lets nothing through.

use super::error::RunError;
use super::events::Reporter;
use crate::experiment::{MaskEffect, OnCollapse, Stage};
use crate::model::Model;
use crate::prune::paths;
use crate::train::Snapshot;

/// Looks at the mask that a prune or mask step left, or a training that changes masks: warns of layers that no path from input to
/// output leads through, and where there is no path at all, stops if the experiment says so.
///
/// # Errors
/// [`RunError::Collapse`].
pub(super) fn watch_collapse(
    on_collapse: OnCollapse,
    stage: &Stage,
    (snapshot, model): (&Snapshot, &Model),
    reporter: &mut Reporter<'_>,
) -> Result<(), RunError> {
    if stage.step.effect().mask == MaskEffect::None {
        return Ok(());
    }
    let found = paths(model, &snapshot.mask);
    let name = |tensor: usize| model.tensors[tensor].layer.as_str();
    if found.iter().all(|layer| layer.effective == 0) {
        // In a chain, the first layer whose outputs nothing reaches; past shortcuts, perhaps only the output.
        let cut = found.iter().find(|layer| layer.reached == 0);
        let at = cut.or(found.last()).map_or("", |layer| name(layer.tensor));
        let what = format!(
            "seed {} of stage {}: the mask has collapsed: no path of kept weights leads from the input to the output, cut at layer {at}, so nothing can be learned; keep more, or choose scope \"erk\", \"uniform\" or \"layer\"",
            stage.seed,
            &stage.digest[..12],
        );
        if on_collapse == OnCollapse::Stop {
            return Err(RunError::Collapse { what });
        }
        reporter.warn(&what);
        return Ok(());
    }
    for layer in found.iter().filter(|layer| layer.effective == 0) {
        reporter.warn(&format!(
            "seed {} of stage {}: no path from input to output leads through layer {}; the others bypass it",
            stage.seed,
            &stage.digest[..12],
            name(layer.tensor),
        ));
    }
    Ok(())
}
