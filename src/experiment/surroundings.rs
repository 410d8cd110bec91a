//! Where a step stands.

use super::files::MaskFiles;
use crate::config::Node;
use crate::spec::ModelSpec;

/// What a step may refer to, at one point of the sweep.
pub(super) struct Surroundings<'a> {
    /// `[train]`.
    pub defaults: Option<&'a Node>,
    /// `None` if it has a mistake.
    pub model: Option<&'a ModelSpec>,
    pub files: &'a MaskFiles,
    /// Names that `dataset` may be.
    pub datasets: &'a [String],
}
