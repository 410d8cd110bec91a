//! A checked experiment: every default filled in, every value of the sweep in place.

use super::step::Step;
use crate::config::{Node, SourceText, words};
use crate::spec::{Criterion, DatasetSpec, ModelSpec};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// An arm at one point of the sweep.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Configuration {
    /// (axis, value as written) for the axes that this arm's result depends on, in the order of `[sweep]`. An arm that
    /// depends on none has one variant with no point.
    pub point: Vec<(String, String)>,
    /// The model.
    pub model: ModelSpec,
    /// The steps, at least one of them `train`.
    pub steps: Vec<Step>,
    /// Where each step comes from.
    #[serde(skip)]
    pub(super) origins: Vec<StepOrigin>,
}

/// Where a step comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StepOrigin {
    /// A step as it is written, counted with every round of an `iterate`.
    Step(usize),
    /// A control, counted from the innermost.
    Control(usize),
}

/// One method under comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Arm {
    /// Unique within the experiment.
    pub name: String,
    /// The arm that this one is a control of.
    pub control_of: Option<String>,
    /// One per combination of the axes it depends on; the last axis changes fastest.
    pub variants: Vec<Configuration>,
}

words! {
    /// What to do when a mask leaves no path from input to output.
    #[derive(Default)]
    pub enum OnCollapse {
        /// say so and go on
        #[default]
        Warn = "warn";
        /// end before anything trains under that mask
        Stop = "stop";
    }
}

/// A list of values to try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Axis {
    /// What `"$name"` refers to.
    pub name: String,
    /// The values as written; strings without quotes.
    pub values: Vec<String>,
}

/// What an experiment was read from.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SourceDocument {
    pub root: Node,
    pub sources: Vec<SourceText>,
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
    /// The file, for mistakes that are found later.
    #[serde(skip)]
    pub(super) written: SourceDocument,
    /// The file as read; with overrides, equivalent TOML without comments.
    #[serde(skip)]
    pub text: String,
    /// SHA-256 of every mask file that a step loads.
    pub mask_files: BTreeMap<PathBuf, String>,
}

impl Experiment {
    /// Whether a step prunes by [`Criterion::Custom`].
    pub fn has_custom_criterion(&self) -> bool {
        let variants = self.arms.iter().flat_map(|arm| &arm.variants);
        let mut pruned = variants
            .flat_map(|variant| &variant.steps)
            .filter_map(Step::prunes);
        pruned.any(|prune| prune.criterion == Criterion::Custom)
    }
}
