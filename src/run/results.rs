//! What comes of an experiment.

use crate::experiment::Experiment;
use crate::report::ArmInfo;
use crate::store::{DataRecord, RunRow};
use std::path::PathBuf;

/// What came of an experiment.
#[derive(Clone, Debug)]
pub struct Results {
    /// One per run, in the plan's order.
    pub rows: Vec<RunRow>,
    /// The run folder.
    pub folder: PathBuf,
    /// Stages that an earlier call had already computed.
    pub resumed: usize,
    /// What the results were computed on.
    pub data: Vec<DataRecord>,
    /// Bytes of GPU buffers at the peak.
    pub peak_bytes: u64,
}

/// The arms, for tables and plots.
pub fn arm_infos(experiment: &Experiment) -> Vec<ArmInfo> {
    experiment
        .arms
        .iter()
        .map(|arm| ArmInfo {
            name: arm.name.clone(),
            control_of: arm.control_of.clone(),
        })
        .collect()
}
