//! The step that makes a network smaller.
//!
//! The plan knows the network of the experiment. How much of it is left after a compaction depends on the weights, so on the
//! seed: it is known once the stage is computed, or read from a saved stage, which says what it holds.

use super::error::RunError;
use super::events::{Event, Reporter};
use super::outcome::{Network, Outcome};
use super::record::Record;
use super::stages::Stages;
use crate::experiment::Stage;
use crate::model::Model;
use crate::prune;
use std::sync::Arc;

/// Carries a `compact` step out on the network that the stage starts from. It is the host's work, and a moment's.
///
/// # Errors
/// The network cannot be made smaller.
pub(super) fn compact(
    stages: &Stages<'_>,
    stage: &Stage,
    before: &Model,
    reporter: &mut Reporter<'_>,
    what: &str,
) -> Result<Outcome, RunError> {
    let refused = |why: String| RunError::Experiment(vec![format!("{what}: {why}")]);
    let spec = stages
        .network_before(stage)
        .map_or(&stage.model, |network| &network.spec);
    // Only a stage that starts from fresh weights has no parent, and those have no mask: nothing is removed.
    let snapshot = stages
        .parent_of(stage)
        .ok_or_else(|| refused("there is no mask".to_owned()))?;
    let made = prune::compact(spec, before, snapshot).map_err(|e| refused(e.to_string()))?;
    reporter.tell(Event::Begun(&format!(
        "  seed {}: {} parameters are {} after compaction",
        stage.seed,
        before.parameters(),
        made.model.parameters()
    )));
    Ok(Outcome {
        snapshot: Arc::new(made.snapshot),
        record: Record::default(),
        network: Some(Network {
            spec: made.spec,
            model: made.model,
        }),
    })
}
