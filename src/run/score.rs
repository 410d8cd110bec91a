//! What finished runs are worth on data that trained none of them.

use super::error::RunError;
use super::place::{RunContext, failed, place, trainer_of};
use super::record::FinalScores;
use crate::experiment::Stage;
use crate::model::Model;
use crate::spec::TrainSpec;
use crate::train::{EvalSplit, Snapshot, TrainError};
use std::sync::Arc;

/// Scores finished runs: the validation split, and the test set, once. `specs[i]` is the run's last training, `snapshots[i]` what it
/// left.
///
/// # Errors
/// The device failed, the audit found a violation, or somebody stopped it.
pub(super) fn score(
    context: &RunContext<'_>,
    model: &Arc<Model>,
    stages: &[&Stage],
    specs: &[&TrainSpec],
    snapshots: &[Option<Arc<Snapshot>>],
    what: &str,
) -> Result<Vec<FinalScores>, RunError> {
    let failed = |source| failed(what, source);
    let goes_on = &mut |_| !context.stop.is_stopped();
    let replicas = place(context.gpu, model, stages, snapshots)?;
    let trainer = trainer_of(context, &replicas, specs, None, what)?;
    let validation = if specs[0].validation > 0 {
        let scores = trainer.evaluate(EvalSplit::Validation, goes_on);
        Some(scores.map_err(failed)?)
    } else {
        None
    };
    let test = trainer.evaluate(EvalSplit::Test, goes_on).map_err(failed)?;
    let violations = trainer.audit_now().map_err(failed)?;
    if let Some(replica) = violations.iter().position(|&v| v > 0) {
        return Err(failed(TrainError::Violation {
            count: violations[replica],
            replica,
            step: trainer.steps(),
        }));
    }
    let each = test.iter().enumerate();
    Ok(each
        .map(|(i, &test)| FinalScores {
            validation: validation.as_ref().map(|v| v[i].into()),
            test: test.into(),
        })
        .collect())
}
