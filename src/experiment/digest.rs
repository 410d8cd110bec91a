//! Names by content: SHA-256 over canonical JSON.

use super::types::{Axis, Configuration, Experiment};
use crate::base::{json, sha256};
use crate::spec::{DatasetOrigin, DatasetSpec, ModelSpec};
use std::collections::BTreeMap;
use std::path::PathBuf;

impl Experiment {
    /// SHA-256 of what the experiment says: not of comments, formatting, the order of keys, its file's name, or where
    /// mask files and images lie.
    pub fn digest(&self) -> String {
        // Axes in alphabetical order, so that the order of keys in [sweep] does not count.
        let mut axes: Vec<&Axis> = self.axes.iter().collect();
        axes.sort_by(|a, b| a.name.cmp(&b.name));
        let arms: Vec<_> = self
            .arms
            .iter()
            .map(|arm| {
                let mut variants: Vec<&Configuration> = arm.variants.iter().collect();
                variants.sort_by_key(|variant| variant.place(&axes));
                let variants: Vec<_> = variants
                    .into_iter()
                    .map(|variant| variant.canonical(&self.mask_files))
                    .collect();
                (&arm.name, &arm.control_of, variants)
            })
            .collect();
        let names: Vec<&str> = axes.iter().map(|axis| axis.name.as_str()).collect();
        let mut text = json(&(&self.title, &self.seeds, names, arms));
        if !self.datasets.is_empty() {
            text += &json(&self.canonical_datasets());
        }
        sha256(text.as_bytes())
    }

    /// What is said of each described dataset, but for where its images lie.
    fn canonical_datasets(&self) -> Vec<(&String, DatasetSpec)> {
        let mut list: Vec<_> = self.datasets.iter().map(|(n, s)| (n, s.clone())).collect();
        for (_, spec) in &mut list {
            if let DatasetOrigin::Folder(folder) = &mut spec.origin {
                folder.folder = PathBuf::new();
            }
        }
        list
    }

    /// Everything but the text, as indented JSON, with every default and every value of the sweep in place.
    pub fn resolved_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_else(|_| json(&self.title))
    }
}

impl Configuration {
    /// Its point as indices into the values of `axes`.
    fn place(&self, axes: &[&Axis]) -> Vec<Option<usize>> {
        axes.iter()
            .map(|axis| {
                let (_, value) = self.point.iter().find(|(name, _)| *name == axis.name)?;
                axis.values.iter().position(|other| other == value)
            })
            .collect()
    }

    fn canonical(&self, files: &BTreeMap<PathBuf, String>) -> (&ModelSpec, Vec<String>) {
        let steps = self.steps.iter().map(|step| step.canonical(files));
        (&self.model, steps.collect())
    }
}
