//! A checked experiment: every default filled in, every value of the sweep in place.

use super::digest::{json, sha256, step_json};
use super::{ExperimentErrors, document, files};
use crate::data::{DatasetSpec, Origin};
use crate::spec::{MaskSchedule, MaskStep, ModelSpec, PruneSpec, Restart, TrainSpec, UnitPrune};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What an arm does, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Train on a dataset.
    Train(TrainSpec),
    /// Remove weights.
    Prune(PruneSpec),
    /// Remove whole units.
    #[serde(rename = "prune_units")]
    PruneUnits(UnitPrune),
    /// Replace or free the mask.
    Mask(MaskStep),
    /// Put the weights back.
    Restart(Restart),
    /// Set running statistics to their average over training batches: those of a training of this length, of which nothing
    /// but the forward passes is run.
    Recalibrate(TrainSpec),
    /// Make tensors smaller by the units that do nothing.
    Compact,
}

impl Step {
    /// What it reads of a dataset: a training, or one of which only some passes are run.
    pub fn data(&self) -> Option<&TrainSpec> {
        match self {
            Step::Train(spec) | Step::Recalibrate(spec) => Some(spec),
            Step::Prune(spec) => spec.data.as_deref(),
            Step::PruneUnits(spec) => spec.data.as_deref(),
            Step::Mask(_) | Step::Restart(_) | Step::Compact => None,
        }
    }

    /// What it prunes: at once, or by and by while it trains.
    pub fn prunes(&self) -> Option<&PruneSpec> {
        match self {
            Step::Prune(spec) => Some(spec),
            Step::Train(spec) => match spec.masks.as_deref() {
                Some(MaskSchedule::Gradual(gradual)) => Some(&gradual.prune),
                _ => None,
            },
            _ => None,
        }
    }
}

/// An arm at one point of the sweep.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Variant {
    /// (axis, value as written) for the axes that this arm's result depends on, in the order of `[sweep]`. An arm that
    /// depends on none has one variant with no point.
    pub point: Vec<(String, String)>,
    /// The model.
    pub model: ModelSpec,
    /// The steps, at least one of them `train`.
    pub steps: Vec<Step>,
}

/// One method under comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Arm {
    /// Unique within the experiment.
    pub name: String,
    /// The arm that this one is a control of.
    pub control_of: Option<String>,
    /// One per combination of the axes it depends on; the last axis changes fastest.
    pub variants: Vec<Variant>,
}

/// What to do when a mask leaves no path from input to output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnCollapse {
    /// Say so and go on.
    #[default]
    Warn,
    /// End before anything trains under that mask.
    Stop,
}

/// A list of values to try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Axis {
    /// What `"$name"` refers to.
    pub name: String,
    /// The values as written; strings without quotes.
    pub values: Vec<String>,
}

/// A whole experiment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Experiment {
    /// The file's name without extension.
    pub name: String,
    /// One line for people; the name if the file gives none.
    pub title: String,
    /// Unique, at least one.
    pub seeds: Vec<u32>,
    /// In the order of `[sweep]`.
    pub axes: Vec<Axis>,
    /// In the order of the file.
    pub arms: Vec<Arm>,
    /// Whether to go on past a mask that lets nothing through. Not part of the digest: it changes no result.
    pub on_collapse: OnCollapse,
    /// `[datasets]`, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub datasets: BTreeMap<String, DatasetSpec>,
    /// The file as read; with overrides, equivalent TOML without comments.
    #[serde(skip)]
    pub text: String,
    /// SHA-256 of every mask file that a step loads.
    pub mask_files: BTreeMap<PathBuf, String>,
}

impl Experiment {
    /// Reads and checks a file. `overrides` are `PATH=VALUE`, applied in order.
    ///
    /// # Errors
    /// All mistakes in the file and the overrides, or that the file cannot be read.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Experiment, ExperimentErrors> {
        let file_name = path.display().to_string();
        let unreadable =
            |message, help| Err(ExperimentErrors::unreadable(&file_name, message, help));
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                let near = files::nearest_file(path, "toml");
                let help = match near {
                    Some(near) => format!("did you mean {near}?"),
                    None => "give the path of an experiment's TOML file".to_string(),
                };
                return unreadable(format!("cannot read {file_name}: {error}"), help);
            }
        };
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let good = error.utf8_error().valid_up_to();
                let newlines = error.as_bytes()[..good]
                    .iter()
                    .filter(|byte| **byte == b'\n');
                let line = newlines.count() + 1;
                let message = format!("{file_name} is not UTF-8: line {line}, byte {good}");
                return unreadable(message, "save it as UTF-8 text".to_string());
            }
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        Experiment::parse(&file_name, &text, folder, overrides)
    }

    /// Checks a text. `file_name` stands in errors, and its stem names the experiment; paths of mask files are relative
    /// to `folder`.
    ///
    /// # Errors
    /// All mistakes in the text and the overrides.
    pub fn parse(
        file_name: &str,
        text: &str,
        folder: &Path,
        overrides: &[String],
    ) -> Result<Experiment, ExperimentErrors> {
        document::parse(file_name, text, folder, overrides)
    }

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
                let mut variants: Vec<&Variant> = arm.variants.iter().collect();
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
            if let Origin::Folder(folder) = &mut spec.origin {
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

impl Variant {
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
        let steps = self.steps.iter().map(|step| step_json(step, files));
        (&self.model, steps.collect())
    }
}
