//! Experiments: from a TOML file to a checked [`Experiment`], and from that to a [`Plan`].
//!
//! The format is described in `docs/experiment-file.md`. Reading is strict: an unknown key, a value out of range or a
//! step that cannot mean anything is a mistake, and all mistakes are reported together, each with its place.
//!
//! A file passes through a tree of values that know their places (`crate::config`) and readers for each table (`read_*`), once for
//! every point of the sweep (`sweep`, `expand`).

mod arms;
mod best_by;
mod control;
mod digest;
mod document;
mod expand;
mod files;
mod header;
mod history;
mod iterate;
mod kept;
mod late;
mod overlay;
mod plan;
mod read_dataset;
mod read_layer;
mod read_model;
mod read_step;
mod reference;
mod sense;
mod stage_input;
mod step;
mod surroundings;
mod sweep;
mod types;
mod write;
mod write_model;

pub use crate::config::{Errors as ExperimentErrors, Mistake, suggest};
pub use history::{Bound, FirstTraining, History};
pub use late::Late;
pub use plan::{DataIdentity, Plan, PlanContext, Run, Stage};
pub use reference::{explain, keys, keys_table, schema, tables, words_table};
pub use stage_input::{InputDifference, StageInput, common_steps};
pub use step::{MaskEffect, Step};
pub use types::{Arm, Axis, Configuration, Experiment, OnCollapse};
pub use write_model::model_toml;
