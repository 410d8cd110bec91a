//! Mistakes that only shapes, sizes or a device show, at their place in the file.

use super::ExperimentErrors;
use super::arms::{RawArm, read_arms};
use super::expand::{Roots, chain};
use super::types::Experiment;
use crate::config::{Node, Problem, Problems, Reader};

/// What is wrong with a variant, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Late {
    /// Index into [`Experiment::arms`].
    pub arm: usize,
    /// Index into that arm's variants.
    pub variant: usize,
    /// The step that it is about, an index into the variant's; `None` if it is the model.
    pub step: Option<usize>,
    /// The keys that it is about, below the step or the model; of these the first that the file gives is shown.
    pub keys: Vec<String>,
    /// What is wrong.
    pub message: String,
}

impl Experiment {
    /// These mistakes as those of the file, each at its place and once, however many variants make it.
    pub fn mistakes(&self, found: &[Late]) -> ExperimentErrors {
        let root = &self.written.root;
        let quiet = &mut Problems::default();
        let roots = Roots::of(root, quiet);
        let reader = &mut Reader {
            problems: quiet,
            context: &(),
        };
        let arms = read_arms(root.get("arm").map_or(&[][..], Node::items), reader);
        let mut told: Vec<(Problem, Vec<String>)> = Vec::new();
        for late in found {
            let node = self.node_of(late, &roots, &arms);
            let node = node.as_ref().unwrap_or(root);
            let problem = Problem {
                message: late.message.clone(),
                place: node.place.clone(),
                path: node.path.clone(),
                used_at: node.used_at.clone(),
                help: None,
            };
            let variant = self.name_of(late);
            match told.iter_mut().find(|(other, _)| *other == problem) {
                Some((_, variants)) => variants.push(variant),
                None => told.push((problem, vec![variant])),
            }
        }
        let mut problems = Problems::default();
        for (mut problem, variants) in told {
            problem.help = Some(match variants.as_slice() {
                [first, more @ ..] if !more.is_empty() => {
                    format!("so it is in {first}, and in {} more", more.len())
                }
                variants => format!("so it is in {}", variants.concat()),
            });
            problems.add(problem);
        }
        ExperimentErrors::new(&self.written.sources, problems.into_sorted())
    }

    /// A variant in words.
    fn name_of(&self, late: &Late) -> String {
        let arm = &self.arms[late.arm];
        let point = arm.variants[late.variant].point.iter();
        let values: Vec<String> = point
            .map(|(axis, value)| format!("{axis} = {value}"))
            .collect();
        match values.as_slice() {
            [] => format!("arm {:?}", arm.name),
            values => format!("arm {:?} at {}", arm.name, values.join(", ")),
        }
    }

    /// What a mistake is about, as the file has it.
    fn node_of(&self, late: &Late, roots: &Roots<'_>, arms: &[RawArm<'_>]) -> Option<Node> {
        let variant = &self.arms[late.arm].variants[late.variant];
        let quiet = &mut Problems::default();
        let point = variant.point.iter().map(|(name, value)| {
            let axis = self.axes.iter().position(|axis| axis.name == *name)?;
            let value = self.axes[axis].values.iter().position(|own| own == value)?;
            Some((axis, value))
        });
        let point = point.collect::<Option<_>>()?;
        let chain = chain(arms, late.arm, quiet)?;
        let laid = chain.lay(&point, roots, quiet)?;
        let node = match late.step {
            Some(step) => laid.origin(*variant.origins.get(step)?)?.clone(),
            None => laid.model?,
        };
        let below = late.keys.iter().find_map(|key| {
            let mut keys = key.split('.');
            keys.try_fold(&node, |node, key| match key.parse::<usize>() {
                Ok(index) => node.items().get(index),
                Err(_) => node.get(key),
            })
        });
        Some(below.unwrap_or(&node).clone())
    }
}
