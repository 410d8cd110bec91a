//! What is known of an experiment before anything runs: its data's shapes and its models.

use crate::data;
use crate::experiment::Experiment;
use crate::model::Model;
use crate::spec::{Length, ModelSpec, Shape, TrainSpec};
use crate::train::{TrainError, training_samples};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Input shape, classes and training samples of a dataset.
#[derive(Clone, Copy, Debug)]
pub struct DataFacts {
    /// One image.
    pub shape: Shape,
    /// Classes.
    pub classes: usize,
    /// Training samples; `None` before the files are read, for one's own copy may hold others than were published.
    pub train: Option<u32>,
}

/// What is known of an experiment's dataset without reading its files.
pub fn known_facts(experiment: &Experiment, name: &str) -> Option<DataFacts> {
    let ((channels, height, width, classes), train) = match experiment.datasets.get(name) {
        Some(spec) => (
            data::shape_of_described(spec)?,
            data::training_size_of_described(spec),
        ),
        None => (data::shape_of(name)?, data::training_size_of(name)),
    };
    Some(DataFacts {
        shape: Shape::new(channels, height, width),
        classes,
        train,
    })
}

/// The models of an experiment, shapes inferred, by the canonical text of their spec.
#[derive(Default)]
pub struct Models(BTreeMap<String, Arc<Model>>);

/// The canonical text that names a model.
pub fn model_key(spec: &ModelSpec) -> String {
    serde_json::to_string(&(&spec.layers, spec.init)).unwrap_or_default()
}

impl Models {
    /// The model of a spec that was verified.
    pub fn of(&self, spec: &ModelSpec) -> Option<&Arc<Model>> {
        self.0.get(&model_key(spec))
    }

    /// The model of this spec: the one that is known, or else this one from now on.
    pub(super) fn enter(&mut self, spec: &ModelSpec, built: Model) -> &Arc<Model> {
        let entry = self.0.entry(model_key(spec));
        entry.or_insert_with(|| Arc::new(built))
    }

    /// Every distinct model.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Model>> {
        self.0.values()
    }
}

/// How many samples a training has, as far as that is known: a part of a dataset has its size whatever the dataset's.
///
/// # Errors
/// As [`training_samples`].
pub(super) fn known_samples(
    spec: &TrainSpec,
    facts: &DataFacts,
) -> Result<Option<u32>, TrainError> {
    match facts.train {
        Some(available) => training_samples(spec, available).map(Some),
        None => Ok(spec.samples),
    }
}

/// A number of samples that does for comparing the lengths of a training, `more` among them, while its dataset is not loaded: any,
/// where all are of one kind.
pub(super) fn any_samples(spec: &TrainSpec, more: &[Length]) -> Option<u32> {
    let kind = |length: &Length| matches!(length, Length::Steps(_));
    let own = [spec.enter, spec.leave].into_iter().flatten();
    let mut lengths = own.chain(more.iter().copied());
    let alike = lengths.all(|length| kind(&length) == kind(&spec.length));
    alike.then_some(spec.batch)
}
