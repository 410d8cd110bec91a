//! What a run folder says about the data its results were computed on.

use serde::{Deserialize, Serialize};

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
}
