//! What the tables of an experiment may refer to.

use super::files::MaskFiles;
use super::read_model::{has_weights, learns};
use crate::config::{Context, Node, Problems, Synonym};
use crate::data::training_size_of;
use crate::ops::operator;
use crate::spec::{DATASET, LAYER, LEARNING, ModelSpec, NamedLayer, SYNONYMS, WHOLE_BATCH};
use std::path::PathBuf;

/// What a step may refer to, at one point of the sweep.
pub(super) struct Surroundings<'a> {
    /// `None` where it is not known, or has a mistake.
    pub model: Option<&'a ModelSpec>,
    pub files: &'a MaskFiles,
    /// Names that `dataset` may be.
    pub datasets: &'a [String],
}

impl Context for Surroundings<'_> {
    fn names(&self, kind: &str) -> Option<Vec<&str>> {
        let layers = |is: &dyn Fn(&NamedLayer) -> bool| {
            let layers = self.model?.layers.iter().filter(|layer| is(layer));
            Some(layers.map(|layer| layer.name.as_str()).collect())
        };
        match kind {
            DATASET => Some(self.datasets.iter().map(String::as_str).collect()),
            LAYER => layers(&|layer| has_weights(&layer.layer)),
            LEARNING => layers(&|layer| learns(&layer.layer)),
            WHOLE_BATCH => layers(&|layer| operator(&layer.layer).needs_whole_batch()),
            _ => None,
        }
    }

    fn synonyms(&self) -> &[Synonym] {
        SYNONYMS
    }

    fn training_samples(&self, dataset: &str) -> Option<u32> {
        training_size_of(dataset)
    }

    fn file(&self, name: &Node, problems: &mut Problems) -> Option<PathBuf> {
        self.files.find(name, problems)
    }
}

/// What a table may refer to that refers to nothing else of the file.
pub(super) struct Alone;

impl Context for Alone {
    fn names(&self, _: &str) -> Option<Vec<&str>> {
        None
    }

    fn synonyms(&self) -> &[Synonym] {
        SYNONYMS
    }

    fn file(&self, _: &Node, _: &mut Problems) -> Option<PathBuf> {
        None
    }
}
