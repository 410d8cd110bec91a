//! What a run folder says about the data its results were computed on.

use crate::spec::TestShare;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One dataset, in `data.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataRecord {
    /// Its name in the experiment.
    pub name: String,
    /// sha256 over shape, labels and images of both splits.
    pub digest: String,
    /// Channels, rows, columns.
    pub shape: [usize; 3],
    /// The name of each label, from 0.
    pub classes: Vec<String>,
    /// Training samples, those held out for validation included.
    pub train: usize,
    /// Test samples.
    pub test: usize,
    /// Per channel, over the training samples: the mean of byte / 255. This is what `normalise = "measured"` subtracts.
    pub mean: Vec<f64>,
    /// Per channel: the standard deviation, by which it divides.
    pub std: Vec<f64>,
    /// Image files that could not be decoded and were left out.
    pub skipped_images: Vec<String>,
    /// How many other files of a folder were left out, by the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left_out_files: BTreeMap<String, usize>,
    /// How the test images were chosen, where no folder says which they are.
    #[serde(default, flatten, skip_serializing_if = "Option::is_none")]
    pub test_share: Option<TestShare>,
}
