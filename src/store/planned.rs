//! `runs.json`: the runs that an experiment asks for, with the stages that each needs, so that a folder can be looked at without its data
//! or an adapter.

use super::error::StoreError;
use super::write::{WRITTEN_ANEW, read_json};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The file in a run folder.
pub(super) const RUNS: &str = "runs.json";
const FORMAT: &str = "secateur-runs";
const VERSION: u32 = 1;

/// A run that is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedRun {
    /// Its name, as in the column `run` of `results.csv`.
    pub run: String,
    /// The arm's name.
    pub arm: String,
    /// Sweep axes that the arm depends on, with their values.
    pub point: Vec<(String, String)>,
    /// The seed.
    pub seed: u32,
    /// Its stages, first to last.
    pub stages: Vec<PlannedStage>,
}

/// A stage of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedStage {
    /// Names its files in `stages/`.
    pub digest: String,
    /// What the step does, in a word of the experiment file.
    pub step: String,
    /// Whether it has a file: steps of milliseconds within a run have none.
    pub kept: bool,
}

#[derive(Serialize, Deserialize)]
struct File {
    format: String,
    version: u32,
    runs: Vec<PlannedRun>,
}

/// The text of the file: one line for each run.
pub(super) fn text(runs: &[PlannedRun]) -> String {
    let lines: Vec<String> = runs
        .iter()
        .map(|run| serde_json::to_string(run).unwrap_or_default())
        .collect();
    let head = format!("{{\"format\":\"{FORMAT}\",\"version\":{VERSION},\"runs\":[\n");
    format!("{head}{}\n]}}\n", lines.join(",\n"))
}

/// Reads it; `None` where there is none yet.
///
/// # Errors
/// [`StoreError::Damaged`] or [`StoreError::Io`].
pub fn read_planned(dir: &Path) -> Result<Option<Vec<PlannedRun>>, StoreError> {
    let path = dir.join(RUNS);
    let Some(file) = read_json::<File>(&path, WRITTEN_ANEW)? else {
        return Ok(None);
    };
    if file.format != FORMAT || file.version != VERSION {
        let (format, version) = (file.format, file.version);
        return Err(StoreError::Damaged {
            path,
            reason: format!(
                "it is a {format} of version {version}, not a {FORMAT} of version {VERSION}"
            ),
            next: WRITTEN_ANEW,
        });
    }
    Ok(Some(file.runs))
}
