//! The datasets of an experiment, loaded.

use super::error::RunError;
use super::facts::DataFacts;
use super::verify::datasets;
use crate::data::{self, DataError, Dataset, SearchPath};
use crate::experiment::Experiment;
use crate::spec::Shape;
use crate::store::DataRecord;
use std::collections::BTreeMap;

/// Loads the datasets an experiment trains on.
///
/// # Errors
/// One is missing or damaged.
pub fn load_datasets(
    experiment: &Experiment,
    search: &SearchPath,
) -> Result<BTreeMap<String, Dataset>, RunError> {
    datasets(experiment)
        .into_iter()
        .map(|name| {
            let loaded = load_dataset(experiment, &name, search)?;
            Ok((name, loaded))
        })
        .collect()
}

/// Loads what an experiment calls by this name: a dataset that it describes, or one that there is without it.
///
/// # Errors
/// It is missing or damaged.
pub fn load_dataset(
    experiment: &Experiment,
    name: &str,
    search: &SearchPath,
) -> Result<Dataset, DataError> {
    match experiment.datasets.get(name) {
        Some(spec) => {
            let cache = data::cache_folder();
            data::load_described(name, spec, search, cache.as_deref())
        }
        None => data::load(name, search),
    }
}

/// Shapes and sizes of loaded datasets.
pub fn facts_of(datasets: &BTreeMap<String, Dataset>) -> BTreeMap<String, DataFacts> {
    datasets
        .iter()
        .map(|(name, d)| {
            let facts = DataFacts {
                shape: Shape::new(d.channels, d.height, d.width),
                classes: d.class_names.len(),
                train: Some(d.train.len() as u32),
            };
            (name.clone(), facts)
        })
        .collect()
}

/// What a run folder says about a dataset.
pub(super) fn record_of(data: &Dataset) -> DataRecord {
    DataRecord {
        name: data.name.clone(),
        digest: data.digest.clone(),
        shape: [data.channels, data.height, data.width],
        classes: data.class_names.clone(),
        train: data.train.len(),
        test: data.test.len(),
        mean: data.statistics.iter().map(|c| c.mean).collect(),
        std: data.statistics.iter().map(|c| c.std).collect(),
        skipped_images: data.skipped.clone(),
        left_out_files: data.left_out.clone(),
        test_share: data.test_share,
    }
}
