//! What finished runs are worth on data that trained none of them.

use super::error::RunError;
use super::outcome::Outcome;
use super::place::{RunContext, failed, place, trainer_of};
use crate::experiment::Stage;
use crate::model::Model;
use crate::spec::TrainSpec;
use crate::train::{EvalSplit, TrainError};
use std::sync::Arc;

/// Scores finished runs: the validation split, and the test set, once. `specs[i]` is the run's last training.
///
/// # Errors
/// The device failed, or somebody stopped it.
pub fn score(
    context: &RunContext<'_>,
    model: &Arc<Model>,
    stages: &[&Stage],
    specs: &[&TrainSpec],
    outcomes: &mut [&mut Outcome],
    what: &str,
) -> Result<(), RunError> {
    let failed = |source| failed(what, source);
    let goes_on = &mut |_| !context.stop.is_stopped();
    let snapshots: Vec<_> = outcomes.iter().map(|o| Some(o.snapshot.clone())).collect();
    let replicas = place(context.gpu, model, stages, &snapshots)?;
    let trainer = trainer_of(context, &replicas, specs, None, what)?;
    let validation = if specs[0].validation > 0 {
        Some(
            trainer
                .evaluate(EvalSplit::Validation, goes_on)
                .map_err(failed)?,
        )
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
    for (i, outcome) in outcomes.iter_mut().enumerate() {
        outcome.record.validation = validation.as_ref().map(|v| v[i].into());
        outcome.record.test = Some(test[i].into());
    }
    Ok(())
}
