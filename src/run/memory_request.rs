//! What each step of an experiment needs memory for.

use crate::experiment::Stage;
use crate::spec::TrainSpec;
use crate::train::MemoryRequest;

/// What a stage needs. Its masks keep `density` when it begins; `end` is the last training of the run that it ends, if it ends one:
/// the test set is read as in that.
pub fn memory_request(stage: &Stage, end: Option<&TrainSpec>, density: f64) -> MemoryRequest {
    let step = &stage.step;
    let spec = stage.training().or(step.data()).or(end);
    let density = if step.runs_dense() { 1.0 } else { density };
    MemoryRequest {
        beside: step.buffers(),
        holds_branches: step.holds_branches(),
        ..spec.map_or(MemoryRequest::of_batch(1), |spec| {
            MemoryRequest::of(spec, density)
        })
    }
}
