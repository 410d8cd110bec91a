//! Carries a plan out: cohorts of ready stages, checkpoints, and rows as runs finish.

mod asked;
mod budget;
mod checkpoint;
mod cohort;
mod collapse;
mod compute;
mod datasets;
mod demand;
mod error;
mod exact;
mod facts;
mod finish;
mod interrupt;
mod measures;
mod memory;
mod networks;
mod outcome;
mod overlap;
mod place;
mod progress;
mod record;
mod resume;
mod rows;
mod score;
mod session;
mod speed;
mod steps;
mod training;
mod verify;
mod verify_steps;

pub use cohort::{DEFAULT_MEMORY, Limits};
pub use datasets::{facts_of, load_datasets};
pub use error::RunError;
pub use exact::Exact;
pub use facts::{DataFacts, Models, known_facts};
pub use finish::{Finished, arm_infos};
pub use measures::{LayerMeasures, Measures};
pub use memory::{CohortPlan, cohorts, planned_peak};
pub use progress::duration;
pub use record::{CurvePoint, Record, Score};
pub use session::RunOptions;
pub use verify::{datasets, verify};

use crate::data::SearchPath;
use crate::experiment::Experiment;
use crate::gpu::Gpu;
use session::Session;

/// Runs everything that the run folder does not hold yet, and writes results, curves, masks, weights and plots.
///
/// # Errors
/// See [`RunError`]; finished stages are safe in the run folder whatever happens.
pub fn run(experiment: &Experiment, gpu: &Gpu, options: &RunOptions) -> Result<Finished, RunError> {
    interrupt::install();
    let search = options
        .search
        .clone()
        .unwrap_or_else(|| SearchPath::new(None));
    let datasets = load_datasets(experiment, &search)?;
    for warning in datasets.values().flat_map(|d| &d.warnings) {
        eprintln!("warning: {warning}");
    }
    let models = verify(experiment, &facts_of(&datasets)).map_err(RunError::Experiment)?;
    let mut session = Session::new(experiment, gpu, options, &datasets, models)?;
    session.go().map_err(|error| match error {
        RunError::Interrupted { .. } => RunError::Interrupted {
            folder: options.out.display().to_string(),
        },
        other => other,
    })?;
    session.finish()
}
